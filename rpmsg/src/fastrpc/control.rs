//! Handle 1: process control, the calls that the kernel makes itself.
//!
//! Source: `FASTRPC_RMID_*` and their users in the kernel's fastrpc.c; identical in QDA. User space cannot reach this handle
//! through fastrpc, but can through QDA, so nothing here is trusted. Padding may hold stack garbage and is ignored.
//!
//! | method | sc | in 0 | in 1 | in 2 | in 3 | out 0 |
//! |---|---|---|---|---|---|---|
//! | 0 attach, 1 release | 0x0M010000 | client | | | | |
//! | 4 mmap | 0x04020100 | client, flags, u64 vaddr, num, pad | page | | | u64 vaddr |
//! | 5 munmap | 0x05010000 | client, pad, u64 vaddr, u64 size | | | | |
//! | 6, 7 create | 0x0M040000 | client, namelen, filelen, pageslen, attrs, siglen | name | shell | page | |
//! | 8 create static | 0x08030000 | client, namelen, pageslen | name | page | | |
//! | 10 mem map | 0x0A030100 | client, fd, offset, flags, u64 vaddrin, num, data_len | page | empty | | u64 vaddr |
//! | 11 mem unmap | 0x0B010000 | client, fd, u64 vaddr, u64 len | | | | |

use super::{args::Page, scalars::Scalars};
use crate::{
    iface::{Payload, PayloadError},
    wire::{Reader, Writer, wire_len},
};

/// A process control call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Method 0: a daemon attaches to the guest OS or to the sensors domain (the message's context says which).
    Attach {
        /// Session.
        client: i32,
    },
    /// Method 1: a session's fd was closed. Sent for every close, also of sessions that never created anything.
    Release {
        /// Session.
        client: i32,
    },
    /// Method 4: memory for the process's heap, or (6.12, flags 8) for the remote heap.
    Mmap {
        /// Session.
        client: i32,
        /// [`MMAP_ADD_PAGES`] or [`MMAP_REMOTE_HEAP`].
        flags: u32,
        /// Wanted address, 0 in all kernels.
        vaddr: u64,
        /// The memory; without stream ID for the remote heap, which is a physical address.
        page: Page,
    },
    /// Method 5: the end of such memory.
    Munmap {
        /// Session.
        client: i32,
        /// The address that the DSP answered.
        vaddr: u64,
        /// Size in bytes.
        size: u64,
    },
    /// Methods 6 and 7: a user process.
    Create {
        /// Whether it was method 7.
        with_attributes: bool,
        /// Session.
        client: i32,
        /// Name of the AP's process, without NUL.
        name: Vec<u8>,
        /// Bytes of the shell file (input buffer 2), 0 if none was found.
        shell_len: u32,
        /// [`ATTR_UNSIGNED`] and others.
        attrs: u32,
        /// Bytes of the test signature behind the shell.
        signature_len: u32,
        /// The process's initial memory.
        memory: Page,
    },
    /// Method 8: a static process such as `audiopd`.
    CreateStatic {
        /// Session.
        client: i32,
        /// Its name, without NUL.
        name: Vec<u8>,
        /// The remote heap, in the first such call only; a physical address.
        heap: Option<Page>,
    },
    /// Method 10: maps a DMA buffer.
    MemMap {
        /// Session.
        client: i32,
        /// The buffer's key.
        fd: i32,
        /// Offset.
        offset: i32,
        /// 0 static, [`MAP_FD`], [`MAP_FD_DELAYED`], [`MAP_FD_NOMAP`]; others pass too.
        flags: u32,
        /// The buffer's address in the AP's process.
        vaddrin: u64,
        /// The memory; {0, 0} when QDA was given no fd.
        page: Page,
    },
    /// Method 11: unmaps it.
    MemUnmap {
        /// Session.
        client: i32,
        /// The buffer's key.
        fd: i32,
        /// The address that the DSP answered.
        vaddr: u64,
        /// Size in bytes.
        len: u64,
    },
}

