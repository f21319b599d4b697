//! Memory that a process asks of the AP while it runs. One request is under way at a time; whatever waits for it tries
//! again when it is answered.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::calls::job::Starved;
use crate::process::inbox::ProcessRequest;
use crate::process::shared::Shared;

/// Requests are for multiples of this.
const GRAIN: u32 = 0x1_0000;

/// The request under way, and who waits for it besides parked threads.
pub struct Growth {
    /// Least and most bytes that are asked for at once (`HAP_mem_set_grow_size`).
    pub least: u32,
    /// See `least`.
    pub most: u32,
    /// What the AP had given when it was asked.
    asked: Option<u64>,
    starved: VecDeque<Starved>,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            least: 1 << 20,
            most: 256 << 20,
            asked: None,
            starved: VecDeque::new(),
        }
    }
}

impl Growth {
    /// Asks for at least `missing` bytes, unless something is asked for already. The answer comes as an event: asking may
    /// take as long as the AP likes, so a short-lived host thread does it.
    pub fn ask(&mut self, shared: &Arc<Shared>, missing: u32) {
        if self.asked.is_some() {
            return;
        }
        self.asked = Some(shared.memory.given());
        let bytes = missing.max(self.least).min(self.most.max(missing));
        let bytes = bytes.checked_next_multiple_of(GRAIN).unwrap_or(missing);
        let ap = shared.config.ap.clone();
        let weak = Arc::downgrade(shared);
        tracing::debug!(target: "emu::os", bytes, "asking the AP for memory");
        let helper = std::thread::Builder::new()
            .name("dsp-grow".into())
            .spawn(move || {
                let given = ap.grow_heap(bytes).inspect_err(|error| {
                    tracing::warn!(target: "emu::os", bytes, %error, "the AP gave no memory");
                });
                if let Some(shared) = weak.upgrade() {
                    shared.inbox.send(ProcessRequest::Grown(given.is_ok()));
                }
            });
        if helper.is_err() {
            shared.inbox.send(ProcessRequest::Grown(false));
        }
    }

    /// Work of the process itself waits for memory.
    pub fn wait(&mut self, shared: &Arc<Shared>, missing: u32, work: Starved) {
        self.starved.push_back(work);
        self.ask(shared, missing);
    }

    /// The AP has answered: did it really give something, and what waited for that.
    pub fn answered(&mut self, shared: &Shared, given: bool) -> (bool, VecDeque<Starved>) {
        // An AP that says yes and gives nothing must not be asked for ever.
        let before = self.asked.take().unwrap_or(u64::MAX);
        let given = given && shared.memory.given() > before;
        (given, std::mem::take(&mut self.starved))
    }
}
