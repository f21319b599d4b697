//! `HAP_mem_request`: address space that is reserved first, and buffers of the AP that are mapped there later.
//!
//! Source: the payloads that the hap_example skeleton of qualcomm/fastrpc fills in. The request's number is one byte (the
//! vendor's compilers make short enums), the payload begins at 8. Not built, and refused by name: the log of heap blocks
//! into a file (1), markers for leaks (2), executable mappings. The address space ends at 4 GiB, so a mapping that may lie beyond
//! (as ggml's Hexagon backend asks for it on V81) lies below.

use crate::error::OsError;
use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import};
use emu_core::mem::Prot;
use rpmsg::Aee;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_mem_request", request, "`int HAP_mem_request(HAP_mem_req_payload_t *)`: 3 maps a buffer of the AP, 4 unmaps it, 5 reserves address space, 6 gives it back; others AEE_EUNSUPPORTED"),
];

/// `HAP_mem_req_t`.
mod kind {
    pub const LOG_BLOCKS: u8 = 1;
    pub const SET_MARKER: u8 = 2;
    pub const MAP: u8 = 3;
    pub const UNMAP: u8 = 4;
    pub const RESERVE: u8 = 5;
    pub const UNRESERVE: u8 = 6;
}

/// HAP_MEM_FLAGS_EXTENDED_MAP: the address may lie beyond 4 GiB.
const EXTENDED_MAP: u32 = 2;

/// Bits of `prot`: permissions and how the DSP caches, of which there is only one way here.
pub(super) mod prot {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const EXECUTE: u32 = 4;
    pub const CACHE: u32 = 0x70;
}

fn request(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let payload = at.wrapping_add(8);
    match c.load8(at)? {
        kind::MAP => map(c, payload),
        kind::UNMAP => unmap(c, payload),
        kind::RESERVE => reserve(c, payload),
        kind::UNRESERVE => unreserve(c, payload),
        kind::LOG_BLOCKS => refuse(c, "HAP_mem_request of a log of heap blocks"),
        kind::SET_MARKER => refuse(c, "HAP_mem_request of a marker"),
        _ => refuse(c, "HAP_mem_request of an unknown kind"),
    }
}

/// Says once a process that this is not done.
fn refuse(c: &mut Call<'_>, what: &'static str) -> Done {
    c.tell_once(what, "is refused (AEE_EUNSUPPORTED)");
    c.ret_code(Aee::UNSUPPORTED)
}

fn answer(c: &mut Call<'_>, result: Result<(), OsError>) -> Done {
    c.ret_code(result.err().map_or(Aee::SUCCESS, |e| e.aee()))
}

/// An address, of which only 32 bits exist here.
fn address(c: &Call<'_>, at: u32) -> Result<Option<u32>, Stop> {
    Ok(u32::try_from(c.load64(at)?).ok())
}

/// `{u64 len; int prot; u64 dsp_va}`. What lies between is not written by the compiler that made hap_example.
fn reserve(c: &mut Call<'_>, at: u32) -> Done {
    let (len, prot) = (c.load64(at)?, c.load32(at.wrapping_add(8))?);
    let place = at.wrapping_add(16);
    c.store64(place, 0)?;
    // Nothing can be touched there: the permissions that count are those of what is mapped.
    if prot & !(prot::READ | prot::WRITE | prot::EXECUTE | prot::CACHE) != 0 {
        return c.ret_code(Aee::BAD_PARM);
    }
    match c.os.shared.memory.reserve_for_program(len) {
        Ok(va) => {
            c.store64(place, va.into())?;
            c.ret_code(Aee::SUCCESS)
        }
        Err(why) => answer(c, Err(why)),
    }
}

/// `{u64 dsp_va; u64 len}`.
fn unreserve(c: &mut Call<'_>, at: u32) -> Done {
    let (va, len) = (address(c, at)?, c.load64(at.wrapping_add(8))?);
    let Some(va) = va else {
        return c.ret_code(Aee::NO_SUCH_MAP);
    };
    let result = c.os.shared.memory.unreserve(va, len);
    answer(c, result)
}

/// `{u64 addr; u64 len; int prot; int flags; int fd; u64 offset; u64 dsp_va}`. Without an address it is `HAP_mmap2`.
fn map(c: &mut Call<'_>, at: u32) -> Done {
    let (va, len) = (address(c, at)?, c.load64(at.wrapping_add(8))?);
    let word = |n: u32| c.load32(at.wrapping_add(n));
    let (prot, flags, fd) = (word(16)?, word(20)?, word(24)? as i32);
    let (offset, place) = (c.load64(at.wrapping_add(32))?, at.wrapping_add(40));
    c.store64(place, 0)?;
    if flags & !EXTENDED_MAP != 0 {
        return refuse(c, "HAP_mem_request with unknown flags");
    }
    if prot & prot::EXECUTE != 0 {
        return refuse(c, "HAP_mem_request of an executable mapping");
    }
    let Some(va) = va.filter(|_| prot & !(prot::READ | prot::WRITE | prot::CACHE) == 0) else {
        return c.ret_code(Aee::BAD_PARM);
    };
    let memory = &c.os.shared.memory;
    let mapped = match va {
        0 => match (u32::try_from(offset), u32::try_from(len)) {
            (Ok(offset), Ok(len)) => memory.map_window(fd, offset, len),
            _ => return c.ret_code(Aee::BAD_PARM),
        },
        _ => memory.place(fd, offset, len, va, allowed(prot)).map(|()| va),
    };
    match mapped {
        Ok(va) => {
            c.store64(place, va.into())?;
            c.ret_code(Aee::SUCCESS)
        }
        Err(why) => answer(c, Err(why)),
    }
}

