//! `decbin`: one step of H.264's binary arithmetic decoder.
//!
//! Source: ITU-T H.264, 9.3.3.2 (tables 9-44 and 9-45); where the operands' fields lie is the instruction's own page in the
//! Hexagon PRM. Range and offset are left aligned: nine bits from bit 31 down, after a shift by the bit position.

/// Width of the less probable symbol's part of the range, by state and the range's two bits below its highest.
const LPS_RANGE: [[u8; 4]; 64] = [
    [128, 176, 208, 240],
    [128, 167, 197, 227],
    [128, 158, 187, 216],
    [123, 150, 178, 205],
    [116, 142, 169, 195],
    [111, 135, 160, 185],
    [105, 128, 152, 175],
    [100, 122, 144, 166],
    [95, 116, 137, 158],
    [90, 110, 130, 150],
    [85, 104, 123, 142],
    [81, 99, 117, 135],
    [77, 94, 111, 128],
    [73, 89, 105, 122],
    [69, 85, 100, 116],
    [66, 80, 95, 110],
    [62, 76, 90, 104],
    [59, 72, 86, 99],
    [56, 69, 81, 94],
    [53, 65, 77, 89],
    [51, 62, 73, 85],
    [48, 59, 69, 80],
    [46, 56, 66, 76],
    [43, 53, 63, 72],
    [41, 50, 59, 69],
    [39, 48, 56, 65],
    [37, 45, 54, 62],
    [35, 43, 51, 59],
    [33, 41, 48, 56],
    [32, 39, 46, 53],
    [30, 37, 43, 50],
    [29, 35, 41, 48],
    [27, 33, 39, 45],
    [26, 31, 37, 43],
    [24, 30, 35, 41],
    [23, 28, 33, 39],
    [22, 27, 32, 37],
    [21, 26, 30, 35],
    [20, 24, 29, 33],
    [19, 23, 27, 31],
    [18, 22, 26, 30],
    [17, 21, 25, 28],
    [16, 20, 23, 27],
    [15, 19, 22, 25],
    [14, 18, 21, 24],
    [14, 17, 20, 23],
    [13, 16, 19, 22],
    [12, 15, 18, 21],
    [12, 14, 17, 20],
    [11, 14, 16, 19],
    [11, 13, 15, 18],
    [10, 12, 15, 17],
    [10, 12, 14, 16],
    [9, 11, 13, 15],
    [9, 11, 12, 14],
    [8, 10, 12, 14],
    [8, 9, 11, 13],
    [7, 9, 11, 12],
    [7, 9, 10, 12],
    [7, 8, 10, 11],
    [6, 8, 9, 11],
    [6, 7, 9, 10],
    [6, 7, 8, 9],
    [2, 2, 2, 2],
];

/// State after a less probable symbol.
const LPS_NEXT: [u8; 64] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22,
    22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35,
    36, 36, 36, 37, 37, 37, 38, 38, 63,
];

/// One decoded symbol.
struct Step {
    /// State, range and offset as the result register holds them.
    next: u64,
    symbol: u8,
}

fn step(rss: i64, rtt: i64) -> Step {
    let (low, high) = (rtt as u32, (rtt as u64 >> 32) as u32);
    let state = (high & 63) as usize;
    let probable = (high >> 8 & 1) as u8;
    let range = (rss as u32) << (low & 31);
    let offset = ((rss as u64 >> 32) as u32) << (low & 31);
    let quarter = (range >> 29 & 3) as usize;
    let width = LPS_RANGE
        .get(state)
        .and_then(|r| r.get(quarter))
        .copied()
        .unwrap_or_default();
    let lps = u32::from(width) << 23;
    let mps = (range & 0xff80_0000).wrapping_sub(lps);
    let (state, symbol, mirror, range, offset) = if offset < mps {
        let next = if state < 62 { state as u8 + 1 } else { state as u8 };
        (next, probable, probable, mps, offset)
    } else {
        let next = LPS_NEXT.get(state).copied().unwrap_or_default();
        let mirror = if state == 0 { probable ^ 1 } else { probable };
        (next, probable ^ 1, mirror, lps, offset.wrapping_sub(mps))
    };
    let low = u32::from(state) | u32::from(mirror) << 8 | range & 0xff80_0000;
    Step {
        next: u64::from(low) | u64::from(offset) << 32,
        symbol,
    }
}

/// The new state, probable symbol, range and offset.
pub(crate) fn cabac_bin(rss: i64, rtt: i64) -> i64 {
    step(rss, rtt).next as i64
}

/// The symbol that was decoded.
pub(crate) fn cabac_symbol(rss: i64, rtt: i64) -> u8 {
    step(rss, rtt).symbol
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operands(range: u32, offset: u32, state: u32, probable: u32) -> (i64, i64) {
        let rss = u64::from(range << 23) | u64::from(offset << 23) << 32;
        let rtt = u64::from(state | probable << 8) << 32;
        (rss as i64, rtt as i64)
    }

    #[test]
    fn the_more_probable_symbol_keeps_the_rest_of_the_range() {
        // Range 510 in state 0: 240 of it belong to the less probable symbol.
        let (s, t) = operands(510, 100, 0, 1);
        assert_eq!(cabac_symbol(s, t), 1);
        assert_eq!(
            cabac_bin(s, t) as u64,
            u64::from(270 << 23 | 1 << 8 | 1u32) | (100 << 23) << 32
        );
    }

    #[test]
    fn the_less_probable_symbol_in_state_0_changes_what_is_probable() {
        let (s, t) = operands(510, 300, 0, 1);
        assert_eq!(cabac_symbol(s, t), 0);
        assert_eq!(cabac_bin(s, t) as u64, u64::from(240u32 << 23) | (30 << 23) << 32);
    }

    #[test]
    fn every_state_leads_to_a_state() {
        for state in 0..64 {
            for offset in [0, 509] {
                let (s, t) = operands(510, offset, state, 0);
                assert!(cabac_bin(s, t) & 0x7f_fec0 == 0);
            }
        }
    }
}
