//! What a process has of translated code, and what is being made: found by address, and by the pages that it was made of.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::compile::Failed;
use super::growth::Unit;
use super::translator::Generation;
use crate::code_changes::CodeChanges;
use crate::mem::PAGE_SHIFT;

/// Places that are remembered as not to be translated at most.
const MOST_NEVER: usize = 1 << 16;
/// Packets that are remembered as those whose accesses ask first at most. A guest may have more: those are found out again.
const MOST_ASKING: usize = 1 << 16;

/// Packets of which it is counted how often their floats were not to be trusted at most.
const MOST_DISTRUSTED: usize = 1 << 16;
/// A unit is made again when one of its packets was left so often for its floats: making it costs about as much as leaving it some
/// thousand times.
const DISTRUST: u32 = 1000;
/// Other packets of that unit call, too, that were left so often.
const SOME_DISTRUST: u32 = DISTRUST / 10;

/// Where a unit is entered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub code: u64,
    pub which: u32,
    unit: u32,
}

/// What is at an address.
pub(super) enum Found {
    /// A unit is entered there.
    Here(Entry, Arc<Generation>),
    /// It is worth asking again.
    NotYet,
    /// Nothing will be, as long as the code stays what it is.
    Never,
}

/// A unit that can be found.
struct Made {
    code: u64,
    entries: Vec<u32>,
    pages: BTreeSet<u32>,
    /// Packets that leave it where floats are not to be trusted.
    trusting: Box<[u32]>,
}

/// A unit that is being made.
struct Job {
    ticket: u64,
    /// What it is made of; `None` before that is known.
    pages: Option<BTreeSet<u32>>,
}

/// Everything, at one epoch of the memory.
#[derive(Default)]
pub(super) struct Units {
    pub epoch: u64,
    /// `None` until something is translated.
    generation: Option<Arc<Generation>>,
    entries: HashMap<u32, Entry>,
    made: HashMap<u32, Made>,
    /// Units with code in a page.
    by_page: HashMap<u32, Vec<u32>>,
    /// By where they grow from.
    jobs: HashMap<u32, Job>,
    /// Places that cannot be translated.
    never: HashSet<u32>,
    /// Packets of which the host has refused an access.
    asking: HashSet<u32>,
    /// How often units were left in front of packets because of floats.
    distrusted: HashMap<u32, u32>,
    next_unit: u32,
    next_ticket: u64,
}

impl Units {
    /// What is at an address.
    pub fn find(&self, pc: u32) -> Option<Found> {
        if let (Some(entry), Some(generation)) = (self.entries.get(&pc), &self.generation) {
            return Some(Found::Here(*entry, Arc::clone(generation)));
        }
        if self.never.contains(&pc) {
            return Some(Found::Never);
        }
        self.jobs.contains_key(&pc).then_some(Found::NotYet)
    }

    /// A unit is entered at an address.
    pub fn is_entered(&self, pc: u32) -> bool {
        self.entries.contains_key(&pc)
    }

    /// Throws away what was made of code that has changed, and stops what is being made of it.
    pub fn forget(&mut self, epoch: u64, changes: &CodeChanges) {
        self.epoch = epoch;
        let concern = |pages: &BTreeSet<u32>| pages.iter().any(|page| changes.concern(*page));
        self.jobs
            .retain(|_, job| job.pages.as_ref().is_some_and(|pages| !concern(pages)));
        // The packet there may go on in the next page.
        let concerned =
            |pc: u32| changes.concern(pc >> PAGE_SHIFT) || changes.concern(pc.wrapping_add(12) >> PAGE_SHIFT);
        self.never.retain(|pc| !concerned(*pc));
        self.asking.retain(|pc| !concerned(*pc));
        self.distrusted.retain(|pc, _| !concerned(*pc));
        if *changes == CodeChanges::Everything {
            return self.begin();
        }
        let pages = self.by_page.keys().filter(|page| changes.concern(**page));
        let pages: Vec<u32> = pages.copied().collect();
        for unit in pages
            .into_iter()
            .filter_map(|page| self.by_page.remove(&page))
            .flatten()
            .collect::<BTreeSet<u32>>()
        {
            self.remove(unit);
        }
    }

    fn remove(&mut self, unit: u32) {
        let Some(made) = self.made.remove(&unit) else {
            return;
        };
        for pc in made.entries {
            if self.entries.get(&pc).is_some_and(|entry| entry.unit == unit) {
                self.entries.remove(&pc);
            }
        }
        for page in made.pages {
            if let Some(units) = self.by_page.get_mut(&page) {
                units.retain(|other| *other != unit);
            }
        }
    }