/// Methods, as the kernel names them (`fastrpc.c`, `FASTRPC_RMID_*`).
pub mod method {
    /// `INIT_ATTACH`
    pub const ATTACH: u8 = 0;
    /// `INIT_RELEASE`
    pub const RELEASE: u8 = 1;
    /// `INIT_MMAP`
    pub const MMAP: u8 = 4;
    /// `INIT_MUNMAP`
    pub const MUNMAP: u8 = 5;
    /// `INIT_CREATE`
    pub const CREATE: u8 = 6;
    /// `INIT_CREATE_ATTR`
    pub const CREATE_ATTR: u8 = 7;
    /// `INIT_CREATE_STATIC`
    pub const CREATE_STATIC: u8 = 8;
    /// `INIT_MEM_MAP`
    pub const MEM_MAP: u8 = 10;
    /// `INIT_MEM_UNMAP`
    pub const MEM_UNMAP: u8 = 11;
}

/// Methods by number.
pub const METHODS: &[(u32, &str)] = &[
    (method::ATTACH as u32, "attach"),
    (method::RELEASE as u32, "release"),
    (method::MMAP as u32, "mmap"),
    (method::MUNMAP as u32, "munmap"),
    (method::CREATE as u32, "create"),
    (method::CREATE_ATTR as u32, "create_attr"),
    (method::CREATE_STATIC as u32, "create_static"),
    (method::MEM_MAP as u32, "mem_map"),
    (method::MEM_UNMAP as u32, "mem_unmap"),
];

/// Whether input buffer [`SHELL_BUFFER`] of a call of this method is a shell.
#[must_use]
pub const fn has_shell(method: u8) -> bool {
    matches!(method, method::CREATE | method::CREATE_ATTR)
}

/// [`Control::Mmap`] flags: pages for the user heap.
pub const MMAP_ADD_PAGES: u32 = 0x1000;
/// [`Control::Mmap`] flags: remote heap (up to 6.12).
pub const MMAP_REMOTE_HEAP: u32 = 8;
/// [`Control::MemMap`] flags (`enum fastrpc_map_flags` of the kernel's `misc/fastrpc.h`): the DSP maps the buffer at
/// once, and skeletons find it by its descriptor.
pub const MAP_FD: u32 = 2;
/// [`Control::MemMap`] flags: the DSP maps the buffer while a skeleton has it mapped (`HAP_mmap`).
pub const MAP_FD_DELAYED: u32 = 3;
/// [`Control::MemMap`] flags: as [`MAP_FD_DELAYED`], and the AP does not map it either.
pub const MAP_FD_NOMAP: u32 = 16;
/// [`Control::Create`] attribute: unsigned module.
pub const ATTR_UNSIGNED: u32 = 8;
/// [`Control::Create`] attributes by bit (`enum fastrpc_proc_attr` of the kernel's `misc/fastrpc.h`, and the library's own enumeration
/// of that name, which has more).
pub const ATTRIBUTES: &[(u32, &str)] = &[
    (0x1, "debug"),
    (0x2, "ptrace"),
    (0x4, "crc"),
    (ATTR_UNSIGNED, "unsigned"),
    (0x10, "adaptive_qos"),
    (0x20, "system_process"),
    (0x40, "privileged"),
    (0x80, "pd_dump"),
    (0x100, "debug_pd_dump"),
    (0x200, "perf_kernel"),
    (0x400, "perf_dsp"),
    (0x800, "iregion_log"),
    (0x1000, "qtf_tracing"),
    (0x1_0000, "uaf"),
    (0x2_0000, "system_unsigned"),
    (0x4_0000, "log_packet"),
    (0x4000_0000, "sysmon"),
];

/// What a [`Control::Create`] asks for beside unsigned code, as words for the log; bits without a name as one number.
#[must_use]
pub fn attribute_names(attrs: u32) -> String {
    let mut rest = attrs & !ATTR_UNSIGNED;
    let mut names = Vec::new();
    for (bit, name) in ATTRIBUTES {
        if rest & bit != 0 {
            rest &= !bit;
            names.push((*name).to_owned());
        }
    }
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names.join(" ")
}

