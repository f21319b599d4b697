//! Accesses through host pointers to memory that somebody else may change at the same time: a guest vCPU in QEMU's
//! process, another DSP thread, a bulk copy.
//!
//! All but whole HVX vectors is made of atomic accesses of at most eight bytes, so that such a race yields some mixture of old and new
//! bytes and nothing worse. Loads acquire and stores release: hardware threads of a DSP see each other's stores in order, and
//! programs that were compiled for it count on that (LLVM makes plain accesses of `atomic` ones that acquire or release). On x86-64
//! that costs nothing; a store may still be seen after a later load, as there, unless a `barrier` or a locked store is between. (Two atomic accesses of *different* size to the same bytes are outside what
//! Rust's memory model speaks about; every host we run on gives them the obvious meaning, and an emulator cannot do
//! without them.) Guest memory is little-endian.

use std::sync::atomic::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Release, Ordering::SeqCst,
};

/// Bytes of an HVX vector.
#[cfg(target_arch = "x86_64")]
const VECTOR: usize = 128;

macro_rules! scalar {
    ($load:ident, $store:ident, $int:ty, $atomic:ty) => {
        /// Loads one little-endian value.
        ///
        /// # Safety
        /// `p` is aligned to the value and points into a live mapping that has it whole.
        #[inline(always)]
        pub(super) unsafe fn $load(p: *mut u8) -> $int {
            // SAFETY: the caller's promise; an atomic may alias anything that is only accessed atomically
            <$int>::from_le(unsafe { <$atomic>::from_ptr(p.cast()) }.load(Acquire))
        }
        /// Stores one little-endian value.
        ///
        /// # Safety
        /// As for the load, and the mapping is writable.
        #[inline(always)]
        pub(super) unsafe fn $store(p: *mut u8, v: $int) {
            // SAFETY: the caller's promise
            unsafe { <$atomic>::from_ptr(p.cast()) }.store(v.to_le(), Release)
        }
    };
}
scalar!(load8, store8, u8, AtomicU8);
scalar!(load16, store16, u16, AtomicU16);
scalar!(load32, store32, u32, AtomicU32);
scalar!(load64, store64, u64, AtomicU64);

/// Compare-and-swap of a word.
///
/// # Safety
/// As for [`store32`].
pub(super) unsafe fn cas32(p: *mut u8, old: u32, new: u32) -> bool {
    // SAFETY: the caller's promise
    let cell = unsafe { AtomicU32::from_ptr(p.cast()) };
    cell.compare_exchange(old.to_le(), new.to_le(), SeqCst, SeqCst)
        .is_ok()
}

/// Compare-and-swap of a doubleword.
///
/// # Safety
/// As for [`store64`].
pub(super) unsafe fn cas64(p: *mut u8, old: u64, new: u64) -> bool {
    // SAFETY: the caller's promise
    let cell = unsafe { AtomicU64::from_ptr(p.cast()) };
    cell.compare_exchange(old.to_le(), new.to_le(), SeqCst, SeqCst)
        .is_ok()
}

/// Exchanges a word.
///
/// # Safety
/// As for [`store32`].
pub(super) unsafe fn swap32(p: *mut u8, new: u32) -> u32 {
    // SAFETY: the caller's promise
    u32::from_le(unsafe { AtomicU32::from_ptr(p.cast()) }.swap(new.to_le(), SeqCst))
}

/// Copies an HVX vector with the widest accesses that the host has. Accesses of vectors promise nothing about being atomic;
/// what the memory model has to say of a race with another process is kept from the compiler by doing it in assembly.
///
/// Why not eight bytes at a time like everything else: an instruction on the whole vector mostly follows, and a processor
/// cannot forward many narrow stores to a wide load, so it would wait for all of them.
#[cfg(target_arch = "x86_64")]
mod vector {
    use std::arch::asm;
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    const SSE2: u8 = 0;
    const AVX: u8 = 1;
    const AVX512: u8 = 2;
    /// What the processor has; until it was asked, what all of its kind have.
    static WIDEST: AtomicU8 = AtomicU8::new(SSE2);

    /// Asks the processor what it has.
    pub(in crate::mem) fn find_widest() {
        let found = if std::arch::is_x86_feature_detected!("avx512f") {
            AVX512
        } else if std::arch::is_x86_feature_detected!("avx") {
            AVX
        } else {
            SSE2
        };
        WIDEST.store(found, Relaxed);
    }

    /// Copies 128 bytes at any alignment.
    ///
    /// # Safety
    /// `from` points to 128 readable and `to` to 128 writable bytes, apart from each other.
    #[inline]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8) {
        match WIDEST.load(Relaxed) {
            // SAFETY: the caller's promise; the processor has AVX-512 (or AVX, below)
            AVX512 => unsafe {
                asm!(
                    "vmovdqu64 zmm0, [{from}]",
                    "vmovdqu64 zmm1, [{from} + 64]",
                    "vmovdqu64 [{to}], zmm0",
                    "vmovdqu64 [{to} + 64], zmm1",
                    from = in(reg) from, to = in(reg) to, out("xmm0") _, out("xmm1") _,
                    options(nostack, preserves_flags),
                );
            },
            // SAFETY: as above
            AVX => unsafe {
                asm!(
                    "vmovdqu ymm0, [{from}]",
                    "vmovdqu ymm1, [{from} + 32]",
                    "vmovdqu ymm2, [{from} + 64]",
                    "vmovdqu ymm3, [{from} + 96]",
                    "vmovdqu [{to}], ymm0",
                    "vmovdqu [{to} + 32], ymm1",
                    "vmovdqu [{to} + 64], ymm2",
                    "vmovdqu [{to} + 96], ymm3",
                    from = in(reg) from, to = in(reg) to,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                    options(nostack, preserves_flags),
                );
            },
            // SAFETY: the caller's promise
            _ => unsafe { copy_sse2(from, to) },
        }
    }

    /// As [`copy`], for processors that have nothing wider.
    ///
    /// # Safety
    /// As for [`copy`].
    #[cold]
    #[inline(never)]
    unsafe fn copy_sse2(from: *const u8, to: *mut u8) {
        for at in (0..128).step_by(16) {
            // SAFETY: the caller's promise, and all of this kind of processor have SSE2
            unsafe {
                asm!(
                    "movdqu xmm0, [{from}]",
                    "movdqu [{to}], xmm0",
                    from = in(reg) from.add(at), to = in(reg) to.add(at), out("xmm0") _,
                    options(nostack, preserves_flags),
                );
            }
        }
    }
}

