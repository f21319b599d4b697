//! A DSP that waits for its guest: with it, a run of a sequential program happens the same way each time.
//!
//! What makes runs differ is that DSP and guest run beside each other: whether an answer comes before or after the kernel has freed
//! the buffer of the call before decides which address the next one gets. A [`Deterministic`] DSP does one thing at a time: what it wants to
//! tell the AP is held until the guest has nothing left to do (all of its processors sleep, seen `CALM` times in a row), then the
//! oldest of it goes out, and so on. Calls that are answered in the same moment are answered in the order in which they were asked.
//!
//! The other half is the guest's: one processor, fixed seeds and addresses, and a program whose threads run until they wait
//! ([`emu_machine::vm::Builder::deterministic`]). GLINK's own commands (opening channels) are not held.

use emu_core::mem::Bus;
use emu_machine::device::DspDevice;
use emu_os::action::Action;
use emu_os::conversation::{Arrival, Arrived, CallId, Conversation};
use emu_os::frame::Frame;
use emu_os::seam::{Interposer, Reaction};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often the guest is looked at while something is held.
const INTERVAL: Duration = Duration::from_millis(2);
/// So many looks in a row must find it at rest. Longer than the kernel sleeps in the middle of cleaning up (for a grace period of
/// RCU, a few ticks).
const CALM: u32 = 20;
/// Something goes out when the guest has computed for this long without a rest: a program that polls must not wait for ever. Not time
/// on the clock, of which a busy host gives the guest as little as it likes.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests whose order is remembered.
const MAX_CALLS: usize = 1024;
/// Most that is held; what a guest asks for beyond goes out at once, the oldest first.
const MAX_HELD: usize = 4096;

/// Says whether a guest has nothing to do.
pub trait Guest: Send {
    /// Whether it sleeps now.
    fn sleeps(&mut self) -> bool;

    /// Processor time that it has used.
    fn computed(&mut self) -> Duration;
}

/// A guest by the QEMU process that it runs in: it sleeps if all threads of that do, or before it has started.
#[derive(Debug, Clone, Default)]
pub struct QemuProcess(Arc<OnceLock<u32>>);

impl QemuProcess {
    /// The guest has started, in this process. Only the first is taken.
    pub fn is(&self, pid: u32) {
        let _ = self.0.set(pid);
    }
}

impl Guest for QemuProcess {
    fn sleeps(&mut self) -> bool {
        let Some(pid) = self.0.get() else { return true };
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            return true;
        };
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            !matches!(behind_name(&stat).next(), Some("R" | "D"))
        })
    }

    fn computed(&mut self) -> Duration {
        let Some(pid) = self.0.get() else {
            return Duration::ZERO;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // In user mode and for it in the kernel (proc_pid_stat(5), fields 14 and 15).
        let ticks = behind_name(&stat).skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|word| word.parse::<u64>().ok()).sum();
        Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
    }
}

/// The words of a `stat` file from the third, the state, on. The second, a name in brackets, may have anything in it.
fn behind_name(stat: &str) -> impl Iterator<Item = &str> {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace()
}

/// What is held.
struct Held {
    /// The call that it answers, or the newest of the time.
    order: Option<CallId>,
    actions: Vec<Action>,
}

/// Holds what a DSP does until its guest rests.
pub struct Deterministic {
    inner: Option<Box<dyn Interposer>>,
    guest: Box<dyn Guest>,
    held: Vec<Held>,
    /// Calls without answer. Their numbers are the order in which they were asked.
    calls: BTreeSet<CallId>,
    newest: Option<CallId>,
    next_look: Option<Instant>,
    /// What the guest had computed when it was last told something, or had to wait first.
    since: Option<Duration>,
    calm: u32,
}

impl Deterministic {
    /// Stands behind an interposer that there is already.
    #[must_use]
    pub fn new(inner: Option<Box<dyn Interposer>>, guest: Box<dyn Guest>) -> Self {
        Self {
            inner,
            guest,
            held: Vec::new(),
            calls: BTreeSet::new(),
            newest: None,
            next_look: None,
            since: None,
            calm: 0,
        }
    }

    /// Has these DSPs wait for their guest. Whatever else interposes must have begun to before.
    pub fn hold(devices: &[DspDevice], guest: &QemuProcess) {
        for device in devices {
            device
                .subsystem()
                .wrap_interposer(|inner| Box::new(Self::new(inner, Box::new(guest.clone()))));
        }
    }

    /// Holds these; returns what has to go out now because too much is held.
    fn keep(&mut self, actions: Vec<Action>, known: &Conversation) -> Vec<Action> {
        if actions.is_empty() {
            return Vec::new();
        }
        let order = actions.iter().find_map(|action| match action {
            // Of two open calls of a context, whose answers may both be held, each is meant once.
            Action::Answer { ctx, .. } => known
                .calls()
                .open_of(*ctx)
                .find_map(|call| self.calls.take(&call)),
            _ => None,
        });
        self.held.push(Held {
            order: order.or(self.newest),
            actions,
        });
        let too_much = if self.held.len() > MAX_HELD {
            self.oldest()
        } else {
            Vec::new()
        };
        self.stir();
        too_much
    }

