use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use hexagon_isa::Arch;
use proptest::prelude::*;
use zerocopy::FromZeros;

use super::boot::BootError;
use super::*;
use emu_core::mem::{Bus, NoFaultLine};

const RAM: u64 = 0x4000_0000;
pub(crate) const CARVEOUT: Range<u64> = RAM + 0x10_0000..RAM + 0x50_0000;
const BASE: u32 = 0x0200_0000;

const TRAP0: u32 = 0x5400_c000;
/// `{ jump here }`.
const HERE: u32 = 0x5800_c000;

/// A small image of the format, as it lies in memory.
#[derive(Clone)]
pub(crate) struct TestImage {
    pub head: Box<RawHeader>,
    pub bytes: Vec<u8>,
}

impl TestImage {
    /// Six segments of one or two pages; `code` at reset, and these exported functions.
    pub fn new(code: &[u32], functions: &[&str]) -> Self {
        let mut bytes = vec![0; 0x9000];
        let mut put = |at: usize, data: &[u8]| bytes[at..at + data.len()].copy_from_slice(data);
        for (n, word) in code.iter().enumerate() {
            put(0x1000 + 4 * n, &word.to_le_bytes());
        }
        put(0x2000, b"QC_IMAGE_VERSION_STRING=TEST.1\0a test's shell\0");
        put(0x2100, b"errno\0");
        let mut table = vec![BASE + 0x2100, BASE + 0x5000];
        for n in 0..=functions.len() {
            put(0x4000 + 8 * n, &TRAP0.to_le_bytes());
            put(0x4004 + 8 * n, &0x529f_c000_u32.to_le_bytes());
        }
        for (n, name) in functions.iter().enumerate() {
            let at = 0x2200 + 64 * n;
            put(at, name.as_bytes());
            table.extend([BASE + at as u32, BASE + 0x4008 + 8 * n as u32]);
        }
        for (n, word) in table.iter().enumerate() {
            put(0x3000 + 4 * n, &word.to_le_bytes());
        }
        let mut head = Box::new(RawHeader::new_zeroed());
        head.magic = header::MAGIC;
        head.format = header::FORMAT.into();
        head.size = (header::SIZE as u32).into();
        head.arch = 68.into();
        head.base = BASE.into();
        head.reset = (BASE + 0x1000).into();
        head.ready = (BASE + 0x1800).into();
        head.fatal = (BASE + 0x1900).into();
        head.version = (BASE + 0x2000).into();
        head.shell = (BASE + 0x201f).into();
        let range = |from: u32, to: u32| [(BASE + from).into(), (BASE + to).into()];
        head.symbols = range(0x3000, 0x3000 + 4 * table.len() as u32);
        head.process_text = range(0x4000, 0x4000 + 8 * (functions.len() as u32 + 1));
        head.process_return = (BASE + 0x4000).into();
        head.process_data = range(0x5000, 0x5010);
        head.log = range(0x6000, 0x6100);
        head.crash = range(0x7000, 0x9000);
        let segments = [
            (0, 0x1000, 0x1000, 5),
            (0x1000, 0x1000, 0x1000, 5),
            (0x2000, 0x2000, 0x2000, 4),
            (0x4000, 0x1000, 0x1000, 5),
            (0x5000, 0x10, 0x10, 6),
            (0x6000, 0, 0x100, 6),
            (0x7000, 0, 0x2000, 6),
        ];
        head.segment_count = (segments.len() as u32).into();
        for (to, (at, file, memory, flags)) in head.segments.iter_mut().zip(segments) {
            to.address = (BASE + at).into();
            to.file_size = file.into();
            to.memory_size = memory.into();
            to.flags = flags.into();
        }
        let mut image = Self { head, bytes };
        image.put_code(0x1800, &[TRAP0]);
        image.put_code(0x1900, &[TRAP0]);
        image.seal();
        image
    }

