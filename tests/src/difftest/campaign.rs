//! A campaign: which packets, in batches that follow from the seed; each batch on our core and on a peer; what differed, made
//! small and repeatable; how often each instruction was reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use hexagon_isa::info::{Flags, GuardReg, OperandClass};
use hexagon_isa::{Insn, Opcode, assemble_packet, decode_packet};

use super::exceptions::{gave_up, packet_fault};
use super::generate::{ARCH, directed, not_asked, seed_tables};
use super::input::input;
use super::mixed::{self, Stock, legal};
use super::program::{CONTROL_IN, Fragment, Input, Place, Shape, Value, pool};
use super::random::Random;
use super::run::{Peer, Record, Subject, difference, lay, run_ours, run_peer};

/// Packets of a batch: one program.
const PER_BATCH: usize = 400;
/// Inputs of a packet, if nothing asks for more.
const INPUTS: u32 = 6;
/// Findings after which a campaign stops looking for more.
const ENOUGH: usize = 60;

/// What is run.
#[derive(Debug)]
pub struct Campaign {
    seed: u64,
    /// The part of the repeat command that chooses instructions.
    only: Option<String>,
    scalar: Vec<Opcode>,
    hvx: Vec<Opcode>,
    stock: Stock,
    /// How many packets around each instruction.
    rounds: usize,
    mixed_batches: usize,
}

/// What a batch consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directed { round: usize, chunk: usize, hvx: bool },
    SeedTables,
    Mixed(usize),
}

impl Campaign {
    /// About `packets` packets; with `only` those around instructions whose name contains it.
    #[must_use]
    pub fn new(seed: u64, packets: usize, only: Option<&str>) -> Campaign {
        let asked: Vec<Opcode> = Opcode::all().filter(|op| not_asked(*op).is_none()).collect();
        let wanted = |op: &Opcode| match only.and_then(|o| o.strip_prefix('=')) {
            Some(exact) => op.info().name == exact,
            None => only.is_none_or(|o| op.info().name.contains(o)),
        };
        let (hvx, scalar): (Vec<Opcode>, Vec<Opcode>) = asked
            .iter()
            .copied()
            .filter(wanted)
            .partition(|op| op.info().flags.any(Flags::HVX));
        let rows = scalar.len() + hvx.len();
        let share = if only.is_some() { packets } else { packets / 2 };
        let rounds = share.div_ceil(rows.max(1));
        Campaign {
            seed,
            only: only.map(str::to_owned),
            scalar,
            hvx,
            stock: Stock::new(&asked),
            rounds,
            mixed_batches: if only.is_some() {
                0
            } else {
                (packets - share.min(packets)).div_ceil(PER_BATCH)
            },
        }
    }

