//! Versions of a library's symbols, once they were read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Number of a symbol without a version.
pub(super) const GLOBAL: u16 = 1;
/// Of a number: this is not the version that a reference without one means.
pub(super) const HIDDEN: u16 = 0x8000;

/// A version, by where its name lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub name: Range<usize>,
    /// Of one that is needed: symbols without a version do not do.
    pub strict: bool,
}

/// A version that a library needs of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub file: Range<usize>,
    pub name: Range<usize>,
    pub weak: bool,
}

/// The versions of a library.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions {
    /// Symbols have numbers of versions (`DT_VERSYM`).
    pub numbered: bool,
    /// Versions that are defined here; `None`: there is no such table.
    pub defined: Option<BTreeSet<Vec<u8>>>,
    /// Those that symbols have, by number.
    pub by_number: BTreeMap<u16, Version>,
    pub needs: Vec<Need>,
}

/// A symbol's version as its library's table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionNumber(pub(super) u16);

impl VersionNumber {
    /// Its number in the library.
    pub fn number(self) -> u16 {
        self.0 & !HIDDEN
    }

    /// Whoever asks for no version does not mean this one.
    pub fn is_hidden(self) -> bool {
        self.0 & HIDDEN != 0
    }
}
