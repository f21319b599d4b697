//! apps_mem: memory that the DSP has the AP allocate and map.
//!
//! Source: `src/apps_mem_skel.c`, `src/apps_mem_imp.c` of qualcomm/fastrpc. While such a call runs, the kernel's own map or
//! unmap call (handle 1) arrives nested.

interface! {
    /// 32-bit form of `request_map64`.
    0 "request_map" RequestMap {
        /// rpcmem heap.
        heap_id: i32,
        /// Local flags.
        lflags: u32,
        /// Remote flags.
        rflags: u32,
        /// Wanted address, 0 for any.
        vin: u32,
        /// Size in bytes.
        len: i32,
    } => RequestMapReply {
        /// Address in the AP's process.
        vapps: u32,
        /// Address on the DSP.
        vadsp: u32,
    }
    /// 32-bit form of `request_unmap64`.
    1 "request_unmap" RequestUnmap {
        /// Address on the DSP.
        vadsp: u32,
        /// Size in bytes.
        len: i32,
    }
    /// Allocates memory and maps it into the DSP process.
    2 "request_map64" RequestMap64 {
        /// rpcmem heap, -1 where the kernel allocates.
        heap_id: i32,
        /// Local flags.
        lflags: u32,
        /// Remote flags: [`ADD_PAGES`], [`ALLOC_HLOS_FD`], or flags of fastrpc_mmap.
        rflags: u32,
        /// Wanted address, 0 for any.
        vin: u64,
        /// Size in bytes.
        len: i64,
    } => RequestMap64Reply {
        /// Address in the AP's process.
        vapps: u64,
        /// Address on the DSP (what the DSP itself answered to the nested map call), or the fd for [`ALLOC_HLOS_FD`].
        vadsp: u64,
    }
    /// Unmaps and frees.
    3 "request_unmap64" RequestUnmap64 {
        /// Address on the DSP.
        vadsp: u64,
        /// Size in bytes.
        len: i64,
    }
    /// Maps an existing buffer.
    4 "share_map" ShareMap {
        /// File descriptor.
        fd: i32,
        /// Size in bytes.
        size: i32,
    } => ShareMapReply {
        /// Address in the AP's process.
        vapps: u64,
        /// Address on the DSP.
        vadsp: u64,
    }
    /// Unmaps a shared buffer.
    5 "share_unmap" ShareUnmap {
        /// Address on the DSP.
        vadsp: u64,
        /// Size in bytes.
        size: i32,
    }
    /// Maps a DMA handle.
    6 "dma_handle_map" DmaHandleMap {
        /// File descriptor.
        fd: i32,
        /// Offset, must be 0.
        offset: i32,
        /// Size in bytes.
        size: i32,
    }
    /// Unmaps a DMA handle.
    7 "dma_handle_unmap" DmaHandleUnmap {
        /// File descriptor.
        fd: i32,
        /// Size in bytes.
        size: i32,
    }
}

/// Remote flag: the kernel allocates pages for the process's heap (handle 1, method 4).
pub const ADD_PAGES: u32 = 0x1000;
/// Remote flag: allocate with rpcmem, map delayed, hand back the fd.
pub const ALLOC_HLOS_FD: u32 = 0x10000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Reply};

    #[test]
    fn request_map64_has_the_holes_of_natural_alignment() {
        let request = Request::RequestMap64(RequestMap64 {
            heap_id: -1,
            lflags: 0,
            rflags: ADD_PAGES,
            vin: 0,
            len: 0x10000,
        });
        let payload = request.payload(Kind::Plain);
        assert_eq!(
            (payload.sc, payload.outs.clone()),
            (Scalars(0x0201_0100), vec![16])
        );
        let mut block = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0];
        block.resize(24, 0);
        block.extend_from_slice(&0x10000u64.to_le_bytes());
        assert_eq!(payload.ins, [block]);
        assert_eq!(Request::parse(&payload, Kind::Plain), Ok(request));
        let reply = RequestMap64Reply { vapps: 1, vadsp: 2 };
        assert_eq!(RequestMap64Reply::parse(&reply.encode(&[16]).unwrap()), Ok(reply));
    }

    #[test]
    fn scalars_of_the_others() {
        let sc = |r: Request| r.payload(Kind::Plain).sc.0;
        assert_eq!(
            sc(RequestMap {
                heap_id: 0,
                lflags: 0,
                rflags: 0,
                vin: 0,
                len: 0
            }
            .into()),
            0x0001_0100
        );
        assert_eq!(sc(RequestUnmap64 { vadsp: 0, len: 0 }.into()), 0x0301_0000);
        assert_eq!(sc(ShareMap { fd: 1, size: 2 }.into()), 0x0401_0100);
        assert_eq!(sc(DmaHandleUnmap { fd: 1, size: 2 }.into()), 0x0701_0000);
    }
}
