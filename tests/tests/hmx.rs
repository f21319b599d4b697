//! The matrix unit on our core: what the vendor's simulator printed, tiles as programs lay them out, faults.

use emu::core::VectorUnit;
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
    fn one(&mut self, name: &str, rs: u32, rt: u32) {
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
        unit.one("M8_mxclracc", 0, 0);
        unit.one("M8_mxmem2_bias", BIAS, 0);
        let load = ["M8_mxmem_blk_dm_act_ub", "M8_mxmem_wei_b"];
        unit.multiply(load, (ACTIVATION, 0xe3), (WEIGHT, 0));
        unit.one("M8_mxcvtr_dm_sat_ub", OUTPUT, 0xe0);
        for (position, row) in unit.memory(OUTPUT)[..2048].chunks_exact(32).enumerate() {
            assert_eq!(row, EXPECTED, "{arch}, position {position}");
        }
        // The same biases read as floating-point ones, and accumulators that hold nothing: byte floats.
        unit.one("M8_mxclracc", 0, 0);
        unit.memory(OUTPUT)[..2048].fill(0xff);
        unit.one("M8_cvt_rs_f8", 0, 0);
        unit.one("M8_mxmem_f8", OUTPUT, 0xe0);
        for (n, byte) in unit.memory(OUTPUT)[..2048].iter().enumerate() {
            let expected = u8::from(n % 128 == 120 || n % 128 == 122);
            assert_eq!(*byte, expected, "{arch}, byte {n}");
        }
    }
}
