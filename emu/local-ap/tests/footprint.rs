//! What a DSP process costs the host, measured: in a program of its own, so that nobody else's memory counts.

// What only the other tests call.
mod resident;
#[allow(dead_code)]
#[path = "services/support.rs"]
mod support;

use resident::resident;
use support::*;

/// Processes that are measured.
const PROCESSES: u32 = 6;

#[test]
fn an_opened_calculator_costs_less_than_four_mebibytes() {
    let dir = own_skeleton("calculator");
    let mut config = config();
    config.streams = (1..=PROCESSES + 1)
        .map(|sid| (sid, 0x1000 + sid as u16))
        .collect();
    let driver = machine(config);
    let open = |n: u32| {
        let (client, _) = client(&driver, 1 + n, 7 + n as i32, std::slice::from_ref(&dir));
        client.open(&uri("calculator")).unwrap();
        client
    };
    // What comes with the first one is the DSP's.
    let first = open(0);
    let before = resident();
    let others: Vec<_> = (1..=PROCESSES).map(open).collect();
    let each = resident().saturating_sub(before) / u64::from(PROCESSES);
    println!("{each} KiB of anonymous memory for each process with an opened calculator");
    assert!(each < 4 << 10, "{each} KiB");
    drop((first, others));
}