    /// The instructions that packets are built around.
    pub fn instructions(&self) -> impl Iterator<Item = Opcode> + '_ {
        self.scalar.iter().chain(&self.hvx).copied()
    }

    fn chunks(&self) -> (usize, usize) {
        (
            self.scalar.len().div_ceil(PER_BATCH),
            self.hvx.len().div_ceil(PER_BATCH),
        )
    }

    /// How many batches there are.
    #[must_use]
    pub fn batches(&self) -> usize {
        let (scalar, hvx) = self.chunks();
        1 + self.rounds * (scalar + hvx) + self.mixed_batches
    }

    /// Long and short batches come in turns, so that progress is even.
    fn kind(&self, batch: usize) -> Kind {
        let Some(n) = batch.checked_sub(1) else {
            return Kind::SeedTables;
        };
        let (scalar, hvx) = self.chunks();
        let directed = self.rounds * (scalar + hvx);
        let total = directed + self.mixed_batches;
        // Spread the mixed batches evenly among the others.
        let before = n * self.mixed_batches / total;
        if (n + 1) * self.mixed_batches / total > before {
            return Kind::Mixed(before);
        }
        let n = n - before;
        let (round, chunk) = (n / (scalar + hvx), n % (scalar + hvx));
        Kind::Directed {
            round,
            chunk: if chunk < scalar { chunk } else { chunk - scalar },
            hvx: chunk >= scalar,
        }
    }

    /// The packets of a batch with their inputs, and whether they have vector instructions.
    fn generate(&self, batch: usize) -> (Vec<Subject>, bool) {
        let mut subjects = Vec::new();
        let kind = self.kind(batch);
        let mut add = |fragment: Fragment, rng: &mut Random| {
            let guarded = fragment.about.is_some_and(|op| op.info().guard.is_some());
            let n = match fragment.about {
                Some(_) if fragment.float || guarded => 2 * INPUTS,
                Some(_) => INPUTS,
                None => 4,
            };
            let inputs = (0..n).map(|_| input(&fragment, rng)).collect();
            subjects.push(Subject {
                number: subjects.len(),
                fragment,
                inputs,
            });
        };
        let hvx = match kind {
            Kind::SeedTables => {
                for (f, register, shift) in seed_tables() {
                    if !self.instructions().any(|op| Some(op) == f.about) {
                        continue;
                    }
                    let inputs = (0..256u32).map(|k| {
                        let mut i = input(&f, &mut Random::of(&[self.seed, u64::from(k)]));
                        i.r.fill(0x3f80_0000);
                        i.r[register] = 0x3f80_0000 + (k << shift);
                        i
                    });
                    subjects.push(Subject {
                        number: subjects.len(),
                        inputs: inputs.collect(),
                        fragment: f,
                    });
                }
                false
            }
            Kind::Directed { round, chunk, hvx } => {
                let ops = if hvx { &self.hvx } else { &self.scalar };
                for op in ops.iter().skip(chunk * PER_BATCH).take(PER_BATCH) {
                    let mut rng = Random::of(&[self.seed, 1, round as u64, *op as u64]);
                    // Some choices do not assemble, or are no legal packet.
                    for _ in 0..20 {
                        let f = directed(*op, &mut rng);
                        if f.packets.iter().all(legal) {
                            add(f, &mut rng);
                            break;
                        }
                    }
                }
                hvx
            }
            Kind::Mixed(n) => {
                let hvx = n % 3 == 2;
                let mut rng = Random::of(&[self.seed, 2, n as u64]);
                for _ in 0..PER_BATCH {
                    let f = match n % 6 {
                        4 => mixed::loop_end(&self.stock, hvx, &mut rng),
                        3 | 5 => mixed::small_program(&self.stock, hvx, &mut rng),
                        _ => mixed::single(&self.stock, hvx, &mut rng),
                    };
                    add(f, &mut rng);
                }
                hvx
            }
        };
        (subjects, hvx)
    }

    fn pool(&self, batch: usize) -> Vec<u8> {
        pool(&mut Random::of(&[self.seed, 3, batch as u64]))
    }

    /// The command that runs one packet of the campaign again.
    fn repeat(&self, packets: usize, batch: usize, number: usize) -> String {
        let only = self
            .only
            .as_ref()
            .map(|o| format!(" --only '{o}'"))
            .unwrap_or_default();
        format!(
            "cargo xtask difftest --packets {packets} --seed {}{only} --batch {batch} --packet {number}",
            self.seed
        )
    }
}

/// Something that differs.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The instruction it is about, or the instructions of the smallest packet that shows it.
    pub about: String,
    /// Everything needed to look into it.
    pub text: String,
}

/// What a campaign found out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Packets that ran (a small program counts each of its packets once).
    pub packets: u64,
    /// Packets or small programs run with one input each.
    pub cases: u64,
    /// Differences.
    pub findings: Vec<Finding>,
    /// Packets or small programs that the peer cannot translate.
    pub unanswered: u64,
    /// How often each instruction executed with operands of its own, its condition true.
    pub reached: BTreeMap<Opcode, u64>,
    /// Instructions for which no packet could be built.
    pub unbuilt: BTreeSet<Opcode>,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.packets += other.packets;
        self.cases += other.cases;
        self.findings.extend(other.findings);
        self.unanswered += other.unanswered;
        for (op, n) in other.reached {
            *self.reached.entry(op).or_default() += n;
        }
    }
}

