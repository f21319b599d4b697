//! A program of 184 bytes for the guest: it makes itself a real-time task of the first-come, first-served class, whose threads
//! run until they wait, and becomes the program that is named behind it. No user space that the guest has can do that.
//!
//! A static ELF for arm64: header, one segment, sixteen instructions. `pin PROGRAM [ARGUMENT …]`

/// Where the file is loaded.
const BASE: u64 = 0x40_0000;
/// Header and the one program header.
const HEADERS: u64 = 64 + 56;
/// `EM_AARCH64`
const MACHINE: u16 = 183;

/// sched_setscheduler(0, SCHED_FIFO, {1}); execve(argv[1], argv + 1, envp); exit(127)
const CODE: [u32; 16] = [
    0xd280_0000, // mov x0, #0
    0xd280_0021, // mov x1, #1            SCHED_FIFO
    0x1000_01a2, // adr x2, priority
    0xd280_0ee8, // mov x8, #119          sched_setscheduler
    0xd400_0001, // svc #0
    0xf940_03e9, // ldr x9, [sp]          argc
    0x9100_43e1, // add x1, sp, #16       argv + 1
    0xf940_0020, // ldr x0, [x1]
    0x9100_43e2, // add x2, sp, #16       envp is behind argv's NULL
    0x8b09_0c42, // add x2, x2, x9, lsl #3
    0xd280_1ba8, // mov x8, #221          execve
    0xd400_0001, // svc #0
    0xd280_0fe0, // mov x0, #127
    0xd280_0ba8, // mov x8, #93           exit
    0xd400_0001, // svc #0
    1,           // priority:
];

/// The file.
#[must_use]
pub fn program() -> Vec<u8> {
    let size = HEADERS + 4 * CODE.len() as u64;
    let mut out = Vec::new();
    let half = |out: &mut Vec<u8>, value: u16| out.extend_from_slice(&value.to_le_bytes());
    let word = |out: &mut Vec<u8>, value: u32| out.extend_from_slice(&value.to_le_bytes());
    let wide = |out: &mut Vec<u8>, value: u64| out.extend_from_slice(&value.to_le_bytes());
    // 64 bits, little-endian, version 1, executable.
    out.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    half(&mut out, 2);
    half(&mut out, MACHINE);
    word(&mut out, 1);
    wide(&mut out, BASE + HEADERS);
    wide(&mut out, 64);
    wide(&mut out, 0);
    word(&mut out, 0);
    for value in [64, 56, 1, 0, 0, 0] {
        half(&mut out, value);
    }
    // PT_LOAD, readable and executable: the whole file.
    word(&mut out, 1);
    word(&mut out, 5);
    for value in [0, BASE, BASE, size, size, 0x1000] {
        wide(&mut out, value);
    }
    CODE.iter().for_each(|&instruction| word(&mut out, instruction));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_elf_for_arm64() {
        let bytes = program();
        let elf = goblin::elf::Elf::parse(&bytes).unwrap();
        assert_eq!(
            (elf.header.e_machine, elf.is_64, elf.little_endian),
            (MACHINE, true, true)
        );
        assert_eq!(elf.entry, BASE + HEADERS);
        let load = &elf.program_headers[0];
        assert_eq!(
            (load.p_filesz, load.p_memsz),
            (bytes.len() as u64, bytes.len() as u64)
        );
        assert!(load.is_executable() && !load.is_write());
        assert_eq!(bytes.len(), 184);
    }
}
