//! Versions of the architecture.

use crate::info::Feature;

/// A version of the Hexagon architecture that a core can have. Later ones run what was built for earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// Version 5.
    V5,
    /// Version 5.5.
    V55,
    /// Version 60, the first with HVX.
    V60,
    /// Version 62.
    V62,
    /// Version 65.
    V65,
    /// Version 66.
    V66,
    /// Version 67.
    V67,
    /// The small core of V67: three slots, no HVX, audio instructions.
    V67T,
    /// Version 68.
    V68,
    /// Version 69.
    V69,
    /// Version 71.
    V71,
    /// The small core of V71.
    V71T,
    /// Version 73.
    V73,
    /// Version 75.
    V75,
    /// Version 79.
    V79,
    /// Version 81.
    V81,
}

impl Arch {
    /// Every version, oldest first.
    pub const ALL: [Self; 16] = [
        Self::V5,
        Self::V55,
        Self::V60,
        Self::V62,
        Self::V65,
        Self::V66,
        Self::V67,
        Self::V67T,
        Self::V68,
        Self::V69,
        Self::V71,
        Self::V71T,
        Self::V73,
        Self::V75,
        Self::V79,
        Self::V81,
    ];

    /// The number in its name, e.g. 68; a small core has the number of its large relative.
    pub const fn version(self) -> u32 {
        match self {
            Self::V5 => 5,
            Self::V55 => 55,
            Self::V60 => 60,
            Self::V62 => 62,
            Self::V65 => 65,
            Self::V66 => 66,
            Self::V67 | Self::V67T => 67,
            Self::V68 => 68,
            Self::V69 => 69,
            Self::V71 | Self::V71T => 71,
            Self::V73 => 73,
            Self::V75 => 75,
            Self::V79 => 79,
            Self::V81 => 81,
        }
    }

    /// The version with this number; never a small core.
    pub fn from_version(version: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.version() == version)
    }

    /// The version that an ELF file was built for: the low bits of `e_flags` are its number read as hexadecimal digits, bit 15
    /// marks the small cores.
    pub fn from_elf_flags(flags: u32) -> Option<Self> {
        let version = (flags >> 4 & 0xf) * 10 + (flags & 0xf);
        let small = flags & 0x8000 != 0;
        Self::ALL
            .into_iter()
            .find(|a| a.version() == version && a.is_small() == small)
    }

    /// One of the small cores, which have the audio extension and no HVX.
    pub const fn is_small(self) -> bool {
        matches!(self, Self::V67T | Self::V71T)
    }

    /// The version can have this extension.
    pub const fn has(self, feature: Feature) -> bool {
        match feature {
            Feature::Audio => self.is_small(),
            Feature::Hmx => !self.is_small(),
            Feature::Cabac | Feature::ZReg | Feature::QFloat | Feature::IeeeFp | Feature::HvxFp => true,
        }
    }
}

impl std::fmt::Display for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "V{}{}", self.version(), if self.is_small() { "T" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elf_flags_name_the_version() {
        assert_eq!(Arch::from_elf_flags(0x68), Some(Arch::V68));
        assert_eq!(Arch::from_elf_flags(0x8067), Some(Arch::V67T));
        assert_eq!(Arch::from_elf_flags(0), None);
    }
}