/// How a campaign is run.
pub struct Options<'a> {
    /// As given to [`Campaign::new`].
    pub packets: usize,
    /// The peer.
    pub peer: &'a Peer,
    /// Threads.
    pub jobs: usize,
    /// Only this batch, and only this packet of it.
    pub just: (Option<usize>, Option<usize>),
    /// Batches before this one were run earlier.
    pub from: usize,
    /// Called after each batch with the number of batches done and what is known so far.
    pub progress: &'a (dyn Fn(usize, &Outcome) + Sync),
}

/// Runs a campaign.
///
/// # Errors
/// The peer cannot be started.
pub fn run(campaign: &Campaign, options: &Options) -> Result<Outcome> {
    let batches: Vec<usize> = match options.just.0 {
        Some(b) => vec![b],
        None => (options.from..campaign.batches()).collect(),
    };
    let next = AtomicUsize::new(0);
    let done = Mutex::new((0usize, Outcome::default(), None::<anyhow::Error>));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    let Some(batch) = batches.get(k) else { return };
                    let result = one_batch(campaign, options, *batch);
                    let Ok(mut done) = done.lock() else { return };
                    match result {
                        Ok(outcome) => done.1.add(outcome),
                        Err(e) => done.2 = Some(e),
                    }
                    done.0 += 1;
                    (options.progress)(done.0, &done.1);
                    if done.2.is_some() || done.1.findings.len() > ENOUGH {
                        return;
                    }
                }
            });
        }
    });
    let (_, outcome, error) = done.into_inner().unwrap_or_default();
    match error {
        Some(e) => Err(e),
        None => Ok(outcome),
    }
}

fn one_batch(campaign: &Campaign, options: &Options, batch: usize) -> Result<Outcome> {
    let (mut subjects, hvx) = campaign.generate(batch);
    if let Some(n) = options.just.1 {
        subjects.retain(|s| s.number == n);
    }
    let pool = campaign.pool(batch);
    let mut outcome = Outcome::default();
    let mut which: Vec<usize> = (0..subjects.len())
        .filter(|s| {
            let packets = &subjects[*s].fragment.packets;
            !packets.iter().any(|p| packet_fault(&p.insns, options.peer.major))
        })
        .collect();
    let mut blamed = BTreeSet::new();
    let mut report =
        |subjects: &[Subject], s: usize, k: usize, what: Vec<String>, findings: &mut Vec<Finding>| {
            let subject = &subjects[s];
            if !blamed.insert(s) {
                return;
            }
            let small = if options.just.1.is_none() || subject.fragment.about.is_none() {
                shrink(subject, k, hvx, &pool, options.peer)
            } else {
                Subject {
                    inputs: vec![subject.inputs[k].clone()],
                    ..subject.clone()
                }
            };
            let repeat = campaign.repeat(options.packets, batch, subject.number);
            let mut again = alone(&small, hvx, &pool, options.peer);
            if again.is_empty() {
                again = what;
                again.push("(only together with the cases in front of it)".to_owned());
            }
            let what = again;
            findings.push(finding(&small, what, &pool, options.peer, &repeat));
        };
    loop {
        let laid = lay(&subjects, &which, hvx, pool.clone());
        which.retain(|s| !laid.refused.iter().any(|(r, _)| r == s));
        if laid.cases.is_empty() {
            return Ok(outcome);
        }
        let ours = run_ours(&laid.elf);
        let theirs = run_peer(options.peer, &laid.elf)?;
        // Who stops, stops at the first case that is not in its output.
        let stopped = [("ours", &ours), ("theirs", &theirs)]
            .into_iter()
            .find_map(|(who, w)| w.failed.as_ref().map(|e| (who, w.bytes.len() / laid.size, e)));
        if let Some((who, at, why)) = stopped {
            let Some(&(s, k)) = laid.cases.get(at) else {
                anyhow::bail!("{who} ended after its last case: {why}");
            };
            if who == "theirs" && gave_up(why) {
                outcome.unanswered += 1;
                which.retain(|x| *x != s);
                continue;
            }
            let what = vec![format!("{who} stops: {why}")];
            report(&subjects, s, k, what, &mut outcome.findings);
            which.retain(|x| *x != s);
            if outcome.findings.len() > ENOUGH {
                return Ok(outcome);
            }
            continue;
        }
        anyhow::ensure!(
            ours.bytes.len() == theirs.bytes.len() && ours.bytes.len() == laid.cases.len() * laid.size,
            "incomplete output"
        );
        let records = ours
            .bytes
            .chunks(laid.size)
            .zip(theirs.bytes.chunks(laid.size))
            .zip(&laid.cases);
        for ((a, b), (s, k)) in records {
            let subject = &subjects[*s];
            outcome.cases += 1;
            count(subject, &subject.inputs[*k], Record(a), &mut outcome.reached);
            let what = difference(Record(a), Record(b));
            if !what.is_empty() {
                report(&subjects, *s, *k, what, &mut outcome.findings);
            }
        }
        outcome.packets += which
            .iter()
            .map(|s| subjects[*s].fragment.packets.len() as u64)
            .sum::<u64>();
        return Ok(outcome);
    }
}