/// What a mapping allows; who may write may read.
fn allowed(prot: u32) -> Prot {
    match prot & (prot::READ | prot::WRITE) {
        0 => Prot::NONE,
        prot::READ => Prot::READ,
        _ => Prot::RW,
    }
}

/// `{u64 dsp_va; u64 len}`.
fn unmap(c: &mut Call<'_>, at: u32) -> Done {
    let (va, len) = (address(c, at)?, c.load64(at.wrapping_add(8))?);
    let Some(va) = va else {
        return c.ret_code(Aee::NO_SUCH_MAP);
    };
    let memory = &c.os.shared.memory;
    let result = match u32::try_from(len) {
        _ if memory.is_placed(va) => memory.unplace(va, len),
        Ok(len) => memory.unmap_window(va, len),
        Err(_) => Err(OsError::NoSuchMap(va.into())),
    };
    answer(c, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use emu_core::memory::Memory as _;

    const FD: i32 = 7;
    const IOVA: u64 = 0x4000_0000;

    /// A payload of doublewords after the request's number; gives the code and the payload.
    fn ask(g: &mut Guest, kind: u8, payload: &[u64]) -> (Aee, Vec<u64>) {
        // What lies beside the number is whatever was there.
        let mut bytes = vec![kind, 0xaa, 0xbb, 0xcc, 1, 2, 3, 4];
        bytes.extend(payload.iter().flat_map(|word| word.to_le_bytes()));
        let at = g.bytes(&bytes);
        let code = Aee(g.call("HAP_mem_request", &[at]));
        let after = g.read(at + 8, 8 * payload.len() as u32);
        let words = after
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()));
        (code, words.collect())
    }

    fn reserve(g: &mut Guest, len: u64) -> u64 {
        let (code, payload) = ask(g, kind::RESERVE, &[len, 1, 0]);
        assert_eq!(code, Aee::SUCCESS);
        payload[2]
    }

    fn map(g: &mut Guest, va: u64, len: u64, prot: u64, offset: u64) -> (Aee, u64) {
        let (code, payload) = ask(g, kind::MAP, &[va, len, prot, FD as u64, offset, 0]);
        (code, payload[5])
    }

    #[test]
    fn buffers_are_mapped_into_reserved_space_and_taken_out() {
        let mut g = Guest::new();
        let shared = g.os.shared.clone();
        let memory = &shared.memory;
        let va = reserve(&mut g, 0x4000);
        // Nothing is there, and nobody else gets it.
        assert!(g.os.space.load8(va as u32).is_err());
        let name = memory.announce_fd(FD, IOVA, 0x2000, true).unwrap();
        assert_eq!(
            map(&mut g, va + 0x1000, 0x1000, 3, 0x1000),
            (Aee::SUCCESS, va + 0x1000)
        );
        assert!(g.os.space.is_mapped(va as u32 + 0x1000) && !g.os.space.is_mapped(va as u32));
        // A second mapping of it, only to be read.
        assert_eq!(map(&mut g, va, 0xfff, 1, 0), (Aee::SUCCESS, va));
        assert!(g.os.space.store8(va as u32, 1).is_err());
        // Overlapping, beyond the reservation, beyond the buffer, elsewhere, not whole pages, not allowed.
        assert_eq!(map(&mut g, va + 0x1000, 0x1000, 3, 0).0, Aee::FAILED);
        assert_eq!(map(&mut g, va + 0x3000, 0x1001, 3, 0).0, Aee::NO_SUCH_MAP);
        assert_eq!(map(&mut g, va + 0x2000, 0x2000, 3, 0x1000).0, Aee::BAD_PARM);
        assert_eq!(map(&mut g, u64::from(name), 0x1000, 3, 0).0, Aee::NO_SUCH_MAP);
        assert_eq!(map(&mut g, va + 0x2001, 0x1000, 3, 0).0, Aee::BAD_PARM);
        assert_eq!(map(&mut g, va + 0x2000, 0x1000, 3, 1).0, Aee::BAD_PARM);
        assert_eq!(map(&mut g, va + 0x2000, 0x1000, 7, 0).0, Aee::UNSUPPORTED);
        assert_eq!(map(&mut g, 1 << 32, 0x1000, 3, 0).0, Aee::BAD_PARM);
        // In use: not given back. Then part by part.
        assert_eq!(ask(&mut g, kind::UNRESERVE, &[va, 0x4000]).0, Aee::FAILED);
        assert_eq!(ask(&mut g, kind::UNMAP, &[va, 0x1001]).0, Aee::NO_SUCH_MAP);
        assert_eq!(ask(&mut g, kind::UNMAP, &[va, 0x1000]).0, Aee::SUCCESS);
        assert_eq!(ask(&mut g, kind::UNMAP, &[va, 0x1000]).0, Aee::NO_SUCH_MAP);
        assert_eq!(ask(&mut g, kind::UNMAP, &[va + 0x1000, 0x1000]).0, Aee::SUCCESS);
        assert!(!g.os.space.is_mapped(va as u32 + 0x1000));
        assert_eq!(ask(&mut g, kind::UNRESERVE, &[va, 0x3000]).0, Aee::NO_SUCH_MAP);
        assert_eq!(ask(&mut g, kind::UNRESERVE, &[va, 0x4000]).0, Aee::SUCCESS);
        assert_eq!(ask(&mut g, kind::UNRESERVE, &[va, 0x4000]).0, Aee::NO_SUCH_MAP);
        assert_eq!(memory.usage().1, 0);
    }

    #[test]
    fn without_an_address_it_is_hap_mmap() {
        let mut g = Guest::new();
        let name = g.os.shared.memory.announce_fd(FD, IOVA, 0x2000, true).unwrap();
        assert_eq!(
            map(&mut g, 0, 0x1000, 3, 0x1000),
            (Aee::SUCCESS, u64::from(name) + 0x1000)
        );
        assert_eq!(map(&mut g, 0, 1 << 32, 3, 0).0, Aee::BAD_PARM);
        // Beyond 4 GiB, if there were anything.
        let extended = 0x21 | u64::from(EXTENDED_MAP) << 32;
        assert_eq!(
            map(&mut g, 0, 0x2000, extended, 0),
            (Aee::SUCCESS, u64::from(name))
        );
        assert_eq!(map(&mut g, 0, 0x2000, 1 | 1 << 32, 0).0, Aee::UNSUPPORTED);
        assert_eq!(
            ask(&mut g, kind::UNMAP, &[u64::from(name), 0x2000]).0,
            Aee::SUCCESS
        );
        assert_eq!(
            ask(&mut g, kind::UNMAP, &[u64::from(name) + 0x1000, 0x1000]).0,
            Aee::SUCCESS
        );
        assert!(!g.os.space.is_mapped(name + 0x1000));
    }

    #[test]
    fn what_the_driver_takes_back_is_gone_from_reserved_space() {
        let mut g = Guest::new();
        let (shared, va) = (g.os.shared.clone(), reserve(&mut g, 0x4000));
        let name = shared.memory.announce_fd(FD, IOVA, 0x2000, true).unwrap();
        assert_eq!(map(&mut g, va, 0x2000, 3, 0).0, Aee::SUCCESS);
        shared.memory.withdraw_fd(FD, name).unwrap();
        assert!(!g.os.space.is_mapped(va as u32));
        assert_eq!(ask(&mut g, kind::UNMAP, &[va, 0x2000]).0, Aee::NO_SUCH_MAP);
        assert_eq!(ask(&mut g, kind::UNRESERVE, &[va, 0x4000]).0, Aee::SUCCESS);
        // A call's own buffer stays as long as it is mapped.
        let (va, call) = (
            reserve(&mut g, 0x4000),
            shared.memory.begin_handle(FD, IOVA, 0x1000).unwrap(),
        );
        assert_eq!(map(&mut g, va, 0x1000, 3, 0).0, Aee::SUCCESS);
        shared.memory.end_handle(FD, call);
        assert!(shared.memory.fd(FD).is_some());
        assert_eq!(ask(&mut g, kind::UNMAP, &[va, 0x1000]).0, Aee::SUCCESS);
        assert_eq!((shared.memory.fd(FD), shared.memory.usage().1), (None, 0));
    }

    #[test]
    fn space_and_its_parts_are_bounded_and_other_kinds_refused() {
        let mut g = Guest::new();
        for len in [0, 4 << 30, u64::MAX, 0xf000_0000] {
            assert_ne!(
                ask(&mut g, kind::RESERVE, &[len, 1, 0]).0,
                Aee::SUCCESS,
                "{len:#x}"
            );
        }
        assert_eq!(ask(&mut g, kind::RESERVE, &[0x1000, 0x100, 0]).0, Aee::BAD_PARM);
        for kind in [0, kind::LOG_BLOCKS, kind::SET_MARKER, 7, 255] {
            assert_eq!(ask(&mut g, kind, &[0]).0, Aee::UNSUPPORTED);
        }
        let limit = g.os.shared.config.limits.fds as u64;
        let at = g.bytes(&[0; 32]);
        for n in 0..=limit {
            g.write(
                at,
                &[
                    kind::RESERVE,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                ],
            );
            let given = g.call("HAP_mem_request", &[at]) == 0;
            assert_eq!(given, n < limit);
        }
    }
}
