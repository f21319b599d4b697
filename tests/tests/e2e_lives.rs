//! Programs over the unmodified library that are killed at every step of their lives, and a gibibyte that is mapped in pieces, in a guest:
//! one boot a kernel runs `guest/lives.sh`. Afterwards the DSP is as it was before.
//!
//! What the driver keeps is not judged: a program that ends while one of its calls is under way, as its listener's always is, is never
//! freed by the stock drivers of either kernel, although its calls and its RELEASE were answered (`--account` tells). Each costs the
//! guest its memory and the channel one of 255 numbers for calls; when they are gone, RELEASE itself fails with ENOSPC. So the DSP is
//! stopped and started after every hundred.
//!
//! `VH_KILLS=500 cargo test -p tests --test e2e_lives` kills so many; without it is 60.

use tests::assets;
use tests::run::{Run, assert_has};

/// What the emulator may have grown by, in KiB: less than a tenth of what the processes had.
const GROWTH: u64 = 5 * 1024;

/// How many programs are killed.
fn kills() -> u64 {
    let wanted = std::env::var("VH_KILLS").ok();
    wanted.map_or(60, |n| n.parse().expect("VH_KILLS is a number"))
}

fn lives(series: &str) {
    if let Err(why) = tests::guest::requirements(series) {
        return assets::skip(&why);
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = tests::guest::program_or_skip("gibibyte", &[], folder.path()) else {
        return;
    };
    let kills = kills();
    let script = format!("KILLS={kills}\n{}", include_str!("../guest/lives.sh"));
    let file = format!("{}:/vh/bin/gibibyte", program.display());
    // What the driver never frees is some 3 MiB for each of a fifth of them.
    let ram = format!("{}M", 2048 + kills);
    let arguments = ["--platform", "board", "--ram", &ram, "--file", &file];
    let run = Run::boot("lives", series, &script, &arguments);
    let Some(run) = assets::or_skip(run) else {
        return;
    };
    run.section("end");
    let text = run.section("kills");
    let (killed, over) = (run.number("kills", "killed "), run.number("kills", "over "));
    assert_eq!(killed + over, kills, "{text}");
    assert!(killed >= kills / 2, "{text}");
    for line in ["Sum = 499500", "Max value = 999", "status 0"] {
        assert_has(text, line);
    }
    let text = run.section("gibibyte");
    for line in ["round 2 right", "status 0"] {
        assert_has(text, line);
    }
    let kernel = run.section("kernel");
    assert!(kernel.trim().is_empty(), "{kernel}");
    for (what, from, to) in [("kills", "before", "after"), ("gibibyte", "mapped", "unmapped")] {
        for moment in [from, to] {
            let status = run.status(moment);
            let cdsp = status.iter().find(|dsp| dsp.label == "cdsp");
            let cdsp = cdsp.unwrap_or_else(|| panic!("no cdsp: {status:?}"));
            assert_eq!((cdsp.processes, cdsp.open_calls), (0, 0), "{moment}: {status:?}");
        }
        let (before, after) = (run.sample(from), run.sample(to));
        println!("{series}, {what}: emulator {before} KiB before, {after} KiB after");
        assert!(after < before + GROWTH, "{what}: from {before} to {after} KiB");
    }
}

#[test]
fn killed_programs_and_a_gibibyte_leave_nothing_on_6_12() {
    lives("6.12");
}

#[test]
fn killed_programs_and_a_gibibyte_leave_nothing_on_the_newest() {
    lives("newest");
}
