//! The bodies of the fuzz targets (`fuzz/`) with random bytes, and with good ones that are damaged, as `cargo fuzz` would find them.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use proptest::collection::vec;
use proptest::prelude::*;

/// Good bytes with some changed, and cut somewhere.
fn damaged(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = good.len();
    let changes = vec((0..len, any::<u8>()), 0..12);
    (changes, prop_oneof![3 => Just(len), 1 => 0..len]).prop_map(move |(changes, end)| {
        let mut bytes = good.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(end);
        bytes
    })
}

/// The beginning of a run that this program recorded.
fn recorded() -> Vec<u8> {
    include_bytes!("recorded/runs/calculator-7.3.pcapng")[..16 * 1024].to_vec()
}

const CASE: &str = include_str!("../../../scenarios/smoke/late-answer.toml");

proptest! {
    #[test]
    fn any_bytes_as_packets(data in vec(any::<u8>(), 0..1200)) {
        bodies::packet(&data);
    }

    #[test]
    fn any_bytes_as_a_recording(data in vec(any::<u8>(), 0..300)) {
        bodies::recording(&data);
    }

    #[test]
    fn a_damaged_recording(data in damaged(recorded())) {
        bodies::recording(&data);
    }

    #[test]
    fn a_damaged_case(data in damaged(CASE.as_bytes().to_vec())) {
        bodies::scenario(&data);
    }

    #[test]
    fn any_condition(condition in "[a-z0-9 ()+*/%<>=!&|^~.-]{0,40}") {
        bodies::scenario(format!("[[rule]]\non = \"answer\"\nif = \"{condition}\"\ndo = [{{ drop = true }}]\n").as_bytes());
    }
}

#[test]
fn what_is_damaged_was_good() {
    assert!(emu_lab::scenario::Case::parse(CASE, "case").is_ok());
    let good = recorded();
    let mut reader = emu_lab::trace::read::Reader::of(good.as_slice(), "run".as_ref());
    let packets = std::iter::from_fn(|| reader.next_record().ok().flatten()).count();
    assert!(packets > 50, "{packets}");
}
