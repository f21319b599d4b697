//! The GLINK channel "glink_ssr": the AP tells a subsystem that another one stopped, so that it lets go of what they shared.
//!
//! Source: `drivers/rpmsg/qcom_glink_ssr.c`. The AP's driver waits up to a second for each answer, one after the other.

use crate::wire::{Reader, Truncated, Writer};

/// Name of the channel.
pub const CHANNEL: &str = "glink_ssr";
/// Longest name of a subsystem in bytes; the field also holds its NUL.
pub const NAME_LENGTH: usize = 31;

/// Version of the protocol.
const VERSION: u32 = 0;
const DO_CLEANUP: u32 = 0;
const CLEANUP_DONE: u32 = 1;

/// Why a message is refused. It is not answered then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SsrError {
    /// The message is too short.
    #[error("glink_ssr message: {0}")]
    Truncated(#[from] Truncated),
    /// Not version 0.
    #[error("glink_ssr version {0}")]
    Version(u32),
    /// Not the command that is expected.
    #[error("glink_ssr command {0}")]
    Command(u32),
    /// The name's length is larger than its field, or what it covers is not UTF-8.
    #[error("glink_ssr: malformed name")]
    Name,
}

/// The AP's message (`struct do_cleanup_msg`): this subsystem stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoCleanup {
    /// Number that the answer carries.
    pub sequence: u32,
    /// Name of the stopped subsystem ("lpass", "cdsp", "mpss", …).
    pub subsystem: String,
}

impl DoCleanup {
    /// Bytes on the wire.
    pub const SIZE: usize = 48;

    /// Parses a channel message; what follows it is ignored.
    ///
    /// # Errors
    /// [`SsrError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, SsrError> {
        let mut r = Reader::new(bytes);
        let sequence = header(&mut r, DO_CLEANUP)?;
        let length = r.u32()?;
        let field = r.take(NAME_LENGTH.saturating_add(1))?;
        let name = usize::try_from(length)
            .ok()
            .and_then(|length| field.get(..length));
        let name = name.filter(|n| n.len() <= NAME_LENGTH && !n.contains(&0));
        let name = std::str::from_utf8(name.ok_or(SsrError::Name)?);
        Ok(Self {
            sequence,
            subsystem: name.map_err(|_| SsrError::Name)?.to_owned(),
        })
    }

    /// The message's bytes; a longer name is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let name = crate::qmi::body::cut(&self.subsystem, NAME_LENGTH);
        let mut w = Writer::new();
        w.u32(VERSION).u32(DO_CLEANUP).u32(self.sequence);
        w.u32(crate::wire::wire_len(name.len())).bytes(name.as_bytes());
        let mut bytes = w.finish();
        bytes.resize(Self::SIZE, 0);
        bytes
    }

    /// The answer to it.
    #[must_use]
    pub const fn done(&self) -> CleanupDone {
        CleanupDone {
            sequence: self.sequence,
        }
    }
}

/// The DSP's answer (`struct cleanup_done_msg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupDone {
    /// Number from the request.
    pub sequence: u32,
}

impl CleanupDone {
    /// Parses a channel message; what follows it is ignored.
    ///
    /// # Errors
    /// [`SsrError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, SsrError> {
        let sequence = header(&mut Reader::new(bytes), CLEANUP_DONE)?;
        Ok(Self { sequence })
    }

    /// The message's 12 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(VERSION).u32(CLEANUP_DONE).u32(self.sequence);
        w.finish()
    }
}

fn header(r: &mut Reader<'_>, expected: u32) -> Result<u32, SsrError> {
    let (version, command, sequence) = (r.u32()?, r.u32()?, r.u32()?);
    match (version, command) {
        (VERSION, command) if command == expected => Ok(sequence),
        (VERSION, command) => Err(SsrError::Command(command)),
        (version, _) => Err(SsrError::Version(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn cleanup() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0];
        bytes.extend(b"lpass");
        bytes.resize(48, 0);
        bytes
    }

    #[test]
    fn the_kernels_message_and_its_answer() {
        let message = DoCleanup::parse(&cleanup()).unwrap();
        assert_eq!((message.sequence, message.subsystem.as_str()), (3, "lpass"));
        assert_eq!(message.encode(), cleanup());
        let done = message.done().encode();
        assert_eq!(done, [0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(CleanupDone::parse(&done), Ok(message.done()));
    }

    #[test]
    fn malformed_messages_are_refused() {
        let with = |at: usize, value: u8| {
            let mut bytes = cleanup();
            bytes[at] = value;
            DoCleanup::parse(&bytes)
        };
        assert_eq!(with(0, 1), Err(SsrError::Version(1)));
        assert_eq!(with(4, 1), Err(SsrError::Command(1)));
        assert_eq!(with(12, 32), Err(SsrError::Name));
        assert_eq!(with(15, 255), Err(SsrError::Name));
        assert_eq!(with(12, 6), Err(SsrError::Name), "a NUL in it");
        assert_eq!(with(16, 0xff), Err(SsrError::Name));
        assert!(matches!(
            DoCleanup::parse(&cleanup()[..47]),
            Err(SsrError::Truncated(_))
        ));
        assert!(matches!(CleanupDone::parse(&[0; 8]), Err(SsrError::Truncated(_))));
        assert_eq!(CleanupDone::parse(&[0; 12]), Err(SsrError::Command(0)));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(head in vec(0u8..3, 0..20), tail in vec(any::<u8>(), 0..40)) {
            let bytes = [head, tail].concat();
            if let Ok(message) = DoCleanup::parse(&bytes) {
                prop_assert_eq!(DoCleanup::parse(&message.encode()), Ok(message));
            }
            if let Ok(message) = CleanupDone::parse(&bytes) {
                prop_assert_eq!(CleanupDone::parse(&message.encode()), Ok(message));
            }
        }

        #[test]
        fn messages_come_back(sequence: u32, subsystem in "[a-zA-Z0-9_]{0,31}") {
            let message = DoCleanup { sequence, subsystem };
            prop_assert_eq!(DoCleanup::parse(&message.encode()), Ok(message));
        }
    }
}
