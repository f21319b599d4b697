//! What a thread sees of packets: commits, faults, loops, traps, locks. Code is assembled by `hexagon_isa`.

use std::cell::{Cell, RefCell};

use hexagon_isa::{Arch, EndLoop, Insn, MAX_OPERANDS, Opcode, assemble_packet};

use super::memory::{Access, CodeMemory, FaultKind, FaultWord, MemFault, Memory};
use super::{Cpu, Ctl, Exception, Exit, NoVectors, Simulated, Thread, TimeSource, VectorFloat, VectorFloats};

const CODE: u32 = 0x1000;
const DATA: u32 = 0x8000;
const BYTES: usize = 0x10000;

/// 64 KiB, of which the last page is not mapped.
struct Flat {
    bytes: RefCell<Vec<u8>>,
    epoch: Cell<u64>,
}

impl Flat {
    fn range(&self, va: u32, len: usize, access: Access) -> Result<std::ops::Range<usize>, MemFault> {
        let at = va as usize;
        if at + len > BYTES - 0x1000 {
            return Err(MemFault {
                va,
                access,
                kind: FaultKind::Unmapped,
            });
        }
        if len <= 8 && !at.is_multiple_of(len) {
            return Err(MemFault {
                va,
                access,
                kind: FaultKind::Misaligned,
            });
        }
        Ok(at..at + len)
    }
    fn get<const N: usize>(&self, va: u32) -> Result<[u8; N], MemFault> {
        let r = self.range(va, N, Access::Read)?;
        Ok(self.bytes.borrow()[r].try_into().unwrap())
    }
    fn put(&self, va: u32, b: &[u8]) -> Result<(), MemFault> {
        let r = self.range(va, b.len(), Access::Write)?;
        self.bytes.borrow_mut()[r].copy_from_slice(b);
        Ok(())
    }
}

impl Memory for Flat {
    type Fault = FaultWord;
    fn load8(&self, va: u32) -> Result<u8, FaultWord> {
        Ok(u8::from_le_bytes(self.get(va)?))
    }
    fn load16(&self, va: u32) -> Result<u16, FaultWord> {
        Ok(u16::from_le_bytes(self.get(va)?))
    }
    fn load32(&self, va: u32) -> Result<u32, FaultWord> {
        Ok(u32::from_le_bytes(self.get(va)?))
    }
    fn load64(&self, va: u32) -> Result<u64, FaultWord> {
        Ok(u64::from_le_bytes(self.get(va)?))
    }
    fn store8(&self, va: u32, v: u8) -> Result<(), FaultWord> {
        Ok(self.put(va, &v.to_le_bytes())?)
    }
    fn store16(&self, va: u32, v: u16) -> Result<(), FaultWord> {
        Ok(self.put(va, &v.to_le_bytes())?)
    }
    fn store32(&self, va: u32, v: u32) -> Result<(), FaultWord> {
        Ok(self.put(va, &v.to_le_bytes())?)
    }
    fn store64(&self, va: u32, v: u64) -> Result<(), FaultWord> {
        Ok(self.put(va, &v.to_le_bytes())?)
    }
    fn load(&self, va: u32, out: &mut [u8]) -> Result<(), FaultWord> {
        let r = self.range(va, out.len(), Access::Read)?;
        out.copy_from_slice(&self.bytes.borrow()[r]);
        Ok(())
    }
    fn store(&self, va: u32, bytes: &[u8]) -> Result<(), FaultWord> {
        Ok(self.put(va, bytes)?)
    }
    fn probe_store(&self, va: u32, len: u32) -> Result<(), FaultWord> {
        self.range(va, len as usize, Access::Write)?;
        Ok(())
    }
    fn cas32(&self, va: u32, old: u32, new: u32) -> Result<bool, FaultWord> {
        let same = self.load32(va)? == old;
        if same {
            self.store32(va, new)?;
        }
        Ok(same)
    }
    fn cas64(&self, va: u32, old: u64, new: u64) -> Result<bool, FaultWord> {
        let same = self.load64(va)? == old;
        if same {
            self.store64(va, new)?;
        }
        Ok(same)
    }
}