    /// Takes out what answers the oldest call.
    fn oldest(&mut self) -> Vec<Action> {
        let oldest = (0..self.held.len()).min_by_key(|&at| self.held.get(at).map(|held| held.order));
        oldest.map_or_else(Vec::new, |at| self.held.remove(at).actions)
    }

    /// Something happened: the guest is looked at anew.
    fn stir(&mut self) {
        self.calm = 0;
        if self.held.is_empty() {
            (self.next_look, self.since) = (None, None);
            return;
        }
        self.next_look = Some(Instant::now() + INTERVAL);
        self.since.get_or_insert_with(|| self.guest.computed());
    }

    /// The oldest of what is held, if its time has come.
    fn release(&mut self, now: Instant) -> Vec<Action> {
        if self.next_look.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.next_look = Some(now + INTERVAL);
        if self.guest.sleeps() {
            self.calm += 1;
        } else {
            self.calm = 0;
        }
        let computed = self.guest.computed();
        let impatient = self
            .since
            .is_some_and(|since| computed.saturating_sub(since) >= PATIENCE);
        if self.calm < CALM && !impatient {
            return Vec::new();
        }
        let actions = self.oldest();
        self.since = None;
        self.stir();
        actions
    }
}

impl Interposer for Deterministic {
    fn begins(&mut self, bus: &Arc<Bus>) {
        self.held.clear();
        self.calls.clear();
        self.stir();
        if let Some(inner) = &mut self.inner {
            inner.begins(bus);
        }
    }

    fn inbound(&mut self, event: &Arrival<'_>, known: &Conversation) -> Reaction {
        match &event.what {
            Arrived::Request(request) => {
                self.newest = Some(request.id);
                if self.calls.len() >= MAX_CALLS {
                    self.calls.clear();
                }
                self.calls.insert(request.id);
            }
            Arrived::Ended => {
                self.held.clear();
                self.calls.clear();
            }
            _ => {}
        }
        let mut reaction = self
            .inner
            .as_mut()
            .map_or_else(Reaction::default, |inner| inner.inbound(event, known));
        // What the DSP receives is its own affair; what the AP sees waits.
        let (now, later) = std::mem::take(&mut reaction.actions)
            .into_iter()
            .partition(|action| matches!(action, Action::Receive(_)));
        reaction.actions = now;
        reaction.actions.extend(self.keep(later, known));
        self.stir();
        reaction
    }

    fn outbound(&mut self, batch: Vec<Action>, known: &Conversation) -> Vec<Action> {
        let batch = match &mut self.inner {
            Some(inner) => inner.outbound(batch, known),
            None => batch,
        };
        self.keep(batch, known)
    }