    fn put_code(&mut self, at: usize, code: &[u32]) {
        for (n, word) in code.iter().enumerate() {
            self.bytes[at + 4 * n..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Makes all digests right again.
    pub fn seal(&mut self) {
        let count = (self.head.segment_count.get() as usize).min(MAX_SEGMENTS);
        for raw in &mut self.head.segments[..count] {
            let at = raw.address.get().wrapping_sub(BASE) as usize;
            if let Some(bytes) = self
                .bytes
                .get(at..at.saturating_add(raw.file_size.get() as usize))
            {
                raw.sha256 = Sha256::digest(bytes).into();
            }
        }
        self.head.sha256 = [0; 32];
        self.put_head();
        let size = self.head.segments[0].file_size.get() as usize;
        if let Some(boot) = self.bytes.get(..size) {
            self.head.sha256 = Sha256::digest(boot).into();
        }
        self.put_head();
    }

    fn put_head(&mut self) {
        self.bytes[OFFSET as usize..][..header::SIZE].copy_from_slice(self.head.as_bytes());
    }

    /// Guest RAM with the image at the carveout's start.
    pub fn place(&self) -> GuestRam {
        let ram = GuestRam::anonymous(8 << 20, RAM).unwrap();
        ram.write(CARVEOUT.start, &self.bytes).unwrap();
        ram
    }

    fn load(&self) -> Result<Firmware, FirmwareError> {
        load(&self.place())
    }
}

pub(crate) fn load(ram: &GuestRam) -> Result<Firmware, FirmwareError> {
    Firmware::load(ram, CARVEOUT, CARVEOUT.start)
}

fn good() -> TestImage {
    TestImage::new(&[TRAP0], &["memcpy", "qurt_mutex_lock"])
}

pub(crate) fn bus(ram: &GuestRam) -> Arc<Bus> {
    Arc::new(Bus::new(
        ram.clone(),
        RAM,
        iommu::Geometry::SMALL,
        Arc::new(NoFaultLine),
    ))
}

/// The real image, as the kernel's mdt loader puts it into the carveout.
pub(crate) fn real() -> (GuestRam, Vec<u8>) {
    let file = emu_assets::dsp_firmware().into_owned();
    let ram = GuestRam::anonymous(8 << 20, RAM).unwrap();
    // Whatever was there before.
    ram.write(CARVEOUT.start, &vec![0xa5; 4 << 20]).unwrap();
    let elf = Elf::parse(&file).unwrap();
    assert_eq!(elf.header.e_phoff, 52);
    let loads = || elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD);
    let low = loads().map(|p| p.p_paddr).min().unwrap();
    assert!(
        loads().all(|p| p.p_flags & 1 << 27 != 0),
        "a segment is not relocatable"
    );
    for p in loads() {
        let to = CARVEOUT.start + (p.p_paddr - low);
        ram.write(to, &file[p.file_range()]).unwrap();
        let rest = vec![0; (p.p_memsz - p.p_filesz) as usize];
        ram.write(to + p.p_filesz, &rest).unwrap();
    }
    (ram, file)
}

#[test]
fn the_real_image_is_whole_boots_and_exports_everything() {
    let (ram, file) = real();
    let firmware = load(&ram).unwrap();
    assert!(
        firmware.version().starts_with("VHOST.DSP."),
        "{}",
        firmware.version()
    );
    assert!(firmware.shell().description.contains("placeholder"));
    let builtins = firmware.builtins();
    let standard = emu_os::imports::standard();
    for name in [
        "memcpy",
        "qurt_mutex_lock",
        "errno",
        "__stack_chk_guard",
        "HAP_debug_v2",
    ] {
        let at = builtins.address(name.as_bytes()).unwrap();
        assert!(standard.address(name.as_bytes()).is_some());
        assert_eq!(
            builtins.stub(at).is_some(),
            standard
                .stub(standard.address(name.as_bytes()).unwrap())
                .is_some()
        );
    }
    assert!(builtins.errno().is_some() && builtins.error_text().is_some());
    for arch in [Arch::V68, Arch::V73] {
        firmware.boot(&bus(&ram), arch).unwrap();
        // The boot changed its data; the kernel loads it afresh before every start.
        let (fresh, _) = real();
        let mut bytes = vec![0; 4 << 20];
        fresh.read(CARVEOUT.start, &mut bytes).unwrap();
        let mut log = vec![0; 128];
        ram.read(firmware.physical(firmware.log.start), &mut log).unwrap();
        let text = String::from_utf8_lossy(&log);
        assert!(
            text.starts_with("DLOG") && text.contains("boot: VHOST.DSP."),
            "{text:?}"
        );
        ram.write(CARVEOUT.start, &bytes).unwrap();
    }
    // The kernel's core dump has the segments where the program headers say.
    let elf = Elf::parse(&file).unwrap();
    let from_file: Vec<_> = elf
        .program_headers
        .iter()
        .map(|p| (p.p_paddr as u32, p.p_filesz as u32, p.p_memsz as u32))
        .collect();
    let loaded: Vec<_> = firmware
        .segments()
        .iter()
        .map(|s| (s.address, s.file_size, s.memory_size))
        .collect();
    assert_eq!(from_file, loaded);
}

#[test]
fn the_real_image_is_refused_once_a_byte_is_different() {
    let (ram, _) = real();
    let firmware = load(&ram).unwrap();
    for (index, segment) in firmware.segments().iter().enumerate() {
        for at in [segment.address, segment.address + segment.memory_size - 1] {
            let at = firmware.physical(at);
            let mut byte = [0];
            ram.read(at, &mut byte).unwrap();
            ram.write(at, &[byte[0] ^ 0x40]).unwrap();
            match load(&ram).unwrap_err() {
                FirmwareError::Digest { index: n, .. } | FirmwareError::NotZero { index: n, .. } => {
                    assert_eq!(n, index);
                }
                other => panic!("{other}"),
            }
            ram.write(at, &byte).unwrap();
        }
    }
    load(&ram).unwrap();
}

#[test]
fn a_small_image_is_read() {
    let firmware = good().load().unwrap();
    assert_eq!(firmware.version(), "TEST.1");
    assert_eq!(firmware.shell().description, "a test's shell");
    assert_eq!(firmware.symbols().len(), 3);
    assert_eq!(firmware.physical(BASE + 0x4000), CARVEOUT.start + 0x4000);
    let builtins = firmware.builtins();
    assert_eq!(builtins.address(b"qurt_mutex_lock"), Some(BASE + 0x4010));
    assert!(builtins.stub(BASE + 0x4010).is_some() && builtins.stub(BASE + 0x4014).is_none());
    assert_eq!(builtins.address(b"qurt_mutex_unlock"), None);
    assert_eq!(builtins.errno(), Some(BASE + 0x5000));
}

#[test]
fn each_kind_of_damage_is_named() {
    type Damage = fn(&mut TestImage);
    let cases: [(&str, bool, Damage); 25] = [
        ("no boot header", false, |i| i.bytes.fill(0)),
        ("boot header of format 2", true, |i| i.head.format = 2.into()),
        ("with 4 bytes", true, |i| i.head.size = 4.into()),
        ("lists 0 segments", true, |i| i.head.segment_count = 0.into()),
        ("lists 4294967295 segments", true, |i| {
            i.head.segment_count = u32::MAX.into();
        }),
        ("segment 0 (0x2000000..0x2001000) is damaged", false, |i| {
            i.bytes[8] ^= 1
        }),
        ("segment 1 (0x2001000..0x2002000) is damaged", false, |i| {
            i.bytes[0x1fff] ^= 1;
        }),
        (
            "segment 6 is damaged: the byte at 0x2008fff is not zero",
            false,
            |i| {
                i.bytes[0x8fff] = 1;
            },
        ),
        ("is the first and not at the image's start", true, |i| {
            i.head.base = (BASE + 0x1000).into();
        }),
        (
            "segment 2 (0x2002001 + 0x2000) does not start at a page",
            true,
            |i| {
                i.head.segments[2].address = (BASE + 0x2001).into();
            },
        ),
        ("segment 2 (0x2001000 + 0x2000) overlaps", true, |i| {
            i.head.segments[2].address = (BASE + 0x1000).into();
        }),
        (
            "segment 6 (0x2007000 + 0x3fa000) does not fit into the carveout",
            true,
            |i| i.head.segments[6].memory_size = 0x3f_a000.into(),
        ),
        ("segment 6 (0x2007000 + 0xffffffff) does not fit", true, |i| {
            i.head.segments[6].memory_size = u32::MAX.into();
        }),
        ("a size that cannot be", true, |i| {
            i.head.segments[3].file_size = u32::MAX.into()
        }),
        ("the version string at 0x0 is not a text", true, |i| {
            i.head.version = 0.into()
        }),
        (
            "the fatal trap (0x2002000..0x2002004) is not in code",
            true,
            |i| {
                i.head.fatal = (BASE + 0x2000).into();
            },
        ),
        (
            "the process return (0x2001000..0x2001004) is not in code",
            true,
            |i| i.head.process_return = (BASE + 0x1000).into(),
        ),
        (
            "the process data (0x2002000..0x2002010) has the wrong permissions",
            true,
            |i| i.head.process_data = [(BASE + 0x2000).into(), (BASE + 0x2010).into()],
        ),
        ("the log (0x2006000..0x2006008) is too small", true, |i| {
            i.head.log[1] = (BASE + 0x6008).into();
        }),
        (
            "the crash record (0x2007000..0x2009001) is not a segment",
            true,
            |i| {
                i.head.crash[1] = (BASE + 0x9001).into();
            },
        ),
        ("the symbol table (0x2003000..0x2002000) is not", true, |i| {
            i.head.symbols[1] = (BASE + 0x2000).into();
        }),
        ("the symbol table (0x2003000..0x0) is not", true, |i| {
            i.head.symbols[1] = 0.into();
        }),
        ("the symbol table (0x2003000..0x200300c) is not", true, |i| {
            i.head.symbols[1] = (BASE + 0x300c).into();
        }),
        ("symbol memcpy is at 0x2001000, outside", true, |i| {
            i.bytes[0x300c..0x3010].copy_from_slice(&(BASE + 0x1000).to_le_bytes());
        }),
        ("symbol memcpy is there twice", true, |i| {
            i.bytes[0x3010..0x3014].copy_from_slice(&(BASE + 0x2200).to_le_bytes());
        }),
    ];
    for (text, sealed, damage) in cases {
        let mut image = good();
        damage(&mut image);
        if sealed {
            image.seal();
        }
        let error = image.load().unwrap_err().to_string();
        assert!(error.contains(text), "{error} (not {text})");
    }
}

#[test]
fn the_boot_address_must_be_in_the_carveout() {
    let ram = good().place();
    for entry in [0, RAM, CARVEOUT.start + 4, CARVEOUT.end, CARVEOUT.end - 4, !0xfff] {
        let error = Firmware::load(&ram, CARVEOUT, entry).unwrap_err();
        assert!(matches!(error, FirmwareError::Entry { .. }), "{error}");
    }
    let beyond = 0x9000_0000..0x9040_0000;
    let error = Firmware::load(&ram, beyond, 0x9000_0000).unwrap_err();
    assert!(matches!(error, FirmwareError::Ram(_)), "{error}");
}

fn boot(code: &[u32]) -> Result<(), BootError> {
    let ram = TestImage::new(code, &[]).place();
    load(&ram).unwrap().boot(&bus(&ram), Arch::V68)
}

#[test]
fn a_boot_ends_ready_or_says_why_not() {
    // jump to +0x800 and +0x900 from reset
    let jump = |bytes: u32| 0x5800_c000 | (bytes >> 2) << 1;
    assert_eq!(boot(&[jump(0x800)]), Ok(()));
    assert!(matches!(boot(&[jump(0x900)]), Err(BootError::Fatal(why)) if why.contains("without a reason")));
    assert_eq!(boot(&[TRAP0]), Err(BootError::Trap { pc: BASE + 0x1000 }));
    assert!(matches!(boot(&[0, 0, 0, 0]), Err(BootError::Exception(_))));
    assert!(
        matches!(boot(&[HERE]), Err(BootError::Endless { packets, .. }) if packets >= super::boot::BUDGET)
    );
    let ram = good().place();
    let mut image = good();
    image.head.arch = 79.into();
    image.seal();
    ram.write(CARVEOUT.start, &image.bytes).unwrap();
    let old = load(&ram).unwrap().boot(&bus(&ram), Arch::V68);
    assert_eq!(
        old,
        Err(BootError::Arch {
            firmware: 79,
            core: 68
        })
    );
}

#[test]
fn the_log_is_a_ring() {
    let ram = good().place();
    let firmware = load(&ram).unwrap();
    let at = firmware.physical(firmware.log.start);
    firmware.log(&ram, "hello ").unwrap();
    firmware.log(&ram, "world\n").unwrap();
    let mut bytes = vec![0; 0x100];
    ram.read(at, &mut bytes).unwrap();
    assert_eq!(&bytes[..4], b"DLOG");
    assert_eq!(&bytes[16..28], b"hello world\n");
    // A head that the AP ruined, and more than fits.
    ram.write(at, &[0xff; 16]).unwrap();
    firmware.log(&ram, &"0123456789abcdef".repeat(100)).unwrap();
    ram.read(at, &mut bytes).unwrap();
    assert_eq!((&bytes[..4], bytes[4]), (&b"DLOG"[..], 0xf0));
    let written = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
    assert_eq!(written, u32::MAX.wrapping_add(0xf0));
    // Nothing behind the ring was touched: the check for zero is still content.
    ram.write(at, &[0; 0x100]).unwrap();
    load(&ram).unwrap();
}

proptest! {
    /// Whatever is in the carveout, there is an answer.
    #[test]
    fn any_bytes_give_a_value_or_an_error(
        sealed in any::<bool>(),
        words in prop::collection::vec((0usize..0x9000 / 4, any::<u32>()), 0..8),
        head in prop::collection::vec((0usize..header::SIZE / 4, prop_oneof![
            any::<u32>(), (0u32..0x10_0000).prop_map(|n| BASE + n * 4), Just(u32::MAX), 0u32..64,
        ]), 0..6),
    ) {
        let mut image = good();
        for (at, word) in words {
            image.bytes[4 * at..][..4].copy_from_slice(&word.to_le_bytes());
        }
        let mut raw = image.head.as_bytes().to_vec();
        for (at, word) in head {
            // A boot header is still one, or nothing else would ever be looked at.
            if at >= 4 {
                raw[4 * at..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
        *image.head = RawHeader::read_from_bytes(&raw).unwrap();
        if sealed {
            image.seal();
        }
        let ram = image.place();
        if let Ok(firmware) = load(&ram) {
            let total: u64 = firmware.segments().iter().map(|s| u64::from(s.memory_size)).sum();
            prop_assert!(total <= CARVEOUT.end - CARVEOUT.start);
            for segment in firmware.segments() {
                let at = firmware.physical(segment.address);
                prop_assert!(CARVEOUT.start <= at && at + u64::from(segment.memory_size) <= CARVEOUT.end);
            }
            let builtins = firmware.builtins();
            for (name, at) in firmware.symbols() {
                prop_assert_eq!(builtins.address(name.as_bytes()), Some(*at));
            }
            let _ = firmware.log(&ram, "text");
        }
    }
}

/// Has the program's own skeletons.
struct Skeletons;

impl emu_os::ap::Ap for Skeletons {
    fn read_library(&self, name: &str) -> Result<Vec<u8>, emu_os::ap::ApError> {
        let found = emu_assets::find(&format!("skel/{name}"));
        Ok(found
            .ok_or(emu_os::ap::ApError::NotFound {
                errno: 2,
                searched: "here".into(),
            })?
            .bytes()
            .into_owned())
    }
    fn grow_heap(&self, _: u32) -> Result<(), emu_os::ap::ApError> {
        Err(emu_os::ap::ApError::NoListener)
    }
    fn log(&self, _: emu_os::ap::LogRecord) {}
}

/// A process with what `firmware` exports opens the bench skeleton.
fn open(firmware: &Firmware, ram: &GuestRam) -> Result<u32, emu_os::error::OpenError> {
    use emu_os::config::ProcessConfig;
    let mut config = ProcessConfig::new("test", Arch::V68, 1, Arc::new(Skeletons));
    config.builtins = Some(firmware.builtins());
    let process = emu_os::process::Process::create(config, bus(ram)).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    process.open(
        emu_os::uri::parse("file:///libbench_skel.so?bench_skel_handle_invoke&_modver=1.0").unwrap(),
        Box::new(move |result| send.send(result).unwrap()),
    );
    receive.recv().unwrap()
}

#[test]
fn processes_run_what_lies_in_the_carveout_and_import_only_what_it_exports() {
    let (ram, _) = real();
    let firmware = load(&ram).unwrap();
    open(&firmware, &ram).unwrap();
    let mut poor = firmware.clone();
    assert!(poor.symbols.remove("HAP_timer_sleep").is_some());
    let error = open(&poor, &ram).unwrap_err().text;
    let expected = format!(
        "undefined symbols: HAP_timer_sleep (neither in its libraries nor the firmware {})",
        firmware.version()
    );
    assert!(error.contains(&expected), "{error}");
    // The stubs are not copies: without the carveout's code nothing works.
    let text = &firmware.shell.text;
    ram.write(firmware.physical(text.start), &vec![0; text.len()])
        .unwrap();
    open(&firmware, &ram).unwrap_err();
}
