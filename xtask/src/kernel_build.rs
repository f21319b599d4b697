//! `cargo xtask kernel`: a small arm64 kernel of the source you name, with the drivers that a DSP needs, as quick to
//! build as can be: `allnoconfig` plus the fragments of `configs/kernel`. The result lies beside the stock kernels and is
//! named the same way (`vhost-hexagon run --kernel 7.3.4-kasan`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use emu_assets::cache::{Cache, SOURCES};
use emu_setup::{command, kernel_files, ui};

use crate::kernel_config::{Fragment, setting};
use crate::kernel_source::Source;
use crate::{firmware, tools};

/// Symbols of the two drivers, with the folder that a tree must have for them.
const DRIVERS: &[(&str, &str)] = &[
    ("CONFIG_QCOM_FASTRPC", "drivers/misc/fastrpc.c"),
    ("CONFIG_DRM_ACCEL_QDA", "drivers/accel/qda"),
];

/// Options of `kernel`.
#[derive(Args)]
pub struct KernelArgs {
    /// Kernel source: a tree of yours, or Debian's: debian:7.3, debian:6.12, debian:6.12.107.
    #[arg(long, value_name = "DIR|debian:VERSION", default_value = "debian:7.3")]
    source: String,
    /// Configuration fragment (repeatable, the last one wins) [default: configs/kernel/fastrpc.config].
    #[arg(long = "config", value_name = "FILE")]
    configs: Vec<PathBuf>,
    /// What the fragments stand on.
    #[arg(long, value_enum, default_value_t = Base::Allnoconfig)]
    base: Base,
    /// Build folder; a build in it is continued [default: target/kernel/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Name in the cache, for `run --kernel NAME` [default: the version and the last fragment's name, 7.3.4-kasan].
    #[arg(long)]
    name: Option<String>,
    /// Compiler processes [default: as many as processors].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Stop when the configuration has been made and checked.
    #[arg(long)]
    configure_only: bool,
    /// Address of the Debian archive, as in a line of sources.list (default: the one this machine uses).
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// Configurations of the kernel's own that fragments are put on.
#[derive(Clone, Copy, ValueEnum)]
enum Base {
    /// Everything off that can be.
    Allnoconfig,
    /// arm64's default: boots on every board, and takes an hour.
    Defconfig,
}

/// Builds, and puts the result into the cache.
pub fn build(args: &KernelArgs) -> Result<()> {
    let configs = match &args.configs[..] {
        [] => vec![firmware::workspace().join("configs/kernel/fastrpc.config")],
        named => named.to_vec(),
    };
    let fragment = Fragment::read(&configs)?;
    ui::step("tools for kernels", || {
        tools::ensure_for_kernels(args.mirror.as_deref())
    })?;
    let cache = Cache::open()?;
    let source = Source::get(&args.source, &cache, args.mirror.as_deref())?;
    check_drivers(&source.dir, &fragment)?;
    let flavour = configs.last().and_then(|c| c.file_stem()).unwrap_or_default();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => format!("{}-{}", source.name, flavour.to_string_lossy()),
    };
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        bail!("`{name}` cannot be a name in the cache; give another with --name");
    }
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| firmware::target_dir().join("kernel").join(&name));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let out = out.canonicalize()?;
    let build = Build {
        source: &source.dir,
        out: &out,
        jobs: args
            .jobs
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1),
    };
    ui::step("configuration", || {
        build.configure(&fragment, args.base, &flavour.to_string_lossy())
    })?;
    if args.configure_only {
        ui::say(format!("configuration: {}", out.join(".config").display()));
        return Ok(());
    }
    ui::step("kernel", || build.make())?;
    let release = std::fs::read_to_string(out.join("include/config/kernel.release"))?;
    let release = release.trim();
    let target = cache.extra_kernel(&name);
    kernel_files::install_built(&out, &target)?;
    let fragments: String = configs.iter().map(|c| format!("{}\n", c.display())).collect();
    std::fs::write(target.join(SOURCES), format!("{}\n{fragments}", source.told))?;
    ui::say(format!("kernel {release}: {}", target.join("Image").display()));
    ui::say(format!(
        "    vhost-hexagon run --kernel {} -- vh-calc",
        shown(&name, &target)
    ));
    Ok(())
}

