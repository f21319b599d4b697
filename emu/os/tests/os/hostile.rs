//! Skeletons with random damage: whatever the bytes are, the process answers every call once, can be killed, and the
//! emulator itself does not fail.

use std::time::Duration;

use emu_os::crash::EMULATOR_FAILED;
use emu_os::invocation::Invocation;
use emu_os::process::State;
use proptest::prelude::*;

use super::host::{Options, Session, skeletons};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn damaged_skeletons_never_hurt_the_emulator(
        which in 0usize..3,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..40),
        method in 0u32..32,
    ) {
        let Some(dir) = skeletons() else { return Ok(()) };
        let name = ["calculator", "hap_example", "multithreading"][which];
        let mut bytes = std::fs::read(dir.join(format!("lib{name}_skel.so"))).unwrap();
        let len = bytes.len();
        for (index, value, head) in edits {
            // Headers and the code that runs first are worth more damage than the rest.
            let at = if head { 0x3000 + index.index(0x1000.min(len - 0x3000)) } else { index.index(len) };
            bytes[at] = value;
        }
        let s = Session::new(Options { may_grow: false, ..Options::new(dir) });
        s.file("damaged.so", bytes);
        let (opened_tx, opened) = std::sync::mpsc::channel();
        let (called_tx, called) = std::sync::mpsc::channel();
        let uri = format!("file:///damaged.so?{name}_skel_handle_invoke&_modver=1.0&_idlver=1.2.3");
        s.process.open(emu_os::uri::parse(&uri).unwrap(), Box::new(move |r| opened_tx.send(r).unwrap_or_default()));
        let mut answers = (0, 0);
        let mut calls = 0;
        // Damaged code may loop for ever: that is what kill is for.
        if let Ok(result) = opened.recv_timeout(Duration::from_millis(50)) {
            answers.0 += 1;
            if let Ok(handle) = result {
                let call = Invocation { handle, sc: method << 24, args: vec![], tid: 1, ctx: 0 };
                s.process.invoke(call, Box::new(move |r| called_tx.send(r).unwrap_or_default()));
                calls = 1;
                answers.1 += usize::from(called.recv_timeout(Duration::from_millis(50)).is_ok());
            }
        }
        let state = s.process.state();
        s.process.kill();
        answers.0 += opened.try_iter().count();
        answers.1 += called.try_iter().count();
        prop_assert_eq!(answers, (1, calls));
        if let State::Crashed(report) = state {
            prop_assert!(!report.cause.starts_with(EMULATOR_FAILED), "{report}");
        }
    }
}
