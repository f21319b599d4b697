//! Both engines do the same, at every stop: the interpreter is what the translator is compared with.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet};
use proptest::prelude::*;

use super::{Engine, Translator};
use crate::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use crate::memory::{CodeMemory as _, Memory as _};
use crate::{Cpu, Ctl, Exception, Exit, Thread, TimeSource, VectorUnit};

mod floats;
mod vectors;

pub(super) const CODE: u32 = 0x1000;
pub(super) const DATA: u32 = 0x10_0000;
/// A page that can only be read, behind the data.
const READ_ONLY: u32 = DATA + PAGE_SIZE;
/// The trap that ends programs.
pub(super) const END: Exit = Exit::Trap0 { imm: 7 };

pub(super) fn i(op: Opcode, v: &[i32]) -> Insn {
    Insn::with_operands(op, v)
}

/// Packets, one behind the other.
#[derive(Default, Clone)]
pub(super) struct Program(pub Vec<u32>);

impl Program {
    pub(super) fn ending(mut self, insns: &[Insn], endloop: EndLoop) -> Self {
        self.0.extend(assemble_packet(insns, endloop, false).unwrap());
        self
    }
    pub(super) fn packet(self, insns: &[Insn]) -> Self {
        self.ending(insns, EndLoop::None)
    }
    pub(super) fn trap(self) -> Self {
        self.packet(&[i(Opcode::J2_trap0, &[7])])
    }
    pub(super) fn here(&self) -> i32 {
        (CODE as usize + 4 * self.0.len()) as i32
    }
}

/// A program on one engine.
pub(super) struct Machine {
    pub space: AddressSpace,
    pub translator: Option<Arc<Translator>>,
    pub cpu: Cpu<AddressSpace>,
    pub thread: Thread,
}

/// What can be seen of it.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub exit: Exit,
    pub general: Vec<u32>,
    pub predicates: Vec<u8>,
    pub control: Vec<u32>,
    pub vectors: Vec<[u8; 128]>,
    pub vector_predicates: Vec<u128>,
    pub hidden: Vec<u128>,
    pub counts: [u64; 3],
    pub pc: u32,
    pub data: Vec<u8>,
}

impl Machine {
    pub(super) fn new(program: &Program, engine: Engine) -> Self {
        Self::of(Arch::V68, VectorUnit::best(), program, engine)
    }

    pub(super) fn of(arch: Arch, vectors: VectorUnit, program: &Program, engine: Engine) -> Self {
        let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).unwrap();
        let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
        let space = AddressSpace::new(Arc::new(bus), 0);
        space.map_anonymous(Some(CODE), 4 * PAGE_SIZE, Prot::RWX).unwrap();
        space.map_anonymous(Some(DATA), PAGE_SIZE, Prot::RW).unwrap();
        space
            .map_anonymous(Some(READ_ONLY), PAGE_SIZE, Prot::READ)
            .unwrap();
        for (word, at) in program.0.iter().zip((CODE..).step_by(4)) {
            space.store32(at, *word).unwrap();
        }
        for at in (0..PAGE_SIZE).step_by(4) {
            space.store32(DATA + at, at.wrapping_mul(0x9e37_79b9)).unwrap();
        }
        let translator = Translator::new(engine).unwrap();
        let mut thread = Thread::new(arch, CODE);
        thread.time = TimeSource::Packets;
        for n in 0..28 {
            thread.regs.r[n] = (n as u32).wrapping_mul(0x0123_4567);
        }
        (thread.regs.r[0], thread.regs.r[29]) = (DATA, DATA + PAGE_SIZE);
        Self {
            space,
            cpu: Cpu::with_vectors(arch, vectors).with_translator(translator.clone()),
            translator,
            thread,
        }
    }

    pub(super) fn run(&mut self, budget: u64) -> Seen {
        let exit = self.cpu.run(&mut self.thread, &self.space, budget);
        let mut data = vec![0; 2 * PAGE_SIZE as usize];
        self.space.load(DATA, &mut data).unwrap();
        let t = &self.thread;
        Seen {
            exit,
            general: t.regs.r.iter().copied().collect(),
            predicates: t.regs.p.iter().copied().collect(),
            control: t.regs.c.iter().copied().collect(),
            vectors: t.regs.hvx.v.iter().copied().collect(),
            vector_predicates: t.regs.hvx.q.iter().copied().collect(),
            hidden: (0..32).map(|n| t.regs.hvx.hidden.get(n)).collect(),
            counts: [t.packets, t.insns, t.hvx_insns],
            pc: t.regs.pc,
            data,
        }
    }
}

