//! Private apt roots: package lists and sources of our own, so that neither `/etc/apt` nor the system's lists are
//! touched, signatures are checked as always, and no root rights are needed to fetch.
//!
//! No mirror is written down anywhere in this project: its address is the one the machine itself uses for Debian
//! (`apt-get indextargets`), or the one the user names with `--mirror` or `VHOST_HEXAGON_MIRROR`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::{line_of, output};
use crate::system::System;
use crate::{Error, Result, ui};

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

/// Package lists that apt's tools can be asked about: the system's, or a private root's.
pub struct Lists {
    options: Vec<String>,
}

/// A private apt root.
pub struct Apt {
    root: PathBuf,
    lists: Lists,
    required: Vec<String>,
    optional: Vec<String>,
}

impl Apt {
    /// A root for fetching packages of another architecture or suite; nothing counts as installed in it.
    ///
    /// # Errors
    /// Debian's keys are not there, or the folder cannot be made.
    pub fn foreign(root: PathBuf, architecture: &str, suites: &[Suite]) -> Result<Apt> {
        let mut apt = Self::host(root, architecture, suites)?;
        let status = apt.root.join("status");
        std::fs::write(&status, "").map_err(Error::file(&status))?;
        let state = [
            format!("Dir::State={}", apt.root.display()),
            format!("Dir::State::status={}", status.display()),
        ];
        apt.lists.options.extend(state);
        Ok(apt)
    }

    /// A root for installing on this machine: the system's own package status, our own lists and sources.
    ///
    /// # Errors
    /// Debian's keys are not there, or the folder cannot be made.
    pub fn host(root: PathBuf, architecture: &str, suites: &[Suite]) -> Result<Apt> {
        if !Path::new(KEYRING).is_file() {
            return Err(Error::Keyring(KEYRING));
        }
        for dir in ["lists/partial", "cache/archives/partial", "download"] {
            let dir = root.join(dir);
            std::fs::create_dir_all(&dir).map_err(Error::file(dir))?;
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
        Ok(Apt {
            lists: Lists::private(&root, architecture),
            required: lines(false),
            optional: lines(true),
            root,
        })
    }

    /// Its package lists.
    #[must_use]
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Fetches the package lists; optional suites are left out when theirs cannot be had.
    ///
    /// # Errors
    /// The lists of a suite that is not optional cannot be had.
    pub fn update(&self) -> Result<()> {
        let list = self.root.join("sources.list");
        let write = |text: String| std::fs::write(&list, text).map_err(Error::file(&list));
        let mut optional = self.optional.clone();
        while !optional.is_empty() {
            write([self.required.concat(), optional.concat()].concat())?;
            let Err(error) = self.lists.update() else {
                return Ok(());
            };
            let said = error.to_string();
            let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("E: ")).collect();
            let reason = errors.first().unwrap_or(&"it cannot be reached");
            ui::say(format!("   doing without an optional suite: {reason}"));
            let before = optional.len();
            optional.retain(|line| !errors.iter().any(|error| is_about(error, line)));
            if optional.len() == before {
                optional.clear();
            }
        }
        write(self.required.concat())?;
        self.lists.update()
    }

    /// Downloads one package (verified by apt; a broken download is resumed) and returns its file.
    ///
    /// `package` may carry a version (`name=version`) or a suite (`name/suite`).
    ///
    /// # Errors
    /// It is not to be had.
    pub fn download(&self, package: &str) -> Result<PathBuf> {
        let plain = package.split(['=', '/']).next().unwrap_or(package);
        let shown = output(
            self.lists
                .command("apt-cache")
                .args(["show", "--no-all-versions", plain]),
        )
        .unwrap_or_default();
        let size = shown
            .lines()
            .find_map(|l| l.strip_prefix("Size: "))
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let dir = self.root.join("download").join(plain);
        std::fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
        let mut command = self.lists.command("apt-get");
        command
            .args(["download", package])
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let line = line_of(&command);
        let start = |source| Error::Start {
            command: line.clone(),
            source,
        };
        let mut child = command.spawn().map_err(start)?;
        let mut progress = ui::Progress::start(&format!("fetching {package}"), size);
        let partial = self.root.join("cache/archives/partial");
        let status = loop {
            if let Some(status) = child.try_wait().map_err(start)? {
                break status;
            }
            progress.at(ui::dir_size(&dir) + ui::dir_size(&partial));
            std::thread::sleep(Duration::from_millis(200));
        };
        progress.finish();
        let error = |said: &str| Error::Package {
            package: package.to_owned(),
            said: said.trim().to_owned(),
        };
        if !status.success() {
            let mut said = String::new();
            if let Some(mut pipe) = child.stderr.take() {
                // Whatever can be read of it.
                let _ = std::io::Read::read_to_string(&mut pipe, &mut said);
            }
            return Err(error(&said));
        }
        let mut debs: Vec<PathBuf> = std::fs::read_dir(&dir)
            .map_err(Error::file(&dir))?
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "deb"))
            .collect();
        debs.sort_by_key(|p| p.metadata().and_then(|m| m.modified()).ok());
        debs.pop()
            .ok_or_else(|| error("apt-get download left no package file"))
    }

    /// Removes it all: its lists are large, and fetched anew when they are asked for again.
    pub fn forget(self) {
        let _ = std::fs::remove_dir_all(self.root);
    }

    /// Removes downloaded package files; what was made from them is in the cache.
    pub fn forget_downloads(&self) {
        let _ = std::fs::remove_dir_all(self.root.join("download"));
    }
}

