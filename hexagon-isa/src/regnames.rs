//! Names of control, guest and supervisor registers. Source: Hexagon PRM, register chapters; the names that assemblers use.

use std::fmt;

const CONTROL: [&str; 32] = [
    "sa0",
    "lc0",
    "sa1",
    "lc1",
    "p3:0",
    "c5",
    "m0",
    "m1",
    "usr",
    "pc",
    "ugp",
    "gp",
    "cs0",
    "cs1",
    "upcyclelo",
    "upcyclehi",
    "framelimit",
    "framekey",
    "pktcountlo",
    "pktcounthi",
    "c20",
    "c21",
    "c22",
    "c23",
    "c24",
    "c25",
    "c26",
    "c27",
    "c28",
    "c29",
    "utimerlo",
    "utimerhi",
];

/// Names that control registers have besides: since V79 the performance counters. Source: QEMU, `tests/tcg/hexagon`, test of the
/// performance counters, which reads `upmucnt0` and so on as `c20` and so on.
const COUNTERS: &str = "upmucnt";
const FIRST_COUNTER: i32 = 20;

/// Registers of the other files that have names; the rest are a letter and their number.
const GUEST: [(i32, &str); 14] = [
    (0, "gelr"),
    (1, "gsr"),
    (2, "gosp"),
    (3, "gbadva"),
    (16, "gpmucnt4"),
    (17, "gpmucnt5"),
    (18, "gpmucnt6"),
    (19, "gpmucnt7"),
    (24, "gpcyclelo"),
    (25, "gpcyclehi"),
    (26, "gpmucnt0"),
    (27, "gpmucnt1"),
    (28, "gpmucnt2"),
    (29, "gpmucnt3"),
];

const SYSTEM: [(i32, &str); 37] = [
    (0, "sgp0"),
    (1, "sgp1"),
    (2, "stid"),
    (3, "elr"),
    (4, "badva0"),
    (5, "badva1"),
    (6, "ssr"),
    (7, "ccr"),
    (8, "htid"),
    (9, "badva"),
    (10, "imask"),
    (16, "evb"),
    (17, "modectl"),
    (18, "syscfg"),
    (21, "vid"),
    (27, "cfgbase"),
    (28, "diag"),
    (29, "rev"),
    (30, "pcyclelo"),
    (31, "pcyclehi"),
    (32, "isdbst"),
    (33, "isdbcfg0"),
    (34, "isdbcfg1"),
    (36, "brkptpc0"),
    (37, "brkptcfg0"),
    (38, "brkptpc1"),
    (39, "brkptcfg1"),
    (40, "isdbmbxin"),
    (41, "isdbmbxout"),
    (42, "isdben"),
    (43, "isdbgpr"),
    (48, "pmucnt0"),
    (49, "pmucnt1"),
    (50, "pmucnt2"),
    (51, "pmucnt3"),
    (52, "pmuevtcfg"),
    (53, "pmucfg"),
];

/// Writes the name of control register `n`.
pub(crate) fn control(out: &mut impl fmt::Write, n: i32) -> fmt::Result {
    match usize::try_from(n).ok().and_then(|n| CONTROL.get(n)) {
        Some(name) => out.write_str(name),
        None => write!(out, "c{n}"),
    }
}

/// The number of the control register whose name a text begins with, and what is behind.
pub(crate) fn read_control(text: &str) -> Option<(i32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != ':')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let listed = CONTROL.iter().zip(0..).find(|(known, _)| **known == name);
    let number = |letters, most| {
        let digits: &str = name.strip_prefix(letters)?;
        digits.parse().ok().filter(|n| (0..most).contains(n))
    };
    let n = listed
        .map(|(_, n)| n)
        .or_else(|| number("c", 32))
        .or_else(|| Some(number(COUNTERS, 8)? + FIRST_COUNTER))?;
    Some((n, rest))
}

/// Writes the name of guest register `n`.
pub(crate) fn guest(out: &mut impl fmt::Write, n: i32) -> fmt::Result {
    listed(out, &GUEST, 'g', n)
}

/// Writes the name of supervisor register `n`.
pub(crate) fn system(out: &mut impl fmt::Write, n: i32) -> fmt::Result {
    listed(out, &SYSTEM, 's', n)
}

fn listed(out: &mut impl fmt::Write, names: &[(i32, &str)], letter: char, n: i32) -> fmt::Result {
    match names.iter().find(|(at, _)| *at == n) {
        Some((_, name)) => out.write_str(name),
        None => write!(out, "{letter}{n}"),
    }
}
