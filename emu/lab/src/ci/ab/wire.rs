//! What a run's calls were, told so that two kernels can be compared: who was called, with how many bytes each way, and what
//! came of it. Never contexts, addresses, descriptors or times, which no two runs share.
//!
//! Nor what chance decides: how many messages of its log a DSP sends at once, how many processes at once have the kernel ask for
//! the DSP's attributes, and whether a thread of the library's says
//! farewell before its process is gone. A listener's calls are told by the calls of the DSP's that they carry.

use super::Difference;
use crate::trace::decode::{self, Decoder, Meaning};
use crate::trace::read::{ReadError, Reader};
use crate::trace::{Body, Role};
use emu_os::conversation::CallId;
use rpmsg::fastrpc::Message;
use rpmsg::fastrpc::args::{Descriptors, RawArg};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

/// Most calls of a run that are compared.
const MAX_CALLS: usize = 1 << 20;

/// Calls of whom, and which: what a listener waits in, and the farewell of a thread.
const BY_CHANCE: &[(&str, &str)] = &[
    ("adsp_listener1", "next2"),
    ("adsp_current_process1", "thread_exit"),
];
/// What the kernel asks once and keeps; it asks twice if two processes want to know at the same time. Its first is compared.
const ASKED_ONCE: &str = "attributes.get";
/// What the DSP calls to have its log printed.
const LOG: &str = "adspmsgd_apps";

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Interface and method.
    pub name: String,
    /// Bytes of the inputs, of the outputs, of the DMA handles; `None` if the trace does not have them.
    pub sizes: Option<[Vec<u64>; 3]>,
    /// The answer, if there was one.
    pub result: Option<u32>,
}

impl Call {
    fn read_sizes(&mut self, message: &Message, bytes: &[u8]) {
        let Ok(descriptors) = Descriptors::parse(message.sc, bytes) else {
            return;
        };
        let mut sizes: [Vec<u64>; 3] = Default::default();
        for (index, (argument, _)) in descriptors.entries.iter().enumerate() {
            match argument {
                RawArg::Buffer { len, .. } => sizes[usize::from(index >= message.sc.in_bufs())].push(*len),
                RawArg::Handle { len, .. } => sizes[2].push(u64::from(*len)),
            }
        }
        self.sizes = Some(sizes);
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let named = ["in", "out", "handles"];
        for (what, bytes) in named.iter().zip(self.sizes.iter().flatten()) {
            if !bytes.is_empty() {
                let bytes: Vec<String> = bytes.iter().map(u64::to_string).collect();
                write!(f, " {what} [{}]", bytes.join(", "))?;
            }
        }
        match self.result {
            Some(result) => write!(f, " -> {result:#x}"),
            None => f.write_str(", not answered"),
        }
    }
}

/// The calls of one DSP, those of each thread of the guest's in order.
type Threads = Vec<Vec<Call>>;

/// The calls of a run by DSP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wire {
    /// By the DSP's label.
    pub dsps: BTreeMap<String, Threads>,
    /// Not all calls are here.
    pub is_cut: bool,
}

