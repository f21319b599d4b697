//! The crash record: what is known of a DSP at a fatal error, in the carveout, so that the AP's core dump has it.
//!
//! `struct crash_record` of `firmware/dsp/image.h` is the C form, which a debugger shows by its fields; the tail is the
//! same as text. [`CrashRecord`] is the Rust form: made by the device, read again by `vhost-hexagon coredump`.

use std::fmt::Write as _;
use std::time::Duration;

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::Firmware;
use emu_core::mem::{GuestRam, RamError};
use emu_os::crash::{CrashReport, Frame, Registers};
use emu_os::services::ProcessSummary;

/// First bytes of a record.
pub const MAGIC: [u8; 8] = *b"VHCRASH1";
/// Processes and threads that a record has room for.
const PROCESSES: usize = 64;
const THREADS: usize = 16;
const FRAMES: usize = 15;
const REPORT: usize = 0x1_0000 - 160 - PROCESSES * 88 - THREADS * 568;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawThread {
    process: [u8; 32],
    name: [u8; 32],
    id: U32,
    r: [U32; 32],
    pc: U32,
    p: U32,
    usr: U32,
    sa: [U32; 2],
    lc: [U32; 2],
    m: [U32; 2],
    cs: [U32; 2],
    ugp: U32,
    gp: U32,
    frame_count: U32,
    frames: [U32; FRAMES],
    cause: [u8; 128],
    packet: [u8; 128],
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawProcess {
    name: [u8; 48],
    state: [u8; 16],
    threads: U32,
    libraries: U32,
    packets: U64,
    memory: U64,
}

#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawRecord {
    magic: [u8; 8],
    size: U32,
    process_count: U32,
    thread_count: U32,
    report_size: U32,
    time_ns: U64,
    reason: [u8; 128],
    processes: [RawProcess; PROCESSES],
    threads: [RawThread; THREADS],
    report: [u8; REPORT],
}

/// Size of a record in bytes.
pub const SIZE: usize = size_of::<RawRecord>();

/// What is known of a DSP at a fatal error. More processes and threads than fit are left out, long texts cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashRecord {
    /// Why: what the AP's kernel prints.
    pub reason: String,
    /// Since the DSP was started.
    pub time: Duration,
    /// Its processes.
    pub processes: Vec<ProcessSummary>,
    /// Its threads, those that crashed first. What is said of a thread that did not crash in `cause`: what it waits for.
    pub threads: Vec<CrashReport>,
}

impl CrashRecord {
    /// What `dsp` is doing now. Waits a moment for processes that are running.
    pub fn of(dsp: &emu_os::services::Dsp, reason: impl Into<String>, time: Duration) -> Self {
        let (processes, threads) = dsp.autopsy();
        Self {
            reason: reason.into(),
            time,
            processes,
            threads,
        }
    }

    /// The record line by line, for people.
    pub fn lines(&self) -> Vec<String> {
        let mut out = vec![
            format!("fatal error: {}", self.reason),
            format!("{:.6} s after the start", self.time.as_secs_f64()),
        ];
        for p in &self.processes {
            out.push(format!(
                "process {}: {}, {} threads, {} libraries, {} packets, {} bytes",
                p.name, p.state, p.threads, p.libraries, p.packets, p.memory
            ));
        }
        for thread in &self.threads {
            let mut lines = thread.lines();
            if let Some(first) = lines.first_mut() {
                *first = format!(
                    "thread {} ({}) of {}: {}",
                    thread.thread, thread.thread_name, thread.process, thread.cause
                );
            }
            out.extend(lines);
        }
        out
    }