/// Runs a program with both engines, so many packets at a time, and compares at each stop; what it ended with comes back, and how
/// often the interpreter did a packet for a unit.
fn both(program: &Program, budget: u64, set_up: impl Fn(&mut Machine)) -> (Seen, u64) {
    both_of(Arch::V68, VectorUnit::best(), program, budget, set_up)
}

/// The same on a core of this architecture, whose vectors are made with this unit of the host's.
fn both_of(
    arch: Arch,
    vectors: VectorUnit,
    program: &Program,
    budget: u64,
    set_up: impl Fn(&mut Machine),
) -> (Seen, u64) {
    let mut machines =
        [Engine::Interpreter, Engine::Translator].map(|engine| Machine::of(arch, vectors, program, engine));
    machines.iter_mut().for_each(&set_up);
    for _ in 0..10_000 {
        let [interpreted, translated] = machines.each_mut().map(|m| m.run(budget));
        assert_eq!(interpreted, translated);
        if interpreted.exit != Exit::Budget {
            let statistics = &machines[1].translator.as_ref().unwrap().statistics;
            assert!(statistics.units.load(Relaxed) > 0);
            assert_eq!(statistics.failed.load(Relaxed), 0);
            return (interpreted, statistics.interpreted.load(Relaxed));
        }
    }
    panic!("the program does not end");
}

/// Loops, calls, branches, loads and stores of all kinds, saturation, floats, vectors; it ends with a trap.
pub(super) fn workout() -> Program {
    let program = Program::default()
        // r1 counts rounds, r2 walks the data
        .packet(&[i(Opcode::A2_tfrsi, &[1, 5]), i(Opcode::A2_tfr, &[2, 0])]);
    let round = program.here();
    let program = program.packet(&[i(Opcode::J2_loop0i, &[4, 6]), i(Opcode::A2_tfrsi, &[3, 0])]);
    let program = program
        // the loop: a load, what it brings is used at once; a predicate, and what it decides
        .packet(&[
            i(Opcode::L2_loadri_pi, &[4, 2, 4]),
            i(Opcode::A2_addsat, &[6, 6, 7]),
        ])
        .packet(&[
            i(Opcode::C2_cmpgti, &[0, 4, 0]),
            i(Opcode::S2_storeri_io, &[0, 0x100, 4]),
        ])
        .packet(&[
            i(Opcode::A2_paddit, &[0, 3, 3, 1]),
            i(Opcode::A2_addsat, &[8, 4, 4]),
        ])
        .packet(&[
            i(Opcode::S2_storeri_io, &[0, 0x104, 3]),
            i(Opcode::L2_loadri_io, &[9, 0, 0x104]),
        ])
        .ending(
            &[
                i(Opcode::S2_pstorerit_io, &[0, 0, 0x108, 9]),
                i(Opcode::A2_nop, &[]),
            ],
            EndLoop::Loop0,
        )
        .packet(&[
            i(Opcode::L2_loadrub_io, &[10, 0, 3]),
            i(Opcode::L2_loadrh_io, &[11, 0, 6]),
        ])
        .packet(&[i(Opcode::F2_conv_w2sf, &[12, 11])])
        .packet(&[i(Opcode::F2_sfmpy, &[13, 12, 12])])
        .packet(&[i(Opcode::F2_sfadd, &[14, 13, 12])])
        .packet(&[i(Opcode::V6_vL32b_ai, &[3, 0, 1])])
        .packet(&[i(Opcode::V6_vaddw, &[4, 3, 4])])
        .packet(&[i(Opcode::V6_vS32b_ai, &[0, 4, 4])])
        .packet(&[i(Opcode::L4_add_memopw_io, &[0, 0x10c, 1])]);
    // a call over a jump: the function is in front of its caller
    let over = program.here();
    let program = program.packet(&[i(Opcode::J2_jump, &[12])]);
    let function = program.here();
    assert_eq!(function - over, 4);
    let program = program
        .packet(&[i(Opcode::A2_addi, &[20, 20, 3])])
        .packet(&[i(Opcode::J2_jumpr, &[31])]);
    let call = program.here();
    assert_eq!(call - over, 12);
    let program = program
        .packet(&[i(Opcode::J2_call, &[function - call])])
        .packet(&[i(Opcode::A2_addi, &[1, 1, -1])])
        .packet(&[i(Opcode::C2_cmpeqi, &[1, 1, 0])]);
    let back = program.here();
    program.packet(&[i(Opcode::J2_jumpf, &[1, round - back])]).trap()
}

