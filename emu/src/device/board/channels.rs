//! What a DSP does on the channels that a board has beside FastRPC.

use super::domain::Domain;
use crate::action::{Action, Channel};
use rpmsg::glink::{EdgeConfig, Limits, LocalChannel, Mode};

/// Receive buffers that the DSP announces on each channel.
const INTENTS: u32 = 20;
/// Their size in bytes: the largest QRTR packet of the kernel's QMI clients, and more than any FastRPC message.
const INTENT_SIZE: u32 = 16 * 1024;

/// The services of one session.
pub struct BoardChannels {
    offered: Vec<Channel>,
}

impl BoardChannels {
    /// Those of a DSP.
    pub fn new(_domain: &'static Domain) -> Self {
        Self {
            offered: vec![Channel::FastRpc],
        }
    }

    /// The edge with the channels that the DSP offers.
    pub fn edge(&self) -> EdgeConfig {
        EdgeConfig {
            mode: Mode::Intents {
                count: INTENTS,
                size: INTENT_SIZE,
            },
            channels: self
                .offered
                .iter()
                .map(|channel| LocalChannel {
                    name: channel.name().to_owned(),
                    cid: channel.cid(),
                })
                .collect(),
            limits: Limits::default(),
        }
    }

    /// A channel is open.
    pub fn up(&mut self, _channel: Channel) -> Vec<Action> {
        Vec::new()
    }

    /// A message came.
    pub fn message(&mut self, _channel: Channel, _bytes: &[u8]) -> Vec<Action> {
        Vec::new()
    }

    /// A channel is closed.
    pub fn down(&mut self, _channel: Channel) {}

    /// A protection domain changes; `None` if there is no such domain.
    pub fn set_pd(&mut self, _name: &str, _up: bool) -> Option<Vec<Action>> {
        None
    }
}
