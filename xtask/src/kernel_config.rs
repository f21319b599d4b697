//! Kernel configuration fragments: read with what they include, given to Kconfig on top of an empty configuration, and
//! compared with what Kconfig made of them. Kconfig drops without a word what a symbol's dependencies do not allow, so
//! the comparison is what counts.
//!
//! A fragment is what `scripts/kconfig/merge_config.sh` of the kernel also takes, with two directives of ours, which are
//! comments to everybody else:
//!
//! ```text
//! #: include FILE      the fragment FILE (beside this one) first; a later line about the same symbol wins
//! #: optional          what follows until the next empty line need not hold in the result (the symbol does not exist
//!                      in every version of the kernel)
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Includes inside of includes.
const DEPTH: usize = 8;

/// One line of a fragment.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// `CONFIG_…`.
    pub symbol: String,
    /// `y`, `m`, `n`, a number or a quoted text.
    pub value: String,
    /// May be missing in the result.
    pub optional: bool,
    /// Where it stands: `file:line`.
    pub place: String,
}

/// All wishes of some fragments, each symbol once, in the order of their last mention.
#[derive(Debug, Default)]
pub struct Fragment {
    /// The wishes.
    pub wishes: Vec<Wish>,
}

impl Fragment {
    /// Reads fragment files, in order.
    pub fn read(files: &[PathBuf]) -> Result<Fragment> {
        let mut all = Fragment::default();
        for file in files {
            all.take(file, DEPTH)?;
        }
        Ok(all)
    }

    fn take(&mut self, file: &Path, depth: usize) -> Result<()> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the kernel configuration fragment {}", file.display()))?;
        self.parse(&text, file, depth)
    }

    fn parse(&mut self, text: &str, file: &Path, depth: usize) -> Result<()> {
        let mut optional = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let place = format!("{}:{}", file.display(), number + 1);
            if line.is_empty() {
                optional = false;
            } else if let Some(directive) = line.strip_prefix("#:") {
                let words: Vec<&str> = directive.split_whitespace().collect();
                match words[..] {
                    ["optional"] => optional = true,
                    ["include", name] if depth > 0 => {
                        self.take(&file.with_file_name(name), depth - 1)
                            .with_context(|| format!("included at {place}"))?;
                    }
                    ["include", _] => bail!("{place}: fragments include each other too deeply"),
                    _ => bail!("{place}: `{line}` is no directive (include FILE, optional)"),
                }
            } else if let Some((symbol, value)) = assignment(line) {
                self.wishes.retain(|w| w.symbol != symbol);
                self.wishes.push(Wish {
                    symbol,
                    value,
                    optional,
                    place,
                });
            } else if !line.starts_with('#') {
                bail!(
                    "{place}: `{line}` is not `CONFIG_NAME=value`, `# CONFIG_NAME is not set` or a comment"
                );
            }
        }
        Ok(())
    }

    /// The value wished for.
    pub fn value(&self, symbol: &str) -> Option<&str> {
        let found = self.wishes.iter().find(|w| w.symbol == symbol);
        found.map(|w| w.value.as_str())
    }

    /// Does it ask for a symbol, built in or as a module?
    pub fn asks_for(&self, symbol: &str) -> bool {
        matches!(self.value(symbol), Some("y" | "m"))
    }

    /// As Kconfig reads it.
    pub fn text(&self) -> String {
        self.wishes
            .iter()
            .map(|Wish { symbol, value, .. }| match value.as_str() {
                "n" => format!("# {symbol} is not set\n"),
                _ => format!("{symbol}={value}\n"),
            })
            .collect()
    }

    /// What a final configuration has otherwise, one sentence each.
    pub fn unfulfilled(&self, config: &str) -> Vec<String> {
        let unfulfilled = |wish: &&Wish| !wish.optional && setting(config, &wish.symbol) != wish.value;
        self.wishes
            .iter()
            .filter(unfulfilled)
            .map(|wish| {
                let Wish {
                    symbol, value, place, ..
                } = wish;
                match setting(config, symbol) {
                    "n" => format!(
                        "{symbol}={value} ({place}): the result has it off; this kernel has no such symbol, or what it \
                         depends on is off"
                    ),
                    other => format!("{symbol}={value} ({place}): the result has it {other}; another symbol selects it"),
                }
            })
            .collect()
    }
}

