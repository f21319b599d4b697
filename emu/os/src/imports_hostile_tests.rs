//! Every imported function under a program that passes anything: wild pointers, huge sizes, objects that were destroyed, strings
//! without end, callbacks that call again. Each call ends in a result, a wait, a call of the program's or the process's own death;
//! what waits is woken by others, by the time, by an AP that answers anything.

use std::time::Duration;

use crate::ap::ApError;
use crate::imports;
use crate::kernel::call::{Call, Done, MAX_STRING, Outcome};
use crate::kernel::testing::Guest;
use crate::process::inbox::ProcessRequest;
use crate::sched::{DspThread, Role};

/// Calls of one program, and programs.
const CALLS: u32 = 400;
const PROGRAMS: u64 = 24;
/// Bytes of the places that arguments point to.
const PLACE: usize = 4096;

/// Random numbers that repeat (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Numbers at which something ends.
const EDGES: [u32; 16] = [
    0,
    1,
    2,
    255,
    4095,
    4096,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    0xffff_fffc,
    0xffff_fffd,
    0xffff_fffe,
    0xffff_ffff,
    0x3fff_ffff,
    0x4000_0000,
];

struct Program {
    g: Guest,
    random: Random,
    /// Addresses of memory, and results that may be handles.
    places: Vec<u32>,
    known: Vec<u32>,
}

impl Program {
    fn new(seed: u64) -> Self {
        let mut g = Guest::new();
        let mut random = Random(seed);
        let mut places = Vec::new();
        for text in [
            &b"%s %d %*.*f %[^x] %n %ls%c"[..],
            b"0x1.8p+3 nan(1) -77",
            b"/x/y.so",
            b"libc.so",
            b"w+",
            b"malloc",
            b"\xff\x80%",
            b"",
        ] {
            let mut bytes = text.to_vec();
            bytes.resize(64, 0);
            places.push(g.bytes(&bytes));
        }
        // Strings of the greatest length, and one that has no end.
        for (len, last) in [(MAX_STRING, 0), (MAX_STRING + 16, b'b')] {
            let mut long = vec![b'a'; len];
            long[len - 1] = last;
            places.push(g.bytes(&long));
        }
        for _ in 0..6 {
            let bytes: Vec<u8> = (0..PLACE).map(|_| random.next() as u8).collect();
            places.push(g.bytes(&bytes));
        }
        for _ in 0..4 {
            places.push(g.bytes(&[0; PLACE]));
        }
        Self {
            g,
            random,
            places,
            known: Vec::new(),
        }
    }

    fn place(&mut self) -> u32 {
        let at = self.places[self.random.below(self.places.len())];
        match self.random.below(4) {
            0 => at.wrapping_add(self.random.below(64) as u32),
            1 => at.wrapping_add(PLACE as u32 - self.random.below(16) as u32),
            _ => at,
        }
    }

    fn word(&mut self) -> u32 {
        match self.random.below(16) {
            0 => self.random.next() as u32,
            1 | 2 => EDGES[self.random.below(EDGES.len())],
            3..6 => self.random.below(48) as u32,
            6 | 7 if !self.known.is_empty() => self.known[self.random.below(self.known.len())],
            _ => self.place(),
        }
    }

    /// Words in the places, and on the stack, so that there is something to follow.
    fn disturb(&mut self) {
        for _ in 0..4 {
            let (at, word) = (self.place() & !3, self.word());
            // Not all of it is memory.
            let _ = emu_core::memory::Memory::store32(&*self.g.os.space, at, word);
        }
        let sp = self.g.thread.core.regs.r[29];
        for n in 0..8 {
            let word = self.word();
            let _ = emu_core::memory::Memory::store32(&*self.g.os.space, sp.wrapping_add(4 * n), word);
        }
    }

    /// Another thread runs: one that can, or a new one.
    fn switch(&mut self) {
        let next = self.g.os.sched.pick();
        self.g.thread = next.unwrap_or_else(|| {
            let low = self.places[10];
            let core = self.g.os.shared.new_core(0);
            let id = self.g.os.sched.new_id();
            let mut thread = DspThread::new(id, format!("t{id}"), Role::Skeleton, low..low + 2048, core);
            thread.core.regs.r[29] = low + 1024;
            self.g
                .os
                .sched
                .add_ready(thread, 1 + self.random.below(255) as u8);
            self.g.os.sched.pick().unwrap()
        });
    }

    /// A thread that is gone leaves its place to another.
    fn leave(&mut self, park: impl FnOnce(&mut Guest, DspThread)) {
        let core = self.g.os.shared.new_core(0);
        let nobody = DspThread::new(0, String::new(), Role::Skeleton, 0..0, core);
        let thread = std::mem::replace(&mut self.g.thread, nobody);
        park(&mut self.g, thread);
        self.switch();
    }

