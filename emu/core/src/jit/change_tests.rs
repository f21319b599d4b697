//! Code that changes while there is something made of it: what lies in the changed pages goes, and nothing else.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

use hexagon_isa::{EndLoop, Opcode};

use super::tests::{CODE, DATA, END, Machine, Program, i};
use super::{Engine, Translator};
use crate::mem::{PAGE_SIZE, Prot};
use crate::memory::{CodeMemory as _, Memory as _};
use crate::{Cpu, Exception, Exit};

const ENGINES: [Engine; 2] = [Engine::Interpreter, Engine::Translator];
/// The page behind the first of the program's.
const NEXT: u32 = CODE + PAGE_SIZE;

/// Goes to r5 and, when that comes back, to the trap.
fn caller() -> Program {
    Program::default()
        .packet(&[i(Opcode::A2_addi, &[2, 2, 1])])
        .packet(&[i(Opcode::J2_callr, &[5])])
        .trap()
}

/// Adds to r1 and comes back.
fn adds(n: i32) -> Program {
    Program::default()
        .packet(&[i(Opcode::A2_addi, &[1, 1, n])])
        .packet(&[i(Opcode::J2_jumpr, &[31])])
}

fn put(m: &Machine, at: u32, program: &Program) {
    for (word, at) in program.0.iter().zip((at..).step_by(4)) {
        m.space.store32(at, *word).unwrap();
    }
}

/// Runs from the beginning to the trap: what was added to r1.
#[track_caller]
fn added(m: &mut Machine, to: u32) -> u32 {
    (m.thread.regs.pc, m.thread.regs.r[5], m.thread.regs.r[1]) = (CODE, to, 0);
    assert_eq!(m.run(1000).exit, END);
    m.thread.regs.r[1]
}

fn units(m: &Machine) -> u64 {
    m.translator
        .as_ref()
        .map_or(0, |t| t.statistics.units.load(Relaxed))
}

#[test]
fn what_lies_in_a_changed_page_goes_and_the_rest_stays() {
    for engine in ENGINES {
        let mut m = Machine::new(&caller(), engine);
        put(&m, NEXT, &adds(3));
        // Twice, so that blocks know where they are left to.
        assert_eq!((added(&mut m, NEXT), added(&mut m, NEXT)), (3, 3));
        let before = units(&m);
        for n in 4..20 {
            put(&m, NEXT, &adds(n));
            // Nobody said so yet.
            assert_eq!(added(&mut m, NEXT), n as u32 - 1);
            m.space.invalidate_code(NEXT, 4);
            assert_eq!((added(&mut m, NEXT), added(&mut m, NEXT)), (n as u32, n as u32));
        }
        if engine == Engine::Translator {
            assert_eq!(units(&m), before + 16, "one for each change");
        }
    }
}

#[test]
fn a_change_of_either_page_concerns_code_in_both() {
    for engine in ENGINES {
        // A packet of two words, one in each page.
        let two =
            |n| Program::default().packet(&[i(Opcode::A2_addi, &[1, 1, n]), i(Opcode::A2_addi, &[3, 3, 1])]);
        let mut m = Machine::new(&caller(), engine);
        let at = NEXT - 4;
        put(&m, at, &two(1));
        put(
            &m,
            NEXT + 4,
            &Program::default().packet(&[i(Opcode::J2_jumpr, &[31])]),
        );
        assert_eq!((added(&mut m, at), added(&mut m, at)), (1, 1));
        let words = two(2).0;
        m.space.store32(at, words[0]).unwrap();
        m.space.invalidate_code(at, 4);
        assert_eq!(added(&mut m, at), 2);
        // Its second half.
        let three = two(2);
        m.space
            .store32(
                NEXT,
                Program::default()
                    .packet(&[i(Opcode::A2_nop, &[]), i(Opcode::A2_addi, &[1, 1, 5])])
                    .0[1],
            )
            .unwrap();
        assert_eq!(three.0.len(), 2);
        m.space
            .store32(
                at,
                Program::default()
                    .packet(&[i(Opcode::A2_nop, &[]), i(Opcode::A2_addi, &[1, 1, 5])])
                    .0[0],
            )
            .unwrap();
        m.space.invalidate_code(NEXT, 4);
        assert_eq!(added(&mut m, at), 5);
    }
}