/// Symbol and value of a line that sets something.
fn assignment(line: &str) -> Option<(String, String)> {
    let name = |symbol: &str| {
        symbol
            .strip_prefix("CONFIG_")
            .is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let (symbol, value) = match line.strip_prefix("# ") {
        Some(rest) => (rest.strip_suffix(" is not set")?, "n"),
        None => line.split_once('=')?,
    };
    (name(symbol) && !value.is_empty()).then(|| (symbol.to_owned(), value.to_owned()))
}

/// What a configuration says of a symbol; `n` if it does not mention it.
pub fn setting<'a>(config: &'a str, symbol: &str) -> &'a str {
    config
        .lines()
        .find_map(|line| line.strip_prefix(symbol)?.strip_prefix('='))
        .unwrap_or("n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Fragment> {
        let mut fragment = Fragment::default();
        fragment.parse(text, Path::new("f.config"), DEPTH)?;
        Ok(fragment)
    }

    #[test]
    fn the_last_line_about_a_symbol_wins() {
        let fragment = parse("CONFIG_A=y\nCONFIG_B=\"x y\"\n# a word\n# CONFIG_A is not set\n").unwrap();
        assert_eq!(fragment.value("CONFIG_A"), Some("n"));
        assert!(!fragment.asks_for("CONFIG_A"));
        assert_eq!(fragment.text(), "CONFIG_B=\"x y\"\n# CONFIG_A is not set\n");
    }

    #[test]
    fn what_kconfig_dropped_is_told_by_name_and_place() {
        let fragment =
            parse("CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=7\n# CONFIG_D is not set\nCONFIG_E=y\n").unwrap();
        let result = "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=y\nCONFIG_EE=y\n";
        let told = fragment.unfulfilled(result);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with("CONFIG_B=m (f.config:2): the result has it y"));
        assert!(told[1].starts_with("CONFIG_C=7 (f.config:3): the result has it off"));
        assert!(told[2].starts_with("CONFIG_D=n (f.config:4): the result has it y"));
        assert!(told[3].starts_with("CONFIG_E=y"), "CONFIG_EE is another symbol");
        assert!(parse("CONFIG_A=y\n").unwrap().unfulfilled(result).is_empty());
    }

    #[test]
    fn optional_ends_with_the_block() {
        let fragment = parse("#: optional\nCONFIG_A=y\nCONFIG_B=y\n\nCONFIG_C=y\n").unwrap();
        let told = fragment.unfulfilled("");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("CONFIG_C=y (f.config:5)"));
    }

    #[test]
    fn what_is_no_line_of_a_fragment_is_refused_with_its_place() {
        for (text, what) in [
            ("A=y", "f.config:1"),
            ("\nCONFIG_A = y", "f.config:2"),
            ("CONFIG_A=", "is not"),
            ("#: optionally", "no directive"),
            ("#: include nowhere.config", "included at f.config:1"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(what), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_fragment_that_includes_itself_ends() {
        let dir = std::env::temp_dir().join(format!("vh-fragment-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("round.config");
        std::fs::write(&file, "#: include round.config\nCONFIG_A=y\n").unwrap();
        let error = Fragment::read(&[file]).unwrap_err();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(format!("{error:#}").contains("too deeply"));
    }

    #[test]
    fn our_own_fragments_are_in_order_and_fit_together() {
        let dir = crate::firmware::workspace().join("configs/kernel");
        let read =
            |names: &[&str]| Fragment::read(&names.iter().map(|n| dir.join(n)).collect::<Vec<_>>()).unwrap();
        let fastrpc = read(&["fastrpc.config"]);
        assert!(fastrpc.asks_for("CONFIG_QCOM_FASTRPC") && fastrpc.asks_for("CONFIG_ARM_SMMU"));
        assert!(!fastrpc.asks_for("CONFIG_KASAN"));
        let kasan = read(&["kasan.config"]);
        assert!(kasan.asks_for("CONFIG_KASAN") && kasan.asks_for("CONFIG_QCOM_FASTRPC"));
        let both = read(&["kasan.config", "qda.config"]);
        assert!(both.asks_for("CONFIG_KASAN") && both.asks_for("CONFIG_DRM_ACCEL_QDA"));
        assert!(
            !both.asks_for("CONFIG_QCOM_FASTRPC"),
            "two drivers of one channel"
        );
    }
}
