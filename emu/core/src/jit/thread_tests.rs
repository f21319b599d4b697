//! Threads of one process on several host threads, with either engine: what they see of each other's stores, locked accesses, and threads
//! that go on elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hexagon_isa::{Arch, Opcode};

use super::Engine;
use super::tests::{CODE, DATA, END, Machine, Program, i, workout};
use crate::memory::Memory as _;
use crate::{Cpu, Exit, Thread};

const ENGINES: [Engine; 3] = [Engine::Interpreter, Engine::Translator, Engine::Auto];

/// A process's threads, each on a host thread of its own; with what each ended.
fn at_once(m: &Machine, threads: Vec<Thread>) -> Vec<Thread> {
    let meet = std::sync::Barrier::new(threads.len());
    let (space, translator) = (&m.space, &m.translator);
    let run = |mut thread: Thread| {
        let mut cpu = Cpu::new(Arch::V68).with_translator(translator.clone());
        meet.wait();
        loop {
            match cpu.run(&mut thread, space, 20_000) {
                // A locked store that failed lets others run.
                Exit::Budget | Exit::Yield => {}
                END => break thread,
                other => panic!("{other:?} at {:#x}", thread.regs.pc),
            }
        }
    };
    std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = threads
            .into_iter()
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// r0 rounds; the word at r1 is its own, that at r2 the other's, r3 counts the rounds in which it did not see the other's store.
/// Rounds are kept in step with the words at r6 and r7.
fn dekker(fence: bool) -> Program {
    let program = Program::default();
    let round = program.here();
    let program = program
        // in step: my round is told, and the other's waited for
        .packet(&[i(Opcode::A2_addi, &[4, 4, 1])])
        .packet(&[i(Opcode::S2_storeri_io, &[6, 0, 4])])
        .packet(&[i(Opcode::Y2_barrier, &[])]);
    let wait = program.here();
    let program = program
        .packet(&[i(Opcode::L2_loadri_io, &[5, 7, 0])])
        .packet(&[i(Opcode::C2_cmpgtu, &[0, 4, 5])]);
    let back = program.here();
    let program = program
        .packet(&[i(Opcode::J2_jumpt, &[0, wait - back])])
        // mine is set, the other's is looked at
        .packet(&[i(Opcode::S2_storeri_io, &[1, 0, 4])]);
    let program = if fence {
        program.packet(&[i(Opcode::Y2_barrier, &[])])
    } else {
        program
    };
    let program = program
        .packet(&[i(Opcode::L2_loadri_io, &[8, 2, 0])])
        .packet(&[i(Opcode::C2_cmpeq, &[0, 8, 4])])
        // what was seen, for the round: 1 if the other's was
        .packet(&[i(Opcode::C2_muxii, &[8, 0, 1, 0])])
        .packet(&[i(Opcode::S4_storerb_rr, &[9, 4, 0, 8])])
        .packet(&[i(Opcode::C2_cmpgtu, &[0, 0, 4])]);
    let back = program.here();
    program.packet(&[i(Opcode::J2_jumpt, &[0, round - back])]).trap()
}

/// Rounds in which neither thread saw the other's store.
fn neither_saw(engine: Engine, fence: bool, rounds: u32) -> usize {
    const SEEN: [u32; 2] = [0x80_0000, 0xa0_0000];
    let m = Machine::new(&dekker(fence), engine);
    for at in SEEN {
        m.space
            .map_anonymous(Some(at), 0x10_0000, crate::mem::Prot::RW)
            .unwrap();
    }
    let thread = |me: usize| {
        let mut thread = m.thread.clone();
        let r = &mut thread.regs.r;
        let word = |n: usize| DATA + 0x100 * n as u32;
        (r[0], r[1], r[2], r[3], r[4]) = (rounds, word(me), word(1 - me), 0, 0);
        (r[6], r[7], r[9]) = (word(2 + me), word(3 - me), SEEN[me]);
        for n in 0..4 {
            m.space.store32(word(n), 0).unwrap();
        }
        thread
    };
    at_once(&m, vec![thread(0), thread(1)]);
    let seen = SEEN.map(|at| {
        let mut bytes = vec![0; rounds as usize + 1];
        m.space.load(at, &mut bytes).unwrap();
        bytes
    });
    (1..=rounds as usize)
        .filter(|n| seen.iter().all(|s| s[*n] == 0))
        .count()
}

#[test]
fn with_a_barrier_one_of_two_threads_sees_the_other() {
    for engine in ENGINES {
        assert_eq!(neither_saw(engine, true, 20_000), 0, "{engine:?}");
    }
}

/// What is stored first is seen first.
#[test]
fn a_flag_is_seen_behind_what_it_tells_of() {
    // Stores the round to r1 and then to r2.
    let writer = Program::default();
    let round = writer.here();
    let writer = writer
        .packet(&[i(Opcode::A2_addi, &[4, 4, 1])])
        .packet(&[i(Opcode::S2_storeri_io, &[1, 0, 4])])
        .packet(&[i(Opcode::S2_storeri_io, &[2, 0, 4])])
        .packet(&[i(Opcode::C2_cmpgtu, &[0, 0, 4])]);
    let back = writer.here();
    let writer = writer.packet(&[i(Opcode::J2_jumpt, &[0, round - back])]).trap();
    // Loads r2 and then r1, until r2 is the last round; counts in r3 how often r1 was behind.
    let begin = writer.here();
    let reader = writer;
    let round = reader.here();
    let reader = reader
        .packet(&[i(Opcode::L2_loadri_io, &[5, 2, 0])])
        .packet(&[i(Opcode::L2_loadri_io, &[6, 1, 0])])
        .packet(&[i(Opcode::C2_cmpgtu, &[0, 5, 6])])
        .packet(&[i(Opcode::A2_paddit, &[3, 0, 3, 1])])
        .packet(&[i(Opcode::C2_cmpgtu, &[0, 0, 5])]);
    let back = reader.here();
    let program = reader.packet(&[i(Opcode::J2_jumpt, &[0, round - back])]).trap();
    for engine in ENGINES {
        let m = Machine::new(&program, engine);
        let thread = |pc| {
            let mut thread = m.thread.clone();
            let r = &mut thread.regs.r;
            (r[0], r[1], r[2], r[3], r[4]) = (100_000, DATA + 0x100, DATA + 0x200, 0, 0);
            thread.regs.pc = pc;
            thread
        };
        for at in [DATA + 0x100, DATA + 0x200] {
            m.space.store32(at, 0).unwrap();
        }
        let ended = at_once(&m, vec![thread(CODE), thread(begin as u32)]);
        assert_eq!(ended[1].regs.r[3], 0, "{engine:?}");
    }
}

#[test]
fn locked_sums_lose_nothing() {
    let program = Program::default();
    let round = program.here();
    let program = program
        .packet(&[i(Opcode::L2_loadw_locked, &[4, 1])])
        .packet(&[i(Opcode::A2_addi, &[4, 4, 1])])
        .packet(&[i(Opcode::S2_storew_locked, &[1, 0, 4])]);
    let back = program.here();
    let program = program
        .packet(&[i(Opcode::J2_jumpf, &[0, round - back])])
        .packet(&[i(Opcode::A2_addi, &[0, 0, -1])])
        .packet(&[i(Opcode::C2_cmpeqi, &[1, 0, 0])]);
    let back = program.here();
    let program = program.packet(&[i(Opcode::J2_jumpf, &[1, round - back])]).trap();
    for engine in ENGINES {
        let m = Machine::new(&program, engine);
        m.space.store32(DATA, 0).unwrap();
        let thread = || {
            let mut thread = m.thread.clone();
            (thread.regs.r[0], thread.regs.r[1]) = (30_000, DATA);
            thread
        };
        at_once(&m, (0..3).map(|_| thread()).collect());
        assert_eq!(m.space.load32(DATA).unwrap(), 90_000, "{engine:?}");
    }
}

/// Everything that a thread has goes with it, wherever it was stopped.
#[test]
fn a_thread_that_goes_from_host_thread_to_host_thread_computes_the_same() {
    const HOSTS: usize = 3;
    let program = workout();
    let expected = {
        let mut m = Machine::new(&program, Engine::Interpreter);
        assert_eq!(m.cpu.run(&mut m.thread, &m.space, 1 << 20), END);
        (state(&m.thread), data(&m))
    };
    for engine in ENGINES {
        for budget in [1, 3, 10, 25] {
            let m = Machine::new(&program, engine);
            let (to, mut from): (Vec<_>, Vec<_>) =
                (0..HOSTS).map(|_| std::sync::mpsc::channel::<Thread>()).unzip();
            let turns = AtomicUsize::new(0);
            to[0].send(m.thread.clone()).unwrap();
            let ended = std::thread::scope(|scope| {
                let hosts: Vec<_> = from
                    .drain(..)
                    .enumerate()
                    .map(|(me, from)| {
                        let next = to[(me + 1) % HOSTS].clone();
                        let (turns, space, translator) = (&turns, &m.space, m.translator.clone());
                        scope.spawn(move || {
                            let mut cpu = Cpu::new(Arch::V68).with_translator(translator);
                            while let Ok(mut thread) = from.recv() {
                                if thread.packets == u64::MAX {
                                    break;
                                }
                                turns.fetch_add(1, SeqCst);
                                match cpu.run(&mut thread, space, budget) {
                                    Exit::Budget => next.send(thread).unwrap(),
                                    END => return Some(thread),
                                    other => panic!("{other:?}"),
                                }
                            }
                            None
                        })
                    })
                    .collect();
                // Whoever has the end tells the others.
                while hosts.iter().all(|host| !host.is_finished()) {
                    std::thread::yield_now();
                }
                for to in &to {
                    let mut over = m.thread.clone();
                    over.packets = u64::MAX;
                    let _ = to.send(over);
                }
                hosts.into_iter().find_map(|host| host.join().unwrap()).unwrap()
            });
            assert!(turns.into_inner() > HOSTS);
            assert_eq!((state(&ended), data(&m)), expected, "{engine:?}, {budget}");
        }
    }
}

/// What can be seen of a thread.
#[derive(Debug, PartialEq)]
struct Seen {
    general: Vec<u32>,
    predicates: Vec<u8>,
    control: Vec<u32>,
    vectors: Vec<[u8; 128]>,
    counts: [u64; 3],
}

fn state(thread: &Thread) -> Seen {
    let regs = &thread.regs;
    Seen {
        general: regs.r.iter().copied().collect(),
        predicates: regs.p.iter().copied().collect(),
        control: regs.c.iter().copied().collect(),
        vectors: regs.hvx.v.iter().copied().collect(),
        counts: [thread.packets, thread.insns, thread.hvx_insns],
    }
}

fn data(m: &Machine) -> Vec<u8> {
    let mut data = vec![0; crate::mem::PAGE_SIZE as usize];
    m.space.load(DATA, &mut data).unwrap();
    data
}

#[test]
#[ignore = "a measurement"]
fn rounds_in_which_neither_thread_sees_the_other_without_a_barrier() {
    for engine in ENGINES {
        for _ in 0..3 {
            eprintln!("{engine:?}: {} of 1000000", neither_saw(engine, false, 1_000_000));
        }
    }
}
