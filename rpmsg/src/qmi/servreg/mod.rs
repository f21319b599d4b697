//! The service registry: which protection domains a subsystem has, and when they go down and come up.
//!
//! Source: `drivers/soc/qcom/pdr_interface.c`, `pdr_internal.h`, `qcom_pdr_msg.c` and `qcom_pd_mapper.c`. Clients ask the
//! *locator* (on the AP: the pd-mapper driver, or a daemon) for the instance of the *notifier* that knows a domain, look that up, and
//! register as listeners there: each DSP has a notifier of its own. [`Notifier`] and [`Locator`] are the services, [`domains`]
//! the domains that DSPs have.

pub mod domains;
pub mod locator;
pub mod messages;
pub mod notifier;

pub use domains::{Domain, Subsystem};
pub use locator::Locator;
pub use messages::State;
pub use notifier::Notifier;

/// Number of the locator's service (`QMI_SERVICE_ID_SERVREG_LOC`).
pub const LOCATOR: u32 = 64;
/// Number of the notifier's service (`QMI_SERVICE_ID_SERVREG_NOTIF`).
pub const NOTIFIER: u32 = 66;
/// Longest name of a domain or service in bytes (`SERVREG_NAME_LENGTH`).
pub const NAME_LENGTH: usize = 64;
/// Longest reason of a failure in bytes (`SERVREG_PFR_LENGTH`).
pub const REASON_LENGTH: usize = 256;
