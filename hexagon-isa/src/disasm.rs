//! Bytes to packets and text: what a disassembler or a crash report iterates over.
//!
//! Words that are no packet give one [`Item::Unknown`]; decoding goes on behind the word that made the packet illegal,
//! or behind the whole packet if its words are legal one by one.

use crate::packet::decode_counted;
use crate::{Arch, DecodeError, Packet, print};

/// What stands at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A packet.
    Packet {
        /// Its address.
        address: u32,
        /// The packet.
        packet: Packet,
    },
    /// Words that are no packet.
    Unknown {
        /// Their address.
        address: u32,
        /// The first of them; missing bytes at the end of the range are 0.
        word: u32,
        /// How many bytes are skipped.
        bytes: u32,
        /// Why.
        error: DecodeError,
    },
}

impl Item {
    /// The item's lines with addresses and words, as `llvm-objdump -d` writes them; the last without line end.
    #[must_use]
    pub fn listing(&self) -> String {
        self.listing_with(&|_| None)
    }

    /// The same with names behind the targets of branches and calls; `name` gives the text for an address.
    #[must_use]
    pub fn listing_with(&self, name: &dyn Fn(u32) -> Option<String>) -> String {
        match self {
            Item::Packet { address, packet } => packet.listing_with(*address, name),
            Item::Unknown { address, word, .. } => {
                let mut out = String::new();
                // Writing into a string cannot fail.
                let _ = print::lead(&mut out, *address, *word);
                out.push_str(" <unknown>");
                out
            }
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn address(&self) -> u32 {
        match self {
            Item::Packet { address, .. } | Item::Unknown { address, .. } => *address,
        }
    }

    /// How many bytes it covers.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        match self {
            Item::Packet { packet, .. } => packet.bytes(),
            Item::Unknown { bytes, .. } => *bytes,
        }
    }
}

/// Iterates over the packets in `bytes`, the first of which stands at `address`.
pub fn disassemble(bytes: &[u8], address: u32, arch: Arch) -> impl Iterator<Item = Item> {
    Disassembly {
        rest: bytes,
        address,
        arch,
    }
}

struct Disassembly<'a> {
    rest: &'a [u8],
    address: u32,
    arch: Arch,
}

impl Iterator for Disassembly<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut words = [0u32; 4];
        let mut whole = 0;
        for (word, chunk) in words.iter_mut().zip(self.rest.chunks(4)) {
            let mut bytes = [0; 4];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            *word = u32::from_le_bytes(bytes);
            whole += usize::from(chunk.len() == 4);
        }
        let [first, ..] = words;
        let address = self.address;
        let item = match decode_counted(words.get(..whole).unwrap_or_default(), self.arch) {
            Ok(packet) => Item::Packet { address, packet },
            Err((error, words)) => {
                let left = u32::try_from(self.rest.len()).unwrap_or(u32::MAX);
                let bytes = (u32::from(words) * 4).clamp(4, 16).min(left);
                Item::Unknown {
                    address,
                    word: first,
                    bytes,
                    error,
                }
            }
        };
        self.rest = self.rest.get(item.bytes() as usize..).unwrap_or_default();
        self.address = address.wrapping_add(item.bytes());
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_behind_what_it_cannot_read() {
        // nop; a word that is nothing; nop; two bytes
        let bytes = [
            0, 0xc0, 0, 0x7f, 0xff, 0xff, 0xff, 0x6f, 0, 0xc0, 0, 0x7f, 0xaa, 0xbb,
        ];
        let items: Vec<Item> = disassemble(&bytes, 0x1000, Arch::V73).collect();
        let text: Vec<String> = items.iter().map(Item::listing).collect();
        assert_eq!(text[0], "    1000:\t00 c0 00 7f\t7f00c000 { \tnop }");
        assert_eq!(text[1], "    1004:\tff ff ff 6f\t6fffffff <unknown>");
        assert_eq!(items[2].address(), 0x1008);
        assert!(matches!(
            items[3],
            Item::Unknown {
                bytes: 2,
                error: DecodeError::Incomplete,
                ..
            }
        ));
        assert_eq!(items.len(), 4);
    }
}
