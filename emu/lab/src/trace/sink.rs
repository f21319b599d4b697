//! The file being written: packets are put into memory under a lock that is held for as long as a copy takes, and a thread of its
//! own writes them out.
//!
//! Whoever records never waits for the disk: when [`MAX_PENDING`] bytes wait, packets are dropped, counted, and the gap is
//! marked in the trace. A disk that is full ends the trace, not the run.

use super::packet::{Body, Direction, Packet};
use super::pcapng;
use super::{Options, TraceError};
use host_files::output;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that may wait to be written.
const MAX_PENDING: usize = 64 << 20;
/// How often the file is brought up to date.
const INTERVAL: Duration = Duration::from_millis(25);
/// With so much waiting the writer does not wait for its time.
const PLENTY: usize = 4 << 20;
/// Nanoseconds from one packet to the next where time is a counter.
const TICK: u64 = 1000;

/// What there was of one DSP.
#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    sequence: u32,
    /// Packets dropped since the last that was taken.
    gap: u64,
    lost: u64,
    last_time: u64,
}

#[derive(Debug, Default)]
struct Pending {
    /// Blocks that wait: one queue, or one a DSP where time is a counter.
    parts: Vec<Vec<u8>>,
    dsps: Vec<Counter>,
    closed: bool,
}

impl Pending {
    fn bytes(&self) -> usize {
        self.parts.iter().map(Vec::len).sum()
    }
}

struct Shared {
    start: Instant,
    /// Time is a counter of packets, and each DSP's packets stand together: the same events make the same file.
    counted_time: bool,
    pending: Mutex<Pending>,
    wake: Condvar,
    /// The file cannot be written any more.
    failed: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place where packets are put. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Whether time is a counter, and nothing may be recorded whose place among the others is a matter of chance.
    pub(super) fn is_counted(&self) -> bool {
        self.0.counted_time
    }

    /// Puts a packet in; its sequence number, or 0 if it was dropped.
    pub(super) fn put(&self, dsp: u8, direction: Direction, related: u32, body: Body) -> u32 {
        if self.0.failed.load(Ordering::Relaxed) {
            return 0;
        }
        let mut pending = self.0.lock();
        let full = pending.bytes() >= MAX_PENDING;
        let Some(counter) = pending.dsps.get_mut(usize::from(dsp)) else {
            return 0;
        };
        if full {
            counter.gap += 1;
            counter.lost += 1;
            return 0;
        }
        let gap = std::mem::take(&mut counter.gap);
        if gap != 0 {
            self.add(&mut pending, dsp, Direction::None, 0, Body::Lost(gap));
        }
        let sequence = self.add(&mut pending, dsp, direction, related, body);
        if pending.bytes() > PLENTY {
            self.0.wake.notify_one();
        }
        sequence
    }

