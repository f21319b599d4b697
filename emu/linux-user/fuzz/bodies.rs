//! What each fuzz target does with its bytes; `tests/fuzz_bodies.rs` runs them, too, on the stable compiler.

use emu_linux_user::{Console, ExecError, Program, Setup};

/// Where the program stands, and where the words are that its calls take.
const BASE: u32 = 0x1_0000;
const DATA: u32 = BASE + 0x1000;
/// Calls of one input.
const CALLS: usize = 64;
/// Numbers of the calls that sleep as long as they are told to: nanosleep, clock_nanosleep, futex, the last two with 64-bit times.
const SLEEPS: [u32; 5] = [101, 115, 98, 407, 422];

/// Nothing to read; what is written is counted.
struct Count(usize);

impl Console for Count {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }

    fn write(&mut self, _: bool, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
}

/// Bytes that the program wrote.
fn run(file: &[u8], packets: u64) -> usize {
    let setup = Setup {
        memory: 16 << 20,
        ..Setup::default()
    };
    let Ok(mut program) = Program::new(file, &setup) else {
        return 0;
    };
    let mut console = Count(0);
    let result = program.run_on(&mut console, packets);
    if let Err(error) = result {
        assert!(
            error.signal().is_some() || matches!(error, ExecError::Budget(_)),
            "{error}"
        );
    }
    console.0
}

/// A program of one segment with these words of code and data.
pub fn file(code: &[u32], data: &[u32]) -> Vec<u8> {
    const SIZE: u32 = 0x4000;
    let mut f = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0];
    f.resize(16, 0);
    f.extend([2u16, 164].map(u16::to_le_bytes).concat());
    f.extend([1, BASE + 0x54, 0x34, 0, 0x73].map(u32::to_le_bytes).concat());
    f.extend([0x34u16, 32, 1, 40, 0, 0].map(u16::to_le_bytes).concat());
    f.extend(
        [1, 0, BASE, BASE, SIZE, SIZE, 7, 0x1000]
            .map(u32::to_le_bytes)
            .concat(),
    );
    f.extend(code.iter().flat_map(|word| word.to_le_bytes()));
    f.resize(0x1000, 0);
    f.extend(data.iter().flat_map(|word| word.to_le_bytes()));
    f.resize(SIZE as usize, 0);
    f
}

/// As it is.
pub fn elf(data: &[u8]) {
    let _ = run(data, 3000);
}

/// 28 bytes a call: its number and six arguments. A word that ends in 0 is an address among the words themselves.
/// How many bytes the calls wrote.
pub fn system_calls(data: &[u8]) -> usize {
    // `r16 = ##DATA`
    const BEGIN: [u32; 2] = [0x0000_4440, 0x7800_c010];
    // `trap0(#1)`, `r16 = add(r16,#28)`
    const END: [u32; 2] = [0x5400_c004, 0xb010_c390];
    const NUMBER: usize = 6;
    // In this order R6, then R0 to R5 are loaded: `rN = memw(r16+#4*M)`.
    let load = |register: usize, word: usize| 0x9190_c000 | (word << 5 | register) as u32;
    let mut code = BEGIN.to_vec();
    let mut words = Vec::new();
    for call in data.as_chunks::<28>().0.iter().take(CALLS) {
        let (call, _) = call.as_chunks::<4>();
        let number = u32::from_le_bytes(call[0]) % 512;
        words.push(if SLEEPS.contains(&number) { 0 } else { number });
        for argument in &call[1..] {
            let word = u32::from_le_bytes(*argument);
            words.push(if word.is_multiple_of(16) {
                DATA + (word >> 4) % 0x2000
            } else {
                word
            });
        }
        code.push(load(NUMBER, 0));
        code.extend((0..6).map(|n| load(n, n + 1)));
        code.extend(END);
    }
    run(&file(&code, &words), code.len() as u64)
}
