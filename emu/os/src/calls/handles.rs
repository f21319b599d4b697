//! The modules that the AP has open in a process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::handle_numbers::HandleNumbers;
use crate::loader::modules::ModuleId;
use crate::process::inbox::CallAnswer;

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
    numbers: Arc<HandleNumbers>,
    /// Opens under way that have room.
    opening: usize,
}

impl Handles {
    /// None yet; `numbers` are those of the whole DSP.
    pub fn new(numbers: Arc<HandleNumbers>) -> Self {
        Self {
            map: HashMap::new(),
            numbers,
            opening: 0,
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Takes room for a module that is to be opened; false if `limit` are open or about to be.
    pub fn reserve(&mut self, limit: usize) -> bool {
        let fits = self.map.len() + self.opening < limit;
        self.opening += usize::from(fits);
        fits
    }

    /// The open that had room is not going to happen.
    pub fn give_up(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// Gives an open module, for which there is [room](Self::reserve), a number.
    pub fn add(&mut self, open: OpenModule) -> u32 {
        self.give_up();
        loop {
            let number = self.numbers.next();
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

    /// It cannot be closed now: it stays open.
    pub fn cancel_close(&mut self, number: u32) {
        if let Some(h) = self.map.get_mut(&number) {
            h.closing = false;
        }
    }

    /// It is closed.
    pub fn remove(&mut self, number: u32) {
        self.map.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_under_way_count_for_the_limit() {
        let mut handles = Handles::new(Arc::default());
        let open = OpenModule {
            module: 1,
            entry: 0,
            takes_handle: false,
            context: 0,
        };
        assert!(handles.reserve(2) && handles.reserve(2));
        assert!(!handles.reserve(2), "two are about to be");
        let first = handles.add(open);
        assert!(!handles.reserve(2), "one is, one is about to be");
        handles.give_up();
        assert!(handles.reserve(2));
        assert_ne!(handles.add(open), first);
        handles.remove(first);
        assert!(handles.reserve(2) && !handles.reserve(2));
    }

    #[test]
    fn a_close_that_cannot_be_done_leaves_the_handle_open() {
        let mut handles = Handles::new(Arc::default());
        handles.reserve(1);
        let number = handles.add(OpenModule {
            module: 1,
            entry: 0,
            takes_handle: false,
            context: 0,
        });
        let inbox = crate::process::inbox::Inbox::new(1);
        let answer = inbox.call(Box::new(|_| ())).unwrap();
        assert!(matches!(handles.begin_close(number, answer), Closing::Now(_)));
        assert_eq!(handles.get(number), None);
        handles.cancel_close(number);
        assert!(handles.get(number).is_some());
    }
}
