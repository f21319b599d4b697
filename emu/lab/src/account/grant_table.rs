//! All grants of a life, each found by place, by descriptor or by owner without a look at the others.

use super::grants::{Grant, Owner, What};
use super::look::Addresses;
use super::note::SharedNote;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Grants that are remembered after they ended, for accesses that come late.
const MAX_PAST: usize = 1024;

/// Grants of one owner that are not looked at one by one.
const MANY_GRANTS: usize = 256;
/// Most grants of one owner after they were looked at.
pub(super) const MAX_GRANTS: usize = 4096;

/// What a grant weighs besides the spans behind it.
const GRANT: usize = 8;

/// A grant's number: later ones are higher.
pub(super) type GrantId = u64;

/// Windows by place. Those of about the same length stand together, so that what overlaps an address cannot begin far
/// below it.
#[derive(Debug, Default)]
struct Places(BTreeMap<(u16, u32), BTreeSet<(u64, GrantId)>>);

impl Places {
    /// Windows of a class are shorter than two to its power.
    fn key(grant: &Grant) -> (u16, u32) {
        (grant.stream, u64::BITS - grant.window.len.leading_zeros())
    }

    fn insert(&mut self, id: GrantId, grant: &Grant) {
        let class = self.0.entry(Self::key(grant)).or_default();
        class.insert((grant.window.iova, id));
    }

    fn remove(&mut self, id: GrantId, grant: &Grant) {
        let key = Self::key(grant);
        if let Some(class) = self.0.get_mut(&key) {
            class.remove(&(grant.window.iova, id));
            if class.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// All that may overlap a window.
    fn near(&self, stream: u16, window: Addresses) -> impl Iterator<Item = GrantId> {
        let classes = self.0.range((stream, 0)..=(stream, u64::BITS));
        classes.flat_map(move |(&(_, bits), class)| {
            let longest = 1u64.checked_shl(bits).unwrap_or(u64::MAX);
            let first = window.iova.saturating_sub(longest);
            let near = class.range((first, 0)..=(window.end(), GrantId::MAX));
            near.map(|&(_, id)| id)
        })
    }

    fn on(&self, stream: u16) -> impl Iterator<Item = GrantId> {
        let classes = self.0.range((stream, 0)..=(stream, u64::BITS));
        classes.flat_map(|(_, class)| class.iter().map(|&(_, id)| id))
    }
}

/// What an owner holds.
#[derive(Debug, Default)]
struct Owned {
    ids: BTreeSet<GrantId>,
    /// How many there were after the last tidying.
    tidied: usize,
}

/// The grants.
#[derive(Debug, Default)]
pub(super) struct GrantTable {
    all: BTreeMap<GrantId, Grant>,
    last: GrantId,
    live: Places,
    ended: Places,
    /// Live ones that the DSP can list to be dropped.
    descriptors: BTreeMap<(u16, i32), BTreeSet<GrantId>>,
    owners: BTreeMap<Owner, Owned>,
    /// Grants that are not held any more, the oldest first.
    past: VecDeque<Grant>,
    weight: usize,
    visits: Cell<u64>,
}

impl GrantTable {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// What they take, in units of one span.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// How many grants were looked at so far: what the work with the table is in proportion to.
    pub fn visits(&self) -> u64 {
        self.visits.get()
    }

    fn visit(&self, id: GrantId) -> Option<(GrantId, &Grant)> {
        self.visits.set(self.visits.get() + 1);
        self.all.get(&id).map(|grant| (id, grant))
    }

    fn listed(grant: &Grant) -> Option<(u16, i32)> {
        match grant.what {
            What::Handle(fd) | What::MemMap(fd) => Some((grant.stream, fd)),
            _ => None,
        }
    }

    /// A live grant.
    pub fn add(&mut self, grant: Grant) -> GrantId {
        self.last += 1;
        let id = self.last;
        self.live.insert(id, &grant);
        if let Some(key) = Self::listed(&grant) {
            self.descriptors.entry(key).or_default().insert(id);
        }
        self.owners.entry(grant.owner).or_default().ids.insert(id);
        self.weight += GRANT + grant.spans.len();
        self.all.insert(id, grant);
        id
    }

    /// The driver need not keep it mapped any more.
    pub fn end(&mut self, id: GrantId, note: &SharedNote) {
        self.visits.set(self.visits.get() + 1);
        let Some(grant) = self.all.get_mut(&id).filter(|grant| grant.live) else {
            return;
        };
        grant.live = false;
        grant.ended.get_or_insert_with(|| note.clone());
        self.live.remove(id, grant);
        self.ended.insert(id, grant);
        if let Some(key) = Self::listed(grant)
            && let Some(ids) = self.descriptors.get_mut(&key)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.descriptors.remove(&key);
            }
        }
    }

