//! The matrix unit on our core: what the vendor's simulator printed, tiles as programs lay them out, faults.

use emu_core::VectorUnit;
use hexagon_isa::{Arch, Insn, Opcode};
use tests::difftest::program::insn;
use tests::model::{AREA_BASE, Runner, State};

/// Runs packets one after the other on one thread.
struct Unit {
    runner: Runner,
    state: State,
}

impl Unit {
    fn new(arch: Arch) -> Unit {
        Unit {
            runner: Runner::new(arch, VectorUnit::best()).expect("a core"),
            state: State::new(arch),
        }
    }

    fn run(&mut self, packet: &[Insn]) -> anyhow::Result<()> {
        let ready = self.runner.ready(packet)?;
        self.state = self.runner.run(ready, &self.state)?;
        Ok(())
    }

    /// One instruction with two registers of these values.
    fn run_instruction(&mut self, name: &str, rs: u32, rt: u32) {
        let op = Opcode::from_name(name).expect("the instruction");
        (self.state.r[2], self.state.r[3]) = (rs, rt);
        let registers = &[2, 3][..op.info().operands.len()];
        self.run(&[insn(op, registers, None)]).expect(name);
    }

    /// An activation load and a weight load.
    fn multiply(&mut self, names: [&str; 2], activation: (u32, u32), weight: (u32, u32)) {
        let [a, w] = names.map(|n| Opcode::from_name(n).expect("the instruction"));
        (self.state.r[2], self.state.r[3]) = activation;
        (self.state.r[4], self.state.r[5]) = weight;
        self.run(&[insn(a, &[2, 3], None), insn(w, &[4, 5], None)])
            .expect("a product");
    }

    fn memory(&mut self, at: u32) -> &mut [u8] {
        &mut self.state.mem[(at - AREA_BASE) as usize..]
    }
}

const ACTIVATION: u32 = AREA_BASE;
const OUTPUT: u32 = AREA_BASE + 0x800;
const WEIGHT: u32 = AREA_BASE + 0x1000;
const BIAS: u32 = AREA_BASE + 0x1800;

/// What the vendor's test of the unit (qemu-hexagon-testing, hmx.c) puts in, and what its simulator gave for each position.
#[test]
fn the_vendors_test_gives_what_the_vendors_simulator_gave() {
    const EXPECTED: [u8; 32] = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5, 11, 22, 46, 94, 192, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255,
    ];
    for arch in [Arch::V68, Arch::V73, Arch::V81] {
        let mut unit = Unit::new(arch);
        for (n, b) in unit.memory(ACTIVATION)[..2048].iter_mut().enumerate() {
            *b = n as u8 % 2;
        }
        for (n, b) in unit.memory(WEIGHT)[..128].iter_mut().enumerate() {
            *b = n as u8;
        }
        for (n, b) in unit.memory(BIAS)[..256].chunks_exact_mut(4).enumerate() {
            b.copy_from_slice(&((n as u32) << 10).to_le_bytes());
        }
        unit.run_instruction("M8_mxclracc", 0, 0);
        unit.run_instruction("M8_mxmem2_bias", BIAS, 0);
        let load = ["M8_mxmem_blk_dm_act_ub", "M8_mxmem_wei_b"];
        unit.multiply(load, (ACTIVATION, 0xe3), (WEIGHT, 0));
        unit.run_instruction("M8_mxcvtr_dm_sat_ub", OUTPUT, 0xe0);
        for (position, row) in unit.memory(OUTPUT)[..2048].chunks_exact(32).enumerate() {
            assert_eq!(row, EXPECTED, "{arch}, position {position}");
        }
        // Byte floats: the biases are read as floating-point ones, and the accumulators hold nothing.
        unit.run_instruction("M8_mxclracc", 0, 0);
        unit.memory(OUTPUT)[..2048].fill(0xff);
        unit.run_instruction("M8_cvt_rs_f8", 0, 0);
        unit.run_instruction("M8_mxmem_f8", OUTPUT, 0xe0);
        for (n, byte) in unit.memory(OUTPUT)[..2048].iter().enumerate() {
            let expected = u8::from(n % 128 == 120 || n % 128 == 122);
            assert_eq!(*byte, expected, "{arch}, byte {n}");
        }
    }
}

/// A program of the user's, from the command line: `tests/programs/matrix.c` with the same numbers here.
#[test]
fn a_program_multiplies_tiles() {
    let Some(llvm) = tests::hexagon::llvm() else {
        tests::assets::skip_without_tool("there is no clang for Hexagon");
        return;
    };
    let emulator = tests::hexagon::emulator();
    if !emulator.is_file() {
        tests::assets::skip_without_tool("vhost-hexagon is not built");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let program = tests::hexagon::build(&llvm, dir.path(), "matrix", 73);
    let run = |cpu: &str| {
        std::process::Command::new(&emulator)
            .args(["exec", "--cpu", cpu])
            .arg(&program)
            .output()
            .expect("it starts")
    };
    for cpu in ["v73", "v81"] {
        let output = run(cpu);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stdout.len(), 4096);
        let (bytes, halves) = output.stdout.split_at(2048);
        for (at, got) in bytes.iter().enumerate() {
            let (row, col) = (at as i64 / 32, at as i64 % 32);
            let product = |k: i64| ((row * 5 + k * 3) % 256) * ((k * 7 + col * 11) % 101 - 40);
            let sum: i64 = (0..64).map(product).sum::<i64>() + 1000 * col;
            let expected = (sum * 64).div_euclid(1 << 24).clamp(0, 255);
            assert_eq!(i64::from(*got), expected, "{cpu}: row {row}, column {col}");
        }
        for row in 0..32i64 {
            for col in 0..32i64 {
                let product = |k: i64| ((row * 5 + k * 3) % 9 - 4) * ((col * 3 + k * 7) % 7 - 3);
                let sum: i64 = (0..64).map(product).sum();
                let at = (row / 2 * 128 + col * 4 + row % 2 * 2) as usize;
                let raw = u32::from(halves[at]) | u32::from(halves[at + 1]) << 8;
                assert_eq!(
                    number(raw),
                    sum as f64 * 0.5 + 2.0,
                    "{cpu}: row {row}, column {col}"
                );
            }
        }
    }
    // A core without the unit refuses the first of its instructions.
    let output = run("v66");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains("needs V68"),
        "{errors}"
    );
}

