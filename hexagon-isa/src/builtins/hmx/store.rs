//! Results of conversions to memory.
//!
//! Rs is the tile's address and, in its position bits, where the result begins in it: along X and along Y (Rt says which bits
//! are whose, as for activation loads). What begins at an offset along Y goes on at the top of a second tile, Rt's distance
//! away. Along X the tile is made of two conversions: what lies before the offset is the end of the older one, the rest is
//! the newer one's begin. A conversion that stores by itself writes one of these two parts. This is the architecture
//! simulator's rule (`hmx/ext_hmx.c`); the newer public one splits 16-bit results along Y, does not split half floats at all,
//! and ignores the offset along Y of conversions that store by themselves.
//!
//! A result of 16 bits from two by two accumulators (`:2x2`) is kept in odd channels; its store writes the 16 of them that
//! there are to the lower or, with bit 6 of Rs, the upper 16 places.

use super::tile::{Axis, TILE, masks, position};
use crate::memory::Memory;
use crate::state::hmx::{CHANNELS, Converted, Permit};
use crate::state::{Args, Regs};

/// What is written: which conversions, in which layout.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a> {
    /// Where tiles may lie.
    pub permit: Permit,
    pub channel_major: bool,
    pub float: bool,
    /// Only odd channels, 16 of them.
    pub odd: bool,
    /// What goes before the offset along X.
    pub before: Option<&'a Converted>,
    /// What goes behind it.
    pub after: Option<&'a Converted>,
}

/// A tile's bytes and which of them are written.
struct Image {
    bytes: [Option<u8>; TILE as usize],
}

impl Image {
    /// Stores each run of bytes.
    fn store<M: Memory>(&self, m: &M, va: u32) -> Result<(), M::Fault> {
        let mut run = Vec::with_capacity(TILE as usize);
        for (at, byte) in (0..).zip(self.bytes.iter().chain([&None])) {
            match byte {
                Some(byte) => run.push(*byte),
                None if run.is_empty() => {}
                None => {
                    m.store(va.wrapping_add(at - run.len() as u32), &run)?;
                    run.clear();
                }
            }
        }
        Ok(())
    }

    fn empty(&self) -> bool {
        self.bytes.iter().all(Option::is_none)
    }
}

/// Stores, or with [`Args::dry`] only finds out whether that would fault.
pub(crate) fn write<M: Memory>(m: &M, a: &Args, rs: u32, rt: u32, out: Output<'_>) -> Result<(), M::Fault> {
    let (x_mask, y_mask) = masks(rt, out.channel_major, out.float);
    let (x, y) = (Axis::new(x_mask), Axis::new(y_mask));
    let (x_begin, y_begin) = (x.number(rs & x_mask), y.number(rs & y_mask));
    let base = rs & !(TILE - 1);
    let tiles = [base, base.wrapping_add(rt & !(TILE - 1))];
    let mut images = [const {
        Image {
            bytes: [None; TILE as usize],
        }
    }; 2];
    let select = if out.odd { rs >> 2 & 16 } else { 0 };
    for row in 0..y.len {
        let [first, second] = &mut images;
        let image = if row < y_begin { second } else { first };
        for column in 0..x.len {
            let Some(from) = (if column < x_begin { out.before } else { out.after }) else {
                continue;
            };
            let of = x.offset(column + x.len - x_begin) | y.offset(row + y.len - y_begin);
            let to = x.offset(column) | y.offset(row);
            for part in 0..=u32::from(out.float) {
                let values = from.row(position(of | part, out.channel_major));
                for channel in 0..if out.odd {
                    CHANNELS as u32 / 2
                } else {
                    CHANNELS as u32
                } {
                    let value = if out.odd {
                        values.get(channel as usize * 2 + 1)
                    } else {
                        values.get(channel as usize)
                    };
                    let place = channel + select;
                    let at = (to | part) + if out.channel_major { place } else { place << 2 };
                    if let (Some(byte), Some(value)) = (image.bytes.get_mut(at as usize), value) {
                        *byte = Some((value >> 4) as u8);
                    }
                }
            }
        }
    }
    // A tile is in one page.
    for (image, va) in images.iter().zip(tiles) {
        if !image.empty() {
            out.permit.memory_at::<M::Fault>(va, TILE as usize)?;
            m.probe_store(va, 1)?;
        }
    }
    if a.dry {
        return Ok(());
    }
    for (image, va) in images.iter().zip(tiles) {
        image.store::<M>(m, va)?;
    }
    Ok(())
}