impl Lists {
    /// Those of the system.
    #[must_use]
    pub fn of_the_system() -> Self {
        Self { options: Vec::new() }
    }

    /// Those of a private root.
    fn private(root: &Path, architecture: &str) -> Self {
        let dir = |name: &str| root.join(name).display().to_string();
        let mut options = vec![
            format!("Dir::State::lists={}", dir("lists")),
            format!("Dir::Cache={}", dir("cache")),
            format!("Dir::Etc::sourcelist={}", dir("sources.list")),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::Etc::preferences=-".to_owned(),
            "Dir::Etc::preferencesparts=-".to_owned(),
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures={architecture}"),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ];
        if is_root() {
            // The unprivileged download user could not enter a private folder.
            options.push("APT::Sandbox::User=root".to_owned());
        }
        Self { options }
    }

    /// An apt tool with the options that make it use these lists.
    #[must_use]
    pub fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Fetches them anew.
    ///
    /// # Errors
    /// Those of a suite cannot be had.
    pub fn update(&self) -> Result<()> {
        match output(self.command("apt-get").args(["update", "--error-on=any"])) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Lists(Box::new(error))),
        }
    }

    /// All package names that the lists know and a pattern (regular expression on names) finds.
    ///
    /// # Errors
    /// apt cannot be asked.
    pub fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let text = output(
            self.command("apt-cache")
                .args(["search", "--names-only", pattern]),
        )?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect())
    }

    /// The version that would be taken for a package, if there is one.
    #[must_use]
    pub fn candidate(&self, package: &str) -> Option<String> {
        let text = output(self.command("apt-cache").args(["policy", package])).ok()?;
        let line = text.lines().find_map(|l| l.trim().strip_prefix("Candidate: "))?;
        (line != "(none)").then(|| line.to_owned())
    }

    /// All versions of a package, newest first as apt orders them.
    ///
    /// # Errors
    /// apt cannot be asked.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let text = output(self.command("apt-cache").args(["madison", package]))?;
        Ok(text
            .lines()
            .filter_map(|l| l.split('|').nth(1))
            .map(|v| v.trim().to_owned())
            .collect())
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
///
/// # Errors
/// It cannot be unpacked.
pub fn unpack(deb: &Path, into: &Path) -> Result<()> {
    std::fs::create_dir_all(into).map_err(Error::file(into))?;
    output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(into))?;
    Ok(())
}

/// Are we root?
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where this machine gets Debian packages from, as (address, suite) pairs of its own release. None on what is not Debian.
#[must_use]
pub fn system_suites() -> Vec<(String, String)> {
    let System::Debian { codename } = System::detect() else {
        return Vec::new();
    };
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"]);
    suites_in(&output(&mut command).unwrap_or_default(), &codename)
}

/// The pairs of a release, or of a suite that rolls, in a list of addresses, suites and components.
fn suites_in(text: &str, codename: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [site, suite, "main"] = words[..] else {
            continue;
        };
        let ours = suite
            .strip_prefix(codename)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        let rolls = ["stable", "testing", "unstable", "sid"].contains(&suite);
        let pair = (site.to_owned(), suite.to_owned());
        if (ours || rolls) && !found.contains(&pair) {
            found.push(pair);
        }
    }
    found
}

/// The Debian archive's address: the user's (`--mirror`, `VHOST_HEXAGON_MIRROR`), else this machine's.
///
/// # Errors
/// There is none.
pub fn mirror(named: Option<&str>) -> Result<String> {
    if let Some(site) = named {
        return Ok(site.to_owned());
    }
    if let Ok(site) = std::env::var("VHOST_HEXAGON_MIRROR")
        && !site.is_empty()
    {
        return Ok(site);
    }
    system_suites()
        .into_iter()
        .find(|(_, suite)| !suite.contains('-'))
        .map(|(site, _)| site)
        .ok_or(Error::Mirror)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_suites_of_the_system_itself_count() {
        let text = "http://a.example/debian bookworm main\n\
            http://a.example/debian bookworm main\n\
            http://a.example/debian bookworm contrib\n\
            http://a.example/debian bookworm-updates main\n\
            http://b.example/apt cloud-sdk-bookworm main\n\
            http://b.example/apt nodistro main\nnonsense\n";
        let pair = |suite: &str| ("http://a.example/debian".to_owned(), suite.to_owned());
        assert_eq!(
            suites_in(text, "bookworm"),
            [pair("bookworm"), pair("bookworm-updates")]
        );
        assert!(suites_in(text, "book").is_empty());
        assert_eq!(
            suites_in("x sid main\n", "forky"),
            [("x".to_owned(), "sid".to_owned())]
        );
    }

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
