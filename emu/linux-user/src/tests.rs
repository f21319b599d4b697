//! The program runner on a small program, and on files that are none.

use proptest::prelude::*;

use super::*;
use emu_core::memory::{CodeMemory, Memory};

/// Prints "hello\n", then ends with the first character of its first argument.
const CODE: [u32; 12] = [
    0x7800_4806,
    0x7800_c020,
    0x0000_4402,
    // r1 = ##0x10088
    0x7800_c101,
    0x7800_c0c2,
    0x5400_c004,
    0x919d_c023,
    0x7800_4bc6,
    0x9103_c004,
    0x7064_c000,
    0x5400_c004,
    0x59ff_ffea,
];
const BASE: u32 = 0x1_0000;
const SIZE: usize = 0x90;

/// A static ELF file: header, one program header, the code, and behind it the text.
fn program() -> Vec<u8> {
    let mut f = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0];
    f.resize(16, 0);
    let halves = |f: &mut Vec<u8>, v: &[u16]| f.extend(v.iter().flat_map(|v| v.to_le_bytes()));
    let words = |f: &mut Vec<u8>, v: &[u32]| f.extend(v.iter().flat_map(|v| v.to_le_bytes()));
    halves(&mut f, &[2, 164]);
    words(&mut f, &[1, BASE + 0x54, 0x34, 0, 0x73]);
    halves(&mut f, &[0x34, 32, 1, 40, 0, 0]);
    words(&mut f, &[1, 0, BASE, BASE, SIZE as u32, 0x2000, 5, 0x1000]);
    words(&mut f, &CODE);
    f.resize(0x88, 0);
    f.extend(b"hello\n");
    f.resize(SIZE, 0);
    f
}

fn limited() -> Setup {
    Setup {
        args: vec![b"*".to_vec()],
        memory: 16 << 20,
        ..Setup::default()
    }
}

#[test]
fn a_small_program_prints_and_ends() {
    let mut out = Vec::new();
    let mut program = Program::new(&program(), &limited()).unwrap();
    let end = program.run_on(&mut Collect(&mut out), 1000).unwrap();
    assert_eq!(String::from_utf8_lossy(&out), "hello\n");
    assert_eq!(end, End::Status(i32::from(b'*')));
    assert_eq!(program.thread().packets, 8);
    assert_eq!(program.arch(), Arch::V73);
}

#[test]
fn permissions_and_the_zeroed_rest_are_those_of_the_segment() {
    let program = Program::new(&program(), &limited()).unwrap();
    let space = program.memory();
    assert_eq!(space.load32(BASE + 0x1000), Ok(0));
    assert!(space.store32(BASE, 0).is_err());
    assert!(space.fetch32(BASE + 0x54).is_ok());
    assert!(space.load32(BASE + 0x2000).is_err());
    assert!(space.fetch32(stack::TOP - 16).is_err());
}

#[test]
fn what_is_too_large_is_refused() {
    let mut large = program();
    // p_memsz
    large.splice(0x48..0x4c, 0x7000_0000u32.to_le_bytes());
    let refused = Program::new(&large, &limited()).unwrap_err();
    assert!(matches!(refused, ExecError::TooLarge { .. }), "{refused}");
    let setup = Setup {
        args: vec![vec![b'x'; 3 << 20]],
        ..limited()
    };
    let refused = Program::new(&program(), &setup).unwrap_err();
    assert!(matches!(refused, ExecError::TooLarge { .. }), "{refused}");
}

#[test]
fn the_budget_ends_a_loop() {
    let mut endless = program();
    // jump to itself
    endless.splice(0x54..0x58, 0x5800_c000u32.to_le_bytes());
    let mut program = Program::new(&endless, &limited()).unwrap();
    let result = program.run_on(&mut Collect(&mut Vec::new()), 5000);
    assert!(matches!(result, Err(ExecError::Budget(5000))), "{result:?}");
    let mut trace = Vec::new();
    let mut program = Program::new(&endless, &limited()).unwrap();
    let result = program.run_traced(&mut Collect(&mut Vec::new()), 7, &mut trace);
    assert!(matches!(result, Err(ExecError::Budget(7))), "{result:?}");
    assert_eq!(String::from_utf8_lossy(&trace).lines().count(), 7);
}

