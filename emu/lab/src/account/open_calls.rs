//! Calls that are not answered, by context and by the context's number.

use super::ctx::Key;
use super::grant_table::GrantId;
use super::note::SharedNote;
use super::request::Request;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// What a call weighs besides its arguments.
const CALL: usize = 8;

/// A call that is not answered.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub request: Request,
    pub process: Option<u64>,
    pub note: SharedNote,
    /// What its message gave.
    pub grants: Vec<GrantId>,
}

impl OpenCall {
    fn weight(&self) -> usize {
        CALL + self.request.args.len()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    calls: BTreeMap<Key, OpenCall>,
    /// A number that the driver gave out twice has several.
    by_number: BTreeMap<u64, BTreeSet<Key>>,
    weight: usize,
    visits: Cell<u64>,
}

impl OpenCalls {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// What they take, in units of one argument.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// One more. What an older one of the same context was given is given back with this one.
    pub fn insert(&mut self, key: Key, number: u64, mut call: OpenCall) {
        if let Some(older) = self.remove(key, number) {
            call.grants.extend(older.grants);
        }
        self.weight += call.weight();
        self.by_number.entry(number).or_default().insert(key);
        self.calls.insert(key, call);
    }

    /// It is answered.
    pub fn remove(&mut self, key: Key, number: u64) -> Option<OpenCall> {
        let call = self.calls.remove(&key)?;
        self.weight -= call.weight();
        if let Some(keys) = self.by_number.get_mut(&number) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_number.remove(&number);
            }
        }
        Some(call)
    }

    /// Has this call no answer yet?
    pub fn has(&self, key: Key) -> bool {
        self.calls.contains_key(&key)
    }

    /// Has a call with this number no answer yet?
    pub fn has_number(&self, number: u64) -> bool {
        self.by_number.contains_key(&number)
    }

    /// The oldest of a number's.
    pub fn with_number(&self, number: u64) -> Option<&OpenCall> {
        let key = self.by_number.get(&number)?.first()?;
        self.calls.get(key)
    }

    /// All, by context.
    pub fn iter(&self) -> impl Iterator<Item = &OpenCall> {
        self.calls
            .values()
            .inspect(|_| self.visits.set(self.visits.get() + 1))
    }

    /// How many were looked at so far, one after the other.
    pub fn visits(&self) -> u64 {
        self.visits.get()
    }
}