impl Wire {
    /// Reads a trace.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let (mut reader, mut decoder) = (Reader::open(path)?, Decoder::default());
        let mut wire = Self::default();
        // A thread by DSP, session and number: which is which does not matter later.
        let mut threads: HashMap<(u8, u32, i32), usize> = HashMap::new();
        let mut calls: HashMap<(u8, CallId), (usize, usize, Message)> = HashMap::new();
        let mut count = 0;
        let mut asked = HashSet::new();
        while let Some(record) = reader.next_record()? {
            let line = decoder.next_line(record);
            let dsp = line.packet.dsp;
            let known = wire.dsps.entry(reader.label(dsp).to_owned()).or_default();
            if let (Body::Memory(memory), Some(call)) = (&line.packet.body, line.call)
                && memory.role == Role::Descriptors
                && let Some((thread, at, message)) = calls.get(&(dsp, call))
                && let Some(call) = known.get_mut(*thread).and_then(|calls| calls.get_mut(*at))
            {
                call.read_sizes(message, &memory.bytes);
            }
            let (of, call) = match &line.meaning {
                Meaning::Request(call) if !is_by_chance(call) => {
                    let told = Call {
                        name: call.name(),
                        sizes: (call.message.sc.args() == 0).then(Default::default),
                        result: None,
                    };
                    (call, told)
                }
                Meaning::ReverseDone(call, reverse) if reverse.interface.as_deref() != Some(LOG) => {
                    let told = Call {
                        name: format!("the AP's {}", reverse.name()),
                        sizes: Some(Default::default()),
                        result: reverse.result.map(i32::cast_unsigned),
                    };
                    (call, told)
                }
                Meaning::Answer {
                    retval,
                    call: Some(call),
                    ..
                } => {
                    if let Some((thread, at, _)) = calls.remove(&(dsp, call.id))
                        && let Some(call) = known.get_mut(thread).and_then(|calls| calls.get_mut(at))
                    {
                        call.result = Some(*retval);
                    }
                    continue;
                }
                _ => continue,
            };
            if call.name == ASKED_ONCE && !asked.insert(dsp) {
                continue;
            }
            if count >= MAX_CALLS {
                wire.is_cut = true;
                continue;
            }
            count += 1;
            let thread = *threads.entry((dsp, of.sid, of.message.tid)).or_insert_with(|| {
                known.push(Vec::new());
                known.len() - 1
            });
            let Some(list) = known.get_mut(thread) else {
                continue;
            };
            if call.result.is_none() {
                calls.insert((dsp, of.id), (thread, list.len(), of.message));
            }
            list.push(call);
        }
        wire.is_cut |= reader.dropped() != 0 || reader.is_cut();
        wire.dsps.retain(|_, threads| !threads.is_empty());
        for threads in wire.dsps.values_mut() {
            threads.sort();
        }
        Ok(wire)
    }

    /// How many calls.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.dsps.values().flatten().map(Vec::len).sum()
    }
}

/// Whether chance decides how often there is such a call.
fn is_by_chance(call: &decode::Call) -> bool {
    BY_CHANCE.iter().any(|(interface, method)| {
        call.interface.as_deref() == Some(interface) && call.method == Some(method)
    })
}

/// How many calls of each kind.
fn counted(threads: &Threads) -> BTreeMap<&Call, usize> {
    let mut counts = BTreeMap::new();
    for call in threads.iter().flatten() {
        *counts.entry(call).or_insert(0) += 1;
    }
    counts
}

/// What is different on the wires of two runs: calls that only one made, or made more often, then their order.
#[must_use]
pub fn differences(a: &Wire, b: &Wire) -> Vec<Difference> {
    let mut found = Vec::new();
    let none = Threads::new();
    let mut labels: Vec<&String> = a.dsps.keys().chain(b.dsps.keys()).collect();
    labels.sort();
    labels.dedup();
    for dsp in labels {
        let (a, b) = (a.dsps.get(dsp).unwrap_or(&none), b.dsps.get(dsp).unwrap_or(&none));
        let (in_a, in_b) = (counted(a), counted(b));
        let mut kinds: Vec<&Call> = in_a.keys().chain(in_b.keys()).copied().collect();
        kinds.sort();
        kinds.dedup();
        let before = found.len();
        for call in kinds {
            let (times_a, times_b) = (in_a.get(call).copied(), in_b.get(call).copied());
            let (times_a, times_b) = (times_a.unwrap_or(0), times_b.unwrap_or(0));
            if times_a != times_b {
                found.push(Difference::wire(format!(
                    "{dsp}: {call}: {times_a} on A, {times_b} on B"
                )));
            }
        }
        if found.len() == before && a != b {
            found.push(Difference::wire(order(dsp, a, b)));
        }
    }
    found
}