#[test]
fn mappings_stay_within_the_limit() {
    let mut program = Program::new(&program(), &limited()).unwrap();
    let mut call = |number: usize, a: [u32; 6]| match number {
        214 => Ok(program.process.memory.set_brk(a[0])),
        222 => program.process.memory.mmap(a, || Err(libc::EBADF)),
        _ => program.process.memory.munmap(a[0], a[1]),
    };
    const ANON: u32 = MAP_PRIVATE_ANONYMOUS;
    let brk = call(214, [0; 6]).unwrap();
    assert_eq!(call(214, [brk + (64 << 20), 0, 0, 0, 0, 0]), Ok(brk));
    assert_eq!(call(222, [0, 64 << 20, 3, ANON, 0, 0]), Err(libc::ENOMEM));
    assert_eq!(call(222, [0, u32::MAX, 3, ANON, 0, 0]), Err(libc::ENOMEM));
    let va = call(222, [0, 1 << 20, 3, ANON, 0, 0]).unwrap();
    assert_eq!(
        call(222, [va, 4096, 3, ANON | 0x10_0000, 0, 0]),
        Err(libc::EEXIST)
    );
    assert_eq!(call(215, [va, !4095, 0, 0, 0, 0]), Err(libc::EINVAL));
    assert_eq!(call(215, [va, 1 << 20, 0, 0, 0, 0]), Ok(0));
    assert_eq!(
        call(222, [0xffff_f000, 8192, 3, ANON | 0x10, 0, 0]),
        Err(libc::ENOMEM)
    );
}

/// A system call of a program; what is in R0 afterwards, or how the program ended.
fn call(program: &mut Program, number: u32, args: &[u32]) -> Result<i32, End> {
    let regs = &mut program.process.thread.regs;
    for (n, &arg) in args.iter().enumerate() {
        regs.r[n] = arg;
    }
    regs.r[6] = number;
    match program
        .process
        .system_call(&mut Collect(&mut Vec::new()))
        .unwrap()
    {
        Some(end) => Err(end),
        None => Ok(program.process.thread.regs.r[0] as i32),
    }
}

