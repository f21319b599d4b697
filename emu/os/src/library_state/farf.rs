//! Run-time filter of FARF messages (`HAP_setFARFRuntimeLoggingParams`, and the AP's `set_logging_params`).

/// What was set.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Farf {
    /// Levels that are wanted, one bit each; `None`: nobody has said so.
    pub mask: Option<u32>,
    /// Files that are meant; none means all.
    pub files: Vec<String>,
}

impl Farf {
    /// What the AP says: the mask 0 for no files means that nobody there has said so.
    pub fn of_ap(mask: u32, files: Vec<String>) -> Self {
        let mask = (mask != 0 || !files.is_empty()).then_some(mask);
        Self { mask, files }
    }

    /// Is a message of this level and file wanted?
    pub fn wants(&self, level: u32, file: &str) -> bool {
        let level = self
            .mask
            .is_none_or(|mask| mask.checked_shr(level).unwrap_or(0) & 1 != 0);
        level && (self.files.is_empty() || self.files.iter().any(|wanted| wanted == file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_files_are_wanted() {
        let farf = |mask, files: &[&str]| Farf {
            mask,
            files: files.iter().map(|&file| file.into()).collect(),
        };
        assert!(farf(None, &[]).wants(4, "a.c"));
        assert_eq!(Farf::of_ap(0, vec![]), farf(None, &[]));
        assert_eq!(Farf::of_ap(0, vec!["a.c".into()]), farf(Some(0), &["a.c"]));
        assert_eq!(Farf::of_ap(3, vec![]), farf(Some(3), &[]));
        assert!(farf(Some(1 << 2), &[]).wants(2, "a.c"));
        assert!(!farf(Some(1 << 2), &[]).wants(3, "a.c"));
        assert!(!farf(Some(u32::MAX), &[]).wants(32, "a.c"));
        assert!(!farf(Some(u32::MAX), &["b.c"]).wants(2, "a.c"));
        assert!(farf(Some(u32::MAX), &["b.c"]).wants(2, "b.c"));
    }
}