/// A unit goes over a direct jump into another page.
#[test]
fn a_unit_goes_with_each_page_that_it_was_made_of() {
    for engine in ENGINES {
        for changed in [CODE, NEXT] {
            let first = |n| {
                Program::default()
                    .packet(&[i(Opcode::A2_addi, &[1, 1, n])])
                    .packet(&[i(Opcode::J2_jump, &[(NEXT - CODE - 4) as i32])])
            };
            let second = |n| {
                Program::default()
                    .packet(&[i(Opcode::A2_addi, &[1, 1, n])])
                    .trap()
            };
            let mut m = Machine::new(&first(1), engine);
            put(&m, NEXT, &second(10));
            assert_eq!((added(&mut m, 0), added(&mut m, 0)), (11, 11));
            let expected = if changed == CODE {
                put(&m, CODE, &first(2));
                12
            } else {
                put(&m, NEXT, &second(20));
                21
            };
            m.space.invalidate_code(changed, 4);
            assert_eq!((added(&mut m, 0), added(&mut m, 0)), (expected, expected));
        }
    }
}

#[test]
fn a_place_that_could_not_be_translated_can_be_when_its_code_has_changed() {
    let mut m = Machine::new(&Program::default().trap(), Engine::Translator);
    assert_eq!((added(&mut m, 0), units(&m)), (0, 0));
    put(&m, CODE, &adds(1));
    put(&m, CODE + 4, &Program::default().trap());
    m.space.invalidate_code(CODE, 8);
    assert_eq!((added(&mut m, 0), units(&m)), (1, 1));
}

/// As `dlopen` and `dlclose` do: a library comes and goes, the program stays.
#[test]
fn libraries_that_come_and_go_leave_the_program_translated() {
    const ROUNDS: u32 = 1000;
    const LIBRARY: u32 = 0x40_0000;
    let mut m = Machine::new(&caller(), Engine::Translator);
    put(&m, NEXT, &adds(1));
    added(&mut m, NEXT);
    let before = units(&m);
    for n in 0..ROUNDS {
        m.space.map_anonymous(Some(LIBRARY), PAGE_SIZE, Prot::RW).unwrap();
        put(&m, LIBRARY, &adds(n as i32));
        m.space.protect(LIBRARY, PAGE_SIZE, Prot::RX).unwrap();
        assert_eq!(added(&mut m, LIBRARY), n);
        m.space.unmap(LIBRARY, PAGE_SIZE).unwrap();
        (m.thread.regs.pc, m.thread.regs.r[5]) = (CODE, LIBRARY);
        let exit = m.run(1000).exit;
        assert!(
            matches!(exit, Exit::Exception(Exception::Memory { pc: LIBRARY, .. })),
            "{exit:?}"
        );
        assert_eq!(added(&mut m, NEXT), 1);
    }
    assert_eq!(units(&m), before + u64::from(ROUNDS));
}

/// Both engines see a program's own changes at the same packets.
#[test]
fn a_program_that_changes_itself_does_the_same_on_both_engines() {
    // It stores the word at r6 over its own beginning, in each round of a loop; somebody says so when it traps.
    let program = Program::default()
        .packet(&[i(Opcode::A2_addi, &[1, 1, 1])])
        .packet(&[i(Opcode::L2_loadri_pi, &[7, 6, 4])])
        .packet(&[i(Opcode::J2_loop0i, &[4, 3])])
        .ending(
            &[
                i(Opcode::S2_storeri_io, &[4, 0, 7]),
                i(Opcode::A2_addi, &[3, 3, 1]),
            ],
            EndLoop::Loop0,
        )
        .trap();
    let mut machines = ENGINES.map(|engine| Machine::new(&program, engine));
    for m in &mut machines {
        for (n, at) in (0..20).zip((DATA..).step_by(4)) {
            m.space
                .store32(
                    at,
                    Program::default().packet(&[i(Opcode::A2_addi, &[1, 1, n])]).0[0],
                )
                .unwrap();
        }
        (m.thread.regs.r[6], m.thread.regs.r[4]) = (DATA, CODE);
    }
    for _ in 0..20 {
        let [a, b] = machines.each_mut().map(|m| {
            m.thread.regs.pc = CODE;
            let seen = m.run(1000);
            m.space.invalidate_code(CODE, 4);
            seen
        });
        assert_eq!(a, b);
        assert_eq!(a.exit, END);
    }
    assert_eq!(machines[0].thread.regs.r[1], machines[1].thread.regs.r[1]);
}