    /// Carries out what a function wants; `false`: the process is over.
    fn carry_out(&mut self, mut done: Done) -> bool {
        for _ in 0..64 {
            let call = |g: &mut Guest, f: Box<dyn FnOnce(&mut Call<'_>) -> Done>| {
                f(&mut Call {
                    os: &mut g.os,
                    thread: &mut g.thread,
                })
            };
            done = match done {
                Ok(Outcome::Return) => {
                    let r0 = self.g.thread.core.regs.r[0];
                    if self.known.len() >= 64 {
                        self.known.remove(0);
                    }
                    self.known.push(r0);
                    return true;
                }
                Ok(Outcome::Yield) => {
                    self.leave(|g, thread| g.os.sched.give_way(thread));
                    return true;
                }
                Ok(Outcome::Park(wait, until)) => {
                    self.leave(|g, thread| g.os.sched.park(thread, wait, until));
                    return true;
                }
                Ok(Outcome::Enter(f, args, then)) => {
                    if self.g.os.enter(&mut self.g.thread, f, &args, then).is_err() {
                        return false;
                    }
                    if !self.random.one_in(4) {
                        return true;
                    }
                    match self.returns() {
                        Some(done) => done,
                        None => return true,
                    }
                }
                Ok(Outcome::Grow(_, retry)) => {
                    let given = self.random.one_in(2);
                    self.g.resume(retry, given)
                }
                Ok(Outcome::Ask(_, answered)) => {
                    let answer = match self.random.below(3) {
                        0 => Err(ApError::Failed(self.random.next() as u32 % 200)),
                        _ => Ok((0..self.random.below(4))
                            .map(|_| {
                                let len = self.random.below(40) + 4 * self.random.below(2) * PLACE;
                                (0..len).map(|_| self.random.next() as u8).collect()
                            })
                            .collect()),
                    };
                    call(&mut self.g, Box::new(|c| answered(c, answer)))
                }
                Ok(Outcome::Exit(status)) => {
                    self.leave(|g, thread| {
                        let id = thread.id;
                        g.os.lib.vectors.give_back(id);
                        g.os.lib.posix.thread_ended(id, status);
                        g.os.lib.forget_thread(id);
                        g.os.sched.remove(id);
                        g.os.modules.thread_ends(id, &g.os.shared.memory);
                        g.os.continuations.forget(id);
                        crate::calls::opening::thread_ended(&mut g.os, id);
                    });
                    return true;
                }
                // The process is over.
                Ok(Outcome::EndProcess(_)) | Err(_) => return false,
            };
        }
        true
    }

    /// The innermost function that the emulator called returns.
    fn returns(&mut self) -> Option<Done> {
        let frame = self.g.os.continuations.pop(self.g.thread.id)?;
        for (n, v) in (29..).zip(frame.saved) {
            self.g.thread.core.regs.r[n] = v;
        }
        let result = u64::from(self.word());
        Some(self.g.go_on(frame.then, result))
    }

    /// What others do: time goes by, libraries are read, threads take turns.
    fn meanwhile(&mut self) -> bool {
        match self.random.below(8) {
            0 => {
                let time = Duration::from_millis(self.random.next() % 10_000);
                self.g.clock.advance(time);
                self.g.os.expire_waits();
            }
            1 => self.leave(|g, thread| g.os.sched.requeue(thread)),
            2 => {
                for request in self.g.os.shared.inbox.drain() {
                    if let ProcessRequest::Loaded(result) = request {
                        crate::calls::opening::loaded(&mut self.g.os, result);
                    }
                }
                while let Some((thread, loaded)) = self.g.os.loading.take_told() {
                    let (Some(then), Some(thread)) = (
                        self.g.os.continuations.take_load(thread),
                        self.g.os.sched.take_parked(thread),
                    ) else {
                        continue;
                    };
                    self.leave(|g, thread| g.os.sched.requeue(thread));
                    let other = std::mem::replace(&mut self.g.thread, thread);
                    self.g.os.sched.requeue(other);
                    let done = then(
                        &mut Call {
                            os: &mut self.g.os,
                            thread: &mut self.g.thread,
                        },
                        loaded,
                    );
                    if !self.carry_out(done) {
                        return false;
                    }
                }
            }
            3 => {
                if let Some(done) = self.returns() {
                    return self.carry_out(done);
                }
            }
            _ => {}
        }
        true
    }

    fn call(&mut self, name: &str) -> bool {
        self.disturb();
        let args: Vec<u32> = (0..6).map(|_| self.word()).collect();
        let done = self.g.try_call(name, &args);
        self.carry_out(done)
    }
}

/// Names of all functions.
fn names() -> Vec<&'static str> {
    (0..).map_while(imports::function).map(|f| f.name).collect()
}

/// A program calls functions, and goes on after what would be its death, for as much as possible to be tried.
fn run(seed: u64, names: &[&str]) {
    let mut program = Program::new(seed);
    for _ in 0..CALLS {
        let name = names[program.random.below(names.len())];
        program.call(name);
        program.meanwhile();
        if program.g.os.sched.len() > 200 {
            break;
        }
    }
}

#[test]
fn every_function_stands_any_argument() {
    let names = names();
    for seed in 0..PROGRAMS {
        run(seed, &names);
    }
}

/// The functions of one family share objects: more calls meet them.
#[test]
fn every_family_stands_any_order_of_its_functions() {
    for (seed, family) in (1000..).zip(imports::FAMILIES) {
        let names: Vec<&str> = family.imports.iter().map(|f| f.name).collect();
        run(seed, &names);
    }
}
