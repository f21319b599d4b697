//! A packet: up to four words that execute as one.
//!
//! Everything that the packet's form decides is resolved here, once: which word a constant extender extends, the halves of a
//! duplex, the register behind a new-value operand, slots, loop ends. Source: Hexagon PRM, chapters "Instruction packets"
//! and "Instruction encoding".

use crate::info::{Flags, MAX_OPERANDS, Numbering, OperandClass, Role, WORDS};
use crate::{Arch, DecodeError, InsnInfo, Opcode, decode, rules, slots};

/// No packet has more instructions.
pub const MAX_INSNS: usize = 4;

/// An instruction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// What it is.
    pub op: Opcode,
    /// The slot it executes in.
    pub slot: u8,
    /// Position in the packet of the instruction that produces its new-value operand; [`Insn::NONE`] if it has none.
    pub producer: u8,
    /// A constant extender widened its immediate.
    pub extended: bool,
    /// Its operands' values, in the order of [`InsnInfo::operands`]. Registers by number; immediates final. A new-value operand
    /// is the producer's register; [`Insn::VTMP`] for the result of a gather.
    pub v: [i32; MAX_OPERANDS],
}

impl Insn {
    /// No producer.
    pub const NONE: u8 = 0xff;
    /// The value of a vector new-value operand that takes a gather's result.
    pub const VTMP: i32 = -1;

    /// `op` with all operands 0.
    pub(crate) const fn new(op: Opcode) -> Insn {
        Insn {
            op,
            slot: 0,
            producer: Insn::NONE,
            extended: false,
            v: [0; MAX_OPERANDS],
        }
    }

    /// `op` with these operands, which is in no packet yet: to be assembled. Operands that are not given are 0.
    #[must_use]
    pub fn with_operands(op: Opcode, operands: &[i32]) -> Insn {
        let mut insn = Insn::new(op);
        insn.v.iter_mut().zip(operands).for_each(|(v, given)| *v = *given);
        insn
    }

    /// Everything known about it.
    #[must_use]
    pub fn info(&self) -> &'static InsnInfo {
        self.op.info()
    }
}

/// Which hardware loops a packet ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndLoop {
    /// None.
    #[default]
    None,
    /// The inner one.
    Loop0,
    /// The outer one.
    Loop1,
    /// Both.
    Both,
}

/// A decoded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    insns: [Insn; MAX_INSNS],
    len: u8,
    /// How many words it has.
    pub words: u8,
    /// The loops that it ends.
    pub endloop: EndLoop,
    /// A store stands before a load: the load sees what the store wrote (`:mem_noshuf` in the assembler).
    pub store_before_load: bool,
    /// Its last word is a duplex: the last two instructions are its halves.
    pub duplex: bool,
    raw: [u32; MAX_INSNS],
}