impl CodeMemory for Flat {
    fn fetch32(&self, va: u32) -> Result<u32, FaultWord> {
        let r = self.range(va, 4, Access::Execute)?;
        Ok(u32::from_le_bytes(self.bytes.borrow()[r].try_into().unwrap()))
    }
    fn code_epoch(&self) -> u64 {
        self.epoch.get()
    }
}

fn i(op: Opcode, v: &[i32]) -> Insn {
    Insn::with_operands(op, v)
}

struct Machine {
    cpu: Cpu<Flat>,
    thread: Thread,
    mem: Flat,
    end: u32,
}

impl Machine {
    fn new() -> Machine {
        Machine::of(Arch::V68)
    }
    fn of(arch: Arch) -> Machine {
        let mem = Flat {
            bytes: RefCell::new(vec![0; BYTES]),
            epoch: Cell::new(0),
        };
        let mut thread = Thread::new(arch, CODE);
        thread.time = TimeSource::Packets;
        Machine {
            cpu: Cpu::new(arch),
            thread,
            mem,
            end: CODE,
        }
    }
    fn packet(mut self, insns: &[Insn], endloop: EndLoop) -> Machine {
        for w in assemble_packet(insns, endloop, false).unwrap() {
            self.mem.store32(self.end, w).unwrap();
            self.end += 4;
        }
        self
    }
    fn code(self, insns: &[Insn]) -> Machine {
        self.packet(insns, EndLoop::None)
    }
    /// Runs until something but the budget ends it; the code must end in a trap.
    fn run(&mut self) -> Exit {
        self.cpu.run(&mut self.thread, &self.mem, 1 << 20)
    }
    fn trap(self) -> Machine {
        self.code(&[i(Opcode::J2_trap0, &[7])])
    }
    fn r(&self, n: usize) -> u32 {
        self.thread.regs.r[n]
    }
}

#[test]
fn instructions_of_a_packet_read_what_was_before_it() {
    let mut m = Machine::new()
        .code(&[i(Opcode::A2_tfr, &[0, 1]), i(Opcode::A2_tfr, &[1, 0])])
        .code(&[
            i(Opcode::A2_add, &[2, 0, 1]),
            i(Opcode::A2_addi, &[0, 2, 5]),
            i(Opcode::A2_tfr, &[3, 0]),
        ])
        .trap();
    m.thread.regs.r[0] = 10;
    m.thread.regs.r[1] = 20;
    m.thread.regs.r[2] = 100;
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    assert_eq!([m.r(0), m.r(1), m.r(2), m.r(3)], [105, 10, 30, 20]);
    assert_eq!(m.thread.regs.pc, m.end);
    assert_eq!((m.thread.packets, m.thread.insns), (3, 6));
}

#[test]
fn writers_of_one_predicate_are_anded() {
    let mut m = Machine::new()
        .code(&[i(Opcode::C2_cmpeqi, &[0, 0, 0]), i(Opcode::C2_cmpeqi, &[0, 0, 1])])
        .code(&[i(Opcode::C2_cmpeqi, &[1, 0, 0])])
        .trap();
    m.run();
    assert_eq!((m.thread.regs.p[0], m.thread.regs.p[1]), (0, 0xff));
}

