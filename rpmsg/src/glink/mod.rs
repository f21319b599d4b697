//! GLINK, Qualcomm's native protocol between two processors: commands, and the state machine of one edge seen from the DSP.
//!
//! Source: `drivers/rpmsg/qcom_glink_native.c` of the kernel. Bytes come from a [`fifo`](crate::fifo); [`Command`] gives them types,
//! [`Edge`] turns commands into channel events and knows what to send back.

pub mod command;
pub mod edge;

pub use command::{Command, CommandError, Extent, Intent, extent};
pub use edge::{Edge, EdgeConfig, EdgeError, Event, Input, IntentGroup, Limits, LocalChannel, Mode, Outcome};

/// The channel of FastRPC. The DSP opens it first.
pub const FASTRPC_CHANNEL: &str = "fastrpcglink-apps-dsp";
