//! Votes for clocks and power (`HAP_power_set`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Kinds of votes that public headers name.
pub const KINDS: RangeInclusive<u8> = 1..=31;
/// Votes that are kept.
const MAX_VOTES: usize = 4096;

/// The last vote of each client and kind.
#[derive(Debug, Default)]
pub struct Votes(BTreeMap<(u32, u8), Vec<u8>>);

impl Votes {
    /// Records a vote; `true`: it is the client's first of that kind. More than there is room for are forgotten.
    pub fn set(&mut self, client: u32, kind: u8, request: Vec<u8>) -> bool {
        if self.0.len() >= MAX_VOTES && !self.0.contains_key(&(client, kind)) {
            return false;
        }
        self.0.insert((client, kind), request).is_none()
    }

    /// The last vote of a client.
    #[cfg(test)]
    pub fn get(&self, client: u32, kind: u8) -> Option<&[u8]> {
        self.0.get(&(client, kind)).map(Vec::as_slice)
    }

    /// A client takes its votes back.
    pub fn forget(&mut self, client: u32) {
        self.0.retain(|&(of, _), _| of != client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_bounded() {
        let mut votes = Votes::default();
        for client in 0..MAX_VOTES as u32 {
            assert!(votes.set(client, 1, vec![1]));
        }
        assert!(!votes.set(u32::MAX, 1, vec![1]));
        assert_eq!(votes.get(u32::MAX, 1), None);
        votes.forget(0);
        assert!(votes.set(u32::MAX, 1, vec![1]));
    }
}