impl Packet {
    /// Its instructions in program order: words in order of address, the high half of a duplex before the low one.
    #[must_use]
    pub fn insns(&self) -> &[Insn] {
        self.insns.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Its words.
    #[must_use]
    pub fn raw(&self) -> &[u32] {
        self.raw.get(..usize::from(self.words)).unwrap_or_default()
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.words as u32 * 4
    }

    pub(crate) fn insns_mut(&mut self) -> &mut [Insn] {
        self.insns.get_mut(..usize::from(self.len)).unwrap_or_default()
    }

    fn push(&mut self, insn: Insn) -> Result<(), DecodeError> {
        *self
            .insns
            .get_mut(usize::from(self.len))
            .ok_or(DecodeError::TooMany)? = insn;
        self.len += 1;
        Ok(())
    }
}

/// How many words the packet at the start of `words` has, by its parse bits alone; `None` if four words do not end it.
#[must_use]
pub fn packet_words(words: &[u32]) -> Option<usize> {
    words
        .iter()
        .take(MAX_INSNS)
        .position(|w| matches!(w >> 14 & 3, 0 | 3))
        .map(|n| n + 1)
}

/// Decodes the packet at the start of `words`, of which there may be more.
///
/// # Errors
/// [`DecodeError::Incomplete`] if the packet goes on behind the end of `words`; the other errors say what is illegal.
pub fn decode_packet(words: &[u32], arch: Arch) -> Result<Packet, DecodeError> {
    decode_counted(words, arch).map_err(|(error, _)| error)
}

/// As [`decode_packet`]; an error comes with the number of words that were looked at until it showed.
pub(crate) fn decode_counted(words: &[u32], arch: Arch) -> Result<Packet, (DecodeError, u8)> {
    let mut packet = Packet {
        insns: [Insn::new(Opcode::A2_nop); MAX_INSNS],
        len: 0,
        words: 0,
        endloop: EndLoop::None,
        store_before_load: false,
        duplex: false,
        raw: [0; MAX_INSNS],
    };
    match decode_into(&mut packet, words, arch) {
        Ok(()) => Ok(packet),
        Err(error) => Err((error, packet.words)),
    }
}

fn decode_into(packet: &mut Packet, words: &[u32], arch: Arch) -> Result<(), DecodeError> {
    let mut ext = None;
    let (mut inner, mut outer) = (false, false);
    for n in 0..MAX_INSNS as u8 {
        let word = *words.get(usize::from(n)).ok_or(DecodeError::Incomplete)?;
        if let Some(raw) = packet.raw.get_mut(usize::from(n)) {
            *raw = word;
        }
        packet.words = n + 1;
        match (word >> 14 & 3, n) {
            (0, _) => {
                let unknown = DecodeError::Unknown { word: n, bits: word };
                let (low, high) = decode::duplex_tables(word).ok_or(unknown)?;
                // An extender belongs to the high half, which comes first.
                packet.push(decode::decode(high, word >> 16 & 0x1fff, ext.take(), n, arch)?)?;
                packet.push(decode::decode(low, word & 0x1fff, None, n, arch)?)?;
                packet.duplex = true;
                return finish(packet, inner, outer, arch);
            }
            (2, 0) => inner = true,
            (2, 1) => outer = true,
            (2, _) => return Err(DecodeError::LoopMark { word: n }),
            _ => {}
        }
        let last = word >> 14 & 3 == 3;
        if word >> 28 == 0 {
            if ext.is_some() || last {
                return Err(DecodeError::DanglingExtender { word: n });
            }
            ext = Some((word >> 2 & 0x3ff_c000 | word & 0x3fff) << 6);
            continue;
        }
        let mut insn = decode::decode(&WORDS, word, ext.take(), n, arch)?;
        resolve_new_value(&mut insn, packet.insns())?;
        packet.push(insn)?;
        if last {
            return finish(packet, inner, outer, arch);
        }
    }
    Err(DecodeError::NoEnd)
}

/// What only the whole packet tells.
fn finish(packet: &mut Packet, inner: bool, outer: bool, arch: Arch) -> Result<(), DecodeError> {
    packet.endloop = match (inner, outer) {
        (false, false) => EndLoop::None,
        (true, false) => EndLoop::Loop0,
        (false, true) => EndLoop::Loop1,
        (true, true) => EndLoop::Both,
    };
    rules::check(packet, arch)?;
    let duplex = packet.duplex;
    slots::assign(packet.insns_mut(), duplex)?;
    let mut memory = packet.insns().iter().map(Insn::info).filter(|i| i.is_memory());
    if let (Some(first), Some(second)) = (memory.next(), memory.next()) {
        packet.store_before_load = first.store.is_some() && second.load.is_some();
    }
    Ok(())
}

/// Replaces the distance in a new-value operand by the register of the producer, which is one of `before`.
fn resolve_new_value(insn: &mut Insn, before: &[Insn]) -> Result<(), DecodeError> {
    let info = insn.info();
    let Some(at) = info
        .operands
        .iter()
        .position(|o| o.numbering == Numbering::Distance)
    else {
        return Ok(());
    };
    let (Some(operand), Some(v)) = (info.operands.get(at), insn.v.get_mut(at)) else {
        return Ok(());
    };
    let vector = operand.class == OperandClass::Vec;
    let distance = (*v >> 1 & 3) as usize;
    let odd = *v & 1 == 1;
    let none = DecodeError::NoProducer(insn.op);
    // Vector consumers count vector instructions only.
    let mut candidates = before
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, i)| !vector || i.info().flags.any(Flags::HVX));
    let (n, producer) = distance
        .checked_sub(1)
        .and_then(|skip| candidates.nth(skip))
        .ok_or(none)?;
    let value = if vector {
        produced_vector(producer, odd)
    } else {
        produced(producer, odd)
    };
    *v = value.ok_or(DecodeError::BadProducer(insn.op, producer.op))?;
    insn.producer = n as u8;
    Ok(())
}

/// The general register that a new-value operand takes from `producer`.
fn produced(producer: &Insn, odd: bool) -> Option<i32> {
    let info = producer.info();
    let mut written = info
        .operands
        .iter()
        .zip(producer.v)
        .filter(|(o, _)| o.role != Role::Read);
    let (operand, v) = written.next()?;
    // A pair is no new value, and neither is an address register that is updated on the way.
    let fits = operand.class == OperandClass::Gpr && (operand.name == "Rd" || !info.is_memory());
    (fits && !odd).then_some(v)
}

