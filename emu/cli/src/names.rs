//! `vhost-hexagon names`: the functions that skeletons import, and what becomes of each.

use super::output::{say, stdout};
use anyhow::Context as _;
use emu_os::elf::{self, Binding, Image};
use emu_os::imports::{self, Import, Support};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Without a file, all functions that the DSP has for skeletons, by family:

  STATE           NAME     LINE
  implemented     memcpy   void *memcpy(void *to, const void *from, size_t len): copies …

  implemented     does what the line says
  without-effect  answers as if it had, and does nothing; the log says so once a process
  refused         always answers this error; the log says so once a process

With a file, what that library imports, and besides:

  missing         nobody has it: the library is refused when it is opened (exit code 1)
  weak            nobody has it, and the library can do without: its address is 0
  library         another library has it, which stands beside the file

Examples:
  vhost-hexagon names                                  everything
  vhost-hexagon names | grep -v ^implemented           what only looks as if it worked
  vhost-hexagon names libcalculator_skel.so            what one skeleton needs; a bare name can also be a skeleton that
                                                       the program carries (`assets --list skel`)";

/// Most bytes that a library may occupy.
const MOST: u32 = 1 << 30;

/// Arguments of `names`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A library for Hexagon: tell what it imports. The libraries that it needs are looked for beside it.
    #[arg(value_name = "SKEL")]
    file: Option<PathBuf>,
}

/// Lists all, or those of one file.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.file {
        None => list().map(|()| ExitCode::SUCCESS),
        Some(file) => of_library(file),
    }
}

/// A state and a line, as they are printed.
fn described(f: &Import) -> (&'static str, String) {
    let line = f.line.replacen('`', "", 2);
    match f.support {
        Support::Implemented => ("implemented", line),
        Support::WithoutEffect(answer) => ("without-effect", format!("{line}; answers {answer}")),
        Support::Refused(answer) => ("refused", format!("{line}; answers {answer}")),
    }
}

fn row(state: &str, name: &str, line: &str) -> String {
    format!("{state:<15} {name:<42} {line}").trim_end().to_owned()
}

fn list() -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(stdout());
    let mut count = [0; 3];
    for family in imports::FAMILIES {
        writeln!(out, "\n# {} ({})", family.title, family.imports.len())?;
        for f in family.imports {
            let (state, line) = described(f);
            count[match f.support {
                Support::Implemented => 0,
                Support::WithoutEffect(_) => 1,
                Support::Refused(_) => 2,
            }] += 1;
            writeln!(out, "{}", row(state, f.name, &line))?;
        }
    }
    writeln!(out, "\n# Data ({})", imports::DATA.len())?;
    for (name, line) in imports::DATA {
        writeln!(out, "{}", row("implemented", name, &line.replacen('`', "", 2)))?;
    }
    let [done, idle, refused] = count;
    let all = done + idle + refused;
    writeln!(
        out,
        "\n# {all} functions: {done} implemented, {idle} without effect, {refused} refused"
    )?;
    Ok(out.flush()?)
}

/// A library, and those that it needs and that stand beside it.
struct Libraries {
    images: Vec<(String, Image)>,
    /// Needed, and not there.
    absent: BTreeSet<String>,
}

impl Libraries {
    fn gather(file: &Path) -> anyhow::Result<Self> {
        let what = file.display();
        let bytes = super::assets::read_or_skeleton(file).with_context(|| format!("cannot read {what}"))?;
        let parse = |bytes: Vec<u8>| elf::parse(bytes.into(), u32::MAX, MOST);
        let root = parse(bytes).with_context(|| format!("{what} is no library that the DSP loads"))?;
        let mut out = Self {
            images: vec![(what.to_string(), root)],
            absent: BTreeSet::new(),
        };
        let mut next = 0;
        while let Some((_, image)) = out.images.get(next) {
            next += 1;
            for need in image.needed.clone() {
                let known = out.absent.contains(&need) || out.images.iter().any(|(name, _)| *name == need);
                // Names of libraries are no paths.
                if known || imports::is_built_in(&need) || need.contains('/') {
                    continue;
                }
                match std::fs::read(file.with_file_name(&need)).map(parse) {
                    Ok(Ok(image)) => out.images.push((need, image)),
                    Ok(Err(error)) => return Err(error).context(need),
                    Err(_) => drop(out.absent.insert(need)),
                }
            }
        }
        Ok(out)
    }

    /// Which of the needed libraries defines a name.
    fn definer(&self, name: &[u8]) -> Option<&str> {
        let has = |image: &Image| {
            image
                .symbols
                .iter()
                .any(|s| s.defined && s.binding != Binding::Local && image.name(s) == name)
        };
        let others = self.images.get(1..).unwrap_or_default();
        others
            .iter()
            .find(|(_, image)| has(image))
            .map(|(name, _)| &**name)
    }
}

fn of_library(file: &Path) -> anyhow::Result<ExitCode> {
    let libraries = Libraries::gather(file)?;
    let (_, image) = &libraries.images[0];
    let mut rows = BTreeSet::new();
    for symbol in image.symbols.iter().filter(|s| !s.defined) {
        let bytes = image.name(symbol);
        if bytes.is_empty() {
            continue;
        }
        let name = String::from_utf8_lossy(bytes).escape_debug().to_string();
        let data = imports::DATA.iter().find(|(known, _)| *known == name);
        let (rank, state, line) = if let Some(library) = libraries.definer(bytes) {
            (5, "library", format!("in {library}"))
        } else if let Some(f) = imports::by_name(&name) {
            let (state, line) = described(&f);
            let rank = match f.support {
                Support::Refused(_) => 1,
                Support::WithoutEffect(_) => 2,
                Support::Implemented => 4,
            };
            (rank, state, line)
        } else if let Some((_, line)) = data {
            (4, "implemented", line.replacen('`', "", 2))
        } else if symbol.binding == Binding::Weak {
            (3, "weak", "is 0".into())
        } else {
            (0, "missing", String::new())
        };
        rows.insert((rank, name, state, line));
    }
    for (_, name, state, line) in &rows {
        say!("{}", row(state, name, line));
    }
    for absent in &libraries.absent {
        say!("# {absent} is needed and does not stand beside it");
    }
    let missing = rows.iter().filter(|row| row.0 == 0).count();
    say!("# {} imported, {missing} missing", rows.len());
    let refused = missing > 0 || !libraries.absent.is_empty();
    Ok(ExitCode::from(u8::from(refused)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_is_answered() {
        let row = |name: &str| {
            let (state, line) = described(&imports::by_name(name).unwrap());
            super::row(state, name, &line)
        };
        assert_eq!(
            row("HAP_user_etm_enable"),
            format!(
                "without-effect  {:<42} int HAP_user_etm_enable(void): traces into the trace unit; answers 0",
                "HAP_user_etm_enable"
            )
        );
        assert!(row("memcpy").starts_with("implemented     memcpy "));
    }
}