/// What to write behind `run --kernel`: the name if it can be told from a path.
fn shown(name: &str, target: &Path) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.to_owned()
    } else {
        target.join("Image").display().to_string()
    }
}

/// Is what the fragments ask for in the tree at all?
fn check_drivers(tree: &Path, fragment: &Fragment) -> Result<()> {
    let asked: Vec<_> = DRIVERS
        .iter()
        .filter(|(symbol, _)| fragment.asks_for(symbol))
        .collect();
    for (symbol, place) in &asked {
        if !tree.join(place).exists() {
            bail!(
                "{symbol} is asked for, but {} has no {place}{}",
                tree.display(),
                if *symbol == "CONFIG_DRM_ACCEL_QDA" {
                    ": no released kernel has the QDA driver; apply its series to a tree and name that with --source"
                } else {
                    ""
                }
            );
        }
    }
    match asked.len() {
        0 => bail!(
            "the fragments ask for no driver (CONFIG_QCOM_FASTRPC or CONFIG_DRM_ACCEL_QDA): no DSP would appear"
        ),
        1 => Ok(()),
        _ => bail!("the fragments ask for both drivers, which serve the same channel: switch one off"),
    }
}

/// One build folder.
struct Build<'a> {
    source: &'a Path,
    out: &'a Path,
    jobs: usize,
}

impl Build<'_> {
    fn command(&self) -> Command {
        let mut make = Command::new("make");
        make.arg("-C").arg(self.source);
        make.arg(format!("O={}", self.out.display()));
        make.args(["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"]);
        // So that a kernel depends on its source alone, whoever builds it.
        make.args(["KBUILD_BUILD_USER=user", "KBUILD_BUILD_HOST=vhost-hexagon"]);
        make.arg("KBUILD_BUILD_TIMESTAMP=1970-01-01");
        make
    }

    fn log(&self) -> PathBuf {
        self.out.join("build.log")
    }

    /// Makes `.config` and checks that it has what was asked for.
    fn configure(&self, fragment: &Fragment, base: Base, flavour: &str) -> Result<()> {
        let local: String = flavour.chars().filter(char::is_ascii_alphanumeric).collect();
        let text = format!("{}CONFIG_LOCALVERSION=\"-{local}\"\n", fragment.text());
        let asked = self.out.join("fragment.config");
        let config = self.out.join(".config");
        let before = std::fs::read_to_string(&config).unwrap_or_default();
        if !before.is_empty() && !asked.exists() {
            bail!(
                "{} holds the configuration of another build; name another folder with --out",
                self.out.display()
            );
        }
        let same = std::fs::read_to_string(&asked).is_ok_and(|old| old == text);
        if !same || before.is_empty() {
            std::fs::write(&asked, &text)?;
            match base {
                Base::Allnoconfig => {
                    let mut make = self.command();
                    make.env("KCONFIG_ALLCONFIG", &asked);
                    command::output(make.args(["-s", "allnoconfig"])).map_err(|e| self.explain(e.into()))?;
                }
                Base::Defconfig => {
                    command::output(self.command().args(["-s", "defconfig"]))
                        .map_err(|e| self.explain(e.into()))?;
                    let mut file = std::fs::OpenOptions::new().append(true).open(&config)?;
                    file.write_all(text.as_bytes())?;
                }
            }
        }
        command::output(self.command().args(["-s", "olddefconfig"])).map_err(|e| self.explain(e.into()))?;
        let result = std::fs::read_to_string(&config)?;
        let missing = fragment.unfulfilled(&result);
        if !missing.is_empty() {
            // The next attempt begins anew.
            std::fs::write(&asked, "")?;
            bail!(
                "the kernel's configuration does not come out as asked ({}):\n  {}",
                config.display(),
                missing.join("\n  ")
            );
        }
        ui::say(format!(
            "   {} symbols asked for, all as asked; {} on",
            fragment.wishes.len(),
            result
                .lines()
                .filter(|l| l.ends_with("=y") || l.ends_with("=m"))
                .count()
        ));
        Ok(())
    }

    /// A tree that was built in place refuses a build folder; say how to get on.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        if format!("{error:#}").contains("mrproper") {
            return error.context(format!(
                "{} has been built in place; `make ARCH=arm64 mrproper` there (it keeps no .config), or use a clean copy",
                self.source.display()
            ));
        }
        error
    }

    fn make(&self) -> Result<()> {
        let path = self.log();
        let mut log =
            std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut targets = vec!["Image"];
        if setting(
            &std::fs::read_to_string(self.out.join(".config"))?,
            "CONFIG_MODULES",
        ) == "y"
        {
            targets.push("modules");
        }
        ui::say(format!("   log: {}", path.display()));
        let mut child = self
            .command()
            .arg(format!("-j{}", self.jobs))
            .args(targets)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()
            .context("cannot start make")?;
        let mut progress = ui::Count::start("building", "steps");
        let start = Instant::now();
        for line in BufReader::new(child.stdout.take().context("make has no output")?).split(b'\n') {
            let line = line?;
            log.write_all(&line)?;
            log.write_all(b"\n")?;
            let line = String::from_utf8_lossy(&line);
            if line.starts_with("  ") {
                progress.advance(line.trim());
            }
        }
        let status = child.wait()?;
        progress.finish();
        if !status.success() {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            bail!(
                "the kernel does not build ({status} after {}):\n  {}\nthe whole log: {}",
                ui::seconds(start.elapsed()),
                first_errors(&text).join("\n  "),
                path.display()
            );
        }
        Ok(())
    }
}

