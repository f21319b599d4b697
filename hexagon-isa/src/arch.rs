//! Versions of the architecture.

/// A version of the Hexagon architecture that a core can have. Later ones run what was built for earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Arch {
    V60 = 60,
    V62 = 62,
    V65 = 65,
    V66 = 66,
    V67 = 67,
    V68 = 68,
    V69 = 69,
    V71 = 71,
    V73 = 73,
    V75 = 75,
    V79 = 79,
    V81 = 81,
}

impl Arch {
    /// Every version, oldest first.
    pub const ALL: [Self; 12] = [
        Self::V60,
        Self::V62,
        Self::V65,
        Self::V66,
        Self::V67,
        Self::V68,
        Self::V69,
        Self::V71,
        Self::V73,
        Self::V75,
        Self::V79,
        Self::V81,
    ];

    /// The number in its name, e.g. 68.
    pub const fn version(self) -> u32 {
        self as u32
    }

    /// The version with this number.
    pub fn from_version(version: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.version() == version)
    }
}