#[test]
fn mappings_grow_where_they_are_or_move() {
    const K64: u32 = 0x1_0000;
    let mut program = Program::new(&program(), &limited()).unwrap();
    let memory = &mut program.process.memory;
    let none = || Err(libc::EBADF);
    let va = memory
        .mmap([0, 4 * K64, 3, MAP_PRIVATE_ANONYMOUS, 0, 0], none)
        .unwrap();
    memory.store(va + 2 * K64 - 4, b"kept").unwrap();
    assert_eq!(memory.mremap(va, 4 * K64, 2 * K64, false), Ok(va));
    assert_eq!(memory.store(va + 2 * K64, b"gone"), Err(libc::EFAULT));
    assert_eq!(memory.mremap(va, 2 * K64, 3 * K64, false), Ok(va));
    assert_eq!(memory.word(va + 2 * K64), Ok(0));

    // With something behind it: only elsewhere, with its contents and its rights.
    let fixed = MAP_PRIVATE_ANONYMOUS | 0x10;
    memory.mmap([va + 3 * K64, K64, 3, fixed, 0, 0], none).unwrap();
    memory.mprotect(va, 3 * K64, 1).unwrap();
    assert_eq!(memory.mremap(va, 3 * K64, 5 * K64, false), Err(libc::ENOMEM));
    let to = memory.mremap(va, 3 * K64, 5 * K64, true).unwrap();
    assert_ne!(to, va);
    assert_eq!(memory.bytes(to + 2 * K64 - 4, 4), Ok(b"kept".to_vec()));
    assert_eq!(memory.store(to + 4 * K64, b"read only"), Err(libc::EFAULT));
    assert_eq!(memory.word(va), Err(libc::EFAULT));

    // Of two kinds, of nothing, beyond the end, beyond the limit.
    memory.mprotect(to, K64, 3).unwrap();
    assert_eq!(memory.mremap(to, 5 * K64, 6 * K64, true), Err(libc::EFAULT));
    assert_eq!(memory.mremap(to, 5 * K64, 5 * K64, true), Ok(to));
    assert_eq!(memory.mremap(va, 2 * K64, K64, true), Err(libc::EFAULT));
    assert_eq!(memory.mremap(va, K64, K64, true), Err(libc::EFAULT));
    assert_eq!(memory.mremap(va, K64, 2 * K64, true), Err(libc::EFAULT));
    assert_eq!(
        memory.mremap(0xffff_0000, 2 * K64, 3 * K64, true),
        Err(libc::EINVAL)
    );
    assert_eq!(memory.mremap(to, K64, 1 << 30, true), Err(libc::ENOMEM));
    assert_eq!(memory.mremap(to, K64, 0, true), Err(libc::EINVAL));
    assert_eq!(memory.mremap(to + 1, K64, 2 * K64, true), Err(libc::EINVAL));
    assert_eq!(memory.word(to), Ok(0));
    assert_eq!(
        call(&mut program, numbers::MREMAP, &[to, K64, K64, 3, va]),
        Ok(-libc::ENOSYS)
    );
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let mut program = Program::new(&program(), &limited()).unwrap();
    let at = program.thread().regs.r[29] - 64;
    let handler = |program: &mut Program, handler: u32| {
        program.memory().store32(at, handler).unwrap();
        call(program, numbers::RT_SIGACTION, &[15, at, 0, 8])
    };
    assert_eq!(handler(&mut program, 0x1_0054), Ok(-libc::ENOSYS));
    assert_eq!(handler(&mut program, 1), Ok(0));
    assert_eq!(call(&mut program, numbers::KILL, &[1, 15]), Ok(0));
    assert_eq!(call(&mut program, numbers::RT_SIGACTION, &[15, 0, at, 8]), Ok(0));
    assert_eq!(program.memory().load32(at), Ok(1));
    assert_eq!(
        call(&mut program, numbers::RT_SIGACTION, &[15, 0, at, 16]),
        Ok(-libc::EINVAL)
    );
    assert_eq!(
        call(&mut program, numbers::MADVISE, &[at, 4096, 4]),
        Ok(-libc::ENOSYS)
    );
    assert_eq!(call(&mut program, numbers::MADVISE, &[at, 4096, 8]), Ok(0));
    let flags = libc::O_NONBLOCK as u32;
    assert_eq!(
        call(&mut program, numbers::FCNTL64, &[1, 4, flags]),
        Ok(-libc::ENOSYS)
    );
}

#[test]
fn a_moment_is_waited_for_by_its_clock() {
    let mut program = Program::new(&program(), &limited()).unwrap();
    let at = program.thread().regs.r[29] - 64;
    let store = |program: &Program, moment: std::time::Duration| {
        program.memory().store64(at, moment.as_secs()).unwrap();
        program
            .memory()
            .store64(at + 8, moment.subsec_nanos().into())
            .unwrap();
    };
    let wait = std::time::Duration::from_millis(60);
    let begun = std::time::Instant::now();
    store(&program, stat::realtime() + wait);
    assert_eq!(
        call(&mut program, numbers::CLOCK_NANOSLEEP_TIME64, &[0, 1, at, 0]),
        Ok(0)
    );
    assert!(begun.elapsed() >= wait / 2);
    // FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME: the wall clock's moment.
    program.memory().store32(at + 16, 7).unwrap();
    let futex = [at + 16, 9 | 256, 7, at, 0, u32::MAX];
    let begun = std::time::Instant::now();
    store(&program, stat::realtime() + wait);
    assert_eq!(
        call(&mut program, numbers::FUTEX_TIME64, &futex),
        Ok(-libc::ETIMEDOUT)
    );
    assert!(begun.elapsed() >= wait / 2);
    // A moment that is over is not waited for, and a clock that is none is refused.
    store(&program, wait);
    assert_eq!(
        call(&mut program, numbers::FUTEX_TIME64, &futex),
        Ok(-libc::ETIMEDOUT)
    );
    assert_eq!(
        call(&mut program, numbers::CLOCK_NANOSLEEP_TIME64, &[99, 1, at, 0]),
        Ok(-libc::EINVAL)
    );
}