/// What says why a build failed, in a compiler's, a linker's, `modpost`'s and make's words.
const REASONS: &[&str] = &[
    "error:",
    "ERROR:",
    "undefined reference",
    "No rule to make target",
];

/// The lines of a build log that say what is wrong: the first that give a reason, else what has not been found, else the
/// last lines. That make stopped (`make: *** [x] Error 2`) is no reason.
fn first_errors(log: &str) -> Vec<&str> {
    let with = |reasons: &[&str]| -> Vec<&str> {
        let has = |l: &&str| reasons.iter().any(|reason| l.contains(reason));
        log.lines().filter(has).take(8).collect()
    };
    for found in [with(REASONS), with(&["No such file"])] {
        if !found.is_empty() {
            return found;
        }
    }
    let stopped = |l: &&str| l.starts_with("make") && l.contains("***");
    let all: Vec<&str> = log
        .lines()
        .filter(|l| !l.trim().is_empty() && !stopped(l))
        .collect();
    all[all.len().saturating_sub(5)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(dir: &Path, text: &str) -> Fragment {
        let file = dir.join("x.config");
        std::fs::write(&file, text).unwrap();
        Fragment::read(&[file]).unwrap()
    }

    #[test]
    fn a_tree_without_the_driver_that_is_asked_for_is_refused() {
        let dir = std::env::temp_dir().join(format!("vh-tree-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("drivers/misc")).unwrap();
        std::fs::write(dir.join("drivers/misc/fastrpc.c"), "").unwrap();
        let told = |text: &str| match check_drivers(&dir, &fragment(&dir, text)) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            told("CONFIG_QCOM_FASTRPC=m\n# CONFIG_DRM_ACCEL_QDA is not set\n"),
            ""
        );
        let qda = told("CONFIG_DRM_ACCEL_QDA=m\n");
        assert!(
            qda.contains("has no drivers/accel/qda") && qda.contains("apply its series"),
            "{qda}"
        );
        assert!(told("CONFIG_SMP=y\n").contains("no driver"));
        std::fs::create_dir_all(dir.join("drivers/accel/qda")).unwrap();
        assert_eq!(told("CONFIG_DRM_ACCEL_QDA=y\n"), "");
        assert!(told("CONFIG_DRM_ACCEL_QDA=y\nCONFIG_QCOM_FASTRPC=m\n").contains("both drivers"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_compilers_first_errors_are_what_is_told() {
        let log = "  CC a.o\na.c:3:1: error: unknown type\n  CC b.o\nmake[1]: *** [a.o] Error 1\n";
        assert_eq!(first_errors(log), ["a.c:3:1: error: unknown type"]);
        assert_eq!(
            first_errors("x\n\ny\nmake: *** [Makefile:9: all] Error 2\n"),
            ["x", "y"]
        );
        let missing = "make[4]: *** No rule to make target 'drivers/of/empty_root.dtb', needed by 'drivers/of/built-in.a'.  Stop.";
        let log = format!(
            "  CC a.o\ncat: x: No such file or directory\n{missing}\nmake[3]: *** [drivers] Error 2\nmake: *** [Makefile:9: all] Error 2\n"
        );
        assert_eq!(first_errors(&log), [missing]);
    }
}
