//! Positions in a tile, taken apart bit by bit.

/// Which address bits name the position, and what they are shared out to.
pub(super) struct Places {
    x: Vec<u32>,
    y: Vec<u32>,
    /// Bytes between channels.
    pub stride: u32,
}

fn number(bits: &[u32], address: u32) -> u32 {
    bits.iter()
        .enumerate()
        .map(|(n, b)| (address >> b & 1) << n)
        .sum()
}

fn place(bits: &[u32], number: u32) -> u32 {
    bits.iter().enumerate().map(|(n, b)| (number >> n & 1) << b).sum()
}

impl Places {
    /// `pairs`: numbers take two bytes, the lowest bit does not count.
    pub fn new(rt: u32, channel_major: bool, pairs: bool) -> Places {
        let bits: &[u32] = match (channel_major, pairs) {
            (true, _) => &[5, 6, 7, 8, 9, 10],
            (false, false) => &[0, 1, 7, 8, 9, 10],
            (false, true) => &[1, 7, 8, 9, 10],
        };
        let (y, x) = bits.iter().partition(|b| rt >> **b & 1 != 0);
        Places {
            x,
            y,
            stride: if channel_major { 1 } else { 4 },
        }
    }

    /// How many there are along X and Y.
    pub fn count(&self) -> (u32, u32) {
        (1 << self.x.len(), 1 << self.y.len())
    }

    /// The numbers along X and Y of an address.
    pub fn numbers(&self, address: u32) -> (u32, u32) {
        (number(&self.x, address), number(&self.y, address))
    }

    /// The address in the tile.
    pub fn address(&self, x: u32, y: u32) -> u32 {
        place(&self.x, x) + place(&self.y, y)
    }

    /// The number of the position, 0 to 63, at an address.
    pub fn position(&self, address: u32) -> usize {
        let bits: &[u32] = if self.stride == 1 {
            &[5, 6, 7, 8, 9, 10]
        } else {
            &[0, 1, 7, 8, 9, 10]
        };
        number(bits, address) as usize
    }
}