/// `older`: what goes before the offset along X is one conversion older than usual. `kind`: 0 bytes, 1 bytes of two by two,
/// 2 byte floats, which are written in pairs.
#[allow(clippy::too_many_arguments)]
pub(crate) fn mx_store<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    rs: u32,
    rt: u32,
    kind: u32,
    channel_major: u32,
    older: u32,
) -> Result<(), M::Fault> {
    let permit = s.hmx.begin::<M::Fault>(a.pc)?;
    let [newest, before, oldest] = &s.hmx.state().converted;
    let out = Output {
        permit,
        channel_major: channel_major != 0,
        float: kind == 2,
        odd: kind == 1,
        before: Some(if older != 0 { oldest } else { before }),
        after: Some(newest),
    };
    write::<M>(m, a, rs, rt, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Ram, RamFault};
    use crate::state::hmx::HmxState;

    /// A conversion in which each value names its position.
    fn numbered(add: u16) -> Converted {
        let mut c = HmxState::default().working[0].clone();
        for row in 0..64 {
            *c.row_mut(row) = [(row as u16 + add) << 4; CHANNELS];
        }
        c
    }

    /// What is written to three tiles of memory from address 0 on.
    fn written(rs: u32, rt: u32, out: Output<'_>) -> Result<[u8; 3 * TILE as usize], RamFault> {
        let memory = Ram::new(0, 3 * TILE as usize);
        memory.store(0, &[0xff; 3 * TILE as usize])?;
        write(&memory, &Args::default(), rs, rt, out)?;
        memory.read(0)
    }

    #[test]
    fn a_tile_is_made_of_two_conversions() {
        let (old, new) = (numbered(64), numbered(0));
        let out = Output {
            permit: Permit::default(),
            channel_major: true,
            float: false,
            odd: false,
            before: Some(&old),
            after: Some(&new),
        };
        // X is the lower three bits of the position; the tile begins at the third.
        let got = written(3 << 5, 0x700, out).unwrap();
        let row: Vec<u8> = (0..8).map(|x| got[x * 32]).collect();
        assert_eq!(row, [64 + 5, 64 + 6, 64 + 7, 0, 1, 2, 3, 4]);
        let after = written(3 << 5, 0x700, Output { before: None, ..out }).unwrap();
        assert_eq!((after[2 * 32], after[3 * 32]), (0xff, 0));
    }

    #[test]
    fn an_offset_along_y_goes_on_in_the_next_tile() {
        let new = numbered(0);
        let out = Output {
            permit: Permit::default(),
            channel_major: true,
            float: false,
            odd: false,
            before: Some(&new),
            after: Some(&new),
        };
        let got = written(0x100, 0x700 | TILE, out).unwrap();
        assert_eq!(
            (got[0], got[0x100], got[TILE as usize], got[TILE as usize + 0x100]),
            (0xff, 0, 56, 0xff)
        );
        // The second tile is not there: nothing is written.
        assert_eq!(
            written(0x100 + 2 * TILE, 0x700 | TILE, out),
            Err(RamFault::Outside(3 * TILE))
        );
    }

    #[test]
    fn odd_channels_fill_half_a_tile() {
        let mut new = numbered(0);
        new.row_mut(0)[3] = 0x770;
        let out = Output {
            permit: Permit::default(),
            channel_major: false,
            float: false,
            odd: true,
            before: None,
            after: Some(&new),
        };
        let low = written(0, 0, out).unwrap();
        assert_eq!((low[4], low[64]), (0x77, 0xff));
        let high = written(0x40, 0, out).unwrap();
        assert_eq!((high[4], high[64 + 4]), (0xff, 0x77));
    }
}
