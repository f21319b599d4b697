//! Run-time filter of FARF messages (`HAP_setFARFRuntimeLoggingParams`).

/// What was set.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Farf {
    /// Levels that are wanted, one bit each.
    pub mask: u32,
    /// Files that are meant; none means all.
    pub files: Vec<String>,
}