    fn to_raw(&self) -> Box<RawRecord> {
        let mut raw = Box::new(RawRecord::new_zeroed());
        raw.magic = MAGIC;
        raw.size = (SIZE as u32).into();
        raw.time_ns = u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX).into();
        put(&mut raw.reason, &self.reason);
        raw.process_count = (self.processes.len().min(PROCESSES) as u32).into();
        raw.thread_count = (self.threads.len().min(THREADS) as u32).into();
        for (to, p) in raw.processes.iter_mut().zip(&self.processes) {
            put(&mut to.name, &p.name);
            put(&mut to.state, &p.state);
            to.threads = p.threads.into();
            to.libraries = p.libraries.into();
            to.packets = p.packets.into();
            to.memory = p.memory.into();
        }
        for (to, t) in raw.threads.iter_mut().zip(&self.threads) {
            *to = raw_thread(t);
        }
        let mut text = String::new();
        for line in self.lines() {
            let _ = writeln!(text, "{line}");
        }
        put(&mut raw.report, &text);
        raw.report_size = (text.len().min(REPORT - 1) as u32).into();
        raw
    }

    /// Reads a record. Whatever the bytes are, the result is bounded; `None` if they are no record.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = RawRecord::ref_from_prefix(bytes).ok()?;
        if raw.magic != MAGIC || raw.size.get() as usize != SIZE {
            return None;
        }
        let count = |n: U32, most: usize| (n.get() as usize).min(most);
        Some(Self {
            reason: get(&raw.reason),
            time: Duration::from_nanos(raw.time_ns.get()),
            processes: raw.processes[..count(raw.process_count, PROCESSES)]
                .iter()
                .map(|p| ProcessSummary {
                    name: get(&p.name),
                    state: get(&p.state),
                    threads: p.threads.get(),
                    libraries: p.libraries.get(),
                    packets: p.packets.get(),
                    memory: p.memory.get(),
                })
                .collect(),
            threads: raw.threads[..count(raw.thread_count, THREADS)]
                .iter()
                .map(thread)
                .collect(),
        })
    }

    /// The text at the end of a record, with symbols in the backtraces.
    pub fn text(bytes: &[u8]) -> Option<String> {
        let (raw, _) = RawRecord::ref_from_prefix(bytes).ok()?;
        (raw.magic == MAGIC).then(|| get(&raw.report))
    }
}

fn raw_thread(t: &CrashReport) -> RawThread {
    let mut raw = RawThread::new_zeroed();
    let r = &t.registers;
    put(&mut raw.process, &t.process);
    put(&mut raw.name, &t.thread_name);
    put(&mut raw.cause, &t.cause);
    put(&mut raw.packet, &t.packet);
    raw.id = t.thread.into();
    raw.r = r.r.map(U32::from);
    raw.pc = r.pc.into();
    raw.p = r.p.into();
    raw.usr = r.usr.into();
    raw.sa = r.sa.map(U32::from);
    raw.lc = r.lc.map(U32::from);
    raw.m = r.m.map(U32::from);
    raw.cs = r.cs.map(U32::from);
    raw.ugp = r.ugp.into();
    raw.gp = r.gp.into();
    raw.frame_count = (t.backtrace.len().min(FRAMES) as u32).into();
    for (to, frame) in raw.frames.iter_mut().zip(&t.backtrace) {
        *to = frame.pc.into();
    }
    raw
}

fn thread(raw: &RawThread) -> CrashReport {
    let frames = (raw.frame_count.get() as usize).min(FRAMES);
    CrashReport {
        process: get(&raw.process),
        cause: get(&raw.cause),
        thread: raw.id.get(),
        thread_name: get(&raw.name),
        registers: Registers {
            r: raw.r.map(U32::get),
            pc: raw.pc.get(),
            p: raw.p.get(),
            usr: raw.usr.get(),
            sa: raw.sa.map(U32::get),
            lc: raw.lc.map(U32::get),
            m: raw.m.map(U32::get),
            cs: raw.cs.map(U32::get),
            ugp: raw.ugp.get(),
            gp: raw.gp.get(),
        },
        packet: get(&raw.packet),
        backtrace: raw.frames[..frames]
            .iter()
            .map(|pc| Frame {
                pc: pc.get(),
                symbol: None,
                library: None,
            })
            .collect(),
    }
}

/// Copies as much of a text as fits with a NUL, in whole characters.
fn put(to: &mut [u8], text: &str) {
    let mut n = text.len().min(to.len() - 1);
    while !text.is_char_boundary(n) {
        n -= 1;
    }
    to[..n].copy_from_slice(&text.as_bytes()[..n]);
    to[n..].fill(0);
}

