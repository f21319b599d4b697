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
        let drivers = [
            (Driver::Fastrpc, "CONFIG_QCOM_FASTRPC", "fastrpc"),
            (Driver::Qda, "CONFIG_DRM_ACCEL_QDA", "qda"),
        ];
        Self {
            release: kernel.release(),
            config: kernel.config.clone(),
            drivers: drivers
                .into_iter()
                .filter(|(_, option, module)| kernel.has(option, module))
                .map(|(driver, _, _)| driver)
                .collect(),
            lacks: [PlatformKind::Rpm, PlatformKind::Board].map(|platform| kernel.lacks(platform, irq, dsps)),
        }
    }

    /// Why nothing can be played on it at all, if so.
    #[must_use]
    pub fn unusable(&self) -> Option<String> {
        (self.config.is_some() && self.drivers.is_empty()).then(|| {
            "the kernel has no FastRPC driver: neither CONFIG_QCOM_FASTRPC nor CONFIG_DRM_ACCEL_QDA is built in or among its \
             modules"
                .to_owned()
        })
    }

    /// Why a case cannot be played, if so.
    #[must_use]
    pub fn lacking(&self, case: &Case, setup: &Setup) -> Option<String> {
        let needs = &case.needs;
        if let Some(driver) = needs.driver
            && !self.drivers.contains(&driver)
            && (self.config.is_some() || !self.drivers.is_empty())
        {
            return Some(format!("needs the {} driver", name(driver)));
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

/// Why the guest's kernel turned out not to have the driver, if so: what the guest itself says.
#[must_use]
pub fn no_driver(drivers: Option<&str>) -> Option<String> {
    let drivers = drivers?;
    let known = ["fastrpc", "qda"].iter().any(|name| drivers.contains(name));
    (!known).then(|| "the guest's kernel has no FastRPC driver (no such driver on the rpmsg bus)".to_owned())
}

const fn name(driver: Driver) -> &'static str {
    match driver {
        Driver::Fastrpc => "fastrpc",
        Driver::Qda => "qda",
    }
}
