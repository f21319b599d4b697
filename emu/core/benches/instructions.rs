//! What single instructions on vectors, and multiplications of the matrix unit, cost the interpreter: `cargo bench -p emu-core`.
//!
//! The function of each instruction is called over and over with operands in one place: ns a call, the least of some rounds. One
//! column for each copy that this host's processor can run (see `VectorUnit`), by the old qfloat rules (V73) and the new ones
//! (V79). A word behind `--` leaves out the instructions whose name does not contain it.

use std::hint::black_box;
use std::time::Instant;

use emu_core::VectorUnit;
use hexagon_isa::interp::Exec;
use hexagon_isa::memory::Ram;
use hexagon_isa::state::{Args, Regs};
use hexagon_isa::{Arch, Opcode};

/// Rounds are short, so that on a busy machine some are not interrupted: calls of an instruction, of a multiplication of tiles.
const CALLS: u32 = 400;
const TILE_CALLS: u32 = 1;
const ROUNDS: usize = 300;

/// Destination, then the sources: vectors (pairs) 8, 0 and 2, general register 1.
const ONE: [i32; 3] = [8, 0, 0];
const TWO: [i32; 3] = [8, 0, 2];

/// What is measured: name and operands.
const INSTRUCTIONS: &[(&str, &[i32])] = &[
    ("V6_vadd_qf32", &TWO),
    ("V6_vadd_qf32_mix", &TWO),
    ("V6_vadd_sf", &TWO),
    ("V6_vsub_qf32", &TWO),
    ("V6_vsub_qf32_mix", &TWO),
    ("V6_vsub_sf", &TWO),
    ("V6_vmpy_qf32", &TWO),
    ("V6_vmpy_qf32_sf", &TWO),
    ("V6_vmpy_qf32_hf", &TWO),
    ("V6_vmpy_qf32_mix_hf", &TWO),
    ("V6_vmpy_qf32_qf16", &TWO),
    ("V6_vadd_qf16", &TWO),
    ("V6_vadd_qf16_mix", &TWO),
    ("V6_vadd_hf", &TWO),
    ("V6_vsub_qf16", &TWO),
    ("V6_vsub_qf16_mix", &TWO),
    ("V6_vsub_hf", &TWO),
    ("V6_vmpy_qf16", &TWO),
    ("V6_vmpy_qf16_mix_hf", &TWO),
    ("V6_vmpy_qf16_hf", &TWO),
    ("V6_vconv_sf_qf32", &ONE),
    ("V6_vconv_hf_qf32", &ONE),
    ("V6_vconv_hf_qf16", &ONE),
    ("V6_vconv_qf32_sf", &ONE),
    ("V6_vconv_qf32_qf32", &ONE),
    ("V6_vconv_qf16_hf", &ONE),
    ("V6_vconv_sf_w", &ONE),
    ("V6_vconv_w_sf", &ONE),
    ("V6_vconv_hf_h", &ONE),
    ("V6_vconv_h_hf", &ONE),
    ("V6_vadd_sf_sf", &TWO),
    ("V6_vmpy_sf_sf", &TWO),
    ("V6_vadd_sf_hf", &TWO),
    ("V6_vmpy_sf_hf", &TWO),
    ("V6_vmpy_sf_hf_acc", &TWO),
    ("V6_vadd_hf_hf", &TWO),
    ("V6_vmpy_hf_hf", &TWO),
    ("V6_vmpy_hf_hf_acc", &TWO),
    ("V6_vmpy_sf_bf_acc", &TWO),
    ("V6_vdmpy_sf_hf", &TWO),
    ("V6_vdmpy_sf_hf_acc", &TWO),
    ("V6_vmax_sf", &TWO),
    ("V6_vmax_hf", &TWO),
    ("V6_vfmax_hf", &TWO),
    ("V6_vgtsf", &[1, 0, 2]),
    ("V6_vgthf", &[1, 0, 2]),
    ("V6_vcvt_sf_hf", &ONE),
    ("V6_vcvt_hf_sf", &TWO),
    ("V6_vcvt_hf_h", &ONE),
    ("V6_vcvt_h_hf", &ONE),
    ("V6_vcvt_hf_ub", &ONE),
    ("V6_vcvt_ub_hf", &TWO),
    ("V6_vdelta", &TWO),
    ("V6_vrdelta", &TWO),
    ("V6_vshuffvdd", &[8, 0, 2, 1]),
    ("V6_vdealvdd", &[8, 0, 2, 1]),
    ("V6_vshuffh", &ONE),
    ("V6_vdealh", &ONE),
    ("V6_vpackeh", &TWO),
    ("V6_vror", &[8, 0, 1]),
    ("V6_valignb", &[8, 0, 2, 1]),
    ("V6_valignbi", &[8, 0, 2, 5]),
    ("V6_vlalignb", &[8, 0, 2, 1]),
    ("V6_vlalignbi", &[8, 0, 2, 5]),
    ("V6_vlutvvb", &[8, 0, 2, 1]),
    ("V6_vlutvvb_nm", &[8, 0, 2, 1]),
    ("V6_vlutvvb_oracci", &[8, 0, 2, 3]),
    ("V6_vlutvwh", &[8, 0, 2, 1]),
    ("V6_vlutvwh_nm", &[8, 0, 2, 1]),
    ("V6_vlutvwh_oracci", &[8, 0, 2, 3]),
    ("V6_vrmpybusv_acc", &TWO),
    ("V6_vrmpybv_acc", &TWO),
    ("V6_vmpyh", &[8, 0, 1]),
    ("V6_vaddw", &TWO),
    ("V6_vand", &TWO),
    ("V6_vmux", &[8, 1, 0, 2]),
];

