//! Programs that must be on this machine, how to see whether they are, and the packages that bring them.
//!
//! Everything missing is printed as one list and installed with `apt-get` (as root), or what root has to run is said. Packages come
//! from this machine's own archive; on Debian, what the release has too old (QEMU 9 on Debian 12) from its backports, through a
//! private source list: `/etc/apt` is not touched.

use std::process::Command;

use emu_assets::cache::Cache;

use crate::apt::{self, Apt, Lists, Suite};
use crate::command::{line_of, output};
use crate::system::{System, advice};
use crate::{Error, Result, ui};

/// Oldest QEMU that runs vhost-user without KVM.
pub const QEMU_MIN: u32 = 9;

/// What is needed for one purpose.
pub struct Need {
    /// For people.
    pub what: &'static str,
    /// What of it is there.
    pub found: Option<String>,
    /// The packages that bring it: the first of these sets of which all are to be had.
    pub packages: Vec<Vec<String>>,
    /// The release's own package may be older than [`QEMU_MIN`].
    pub backports: bool,
}

impl Need {
    /// Something that comes with these packages.
    #[must_use]
    pub fn new(what: &'static str, found: Option<String>, packages: &[&str]) -> Self {
        Self {
            what,
            found,
            packages: vec![packages.iter().map(|p| (*p).to_owned()).collect()],
            backports: false,
        }
    }
}

/// QEMU that runs the guest.
#[must_use]
pub fn qemu_system() -> Need {
    Need {
        backports: true,
        ..Need::new(
            "QEMU for arm64, 9 or newer",
            qemu("qemu-system-aarch64"),
            &["qemu-system-arm"],
        )
    }
}

/// A program of QEMU's on `PATH` that is new enough, with its version.
#[must_use]
pub fn qemu(tool: &str) -> Option<String> {
    let text = output(Command::new(on_path(tool)?).arg("--version")).ok()?;
    let version = text.split("version ").nth(1)?.split_whitespace().next()?;
    (major(version)? >= QEMU_MIN).then(|| format!("{tool} {version}"))
}

fn major(version: &str) -> Option<u32> {
    let upstream = version.split_once(':').map_or(version, |(_, v)| v);
    upstream.split('.').next()?.parse().ok()
}

/// A program on `PATH`.
#[must_use]
pub fn on_path(tool: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|p| p.is_file())
        .map(|p| p.display().to_string())
}