/// The vector register that a new-value operand takes from `producer`.
fn produced_vector(producer: &Insn, odd: bool) -> Option<i32> {
    let info = producer.info();
    if info.defs.contains(&crate::info::Implicit::VTMP) {
        return (!odd).then_some(Insn::VTMP);
    }
    let mut written = info
        .operands
        .iter()
        .zip(producer.v)
        .filter(|(o, _)| o.role != Role::Read);
    let (operand, v) = written
        .by_ref()
        .find(|(o, _)| matches!(o.class, OperandClass::Vec | OperandClass::VecPair))?;
    let second = written.find(|(o, _)| o.class == OperandClass::Vec);
    match (operand.class, second) {
        (OperandClass::VecPair, _) => Some(v ^ i32::from(odd)),
        // vshuff and vdeal write two registers; the odd half is the first.
        (_, Some((_, second))) => Some(if odd { v } else { second }),
        (_, None) => (!odd).then_some(v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(words: &[u32]) -> Packet {
        decode_packet(words, Arch::V73).unwrap()
    }

    #[test]
    fn an_extender_widens_the_next_word_only() {
        // { r1 = add(r2,##100000); r0 = memw(##0x12345678) }
        let p = decode(&[0x0000_461a, 0xb002_4401, 0x0123_5159, 0x4980_c700]);
        assert_eq!(p.words, 4);
        let [add, load] = p.insns() else { panic!("{p:?}") };
        assert_eq!(
            (add.op, add.v[0], add.v[1], add.v[2]),
            (Opcode::A2_addi, 1, 2, 100_000)
        );
        assert_eq!(
            (load.op, load.v[0], load.v[1]),
            (Opcode::PS_loadriabs, 0, 0x1234_5678)
        );
    }

    #[test]
    fn a_duplex_gives_its_high_half_first() {
        // { if (p0) jump:t +12; r1 = add(r1,#-1); r0 = memw(r29+#4) }
        let p = decode(&[0x5c00_5006, 0x5311_3c10]);
        let ops: Vec<Opcode> = p.insns().iter().map(|i| i.op).collect();
        assert_eq!(ops, [Opcode::J2_jumptpt, Opcode::SA1_dec, Opcode::SL2_loadri_sp]);
        assert_eq!(p.insns().iter().map(|i| i.slot).collect::<Vec<_>>(), [3, 1, 0]);
        assert!(p.duplex);
    }

    #[test]
    fn a_new_value_names_its_producer() {
        // { r1 = add(r2,r3); memw(r4+#0) = r1.new } :endloop0
        let p = decode(&[0xf302_8301, 0xa1a4_d200]);
        assert_eq!(p.endloop, EndLoop::Loop0);
        let store = p.insns()[1];
        assert_eq!((store.producer, store.v[2]), (0, 1));
    }

    #[test]
    fn a_store_before_a_load_is_seen_by_it() {
        assert!(decode(&[0xa180_4100, 0x9183_c002]).store_before_load);
        assert!(!decode(&[0x9183_4002, 0xa180_c100]).store_before_load);
    }

    #[test]
    fn words_that_end_too_early_are_incomplete() {
        assert_eq!(decode_packet(&[], Arch::V73), Err(DecodeError::Incomplete));
        assert_eq!(
            decode_packet(&[0x7f00_4000; 3], Arch::V73),
            Err(DecodeError::Incomplete)
        );
        assert_eq!(
            decode_packet(&[0x7f00_4000; 4], Arch::V73),
            Err(DecodeError::NoEnd)
        );
    }

    #[test]
    fn newer_instructions_are_refused_by_name() {
        // vadd.sf (V68) on V66
        let word = 0x1f80_e0c0;
        let needs = DecodeError::NotOnThisCore {
            op: Opcode::V6_vadd_sf_sf,
            needs: Arch::V68,
            arch: Arch::V66,
        };
        assert_eq!(decode_packet(&[word], Arch::V66), Err(needs));
        assert_eq!(
            decode_packet(&[word], Arch::V68).unwrap().insns()[0].op,
            Opcode::V6_vadd_sf_sf
        );
    }

    #[test]
    fn illegal_packets_say_why() {
        let error = |words: &[u32]| decode_packet(words, Arch::V73).unwrap_err();
        // { r1 = add(r2,r3); r1 = add(r2,r3) }
        let two = DecodeError::TwoWriters(Opcode::A2_add, Opcode::A2_add);
        assert_eq!(error(&[0xf302_4301, 0xf302_c301]), two);
        // { nop; trap0(#1) }
        assert_eq!(
            error(&[0x7f00_4000, 0x5400_c004]),
            DecodeError::Solo(Opcode::J2_trap0)
        );
        // { memw(r4+#0) = r1.new } alone
        assert_eq!(
            error(&[0xa1a4_d200]),
            DecodeError::NoProducer(Opcode::S2_storerinew_io)
        );
        // an extender at the end, and one before an instruction without immediate
        assert_eq!(error(&[0x0000_c000]), DecodeError::DanglingExtender { word: 0 });
        assert_eq!(
            error(&[0x0000_4000, 0xf302_c301]),
            DecodeError::NotExtendable(Opcode::A2_add)
        );
    }

    #[test]
    fn text_is_that_of_objdump() {
        let p = decode(&[0x0000_461a, 0xb002_4401, 0x0123_5159, 0x4980_c700]);
        let text = " { \timmext(#0x18680)\n   \tr1 = add(r2,##0x186a0)\n   \timmext(#0x12345640)\n   \t\
                    r0 = memw(##0x12345678) }";
        assert_eq!(p.print(0), text);
    }
}
