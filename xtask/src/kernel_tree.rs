//! Is a kernel tree whole that was unpacked without what no small arm64 kernel needs? Its makefiles and Kconfig files name
//! what a build will ask for; a file that one of them names and that was left out ends the build twenty minutes later with
//! `No rule to make target`, so it is looked for here, right after the unpacking.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

/// Sources of an object, or of whatever else a makefile asks for, by the ending that it asks for. The longest comes first.
const MADE_OF: &[(&str, &[&str])] = &[
    (".dtb.o", &[".dts"]),
    (".dtbo.o", &[".dtso", ".dts"]),
    (".dtb", &[".dts"]),
    (".dtbo", &[".dtso", ".dts"]),
    (".o", &[".c", ".S", ".rs"]),
];

/// Variables of Kbuild whose words that end in `/` are folders to descend into.
const DESCENDING: &[&str] = &[
    "obj-", "core-", "drivers-", "lib-", "libs-", "net-", "virt-", "subdir-",
];

/// At most so many are told.
const TOLD: usize = 8;

/// A file that was left out although a kept one needs it.
#[derive(Debug, PartialEq)]
struct Needed {
    file: String,
    by: String,
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, which {} names", self.file, self.by)
    }
}

/// An error if something was left out of `tree` that a file in it names. `listed` is what the archive holds, relative to the
/// tree's top.
pub fn check(tree: &Path, listed: &[String]) -> Result<()> {
    let (kept, left_out): (Vec<&str>, Vec<&str>) = listed
        .iter()
        .map(String::as_str)
        .filter(|name| !name.ends_with('/'))
        // A symbolic link counts, wherever it leads.
        .partition(|name| tree.join(name).symlink_metadata().is_ok());
    let left_out: HashSet<&str> = left_out.into_iter().collect();
    let kept_set: HashSet<&str> = kept.iter().copied().collect();
    let mut found = Vec::new();
    for by in kept.into_iter().filter(|name| is_of_this_build(name)) {
        let Some(wanted) = wanted_by(tree, by) else {
            continue;
        };
        for choices in wanted {
            if choices.iter().any(|c| kept_set.contains(c.as_str())) {
                continue;
            }
            if let Some(file) = choices.into_iter().find(|c| left_out.contains(c.as_str())) {
                found.push(Needed {
                    file,
                    by: by.to_owned(),
                });
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = found.iter().take(TOLD).map(Needed::to_string).collect();
    bail!(
        "what was left out of the kernel's source is needed ({} files):\n  {}",
        found.len(),
        told.join("\n  ")
    )
}

/// Of the kernel for arm64: no other processor's, and none of the programs in `tools` and `samples`, which are built by
/// themselves.
fn is_of_this_build(name: &str) -> bool {
    match name.split_once('/') {
        Some(("arch", rest)) => rest.starts_with("arm64/") || !rest.contains('/'),
        Some(("tools" | "samples", _)) => false,
        _ => true,
    }
}

/// What a file of the build system names: for each thing the files of which one must be there. Nothing for other files.
fn wanted_by(tree: &Path, name: &str) -> Option<Vec<Vec<String>>> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let read = || {
        let bytes = std::fs::read(tree.join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace("\\\n", " "))
    };
    if matches!(file, "Makefile" | "Kbuild") {
        Some(read()?.lines().flat_map(|line| made(folder, line)).collect())
    } else if file.starts_with("Kconfig") {
        Some(read()?.lines().filter_map(|line| sourced(folder, line)).collect())
    } else {
        None
    }
}

/// What one line of a makefile asks for.
fn made(folder: &str, line: &str) -> Vec<Vec<String>> {
    let line = line.split('#').next().unwrap_or_default();
    let descends = DESCENDING.iter().any(|v| line.trim_start().starts_with(v));
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '=' | ':'));
    let plain = words.filter(|word| !word.is_empty() && !word.contains(['$', '%', '*']));
    plain
        .filter_map(|word| {
            if let Some(below) = word.strip_suffix('/') {
                let below = joined(folder, below)?;
                return descends.then(|| vec![format!("{below}/Kbuild"), format!("{below}/Makefile")]);
            }
            let (ending, sources) = MADE_OF.iter().find(|(ending, _)| word.ends_with(ending))?;
            let stem = joined(folder, word.strip_suffix(ending)?)?;
            Some(sources.iter().map(|source| format!("{stem}{source}")).collect())
        })
        .collect()
}

/// The file that one line of a Kconfig file reads.
fn sourced(folder: &str, line: &str) -> Option<Vec<String>> {
    let (word, rest) = line.trim().split_once(char::is_whitespace)?;
    let folder = match word {
        "source" => "",
        "rsource" => folder,
        _ => return None,
    };
    let name = rest.trim().trim_matches('"');
    (!name.contains('$')).then_some(())?;
    Some(vec![joined(folder, name)?])
}

/// A path from the tree's top; none if it leads out of the tree.
fn joined(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_makefile_names_sources_of_objects_device_trees_and_folders() {
        let one = |folder, line| made(folder, line).concat();
        assert_eq!(
            one(
                "drivers/of",
                "obj-$(CONFIG_OF_FLATTREE) += fdt.o empty_root.dtb.o # x.o"
            ),
            [
                "drivers/of/fdt.c",
                "drivers/of/fdt.S",
                "drivers/of/fdt.rs",
                "drivers/of/empty_root.dts"
            ]
        );
        assert_eq!(
            one("arch/arm64/xen", "xen-arm-y += $(addprefix ../../arm/xen/, mm.o)"),
            [
                "arch/arm64/xen/mm.c",
                "arch/arm64/xen/mm.S",
                "arch/arm64/xen/mm.rs"
            ]
        );
        assert_eq!(
            one("a", "obj-y += ../b/"),
            ["b/Kbuild", "b/Makefile"],
            "a folder to descend into"
        );
        assert_eq!(
            one("a", "ccflags-y += -I../include/").len(),
            0,
            "no folder of headers"
        );
        assert_eq!(one("", "obj-y += ../../x.o").len(), 0, "leads out of the tree");
        assert_eq!(one("a", "$(obj)/%.o: $(src)/%.c").len(), 0);
    }

    #[test]
    fn a_line_of_kconfig_names_the_file_that_it_reads() {
        assert_eq!(
            sourced("a", "source \"b/Kconfig\""),
            Some(vec!["b/Kconfig".to_owned()])
        );
        assert_eq!(
            sourced("a", "\trsource \"b/Kconfig\""),
            Some(vec!["a/b/Kconfig".to_owned()])
        );
        assert_eq!(sourced("a", "source \"arch/$(SRCARCH)/Kconfig\""), None);
        assert_eq!(sourced("a", "config B"), None);
    }
}