#[test]
fn a_fault_leaves_nothing_of_its_packet_behind() {
    // The first load and both post-increments would succeed; the second load does not.
    let mut m = Machine::new()
        .code(&[i(Opcode::A2_addi, &[9, 9, 1])])
        .code(&[
            i(Opcode::A2_addsat, &[8, 6, 6]),
            i(Opcode::L2_loadri_pi, &[2, 0, 4]),
            i(Opcode::L2_loadri_pi, &[3, 1, 4]),
        ])
        .trap();
    m.thread.regs.r[0] = DATA;
    m.thread.regs.r[1] = 0xfff0;
    m.thread.regs.r[6] = 0x7fff_ffff;
    let fault = MemFault {
        va: 0xfff0,
        access: Access::Read,
        kind: FaultKind::Unmapped,
    };
    assert_eq!(
        m.run(),
        Exit::Exception(Exception::Memory { pc: CODE + 4, fault })
    );
    assert_eq!([m.r(0), m.r(1), m.r(2), m.r(8), m.r(9)], [DATA, 0xfff0, 0, 0, 1]);
    assert_eq!(m.thread.regs.c[Ctl::Usr] & 1, 0);
    assert_eq!((m.thread.packets, m.thread.regs.pc), (1, CODE + 4));
    // The cause repaired, the packet runs again from the start.
    m.thread.regs.r[1] = DATA + 8;
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    assert_eq!((m.r(0), m.r(8)), (DATA + 4, 0x7fff_ffff));
    assert_eq!(m.thread.regs.c[Ctl::Usr] & 1, 1);
}

#[test]
fn the_second_store_s_fault_is_found_before_the_first_is_made() {
    let mut m = Machine::new()
        .code(&[
            i(Opcode::S2_storeri_io, &[0, 0, 5]),
            i(Opcode::S2_storeri_io, &[1, 0, 5]),
        ])
        .trap();
    m.thread.regs.r[0] = DATA;
    m.thread.regs.r[1] = DATA + 2;
    m.thread.regs.r[5] = 42;
    let fault = MemFault {
        va: DATA + 2,
        access: Access::Write,
        kind: FaultKind::Misaligned,
    };
    assert_eq!(m.run(), Exit::Exception(Exception::Memory { pc: CODE, fault }));
    assert_eq!(m.mem.load32(DATA), Ok(0));
}

#[test]
fn a_load_behind_a_store_sees_it() {
    let mut m = Machine::new()
        .code(&[
            i(Opcode::S2_storeri_io, &[0, 0, 5]),
            i(Opcode::L2_loadri_io, &[5, 0, 0]),
        ])
        .trap();
    m.thread.regs.r[0] = DATA;
    m.thread.regs.r[5] = 42;
    m.mem.store32(DATA, 1).unwrap();
    m.run();
    assert_eq!((m.r(5), m.mem.load32(DATA)), (42, Ok(42)));
}

#[test]
fn hardware_loops_count_down_to_one() {
    // loop1 around loop0: 3 times 4.
    let body = CODE + 8;
    let mut m = Machine::new()
        .code(&[i(Opcode::J2_loop1i, &[(body - CODE) as i32, 3])])
        .code(&[i(Opcode::J2_loop0i, &[4, 4])]);
    assert_eq!(m.end, body);
    m.thread.regs.c[Ctl::Sa1] = 0;
    let mut m = m
        .packet(
            &[i(Opcode::A2_addi, &[0, 0, 1]), i(Opcode::A2_nop, &[])],
            EndLoop::Loop0,
        )
        .packet(
            &[
                i(Opcode::A2_addi, &[1, 1, 1]),
                i(Opcode::A2_nop, &[]),
                i(Opcode::A2_nop, &[]),
            ],
            EndLoop::Loop1,
        )
        .trap();
    // The outer loop does not set the inner one up again: LC0 stays 1.
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    assert_eq!((m.r(0), m.r(1)), (4 + 2, 3));
    assert_eq!((m.thread.regs.c[Ctl::Lc0], m.thread.regs.c[Ctl::Lc1]), (1, 1));
}

