//! A short campaign of `tests::difftest` against every `qemu-hexagon` of this machine; `cargo xtask difftest` runs long ones.

use hexagon_isa::Opcode;
use tests::difftest::campaign::{Campaign, Options, run};
use tests::difftest::generate::not_asked;
use tests::difftest::run::Peer;

/// Packets against each peer.
const PACKETS: usize = 24_000;

#[test]
fn random_packets_do_what_qemu_does() {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    for (n, peer) in Peer::all_or_skip().iter().enumerate() {
        let campaign = Campaign::new(1 + n as u64, PACKETS, None);
        let options = Options {
            packets: PACKETS,
            peer,
            jobs,
            just: (None, None),
            from: 0,
            progress: &|_, _| {},
        };
        let outcome = run(&campaign, &options).expect("QEMU runs");
        println!(
            "{}: {} packets, {} cases, {} instructions reached",
            peer.name(),
            outcome.packets,
            outcome.cases,
            outcome.reached.len()
        );
        for finding in &outcome.findings {
            println!("{}", finding.text);
        }
        assert!(
            outcome.findings.is_empty(),
            "{} packets differ from {}",
            outcome.findings.len(),
            peer.name()
        );
        // The comparison means something only if the packets really ran.
        assert!(outcome.packets as usize >= PACKETS);
        assert!(outcome.reached.len() > 2000, "{}", outcome.reached.len());
    }
}

#[test]
fn a_wrong_answer_is_found() {
    // Two records that differ in one byte, in each part of a record: the harness must see each.
    use tests::difftest::program::{AREA_BYTES, SAVED_WORDS, VECTORS, record_bytes};
    use tests::difftest::run::{Record, difference};
    let same = vec![0u8; record_bytes(true)];
    assert!(difference(Record(&same), Record(&same)).is_empty());
    let last = 4 * SAVED_WORDS + AREA_BYTES + 128 * VECTORS - 1;
    for at in [0, 4 * 31, 4 * 32, 4 * 33, 4 * SAVED_WORDS, last] {
        let mut other = same.clone();
        other[at] = 1;
        assert_eq!(difference(Record(&other), Record(&same)).len(), 1, "{at}");
    }
}

#[test]
fn what_no_qemu_is_asked_about_has_a_reason() {
    let asked = Opcode::all().filter(|op| not_asked(*op).is_none()).count();
    assert!(asked > 2000);
    for op in Opcode::all() {
        if let Some(reason) = not_asked(op) {
            assert!(!reason.is_empty());
        }
    }
}