/// The text up to the first NUL; what is not to be printed is replaced.
fn get(from: &[u8]) -> String {
    let end = from.iter().position(|b| *b == 0).unwrap_or(from.len());
    String::from_utf8_lossy(&from[..end])
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

impl Firmware {
    /// Puts a record where the AP's core dump finds it. An image with less room gets its beginning; the magic comes last,
    /// so that half a record is none.
    ///
    /// # Errors
    /// The carveout is no longer memory.
    pub fn write_crash(&self, ram: &GuestRam, record: &CrashRecord) -> Result<(), RamError> {
        let (at, room) = self.crash_area();
        let raw = record.to_raw();
        let bytes = raw.as_bytes();
        let len = bytes.len().min(room as usize);
        let Some(rest) = bytes.get(MAGIC.len()..len) else {
            return Ok(());
        };
        ram.write(at, &[0; MAGIC.len()])?;
        ram.write(at + MAGIC.len() as u64, rest)?;
        std::sync::atomic::fence(std::sync::atomic::Ordering::Release);
        ram.write(at, &MAGIC)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report() -> CrashReport {
        CrashReport {
            process: "calc@1:2".into(),
            cause: "load from 0x0".into(),
            thread: 7,
            thread_name: "ap-12".into(),
            registers: Registers {
                r: std::array::from_fn(|n| n as u32 * 3),
                pc: 0x1000_1234,
                lc: [1, 2],
                ..Registers::default()
            },
            packet: "{ r0 = memw(r0+#0) }".into(),
            backtrace: vec![Frame {
                pc: 0x1000_1234,
                symbol: Some("libcalc.so!sum+0x4".into()),
                library: None,
            }],
        }
    }

    fn record() -> CrashRecord {
        CrashRecord {
            reason: "fatal error for a test".into(),
            time: Duration::from_millis(1500),
            processes: vec![ProcessSummary {
                name: "calc@1:2".into(),
                state: "crashed".into(),
                threads: 1,
                libraries: 2,
                packets: 1 << 40,
                memory: 4096,
            }],
            threads: vec![report()],
        }
    }

    #[test]
    fn the_layout_is_that_of_image_h() {
        assert_eq!((size_of::<RawProcess>(), size_of::<RawThread>()), (88, 568));
        assert_eq!(SIZE, 0x1_0000);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut record = record();
        let raw = record.to_raw();
        let text = CrashRecord::text(raw.as_bytes()).unwrap();
        assert!(text.starts_with("fatal error: fatal error for a test\n1.500000 s after the start\n"));
        assert!(
            text.contains("#0 0x10001234 libcalc.so!sum+0x4") && text.contains("r3  00000009"),
            "{text}"
        );
        // Symbols are only in the text.
        record.threads[0].backtrace[0].symbol = None;
        assert_eq!(CrashRecord::parse(raw.as_bytes()), Some(record));
    }

    #[test]
    fn too_much_is_cut() {
        let mut record = record();
        record.reason = "ä".repeat(1000);
        record.processes = vec![record.processes[0].clone(); 100];
        record.threads = vec![report(); 1000];
        let raw = record.to_raw();
        let read = CrashRecord::parse(raw.as_bytes()).unwrap();
        assert_eq!(read.reason, "ä".repeat(63));
        assert_eq!((read.processes.len(), read.threads.len()), (PROCESSES, THREADS));
        assert_eq!(*raw.report.last().unwrap(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(
            changes in prop::collection::vec((0usize..SIZE, any::<u8>()), 0..64),
            len in 0usize..=SIZE,
            whole in any::<bool>(),
        ) {
            let mut bytes = record().to_raw().as_bytes().to_vec();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(len);
            }
            if let Some(read) = CrashRecord::parse(&bytes) {
                prop_assert!(read.threads.len() <= THREADS && read.lines().len() < 10_000);
            }
            let _ = CrashRecord::text(&bytes);
        }
    }
}