#[test]
fn flags_that_are_not_known_are_refused() {
    let mut program = Program::new(
        &program(),
        &Setup {
            files: true,
            ..limited()
        },
    )
    .unwrap();
    let at = program.thread().regs.r[29] - 256;
    program.process.memory.store(at, b"/dev/null\0").unwrap();
    let here = files::AT_FDCWD as u32;
    let mut asked = |number, args: &[u32]| call(&mut program, number, args);
    assert_eq!(asked(numbers::FACCESSAT2, &[here, at, 4, 0x100]), Ok(0));
    assert_eq!(asked(numbers::FACCESSAT2, &[here, at, 4, 1]), Ok(-libc::EINVAL));
    assert_eq!(asked(numbers::FACCESSAT2, &[here, at, 8, 0]), Ok(-libc::EINVAL));
    assert_eq!(asked(numbers::FSTATAT64, &[here, at, at + 64, 0x100]), Ok(0));
    assert_eq!(
        asked(numbers::FSTATAT64, &[here, at, at + 64, 2]),
        Ok(-libc::EINVAL)
    );
    assert_eq!(asked(numbers::UNLINKAT, &[here, at, 2]), Ok(-libc::EINVAL));
    assert_eq!(asked(numbers::DUP3, &[1, 5, 1]), Ok(-libc::EINVAL));
    assert_eq!(asked(numbers::PRLIMIT64, &[0, 3, at + 64, 0]), Ok(-libc::ENOSYS));
    assert_eq!(asked(numbers::PRLIMIT64, &[0, 3, 0, at + 64]), Ok(0));
    // How it was opened is told: F_GETFL.
    let append = (libc::O_WRONLY | libc::O_APPEND) as u32;
    for flags in [libc::O_RDONLY as u32, append, libc::O_RDWR as u32] {
        let fd = asked(numbers::OPENAT, &[here, at, flags, 0]).unwrap() as u32;
        assert_eq!(asked(numbers::FCNTL64, &[fd, 3, 0]), Ok(flags as i32));
    }
    assert_eq!(asked(numbers::FCNTL64, &[0, 3, 0]), Ok(libc::O_RDONLY));
}

#[test]
fn a_blocked_signal_ends_the_program_when_it_is_let_through() {
    let mut program = Program::new(&program(), &limited()).unwrap();
    let at = program.thread().regs.r[29] - 64;
    program.memory().store64(at, 1 << 14).unwrap();
    assert_eq!(call(&mut program, numbers::RT_SIGPROCMASK, &[0, at, 0, 8]), Ok(0));
    assert_eq!(call(&mut program, numbers::TGKILL, &[1, 1, 15]), Ok(0));
    let open = [2, at + 8, at, 8];
    assert_eq!(
        call(&mut program, numbers::RT_SIGPROCMASK, &open),
        Err(End::Signal(15))
    );
    assert_eq!(program.memory().load64(at), Ok(1 << 14));
}

/// MAP_PRIVATE | MAP_ANONYMOUS
const MAP_PRIVATE_ANONYMOUS: u32 = 0x22;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever the file's bytes: it is refused, or runs to an end, a crash or the budget's end; traced as well.
    #[test]
    fn no_file_upsets_the_emulator(
        changes in prop::collection::vec((0..SIZE, any::<u8>()), 0..12),
        cut in 0usize..0x200,
        traced in any::<bool>(),
    ) {
        let mut file = program();
        for (at, value) in changes {
            file[at] = value;
        }
        file.truncate(cut);
        let Ok(mut program) = Program::new(&file, &limited()) else { return Ok(()) };
        prop_assert!(program.memory().mapped_bytes() <= (16 << 20) + u64::from(stack::BYTES));
        let mut out = Vec::new();
        let result = if traced {
            program.run_traced(&mut Collect(&mut out), 300, &mut Vec::new())
        } else {
            program.run_on(&mut Collect(&mut out), 3000)
        };
        if let Err(error) = result {
            prop_assert!(error.signal().is_some() || matches!(error, ExecError::Budget(_)), "{}", error);
            prop_assert!(program.report().contains("  pc  "));
        }
    }

    /// Files that are no ELF files behind their first bytes give an error.
    #[test]
    fn no_noise_upsets_the_loader(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = program();
        file.truncate(24);
        file.extend(noise);
        let _ = Program::new(&file, &limited());
    }
}
