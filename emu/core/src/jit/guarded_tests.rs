//! The guarded window: accesses that the host makes or refuses, without a check of ours.

use std::sync::atomic::Ordering::Relaxed;

use hexagon_isa::{EndLoop, Opcode};

use super::Engine;
use super::tests::{CODE, DATA, END, Machine, Program, i};
use crate::mem::{PAGE_SIZE, Prot};
use crate::memory::Memory as _;
use crate::{Exception, Exit};

/// A page of guest RAM, which is not in the window.
const RAM: u32 = 0x20_0000;
const WORDS: u32 = 64;

/// Adds to each word from r0 on, and sums them up in r2.
fn adding() -> Program {
    Program::default()
        .packet(&[
            i(Opcode::J2_loop0i, &[4, WORDS as i32]),
            i(Opcode::A2_tfrsi, &[2, 0]),
        ])
        .packet(&[i(Opcode::L2_loadri_io, &[3, 0, 0])])
        .packet(&[i(Opcode::A2_add, &[2, 2, 3]), i(Opcode::A2_addi, &[3, 3, 5])])
        .ending(
            &[i(Opcode::S2_storeri_pi, &[0, 4, 3]), i(Opcode::A2_nop, &[])],
            EndLoop::Loop0,
        )
        .trap()
}

fn machine(program: &Program, engine: Engine) -> Machine {
    let m = Machine::new(program, engine);
    m.space.map_physical(Some(RAM), 0, PAGE_SIZE, Prot::RW).unwrap();
    m
}

/// Runs it on the words at `at`: their sum before, and how often the interpreter did a packet for a unit.
#[track_caller]
fn added(m: &mut Machine, at: u32) -> (u32, u64) {
    let interpreted = |m: &Machine| {
        m.translator
            .as_ref()
            .map_or(0, |t| t.statistics.interpreted.load(Relaxed))
    };
    let before = interpreted(m);
    (m.thread.regs.pc, m.thread.regs.r[0]) = (CODE, at);
    assert_eq!(m.run(10_000).exit, END);
    (m.thread.regs.r[2], interpreted(m) - before)
}

#[test]
fn what_the_host_refuses_once_is_asked_for_from_then_on() {
    let mut m = machine(&adding(), Engine::Translator);
    let mut interpreted = machine(&adding(), Engine::Interpreter);
    let trap = 1;
    // Fills the table; and then nothing is left to the interpreter but the trap.
    for at in [DATA, DATA, DATA] {
        let (sum, left) = added(&mut m, at);
        assert_eq!((sum, left), (added(&mut interpreted, at).0, trap));
    }
    let mut left = Vec::new();
    for at in [RAM, RAM, DATA, RAM, DATA] {
        let (sum, times) = added(&mut m, at);
        assert_eq!(sum, added(&mut interpreted, at).0);
        assert_eq!(m.thread.packets, interpreted.thread.packets);
        left.push(times - trap);
    }
    // The host refuses the load. Then the page is not in the table yet, for the load that asks.
    assert!(left[0] <= 2, "{left:?}");
    assert_eq!(left[1..], [0; 4]);
}

#[test]
fn a_page_that_was_taken_away_is_out_of_reach_at_once() {
    // Stores for ever.
    let program = Program::default()
        .packet(&[i(Opcode::A2_addi, &[1, 1, 1])])
        .packet(&[i(Opcode::S2_storeri_io, &[0, 0, 1]), i(Opcode::J2_jump, &[-4])]);
    for round in 0..100 {
        let mut m = Machine::new(&program, Engine::Translator);
        (m.thread.regs.pc, m.thread.regs.r[1]) = (CODE, 0);
        m.space.store32(DATA, 0).unwrap();
        let Machine {
            space, cpu, thread, ..
        } = &mut m;
        let space = &*space;
        let exit = std::thread::scope(|scope| {
            let runs = scope.spawn(|| {
                loop {
                    let exit = cpu.run(thread, space, 1 << 20);
                    if exit != Exit::Budget {
                        return exit;
                    }
                }
            });
            while space.load32(DATA).unwrap() < 1000 * round {
                std::hint::spin_loop();
            }
            space.unmap(DATA, PAGE_SIZE).unwrap();
            space.map_anonymous(Some(DATA), PAGE_SIZE, Prot::READ).unwrap();
            runs.join().unwrap()
        });
        assert!(
            matches!(exit, Exit::Exception(Exception::Memory { .. })),
            "{exit:?}"
        );
        assert_eq!(space.load32(DATA).unwrap(), 0, "round {round}: a store came late");
    }
}
