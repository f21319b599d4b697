//! How each instruction is tested: the pages below `docs/instructions`, made from the specification, the list of those that
//! a peer can be asked about, the second models, and the counts of long runs in `docs/instructions/counts.tsv`.
//!
//! `cargo xtask difftest --write` runs a campaign and writes counts and pages, `cargo xtask difftest --pages` only the
//! pages; a test compares the pages with what would be written, and the README's totals with these.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hexagon_isa::info::Feature;
use hexagon_isa::{Opcode, ir};
use hexagon_isa_meta::spec::{self, Entry};

use crate::assets::workspace;
use crate::difftest::exceptions::PEER_FAULTS;
use crate::difftest::generate::not_asked;
use crate::model::model;

/// Operand sets that an instruction should be compared with.
pub const ENOUGH: u64 = 1000;
/// The oracle that is not a peer.
pub const MODEL: &str = "model";

/// How often each instruction was compared, by oracle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instruction, then oracle.
    pub by_insn: BTreeMap<String, BTreeMap<String, u64>>,
    /// Which run each oracle's counts are from.
    pub runs: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    workspace().join("docs/instructions")
}

impl Counts {
    /// The committed ones.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub fn committed() -> Result<Counts> {
        let file = folder().join("counts.tsv");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut counts = Counts::default();
        for line in text.lines() {
            let mut words = line.split('\t');
            let (Some(name), Some(oracle), Some(n)) = (words.next(), words.next(), words.next()) else {
                anyhow::bail!("{}: {line:?}", file.display());
            };
            if name == "#" {
                counts.runs.insert(oracle.to_owned(), n.to_owned());
            } else {
                let n = n
                    .parse()
                    .with_context(|| format!("{}: {line:?}", file.display()))?;
                counts.add(name, oracle, n);
            }
        }
        Ok(counts)
    }

    /// Sets an instruction's count.
    pub fn add(&mut self, name: &str, oracle: &str, n: u64) {
        self.by_insn
            .entry(name.to_owned())
            .or_default()
            .insert(oracle.to_owned(), n);
    }

    /// Replaces all counts of an oracle by those of a run.
    pub fn replace(&mut self, oracle: &str, run: &str, counts: &BTreeMap<Opcode, u64>) {
        for by_oracle in self.by_insn.values_mut() {
            by_oracle.remove(oracle);
        }
        for (op, n) in counts {
            self.add(op.info().name, oracle, *n);
        }
        self.by_insn.retain(|_, by_oracle| !by_oracle.is_empty());
        self.runs.insert(oracle.to_owned(), run.to_owned());
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (oracle, run) in &self.runs {
            let _ = writeln!(out, "#\t{oracle}\t{run}");
        }
        for (name, by_oracle) in &self.by_insn {
            for (oracle, n) in by_oracle {
                let _ = writeln!(out, "{name}\t{oracle}\t{n}");
            }
        }
        out
    }

    fn of(&self, name: &str) -> impl Iterator<Item = (&String, &u64)> {
        self.by_insn
            .get(name)
            .into_iter()
            .flatten()
            .filter(|(_, n)| **n > 0)
    }
}

/// Whether an instruction has a meaning, as far as a program can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Written,
    /// It raises the exception that user code gets.
    Privileged,
    /// It is refused with an error that names it.
    None,
}

fn meaning(op: Opcode) -> Meaning {
    match ir::effects(op) {
        Some(fx) if fx.privileged => Meaning::Privileged,
        Some(_) => Meaning::Written,
        None => Meaning::None,
    }
}

/// Why LLVM cannot be asked about an encoding.
fn no_llvm(op: Opcode) -> Option<&'static str> {
    match (op.info().name, op.info().feature) {
        (_, Some(Feature::Hmx)) => Some("LLVM has no matrix unit: table and round trip only"),
        ("A4_ext", _) => Some("a prefix: shows in every extended instruction"),
        _ => None,
    }
}

/// Sums over all instructions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Instructions.
    pub rows: usize,
    /// Encoding and text equal LLVM's.
    pub llvm: usize,
    /// With a meaning.
    pub meanings: usize,
    /// Raise the privileged exception.
    pub privileged: usize,
    /// Meanings compared with at least one oracle.
    pub compared: usize,
    /// Meanings compared on at least [`ENOUGH`] operand sets with one of them.
    pub enough: usize,
    /// Meanings by oracle.
    pub by_oracle: BTreeMap<String, usize>,
    /// Meanings without an oracle.
    pub without: BTreeSet<String>,
    /// All comparisons.
    pub cases: u64,
}

