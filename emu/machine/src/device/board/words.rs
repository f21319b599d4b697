//! A part of guest RAM as the protocol code sees it: words at offsets.

use emu_core::mem::GuestRam;
use rpmsg::words::{Outside, Words};
use std::sync::atomic::{Ordering, fence};

/// `size` bytes of guest RAM from `base`.
#[derive(Debug, Clone)]
pub struct RamWords {
    ram: GuestRam,
    base: u64,
    size: u32,
}

impl RamWords {
    /// That part. What is not RAM gives an error when it is accessed.
    pub fn new(ram: GuestRam, base: u64, size: u64) -> Self {
        Self {
            ram,
            base,
            size: u32::try_from(size).unwrap_or(u32::MAX),
        }
    }

    fn at(&self, offset: u32) -> Result<u64, Outside> {
        match offset.checked_add(4) {
            Some(end) if end <= self.size => Ok(self.base.wrapping_add(u64::from(offset))),
            _ => Err(self.outside(offset)),
        }
    }

    fn outside(&self, offset: u32) -> Outside {
        Outside {
            offset,
            size: self.size,
        }
    }
}

impl Words for RamWords {
    fn size(&self) -> u32 {
        self.size
    }

    fn load(&self, offset: u32) -> Result<u32, Outside> {
        let word = self
            .ram
            .read_u32(self.at(offset)?)
            .map_err(|_| self.outside(offset))?;
        fence(Ordering::Acquire);
        Ok(word)
    }

    fn store(&self, offset: u32, word: u32) -> Result<(), Outside> {
        fence(Ordering::Release);
        self.ram
            .write_u32(self.at(offset)?, word)
            .map_err(|_| self.outside(offset))
    }

    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside> {
        self.ram
            .compare_exchange_u32(self.at(offset)?, old, new)
            .map_err(|_| self.outside(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_inside_the_part_and_the_part_inside_ram() {
        let ram = GuestRam::anonymous(0x2000, 0x1_0000).unwrap();
        let words = RamWords::new(ram.clone(), 0x1_1000, 0x10);
        words.store(12, 7).unwrap();
        assert_eq!((words.load(12), ram.read_u32(0x1_100c)), (Ok(7), Ok(7)));
        assert_eq!(words.compare_exchange(12, 7, 8), Ok(true));
        for offset in [13, 16, u32::MAX] {
            assert!(words.load(offset).is_err() && words.store(offset, 1).is_err());
        }
        assert!(RamWords::new(ram, u64::MAX - 3, 0x100).load(0).is_err());
    }
}
