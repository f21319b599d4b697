//! qfloat against figures that were published from phones and from the vendor's simulator, where they tell the rules of rounding
//! apart: old qfloat (V68 to V75) rounds to odd significands, V79's to the nearest even.
//!
//! Sources: virtio-accel (direct.rs, `direct_qfloat32_add_uses_full_accelerator_lifecycle`: 1 + 2^-20 on a V73 phone); tinygrad
//! as extended for DSPs (nms_kernel.h, mb_hvx.h: differences and products measured on a V69 phone); llama.cpp's matrix unit code
//! (hmxcomb.h, "NOT exact on v73": all 65536 numbers through 2^23); nntrainer (HEXAGON.md: 1.5 on V75 and V79).

use hexagon_isa::{Arch, Insn, MAX_OPERANDS, Opcode};
use tests::model::State;

const OLD: [Arch; 4] = [Arch::V68, Arch::V69, Arch::V73, Arch::V75];
const NEW: [Arch; 2] = [Arch::V79, Arch::V81];

/// One instruction: `to` of two vectors, or of one.
fn run(state: &State, name: &str, operands: &[i32]) -> State {
    let op = Opcode::from_name(name).unwrap();
    let mut v = [0; MAX_OPERANDS];
    v[..operands.len()].copy_from_slice(operands);
    state.on_our_core(&[Insn::with_operands(op, &v)]).unwrap()
}

fn fill(state: &mut State, vector: usize, words: impl IntoIterator<Item = u32>) {
    for (lane, word) in state.v[vector].chunks_exact_mut(4).zip(words) {
        lane.copy_from_slice(&word.to_le_bytes());
    }
}

fn words(state: &State, vector: usize) -> Vec<u32> {
    let lanes = state.v[vector].chunks_exact(4);
    lanes
        .map(|lane| u32::from_le_bytes(lane.try_into().unwrap()))
        .collect()
}

/// `sf=qf32(OP(sf,sf))` of one pair.
fn through(arch: Arch, name: &str, a: u32, b: u32) -> u32 {
    let mut state = State::new(arch);
    fill(&mut state, 1, [a]);
    fill(&mut state, 2, [b]);
    let state = run(&state, name, &[3, 1, 2]);
    words(&run(&state, "V6_vconv_sf_qf32", &[4, 3]), 4)[0]
}

#[test]
fn sums_are_those_of_silicon() {
    let sums = [
        // 1 + 2^-20, one above the IEEE result: the V73 phone.
        (0x3f80_0000, 0x3580_0000, 0x3f80_0009, 0x3f80_0008),
        (0x4200_0000, 0x3e80_0000, 0x4201_0001, 0x4201_0000),
        // 1.5 + 0: V75's and V79's simulator.
        (0x3fc0_0000, 0, 0x3fc0_0001, 0x3fc0_0000),
        (0x4b40_0000, 0, 0x4b40_0001, 0x4b40_0000),
        (0x4b40_0000, 0x3f80_0000, 0x4b40_0001, 0x4b40_0001),
        (0x4b40_0000, 0x4000_0000, 0x4b40_0002, 0x4b40_0002),
        (0x4080_0000, 0x4080_0000, 0x4100_0001, 0x4100_0000),
    ];
    for (a, b, old, new) in sums {
        for arch in OLD {
            assert_eq!(
                through(arch, "V6_vadd_sf", a, b),
                old,
                "{arch:?}: {a:08x} + {b:08x}"
            );
        }
        for arch in NEW {
            assert_eq!(
                through(arch, "V6_vadd_sf", a, b),
                new,
                "{arch:?}: {a:08x} + {b:08x}"
            );
        }
    }
}

#[test]
fn differences_and_their_product_are_those_of_a_v69_phone() {
    for arch in OLD {
        // 1028.5 - 1025 = 3.50012207, 516 - 513 = 3.00006104.
        let one = through(arch, "V6_vsub_sf", 0x4480_9000, 0x4480_2000);
        let two = through(arch, "V6_vsub_sf", 0x4401_0000, 0x4400_4000);
        assert_eq!((one, two), (0x4060_0200, 0x4040_0100), "{arch:?}");
        // As qf32 throughout 10.5625; with sf in between 10.5006.
        let mut state = State::new(arch);
        fill(&mut state, 1, [0x4480_9000]);
        fill(&mut state, 2, [0x4480_2000]);
        fill(&mut state, 5, [0x4401_0000]);
        fill(&mut state, 6, [0x4400_4000]);
        let state = run(&state, "V6_vsub_sf", &[3, 1, 2]);
        let state = run(&state, "V6_vsub_sf", &[7, 5, 6]);
        let state = run(&state, "V6_vmpy_qf32", &[8, 3, 7]);
        let state = run(&state, "V6_vconv_sf_qf32", &[9, 8]);
        assert_eq!(words(&state, 9)[0], 0x4129_0000, "{arch:?}");
        assert_eq!(
            through(arch, "V6_vmpy_qf32_sf", one, two),
            0x4128_0261,
            "{arch:?}"
        );
    }
}

#[test]
fn a_quarter_of_all_numbers_is_wrong_through_2_to_the_23_up_to_v75_and_none_from_v79_on() {
    let wrong = |arch: Arch| {
        let numbers: Vec<u32> = (0..1 << 16).collect();
        let wrong = numbers.chunks(32).map(|z| {
            let mut state = State::new(arch);
            fill(&mut state, 1, z.iter().map(|z| 0x4b00_0000 | z));
            fill(&mut state, 2, [0x4b00_8000; 32]);
            let state = run(&state, "V6_vsub_sf", &[3, 1, 2]);
            let state = run(&state, "V6_vconv_sf_qf32", &[4, 3]);
            let exact = z.iter().map(|&z| z as f32 - 32768.0);
            let got = words(&state, 4).into_iter().map(f32::from_bits);
            got.zip(exact).filter(|(got, exact)| got != exact).count()
        });
        wrong.sum::<usize>()
    };
    assert_eq!([Arch::V68, Arch::V73, Arch::V75].map(wrong), [16_383; 3]);
    assert_eq!(NEW.map(wrong), [0; 2]);
}