    fn add(&self, pending: &mut Pending, dsp: u8, direction: Direction, related: u32, body: Body) -> u32 {
        let part = if self.0.counted_time { usize::from(dsp) } else { 0 };
        let (Some(counter), Some(out)) = (
            pending.dsps.get_mut(usize::from(dsp)),
            pending.parts.get_mut(part),
        ) else {
            return 0;
        };
        counter.sequence = counter.sequence.wrapping_add(1);
        let time = if self.0.counted_time {
            u64::from(counter.sequence) * TICK
        } else {
            u64::try_from(self.0.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
        };
        counter.last_time = time;
        let packet = Packet {
            direction,
            dsp,
            sequence: counter.sequence,
            related,
            body,
        };
        pcapng::packet(out, dsp.into(), time, &packet.encode());
        counter.sequence
    }
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets recorded.
    pub packets: u64,
    /// Packets dropped because the disk did not keep up.
    pub lost: u64,
    /// Why the file ends early.
    pub failed: Option<String>,
}

/// The file. Ends with [`Sink::close`], or when dropped.
pub(super) struct Sink {
    recorder: Recorder,
    path: PathBuf,
    writer: Option<JoinHandle<Option<String>>>,
}

impl Sink {
    /// Makes the file with a header for these DSPs.
    pub fn create(path: &Path, options: &Options, dsps: &[(String, String)]) -> Result<Self, TraceError> {
        let error = |source| TraceError::Write {
            path: path.to_owned(),
            source,
        };
        let file = output::create(path, options.existing)?;
        let counted_time = options.counted_time;
        let mut head = pcapng::section(&options.comment);
        for (label, description) in dsps {
            head.extend(pcapng::interface(label, description));
        }
        let parts = if counted_time { dsps.len() } else { 1 };
        let shared = Arc::new(Shared {
            start: Instant::now(),
            counted_time,
            pending: Mutex::new(Pending {
                parts: vec![Vec::new(); parts],
                dsps: vec![Counter::default(); dsps.len()],
                closed: false,
            }),
            wake: Condvar::new(),
            failed: AtomicBool::new(false),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            path: path.to_owned(),
            file,
            good: 0,
            spools: Vec::new(),
        };
        let writer = std::thread::Builder::new()
            .name("trace".into())
            .spawn(move || writer.run(head))
            .map_err(error)?;
        Ok(Self {
            recorder: Recorder(shared),
            path: path.to_owned(),
            writer: Some(writer),
        })
    }

    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is left. Nothing is taken afterwards.
    pub fn close(&mut self) -> Summary {
        self.recorder.0.lock().closed = true;
        self.recorder.0.wake.notify_one();
        let failed = match self.writer.take().map(JoinHandle::join) {
            Some(Ok(failed)) => failed,
            Some(Err(_)) => Some("the writer ended".into()),
            None => None,
        };
        self.recorder.0.failed.store(true, Ordering::Relaxed);
        let pending = self.recorder.0.lock();
        Summary {
            packets: pending.dsps.iter().map(|c| u64::from(c.sequence)).sum(),
            lost: pending.dsps.iter().map(|c| c.lost).sum(),
            failed,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.close();
        }
    }
}

/// The writer's thread.
struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    file: File,
    /// Bytes of whole blocks in the file.
    good: u64,
    /// Where each DSP's packets wait for the end, where time is a counter.
    spools: Vec<File>,
}

impl Writer {
    /// Until the end; why the file ends early, if it does.
    fn run(mut self, head: Vec<u8>) -> Option<String> {
        let error = self.write_all(head).err()?;
        self.shared.failed.store(true, Ordering::Relaxed);
        // A block that is half there would be taken for damage. What is no file (a pipe) cannot be cut.
        let _ = self.file.set_len(self.good);
        tracing::warn!(
            target: "emu::trace", "the trace {} ends here ({error}); the run goes on without it", self.path.display()
        );
        self.shared.lock().parts.iter_mut().for_each(Vec::clear);
        Some(error.to_string())
    }