#[test]
fn a_workout_is_the_same_at_every_stop() {
    let mut ends = Vec::new();
    for budget in [1, 2, 3, 7, 20, 50, 1000] {
        let (end, _) = both(&workout(), budget, |_| {});
        assert_eq!(end.exit, END);
        ends.push(end);
    }
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]));
    let (_, interpreted) = both(&workout(), 1 << 20, |_| {});
    // The end, and floats have no part in it: pages that are not at hand yet.
    assert!(interpreted < 10, "{interpreted}");
}

#[test]
fn each_access_may_fail_and_nothing_of_its_packet_stays() {
    // Where r0 points when the workout begins; another access fails each time.
    for base in [
        READ_ONLY,
        DATA + PAGE_SIZE - 0x104,
        DATA + PAGE_SIZE - 0x108,
        DATA + 2,
        0,
        0xffff_fff0,
    ] {
        for budget in [1, 1000] {
            let (end, _) = both(&workout(), budget, |m| m.thread.regs.r[0] = base);
            assert!(
                matches!(end.exit, Exit::Exception(Exception::Memory { .. })),
                "{:?}",
                end.exit
            );
        }
    }
}

#[test]
fn an_access_that_is_refused_is_of_its_own_packet() {
    // What is loaded is used once, by the packet behind, which fills the same register: the host could do both in one.
    let word = Program::default()
        .packet(&[i(Opcode::L2_loadri_io, &[4, 0, 0x80])])
        .packet(&[i(Opcode::A2_addi, &[4, 4, 28])]);
    let double = Program::default()
        .packet(&[i(Opcode::L2_loadrd_io, &[4, 0, 0x80])])
        .packet(&[i(Opcode::A2_addp, &[4, 4, 6])]);
    for program in [word, double] {
        for base in [DATA, 0xffff_0000] {
            let (end, _) = both(&program.clone().trap(), 100, |m| m.thread.regs.r[0] = base);
            match end.exit {
                Exit::Exception(Exception::Memory { .. }) => assert_eq!((base, end.pc), (0xffff_0000, CODE)),
                exit => assert_eq!((base, exit), (DATA, END)),
            }
        }
    }
}

#[test]
fn a_store_that_another_overwrites_is_refused_first() {
    // Nothing stands between the two, so the host could do with the second.
    let bytes = Program::default()
        .packet(&[i(Opcode::S2_storerb_io, &[0, 0, 1])])
        .packet(&[i(Opcode::S2_storerb_io, &[0, 0, 2])]);
    // The load's address is known to be aligned, and so is what is stored to, in the next page.
    let words = Program::default()
        .packet(&[i(Opcode::L2_loadri_pi, &[5, 0, 4])])
        .packet(&[i(Opcode::S2_storeri_io, &[0, 0, 1])])
        .packet(&[i(Opcode::S2_storeri_io, &[0, 0, 2])]);
    for (program, base, refused) in [(bytes, READ_ONLY, CODE), (words, READ_ONLY - 4, CODE + 4)] {
        let program = program.trap();
        let (end, _) = both(&program, 100, |m| m.thread.regs.r[0] = base);
        assert!(
            matches!(end.exit, Exit::Exception(Exception::Memory { .. })),
            "{:?}",
            end.exit
        );
        assert_eq!(end.pc, refused);
        let (end, _) = both(&program, 100, |m| m.thread.regs.r[0] = DATA);
        assert_eq!(end.exit, END);
    }
}

#[test]
fn a_frame_below_the_limit_is_the_interpreter_s() {
    let program = Program::default()
        .packet(&[i(Opcode::A2_addi, &[1, 1, 1])])
        .packet(&[i(Opcode::S2_allocframe, &[29, 16])])
        .packet(&[i(Opcode::L4_return, &[30, 30])])
        .trap();
    let (end, _) = both(&program, 100, |m| {
        m.thread.regs.c[Ctl::FrameLimit] = DATA + PAGE_SIZE
    });
    assert!(
        matches!(end.exit, Exit::Exception(Exception::FrameLimit { .. })),
        "{:?}",
        end.exit
    );
    let (end, _) = both(&program, 100, |m| m.thread.regs.r[31] = CODE + 12);
    assert_eq!(end.exit, END);
}

#[test]
fn two_writers_of_a_predicate_and_two_jumps() {
    for x in [0, 1] {
        let program = Program::default()
            .packet(&[i(Opcode::C2_cmpeqi, &[0, 1, 0]), i(Opcode::C2_cmpeqi, &[0, 2, 0])])
            .packet(&[i(Opcode::J2_jumpt, &[0, 16]), i(Opcode::J2_jump, &[20])])
            .packet(&[i(Opcode::A2_tfrsi, &[5, 1])])
            .packet(&[i(Opcode::A2_tfrsi, &[6, 2])])
            .packet(&[i(Opcode::A2_tfrsi, &[7, 3])])
            .trap();
        let (end, _) = both(&program, 100, |m| {
            (m.thread.regs.r[1], m.thread.regs.r[2]) = (0, x)
        });
        assert_eq!(end.exit, END);
    }
}