#[test]
fn a_pipelined_loop_sets_p3_when_its_prologue_is_over() {
    let mut m = Machine::new()
        .code(&[i(Opcode::J2_ploop2si, &[4, 4])])
        .packet(
            &[
                i(Opcode::A2_paddit, &[3, 1, 1, 1]),
                i(Opcode::A2_addi, &[0, 0, 1]),
            ],
            EndLoop::Loop0,
        )
        .trap();
    m.run();
    // P3 is set at the end of the second iteration.
    assert_eq!((m.r(0), m.r(1), m.thread.regs.p[3]), (4, 2, 0xff));
    assert_eq!(m.thread.regs.c[Ctl::Usr] >> 8 & 3, 0);
}

#[test]
fn the_budget_ends_a_run_between_packets() {
    let mut m = Machine::new()
        .code(&[i(Opcode::A2_addi, &[0, 0, 1])])
        .code(&[i(Opcode::J2_jump, &[-4])]);
    assert_eq!(m.cpu.run(&mut m.thread, &m.mem, 100), Exit::Budget);
    assert_eq!((m.thread.packets, m.r(0), m.thread.regs.pc), (100, 50, CODE));
}

#[test]
fn a_store_conditional_succeeds_once() {
    let store = i(Opcode::S2_storew_locked, &[1, 0, 5]);
    let store = Insn {
        v: order(store, &[("Rs", 1), ("Pd", 0), ("Rt", 5)]),
        ..store
    };
    let mut m = Machine::new()
        .code(&[i(Opcode::L2_loadw_locked, &[2, 1])])
        .code(&[store])
        .code(&[store])
        .trap();
    m.thread.regs.r[1] = DATA;
    m.thread.regs.r[5] = 9;
    m.mem.store32(DATA, 7).unwrap();
    // The second one has no reservation: somebody else may run.
    assert_eq!(m.run(), Exit::Yield);
    assert_eq!((m.r(2), m.mem.load32(DATA), m.thread.regs.p[0]), (7, Ok(9), 0));
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
}

fn order(insn: Insn, values: &[(&str, i32)]) -> [i32; MAX_OPERANDS] {
    let mut v = [0; MAX_OPERANDS];
    for (name, value) in values {
        v[insn.info().operand(name).unwrap()] = *value;
    }
    v
}

#[test]
fn frames_are_scrambled_and_bounded() {
    let alloc = i(Opcode::S2_allocframe, &[29, 16]);
    let mut m = Machine::new().code(&[alloc]).trap();
    m.thread.regs.r[29] = DATA;
    m.thread.regs.r[30] = 0x1111;
    m.thread.regs.r[31] = 0x2222;
    m.thread.regs.c[Ctl::FrameKey] = 0xffff_0000;
    m.run();
    assert_eq!((m.r(29), m.r(30)), (DATA - 24, DATA - 8));
    assert_eq!(m.mem.load64(DATA - 8), Ok(0xffff_2222_0000_1111));
    m.thread.regs.pc = CODE;
    m.thread.regs.c[Ctl::FrameLimit] = DATA - 24;
    assert_eq!(
        m.run(),
        Exit::Exception(Exception::FrameLimit {
            pc: CODE,
            va: DATA - 48
        })
    );
    assert_eq!(m.r(29), DATA - 24);
}

/// Every instruction of the supervisor, one by one: the exception that names it, and nothing has happened.
#[test]
fn what_user_code_may_not_use_is_privileged() {
    let privileged = Opcode::all().filter(|op| hexagon_isa::ir::effects(*op).is_some_and(|fx| fx.privileged));
    let mut count = 0;
    for op in privileged {
        let name = op.info().name;
        let mut m = Machine::of(Arch::V81).code(&[i(op, &[0; 6][..op.info().operands.len()])]);
        let expected = Exception::Privileged { pc: CODE, name };
        assert_eq!(m.run(), Exit::Exception(expected), "{name}");
        assert_eq!((m.thread.regs.pc, m.thread.packets), (CODE, 0), "{name}");
        count += 1;
    }
    assert!(count > 50, "only {count}");
}

