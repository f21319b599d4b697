//! Which Linux this is: Debian, one of its derivatives, or another, to which we can only say what to install.

/// The system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum System {
    /// Debian itself.
    Debian {
        /// Name of the release: `bookworm`, `trixie`; empty if it says none.
        codename: String,
    },
    /// A derivative: it has apt, but an archive of its own.
    Derivative {
        /// Its name for people.
        name: String,
    },
    /// Another.
    Other {
        /// Its name for people.
        name: String,
        /// Its ID and those that it says it is like.
        ids: Vec<String>,
    },
}

/// How QEMU for arm64 is installed elsewhere: a distribution's ID, and the command.
const ELSEWHERE: &[(&str, &str)] = &[
    ("fedora", "dnf install qemu-system-aarch64"),
    ("rhel", "dnf install qemu-system-aarch64"),
    ("arch", "pacman -S qemu-system-aarch64"),
    ("suse", "zypper install qemu-arm"),
    ("opensuse", "zypper install qemu-arm"),
    ("alpine", "apk add qemu-system-aarch64"),
    ("gentoo", "QEMU_SOFTMMU_TARGETS=aarch64 emerge app-emulation/qemu"),
    ("nixos", "nix-env -iA nixos.qemu"),
];

impl System {
    /// This one.
    #[must_use]
    pub fn detect() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok());
        Self::parse(&text.unwrap_or_default())
    }

    /// From the text of `os-release` (freedesktop.org's os-release(5)).
    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(name)?.strip_prefix('='))
                .map(|v| v.trim().trim_matches(['"', '\'']).to_owned())
        };
        let id = field("ID").unwrap_or_default();
        if id == "debian" {
            return Self::Debian {
                codename: field("VERSION_CODENAME").unwrap_or_default(),
            };
        }
        let name = field("PRETTY_NAME").or_else(|| field("NAME"));
        let name = name.unwrap_or_else(|| "this system".to_owned());
        let like = field("ID_LIKE").unwrap_or_default();
        let mut ids = vec![id];
        ids.extend(like.split_whitespace().map(str::to_owned));
        if ids.iter().any(|id| id == "debian" || id == "ubuntu") {
            Self::Derivative { name }
        } else {
            Self::Other { name, ids }
        }
    }

    /// Whether packages can be fetched with apt's tools.
    #[must_use]
    pub fn has_apt(&self) -> bool {
        !matches!(self, Self::Other { .. })
    }
}

/// What someone does whose system is not Debian.
#[must_use]
pub fn advice(name: &str, ids: &[String], qemu_is_there: bool) -> String {
    let mut text = format!(
        "{name} has no Debian packages, which are what `setup` fetches and installs. What a guest needs can be had by hand:\n"
    );
    if !qemu_is_there {
        let command = ELSEWHERE.iter().find(|(id, _)| ids.iter().any(|own| own == id));
        let command = command.map_or("from your distribution or its source", |(_, command)| *command);
        text.push_str(&format!(
            "\n* QEMU 9 or newer with qemu-system-aarch64:\n      {command}\n"
        ));
    }
    text.push_str(
        "\n* an arm64 kernel of your own: run --kernel arch/arm64/boot/Image --modules DIR\n      \
         (the options that it needs: `vhost-hexagon assets --extract DIR kernel`)\n\
         * a user space for arm64: run --root DIR, with a static busybox in bin/, a C library, and libcdsprpc.so.1\n      \
         (or the cache of a Debian machine: copy its folder ~/.cache/vhost-hexagon)\n\n\
         What needs neither: `vhost-hexagon invoke`, `exec` and `disasm`.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_known_by_its_id_and_by_what_it_is_like() {
        let debian = System::parse(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        );
        assert_eq!(
            debian,
            System::Debian {
                codename: "bookworm".into()
            }
        );
        let name = |name: &str| System::Derivative { name: name.into() };
        assert_eq!(
            System::parse("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n"),
            name("Ubuntu")
        );
        assert_eq!(
            System::parse("PRETTY_NAME='Linux Mint 22'\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            name("Linux Mint 22")
        );
        let other = System::parse("NAME=Fedora\nID=fedora\n");
        assert!(!other.has_apt() && debian.has_apt());
        assert!(!System::parse("").has_apt());
    }

    #[test]
    fn elsewhere_the_advice_names_the_command_that_installs_qemu() {
        let ids = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let text = advice("Rocky Linux", &ids("rocky rhel centos fedora"), false);
        assert!(
            text.contains("dnf install qemu-system-aarch64") && text.contains("--modules"),
            "{text}"
        );
        assert!(advice("X", &ids("x"), false).contains("from your distribution"));
        assert!(!advice("X", &ids("arch"), true).contains("pacman"));
    }
}
