//! Handle 2, method 0: the DSP's attributes.
//!
//! Source: `fastrpc_get_info_from_dsp` in the kernel's fastrpc.c. sc 0x00010100: in {u32 number of words, always 255}, out the
//! words; word k is attribute k+1. Asked once for each life of the channel, or every time while the answer is an error; from
//! any session and with any PD bits.

use crate::{
    iface::{Payload, PayloadError},
    wire::Reader,
};

/// Most attributes that are asked for.
pub const MAX_ATTRIBUTES: u32 = 255;

/// Attribute numbers (`enum remote_dsp_attributes`, `enum fastrpc_internal_attributes`).
pub mod attribute {
    /// 1 if unsigned processes are supported.
    pub const UNSIGNED_PD: u32 = 1;
    /// Number of 64-byte HVX contexts.
    pub const HVX_64B: u32 = 2;
    /// Number of 128-byte HVX contexts.
    pub const HVX_128B: u32 = 3;
    /// Size of a VTCM page in bytes.
    pub const VTCM_PAGE: u32 = 4;
    /// Number of VTCM pages.
    pub const VTCM_COUNT: u32 = 5;
    /// Architecture; its low byte is the Hexagon version in hex (0x68, 0x73, …). The library's search path depends on it.
    pub const ARCH_VER: u32 = 6;
    /// HMX depth.
    pub const HMX_DEPTH: u32 = 7;
    /// HMX spatial.
    pub const HMX_SPATIAL: u32 = 8;
    /// 1 if asynchronous calls are supported.
    pub const ASYNC_FASTRPC: u32 = 9;
    /// 3 if status notifications are supported.
    pub const STATUS_NOTIFICATION: u32 = 10;
    /// Multicast.
    pub const MCID_MULTICAST: u32 = 11;
    /// Second version of the performance interface.
    pub const PERF_V2: u32 = 128;
    /// Reverse calls may carry DMA handles.
    pub const MAP_DMA_HANDLE_REVERSERPC: u32 = 129;
    /// Signals without calls.
    pub const DSPSIGNAL: u32 = 130;
    /// Parameter page shared with the process at creation.
    pub const PROC_SHARED_BUFFER: u32 = 131;
}

/// Parses the request: how many words to fill. Never more than [`MAX_ATTRIBUTES`] or than the output holds.
///
/// # Errors
/// [`PayloadError`]
pub fn parse(payload: &Payload) -> Result<u32, PayloadError> {
    payload.check_counts()?;
    let method = payload.method();
    if method != 0 {
        return Err(PayloadError::UnknownMethod(method));
    }
    let ([input], [capacity]) = (&payload.ins[..], &payload.outs[..]) else {
        return Err(PayloadError::Count {
            what: "buffers",
            expected: 2,
            found: payload.ins.len().saturating_add(payload.outs.len()),
        });
    };
    let words = Reader::new(input).u32()?;
    Ok(words.min(MAX_ATTRIBUTES).min(capacity / 4))
}

/// The answer's `words` words; `value` gives an attribute by its number.
#[must_use]
pub fn encode(words: u32, value: impl Fn(u32) -> u32) -> Vec<u8> {
    (1..=words.min(MAX_ATTRIBUTES))
        .flat_map(|number| value(number).to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;

    fn request(words: u32, capacity: u32) -> Payload {
        Payload {
            sc: Scalars(0x0001_0100),
            ins: vec![words.to_le_bytes().to_vec()],
            outs: vec![capacity],
        }
    }

    /// calculator-7.3.4, events 20 to 22.
    #[test]
    fn as_recorded() {
        assert_eq!(parse(&request(255, 1020)), Ok(255));
        let words = encode(255, |n| match n {
            attribute::UNSIGNED_PD => 1,
            attribute::HVX_128B => 4,
            attribute::ARCH_VER => 0x68,
            _ => 0,
        });
        assert_eq!(words.len(), 1020);
        assert_eq!((words[0], words[8], words[20]), (1, 4, 0x68));
    }

    #[test]
    fn wrong_sizes_are_cut_or_refused() {
        assert_eq!(parse(&request(u32::MAX, 8)), Ok(2));
        let mut short = request(1, 4);
        short.ins[0].truncate(3);
        assert!(matches!(parse(&short), Err(PayloadError::Truncated(_))));
        let mut other = request(1, 4);
        other.sc = Scalars(0x0101_0100);
        assert_eq!(parse(&other), Err(PayloadError::UnknownMethod(1)));
    }
}
