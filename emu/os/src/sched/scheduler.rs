//! The scheduler: ready threads, timed waits, who runs, who wakes.
//!
//! Strict priority as in QuRT (1 highest … 255 lowest), round robin within one. A real DSP runs several threads at once,
//! so one of low priority gets on while a better one spins. Where the host has fewer threads for the process than the DSP
//! has hardware threads, others get a turn (a *gift*) out of order: when a thread says `pause`, and when better threads have
//! used up many slices while worse ones could run. Whoever had a gift goes behind its equals, so that gifts go round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ready::{Ready, ReadyKey};
use super::thread::{DspThread, ThreadId, Wait};
use super::timers::{TimerKey, Timers};
use crate::clock::Time;

/// Slices that threads may use up while worse ones could run, before one of those gets a turn.
const SLICES_A_GIFT: u32 = 50;
/// Whether a thread can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It can.
    Ready,
    /// Somebody has it and runs it.
    Running,
    /// It cannot.
    Parked(Wait),
}

/// Where a thread is, with what it takes to find it in that list again.
#[derive(Debug, Clone, Copy)]
enum Place {
    Ready(ReadyKey),
    GaveWay,
    /// `gift`: it runs although better threads could.
    Running {
        gift: bool,
    },
    Parked(Wait),
}

/// What the scheduler knows of a thread.
struct Slot {
    priority: u8,
    place: Place,
    /// When its wait ends, and the result that the function it waits in then has.
    deadline: Option<(TimerKey, u32)>,
    /// Which turn its last one was.
    last_turn: u64,
    /// The thread, unless somebody runs it.
    thread: Option<DspThread>,
}

/// A process's threads.
pub struct Scheduler {
    /// Threads that hardware would run at once: gifts are for the best of so many.
    hardware: usize,
    /// Threads that somebody runs.
    running: usize,
    /// Threads that could run and that nobody runs, for those who ask without having the scheduler.
    waiting_to_run: Arc<AtomicUsize>,
    threads: BTreeMap<ThreadId, Slot>,
    ready: Ready,
    timers: Timers,
    /// Threads that let others have one turn.
    gave_way: Vec<ThreadId>,
    /// Slices used up while worse threads could run, since the last gift.
    withheld: u32,
    turns: u64,
    last_id: ThreadId,
}

impl Scheduler {
    /// No threads, on a DSP that runs so many at once.
    pub fn new(hardware: u16) -> Self {
        Self {
            hardware: usize::from(hardware.max(1)),
            running: 0,
            waiting_to_run: Arc::default(),
            threads: BTreeMap::new(),
            ready: Ready::default(),
            timers: Timers::default(),
            gave_way: Vec::new(),
            withheld: 0,
            turns: 0,
            last_id: 0,
        }
    }

    /// How many threads could run and are not run by anybody: kept up to date, to be read at any time.
    pub fn waiting_to_run(&self) -> Arc<AtomicUsize> {
        self.waiting_to_run.clone()
    }

