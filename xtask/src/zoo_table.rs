//! The table of the zoo in `docs/zoo.md`: a row for each bug, of what is known and public only.

use anyhow::{Context, Result};

use crate::zoo::{Book, Bug, CaseFile, Everything, on};

/// Where the table begins in the file.
pub const BEGIN: &str = "<!-- table of `cargo xtask zoo --update` begins -->";
/// Where it ends.
pub const END: &str = "<!-- table ends -->";

/// The text with another table between the marks.
pub fn replace(text: &str, table: &str) -> Result<String> {
    let missing = || format!("docs/zoo.md lacks a line `{BEGIN}` and one `{END}` behind it");
    let (head, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, tail) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{head}{BEGIN}\n\n{table}\n{END}{tail}"))
}

/// The table, as Markdown.
pub fn table(book: &Book, cases: &[CaseFile], all: &Everything) -> String {
    let mut out = String::from(
        "| row | bug | public as | cases | kernel with it | kernel without it | kernels at hand |\n|---|---|---|---|---|---|---|\n",
    );
    for bug in &book.bugs {
        let own: Vec<&CaseFile> = cases.iter().filter(|c| c.zoo.bugs.contains(&bug.row)).collect();
        let names: Vec<String> = own.iter().map(|c| format!("`{}`", c.name)).collect();
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            bug.row,
            bug.title,
            bug.commit,
            if names.is_empty() {
                "–".to_owned()
            } else {
                names.join(" ")
            },
            with_it(bug, &own, all),
            without_it(bug, &own, all),
            others(bug, &own, all),
        ));
    }
    out
}

fn with_it(bug: &Bug, own: &[&CaseFile], all: &Everything) -> String {
    let mut cells = Vec::new();
    for bad in bug.bad() {
        let seen: Vec<_> = own
            .iter()
            .filter_map(|case| Some((case, on(all, bad, &case.name)?)))
            .collect();
        let caught = seen.iter().find_map(|(case, (kernel, played))| {
            let by = played.caught_by(&case.zoo.detects);
            (!by.is_empty()).then(|| format!("{kernel}: **detected** ({})", by.join(", ")))
        });
        cells.push(match caught {
            Some(text) => text,
            None if seen.is_empty() => format!("{bad}: not played"),
            None => format!("{bad}: not seen"),
        });
    }
    if cells.is_empty() {
        return format!("none ({})", bug.evidence);
    }
    format!("{} ({})", cells.join(", "), bug.evidence)
}

/// Told only where it is clean: what else a kernel shows may not be public.
fn without_it(bug: &Bug, own: &[&CaseFile], all: &Everything) -> String {
    let clean = |version: &str| {
        let mut results = own.iter().filter_map(|case| on(all, version, &case.name));
        results
            .find(|(_, played)| played.is("pass"))
            .map(|(kernel, _)| kernel.to_owned())
    };
    let cells: Vec<String> = bug
        .fixed()
        .filter_map(clean)
        .map(|kernel| format!("{kernel}: clean"))
        .collect();
    if cells.is_empty() {
        "–".to_owned()
    } else {
        cells.join(", ")
    }
}

/// The other kernels that all cases of a bug ran on and were clean.
fn others(bug: &Bug, own: &[&CaseFile], all: &Everything) -> String {
    let is_named = |kernel: &str| {
        bug.bad()
            .chain(bug.fixed())
            .any(|v| emu_assets::cache::in_series(kernel, v))
    };
    let clean = all.iter().filter(|(kernel, played)| {
        !is_named(kernel)
            && !own.is_empty()
            && own
                .iter()
                .all(|case| played.get(&case.name).is_some_and(|p| p.is("pass")))
    });
    let names: Vec<&str> = clean.map(|(kernel, _)| kernel.as_str()).collect();
    if names.is_empty() {
        "–".to_owned()
    } else {
        format!("clean: {}", names.join(", "))
    }
}