    fn command(&mut self, command: Frame, known: &Conversation) -> Vec<Action> {
        match &mut self.inner {
            Some(inner) => inner.command(command, known),
            None => vec![Action::RawGlink(command)],
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let inner = self.inner.as_ref().and_then(|inner| inner.deadline());
        self.next_look.into_iter().chain(inner).min()
    }

    fn due(&mut self, now: Instant, known: &Conversation) -> Vec<Action> {
        if let Some(inner) = &mut self.inner
            && inner.deadline().is_some_and(|at| at <= now)
        {
            let actions = inner.due(now, known);
            let mut out = self.keep(actions, known);
            out.extend(self.release(now));
            return out;
        }
        self.release(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_os::action::{Channel, Inbound};
    use rpmsg::fastrpc::{Ctx, Message, Scalars};
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    /// What a test says of its guest.
    #[derive(Clone, Default)]
    struct Told {
        sleeps: Arc<AtomicBool>,
        milliseconds: Arc<AtomicU64>,
    }

    impl Guest for Told {
        fn sleeps(&mut self) -> bool {
            self.sleeps.load(Ordering::Relaxed)
        }

        fn computed(&mut self) -> Duration {
            Duration::from_millis(self.milliseconds.load(Ordering::Relaxed))
        }
    }

    fn process(pid: u32) -> QemuProcess {
        let process = QemuProcess::default();
        process.is(pid);
        process
    }

    /// With what was said to it.
    struct Dsp {
        inner: Deterministic,
        known: Conversation,
    }

    impl Dsp {
        fn outbound(&mut self, batch: Vec<Action>) -> Vec<Action> {
            self.inner.outbound(batch, &self.known)
        }

        fn due(&mut self, now: Instant) -> Vec<Action> {
            self.inner.due(now, &self.known)
        }
    }

    fn dsp() -> (Dsp, Told) {
        let guest = Told::default();
        let dsp = Dsp {
            inner: Deterministic::new(None, Box::new(guest.clone())),
            known: Conversation::default(),
        };
        (dsp, guest)
    }

    fn ask(dsp: &mut Dsp, ctx: u64) {
        let message = Message {
            client_id: 1,
            tid: 1,
            ctx: Ctx(ctx),
            handle: 3,
            sc: Scalars(0),
            addr: 0,
            size: 4096,
        };
        let inbound = Inbound::Message(Channel::FastRpc, message.encode());
        let arrival = dsp.known.arrives(&inbound);
        let reaction = dsp.inner.inbound(&arrival, &dsp.known);
        assert_eq!(reaction, Reaction::default());
    }

    fn answer(ctx: u64) -> Action {
        Action::Answer { ctx, retval: 0 }
    }

    /// Looks until something goes out.
    fn looks(dsp: &mut Dsp, times: u32) -> Vec<Action> {
        for _ in 0..times {
            let Some(at) = dsp.inner.deadline() else {
                return Vec::new();
            };
            let out = dsp.due(at);
            if !out.is_empty() {
                return out;
            }
        }
        Vec::new()
    }

    #[test]
    fn nothing_goes_out_while_the_guest_works() {
        let (mut dsp, guest) = dsp();
        assert_eq!(dsp.inner.deadline(), None);
        ask(&mut dsp, 1);
        assert!(dsp.outbound(vec![answer(1)]).is_empty());
        assert!(looks(&mut dsp, 20).is_empty());
        guest.sleeps.store(true, Ordering::Relaxed);
        assert!(looks(&mut dsp, CALM - 1).is_empty());
        guest.sleeps.store(false, Ordering::Relaxed);
        assert!(looks(&mut dsp, 1).is_empty());
        guest.sleeps.store(true, Ordering::Relaxed);
        assert!(looks(&mut dsp, CALM - 1).is_empty());
        assert_eq!(looks(&mut dsp, 1), [answer(1)]);
        assert_eq!(dsp.inner.deadline(), None);
    }

    #[test]
    fn answers_go_one_by_one_in_the_order_of_their_calls() {
        let (mut dsp, guest) = dsp();
        guest.sleeps.store(true, Ordering::Relaxed);
        (1..=3).for_each(|ctx| ask(&mut dsp, ctx));
        for ctx in [3, 1, 2] {
            dsp.outbound(vec![answer(ctx)]);
        }
        for ctx in 1..=3 {
            assert!(looks(&mut dsp, CALM - 1).is_empty());
            assert_eq!(looks(&mut dsp, 1), [answer(ctx)]);
        }
    }

    #[test]
    fn two_answers_of_one_context_are_those_of_two_calls() {
        let (mut dsp, guest) = dsp();
        guest.sleeps.store(true, Ordering::Relaxed);
        [1, 2, 1, 3].into_iter().for_each(|ctx| ask(&mut dsp, ctx));
        // The newer call of context 1 is answered, then the older one, then those of the others.
        for (ctx, retval) in [(1, 30), (1, 10), (3, 40), (2, 20)] {
            dsp.outbound(vec![Action::Answer { ctx, retval }]);
        }
        for (ctx, retval) in [(1, 10), (2, 20), (1, 30), (3, 40)] {
            assert_eq!(looks(&mut dsp, CALM), [Action::Answer { ctx, retval }]);
        }
    }

    #[test]
    fn a_guest_that_never_rests_is_answered_in_the_end() {
        let (mut dsp, guest) = dsp();
        guest.milliseconds.store(7, Ordering::Relaxed);
        ask(&mut dsp, 1);
        dsp.outbound(vec![answer(1)]);
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        guest.milliseconds.store(7 + patience - 1, Ordering::Relaxed);
        assert_eq!(looks(&mut dsp, 10), []);
        guest.milliseconds.store(7 + patience, Ordering::Relaxed);
        assert_eq!(looks(&mut dsp, 1), [answer(1)]);
    }

    #[test]
    fn a_guest_that_gets_no_processor_is_waited_for() {
        let (mut dsp, _guest) = dsp();
        ask(&mut dsp, 1);
        dsp.outbound(vec![answer(1)]);
        let begun = dsp.inner.deadline().expect("an answer is held");
        assert_eq!(dsp.due(begun + Duration::from_secs(3600)), []);
    }

    /// A guest that never rests and never stops asking: what it is owed does not pile up.
    #[test]
    fn what_is_held_is_bounded() {
        let (mut dsp, _) = dsp();
        for ctx in 0..MAX_HELD as u64 {
            ask(&mut dsp, ctx);
            assert!(dsp.outbound(vec![answer(ctx)]).is_empty());
        }
        for ctx in 0..100 {
            let new = MAX_HELD as u64 + ctx;
            ask(&mut dsp, new);
            assert_eq!(dsp.outbound(vec![answer(new)]), [answer(ctx)]);
            assert_eq!(dsp.inner.held.len(), MAX_HELD);
        }
    }

    #[test]
    fn a_process_sleeps_when_all_its_threads_do() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let mut guest = process(child.id());
        let asleep = (0..15_000).any(|_| {
            std::thread::sleep(Duration::from_millis(2));
            guest.sleeps()
        });
        assert!(asleep);
        let mut ourselves = process(std::process::id());
        assert!(!ourselves.sleeps(), "this thread runs");
        let before = ourselves.computed();
        // As long as it takes: this thread computes, so the count goes up.
        while ourselves.computed() == before {}
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