    /// Ends those whose descriptor the DSP has listed.
    pub fn end_listed(&mut self, stream: u16, fd: i32, note: &SharedNote) {
        for id in self.descriptors.remove(&(stream, fd)).unwrap_or_default() {
            self.end(id, note);
        }
    }

    /// Forgets one.
    pub fn remove(&mut self, id: GrantId) -> Option<Grant> {
        self.visits.set(self.visits.get() + 1);
        let grant = self.all.remove(&id)?;
        let places = if grant.live {
            &mut self.live
        } else {
            &mut self.ended
        };
        places.remove(id, &grant);
        if let Some(key) = Self::listed(&grant)
            && let Some(ids) = self.descriptors.get_mut(&key)
        {
            ids.remove(&id);
        }
        if let Some(owned) = self.owners.get_mut(&grant.owner) {
            owned.ids.remove(&id);
            if owned.ids.is_empty() {
                self.owners.remove(&grant.owner);
            }
        }
        self.weight -= GRANT + grant.spans.len();
        Some(grant)
    }

    /// Takes one that is not held any more out of the table; accesses that come late are still known by it.
    pub fn retire(&mut self, id: GrantId, note: Option<&SharedNote>) {
        let Some(mut grant) = self.remove(id) else { return };
        if grant.ended.is_none() {
            grant.ended = Some(note.unwrap_or(&grant.note).clone());
        }
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(grant);
    }

    /// One of them.
    pub fn get(&self, id: GrantId) -> Option<&Grant> {
        self.visit(id).map(|(_, grant)| grant)
    }

    /// An owner's, the oldest first.
    pub fn of(&self, owner: Owner) -> impl Iterator<Item = (GrantId, &Grant)> {
        let owned = self.owners.get(&owner).into_iter();
        owned
            .flat_map(|owned| &owned.ids)
            .filter_map(|&id| self.visit(id))
    }

    /// How many an owner has.
    pub fn count(&self, owner: Owner) -> usize {
        self.owners.get(&owner).map_or(0, |owned| owned.ids.len())
    }

    /// Whether an owner has so many that those that are gone are to be thrown away: twice as many as after the last time,
    /// so that each is looked at a few times at most.
    pub fn is_untidy(&self, owner: Owner) -> bool {
        self.owners.get(&owner).is_some_and(|owned| {
            let allowed = (2 * owned.tidied).clamp(MANY_GRANTS, MAX_GRANTS + MANY_GRANTS);
            owned.ids.len() > allowed
        })
    }

    /// An owner was tidied.
    pub fn tidied(&mut self, owner: Owner) {
        if let Some(owned) = self.owners.get_mut(&owner) {
            owned.tidied = owned.ids.len();
        }
    }

    /// All of a stream.
    pub fn on(&self, stream: u16) -> impl Iterator<Item = &Grant> {
        let ids = self.live.on(stream).chain(self.ended.on(stream));
        ids.filter_map(|id| self.get(id))
    }

    /// Live ones that overlap a window.
    pub fn live_at(&self, stream: u16, window: Addresses) -> impl Iterator<Item = (GrantId, &Grant)> {
        self.overlapping(&self.live, stream, window)
    }

    /// Ended ones that overlap a window.
    pub fn ended_at(&self, stream: u16, window: Addresses) -> impl Iterator<Item = (GrantId, &Grant)> {
        self.overlapping(&self.ended, stream, window)
    }