/// Counts the instructions of a case of one packet that executed: those without condition, and those whose condition was true.
fn count(subject: &Subject, input: &Input, after: Record, reached: &mut BTreeMap<Opcode, u64>) {
    let f = &subject.fragment;
    // The first packet of the others is all that is known to have run once.
    let packet = match (f.about, f.packets.last(), f.packets.first()) {
        (Some(_), Some(last), _) => last,
        (None, _, Some(only)) if f.packets.len() == 1 => only,
        _ => return,
    };
    for insn in &packet.insns {
        let executed = insn.info().guard.is_none_or(|g| {
            let p = match g.reg {
                GuardReg::Fixed(n) => u32::from(n),
                GuardReg::Operand(n) => insn.v[usize::from(n)] as u32,
            };
            let all = if g.new { after.control(4) } else { input.control(4) };
            (all >> (8 * (p & 3)) & 1 == 1) == g.sense
        });
        if executed {
            *reached.entry(insn.op).or_default() += 1;
        }
    }
}

/// The fragment with one input, and with instructions and packets left out while it still differs.
fn shrink(subject: &Subject, k: usize, hvx: bool, pool: &[u8], peer: &Peer) -> Subject {
    let mut small = Subject {
        number: subject.number,
        fragment: subject.fragment.clone(),
        inputs: vec![subject.inputs[k].clone()],
    };
    let differs = |s: &Subject| !alone(s, hvx, pool, peer).is_empty();
    if small.fragment.about.is_some() || !differs(&small) {
        return small;
    }
    let mut p = 0;
    while p < small.fragment.packets.len() {
        let mut n = 0;
        while n < small.fragment.packets[p].insns.len() {
            let mut less = small.clone();
            if without(&mut less.fragment.packets[p], n) && differs(&less) {
                small = less;
            } else {
                n += 1;
            }
        }
        p += 1;
    }
    small
}

/// What differs when the subject is all that the program has.
fn alone(subject: &Subject, hvx: bool, pool: &[u8], peer: &Peer) -> Vec<String> {
    let laid = lay(std::slice::from_ref(subject), &[0], hvx, pool.to_vec());
    if laid.cases.is_empty() {
        return Vec::new();
    }
    let ours = run_ours(&laid.elf);
    let Ok(theirs) = run_peer(peer, &laid.elf) else {
        return Vec::new();
    };
    match (&ours.failed, &theirs.failed) {
        (Some(e), None) => vec![format!("ours stops: {e}")],
        (None, Some(e)) => vec![format!("theirs stops: {e}")],
        (None, None) if ours.bytes.len() == theirs.bytes.len() => {
            difference(Record(&ours.bytes), Record(&theirs.bytes))
        }
        _ => Vec::new(),
    }
}