/// Asks the processor once how whole vectors are moved best.
pub(super) fn find_widest() {
    #[cfg(target_arch = "x86_64")]
    vector::find_widest();
}

/// Copies bytes out of shared memory.
///
/// # Safety
/// `from` points to `to.len()` bytes of a live mapping.
#[inline]
pub(super) unsafe fn copy_out(from: *mut u8, to: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if to.len() == VECTOR {
        // SAFETY: the caller's promise; the slice is ours alone
        return unsafe { vector::copy(from, to.as_mut_ptr()) };
    }
    let head = from.align_offset(8).min(to.len());
    let (first, rest) = to.split_at_mut(head);
    let (body, last) = rest.as_chunks_mut::<8>();
    for (i, b) in first.iter_mut().enumerate() {
        // SAFETY: i < to.len()
        *b = unsafe { load8(from.add(i)) };
    }
    // SAFETY: stays within to.len() bytes
    let mut p = unsafe { from.add(head) };
    for chunk in body {
        // SAFETY: eight bytes within the range, aligned by `head`
        *chunk = unsafe { load64(p) }.to_le_bytes();
        // SAFETY: at most one past the range's end
        p = unsafe { p.add(8) };
    }
    for (i, b) in last.iter_mut().enumerate() {
        // SAFETY: the range's last bytes
        *b = unsafe { load8(p.add(i)) };
    }
}

/// Loads 1, 2, 4 or 8 aligned bytes in one access.
///
/// # Safety
/// `from` points to `to.len()` bytes of a live mapping and is aligned to that.
pub(super) unsafe fn copy_out_whole(from: *mut u8, to: &mut [u8]) {
    match *to {
        [ref mut a, ref mut b] => {
            // SAFETY: the caller's promise
            [*a, *b] = unsafe { load16(from) }.to_le_bytes();
        }
        [ref mut a, ref mut b, ref mut c, ref mut d] => {
            // SAFETY: the caller's promise
            [*a, *b, *c, *d] = unsafe { load32(from) }.to_le_bytes();
        }
        // SAFETY: the caller's promise; a single byte or an aligned doubleword is one access there too
        _ => unsafe { copy_out(from, to) },
    }
}

/// Stores 1, 2, 4 or 8 aligned bytes in one access.
///
/// # Safety
/// `to` points to `from.len()` bytes of a live writable mapping and is aligned to that.
pub(super) unsafe fn copy_in_whole(to: *mut u8, from: &[u8]) {
    match *from {
        // SAFETY: the caller's promise
        [a, b] => unsafe { store16(to, u16::from_le_bytes([a, b])) },
        // SAFETY: the caller's promise
        [a, b, c, d] => unsafe { store32(to, u32::from_le_bytes([a, b, c, d])) },
        // SAFETY: the caller's promise; a single byte or an aligned doubleword is one access there too
        _ => unsafe { copy_in(to, from) },
    }
}

/// Copies bytes into shared memory.
///
/// # Safety
/// `to` points to `from.len()` bytes of a live writable mapping.
#[inline]
pub(super) unsafe fn copy_in(to: *mut u8, from: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if from.len() == VECTOR {
        // SAFETY: the caller's promise; the slice cannot overlap memory that is only accessed through pointers
        return unsafe { vector::copy(from.as_ptr(), to) };
    }
    let head = to.align_offset(8).min(from.len());
    let (first, rest) = from.split_at(head);
    let (body, last) = rest.as_chunks::<8>();
    for (i, b) in first.iter().enumerate() {
        // SAFETY: i < from.len()
        unsafe { store8(to.add(i), *b) };
    }
    // SAFETY: stays within from.len() bytes
    let mut p = unsafe { to.add(head) };
    for chunk in body {
        // SAFETY: eight bytes within the range, aligned by `head`
        unsafe { store64(p, u64::from_le_bytes(*chunk)) };
        // SAFETY: at most one past the range's end
        p = unsafe { p.add(8) };
    }
    for (i, b) in last.iter().enumerate() {
        // SAFETY: the range's last bytes
        unsafe { store8(p.add(i), *b) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_every_byte_at_every_alignment() {
        let mut words = [0u64; 20];
        let base: *mut u8 = words.as_mut_ptr().cast();
        for start in 0..9usize {
            for len in (0..40usize).chain(126..130) {
                let data: Vec<u8> = (0..len).map(|i| (i * 7 + start) as u8 | 1).collect();
                let mut back = vec![0u8; len + 1];
                // SAFETY: start + len + 1 <= 139 < 160 bytes of `words`
                unsafe {
                    copy_in(base, &[0; 160]);
                    copy_in(base.add(start), &data);
                    copy_out(base.add(start), &mut back);
                }
                assert_eq!(&back[..len], &data[..], "start {start} len {len}");
                assert_eq!(back[len], 0, "wrote past the end");
            }
        }
    }
}
