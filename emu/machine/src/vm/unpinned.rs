//! What a deterministic guest could not hold still, by name: from its kernel's configuration before it starts, or from what
//! init says of it.

use super::modules::{Setting, config_setting};
use std::fmt;

/// What init prints before the name of something that it could not hold still.
pub const UNPINNED: &str = "VH-UNPINNED ";

/// Something that [`Builder::deterministic`](super::Builder::deterministic) holds still, as far as the kernel lets it.
#[derive(Debug)]
struct Pin {
    /// As init calls it.
    name: &'static str,
    what: &'static str,
    /// Options of the kernel's without which it cannot be.
    needs: &'static [&'static str],
}

/// The rest that is held still (addresses, clock, seeds) no kernel can refuse.
const PINS: &[Pin] = &[
    Pin {
        name: "process-numbers",
        what: "the numbers of processes and threads",
        // /proc/sys/kernel/ns_last_pid
        needs: &["CONFIG_SYSCTL", "CONFIG_PID_NS", "CONFIG_CHECKPOINT_RESTORE"],
    },
    Pin {
        name: "scheduling",
        what: "the order in which the program's threads run",
        needs: &[],
    },
];

/// Something that is not held still, and why: one sentence's worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// By this it is known again.
    pub name: String,
    what: String,
    why: String,
}

impl fmt::Display for Unpinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}

/// What a kernel with this configuration cannot hold still.
#[must_use]
pub fn by_config(config: &str) -> Vec<Unpinned> {
    let lacking = |pin: &Pin| -> Option<Unpinned> {
        let off = |option: &&&str| config_setting(config, option) == Setting::Off;
        let off: Vec<&str> = pin.needs.iter().filter(off).copied().collect();
        (!off.is_empty()).then(|| Unpinned {
            name: pin.name.to_owned(),
            what: pin.what.to_owned(),
            why: format!("the kernel lacks {}", off.join(", ")),
        })
    };
    PINS.iter().filter_map(lacking).collect()
}

/// What a line of the console says could not be held still.
#[must_use]
pub fn by_guest(line: &str) -> Option<Unpinned> {
    let (_, name) = line.split_once(UNPINNED)?;
    let name = name.split_whitespace().next()?;
    let pin = PINS.iter().find(|pin| pin.name == name);
    let needs = pin.map_or(&[][..], |pin| pin.needs);
    Some(Unpinned {
        name: name.to_owned(),
        what: pin.map_or(name, |pin| pin.what).to_owned(),
        why: if needs.is_empty() {
            "the guest says so".to_owned()
        } else {
            format!("the guest says so; it takes {}", needs.join(", "))
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_tells_what_cannot_be_held_still() {
        let all = "CONFIG_SYSCTL=y\nCONFIG_PID_NS=y\nCONFIG_CHECKPOINT_RESTORE=y\n";
        assert_eq!(by_config(all), []);
        let some = by_config("CONFIG_SYSCTL=y\n# CONFIG_CHECKPOINT_RESTORE is not set\n");
        assert_eq!(some.len(), 1);
        assert_eq!(some[0].name, "process-numbers");
        assert_eq!(
            some[0].to_string(),
            "the numbers of processes and threads (the kernel lacks CONFIG_PID_NS, CONFIG_CHECKPOINT_RESTORE)"
        );
    }

    #[test]
    fn the_guest_tells_it_too() {
        let told = by_guest("[    1.2] VH-UNPINNED process-numbers\r").unwrap();
        assert_eq!(told.name, "process-numbers");
        assert!(told.to_string().contains("it takes CONFIG_SYSCTL"), "{told}");
        assert!(
            by_guest("VH-UNPINNED scheduling")
                .unwrap()
                .to_string()
                .contains("threads run")
        );
        // A guest may say anything.
        assert_eq!(
            by_guest("VH-UNPINNED x y").unwrap().to_string(),
            "x (the guest says so)"
        );
        assert_eq!(by_guest("VH-UNPINNED "), None);
        assert_eq!(by_guest("VH-READY 1.0"), None);
    }
}
