//! What a QMI service on the DSP is to the [`Node`](crate::qrtr::Node) that routes to it.

use super::{ErrorCode, Message, Status};
use crate::qrtr::{Address, NodeEvent};

/// What a service wants to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A message to a client.
    Send(Address, Message),
    /// Something that the DSP must know or do.
    Event(NodeEvent),
}

/// A QMI service.
pub trait Service {
    /// Number of the service (`QMI_SERVICE_ID_*`).
    fn number(&self) -> u32;

    /// Version that it announces.
    fn version(&self) -> u8;

    /// Instance that it announces.
    fn instance(&self) -> u32;

    /// A client asks. A request that cannot be decoded or is not known is answered so.
    fn request(&mut self, client: Address, request: &Message) -> Vec<Effect>;

    /// The sockets for which `gone` holds are closed.
    fn forget(&mut self, gone: &dyn Fn(Address) -> bool) -> Vec<Effect> {
        let _ = gone;
        Vec::new()
    }

    /// The channel is new: whoever was a client is not any more.
    fn reset(&mut self) {}
}

/// The refusal of a request.
#[must_use]
pub fn refuse(client: Address, request: &Message, error: ErrorCode) -> Effect {
    Effect::Send(client, request.status(Status::failure(error)))
}