impl Totals {
    /// From the committed counts, or others.
    #[must_use]
    pub fn of(counts: &Counts) -> Totals {
        let mut t = Totals::default();
        for op in Opcode::all() {
            t.rows += 1;
            t.llvm += usize::from(no_llvm(op).is_none());
            match meaning(op) {
                Meaning::None => continue,
                Meaning::Privileged => {
                    t.privileged += 1;
                    continue;
                }
                Meaning::Written => t.meanings += 1,
            }
            let mut most = 0;
            for (oracle, n) in counts.of(op.info().name) {
                *t.by_oracle.entry(oracle.clone()).or_default() += 1;
                t.cases += n;
                most = most.max(*n);
            }
            t.compared += usize::from(most > 0);
            t.enough += usize::from(most >= ENOUGH);
            if most == 0 {
                t.without.insert(op.info().name.to_owned());
            }
        }
        t
    }

    /// The sentence that the README quotes.
    #[must_use]
    pub fn sentence(&self) -> String {
        let by: Vec<String> = self
            .by_oracle
            .iter()
            .map(|(o, n)| format!("{n} with {o}"))
            .collect();
        format!(
            "{} encodings, {} of them equal to LLVM's; {} meanings, {} compared with an independent implementation ({}), {} of \
             them on {ENOUGH} operand sets or more; {} privileged rows raise their exception; {} meanings have no oracle",
            self.rows,
            self.llvm,
            self.meanings,
            self.compared,
            by.join(", "),
            self.enough,
            self.privileged,
            self.without.len()
        )
    }
}

/// How an instruction's meaning is tested.
fn tested(op: Opcode, counts: &Counts) -> String {
    match meaning(op) {
        Meaning::None => return "refused by name".to_owned(),
        Meaning::Privileged => return "privileged: exception".to_owned(),
        Meaning::Written => {}
    }
    let all: Vec<String> = counts
        .of(op.info().name)
        .map(|(oracle, n)| format!("{oracle}: {n}"))
        .collect();
    if !all.is_empty() {
        return all.join(", ");
    }
    match not_asked(op) {
        Some(reason) => format!("no oracle ({reason})"),
        None => "no oracle (no peer knows it)".to_owned(),
    }
}

/// Every file that should stand in `docs/instructions`, by name.
///
/// # Errors
/// The specification cannot be read.
pub fn pages(counts: &Counts) -> Result<BTreeMap<String, String>> {
    let folder = workspace().join("hexagon-isa/spec");
    let all = spec::load(&folder).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut by_file: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &all.entries {
        by_file.entry(&entry.place.file).or_default().push(entry);
    }
    let mut pages = BTreeMap::new();
    let mut index = String::new();
    for (file, mut entries) in by_file {
        let name = PathBuf::from(file)
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        let text = std::fs::read_to_string(folder.join(format!("{name}.isa")))?;
        let lines: Vec<&str> = text.lines().collect();
        entries.sort_by_key(|e| e.place.line);
        let about = lines
            .first()
            .and_then(|l| l.strip_prefix("// "))
            .unwrap_or(&name)
            .trim_end_matches('.');
        let mut page = format!(
            "# {about}\n\nGenerated from `hexagon-isa/spec/{name}.isa` by `cargo xtask difftest --pages`; \
             [what the columns mean](README.md).\n\n| instruction | syntax | encoding | since | meaning | tested |\n\
             |---|---|---|---|---|---|\n"
        );
        for entry in &entries {
            let op = Opcode::from_name(&entry.name).context("an instruction of the specification")?;
            let encoding = lines
                .get(entry.place.line as usize - 1)
                .and_then(|l| l.split('"').nth(2))
                .and_then(|l| l.split_whitespace().next())
                .unwrap_or_default();
            let words: Vec<&str> = entry.meaning.split_whitespace().collect();
            let meaning = if words.is_empty() {
                "not written".to_owned()
            } else {
                code(&words.join(" "))
            };
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {meaning} | {} |",
                code(&entry.name),
                code(&entry.text),
                code(encoding),
                op.info().arch,
                tested(op, counts)
            );
        }
        let done = entries
            .iter()
            .filter_map(|e| Opcode::from_name(&e.name))
            .filter(|op| meaning(*op) != Meaning::None)
            .count();
        let _ = writeln!(index, "| [{about}]({name}.md) | {} | {done} |", entries.len());
        pages.insert(format!("{name}.md"), page);
    }
    pages.insert("README.md".to_owned(), front(counts, &index));
    Ok(pages)
}