#[test]
fn pipelined_and_nested_loops() {
    let pipelined = Program::default()
        .packet(&[i(Opcode::J2_ploop2si, &[4, 4])])
        .ending(
            &[
                i(Opcode::A2_paddit, &[3, 1, 1, 1]),
                i(Opcode::A2_addi, &[2, 2, 1]),
            ],
            EndLoop::Loop0,
        )
        .trap();
    let nested = Program::default()
        .packet(&[i(Opcode::J2_loop1i, &[4, 3])])
        .packet(&[i(Opcode::J2_loop0i, &[4, 4])])
        .ending(
            &[i(Opcode::A2_addi, &[1, 1, 1]), i(Opcode::A2_nop, &[])],
            EndLoop::Loop0,
        )
        .ending(
            &[
                i(Opcode::A2_addi, &[2, 2, 1]),
                i(Opcode::A2_nop, &[]),
                i(Opcode::A2_nop, &[]),
            ],
            EndLoop::Loop1,
        )
        .trap();
    for program in [pipelined, nested] {
        for budget in [1, 2, 5, 100] {
            assert_eq!(both(&program, budget, |_| {}).0.exit, END);
        }
    }
}

#[test]
fn code_that_is_not_there_is_the_same_exception() {
    let undefined = Program(vec![0x7800_c021, 0x0000_0000, 0xffff_ffff]);
    let (end, _) = both(&undefined, 100, |_| {});
    assert!(matches!(end.exit, Exit::Exception(_)), "{:?}", end.exit);
    for target in [2, 0xdead_0000, DATA] {
        let jump = Program::default()
            .packet(&[i(Opcode::A2_addi, &[1, 1, 1])])
            .packet(&[i(Opcode::J2_jumpr, &[5])]);
        let (end, _) = both(&jump, 100, |m| m.thread.regs.r[5] = target);
        assert!(matches!(end.exit, Exit::Exception(_)), "{:?}", end.exit);
    }
}

#[test]
fn changed_code_is_translated_afresh() {
    let program = |n| Program::default().packet(&[i(Opcode::A2_tfrsi, &[1, n])]).trap();
    let mut m = Machine::new(&program(1), Engine::Translator);
    assert_eq!(m.run(100).general[1], 1);
    m.space.store32(CODE, program(2).0[0]).unwrap();
    m.space.invalidate_code(CODE, 4);
    m.thread.regs.pc = CODE;
    assert_eq!(m.run(100).general[1], 2);
    // A page with code that is gone is gone for translated code, too.
    m.space.unmap(CODE, PAGE_SIZE).unwrap();
    m.thread.regs.pc = CODE;
    assert!(matches!(
        m.run(100).exit,
        Exit::Exception(Exception::Memory { .. })
    ));
}

/// Data whose mapping is taken away while a unit holds nothing but the table: the next access misses.
#[test]
fn data_that_is_unmapped_is_not_reached_any_more() {
    let program = Program::default()
        .packet(&[i(Opcode::L2_loadri_io, &[1, 0, 0])])
        .packet(&[i(Opcode::J2_jump, &[-4])]);
    let mut m = Machine::new(&program, Engine::Translator);
    assert_eq!(m.run(100).exit, Exit::Budget);
    m.space.unmap(DATA, PAGE_SIZE).unwrap();
    let exit = m.cpu.run(&mut m.thread, &m.space, 100);
    assert!(
        matches!(exit, Exit::Exception(Exception::Memory { .. })),
        "{exit:?}"
    );
}

#[test]
fn hot_code_is_translated_in_the_background() {
    let program = Program::default()
        .packet(&[i(Opcode::A2_addi, &[1, 1, 1])])
        .packet(&[i(Opcode::J2_jump, &[-4])]);
    let mut m = Machine::new(&program, Engine::Auto);
    let units = |m: &Machine| m.translator.as_ref().unwrap().statistics.units.load(Relaxed);
    assert_eq!(m.run(1000).exit, Exit::Budget);
    assert_eq!(units(&m), 0);
    let before = m.thread.regs.r[1];
    while units(&m) == 0 {
        assert_eq!(m.run(10_000).exit, Exit::Budget);
    }
    assert_eq!(m.run(10_000).exit, Exit::Budget);
    let rounds = (m.thread.packets - 1000) / 2;
    assert_eq!(u64::from(m.thread.regs.r[1] - before), rounds);
}

