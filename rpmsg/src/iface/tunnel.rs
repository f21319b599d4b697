//! The packs of the reverse tunnel: all buffers of a reverse call in one byte string each way.
//!
//! Source: `inc/listener_buf.h` of qualcomm/fastrpc. A reverse call travels inside the answers of `next2` and `get_in_bufs2`, its
//! reply inside the next `next2` (see [`listener`](super::listener)).
//!
//! * in-pack (DSP to AP): for each input {u32 len, if len > 0: padding to 8, data}, then for each output {u32 capacity};
//! * out-pack (AP to DSP): for each output {u32 len, if len > 0: padding to 8, data}.
//!
//! The u32 follow directly, at any byte offset; padding counts from the start of the pack.

use crate::wire::{Reader, Truncated, Writer, wire_len};

/// Most buffers of a reverse call, in and out together.
pub const MAX_BUFFERS: usize = 510;

/// Why a pack is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// An output has another length than was asked for.
    #[error("output {index}: {found} bytes instead of {expected}")]
    OutputLength {
        /// Number of the output.
        index: usize,
        /// Its capacity in the request.
        expected: u32,
        /// Its length in the reply.
        found: u32,
    },
}

/// Packs a request.
#[must_use]
pub fn pack_in(ins: &[Vec<u8>], capacities: &[u32]) -> Vec<u8> {
    let mut w = Writer::new();
    ins.iter().for_each(|data| put(&mut w, data));
    for &capacity in capacities {
        w.u32(capacity);
    }
    w.finish()
}

/// Unpacks a request of `ins` inputs and `outs` outputs, as the AP does: (inputs, capacities). What follows is ignored.
///
/// # Errors
/// [`PackError::Truncated`]
pub fn unpack_in(pack: &[u8], ins: usize, outs: usize) -> Result<(Vec<Vec<u8>>, Vec<u32>), PackError> {
    let mut r = Reader::new(pack);
    let mut data = Vec::new();
    for _ in 0..ins {
        let len = r.u32()?;
        data.push(take(&mut r, len)?);
    }
    let mut capacities = Vec::new();
    for _ in 0..outs {
        capacities.push(r.u32()?);
    }
    Ok((data, capacities))
}

/// Packs a reply, as the AP does.
#[must_use]
pub fn pack_out(outs: &[Vec<u8>]) -> Vec<u8> {
    let mut w = Writer::new();
    outs.iter().for_each(|data| put(&mut w, data));
    w.finish()
}

/// Unpacks a reply to a request with these capacities: (outputs, bytes of the pack that were used). The AP may send more
/// bytes than the pack has (it rounds a freshly enlarged buffer up to 4096); they are ignored.
///
/// # Errors
/// [`PackError`]: truncated, or a length that differs from its capacity.
pub fn unpack_out(pack: &[u8], capacities: &[u32]) -> Result<(Vec<Vec<u8>>, usize), PackError> {
    let mut r = Reader::new(pack);
    let mut outs = Vec::new();
    for (index, &expected) in capacities.iter().enumerate() {
        let found = r.u32()?;
        if found != expected {
            return Err(PackError::OutputLength {
                index,
                expected,
                found,
            });
        }
        outs.push(take(&mut r, found)?);
    }
    Ok((outs, r.position()))
}

fn put(w: &mut Writer, data: &[u8]) {
    w.u32(wire_len(data.len()));
    if !data.is_empty() {
        w.align(8).bytes(data);
    }
}

fn take(r: &mut Reader<'_>, len: u32) -> Result<Vec<u8>, Truncated> {
    if len == 0 {
        return Ok(Vec::new());
    }
    r.align(8)?;
    Ok(r.take(usize::try_from(len).unwrap_or(usize::MAX))?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// docs/protocol.md#reverse-tunnel: the DSP opens "apps_std" on the AP.
    #[test]
    fn open_apps_std_byte_for_byte() {
        let pack = pack_in(
            &[vec![9, 0, 0, 0, 0xff, 0, 0, 0], b"apps_std\0".to_vec()],
            &[8, 255],
        );
        #[rustfmt::skip]
        let expected = [
            8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0xff, 0, 0, 0,
            9, 0, 0, 0, 0, 0, 0, 0, b'a', b'p', b'p', b's', b'_', b's', b't', b'd', 0,
            8, 0, 0, 0, 0xff, 0, 0, 0,
        ];
        assert_eq!(pack, expected);
        assert_eq!(pack.len(), 41);
    }

    #[test]
    fn empty_buffers_have_no_padding() {
        assert_eq!(
            pack_in(&[vec![], vec![]], &[4]),
            [0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]
        );
    }

    #[test]
    fn replies_must_have_the_lengths_that_were_asked_for() {
        let pack = pack_out(&[vec![1; 8], vec![2; 3]]);
        assert_eq!(unpack_out(&pack, &[8, 3]), Ok((vec![vec![1; 8], vec![2; 3]], 27)));
        let wrong = PackError::OutputLength {
            index: 1,
            expected: 4,
            found: 3,
        };
        assert_eq!(unpack_out(&pack, &[8, 4]), Err(wrong));
        assert!(matches!(
            unpack_out(&pack[..26], &[8, 3]),
            Err(PackError::Truncated(_))
        ));
        let mut longer = pack;
        longer.resize(4096, 0xAA);
        assert_eq!(unpack_out(&longer, &[8, 3]).map(|(_, used)| used), Ok(27));
    }

    proptest! {
        #[test]
        fn requests_round_trip(ins in vec(vec(any::<u8>(), 0..40), 0..6), caps in vec(any::<u32>(), 0..6)) {
            let pack = pack_in(&ins, &caps);
            prop_assert_eq!(unpack_in(&pack, ins.len(), caps.len()), Ok((ins, caps)));
        }

        #[test]
        fn replies_round_trip(outs in vec(vec(any::<u8>(), 0..40), 0..6)) {
            let caps: Vec<u32> = outs.iter().map(|o| o.len() as u32).collect();
            let pack = pack_out(&outs);
            let used = pack.len();
            prop_assert_eq!(unpack_out(&pack, &caps), Ok((outs, used)));
        }

        #[test]
        fn any_bytes_unpack_or_fail(pack in vec(any::<u8>(), 0..200), caps in vec(0u32..64, 0..8), n in 0usize..600) {
            let _ = unpack_out(&pack, &caps);
            let _ = unpack_in(&pack, n, caps.len());
        }
    }
}
