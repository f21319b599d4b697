//! The modules that the AP has open in a process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::loader::modules::ModuleId;
use crate::process::inbox::CallAnswer;

/// The first handle; they count up in steps and never repeat while one is open.
const FIRST_HANDLE: u32 = 0x35f0_8490;
const HANDLE_STEP: u32 = 0x40;

/// How an open module is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenModule {
    /// Its library.
    pub module: ModuleId,
    /// Address of its one function.
    pub entry: u32,
    /// The function wants the word that its open gave.
    pub takes_handle: bool,
    /// That word.
    pub context: u64,
}

struct Handle {
    open: OpenModule,
    /// Calls under way.
    busy: usize,
    /// It is being closed: nothing new comes in.
    closing: bool,
    /// The close that waits until nothing is under way.
    close: Option<CallAnswer>,
}

/// What becomes of a close.
pub enum Closing {
    /// There is no such handle.
    Unknown(CallAnswer),
    /// Calls are under way: the last one's end starts it.
    Later,
    /// It can be done now.
    Now(CallAnswer),
}

/// All of them by number.
pub struct Handles {
    map: HashMap<u32, Handle>,
    next: u32,
}

impl Default for Handles {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            next: FIRST_HANDLE,
        }
    }
}

impl Handles {
    /// How many are open.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Gives an open module a number.
    pub fn add(&mut self, open: OpenModule) -> u32 {
        loop {
            let number = self.next;
            self.next = number.checked_add(HANDLE_STEP).unwrap_or(FIRST_HANDLE);
            if let Entry::Vacant(place) = self.map.entry(number) {
                place.insert(Handle {
                    open,
                    busy: 0,
                    closing: false,
                    close: None,
                });
                return number;
            }
        }
    }

    /// An open module, unless it is being closed.
    pub fn get(&self, number: u32) -> Option<OpenModule> {
        self.map.get(&number).filter(|h| !h.closing).map(|h| h.open)
    }

    /// A call in it begins.
    pub fn begin_call(&mut self, number: u32) {
        if let Some(h) = self.map.get_mut(&number) {
            h.busy += 1;
        }
    }

    /// A call in it is over; returns the close that is to be done now.
    pub fn end_call(&mut self, number: u32) -> Option<CallAnswer> {
        let h = self.map.get_mut(&number)?;
        h.busy = h.busy.saturating_sub(1);
        if h.busy == 0 { h.close.take() } else { None }
    }

    /// Nothing new comes in from here on.
    pub fn begin_close(&mut self, number: u32, answer: CallAnswer) -> Closing {
        match self.map.get_mut(&number) {
            None => Closing::Unknown(answer),
            Some(h) if h.closing => Closing::Unknown(answer),
            Some(h) => {
                h.closing = true;
                if h.busy == 0 {
                    return Closing::Now(answer);
                }
                h.close = Some(answer);
                Closing::Later
            }
        }
    }

    /// The module of a handle that is being closed.
    pub fn closing(&self, number: u32) -> Option<OpenModule> {
        self.map.get(&number).map(|h| h.open)
    }

    /// It is closed.
    pub fn remove(&mut self, number: u32) {
        self.map.remove(&number);
    }
}