/// Which input buffer of a create call is the shell. Its content is not parsed, so it need not be copied.
pub const SHELL_BUFFER: usize = 2;
/// Longest process name with NUL that is accepted; kernels send at most 16.
pub const MAX_NAME: u32 = 256;
/// Bytes of the page array that map calls announce.
const ONE_PAGE: i32 = 16;

impl Control {
    /// Parses a call. `shell_len` is the length of the shell buffer of a create call when the caller left that buffer's content
    /// out of the payload; `None` if it is there.
    ///
    /// # Errors
    /// [`PayloadError`]: unknown method, or any count, size or value that differs from the table above.
    pub fn parse(payload: &Payload, shell_len: Option<u32>) -> Result<Self, PayloadError> {
        payload.check_counts()?;
        let unknown = || PayloadError::UnknownMethod(payload.method());
        let method = u8::try_from(payload.method()).map_err(|_| unknown())?;
        let (ins, outs) = match method {
            method::ATTACH | method::RELEASE | method::MUNMAP | method::MEM_UNMAP => (1, 0),
            method::MMAP => (2, 1),
            method::CREATE | method::CREATE_ATTR => (4, 0),
            method::CREATE_STATIC => (3, 0),
            method::MEM_MAP => (3, 1),
            _ => return Err(unknown()),
        };
        let count = |what, expected, found| {
            if expected == found {
                Ok(())
            } else {
                Err(PayloadError::Count {
                    what,
                    expected,
                    found,
                })
            }
        };
        count("input buffers", ins, payload.ins.len())?;
        count("output buffers", outs, payload.outs.len())?;
        if let Some(&found) = payload.outs.first()
            && found < 8
        {
            return Err(PayloadError::Capacity {
                need: 8,
                found: found.into(),
            });
        }
        let buffer = |index: usize| payload.ins.get(index).map_or(&[][..], Vec::as_slice);
        let mut r = Reader::new(buffer(0));
        let page = |index: usize| Ok::<_, PayloadError>(Page::parse(&mut Reader::new(buffer(index)))?);
        let client = r.i32()?;
        Ok(match method {
            method::ATTACH => Self::Attach { client },
            method::RELEASE => Self::Release { client },
            method::MMAP => {
                let (flags, vaddr, num) = (r.u32()?, r.u64()?, r.i32()?);
                one_page(num)?;
                Self::Mmap {
                    client,
                    flags,
                    vaddr,
                    page: page(1)?,
                }
            }
            method::MUNMAP => {
                r.u32()?;
                Self::Munmap {
                    client,
                    vaddr: r.u64()?,
                    size: r.u64()?,
                }
            }
            method::CREATE | method::CREATE_ATTR => {
                let (name_len, file_len, pages_len) = (r.u32()?, r.u32()?, r.u32()?);
                let (attrs, signature_len) = (r.u32()?, r.u32()?);
                if pages_len != 1 {
                    return Err(PayloadError::Value {
                        what: "pageslen",
                        value: pages_len.into(),
                    });
                }
                let shell = shell_len.unwrap_or_else(|| wire_len(buffer(SHELL_BUFFER).len()));
                if file_len != shell {
                    return Err(PayloadError::Length {
                        claimed: file_len.into(),
                        found: shell.into(),
                    });
                }
                Self::Create {
                    with_attributes: method == method::CREATE_ATTR,
                    client,
                    name: name(name_len, buffer(1))?,
                    shell_len: file_len,
                    attrs,
                    signature_len,
                    memory: page(3)?,
                }
            }
            method::CREATE_STATIC => {
                let (name_len, pages_len) = (r.u32()?, r.u32()?);
                let heap = match pages_len {
                    0 => None,
                    1 => Some(page(2)?),
                    _ => {
                        return Err(PayloadError::Value {
                            what: "pageslen",
                            value: pages_len.into(),
                        });
                    }
                };
                Self::CreateStatic {
                    client,
                    name: name(name_len, buffer(1))?,
                    heap,
                }
            }
            method::MEM_MAP => {
                let (fd, offset, flags, vaddrin) = (r.i32()?, r.i32()?, r.u32()?, r.u64()?);
                one_page(r.i32()?)?;
                r.i32()?;
                Self::MemMap {
                    client,
                    fd,
                    offset,
                    flags,
                    vaddrin,
                    page: page(1)?,
                }
            }
            _ => Self::MemUnmap {
                client,
                fd: r.i32()?,
                vaddr: r.u64()?,
                len: r.u64()?,
            },
        })
    }

