//! QDA's rules: what is the driver's, what a program's, and what it passes on.

use super::play::*;
use emu_lab::account::Kind;
use emu_local_ap::DmaBuffer;
use rpmsg::fastrpc::build::ApArg;
use rpmsg::fastrpc::control::Control;
use std::time::Duration;

fn qda() -> Play {
    Play::with(Kernel::Qda, Duration::ZERO)
}

fn memory_of_session(play: &mut Play) -> DmaBuffer {
    let memory = play.create();
    // One message of the file shows which driver it is.
    let call = play.call(0, vec![]);
    play.finish(&call, 0);
    memory
}

/// The buffer of a program is told for both kinds of mapping and as an argument, and unmapped twice, which QDA passes on.
#[test]
fn a_buffer_of_a_programs_may_be_told_for_everything() {
    let mut play = qda();
    let memory = memory_of_session(&mut play);
    let buffer = play.alloc(0x10000);
    let call = play.control(&Control::Mmap {
        client: CLIENT,
        flags: 0x1000,
        vaddr: 0,
        page: Play::page(buffer),
    });
    play.output(&call, 0x4000_0000);
    play.finish(&call, 0);
    play.mem_map(4, buffer, 0x5000_0000);
    let call = play.call(
        0x0200_0010,
        vec![ApArg::Handle {
            fd: 4,
            offset: 0,
            len: 0x10000,
            page: Play::page(buffer),
        }],
    );
    play.finish(&call, 0);
    for retval in [0, 0x8000_0448] {
        let call = play.munmap(0x10000, 0x4000_0000);
        play.finish(&call, retval);
        let call = play.mem_unmap(4, 0x10000, 0x5000_0000);
        play.finish(&call, retval);
    }
    // A program may call handle 1 itself.
    let call = play.call_on(SID, 0, 1, 30 << 24, vec![]);
    play.finish(&call, 0x8000_0414);
    play.release();
    play.drop(memory);
    play.drop(buffer);
    assert_eq!(play.end(), []);
    assert_eq!(play.report().totals.passed_on, 3);
    assert!(
        play.report().summary().contains("clean"),
        "{}",
        play.report().summary()
    );
}

/// What the same messages of fastrpc's say is told.
#[test]
fn fastrpc_is_held_to_its_own_rules() {
    let mut play = Play::new();
    play.create();
    let buffer = play.mmap(0x10000, 0x4000_0000);
    play.mem_map(4, buffer, 0x5000_0000);
    for retval in [0, 0x8000_0448] {
        let call = play.munmap(0x10000, 0x4000_0000);
        play.finish(&call, retval);
    }
    assert_eq!(play.kinds(), [Kind::BadPages, Kind::DoubleUnmap]);
    assert_eq!(play.report().totals.passed_on, 0);
}

/// The posting of May 2026 keeps the 4 MiB of every session.
#[test]
fn initial_memory_that_stays_is_told_for_each_session() {
    let mut play = qda();
    for _ in 0..2 {
        memory_of_session(&mut play);
        play.release();
    }
    let found = play.end();
    let kinds: Vec<Kind> = found.iter().map(|f| f.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::MemoryNotReturned,
            Kind::MemoryNotReturned,
            Kind::BankNotClean
        ]
    );
    assert!(found.iter().all(|f| f.fields["driver"] == "qda"), "{found:?}");
}

/// A program's DMA-BUF outlives the file that made it, and the process's next file has the same context bank.
#[test]
fn a_buffer_that_a_program_holds_is_not_left_behind() {
    let mut play = qda();
    let memory = memory_of_session(&mut play);
    let buffer = play.alloc(0x10000);
    play.mem_map(4, buffer, 0x5000_0000);
    play.release();
    play.drop(memory);
    let memory = memory_of_session(&mut play);
    play.release();
    play.drop(memory);
    // The channel goes away while the program holds it.
    play.inbound(&emu_os::action::Inbound::Started);
    assert_eq!(play.kinds(), []);
    let memory = memory_of_session(&mut play);
    play.mem_map(4, buffer, 0x5000_0000);
    let call = play.control(&Control::Mmap {
        client: CLIENT,
        flags: 0x1000,
        vaddr: 0,
        page: Play::page(buffer),
    });
    play.output(&call, 0x6000_0000);
    play.finish(&call, 0);
    play.release();
    play.drop(memory);
    // No program is left, but the buffer is.
    let found = play.end();
    let kinds: Vec<Kind> = found.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [Kind::StillMapped]);
    assert_eq!(
        (found[0].bytes(), found[0].fields["what"].as_str()),
        (0x10000, "buffer")
    );
}

/// A number that is given out again while its call is open: that is told as what it is, and the calls are counted.
#[test]
fn a_number_that_a_signal_freed_is_the_next_calls() {
    let mut play = qda();
    let memory = memory_of_session(&mut play);
    let older = play.call(0, vec![]);
    play.interrupt(&older);
    let newer = play.call(0, vec![]);
    assert_eq!(older.ctx, newer.ctx);
    assert_eq!(play.kinds(), [Kind::ContextReused]);
    let found = play.report().findings;
    assert!(found[0].text.contains("taken for the new one's"), "{found:?}");
    assert_eq!(play.census().contexts, 1, "the driver waits for one of them");
    play.finish(&newer, 0);
    // The older call's answer finds nothing.
    play.finish(&older, 0);
    assert_eq!(play.report().totals.stray_answers, 1);
    play.release();
    play.drop(memory);
    assert_eq!(play.end().len(), 1);
}

/// A call whose memory stays: what travelled in its invoke buffer is not told once more, as a program's.
#[test]
fn an_invoke_buffer_that_stays_is_told_with_its_arguments() {
    let mut play = qda();
    let memory = memory_of_session(&mut play);
    let call = play.call(
        0x0001_0000,
        vec![ApArg::In {
            addr: USER,
            data: &[1; 100],
        }],
    );
    play.answer(&call, 0);
    play.release();
    play.drop(memory);
    let found = play.end();
    let what: Vec<&str> = found.iter().map(|f| f.fields["what"].as_str()).collect();
    assert_eq!(what, ["invoke-buffer"]);
}

/// More calls than fastrpc.c has numbers for.
#[test]
fn hundreds_of_calls_are_answered_by_their_whole_numbers() {
    let mut play = qda();
    let memory = memory_of_session(&mut play);
    let calls: Vec<Call> = (0..300).map(|_| play.call(0, vec![])).collect();
    assert_eq!(play.census().contexts, 300);
    for call in &calls {
        play.finish(call, 0);
    }
    assert_eq!(
        (play.census().contexts, play.report().totals.stray_answers),
        (0, 0)
    );
    play.release();
    play.drop(memory);
    assert_eq!(play.end(), []);
}
