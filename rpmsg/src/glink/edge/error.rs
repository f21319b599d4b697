//! Why an edge stops.

/// Why the edge stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// It stopped before.
    #[error("the GLINK edge has stopped")]
    Stopped,
    /// A command for a channel that never was open.
    #[error("GLINK {command} for unknown channel {cid}")]
    UnknownChannel {
        /// The command.
        command: &'static str,
        /// The ID it carried.
        cid: u16,
    },
    /// An acknowledgement that nobody waits for.
    #[error("GLINK {command} for channel {cid}, but none is due")]
    Unexpected {
        /// The command.
        command: &'static str,
        /// The ID it carried.
        cid: u16,
    },
    /// A channel ID that is open already.
    #[error("GLINK channel {cid} ({name}) opened twice")]
    Duplicate {
        /// Its ID.
        cid: u16,
        /// Its name.
        name: String,
    },
    /// More intents than [`super::Limits::intents`].
    #[error("too many intents on GLINK channel {0}")]
    TooManyIntents(u16),
    /// An intent number that is announced already.
    #[error("intent {intent} announced twice on GLINK channel {cid}")]
    DuplicateIntent {
        /// Channel.
        cid: u16,
        /// Intent.
        intent: u32,
    },
    /// A command names an intent that is not there, or in use, or too small.
    #[error("GLINK {command} on channel {cid} with unusable intent {intent}")]
    BadIntent {
        /// The command.
        command: &'static str,
        /// Channel.
        cid: u16,
        /// Intent.
        intent: u32,
    },
    /// Intent commands on an edge that has none.
    #[error("GLINK {0} on an intentless edge")]
    Intentless(&'static str),
    /// A message larger than [`super::Limits::message`].
    #[error("GLINK message of {size} bytes on channel {cid}")]
    MessageTooLarge {
        /// Channel.
        cid: u16,
        /// Announced size in bytes.
        size: u64,
    },
    /// Parts of a message do not fit together: a start inside another message, a part without start, or a wrong rest.
    #[error("GLINK message parts on channel {0} do not fit together")]
    BrokenMessage(u16),
    /// The AP accepted version 0 or features that were not offered.
    #[error("GLINK version {version} with features {features:#x} acknowledged, but never offered")]
    Negotiation {
        /// Version.
        version: u16,
        /// Features.
        features: u32,
    },
}