    /// The session that the call concerns (the message itself says client 0).
    #[must_use]
    pub const fn client(&self) -> i32 {
        match *self {
            Self::Attach { client }
            | Self::Release { client }
            | Self::Mmap { client, .. }
            | Self::Munmap { client, .. }
            | Self::Create { client, .. }
            | Self::CreateStatic { client, .. }
            | Self::MemMap { client, .. }
            | Self::MemUnmap { client, .. } => client,
        }
    }

    /// The payload as the kernel sends it. `shell` is the content of the shell buffer of a create call.
    #[must_use]
    pub fn payload(&self, shell: Vec<u8>) -> Payload {
        let mut w = Writer::new();
        w.i32(self.client());
        let with_nul = |name: &[u8]| {
            let mut bytes = name.to_vec();
            bytes.push(0);
            bytes
        };
        let payload = |method, ins: Vec<Vec<u8>>, outs: Vec<u32>| Payload {
            sc: Scalars::new(method, ins.len() as u8, outs.len() as u8),
            ins,
            outs,
        };
        match self {
            Self::Attach { .. } => payload(method::ATTACH, vec![w.finish()], vec![]),
            Self::Release { .. } => payload(method::RELEASE, vec![w.finish()], vec![]),
            Self::Mmap {
                flags, vaddr, page, ..
            } => {
                w.u32(*flags).u64(*vaddr).i32(ONE_PAGE).u32(0);
                payload(method::MMAP, vec![w.finish(), page.encode()], vec![8])
            }
            Self::Munmap { vaddr, size, .. } => {
                w.u32(0).u64(*vaddr).u64(*size);
                payload(method::MUNMAP, vec![w.finish()], vec![])
            }
            Self::Create {
                with_attributes,
                name,
                shell_len,
                attrs,
                signature_len,
                memory,
                ..
            } => {
                let name = with_nul(name);
                w.u32(wire_len(name.len()))
                    .u32(*shell_len)
                    .u32(1)
                    .u32(*attrs)
                    .u32(*signature_len);
                let method = if *with_attributes {
                    method::CREATE_ATTR
                } else {
                    method::CREATE
                };
                payload(method, vec![w.finish(), name, shell, memory.encode()], vec![])
            }
            Self::CreateStatic { name, heap, .. } => {
                let name = with_nul(name);
                w.u32(wire_len(name.len())).u32(heap.is_some().into());
                let page = heap.unwrap_or_default().encode();
                payload(method::CREATE_STATIC, vec![w.finish(), name, page], vec![])
            }
            Self::MemMap {
                fd,
                offset,
                flags,
                vaddrin,
                page,
                ..
            } => {
                w.i32(*fd)
                    .i32(*offset)
                    .u32(*flags)
                    .u64(*vaddrin)
                    .i32(ONE_PAGE)
                    .i32(0);
                payload(method::MEM_MAP, vec![w.finish(), page.encode(), vec![]], vec![8])
            }
            Self::MemUnmap { fd, vaddr, len, .. } => {
                w.i32(*fd).u64(*vaddr).u64(*len);
                payload(method::MEM_UNMAP, vec![w.finish()], vec![])
            }
        }
    }
}

/// The answer of [`Control::Mmap`] and [`Control::MemMap`]: contents of output buffer 0.
#[must_use]
pub fn encode_vaddr(vaddr: u64) -> Vec<u8> {
    vaddr.to_le_bytes().to_vec()
}