    fn write_all(&mut self, head: Vec<u8>) -> std::io::Result<()> {
        self.write(&head)?;
        if self.shared.counted_time {
            for _ in 0..self.shared.lock().parts.len() {
                self.spools.push(tempfile::tempfile()?);
            }
        }
        loop {
            let (parts, closed) = self.wait();
            for (index, part) in parts.iter().enumerate() {
                match self.spools.get_mut(index) {
                    Some(spool) => spool.write_all(part)?,
                    None => self.write(part)?,
                }
            }
            if closed {
                break;
            }
        }
        for mut spool in std::mem::take(&mut self.spools) {
            spool.seek(SeekFrom::Start(0))?;
            let mut piece = Vec::new();
            while (&mut spool).take(1 << 20).read_to_end(&mut piece)? != 0 {
                self.write(&piece)?;
                piece.clear();
            }
        }
        let dsps = self.shared.lock().dsps.clone();
        for (index, c) in dsps.iter().enumerate() {
            let received = u64::from(c.sequence).saturating_add(c.lost);
            self.write(&pcapng::statistics(index as u32, c.last_time, received, c.lost))?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.good += bytes.len() as u64;
        Ok(())
    }

    /// What came in the meantime, and whether that was all.
    fn wait(&self) -> (Vec<Vec<u8>>, bool) {
        let mut pending = self.shared.lock();
        if !pending.closed && pending.bytes() < PLENTY {
            pending = self
                .shared
                .wake
                .wait_timeout(pending, INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let empty = vec![Vec::new(); pending.parts.len()];
        (std::mem::replace(&mut pending.parts, empty), pending.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pcapng::{Blocks, Item};
    use super::*;
    use host_files::output::Existing;

    fn dsps() -> Vec<(String, String)> {
        vec![("cdsp".into(), String::new()), ("adsp".into(), String::new())]
    }

    fn packets(path: &Path) -> (Vec<(u64, Packet)>, Vec<u64>) {
        let bytes = std::fs::read(path).unwrap();
        let mut blocks = Blocks::new(&bytes[..]);
        let (mut packets, mut dropped) = (Vec::new(), Vec::new());
        while let Some(item) = blocks.next_item().unwrap() {
            match item {
                Item::Packet { time, data, .. } => packets.push((time, Packet::parse(&data).unwrap())),
                Item::Statistics { dropped: n, .. } => dropped.push(n),
                _ => {}
            }
        }
        assert!(!blocks.is_cut());
        (packets, dropped)
    }

    #[test]
    fn packets_reach_the_file_in_order_with_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pcapng");
        let mut sink = Sink::create(&path, &Options::default(), &dsps()).unwrap();
        let recorder = sink.recorder().clone();
        for word in 0..1000 {
            recorder.put((word % 2) as u8, Direction::ToAp, 0, Body::Smp2p(word));
        }
        let summary = sink.close();
        assert_eq!((summary.packets, summary.lost, summary.failed), (1000, 0, None));
        assert_eq!(recorder.put(0, Direction::ToAp, 0, Body::Interrupt), 0);
        let (packets, dropped) = packets(&path);
        assert_eq!(dropped, [0, 0]);
        assert!(packets.windows(2).all(|w| w[0].0 <= w[1].0));
        let words: Vec<_> = packets.iter().map(|(_, p)| p.body.clone()).collect();
        assert_eq!(words, (0..1000).map(Body::Smp2p).collect::<Vec<_>>());
        assert_eq!((packets[999].1.dsp, packets[999].1.sequence), (1, 500));
    }

    #[test]
    fn with_counted_time_the_file_does_not_depend_on_who_came_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        let options = Options {
            counted_time: true,
            existing: Existing::Overwrite,
            ..Options::default()
        };
        for order in [[0u8, 1, 0, 1], [1, 1, 0, 0]] {
            let path = dir.path().join("a.pcapng");
            let mut sink = Sink::create(&path, &options, &dsps()).unwrap();
            for dsp in order {
                sink.recorder().put(dsp, Direction::ToAp, 0, Body::Interrupt);
                std::thread::sleep(Duration::from_millis(2));
            }
            sink.close();
            assert_eq!(packets(&path).0.len(), 4);
            files.push(std::fs::read(&path).unwrap());
        }
        assert_eq!(files[0], files[1]);
    }

    /// A pipe that nobody reads is a disk that does not keep up.
    #[test]
    fn what_does_not_fit_is_dropped_counted_and_marked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut pipe = File::open(path).unwrap();
                wait.recv().unwrap();
                let mut bytes = Vec::new();
                pipe.read_to_end(&mut bytes).unwrap();
                bytes
            })
        };
        let mut sink = Sink::create(&path, &Options::default(), &dsps()).unwrap();
        let mut dropped = 0;
        // The writer has taken some megabytes when it gets stuck; then this many fit no more.
        for n in 0..160 {
            let big = Body::Glink(vec![n; 1 << 20]);
            dropped += u64::from(sink.recorder().put(0, Direction::ToAp, 0, big) == 0);
        }
        assert!(dropped > 10, "{dropped}");
        go.send(()).unwrap();
        while sink.recorder().put(0, Direction::ToAp, 0, Body::Interrupt) == 0 {
            dropped += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        let summary = sink.close();
        assert_eq!((summary.lost, summary.failed), (dropped, None));
        let bytes = reader.join().unwrap();
        let mut blocks = Blocks::new(&bytes[..]);
        let mut kept = Vec::new();
        while let Some(item) = blocks.next_item().unwrap() {
            match item {
                Item::Packet { data, .. } => kept.push(Packet::parse(&data).unwrap()),
                Item::Statistics {
                    interface: 0,
                    dropped: n,
                } => assert_eq!(n, dropped),
                _ => {}
            }
        }
        let last = kept.len() - 1;
        assert_eq!(kept[last].body, Body::Interrupt);
        assert_eq!(kept[last - 1].body, Body::Lost(dropped));
    }

    #[test]
    fn a_full_disk_ends_the_trace_and_nothing_else() {
        let mut sink = Sink::create(Path::new("/dev/full"), &Options::default(), &dsps()).unwrap();
        for _ in 0..10 {
            sink.recorder().put(0, Direction::ToAp, 0, Body::Interrupt);
            std::thread::sleep(Duration::from_millis(5));
        }
        let summary = sink.close();
        assert!(
            summary.failed.unwrap().to_lowercase().contains("no space"),
            "says why"
        );
    }

    #[test]
    fn a_file_that_cannot_be_made_is_one_sentence() {
        let error = Sink::create(Path::new("/nonexistent/a.pcapng"), &Options::default(), &dsps())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("/nonexistent/a.pcapng"), "{error}");
    }
}