#[test]
fn room_for_code_that_is_used_up_begins_anew() {
    // Page after page of a jump to the next and a long way in between: each place is a unit of its own.
    let mut program = Program::default();
    for _ in 0..200 {
        program = program
            .packet(&[i(Opcode::A2_addi, &[1, 1, 1])])
            .packet(&[i(Opcode::J2_jumpr, &[2])]);
    }
    let mut m = Machine::new(&program.trap(), Engine::Translator);
    for round in 0..3 {
        for n in 0..200 {
            (m.thread.regs.pc, m.thread.regs.r[1]) = (CODE + 8 * n, 5);
            // To the trap.
            m.thread.regs.r[2] = CODE + 8 * 200;
            assert_eq!(m.run(100).exit, END, "{round} {n}");
            assert_eq!(m.thread.regs.r[1], 6);
        }
    }
    let statistics = &m.translator.as_ref().unwrap().statistics;
    assert_eq!(
        (statistics.units.load(Relaxed), statistics.failed.load(Relaxed)),
        (200, 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Where a run stops depends on the budget and the program, not on the engine.
    #[test]
    fn any_budgets_end_at_the_same_packets(budgets in proptest::collection::vec(1u64..60, 1..40)) {
        let program = workout();
        let mut machines = [Engine::Interpreter, Engine::Translator].map(|engine| Machine::new(&program, engine));
        for budget in budgets {
            let [interpreted, translated] = machines.each_mut().map(|m| m.run(budget));
            prop_assert_eq!(&interpreted, &translated);
            if interpreted.exit != Exit::Budget {
                break;
            }
        }
    }
}

/// A look at code that may never run is seen nowhere: a page behind an SMMU that does not know it would be a fault of the guest's.
#[test]
fn what_is_never_reached_is_not_fetched() {
    let far = CODE + 2 * PAGE_SIZE;
    let program = Program::default()
        .packet(&[i(Opcode::C2_cmpeqi, &[0, 29, 0])])
        .packet(&[i(Opcode::J2_jumpt, &[0, (far - CODE - 4) as i32])])
        .trap();
    let mut m = Machine::new(&program, Engine::Translator);
    assert_eq!(m.run(100).exit, END);
    assert_eq!(m.translator.as_ref().unwrap().statistics.units.load(Relaxed), 1);
    assert!(m.space.code_at_hand(CODE).is_some());
    assert_eq!(m.space.code_at_hand(far), None);
}

/// A place that only the interpreter does is no fault.
#[test]
fn code_that_is_the_interpreter_s_alone_stays_there() {
    let program = Program::default().trap();
    let mut m = Machine::new(&program, Engine::Translator);
    for _ in 0..3 {
        m.thread.regs.pc = CODE;
        assert_eq!(m.run(10).exit, END);
    }
    let statistics = &m.translator.as_ref().unwrap().statistics;
    assert_eq!(
        (statistics.units.load(Relaxed), statistics.failed.load(Relaxed)),
        (0, 0)
    );
}

/// Of several accesses at a register that was not changed, or to which something was added, one asks whether the address is aligned.
#[test]
fn an_address_that_is_not_aligned_is_found_at_whatever_access_comes_first() {
    let program = Program::default()
        .packet(&[i(Opcode::L2_loadrh_io, &[4, 0, 0x80])])
        .packet(&[i(Opcode::L2_loadri_io, &[5, 0, 0x82])])
        .packet(&[i(Opcode::A2_addi, &[0, 0, 6])])
        .packet(&[i(Opcode::S2_storeri_io, &[0, 0x84, 5])])
        .packet(&[i(Opcode::C2_cmpgti, &[0, 4, 0])])
        .packet(&[i(Opcode::S2_pstorerdt_io, &[0, 0, 8, 4])])
        .packet(&[i(Opcode::L2_loadrd_io, &[6, 0, 16])])
        .packet(&[i(Opcode::L2_loadrh_io, &[8, 0, 2])])
        .trap();
    for base in 0..16 {
        for taken in [1, 0x8000] {
            let (end, _) = both(&program, 100, |m| {
                m.thread.regs.r[0] = DATA + base;
                let at = DATA + base + 0x80;
                if base % 2 == 0 {
                    m.space.store(at, &u16::to_le_bytes(taken)).unwrap();
                }
            });
            // 2 bytes for the first, 4 behind two more, 8 (or not) behind eight.
            let good = base % 8 == 2;
            assert_eq!(end.exit == END, good, "{base} {taken:#x} {:?}", end.exit);
        }
    }
}