#[test]
fn what_cannot_run_is_named() {
    let mut m = Machine::new().code(&[i(Opcode::Y2_swi, &[0])]);
    assert_eq!(
        m.run(),
        Exit::Exception(Exception::Privileged {
            pc: CODE,
            name: "Y2_swi"
        })
    );
    let mut m = Machine::new().code(&[i(Opcode::A2_addi, &[0, 0, 1])]);
    // As long as there is an instruction without a meaning.
    let without = Opcode::all().find(|op| {
        let info = op.info();
        info.feature == Some(hexagon_isa::info::Feature::Hmx) && hexagon_isa::ir::effects(*op).is_none()
    });
    if let Some(op) = without {
        let name = op.info().name;
        m = m.code(&[i(op, &[0; 6][..op.info().operands.len()])]);
        assert_eq!(
            m.run(),
            Exit::Exception(Exception::NoMeaning { pc: CODE + 4, name })
        );
        assert_eq!(m.r(0), 1);
    }
    m.thread.regs.pc = CODE + 2;
    assert_eq!(m.run(), Exit::Exception(Exception::MisalignedPc { pc: CODE + 2 }));
    m.thread.regs.pc = 0xf000;
    assert!(matches!(
        m.run(),
        Exit::Exception(Exception::Memory { pc: 0xf000, .. })
    ));
    let text = Exception::NoMeaning {
        pc: 0x1234,
        name: "Y6_dmpoll",
    }
    .to_string();
    assert!(
        text.contains("0x00001234") && text.contains("Y6_dmpoll"),
        "{text}"
    );
}

#[test]
fn changed_code_is_decoded_again_when_the_epoch_changes() {
    let mut m = Machine::new().code(&[i(Opcode::A2_tfrsi, &[0, 1])]).trap();
    m.run();
    let words = assemble_packet(&[i(Opcode::A2_tfrsi, &[0, 2])], EndLoop::None, false).unwrap();
    m.mem.store32(CODE, words[0]).unwrap();
    m.mem.epoch.set(1);
    m.thread.regs.pc = CODE;
    m.run();
    assert_eq!(m.r(0), 2);
}

#[test]
fn clock_registers_follow_the_thread_s_time() {
    let mut m = Machine::new()
        .code(&[i(Opcode::A2_nop, &[])])
        .code(&[i(Opcode::A4_tfrcpp, &[0, 30])])
        .code(&[i(Opcode::A4_tfrcpp, &[2, 18])])
        .trap();
    m.thread.packets = 10_000_000;
    m.run();
    // 10 ms and a packet at 19.2 MHz; packets before this one.
    assert_eq!((m.r(0), m.r(2)), (192_000, 10_000_002));
}

#[test]
fn temporary_vectors_leave_the_register_alone() {
    let producer = i(Opcode::V6_vaddb, &[1, 0, 2]);
    let load = i(Opcode::V6_vL32b_tmp_pi, &[0, 1, 1]);
    let load = Insn {
        v: order(load, &[("Vd", 0), ("Rx", 1), ("Ii", 1)]),
        ..load
    };
    let mut m = Machine::new().code(&[producer, load]).trap();
    m.thread.regs.r[1] = DATA;
    m.thread.regs.hvx.v[0] = [9; 128];
    m.thread.regs.hvx.v[2] = [1; 128];
    m.mem.store(DATA, &[3; 128]).unwrap();
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    let hvx = &m.thread.regs.hvx;
    assert_eq!((hvx.v[0], hvx.v[1], m.r(1)), ([9; 128], [4; 128], DATA + 128));
}