/// Takes instruction `n` out of the packet; false if the rest is no packet.
fn without(shape: &mut Shape, n: usize) -> bool {
    if shape.insns.len() < 2 || shape.duplex && n + 2 >= shape.insns.len() {
        return false;
    }
    if shape.targets.iter().any(|(t, _)| *t == n) || shape.insns.iter().any(|i| usize::from(i.producer) == n)
    {
        return false;
    }
    shape.insns.remove(n);
    for i in &mut shape.insns {
        if i.producer != Insn::NONE && usize::from(i.producer) > n {
            i.producer -= 1;
        }
    }
    for (t, _) in &mut shape.targets {
        if *t > n {
            *t -= 1;
        }
    }
    legal(shape)
}

fn finding(subject: &Subject, what: Vec<String>, pool: &[u8], peer: &Peer, repeat: &str) -> Finding {
    let f = &subject.fragment;
    let mut names: Vec<&str> = f
        .packets
        .iter()
        .flat_map(|p| &p.insns)
        .map(|i| i.info().name)
        .collect();
    if let Some(op) = f.about {
        names = vec![op.info().name];
    }
    let mut text = format!(
        "{} ({}), against {} {}\n",
        names.join(" "),
        f.kind,
        peer.name(),
        peer.version
    );
    for (n, p) in f.packets.iter().enumerate() {
        let words = assemble_packet(&p.insns, p.endloop, p.duplex).unwrap_or_default();
        let listing = decode_packet(&words, ARCH).map_or_else(|e| e.to_string(), |d| d.print(0));
        let _ = writeln!(text, "  packet {n}:{}", listing.replace('\n', "\n          "));
        for (i, target) in &p.targets {
            let _ = writeln!(text, "    instruction {i} goes to {target:?}");
        }
    }
    let mut input = subject.inputs[0].clone();
    for (place, value) in &f.fixed {
        match (place, value) {
            (Place::Gpr(n), Value::Word(w)) => input.r[*n] = *w,
            (Place::Control(c), Value::Word(w)) => input.set_control(*c, *w),
            _ => {
                let _ = writeln!(text, "  {place:?} holds {value:?}");
            }
        }
    }
    for (n, row) in input.r.chunks(8).enumerate() {
        let row: Vec<String> = row.iter().map(|v| format!("{v:08x}")).collect();
        let _ = writeln!(text, "  r{:<2} {}", 8 * n, row.join(" "));
    }
    let controls: Vec<String> = CONTROL_IN
        .iter()
        .map(|c| format!("c{c}={:08x}", input.control(*c)))
        .collect();
    let _ = writeln!(text, "  {}", controls.join(" "));
    let mut shown = BTreeSet::new();
    for insn in f.packets.iter().flat_map(|p| &p.insns) {
        for (o, v) in insn.info().operands.iter().zip(insn.v) {
            let registers = match o.class {
                OperandClass::Vec => vec![v as usize & 31],
                OperandClass::VecPair => vec![v as usize & 30, v as usize & 30 | 1],
                OperandClass::VecPred => vec![8 + (v as usize & 3)],
                _ => Vec::new(),
            };
            for r in registers {
                let first = 128 * ((input.vectors % (super::program::POOL_VECTORS - 32)) as usize + r);
                if shown.insert(r)
                    && let Some(bytes) = pool.get(first..first + 128)
                {
                    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                    let _ = writeln!(text, "  v{r} (q{} has its bits 0) {hex}", r.wrapping_sub(8) & 3);
                }
            }
        }
    }
    for w in what {
        let _ = writeln!(text, "  {w}");
    }
    let _ = writeln!(text, "  again: {repeat} --qemu {}", peer.path.display());
    Finding {
        about: names.join(" "),
        text,
    }
}