/// Text in a table's cell that is shown as it is.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn front(counts: &Counts, index: &str) -> String {
    let totals = Totals::of(counts);
    let mut page = format!(
        "# Instructions\n\nGenerated by `cargo xtask difftest --pages` from the specification and the counts of long runs.\n\n{}.\n\n",
        totals.sentence()
    );
    page.push_str("Runs that the counts are from:\n\n| oracle | run |\n|---|---|\n");
    for (oracle, run) in &counts.runs {
        let _ = writeln!(page, "| {oracle} | {run} |");
    }
    page.push_str("\n| page | instructions | with a meaning |\n|---|---|---|\n");
    page.push_str(index);
    page.push_str(
        "\n## Columns\n\n\
         * **encoding**: bit 31 first; letters are operand bits, `P` parse bits, `-` ignored bits. Every row is assembled, printed and \
         decoded with random operands and compared with LLVM's assembler and disassembler in both directions (`hexagon-isa/tests`, `cargo xtask difftest --encodings`), except:\n",
    );
    for op in Opcode::all().filter(|op| no_llvm(*op).is_some() && op.info().feature.is_none()) {
        let _ = writeln!(page, "  * `{op}`: {}", no_llvm(op).unwrap_or_default());
    }
    page.push_str("  * `hmx`: LLVM has no matrix unit: table and round trip only\n");
    page.push_str(
        "* **since**: the first version of the architecture that has it.\n\
         * **meaning**: the specification's line.\n\
         * **tested**: on how many operand sets the meaning was compared with which oracle, counting only those with which the \
         instruction really executed (its condition true). `qemu …` are versions of `qemu-hexagon`; `model` is a second, plain \
         implementation in `tests/src/model`. Instructions without oracle say why.\n\n\
         ## Where a peer is not believed\n\n| instruction | versions | what it does | why |\n|---|---|---|---|\n",
    );
    for f in PEER_FAULTS {
        let versions: Vec<String> = f.versions.iter().map(u32::to_string).collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            f.insn,
            versions.join(", "),
            format!("{:?}", f.fault).to_lowercase(),
            f.reason
        );
    }
    page.push_str("\n## Meanings without an oracle\n\n");
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &totals.without {
        let reason = Opcode::from_name(name)
            .and_then(not_asked)
            .unwrap_or("no peer knows it");
        by_reason.entry(reason).or_default().push(name);
    }
    for (reason, names) in by_reason {
        let names: Vec<String> = names.into_iter().map(code).collect();
        let _ = writeln!(page, "* {reason}: {}", names.join(", "));
    }
    page
}

/// Writes counts and pages.
///
/// # Errors
/// Files cannot be read or written.
pub fn write(counts: &Counts) -> Result<()> {
    let folder = folder();
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("counts.tsv"), counts.text())?;
    for (name, text) in pages(counts)? {
        std::fs::write(folder.join(name), text)?;
    }
    let readme = workspace().join("README.md");
    let text = std::fs::read_to_string(&readme)?;
    let sentence = Totals::of(counts).sentence();
    let lines: Vec<String> = text
        .lines()
        .map(|l| match l.split_once(QUOTE) {
            Some((before, _)) => format!("{before}{QUOTE}{sentence} |"),
            None => l.to_owned(),
        })
        .collect();
    std::fs::write(readme, lines.join("\n") + "\n")?;
    Ok(())
}

/// What stands in front of the quoted totals in the README.
pub const QUOTE: &str = "[Every instruction and how it is tested](docs/instructions/README.md): ";

/// The instructions that have a model, by name.
#[must_use]
pub fn has_model(name: &str) -> bool {
    model(name).is_some()
}