#[test]
fn a_scatter_s_fault_leaves_nothing_of_its_packet_behind() {
    // The unmapped page begins at 0xf000. One region ends there; the other has one element there.
    let unmapped = 0xf000;
    let add = i(Opcode::A2_addi, &[9, 9, 1]);
    let scatter = |op| i(op, &[1, 0, 2, 3]);
    for (op, base, last, at) in [
        (Opcode::V6_vscattermw, unmapped - 256, 511, unmapped + 255),
        (Opcode::V6_vscattermw_add, unmapped - 256, 255 + 4, unmapped + 3),
        (Opcode::V6_vscattermh, unmapped, 255, unmapped),
    ] {
        let mut m = Machine::new().code(&[add, scatter(op)]).trap();
        m.thread.regs.r[1] = base;
        m.thread.regs.c[Ctl::M0] = last;
        m.thread.regs.hvx.v[3] = [1; 128];
        let exit = m.run();
        let Exit::Exception(Exception::Memory { pc: CODE, fault }) = exit else {
            panic!("{op}: {exit:?}");
        };
        assert_eq!((fault.va, fault.kind), (at, FaultKind::Unmapped), "{op}");
        assert_eq!((m.r(9), m.mem.load32(unmapped - 256)), (0, Ok(0)), "{op}");
    }
}

#[test]
fn a_gather_s_result_goes_only_where_its_packet_stores_it() {
    let mut store = i(Opcode::V6_vS32b_new_ai, &[4, 0, Insn::VTMP]);
    store.producer = 0;
    let mut m = Machine::new()
        .code(&[i(Opcode::V6_vgathermw, &[1, 0, 2]), store])
        .trap();
    m.thread.regs.r[1] = DATA;
    m.thread.regs.c[Ctl::M0] = 7;
    m.thread.regs.r[4] = DATA + 0x100;
    m.mem.store32(DATA + 4, 42).unwrap();
    m.mem.store32(DATA + 0x104, 1).unwrap();
    // Word 0 takes the second word of the region; word 1 lies behind its end.
    m.thread.regs.hvx.v[2][0] = 4;
    m.thread.regs.hvx.v[2][4] = 8;
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    assert_eq!(
        (m.mem.load32(DATA + 0x100), m.mem.load32(DATA + 0x104)),
        (Ok(42), Ok(1))
    );
}

#[test]
fn floats_that_a_part_lacks_are_told_or_an_exception() {
    let code = || {
        Machine::new()
            .code(&[i(Opcode::A2_tfrsi, &[0, 7])])
            .code(&[i(Opcode::V6_vadd_sf_sf, &[0, 0, 0])])
            .trap()
    };
    let floats = |has, strict| Cpu::new(Arch::V68).with_floats(VectorFloats { has, strict });
    let mut m = code();
    m.cpu = floats(VectorFloat::Ieee, true);
    assert_eq!((m.run(), m.cpu.take_simulated()), (Exit::Trap0 { imm: 7 }, None));
    let mut m = code();
    m.cpu = floats(VectorFloat::Qfloat, false);
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    let (pc, name) = (CODE + 4, "V6_vadd_sf_sf");
    assert_eq!(m.cpu.take_simulated(), Some(Simulated { pc, name }));
    assert_eq!(m.cpu.take_simulated(), None);
    let mut m = code();
    m.cpu = floats(VectorFloat::Qfloat, true);
    assert_eq!(m.run(), Exit::Exception(Exception::NoFloatUnit { pc, name }));
    assert_eq!((m.r(0), m.thread.regs.pc), (7, CODE + 4));
}

#[test]
fn without_vector_contexts_a_vector_instruction_is_an_exception_behind_what_was_before_it() {
    let code = |machine: Machine| {
        machine
            .code(&[i(Opcode::A2_tfrsi, &[0, 7])])
            .code(&[i(Opcode::V6_vxor, &[0, 0, 0])])
            .trap()
    };
    let mut m = code(Machine::new());
    assert_eq!(m.run(), Exit::Trap0 { imm: 7 });
    for why in [NoVectors::Absent, NoVectors::NotHeld] {
        let mut m = code(Machine::new());
        m.cpu = Cpu::new(Arch::V68).without_vectors(why);
        let exception = Exception::NoVectors { pc: CODE + 4, why };
        assert_eq!(m.run(), Exit::Exception(exception));
        assert_eq!((m.r(0), m.thread.regs.pc), (7, CODE + 4));
    }
}
