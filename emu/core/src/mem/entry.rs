//! What an address space's table says of a page: where it is in the host's memory, as the difference to its own address, and in
//! the lowest bits what is allowed there. Adding an address to the difference gives the host's, with nothing to mask.

use super::{PAGE_SIZE, Prot};

/// The bits of an entry that say what is allowed: those of [`Prot`].
pub const PROT: u64 = 7;

/// The entry of the page of `va`, which is at `page` in the host's memory.
pub(super) fn new(page: *mut u8, va: u32, prot: Prot) -> u64 {
    let va = va & !(PAGE_SIZE - 1);
    (page as u64).wrapping_sub(va.into()) | u64::from(prot.0)
}

/// Where `va` is in the host's memory, by the entry of its page.
#[inline(always)]
pub(super) fn host(entry: u64, va: u32) -> *mut u8 {
    (entry & !PROT).wrapping_add(va.into()) as *mut u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_leads_to_its_page_wherever_that_is() {
        for page in [0x1000u64, 0x7fff_ffff_f000, 0xffff_f000] {
            for va in [0u32, 0x1234_5678, u32::MAX] {
                let page = page as *mut u8;
                let entry = new(page, va, Prot::RW);
                assert_eq!(entry & PROT, u64::from(Prot::RW.0));
                let inside = usize::try_from(va & (PAGE_SIZE - 1)).unwrap();
                assert_eq!(host(entry, va), page.wrapping_add(inside));
            }
        }
    }
}
