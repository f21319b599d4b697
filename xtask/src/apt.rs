//! Private apt roots: package lists and sources of our own, so that neither `/etc/apt` nor the system's lists are
//! touched, signatures are checked as always, and no root rights are needed to fetch.
//!
//! No mirror is written down anywhere in this project: its address is the one the machine itself uses for Debian
//! (`apt-get indextargets`), or the one the user names with `--mirror` or `VHOST_HEXAGON_MIRROR`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::ui;

/// Keys that sign Debian's archives.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One line of a source list: suite and components.
pub struct Suite<'a> {
    /// Address of the archive.
    pub site: String,
    /// `trixie`, `trixie-backports`, …
    pub suite: &'a str,
    /// `main`, `main contrib`, …
    pub components: &'a str,
    /// Can be done without when its lists are not to be had (a mirror may carry it outdated).
    pub optional: bool,
}

/// A private apt root.
pub struct Apt {
    root: PathBuf,
    architecture: &'static str,
    own_status: bool,
    required: Vec<String>,
    optional: Vec<String>,
}

impl Apt {
    /// A root for fetching packages of another architecture or suite; nothing counts as installed in it.
    pub fn foreign(root: PathBuf, architecture: &'static str, suites: &[Suite]) -> Result<Apt> {
        Self::make(root, architecture, true, suites)
    }

    /// A root for installing on this machine: the system's own package status, our own lists and sources.
    pub fn host(root: PathBuf, architecture: &'static str, suites: &[Suite]) -> Result<Apt> {
        Self::make(root, architecture, false, suites)
    }

    fn make(root: PathBuf, architecture: &'static str, own_status: bool, suites: &[Suite]) -> Result<Apt> {
        if !Path::new(KEYRING).is_file() {
            bail!("{KEYRING} is missing, so packages could not be verified; install debian-archive-keyring");
        }
        for dir in ["lists/partial", "cache/archives/partial", "download"] {
            std::fs::create_dir_all(root.join(dir))
                .with_context(|| format!("cannot create {}", root.display()))?;
        }
        let lines = |optional: bool| -> Vec<String> {
            let line = |s: &Suite| {
                let Suite {
                    site,
                    suite,
                    components,
                    ..
                } = s;
                format!("deb [arch={architecture} signed-by={KEYRING}] {site} {suite} {components}\n")
            };
            suites
                .iter()
                .filter(|s| s.optional == optional)
                .map(line)
                .collect()
        };
        if own_status {
            std::fs::write(root.join("status"), "")?;
        }
        Ok(Apt {
            root,
            architecture,
            own_status,
            required: lines(false),
            optional: lines(true),
        })
    }

    /// An apt tool with this root's options.
    pub fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        let dir = |name: &str| self.root.join(name).display().to_string();
        let mut options = vec![
            format!("Dir::State::lists={}", dir("lists")),
            format!("Dir::Cache={}", dir("cache")),
            format!("Dir::Etc::sourcelist={}", dir("sources.list")),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::Etc::preferences=-".to_owned(),
            "Dir::Etc::preferencesparts=-".to_owned(),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ];
        if self.own_status {
            options.push(format!("Dir::State={}", self.root.display()));
            options.push(format!("Dir::State::status={}", dir("status")));
        }
        if is_root() {
            // The unprivileged download user could not enter a private folder.
            options.push("APT::Sandbox::User=root".to_owned());
        }
        for option in options {
            command.arg("-o").arg(option);
        }
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Fetches the package lists; optional suites are left out when theirs cannot be had.
    pub fn update(&self) -> Result<()> {
        let list = self.root.join("sources.list");
        let fetch = || ui::output(self.command("apt-get").args(["update", "--error-on=any"]));
        let mut optional = self.optional.clone();
        while !optional.is_empty() {
            std::fs::write(&list, [self.required.concat(), optional.concat()].concat())?;
            let Err(error) = fetch() else { return Ok(()) };
            let said = format!("{error:#}");
            let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("E: ")).collect();
            let reason = errors.first().unwrap_or(&"it cannot be reached");
            ui::say(format!("   doing without an optional suite: {reason}"));
            let before = optional.len();
            optional.retain(|line| !errors.iter().any(|error| is_about(error, line)));
            if optional.len() == before {
                optional.clear();
            }
        }
        std::fs::write(&list, self.required.concat())?;
        fetch().context("cannot fetch package lists (is the mirror reachable?)")?;
        Ok(())
    }

    /// All package names that the lists know and a pattern (regular expression on names) finds.
    pub fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let text = ui::output(
            self.command("apt-cache")
                .args(["search", "--names-only", pattern]),
        )?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect())
    }

    /// The version that would be taken for a package (with `suite` as the preferred one), or `None`.
    pub fn candidate(&self, package: &str) -> Option<String> {
        let text = ui::output(self.command("apt-cache").args(["policy", package])).ok()?;
        let line = text.lines().find_map(|l| l.trim().strip_prefix("Candidate: "))?;
        (line != "(none)").then(|| line.to_owned())
    }

    /// All versions of a package, newest first as apt orders them.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let text = ui::output(self.command("apt-cache").args(["madison", package]))?;
        Ok(text
            .lines()
            .filter_map(|l| l.split('|').nth(1))
            .map(|v| v.trim().to_owned())
            .collect())
    }

    /// Downloads one package (verified by apt; a broken download is resumed) and returns its file.
    ///
    /// `package` may carry a version (`name=version`) or a suite (`name/suite`).
    pub fn download(&self, package: &str) -> Result<PathBuf> {
        let plain = package.split(['=', '/']).next().unwrap_or(package);
        let shown = ui::output(
            self.command("apt-cache")
                .args(["show", "--no-all-versions", plain]),
        )
        .unwrap_or_default();
        let size = shown
            .lines()
            .find_map(|l| l.strip_prefix("Size: "))
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let dir = self.root.join("download").join(plain);
        std::fs::create_dir_all(&dir)?;
        let mut child = self
            .command("apt-get")
            .args(["download", package])
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start apt-get")?;
        let mut progress = ui::Progress::start(&format!("fetching {package}"), size);
        let partial = self.root.join("cache/archives/partial");
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            progress.at(ui::dir_size(&dir) + ui::dir_size(&partial));
            std::thread::sleep(Duration::from_millis(200));
        };
        progress.finish();
        if !status.success() {
            let mut said = String::new();
            if let Some(mut pipe) = child.stderr.take() {
                std::io::Read::read_to_string(&mut pipe, &mut said)?;
            }
            bail!("cannot fetch the package {package}: {}", said.trim());
        }
        let mut debs: Vec<PathBuf> = std::fs::read_dir(&dir)?
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "deb"))
            .collect();
        debs.sort_by_key(|p| p.metadata().and_then(|m| m.modified()).ok());
        debs.pop().with_context(|| {
            format!(
                "apt-get download {package} left no package file in {}",
                dir.display()
            )
        })
    }

    /// Removes downloaded package files; what was made from them is in the cache.
    pub fn forget_downloads(&self) {
        let _ = std::fs::remove_dir_all(self.root.join("download"));
        let _ = std::fs::create_dir_all(self.root.join("download"));
    }
}