/// One host thread calls a page again and again that another takes away and maps anew with other code: whoever sees the new epoch
/// sees the new code.
#[test]
fn code_that_is_taken_away_under_a_running_thread_is_not_run_once_it_has_noticed() {
    const LIBRARY: u32 = 0x40_0000;
    const ROUNDS: u32 = 300;
    for engine in [Engine::Interpreter, Engine::Translator, Engine::Auto] {
        let m = Machine::new(&caller(), engine);
        let (space, translator) = (&m.space, m.translator.clone());
        let (current, over) = (AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let runner = |mut thread: crate::Thread| {
                let mut cpu = Cpu::new(hexagon_isa::Arch::V68).with_translator(translator.clone());
                let mut seen = 0;
                while !over.load(SeqCst) || seen == 0 {
                    let newest = current.load(SeqCst);
                    let epoch = space.code_epoch();
                    (thread.regs.pc, thread.regs.r[5], thread.regs.r[1]) = (CODE, LIBRARY, 0);
                    match cpu.run(&mut thread, space, 1000) {
                        Exit::Trap0 { imm: 7 } => {
                            let n = thread.regs.r[1];
                            assert!(n >= newest, "{engine:?}: {n} after {newest}");
                            seen += 1;
                        }
                        Exit::Exception(Exception::Memory { pc: LIBRARY, .. }) => {}
                        // An access in flight, to a page that is being cleared.
                        other => assert_ne!(space.code_epoch(), epoch, "{engine:?}: {other:?}"),
                    }
                }
            };
            let runners =
                [m.thread.clone(), m.thread.clone()].map(|thread| scope.spawn(move || runner(thread)));
            for n in 1..=ROUNDS {
                space.map_anonymous(Some(LIBRARY), PAGE_SIZE, Prot::RW).unwrap();
                for (word, at) in adds(n as i32).0.iter().zip((LIBRARY..).step_by(4)) {
                    space.store32(at, *word).unwrap();
                }
                space.protect(LIBRARY, PAGE_SIZE, Prot::RX).unwrap();
                current.store(n, SeqCst);
                std::thread::yield_now();
                if n < ROUNDS {
                    space.unmap(LIBRARY, PAGE_SIZE).unwrap();
                }
            }
            over.store(true, SeqCst);
            for runner in runners {
                runner.join().unwrap();
            }
        });
    }
}

/// What a translator was asked for and what changed before it was made is not found.
#[test]
fn a_unit_of_code_that_changes_while_it_is_made_is_not_found() {
    let translator = Translator::new(Engine::Auto).unwrap().unwrap();
    let m = Machine::new(&adds(1), Engine::Interpreter);
    let mut cpu = Cpu::new(hexagon_isa::Arch::V68).with_translator(Some(translator.clone()));
    let mut thread = m.thread.clone();
    for n in 1..60u32 {
        for (word, at) in adds(n as i32).0.iter().zip((CODE..).step_by(4)) {
            m.space.store32(at, *word).unwrap();
        }
        m.space.invalidate_code(CODE, 4);
        // Hot at once; changed while the other thread works on it, at another moment each time.
        for _ in 0..2100 + 7 * n {
            (thread.regs.pc, thread.regs.r[1], thread.regs.r[31]) = (CODE, 0, NEXT);
            let exit = cpu.run(&mut thread, &m.space, 2);
            assert_eq!((exit, thread.regs.r[1]), (Exit::Budget, n));
        }
    }
}