    /// An id for a new thread.
    pub fn new_id(&mut self) -> ThreadId {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.threads.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Adds a thread that waits.
    pub fn add_parked(&mut self, thread: DspThread, priority: u8, wait: Wait) {
        let id = thread.id;
        let slot = Slot {
            priority,
            place: Place::Parked(wait),
            deadline: None,
            last_turn: 0,
            thread: Some(thread),
        };
        self.threads.insert(id, slot);
    }

    /// Adds a thread that can run.
    pub fn add_ready(&mut self, thread: DspThread, priority: u8) {
        let id = thread.id;
        self.add_parked(thread, priority, Wait::Idle);
        self.make_ready(id);
    }

    /// Forgets a thread.
    pub fn remove(&mut self, id: ThreadId) -> Option<DspThread> {
        let slot = self.threads.remove(&id)?;
        match slot.place {
            Place::Ready(key) => self.ready.remove(key),
            Place::Running { .. } => self.running -= 1,
            Place::GaveWay | Place::Parked(_) => {}
        }
        if let Some((key, _)) = slot.deadline {
            self.timers.remove(key);
        }
        self.publish();
        slot.thread
    }

    /// Keeps [`waiting_to_run`](Self::waiting_to_run).
    fn publish(&self) {
        let count = self.ready.len() + self.gave_way.len();
        self.waiting_to_run.store(count, Ordering::Relaxed);
    }

    // Running

    /// Gives out the thread whose turn it is.
    pub fn pick(&mut self) -> Option<DspThread> {
        let mut gift = !self.gave_way.is_empty();
        let mut id = None;
        if self.withheld >= SLICES_A_GIFT {
            self.withheld = 0;
            id = self.pop_longest_without();
            gift |= id.is_some();
        }
        id = id.or_else(|| self.ready.pop());
        for id in std::mem::take(&mut self.gave_way) {
            self.make_ready(id);
        }
        // Nobody but those that gave way.
        if id.is_none() {
            (id, gift) = (self.ready.pop(), false);
        }
        self.publish();
        self.turns += 1;
        let slot = self.threads.get_mut(&id?)?;
        slot.place = Place::Running { gift };
        slot.last_turn = self.turns;
        self.running += 1;
        slot.thread.take()
    }

    /// Can a thread run that nobody runs?
    pub fn has_ready(&self) -> bool {
        self.ready.best().is_some() || !self.gave_way.is_empty()
    }

    /// How many threads somebody runs.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Takes, of the threads that hardware would run at once beside those that run, the one that has had no turn for longest.
    fn pop_longest_without(&mut self) -> Option<ThreadId> {
        let last_turn = |id| self.threads.get(&id).map_or(0, |slot| slot.last_turn);
        let free = self.hardware.saturating_sub(self.running);
        let candidates = self.ready.iter().take(free);
        let (key, id) = candidates.min_by_key(|&(key, id)| (last_turn(id), key))?;
        self.ready.remove(key);
        Some(id)
    }

    /// Could a better thread than this one run?
    pub fn better_than(&self, id: ThreadId) -> bool {
        let priority = self.priority(id);
        self.ready
            .best()
            .zip(priority)
            .is_some_and(|(best, mine)| best < mine)
    }

    /// A running thread has used up a slice. Is somebody else to run now?
    pub fn used_slice(&mut self, id: ThreadId) -> bool {
        let Some(mine) = self.priority(id) else {
            return true;
        };
        if self.ready.worst().is_some_and(|worst| worst > mine) {
            self.withheld += 1;
        }
        self.ready.best().is_some_and(|best| best <= mine) || self.withheld >= SLICES_A_GIFT
    }

    /// A running thread comes back and can go on, after others of its priority.
    pub fn requeue(&mut self, thread: DspThread) {
        self.put_back(thread, |slot, ready, id| {
            Place::Ready(ready.push_back(slot.priority, id))
        });
    }

    /// A running thread comes back because a better one can run; it goes on before others of its priority, unless its
    /// turn was a gift.
    pub fn preempted(&mut self, thread: DspThread) {
        self.put_back(thread, |slot, ready, id| {
            Place::Ready(match slot.place {
                Place::Running { gift: true } => ready.push_back(slot.priority, id),
                _ => ready.push_front(slot.priority, id),
            })
        });
    }

    /// A running thread comes back and can go on, after somebody else had a turn, whoever that is.
    pub fn give_way(&mut self, thread: DspThread) {
        self.gave_way.push(thread.id);
        self.put_back(thread, |_, _, _| Place::GaveWay);
    }

    /// A running thread comes back and waits; with a deadline: until that time, when the function it waits in has that
    /// result.
    pub fn park(&mut self, thread: DspThread, wait: Wait, deadline: Option<(Time, u32)>) {
        let deadline = deadline.map(|(at, result)| (self.timers.add(at, thread.id), result));
        self.put_back(thread, |slot, _, _| {
            slot.deadline = deadline;
            Place::Parked(wait)
        });
    }

    fn put_back(&mut self, thread: DspThread, place: impl FnOnce(&mut Slot, &mut Ready, ThreadId) -> Place) {
        let id = thread.id;
        if let Some(slot) = self.threads.get_mut(&id) {
            slot.place = place(slot, &mut self.ready, id);
            slot.thread = Some(thread);
            self.running -= 1;
            self.publish();
        }
    }

    // Waiting and waking

    /// Gives out a thread that waits, to be run or to come back.
    pub fn take_parked(&mut self, id: ThreadId) -> Option<DspThread> {
        let slot = self.threads.get_mut(&id)?;
        let Place::Parked(_) = slot.place else { return None };
        slot.place = Place::Running { gift: false };
        self.running += 1;
        if let Some((key, _)) = slot.deadline.take() {
            self.timers.remove(key);
        }
        slot.thread.take()
    }

    /// Ends a thread's wait: the function it waits in has this result. Nothing happens to one that does not wait.
    pub fn wake(&mut self, id: ThreadId, result: u32) {
        if let Some(slot) = self.threads.get_mut(&id)
            && matches!(slot.place, Place::Parked(_))
            && let Some(thread) = &mut slot.thread
        {
            thread.core.regs.r[0] = result;
            self.make_ready(id);
        }
    }

    /// Where a thread that waits goes on when its wait is over.
    pub fn goes_on_at(&self, id: ThreadId) -> Option<u32> {
        let slot = self.threads.get(&id)?;
        let waits = matches!(slot.place, Place::Parked(_));
        slot.thread
            .as_ref()
            .filter(|_| waits)
            .map(|thread| thread.core.regs.pc)
    }

    /// Has a thread that waits go on elsewhere when its wait is over.
    pub fn redirect(&mut self, id: ThreadId, pc: u32) {
        if let Some(slot) = self.threads.get_mut(&id)
            && matches!(slot.place, Place::Parked(_))
            && let Some(thread) = &mut slot.thread
        {
            thread.core.regs.pc = pc;
        }
    }

    fn make_ready(&mut self, id: ThreadId) {
        if let Some(slot) = self.threads.get_mut(&id) {
            slot.place = Place::Ready(self.ready.push_back(slot.priority, id));
            if let Some((key, _)) = slot.deadline.take() {
                self.timers.remove(key);
            }
            self.publish();
        }
    }

    /// Takes the next thread whose wait has come to its end: it is to be [woken](Self::wake) with this result.
    pub fn take_expired(&mut self, now: Time) -> Option<(ThreadId, Wait, u32)> {
        loop {
            let id = self.timers.pop_due(now)?;
            let Some(slot) = self.threads.get_mut(&id) else {
                continue;
            };
            if let (Place::Parked(wait), Some((_, result))) = (slot.place, slot.deadline.take()) {
                return Some((id, wait, result));
            }
        }
    }

    /// When the next wait ends by itself.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// What a thread waits for.
    pub fn waits_for(&self, id: ThreadId) -> Option<Wait> {
        match self.threads.get(&id)?.place {
            Place::Parked(wait) => Some(wait),
            _ => None,
        }
    }

    /// A thread that waits waits for something else from now on, however long that takes.
    pub fn wait_for_instead(&mut self, id: ThreadId, wait: Wait) {
        if let Some(slot) = self.threads.get_mut(&id)
            && let Place::Parked(old) = &mut slot.place
        {
            *old = wait;
            if let Some((key, _)) = slot.deadline.take() {
                self.timers.remove(key);
            }
        }
    }

    /// Threads whose wait is such a one.
    pub fn waiting(&self, such: impl Fn(Wait) -> bool) -> Vec<(ThreadId, Wait)> {
        let waits = |(&id, slot): (&ThreadId, &Slot)| match slot.place {
            Place::Parked(wait) => such(wait).then_some((id, wait)),
            _ => None,
        };
        self.threads.iter().filter_map(waits).collect()
    }

    // Facts

    /// A thread's priority.
    pub fn priority(&self, id: ThreadId) -> Option<u8> {
        self.threads.get(&id).map(|slot| slot.priority)
    }

    /// Changes a thread's priority; `false`: there is no such thread.
    pub fn set_priority(&mut self, id: ThreadId, priority: u8) -> bool {
        let Some(slot) = self.threads.get_mut(&id) else {
            return false;
        };
        slot.priority = priority;
        if let Place::Ready(key) = slot.place {
            self.ready.remove(key);
            slot.place = Place::Ready(self.ready.push_back(priority, id));
        }
        true
    }

    /// Is there such a thread?
    pub fn contains(&self, id: ThreadId) -> bool {
        self.threads.contains_key(&id)
    }

    /// How many threads there are.
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// Threads that nobody runs at the moment, and how they are.
    pub fn iter(&self) -> impl Iterator<Item = (&DspThread, RunState)> {
        self.threads.values().filter_map(|slot| {
            let state = match slot.place {
                Place::Ready(_) | Place::GaveWay => RunState::Ready,
                Place::Running { .. } => RunState::Running,
                Place::Parked(wait) => RunState::Parked(wait),
            };
            Some((slot.thread.as_ref()?, state))
        })
    }

    /// A thread that nobody runs at the moment, and how it is.
    #[cfg(test)]
    pub fn get(&self, id: ThreadId) -> Option<(&DspThread, RunState)> {
        self.iter().find(|(thread, _)| thread.id == id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::thread::Role;
    use super::*;

    /// Threads 1, 2, … of these priorities, all ready.
    fn scheduler(priorities: &[u8]) -> Scheduler {
        let mut s = Scheduler::new(6);
        for &priority in priorities {
            let id = s.new_id();
            let core = emu_core::Thread::new(hexagon_isa::Arch::V68, 0);
            s.add_ready(
                DspThread::new(id, String::new(), Role::Skeleton, 0..0, core),
                priority,
            );
        }
        s
    }

    /// Runs threads that only spin, each turn until its end; who had these many turns.
    fn spin(s: &mut Scheduler, turns: usize) -> Vec<ThreadId> {
        let mut out = Vec::new();
        for _ in 0..turns {
            let thread = s.pick().unwrap();
            out.push(thread.id);
            loop {
                if s.used_slice(thread.id) {
                    break s.requeue(thread);
                }
            }
        }
        out
    }

    #[test]
    fn equals_take_turns() {
        assert_eq!(spin(&mut scheduler(&[7, 7, 7]), 5), [1, 2, 3, 1, 2]);
    }

    #[test]
    fn gifts_of_those_that_spin_go_round() {
        // Two equals below one that spins: both get on.
        assert_eq!(spin(&mut scheduler(&[1, 9, 9]), 7), [1, 2, 1, 3, 1, 2, 1]);
        // Not only equals.
        assert_eq!(spin(&mut scheduler(&[1, 9, 10]), 7), [1, 2, 1, 3, 1, 2, 1]);
    }

    #[test]
    fn two_that_spin_do_not_keep_a_worse_one_from_running() {
        let turns = spin(&mut scheduler(&[1, 1, 9]), 150);
        assert!(turns.contains(&3), "{turns:?}");
        assert!(turns.iter().filter(|&&id| id == 3).count() <= 3, "{turns:?}");
    }

    #[test]
    fn gifts_are_for_as_many_as_hardware_runs() {
        let turns = spin(&mut scheduler(&[1, 9, 10, 11, 12, 13, 14]), 100);
        for id in 2..=6 {
            assert!(turns.contains(&id), "{id} {turns:?}");
        }
        assert!(!turns.contains(&7), "{turns:?}");
    }

    #[test]
    fn who_gives_way_lets_one_other_have_a_turn_and_gifts_go_round() {
        let mut s = scheduler(&[1, 9, 9]);
        let mut turns = Vec::new();
        for _ in 0..3 {
            let first = s.pick().unwrap();
            s.give_way(first);
            let other = s.pick().unwrap();
            turns.push(other.id);
            assert!(s.better_than(other.id));
            s.preempted(other);
        }
        assert_eq!(turns, [2, 3, 2]);
        // Alone it goes on.
        let mut s = scheduler(&[1]);
        let only = s.pick().unwrap();
        s.give_way(only);
        assert_eq!(s.pick().unwrap().id, 1);
    }

    #[test]
    fn who_is_preempted_keeps_its_place() {
        let mut s = scheduler(&[9, 9]);
        let low = s.pick().unwrap();
        let id = s.new_id();
        let core = emu_core::Thread::new(hexagon_isa::Arch::V68, 0);
        s.add_ready(DspThread::new(id, String::new(), Role::Skeleton, 0..0, core), 1);
        assert!(s.better_than(low.id));
        s.preempted(low);
        let high = s.pick().unwrap();
        assert_eq!(high.id, 3);
        s.park(high, Wait::Sleep, None);
        assert_eq!(s.pick().unwrap().id, 1);
    }

    #[test]
    fn a_timed_wait_ends_once() {
        let at = Duration::from_millis;
        let mut s = scheduler(&[9, 9]);
        let (one, two) = (s.pick().unwrap(), s.pick().unwrap());
        s.park(one, Wait::Futex(8), Some((at(5), 110)));
        s.park(two, Wait::Sleep, Some((at(7), 0)));
        assert_eq!((s.next_deadline(), s.take_expired(at(4))), (Some(at(5)), None));
        // Woken before its time: the deadline is gone with the wait.
        s.wake(1, 3);
        assert_eq!((s.next_deadline(), s.take_expired(at(6))), (Some(at(7)), None));
        assert_eq!(s.take_expired(at(7)), Some((2, Wait::Sleep, 0)));
        s.wake(2, 0);
        s.wake(2, 9);
        assert_eq!(s.pick().unwrap().core.regs.r[0], 3);
        assert_eq!((s.pick().unwrap().core.regs.r[0], s.next_deadline()), (0, None));
        // Nobody who runs can be woken.
        s.wake(2, 9);
        assert_eq!((s.waits_for(2), s.len()), (None, 2));
        assert!(s.pick().is_none());
    }

    #[test]
    fn a_priority_can_be_changed_whatever_the_thread_does() {
        let mut s = scheduler(&[9, 9, 9]);
        let one = s.pick().unwrap();
        assert!(s.set_priority(1, 200) && s.set_priority(3, 5) && !s.set_priority(4, 5));
        s.requeue(one);
        assert_eq!([(); 3].map(|()| s.pick().unwrap().id), [3, 2, 1]);
    }
}
