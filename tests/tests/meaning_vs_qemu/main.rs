//! Every scalar instruction with a meaning, and some packets of several, against `qemu-hexagon`: one program with many
//! random cases runs on both, and every register, predicate, USR and memory byte after every packet must be equal.

mod cases;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet, decode_packet};

use cases::{Random, case, eligible, eligible_hvx, input, mixed};
use program::{CONTROL_OUT, Input, OUTPUT_BYTES, Program, SAVED_WORDS, VECTORS};

/// Packets built around each instruction, and inputs for each packet.
const PACKETS: u32 = 3;
const INPUTS: u32 = 6;

fn qemu() -> Option<&'static str> {
    ["qemu-hexagon-static", "qemu-hexagon"].into_iter().find(|q| {
        Command::new(q)
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    })
}

fn run_ours(elf: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    emu::exec::Program::load(elf, Arch::V73)
        .expect("our own ELF loads")
        .run(&mut out, 1 << 32)
        .expect("the program runs to its end on our core");
    out
}

fn run_qemu(qemu: &str, elf: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("cases");
    std::fs::write(&path, elf).expect("the program is written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it can be executed");
    }
    let out = Command::new(qemu)
        .args(["-cpu", "v73"])
        .arg(&path)
        .output()
        .expect("QEMU runs");
    assert!(
        out.status.success(),
        "QEMU: {:?} {}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

/// What differs between two output records.
fn difference(ours: &[u8], theirs: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    let word = |b: &[u8], k: usize| u32::from_le_bytes([b[4 * k], b[4 * k + 1], b[4 * k + 2], b[4 * k + 3]]);
    for k in 0..32 + CONTROL_OUT.len() {
        let (a, b) = (word(ours, k), word(theirs, k));
        if a != b {
            let name = if k < 32 {
                format!("r{k}")
            } else {
                format!("c{}", CONTROL_OUT[k - 32])
            };
            out.push(format!("{name} {a:08x} (qemu {b:08x})"));
        }
    }
    for (k, (a, b)) in ours[OUTPUT_BYTES..]
        .chunks(128)
        .zip(theirs[OUTPUT_BYTES..].chunks(128))
        .enumerate()
    {
        if let Some(at) = (0..128).find(|j| a[*j] != b[*j]) {
            let name = if k < 12 {
                format!("v{k}")
            } else {
                format!("q{}", k - 12)
            };
            out.push(format!(
                "{name} byte {at}: {:02x?} (qemu {:02x?})",
                &a[at & !3..(at & !3) + 4],
                &b[at & !3..(at & !3) + 4]
            ));
        }
    }
    let (ours, theirs) = (&ours[..OUTPUT_BYTES], &theirs[..OUTPUT_BYTES]);
    if ours[4 * SAVED_WORDS..] != theirs[4 * SAVED_WORDS..] {
        let at = (4 * SAVED_WORDS..OUTPUT_BYTES)
            .find(|k| ours[*k] != theirs[*k])
            .unwrap_or(0);
        out.push(format!("memory from byte {} on", at - 4 * SAVED_WORDS));
    }
    out
}

/// Runs the program on both and compares; what differs, by the instruction a case is about.
fn compare(
    qemu: &str,
    program: Program,
    hvx: bool,
    labels: &[(Opcode, Vec<Insn>, Input)],
) -> BTreeMap<Opcode, (u32, String)> {
    let size = OUTPUT_BYTES + if hvx { 128 * VECTORS } else { 0 };
    let elf = program.finish();
    let (ours, theirs) = (run_ours(&elf), run_qemu(qemu, &elf));
    assert_eq!(theirs.len(), labels.len() * size, "QEMU's output is complete");
    assert_eq!(ours.len(), theirs.len());
    // The comparison means something only if vectors were really loaded and saved, and different ones.
    let distinct: BTreeSet<&[u8]> = theirs.chunks(size).map(|r| &r[OUTPUT_BYTES..]).collect();
    assert!(
        !hvx || distinct.len() > labels.len() / 2,
        "only {} different results",
        distinct.len()
    );
    let mut wrong: BTreeMap<Opcode, (u32, String)> = BTreeMap::new();
    let mut memory_differs = false;
    for (k, (op, insns, i)) in labels.iter().enumerate() {
        let at = k * size..(k + 1) * size;
        let mut d = difference(&ours[at.clone()], &theirs[at]);
        // A wrong store shows in all later records; blame only the first.
        let memory = d.iter().any(|s| s.starts_with("memory"));
        if memory && memory_differs {
            d.retain(|s| !s.starts_with("memory"));
        }
        memory_differs |= memory;
        if !d.is_empty() {
            if std::env::var_os("MEANING_ALL").is_some() {
                println!("{op}: {} | {:08x?}", d.join(", "), i.r);
            }
            let entry = wrong.entry(*op).or_insert_with(|| {
                let values: Vec<String> = insns
                    .iter()
                    .map(|x| {
                        let v: Vec<String> = x
                            .info()
                            .operands
                            .iter()
                            .zip(x.v)
                            .map(|(o, v)| {
                                let r = i.r.get(v as usize).copied().unwrap_or(0);
                                format!("{}={v:#x}[{r:08x}]", o.name)
                            })
                            .collect();
                        format!("{} {}", x.op, v.join(" "))
                    })
                    .collect();
                (
                    0,
                    format!(
                        "{} | p={:08x} usr={:08x} | {}",
                        d.join(", "),
                        i.control[0],
                        i.control[1],
                        values.join("; ")
                    ),
                )
            });
            entry.0 += 1;
        }
    }
    for (op, (n, what)) in &wrong {
        println!("{op} ({n} times): {what}");
    }
    wrong
}

#[test]
fn scalar_instructions_do_what_qemu_does() {
    let Some(qemu) = qemu() else {
        println!("skipped: no qemu-hexagon");
        return;
    };
    let only = std::env::var("MEANING_ONLY").ok();
    let mut program = Program::new(false);
    let mut labels = Vec::new();
    let mut refused = BTreeMap::new();
    let mut rows = BTreeSet::new();
    for op in Opcode::all().filter(|op| eligible(*op)) {
        if only
            .as_ref()
            .is_some_and(|o| !op.info().name.contains(o.as_str()))
        {
            continue;
        }
        let mut rng = Random::new(op as u64 + 1);
        for _ in 0..PACKETS {
            let c = case(op, &mut rng);
            match program.add_packet(&c.insns, c.duplex, c.branch) {
                Ok(at) => {
                    rows.insert(op);
                    let more = if c.float { 4 } else { 1 };
                    for _ in 0..INPUTS * more {
                        let i = input(&c, &mut rng);
                        program.add_case(at, &i);
                        labels.push((op, c.insns.clone(), i));
                    }
                }
                Err(e) => {
                    refused.insert(op, e);
                }
            }
        }
    }
    // Every entry of the two seed tables.
    for (op, shift) in [(Opcode::F2_sfrecipa, 16), (Opcode::F2_sfinvsqrta, 17)] {
        if only
            .as_ref()
            .is_some_and(|o| !op.info().name.contains(o.as_str()))
        {
            continue;
        }
        let c = case(op, &mut Random::new(7));
        let operand = op
            .info()
            .operand("Rt")
            .or(op.info().operand("Rs"))
            .expect("an operand");
        let register = c.insns[0].v[operand] as usize;
        let at = program.add_packet(&c.insns, false, None).expect("it assembles");
        for k in 0..256u32 {
            let mut i = input(&c, &mut Random::new(u64::from(k)));
            i.r.fill(0x3f80_0000);
            i.r[register] = 0x3f80_0000 + (k << shift);
            program.add_case(at, &i);
            labels.push((op, c.insns.clone(), i));
        }
    }
    println!(
        "{} instructions, {} cases, {} not assembled",
        rows.len(),
        labels.len(),
        refused.len()
    );
    for (op, e) in &refused {
        println!("not assembled: {op}: {e}");
    }
    let wrong = compare(qemu, program, false, &labels);
    assert!(wrong.is_empty(), "{} instructions differ from QEMU", wrong.len());
}

#[test]
fn packets_of_several_instructions_do_what_qemu_does() {
    let Some(qemu) = qemu() else {
        println!("skipped: no qemu-hexagon");
        return;
    };
    let mut rng = Random::new(4711);
    let mut program = Program::new(false);
    let mut labels = Vec::new();
    let mut packets = 0;
    while packets < 3000 {
        let c = mixed(&mut rng);
        let legal = assemble_packet(&c.insns, EndLoop::None, false)
            .is_ok_and(|words| decode_packet(&words, Arch::V73).is_ok());
        if !legal {
            continue;
        }
        let at = program
            .add_packet(&c.insns, false, None)
            .expect("it was assembled before");
        packets += 1;
        for _ in 0..4 {
            let i = input(&c, &mut rng);
            program.add_case(at, &i);
            labels.push((c.insns[0].op, c.insns.clone(), i));
        }
    }
    println!("{packets} packets, {} cases", labels.len());
    let wrong = compare(qemu, program, false, &labels);
    assert!(
        wrong.is_empty(),
        "{} kinds of packet differ from QEMU",
        wrong.len()
    );
}

#[test]
fn hvx_integer_instructions_do_what_qemu_does() {
    let Some(qemu) = qemu() else {
        println!("skipped: no qemu-hexagon");
        return;
    };
    let only = std::env::var("MEANING_ONLY").ok();
    let mut program = Program::new(true);
    let mut labels = Vec::new();
    let mut refused = BTreeMap::new();
    let mut rows = BTreeSet::new();
    for op in Opcode::all().filter(|op| eligible_hvx(*op)) {
        if only
            .as_ref()
            .is_some_and(|o| !op.info().name.contains(o.as_str()))
        {
            continue;
        }
        let mut rng = Random::new(op as u64 + 1);
        for _ in 0..2 {
            let c = case(op, &mut rng);
            match program.add_packet(&c.insns, false, None) {
                Ok(at) => {
                    rows.insert(op);
                    for _ in 0..4 {
                        let i = input(&c, &mut rng);
                        program.add_case(at, &i);
                        labels.push((op, c.insns.clone(), i));
                    }
                }
                Err(e) => {
                    refused.insert(op, e);
                }
            }
        }
    }
    println!("{} HVX instructions, {} cases", rows.len(), labels.len());
    for (op, e) in &refused {
        println!("not assembled: {op}: {e}");
    }
    let wrong = compare(qemu, program, true, &labels);
    assert!(
        wrong.is_empty(),
        "{} HVX instructions differ from QEMU",
        wrong.len()
    );
}