/// Does apt's error name the suite of a line of sources.list?
fn is_about(error: &str, line: &str) -> bool {
    let mut words = line.split_whitespace().skip(3);
    let (Some(site), Some(suite)) = (words.next(), words.next()) else {
        return false;
    };
    let site = site.trim_end_matches('/');
    error.contains(&format!("{site} {suite} ")) || error.contains(&format!("{site}/dists/{suite}/"))
}

/// Unpacks a package file below `into`.
pub fn unpack(deb: &Path, into: &Path) -> Result<()> {
    std::fs::create_dir_all(into)?;
    ui::output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(into))?;
    Ok(())
}

/// Are we root?
pub fn is_root() -> bool {
    // SAFETY: geteuid takes no arguments, touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// This system's release name (`bookworm`, `trixie`), or an error on what is not Debian.
pub fn codename() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let field = |name: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='))
            .map(|v| v.trim_matches('"').to_owned())
    };
    if field("ID").as_deref() != Some("debian") {
        bail!("this is not Debian: install the tools listed above by hand");
    }
    field("VERSION_CODENAME").context("/etc/os-release names no VERSION_CODENAME")
}

/// Where this machine gets Debian packages from, as (address, suite) pairs of its own release.
pub fn system_suites() -> Vec<(String, String)> {
    let Ok(codename) = codename() else {
        return Vec::new();
    };
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"]);
    let text = ui::output(&mut command).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [site, suite, "main"] = words[..] else {
            continue;
        };
        let ours = suite
            .strip_prefix(codename.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        let pair = (site.to_owned(), suite.to_owned());
        if ours && !found.contains(&pair) {
            found.push(pair);
        }
    }
    found
}

/// The Debian archive's address: the user's (`--mirror`, `VHOST_HEXAGON_MIRROR`), else this machine's.
pub fn mirror(named: Option<&str>) -> Result<String> {
    if let Some(site) = named {
        return Ok(site.to_owned());
    }
    if let Ok(site) = std::env::var("VHOST_HEXAGON_MIRROR")
        && !site.is_empty()
    {
        return Ok(site);
    }
    let codename = codename().unwrap_or_default();
    system_suites()
        .into_iter()
        .find(|(_, suite)| *suite == codename)
        .map(|(site, _)| site)
        .context(
            "this machine's apt has no Debian archive to take packages from: name one with --mirror URL \
         (or VHOST_HEXAGON_MIRROR), the address that a line of sources.list would have",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_errors_are_traced_to_the_suite_they_are_about() {
        let line = "deb [arch=arm64 signed-by=/k.gpg] http://mirror.example/debian sid main\n";
        let other = "deb [arch=arm64 signed-by=/k.gpg] http://mirror.example/debian sid-updates main\n";
        let missing =
            "E: The repository 'http://mirror.example/debian sid Release' does not have a Release file.";
        let broken = "E: Failed to fetch http://mirror.example/debian/dists/sid/InRelease  Clearsigned file is not valid";
        assert!(is_about(missing, line) && is_about(broken, line));
        assert!(!is_about(missing, other) && !is_about(broken, other));
        assert!(!is_about("E: Could not get lock", line));
    }
}
