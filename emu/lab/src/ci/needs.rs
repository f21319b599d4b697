//! Whether a kernel can play a case: what it lacks, in words.

use super::guest::Setup;
use crate::scenario::{Case, Driver};
use emu_machine::device::layout::PlatformKind;
use emu_machine::vm::kernel::Kernel;
use emu_machine::vm::modules::{Setting, config_setting};

/// What is known of a kernel without booting it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its release, if the image says it.
    pub release: Option<String>,
    /// Its configuration, if it lies beside it.
    pub config: Option<String>,
    /// The drivers that are built in or among its modules; empty if that cannot be known.
    pub drivers: Vec<Driver>,
    /// What it lacks for each platform: rpm, board.
    lacks: [Vec<&'static str>; 2],
}

impl Facts {
    /// Looks at a kernel.
    #[must_use]
    pub fn of(kernel: &Kernel, dsps: usize) -> Self {
        let irq = kernel.irq_path();
        Self {
            release: kernel.release(),
            config: kernel.config.clone(),
            drivers: Driver::ALL
                .into_iter()
                .filter(|driver| kernel.has(driver.option(), driver.name()))
                .collect(),
            lacks: [PlatformKind::Rpm, PlatformKind::Board].map(|platform| kernel.lacks(platform, irq, dsps)),
        }
    }

    /// Why nothing can be played on it at all, if so; `wanted` is the driver that the user asks for.
    #[must_use]
    pub fn unusable(&self, wanted: Option<Driver>) -> Option<String> {
        if self.drivers.is_empty() && self.config.is_some() {
            return Some(
                "the kernel has no FastRPC driver: neither CONFIG_QCOM_FASTRPC nor CONFIG_DRM_ACCEL_QDA is built in or among \
                 its modules"
                    .to_owned(),
            );
        }
        let wanted = wanted?;
        self.lacks_driver(wanted).then(|| {
            let there: Vec<&str> = self.drivers.iter().map(|driver| driver.name()).collect();
            format!(
                "the kernel has no {wanted} driver ({} is neither built in nor among its modules), it has {}",
                wanted.option(),
                there.join(", ")
            )
        })
    }

    /// Whether it is known not to have a driver.
    fn lacks_driver(&self, driver: Driver) -> bool {
        !self.drivers.contains(&driver) && (self.config.is_some() || !self.drivers.is_empty())
    }

    /// Why a case cannot be played, if so.
    #[must_use]
    pub fn lacking(&self, case: &Case, setup: &Setup) -> Option<String> {
        let needs = &case.needs;
        // Of two drivers the one is loaded that the user asks for.
        if let Some(driver) = needs.driver
            && (self.lacks_driver(driver) || setup.driver.is_some_and(|wanted| wanted != driver))
        {
            return Some(format!("needs the {driver} driver"));
        }
        if let Some(reason) = self
            .release
            .as_deref()
            .and_then(|release| wrong_release(case, release))
        {
            return Some(reason);
        }
        if !needs.config.is_empty() {
            let Some(config) = &self.config else {
                return Some(format!(
                    "needs {}, and the kernel's configuration is not known (no `config` or `.config` beside it)",
                    needs.config.join(", ")
                ));
            };
            let off = |option: &&String| config_setting(config, option) == Setting::Off;
            let missing: Vec<&str> = needs.config.iter().filter(off).map(String::as_str).collect();
            if !missing.is_empty() {
                return Some(format!("needs {}", missing.join(", ")));
            }
        }
        let (platform, lacks) = match setup.platform_of(case) {
            PlatformKind::Rpm => ("rpm", &self.lacks[0]),
            PlatformKind::Board => ("board", &self.lacks[1]),
        };
        if !lacks.is_empty() {
            return Some(format!("the {platform} platform needs {}", lacks.join(", ")));
        }
        let labels: Vec<&str> = setup.profile.dsps.iter().map(|dsp| dsp.label.as_str()).collect();
        let board = setup.platform_of(case) == PlatformKind::Board;
        case.scenario
            .check_machine(&labels, board)
            .err()
            .map(|error| error.to_string())
    }
}

/// Why a case is not for that release, if so.
#[must_use]
pub fn wrong_release(case: &Case, release: &str) -> Option<String> {
    let range = case.needs.kernel.as_ref()?;
    (!range.contains(release)).then(|| format!("needs a kernel {}, this is {release}", range.text()))
}

/// Why the guest's kernel turned out not to have a driver at all, or not the one that the user asks for: `drivers` is what
/// the guest says.
#[must_use]
pub fn no_driver(wanted: Option<Driver>, drivers: Option<&[Driver]>) -> Option<String> {
    let drivers = drivers?;
    match wanted {
        _ if drivers.is_empty() => Some(
            "the guest's kernel has no FastRPC driver (neither fastrpc's nor qda's bus is there)".to_owned(),
        ),
        Some(wanted) if !drivers.contains(&wanted) => Some(format!(
            "the guest's kernel has no {wanted} driver, but {}",
            names(drivers)
        )),
        _ => None,
    }
}

/// Why a case is not for the drivers that the guest says it has, if so.
#[must_use]
pub fn wrong_driver(case: &Case, drivers: Option<&[Driver]>) -> Option<String> {
    let (needed, drivers) = (case.needs.driver?, drivers?);
    (!drivers.is_empty() && !drivers.contains(&needed)).then(|| {
        format!(
            "needs the {needed} driver, the guest's kernel has {}",
            names(drivers)
        )
    })
}

fn names(drivers: &[Driver]) -> String {
    let names: Vec<&str> = drivers.iter().map(|driver| driver.name()).collect();
    names.join(", ")
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
