//! Addresses of the DSP's own functions in what it prints.
//!
//! Where built-in functions lie in a process depends on the firmware image that the recorded DSP was started with, which a recording
//! does not have; a crash report shows such addresses in the backtrace and in registers. They are the DSP's to choose, but each
//! one is the same wherever it is printed.

use emu_os::BUILTINS_WINDOW;
use std::collections::HashMap;

/// Digits of an address as it is printed.
const DIGITS: usize = 8;
/// Most addresses that are remembered.
const MAX_ADDRESSES: usize = 4096;

/// Recorded addresses of built-in functions to those of this DSP.
#[derive(Debug, Default)]
pub(super) struct Addresses(HashMap<u32, u32>);

impl Addresses {
    /// Puts this DSP's addresses where the recorded text has its own.
    pub fn learn(&mut self, theirs: &mut [u8], ours: &[u8]) {
        let mut at = 0;
        while at + DIGITS <= theirs.len().min(ours.len()) {
            let (Some(then), Some(now)) = (address(theirs, at), address(ours, at)) else {
                at += 1;
                continue;
            };
            if self.0.len() < MAX_ADDRESSES && *self.0.entry(then).or_insert(now) == now {
                theirs[at..at + DIGITS].copy_from_slice(&ours[at..at + DIGITS]);
            }
            at += DIGITS;
        }
    }
}

/// The number that is printed at a place, if it is an address in the built-in functions' window.
fn address(text: &[u8], at: usize) -> Option<u32> {
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = text.get(..at)?;
    if is_word(before.last()) && !before.ends_with(b"0x") || is_word(text.get(at + DIGITS)) {
        return None;
    }
    let digits = text.get(at..at + DIGITS)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    BUILTINS_WINDOW.contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(addresses: &mut Addresses, theirs: &str, ours: &str) -> String {
        let mut text = theirs.as_bytes().to_vec();
        addresses.learn(&mut text, ours.as_bytes());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn addresses_of_built_in_functions_are_the_dsps_to_choose() {
        let mut addresses = Addresses::default();
        let ours = "  #1 0x01000000 (built-in)!(return to the DSP's OS)";
        assert_eq!(
            learnt(
                &mut addresses,
                "  #1 0x01005000 (built-in)!(return to the DSP's OS)",
                ours
            ),
            ours
        );
        assert_eq!(
            learnt(&mut addresses, "r31 01005000", "r31 01000000"),
            "r31 01000000"
        );
        // Each of them is one place.
        assert_eq!(
            learnt(&mut addresses, "r31 01005000", "r31 01000010"),
            "r31 01005000"
        );
    }

    #[test]
    fn everything_else_stays_what_it_was() {
        for (theirs, ours) in [
            ("r0  10204824", "r0  10204820"),
            ("r0  00000001", "r0  00000002"),
            ("r0  01005000", "r0  10204820"),
            ("x 101005000", "x 101000000"),
            ("a01005000", "a01000000"),
            ("0100500", "0100000"),
        ] {
            assert_eq!(learnt(&mut Addresses::default(), theirs, ours), theirs);
        }
    }
}
