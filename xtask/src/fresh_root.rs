//! `cargo xtask fresh-root`: a binary that needs nothing beside it, shown: in a fresh Debian root with nothing but the program,
//! `vhost-hexagon setup && vhost-hexagon demo`, and the minutes and megabytes that takes. Needs root.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use emu_setup::ui;

use crate::debian_root::{DebianRoot, size};
use crate::{build, package};

/// Options of `fresh-root`.
#[derive(clap::Args)]
pub struct Args {
    /// Debian's release.
    #[arg(long, default_value = "bookworm", value_name = "NAME")]
    release: String,
    /// What is brought into the root.
    #[arg(long, value_enum, default_value_t)]
    with: With,
    /// The program, or the package [default: built].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Address of the Debian archive [default: the one this machine uses].
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// First see what a user without root gets: kernels and user space, and the command that installs QEMU.
    #[arg(long)]
    without_root: bool,
    /// Keep the root.
    #[arg(long)]
    keep: bool,
}

/// What is brought into the root.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum With {
    /// The program's file.
    #[default]
    Program,
    /// The Debian package, installed with apt.
    Package,
    /// What `cargo install` makes.
    CargoInstall,
}

/// Where the program is in the root.
const PROGRAM: &str = "/usr/local/bin/vhost-hexagon";
/// Where the package is in the root.
const PACKAGE: &str = "/root/vhost-hexagon.deb";
/// What a user does.
const COMMAND: &str = "vhost-hexagon setup && vhost-hexagon demo";
/// Where that leaves what it fetched.
const CACHE: &str = "/root/.cache/vhost-hexagon";
/// Nobody's number.
const USER: u32 = 65534;
/// What a user without root does, and what has to come of it.
const WITHOUT_ROOT: &str = r#"
vhost-hexagon setup --kernel 7.3 >said 2>&1 && { cat said; echo "it did not say that QEMU is missing"; exit 1; }
cat said
grep -q "as root, run" said
grep -q "^    .*\(vhost-hexagon setup --programs-only\|apt-get install.*qemu-system-arm\)" said
ls .cache/vhost-hexagon/kernels/7.3*/Image .cache/vhost-hexagon/guest-root/SOURCES
"#;
/// What a package has beside the program.
const PACKAGED: &str = "\
for file in /usr/share/man/man1/vhost-hexagon.1.gz /usr/share/man/man1/vhost-hexagon-run.1.gz \
/usr/share/bash-completion/completions/vhost-hexagon /usr/share/zsh/vendor-completions/_vhost-hexagon \
/usr/share/fish/vendor_completions.d/vhost-hexagon.fish; do \
dpkg-query --search $file; done";

/// Makes the root, runs the commands, tells what they took.
pub fn fresh_root(args: &Args) -> Result<()> {
    let file = match (&args.file, args.with) {
        (Some(file), _) => file.clone(),
        (None, With::Program) => ui::step("build", build::emulator)?,
        (None, With::Package) => package::package()?,
        (None, With::CargoInstall) => ui::step("cargo install", build::installed)?,
    };
    let root = ui::step("fresh root", || {
        DebianRoot::make("fresh-root", &args.release, args.mirror.as_deref())
    })?;
    let bare = root.size()?;
    if args.with == With::Package {
        ui::step("package", || install_package(&root, &file))?;
    } else {
        let program = root.path(PROGRAM);
        std::fs::copy(&file, &program).with_context(|| format!("cannot copy {}", file.display()))?;
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))?;
    }
    if args.without_root {
        ui::step("without root", || without_root(&root))?;
    }
    let before = root.size()?;
    let start = Instant::now();
    ui::step("as root", || root.run(&["HOME=/root", "sh", "-ec", COMMAND]))?;
    let time = start.elapsed();
    let console = root.path(CACHE).join("logs/demo-console.log");
    let console = std::fs::read_to_string(&console).with_context(|| console.display().to_string())?;
    ensure!(
        console.lines().any(|line| line.trim() == "Sum = 499500"),
        "the demo's console has no `Sum = 499500`"
    );
    tell(&root, args, &file, (bare, before), time)?;
    if !args.keep {
        root.remove()?;
    }
    Ok(())
}

/// As a user would, with what its dependencies bring.
fn install_package(root: &DebianRoot, deb: &Path) -> Result<()> {
    std::fs::copy(deb, root.path(PACKAGE)).with_context(|| format!("cannot copy {}", deb.display()))?;
    let install = format!(
        "apt-get update --quiet --quiet && apt-get install --quiet --yes --no-install-recommends {PACKAGE}"
    );
    root.run(&["DEBIAN_FRONTEND=noninteractive", "sh", "-ec", &install])?;
    root.run(&["sh", "-ec", PACKAGED])
}

fn without_root(root: &DebianRoot) -> Result<()> {
    let home = root.path("/home/user");
    std::fs::create_dir_all(&home)?;
    std::os::unix::fs::chown(&home, Some(USER), Some(USER))?;
    let id = USER.to_string();
    let (user, group) = (format!("--reuid={id}"), format!("--regid={id}"));
    let become_user = [
        "setpriv",
        &user,
        &group,
        "--clear-groups",
        "env",
        "HOME=/home/user",
    ];
    let script = format!("cd\n{WITHOUT_ROOT}");
    root.run(&[&become_user[..], &["sh", "-e", "-c", &script]].concat())?;
    Ok(std::fs::remove_dir_all(home)?)
}

/// Minutes and megabytes.
fn tell(
    root: &DebianRoot,
    args: &Args,
    file: &Path,
    (bare, before): (u64, u64),
    time: Duration,
) -> Result<()> {
    let cache = size(&root.path(CACHE))?;
    let all = root.size()?.saturating_sub(before);
    let line = |name: &str, text: String| ui::say(format!("  {name:<44} {text}"));
    ui::say("");
    line(&format!("Debian {} (minbase)", args.release), ui::bytes(bare));
    line("program or package, the file", ui::bytes(file.metadata()?.len()));
    line(
        "… in the root, with what it depends on",
        ui::bytes(before.saturating_sub(bare)),
    );
    line(COMMAND, ui::seconds(time));
    line("  cache: kernels, user space", ui::bytes(cache));
    line("  QEMU and what it needs", ui::bytes(all.saturating_sub(cache)));
    Ok(())
}