/// Multiplications: the activation load, the weight load, the last byte's offset in the weights, products of one.
const TILES: &[(&str, &str, i32, u32)] = &[
    ("M8_mxmem_sm_act_hf", "M8_mxmem_wei_hf", 0x7ff, 32 * 32 * 32),
    ("M8_mxmem_sm_act_ub", "M8_mxmem_wei_b", 0x3ff, 64 * 32 * 32),
    ("M8_mxmem_dm_act_ub", "M8_mxmem_wei_b", 0x3ff, 64 * 32 * 32),
    ("M8_mxmem_dm_act_ub", "M8_mxmem_wei_n", 0x1ff, 64 * 32 * 32),
    ("M8_mxmem_dm_act_ub", "M8_mxmem_wei_c", 0xff, 64 * 32 * 32),
];

const VA: u32 = 0x1_0000;

/// A thread whose vectors hold numbers of ordinary size, and a memory with such tiles.
fn machine(arch: Arch) -> (Regs, Ram) {
    let (mut regs, ram) = (Regs::new(arch), Ram::new(VA, 0x1_0000));
    let mut seed = 1u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8
    };
    for n in 0..32u8 {
        for lane in regs.hvx.v.get_mut(n).chunks_exact_mut(4) {
            // As sf and as two hf: between 1/16 and 8; as qf32: with an exponent that is not far off.
            let (low, high) = (
                next() & 0x83ff | (0x2c + next() % 24) << 8,
                next() & 0x807f | (0x3d80 + ((next() % 6) << 7)),
            );
            lane.copy_from_slice(&((low & 0xff00 | (next() % 8 + 124)) | high << 16).to_le_bytes());
        }
    }
    regs.hvx.q.set(1, 0x5555_aaaa_0f0f_f0f0_1234_5678_9abc_def0);
    regs.r[1] = 0x1c;
    for at in (0..0x1_0000).step_by(2) {
        let half = (next() & 0x83ff | (0x2c + next() % 24) << 8) as u16;
        ram.write(VA + at, &half.to_le_bytes())
            .expect("the memory is so large");
    }
    (regs, ram)
}

fn function(unit: VectorUnit, name: &str) -> Exec<Ram> {
    let op = Opcode::from_name(name).unwrap_or_else(|| panic!("no instruction {name}"));
    unit.exec(op).unwrap_or_else(|| panic!("{name} has no meaning"))
}

fn operands(v: &[i32]) -> Args {
    let mut args = Args::default();
    for (to, v) in args.v.iter_mut().zip(v) {
        *to = *v;
    }
    args
}

/// ns a call.
fn time(calls: u32, mut call: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .fold(f64::INFINITY, f64::min)
}

fn instruction(unit: VectorUnit, arch: Arch, name: &str, v: &[i32]) -> f64 {
    let (mut regs, _) = machine(arch);
    // From V79 on: sources with hidden bits of their own, as results of qfloat have them.
    for n in [0, 1, 2, 3] {
        if let Exec::Register(f) = function(unit, "V6_vadd_qf32") {
            f(&mut regs, &operands(&[n, n, n + 8]));
        }
    }
    let args = operands(v);
    match function(unit, name) {
        Exec::Register(f) => time(CALLS, || f(black_box(&mut regs), black_box(&args))),
        Exec::Memory(_) => panic!("{name} accesses memory"),
    }
}

fn tiles(unit: VectorUnit, arch: Arch, (activation, weight, end, _): (&str, &str, i32, u32)) -> f64 {
    let (mut regs, ram) = machine(arch);
    regs.r[2] = VA;
    regs.r[3] = 0x7ff;
    regs.r[4] = VA + 0x4000;
    regs.r[5] = end as u32;
    let (activations, weights) = (operands(&[2, 3]), operands(&[4, 5]));
    match (function(unit, activation), function(unit, weight)) {
        (Exec::Memory(a), Exec::Memory(w)) => time(TILE_CALLS, || {
            a(black_box(&mut regs), &ram, &activations).expect("the memory is there");
            w(black_box(&mut regs), &ram, &weights).expect("the memory is there");
        }),
        _ => panic!("{weight} accesses no memory"),
    }
}

fn main() {
    let only = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let wanted = |name: &str| only.as_ref().is_none_or(|o| name.contains(o.as_str()));
    let columns: Vec<_> = [Arch::V73, Arch::V79]
        .into_iter()
        .flat_map(|arch| VectorUnit::all().into_iter().map(move |unit| (arch, unit)))
        .collect();
    print!("{:<22}", "ns");
    for (arch, unit) in &columns {
        print!(" {:>12}", format!("{arch} {unit}"));
    }
    println!();
    for (name, v) in INSTRUCTIONS.iter().filter(|(name, _)| wanted(name)) {
        print!("{name:<22}");
        for (arch, unit) in &columns {
            print!(" {:>12.1}", instruction(*unit, *arch, name, v));
        }
        println!();
    }
    println!("\nmultiply-adds a ns");
    for tile in TILES.iter().filter(|t| wanted(t.1)) {
        print!("{:<22}", format!("{} {}", &tile.0[8..], &tile.1[12..]));
        for (arch, unit) in &columns {
            print!(" {:>12.3}", f64::from(tile.3) / tiles(*unit, *arch, *tile));
        }
        println!();
    }
}