    /// Begins with no host code.
    pub fn begin(&mut self) {
        self.generation = None;
        self.entries.clear();
        self.made.clear();
        self.by_page.clear();
    }

    /// A unit is to be made at `pc`.
    pub fn start(&mut self, pc: u32) -> u64 {
        self.next_ticket += 1;
        let job = Job {
            ticket: self.next_ticket,
            pages: None,
        };
        self.jobs.insert(pc, job);
        self.next_ticket
    }

    fn job(&mut self, pc: u32, ticket: u64) -> Option<&mut Job> {
        self.jobs.get_mut(&pc).filter(|job| job.ticket == ticket)
    }

    /// It is made of code in these pages; `false`: that has changed meanwhile.
    pub fn made_of(&mut self, pc: u32, ticket: u64, pages: BTreeSet<u32>) -> bool {
        self.job(pc, ticket).is_some_and(|job| {
            job.pages = Some(pages);
            true
        })
    }

    /// It is not made, but may be asked for again.
    pub fn put_off(&mut self, pc: u32, ticket: u64) -> bool {
        let is_this = self.job(pc, ticket).is_some();
        if is_this {
            self.jobs.remove(&pc);
        }
        is_this
    }

    /// It cannot be made, as long as the code stays what it is.
    pub fn give_up(&mut self, pc: u32, ticket: u64) {
        if !self.put_off(pc, ticket) {
            return;
        }
        // Guests have many places, so only so many are remembered.
        if self.never.len() >= MOST_NEVER {
            self.never.clear();
        }
        self.never.insert(pc);
    }

    /// It is made, and not of code that has changed since.
    pub fn is_wanted(&mut self, pc: u32, ticket: u64) -> bool {
        self.job(pc, ticket).is_some_and(|job| job.pages.is_some())
    }

    /// Lets a unit be found whose host code is at `code`.
    pub fn add(&mut self, pc: u32, ticket: u64, code: u64, made: &Unit) {
        let Some(job) = self.jobs.remove(&pc).filter(|job| job.ticket == ticket) else {
            return;
        };
        self.next_unit = self.next_unit.wrapping_add(1);
        let unit = self.next_unit;
        for (which, pc) in (0..).zip(&made.entries) {
            self.entries.entry(*pc).or_insert(Entry { code, which, unit });
        }
        let pages = job.pages.unwrap_or_default();
        for page in &pages {
            self.by_page.entry(*page).or_default().push(unit);
        }
        let made = Made {
            code,
            entries: made.entries.clone(),
            pages,
            trusting: made.trusting(),
        };
        self.made.insert(unit, made);
    }

    /// Whether the packet at `pc` calls where floats are not to be trusted.
    pub fn distrusts(&self, pc: u32) -> bool {
        self.distrusted
            .get(&pc)
            .is_some_and(|times| *times >= SOME_DISTRUST)
    }

    /// A unit was left in front of the packet at `pc` because of a float. `true`: that was so often that units with it are gone, also
    /// where another host thread still knows them.
    pub fn distrusted(&mut self, pc: u32) -> bool {
        // A guest may have many: those are counted again.
        if self.distrusted.len() >= MOST_DISTRUSTED {
            self.distrusted.clear();
        }
        let times = self.distrusted.entry(pc).or_insert(0);
        *times = times.saturating_add(1);
        if *times < DISTRUST {
            return false;
        }
        let units = self.by_page.get(&(pc >> PAGE_SHIFT)).into_iter().flatten();
        let has = |unit: &u32| {
            self.made
                .get(unit)
                .is_some_and(|made| made.trusting.binary_search(&pc).is_ok())
        };
        let units: Vec<u32> = units.copied().filter(has).collect();
        units.into_iter().for_each(|unit| self.remove(unit));
        true
    }

    /// Whether accesses of the packet at `pc` ask first.
    pub fn asks(&self, pc: u32) -> bool {
        self.asking.contains(&pc)
    }

    /// Accesses of these packets are to ask first: the unit at `code`, which was made without, is to be made again.
    pub fn have_ask(&mut self, code: u64, packets: Vec<u32>) {
        if self.asking.len() >= MOST_ASKING {
            self.asking.clear();
        }
        self.asking.extend(packets);
        let unit = self.made.iter().find(|(_, made)| made.code == code);
        if let Some(unit) = unit.map(|(unit, _)| *unit) {
            self.remove(unit);
        }
    }

    /// Where code is put.
    pub fn generation(&mut self) -> Result<Arc<Generation>, Failed> {
        if let Some(generation) = &self.generation {
            return Ok(Arc::clone(generation));
        }
        let generation = Arc::new(Generation::new()?);
        self.generation = Some(Arc::clone(&generation));
        Ok(generation)
    }
}