/// Where the order differs of what are the same calls on the whole.
fn order(dsp: &str, a: &Threads, b: &Threads) -> String {
    let empty = Vec::new();
    let pairs = (0..a.len().max(b.len())).map(|n| (a.get(n).unwrap_or(&empty), b.get(n).unwrap_or(&empty)));
    let mut differing = pairs.filter(|(a, b)| a != b);
    let Some((a, b)) = differing.next() else {
        return format!("{dsp}: the calls are made by other threads");
    };
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let told = |calls: &Vec<Call>| {
        calls
            .get(same)
            .map_or_else(|| "nothing more".to_owned(), Call::to_string)
    };
    format!(
        "{dsp}: the same calls in another order, or by other threads: after {same} of a thread's, A has {}, B {}",
        told(a),
        told(b)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    fn call(name: &str, bytes: u64, result: u32) -> Call {
        Call {
            name: name.into(),
            sizes: Some([vec![bytes], Vec::new(), Vec::new()]),
            result: Some(result),
        }
    }

    fn wire(threads: &[&[Call]]) -> Wire {
        let mut threads: Threads = threads.iter().map(|calls| calls.to_vec()).collect();
        threads.sort();
        Wire {
            dsps: [("cdsp".to_owned(), threads)].into(),
            is_cut: false,
        }
    }

    fn told(a: &Wire, b: &Wire) -> Vec<String> {
        differences(a, b)
            .into_iter()
            .map(|difference| difference.text)
            .collect()
    }

    #[test]
    fn which_thread_is_first_does_not_matter() {
        let (x, y) = (call("a.x", 4, 0), call("a.y", 8, 0));
        assert_eq!(
            told(
                &wire(&[from_ref(&x), from_ref(&y)]),
                &wire(&[from_ref(&y), from_ref(&x)])
            ),
            [""; 0]
        );
    }

    #[test]
    fn calls_that_differ_are_told_one_by_one() {
        let (x, y) = (call("a.x", 4, 0), call("a.x", 4, 0x8000_0414));
        let many = wire(&[&[x.clone(), x.clone(), call("a.z", 5, 0)]]);
        assert_eq!(
            told(&many, &wire(&[&[x.clone(), y.clone(), call("a.z", 6, 0)]])),
            [
                "cdsp: a.x in [4] -> 0x0: 2 on A, 1 on B",
                "cdsp: a.x in [4] -> 0x80000414: 0 on A, 1 on B",
                "cdsp: a.z in [5] -> 0x0: 1 on A, 0 on B",
                "cdsp: a.z in [6] -> 0x0: 0 on A, 1 on B",
            ]
        );
        // A DSP that only one run called.
        assert_eq!(told(&Wire::default(), &many).len(), 2);
        let late = told(&wire(&[&[x.clone(), y.clone()]]), &wire(&[&[y, x]]));
        assert!(
            late.len() == 1 && late[0].contains("another order") && late[0].contains("after 0"),
            "{late:?}"
        );
        let unanswered = Call {
            result: None,
            ..call("a.x", 4, 0)
        };
        assert_eq!(unanswered.to_string(), "a.x in [4], not answered");
    }

    #[test]
    fn one_program_recorded_on_two_kernels_is_the_same() {
        let run = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/runs");
            Wire::read(&folder.join(name)).unwrap()
        };
        let (old, new) = (run("calculator-6.12.pcapng"), run("calculator-7.3.pcapng"));
        let names: Vec<&str> = old.dsps["cdsp"]
            .iter()
            .flatten()
            .map(|call| call.name.as_str())
            .collect();
        assert!(
            names.contains(&"calculator.2") && names.contains(&"the AP's apps_std.fread"),
            "{names:?}"
        );
        assert!(
            !names
                .iter()
                .any(|name| name.contains("next2") || name.contains("log")),
            "{names:?}"
        );
        assert_eq!(old.calls(), new.calls(), "{names:?}");
        assert!(
            old.dsps["cdsp"]
                .iter()
                .flatten()
                .all(|call| call.sizes.is_some() && call.result.is_some())
        );
        assert_eq!(told(&old, &new), [""; 0]);
        // Another run is another.
        assert!(!told(&old, &run("board-7.3.pcapng")).is_empty());
    }
}
