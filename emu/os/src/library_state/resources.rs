//! Compute resources: vector TCM and who has it.

use std::collections::HashMap;

use crate::memory::layout::{VTCM, VTCM_PAGE};
use crate::memory::ranges::Ranges;
use crate::sched::ThreadId;

/// Bytes that VTCM is handed out in.
pub const GRANULE: u32 = VTCM_PAGE;
/// Contexts alive at once.
const MAX_CONTEXTS: usize = 1024;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Bytes.
    pub size: u32,
    /// Bytes that would do.
    pub min_size: u32,
    /// What the memory is aligned to.
    pub align: u32,
    /// Address of the attribute block, which gets the result; 0: of the old manager, whose answer is the address.
    pub attributes: u32,
    /// Priority of the thread that asks.
    pub priority: u8,
    /// How it can be asked to give way later.
    pub callback: (u32, u32),
    /// The matrix unit, too.
    pub hmx: bool,
    /// Not while another one that is like this is held.
    pub serial: bool,
}

/// What a context holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Address of the VTCM.
    pub at: u32,
    /// Bytes.
    pub size: u32,
    /// Priority of the thread that acquired it.
    pub priority: u8,
    /// Function and argument to ask it to give way with; function 0: it cannot be asked.
    pub callback: (u32, u32),
    /// It was asked already.
    pub asked: bool,
    /// The matrix unit may be used.
    pub hmx: bool,
    /// No other one like this is held.
    pub serial: bool,
    /// It is given back by its address (the old manager).
    pub by_address: bool,
}

/// VTCM and who has it.
#[derive(Debug)]
pub struct Resources {
    /// Bytes of VTCM.
    pub total: u32,
    /// What is free of it.
    pub free: Ranges,
    /// It is mapped into the process.
    pub mapped: bool,
    /// Who has what, by context.
    pub held: HashMap<u32, Holding>,
    next: u32,
    /// Threads that wait, with their priority and what they want, best first.
    pub waiting: Vec<(ThreadId, u8, Request)>,
}

impl Resources {
    /// `total` bytes of VTCM.
    pub fn new(total: u32) -> Self {
        let total = total / GRANULE * GRANULE;
        Self {
            total,
            free: Ranges::new(VTCM.into(), total.into()),
            mapped: false,
            held: HashMap::new(),
            next: 1,
            waiting: Vec::new(),
        }
    }

    /// Takes VTCM for a request: context, address, bytes.
    pub fn take(&mut self, r: &Request) -> Option<(u32, u32, u32)> {
        if self.held.len() >= MAX_CONTEXTS || r.serial && self.held.values().any(|held| held.serial) {
            return None;
        }
        let (at, size) = self.room(r)?;
        while self.next == 0 || self.held.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let context = self.next;
        self.next = self.next.wrapping_add(1);
        let holding = Holding {
            at,
            size,
            priority: r.priority,
            callback: r.callback,
            asked: false,
            hmx: r.hmx,
            serial: r.serial,
            by_address: r.attributes == 0,
        };
        self.held.insert(context, holding);
        Some((context, at, size))
    }

    fn room(&mut self, r: &Request) -> Option<(u32, u32)> {
        if r.size == 0 {
            return Some((0, 0));
        }
        let size = r.size.checked_next_multiple_of(GRANULE)?;
        if let Some(at) = self.free.take(size.into(), r.align.into()) {
            return Some((at as u32, size));
        }
        // As much as there is, if the request can do with less.
        let (at, most) = self.free.longest()?;
        let least = r.min_size.checked_next_multiple_of(GRANULE)?;
        if r.min_size == 0 || most < u64::from(least) || at % u64::from(r.align) != 0 {
            return None;
        }
        self.free.take_at(at, most);
        Some((at as u32, most as u32))
    }

    /// Takes back what a context holds; `false`: there is no such context.
    pub fn give_back(&mut self, context: u32) -> bool {
        let Some(Holding { at, size, .. }) = self.held.remove(&context) else {
            return false;
        };
        self.free.put(at.into(), size.into());
        true
    }
}