fn one_page(num: i32) -> Result<(), PayloadError> {
    if num == ONE_PAGE {
        Ok(())
    } else {
        Err(PayloadError::Value {
            what: "size of the page array",
            value: u64::from(num.cast_unsigned()),
        })
    }
}

fn name(len: u32, buffer: &[u8]) -> Result<Vec<u8>, PayloadError> {
    if len > MAX_NAME {
        return Err(PayloadError::Value {
            what: "namelen",
            value: len.into(),
        });
    }
    if u64::from(len) != buffer.len() as u64 {
        return Err(PayloadError::Length {
            claimed: len.into(),
            found: buffer.len() as u64,
        });
    }
    match buffer.split_last() {
        Some((0, name)) => Ok(name.to_vec()),
        _ => Err(PayloadError::NotTerminated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aee;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn attributes_have_names_and_no_bit_is_lost() {
        assert_eq!(attribute_names(ATTR_UNSIGNED), "");
        assert_eq!(
            attribute_names(0x4 | 0x80 | ATTR_UNSIGNED | 0x200_0000),
            "crc pd_dump 0x2000000"
        );
        assert!(ATTRIBUTES.iter().all(|(bit, _)| bit.is_power_of_two()));
    }

    /// calculator-7.3.4, event 35.
    #[test]
    fn create_as_recorded() {
        #[rustfmt::skip]
        let payload = Payload {
            sc: Scalars(0x0704_0000),
            ins: vec![
                vec![2, 0, 0, 0, 0x0d, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0],
                b"fastrpc_test\0".to_vec(),
                vec![],
                vec![0, 0, 0xc0, 0xff, 2, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0],
            ],
            outs: vec![],
        };
        let create = Control::Create {
            with_attributes: true,
            client: 2,
            name: b"fastrpc_test".to_vec(),
            shell_len: 0,
            attrs: ATTR_UNSIGNED,
            signature_len: 0,
            memory: Page {
                addr: 0x2_ffc0_0000,
                size: 0x20_0000,
            },
        };
        assert_eq!(Control::parse(&payload, None), Ok(create.clone()));
        assert_eq!(create.payload(vec![]), payload);
        assert!(matches!(
            Control::parse(&payload, Some(5)),
            Err(PayloadError::Length { .. })
        ));
    }

    #[test]
    fn layouts_of_the_map_calls() {
        let page = Page {
            addr: 0x1_8000_0000,
            size: 0x4000,
        };
        let mem_map = Control::MemMap {
            client: 1,
            fd: 9,
            offset: 0,
            flags: MAP_FD,
            vaddrin: 0x1234,
            page,
        };
        let payload = mem_map.payload(vec![]);
        assert_eq!(payload.ins[0].len(), 32);
        assert_eq!(
            payload.ins[0][16..28],
            [0x34, 0x12, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0]
        );
        let mmap = Control::Mmap {
            client: 1,
            flags: MMAP_ADD_PAGES,
            vaddr: 0,
            page,
        };
        assert_eq!(mmap.payload(vec![]).ins[0].len(), 24);
        let munmap = Control::Munmap {
            client: 1,
            vaddr: 0x55,
            size: 0x66,
        };
        assert_eq!(munmap.payload(vec![]).ins[0][8], 0x55);
        let unmap = Control::MemUnmap {
            client: 1,
            fd: 9,
            vaddr: 0x55,
            len: 0x66,
        };
        assert_eq!(unmap.payload(vec![]).ins[0][16], 0x66);
    }

    #[test]
    fn malformed_calls_are_refused() {
        let release = Control::Release { client: 1 };
        let mut p = release.payload(vec![]);
        p.ins[0].truncate(3);
        assert!(matches!(
            Control::parse(&p, None),
            Err(PayloadError::Truncated(_))
        ));
        let mut p = release.payload(vec![]);
        p.sc = Scalars(0x0201_0000);
        assert_eq!(
            Control::parse(&p, None).map_err(|e| e.aee()),
            Err(Aee::UNSUPPORTED)
        );
        let page = Page::default();
        let mut p = Control::Mmap {
            client: 1,
            flags: 0,
            vaddr: 0,
            page,
        }
        .payload(vec![]);
        p.ins[0][16] = 17;
        assert!(matches!(
            Control::parse(&p, None),
            Err(PayloadError::Value { .. })
        ));
        p.ins[0][16] = 16;
        p.outs[0] = 7;
        assert!(matches!(
            Control::parse(&p, None),
            Err(PayloadError::Capacity { .. })
        ));
        let create = Control::Create {
            with_attributes: false,
            client: 1,
            name: b"x".to_vec(),
            shell_len: 3,
            attrs: 0,
            signature_len: 0,
            memory: page,
        };
        let good = create.payload(vec![1, 2, 3]);
        assert_eq!(Control::parse(&good, None), Ok(create));
        let with = |change: fn(&mut Payload)| {
            let mut p = good.clone();
            change(&mut p);
            Control::parse(&p, None)
        };
        assert!(matches!(
            with(|p| p.ins[1] = b"xy".to_vec()),
            Err(PayloadError::NotTerminated)
        ));
        assert!(matches!(
            with(|p| p.ins[1] = b"x\0\0".to_vec()),
            Err(PayloadError::Length { .. })
        ));
        assert!(matches!(
            with(|p| p.ins[2].push(0)),
            Err(PayloadError::Length { .. })
        ));
        assert!(matches!(
            with(|p| p.ins[3].truncate(15)),
            Err(PayloadError::Truncated(_))
        ));
        assert!(matches!(
            with(|p| p.ins[0][12] = 2),
            Err(PayloadError::Value { .. })
        ));
        assert!(matches!(
            with(|p| p.ins[0][7] = 0x80),
            Err(PayloadError::Value { .. })
        ));
    }

    fn controls() -> impl Strategy<Value = Control> {
        let page = (any::<u64>(), any::<u64>()).prop_map(|(addr, size)| Page { addr, size });
        let name = vec(1u8.., 0..15);
        prop_oneof![
            any::<i32>().prop_map(|client| Control::Attach { client }),
            any::<i32>().prop_map(|client| Control::Release { client }),
            (any::<i32>(), any::<u32>(), any::<u64>(), page.clone()).prop_map(
                |(client, flags, vaddr, page)| Control::Mmap {
                    client,
                    flags,
                    vaddr,
                    page
                }
            ),
            (any::<i32>(), any::<u64>(), any::<u64>()).prop_map(|(client, vaddr, size)| Control::Munmap {
                client,
                vaddr,
                size
            }),
            (
                any::<i32>(),
                name.clone(),
                any::<bool>(),
                any::<u32>(),
                page.clone()
            )
                .prop_map(|(client, name, with_attributes, attrs, memory)| Control::Create {
                    with_attributes,
                    client,
                    name,
                    shell_len: 2,
                    attrs,
                    signature_len: 1,
                    memory
                }),
            (any::<i32>(), name, proptest::option::of(page.clone()))
                .prop_map(|(client, name, heap)| Control::CreateStatic { client, name, heap }),
            (any::<[i32; 3]>(), any::<u32>(), any::<u64>(), page).prop_map(
                |([client, fd, offset], flags, vaddrin, page)| Control::MemMap {
                    client,
                    fd,
                    offset,
                    flags,
                    vaddrin,
                    page
                }
            ),
            (any::<[i32; 2]>(), any::<u64>(), any::<u64>()).prop_map(|([client, fd], vaddr, len)| {
                Control::MemUnmap {
                    client,
                    fd,
                    vaddr,
                    len,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn calls_round_trip(control in controls()) {
            prop_assert_eq!(Control::parse(&control.payload(vec![1, 2]), None), Ok(control));
        }

        #[test]
        fn any_payload_parses_or_fails(
            method in 0u8..32, ins in vec(vec(any::<u8>(), 0..40), 0..5), outs in vec(0u32..16, 0..2),
        ) {
            let sc = Scalars::new(method, ins.len() as u8, outs.len() as u8);
            let _ = Control::parse(&Payload { sc, ins, outs }, None);
        }
    }
}
