//! A GLINK command as bytes together with what they say, decoded where the frame comes into being and nowhere else.

use rpmsg::fifo::Received;
use rpmsg::glink::{Command, CommandError};
use std::fmt;

/// One GLINK command without padding. It prints as its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    command: Result<Command, CommandError>,
}

impl Frame {
    /// The bytes of the FIFO.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What they say.
    ///
    /// # Errors
    /// They are no command.
    pub fn command(&self) -> Result<&Command, CommandError> {
        self.command.as_ref().map_err(|error| *error)
    }

    /// Changes the bytes, and decodes them anew.
    pub fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.bytes);
        self.command = Command::parse(&self.bytes);
    }

    /// The bytes alone.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The command alone.
    ///
    /// # Errors
    /// The bytes are none.
    pub fn into_command(self) -> Result<Command, CommandError> {
        self.command
    }
}

impl From<Received> for Frame {
    fn from(Received { bytes, command }: Received) -> Self {
        Self {
            bytes,
            command: Ok(command),
        }
    }
}

/// Of a command that can be sent: one that its receiver reads as the same.
impl From<Command> for Frame {
    fn from(command: Command) -> Self {
        Self {
            bytes: command.encode(),
            command: Ok(command),
        }
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        let command = Command::parse(&bytes);
        Self { bytes, command }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn a_changed_frame_says_what_its_bytes_say_now() {
        let mut frame = Frame::from(Command::Close { cid: 7 });
        assert_eq!(frame.command(), Ok(&Command::Close { cid: 7 }));
        frame.change(|bytes| bytes[0] = 11);
        assert_eq!(frame.command(), Ok(&Command::CloseAck { cid: 7 }));
        frame.change(|bytes| bytes[0] = 10);
        assert_eq!(frame.command(), Err(CommandError::Unknown(10)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame(bytes in vec(any::<u8>(), 0..80)) {
            let frame = Frame::from(bytes.clone());
            prop_assert_eq!(frame.bytes(), bytes.as_slice());
            prop_assert_eq!(format!("{frame:?}"), format!("{bytes:?}"));
            if let Ok(command) = frame.command() {
                let again = Frame::from(command.clone());
                prop_assert_eq!(again.command(), Ok(command));
            }
        }
    }
}
