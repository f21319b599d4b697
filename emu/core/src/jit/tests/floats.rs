//! Floats of the host's: results that are not to be trusted, and registers that stay floats.

use hexagon_isa::state::usr;

use super::*;

const ONE: u32 = 0x3f80_0000;
/// So little that a sum with one is rounded.
const LITTLE: u32 = 0x2edb_e6ff;
/// Its square is too small for any number.
const TINY: u32 = 0x0da2_4260;
/// Rounds of a loop: more than a unit is left before it is made again.
const ROUNDS: u32 = 3000;

/// A loop of these packets.
fn rounds(body: &[&[Insn]]) -> Program {
    let mut program = Program::default().packet(&[i(Opcode::J2_loop0r, &[4, 1])]);
    for (k, packet) in body.iter().enumerate() {
        let last = k == body.len() - 1;
        program = program.ending(packet, if last { EndLoop::Loop0 } else { EndLoop::None });
    }
    program.trap()
}

fn fill(m: &mut Machine, inexact: bool) {
    let r = &mut m.thread.regs;
    (r.r[1], r.r[4], r.r[5], r.r[6]) = (ROUNDS, ONE, TINY, LITTLE);
    if inexact {
        r.c[Ctl::Usr] |= usr::FPINPF;
    }
}

const NOP: fn() -> Insn = || i(Opcode::A2_nop, &[]);

#[test]
fn a_packet_whose_floats_are_often_not_trusted_calls() {
    // Products that are too small, in a packet and beside one that is trusted; r7 grows, r9 is used as both.
    let body: &[&[Insn]] = &[
        &[i(Opcode::F2_sfmpy, &[8, 5, 5])],
        &[i(Opcode::F2_sfadd, &[7, 7, 6])],
        &[i(Opcode::F2_sfsub, &[9, 7, 8]), i(Opcode::A2_addi, &[10, 10, 1])],
        &[i(Opcode::A2_addi, &[9, 9, 1]), NOP()],
    ];
    for inexact in [true, false] {
        let (end, left) = both(&rounds(body), 1 << 20, |m| fill(m, inexact));
        assert_eq!(
            (end.exit, end.general[10].wrapping_sub(10 * 0x0123_4567)),
            (END, ROUNDS)
        );
        // It was left until the unit was made again, and then no more.
        assert!((900..1300).contains(&left), "{left}");
        for budget in [1, 7, 100] {
            both(&rounds(body), budget, |m| {
                fill(m, inexact);
                m.thread.regs.r[1] = 40;
            });
        }
    }
}

#[test]
fn a_factor_of_zero_is_trusted() {
    // Plus and minus zero, times one; infinity times one is not to be trusted, and left.
    let body: &[&[Insn]] = &[
        &[i(Opcode::F2_sfmpy, &[8, 4, 11])],
        &[i(Opcode::F2_sfmpy, &[9, 12, 4]), i(Opcode::A2_addi, &[10, 10, 1])],
    ];
    for (factors, often) in [([0, 0x8000_0000], false), ([0, 0x7f80_0000], true)] {
        let (end, left) = both(&rounds(body), 1 << 20, |m| {
            fill(m, true);
            (m.thread.regs.r[11], m.thread.regs.r[12]) = (factors[0], factors[1]);
        });
        assert_eq!(end.exit, END);
        assert_eq!(left > 100, often, "{left}");
    }
}

#[test]
fn exact_floats_that_raise_nothing_come_to_call() {
    // "Inexact" is never raised, so nothing is ever settled.
    let body: &[&[Insn]] = &[
        &[i(Opcode::F2_sfadd, &[7, 4, 4])],
        &[
            i(Opcode::F2_sfcmpgt, &[0, 7, 4]),
            i(Opcode::A2_addi, &[10, 10, 1]),
        ],
    ];
    let (end, left) = both(&rounds(body), 1 << 20, |m| fill(m, false));
    assert_eq!(end.exit, END);
    assert!((900..2300).contains(&left), "{left}");
}

#[test]
fn registers_stay_floats_round_a_loop() {
    // x = x * x - y * y + c, y = -(x * y) + c, as Mandelbrot's set has it; a float moves through integer instructions and memory.
    let body: &[&[Insn]] = &[
        &[i(Opcode::F2_sfmpy, &[8, 11, 11]), i(Opcode::A2_tfr, &[14, 12])],
        &[
            i(Opcode::F2_sfmpy, &[9, 12, 12]),
            i(Opcode::S2_storeri_io, &[0, 0x40, 11]),
        ],
        &[
            i(Opcode::F2_sfmpy, &[12, 11, 12]),
            i(Opcode::F2_sfsub, &[8, 8, 9]),
        ],
        &[
            i(Opcode::F2_sfadd, &[11, 8, 6]),
            i(Opcode::L2_loadri_io, &[13, 0, 0x40]),
        ],
        &[i(Opcode::F2_sffms, &[12, 14, 13, 12])],
        &[
            i(Opcode::F2_sfadd, &[12, 12, 4]),
            i(Opcode::A2_xor, &[15, 15, 12]),
        ],
    ];
    for (x, y) in [
        (0x3e99_999a, 0x3f00_0000),
        (0xbf40_0000, 0x3dcc_cccd),
        (0x7f00_0000, 0x7f00_0000),
    ] {
        for budget in [1 << 20, 50, 1] {
            both(&rounds(body), budget, |m| {
                fill(m, true);
                (m.thread.regs.r[11], m.thread.regs.r[12]) = (x, y);
                m.thread.regs.r[1] = 200;
            });
        }
    }
}