/// Looks at all needs; installs what is missing, or says how.
///
/// # Errors
/// Something is missing, and may not or cannot be installed.
pub fn ensure(needs: fn() -> Vec<Need>, mirror: Option<&str>, check_only: bool) -> Result<()> {
    let wanted = needs;
    let needs = wanted();
    for need in &needs {
        match &need.found {
            Some(found) => ui::say(format!("   ok       {:<34} {found}", need.what)),
            None => ui::say(format!(
                "   MISSING  {:<34} {}",
                need.what,
                need.packages.first().map(|set| set.join(" ")).unwrap_or_default()
            )),
        }
    }
    let missing: Vec<&Need> = needs.iter().filter(|n| n.found.is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = |needs: &[&Need]| needs.iter().map(|n| n.what).collect::<Vec<_>>().join(", ");
    if check_only {
        return Err(Error::Incomplete(format!(
            "missing: {}; without --check, set-up installs it",
            names(&missing)
        )));
    }
    match System::detect() {
        System::Debian { codename } => on_debian(&codename, mirror, &missing)?,
        System::Derivative { name } => on_a_derivative(&name, &missing)?,
        System::Other { name, ids } => return Err(Error::OtherSystem(advice(&name, &ids, false))),
    }
    let again = wanted();
    let left: Vec<&Need> = again.iter().filter(|n| n.found.is_none()).collect();
    if !left.is_empty() {
        return Err(Error::StillMissing(names(&left)));
    }
    Ok(())
}

fn on_debian(codename: &str, mirror: Option<&str>, missing: &[&Need]) -> Result<()> {
    let cache = Cache::open()?;
    let site = apt::mirror(mirror)?;
    let backports = format!("{codename}-backports");
    let mut suites: Vec<(String, String)> = apt::system_suites();
    if suites.is_empty() {
        suites.push((site.clone(), codename.to_owned()));
    }
    suites.retain(|(_, suite)| *suite != backports);
    let mut suites: Vec<Suite> = suites
        .iter()
        .map(|(site, suite)| Suite {
            site: site.clone(),
            suite,
            components: "main",
            optional: false,
        })
        .collect();
    // A suite that rolls has none.
    suites.push(Suite {
        site,
        suite: &backports,
        components: "main",
        optional: true,
    });
    let architecture = match output(Command::new("dpkg").arg("--print-architecture"))?.trim() {
        "amd64" => "amd64",
        "arm64" => "arm64",
        other => {
            return Err(Error::OtherSystem(format!(
                "no packages are known for this machine ({other}); install what is listed above by hand"
            )));
        }
    };
    let apt = Apt::host(cache.apt("host"), architecture, &suites)?;
    ui::say("   reading package lists");
    apt.update()?;
    let lists = apt.lists();
    let mut plain: Vec<String> = Vec::new();
    let mut newer: Vec<String> = Vec::new();
    for need in missing {
        let packages = choose(lists, need)?;
        if need.backports && packages.iter().any(|package| too_old(lists, package)) {
            newer.extend(packages);
        } else {
            plain.extend(packages);
        }
    }
    if !apt::is_root() {
        let command = if newer.is_empty() {
            by_hand(&plain)
        } else {
            // apt alone would need a line for backports in its list of sources.
            format!("{} setup --programs-only", this_program())
        };
        return Err(needs_root(missing, command));
    }
    install(lists, &[], &plain)?;
    install(lists, &["-t", &backports], &newer)?;
    apt.forget();
    Ok(())
}

/// From the archive that the system has.
fn on_a_derivative(name: &str, missing: &[&Need]) -> Result<()> {
    let lists = Lists::of_the_system();
    if apt::is_root() {
        ui::say("   reading package lists");
        lists.update()?;
    }
    let mut packages = Vec::new();
    for need in missing {
        let chosen = choose(&lists, need)?;
        if need.backports
            && let Some(old) = chosen.iter().find(|package| too_old(&lists, package))
        {
            return Err(Error::OtherSystem(format!(
                "{name} has {old} {}, and QEMU {QEMU_MIN} is needed: install a newer one (from its source, say) and put it on PATH",
                lists.candidate(old).unwrap_or_default()
            )));
        }
        packages.extend(chosen);
    }
    if !apt::is_root() {
        return Err(needs_root(missing, by_hand(&packages)));
    }
    install(&lists, &[], &packages)
}

/// Installs packages with what they need, and nothing that they only recommend.
fn install(lists: &Lists, options: &[&str], packages: &[String]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    ui::say(format!("   installing {}", packages.join(" ")));
    let mut command = lists.command("apt-get");
    command.args(["install", "--yes", "--no-install-recommends"]);
    output(command.args(options).args(packages)).map(drop)
}

/// What root types to install packages of the system's own archive.
fn by_hand(packages: &[String]) -> String {
    format!("apt-get install --no-install-recommends {}", packages.join(" "))
}

fn needs_root(missing: &[&Need], command: String) -> Error {
    let what = missing.iter().map(|need| need.what).collect::<Vec<_>>();
    Error::NeedsRoot {
        what: what.join(", "),
        command,
    }
}

/// How this program is started.
fn this_program() -> String {
    let file = std::env::current_exe().unwrap_or_default();
    line_of(&Command::new(file))
}

/// The first set of packages of which all are to be had.
fn choose(lists: &Lists, need: &Need) -> Result<Vec<String>> {
    let there = |set: &&Vec<String>| set.iter().all(|package| lists.candidate(package).is_some());
    match need.packages.iter().find(there) {
        Some(set) => Ok(set.clone()),
        None => Err(Error::NotPackaged(format!("package for {}", need.what))),
    }
}

/// Is what the release itself offers older than we need?
fn too_old(lists: &Lists, package: &str) -> bool {
    let candidate = lists.candidate(package);
    candidate
        .and_then(|version| major(&version))
        .is_none_or(|major| major < QEMU_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_s_version_begins_with_that_of_its_program() {
        assert_eq!(major("1:10.0.8+ds-0+deb13u1~bpo12+1"), Some(10));
        assert_eq!(major("7.2.0"), Some(7));
        assert_eq!(major("x"), None);
    }
}