/// What a half float is worth, if it is neither infinite nor tiny.
fn number(raw: u32) -> f64 {
    let magnitude = match raw >> 10 & 31 {
        0 => 0.0,
        e => f64::from(1024 + raw % 1024) * 2f64.powi(e as i32 - 25),
    };
    if raw >> 15 != 0 { -magnitude } else { magnitude }
}

#[test]
fn a_fault_leaves_the_unit_as_it_was() {
    let mut unit = Unit::new(Arch::V73);
    unit.memory(ACTIVATION)[..2048].fill(3);
    unit.memory(WEIGHT)[..1024].fill(5);
    let load = ["M8_mxmem_dm_act_ub", "M8_mxmem_wei_b"];
    unit.multiply(load, (ACTIVATION, 2047), (WEIGHT, 1023));
    let act = |unit: &mut Unit, activation: (u32, u32), weight: (u32, u32)| {
        (unit.state.r[2], unit.state.r[3]) = activation;
        (unit.state.r[4], unit.state.r[5]) = weight;
        let [a, w] = load.map(|n| Opcode::from_name(n).expect("the instruction"));
        unit.run(&[insn(a, &[2, 3], None), insn(w, &[4, 5], None)])
    };
    // The third tile of three, and the last vector of weights, are not mapped.
    let end = AREA_BASE + tests::model::AREA_BYTES;
    for (activation, weight) in [
        ((end - 2 * 2048, 3 * 2048 - 1), (ACTIVATION, 3 * 1024 - 1)),
        ((ACTIVATION, 2047), (end - 512, 1023)),
    ] {
        let error = act(&mut unit, activation, weight)
            .expect_err("a fault")
            .to_string();
        assert!(error.contains("Unmapped") && error.contains("Read"), "{error}");
    }
    // What is not described is refused by name.
    let error = act(&mut unit, (ACTIVATION, 2047), (WEIGHT | 0x10, 1023)).expect_err("compressed");
    assert!(error.to_string().contains("compressed weights"), "{error}");
    // 32 products of 15 and nothing else.
    unit.memory(BIAS)[..128].copy_from_slice(&[0, 20 << 2, 0, 0].repeat(32));
    unit.run_instruction("M8_mxmem_bias", BIAS, 0);
    unit.run_instruction("M8_mxcvtr_dm_sat_ub_r", OUTPUT, 0);
    let expected = ((480u64 << 20) >> 24) as u8;
    assert_eq!(unit.memory(OUTPUT)[..2048], [expected; 2048]);
    // A store that faults converts nothing: the accumulators are still there.
    unit.state.r[2] = end;
    unit.state.r[3] = 0;
    let op = Opcode::from_name("M8_mxcvtr_dm_sat_ub").expect("the instruction");
    let error = unit
        .run(&[insn(op, &[2, 3], None)])
        .expect_err("a fault")
        .to_string();
    assert!(error.contains("Write"), "{error}");
    unit.memory(OUTPUT)[..2048].fill(1);
    unit.run_instruction("M8_mxcvtr_dm_sat_ub", OUTPUT, 0);
    assert_eq!(unit.memory(OUTPUT)[..2048], [expected; 2048]);
}

/// Registers that hold anything: each instruction does something or faults. How much it does at most is counted where that is
/// decided (`hmx/tile.rs` of hexagon-isa).
#[test]
fn any_register_values_run_or_fault() {
    let mut unit = Unit::new(Arch::V81);
    let mut rng = tests::difftest::random::Random::of(&[0x686d78]);
    let all: Vec<Opcode> = Opcode::all()
        .filter(|op| op.info().name.starts_with("M8_") && hexagon_isa::ir::effects(*op).is_some())
        .collect();
    let of = |what: &str| -> Vec<Opcode> {
        all.iter()
            .copied()
            .filter(|op| op.info().syntax.starts_with(what))
            .collect()
    };
    let (activations, weights) = (of("activation"), of("weight"));
    let mut ended = [0; 2];
    for n in 0..4000 {
        for r in &mut unit.state.r {
            *r = match rng.below(3) {
                0 => rng.bits(),
                _ => AREA_BASE + rng.below(tests::model::AREA_BYTES),
            };
        }
        unit.state.r[5] = rng.bits() >> rng.below(32);
        unit.state.r[3] = rng.bits() >> rng.below(32);
        let packet = if n % 2 == 0 {
            let pair = [rng.pick(&activations), rng.pick(&weights)];
            vec![insn(pair[0], &[2, 3], None), insn(pair[1], &[4, 5], None)]
        } else {
            let op = rng.pick(&all);
            vec![insn(op, &[2, 3][..op.info().operands.len()], None)]
        };
        ended[usize::from(unit.run(&packet).is_err())] += 1;
    }
    assert!(ended.iter().all(|times| *times > 100), "run, faulted: {ended:?}");
}
