//! What a fuzzing run has shown of the protocol: messages in states.
//!
//! Nothing in the guest is instrumented, so that every kernel is as good. A *place* is a message with what became of it, in the
//! state that it came in: how many calls are open, whether the channel is, and which message came before.

use crate::scenario::Entry;
use std::collections::BTreeSet;

/// Places seen so far.
#[derive(Debug, Clone, Default)]
pub struct Coverage(BTreeSet<String>);

impl Coverage {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of a run (the events of each DSP); how many were new.
    pub fn add(&mut self, history: &[(String, Vec<Entry>)]) -> usize {
        let before = self.0.len();
        for (dsp, entries) in history {
            // Both DSPs are the same to the driver but for what only one of them has.
            let mut state = State::default();
            for entry in entries {
                if let Some(place) = state.meets(entry) {
                    self.0.insert(format!("{} {place}", dsp == "adsp"));
                }
            }
        }
        self.0.len() - before
    }
}

/// Where the protocol is.
#[derive(Default)]
struct State {
    /// Calls without an answer.
    open: usize,
    /// The last message.
    last: String,
}

impl State {
    fn meets(&mut self, entry: &Entry) -> Option<String> {
        let message = message(entry);
        let arrives = entry.event.starts_with("ap>dsp request");
        let answers = entry.event.starts_with("dsp>ap answer");
        if arrives {
            self.open += 1;
        }
        let open = match self.open {
            0 => "none",
            1 => "one",
            2..=4 => "some",
            _ => "many",
        };
        let place = format!("{open} / {} / {message} {}", self.last, entry.fate);
        if answers {
            self.open = self.open.saturating_sub(1);
        }
        if entry.event.starts_with("ap>dsp start") {
            self.open = 0;
        }
        self.last = message;
        Some(place)
    }
}

/// A message without what is only a number: kind, command, channel, module and method, whether it succeeded.
fn message(entry: &Entry) -> String {
    let words = entry
        .event
        .split(' ')
        .filter(|word| !word.is_empty() && !word.contains('='));
    let mut text = words.collect::<Vec<_>>().join(" ");
    let field = |name: &str| entry.fields.get(name).copied();
    if let Some(handle) = field("handle") {
        let handle = if handle < 16 {
            handle.to_string()
        } else {
            "module".to_owned()
        };
        text.push_str(&format!(" {handle}"));
        if let Some(method) = field("method").filter(|_| handle != "module") {
            text.push_str(&format!(".{method}"));
        }
    }
    if let Some(retval) = field("retval") {
        text.push_str(if retval == 0 { " ok" } else { " error" });
    }
    if field("client") == Some(0) {
        text.push_str(" of the kernel");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn entry(event: &str, fields: &[(&'static str, i64)], fate: &'static str) -> Entry {
        Entry {
            number: 0,
            microseconds: 0,
            event: event.into(),
            fields: fields.iter().copied().collect::<BTreeMap<_, _>>(),
            rules: Vec::new(),
            fate,
            effects: Vec::new(),
        }
    }

    fn run(entries: &[Entry]) -> Vec<(String, Vec<Entry>)> {
        vec![("cdsp".into(), entries.to_vec())]
    }

    #[test]
    fn numbers_are_no_news_but_states_and_fates_are() {
        let request = |ctx| {
            let event = format!("ap>dsp request ctx={ctx:#x} handle=0x1 method=4");
            entry(&event, &[("ctx", ctx), ("handle", 1), ("method", 4)], "passes")
        };
        let answer = |retval, fate| {
            entry(
                "dsp>ap answer ctx=0x1",
                &[("handle", 1), ("retval", retval)],
                fate,
            )
        };
        let mut coverage = Coverage::default();
        assert_eq!(coverage.add(&run(&[request(1), answer(0, "passes")])), 2);
        // Another context is the same place.
        assert_eq!(coverage.add(&run(&[request(99), answer(0, "passes")])), 0);
        // An error, another fate, a second call at the same time are new.
        assert_eq!(coverage.add(&run(&[request(1), answer(7, "passes")])), 1);
        assert_eq!(coverage.add(&run(&[request(1), answer(0, "dropped")])), 1);
        assert_eq!(coverage.add(&run(&[request(1), request(2)])), 1);
        assert_eq!(coverage.len(), 5);
    }
}