    fn overlapping<'a>(
        &'a self,
        places: &'a Places,
        stream: u16,
        window: Addresses,
    ) -> impl Iterator<Item = (GrantId, &'a Grant)> {
        places
            .near(stream, window)
            .filter_map(|id| self.visit(id))
            .filter(move |(_, grant)| grant.window.overlaps(window))
    }

    /// A grant that a device address belongs to: a live one, else the latest of the others.
    pub fn granted(&self, stream: u16, address: u64) -> Option<&Grant> {
        let byte = Addresses {
            iova: address,
            len: 1,
        };
        let live = self.live_at(stream, byte).min_by_key(|(id, _)| *id);
        let found = live.or_else(|| self.ended_at(stream, byte).max_by_key(|(id, _)| *id));
        let of = |g: &&Grant| g.stream == stream && g.window.contains(byte);
        found
            .map(|(_, grant)| grant)
            .or_else(|| self.past.iter().rev().find(of))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ctx::Key;
    use super::super::note::Note;
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn note() -> SharedNote {
        Arc::new(Note {
            number: 1,
            seconds: 0.0,
            text: String::new(),
        })
    }

    fn grant(stream: u16, iova: u64, len: u64, what: What) -> Grant {
        Grant {
            stream,
            owner: Some(iova % 3),
            window: Addresses { iova, len },
            what,
            spans: Vec::new(),
            note: note(),
            key: Key(1),
            live: true,
            ended: None,
        }
    }

    #[test]
    fn neighbours_are_not_looked_at() {
        let mut table = GrantTable::default();
        for n in 0..1000 {
            table.add(grant(1, n << 16, 0x1000, What::Argument));
        }
        let window = Addresses {
            iova: 500 << 16,
            len: 1,
        };
        assert_eq!(table.live_at(1, window).count(), 1);
        assert!(table.visits() <= 2, "{}", table.visits());
        assert_eq!(table.ended_at(1, window).count(), 0);
        assert_eq!(table.live_at(2, window).count(), 0);
    }

    #[test]
    fn a_listed_descriptor_ends_live_grants_of_its_stream() {
        let mut table = GrantTable::default();
        let (a, b) = (
            table.add(grant(1, 0x1000, 0x1000, What::Handle(7))),
            table.add(grant(1, 0x3000, 0x1000, What::MemMap(7))),
        );
        let others = [
            table.add(grant(2, 0x1000, 0x1000, What::Handle(7))),
            table.add(grant(1, 0x5000, 0x1000, What::Handle(8))),
        ];
        table.end_listed(1, 7, &note());
        assert!([a, b].iter().all(|id| !table.get(*id).unwrap().live));
        assert!(others.iter().all(|id| table.get(*id).unwrap().live));
        table.retire(a, None);
        assert_eq!(table.granted(1, 0x1234).unwrap().what, What::Handle(7));
        assert_eq!((table.len(), table.weight()), (3, 3 * GRANT));
    }

    fn windows() -> impl Strategy<Value = Vec<(u64, u64, bool)>> {
        let edge = prop_oneof![0..64u64, u64::MAX - 64..=u64::MAX, any::<u64>()];
        let len = prop_oneof![0..64u64, any::<u64>()];
        prop::collection::vec((edge, len, any::<bool>()), 1..40)
    }

    proptest! {
        #[test]
        fn what_overlaps_is_found_and_nothing_else(given in windows(), asked in windows()) {
            let mut table = GrantTable::default();
            for &(iova, len, live) in &given {
                let id = table.add(grant(1, iova, len, What::Heap));
                if !live {
                    table.end(id, &note());
                }
            }
            for (iova, len, live) in asked {
                let window = Addresses { iova, len };
                let found: BTreeSet<GrantId> = if live {
                    table.live_at(1, window).map(|(id, _)| id).collect()
                } else {
                    table.ended_at(1, window).map(|(id, _)| id).collect()
                };
                let expected: BTreeSet<GrantId> = (1..)
                    .zip(&given)
                    .filter(|&(_, &(iova, len, l))| l == live && Addresses { iova, len }.overlaps(window))
                    .map(|(id, _)| id)
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
