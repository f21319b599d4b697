//! Modules on the AP, by the name under which its library opens them.

use std::sync::{Mutex, PoisonError};

use rpmsg::Aee;
use rpmsg::iface::{Cap, Text, apps_remotectl, handle};

use super::tunnel::{ReverseError, Tunnel};

/// Capacity for dlerror texts.
const ERROR_TEXT: u32 = 255;

/// A module on the AP, opened when it is needed first.
pub(super) struct ApModule {
    name: &'static str,
    handle: Mutex<Option<u32>>,
}

impl ApModule {
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            handle: Mutex::new(None),
        }
    }

    /// The module's handle. Any value is a valid one; only result and dlErr tell of failure
    /// (docs/protocol.md#apps_remotectl).
    pub fn handle(&self, tunnel: &Tunnel) -> Result<u32, ReverseError> {
        // Held over the call: a second caller waits for the first one's handle instead of opening the module again.
        let mut slot = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = *slot {
            return Ok(handle);
        }
        let open = apps_remotectl::Open {
            name: Text::from(self.name),
            error_text: Cap(ERROR_TEXT),
        };
        let reply = tunnel.call(handle::APPS_REMOTECTL, &open)?;
        if reply.error != 0 {
            return Err(ReverseError::Result(Aee::NO_SUCH_MODULE.on_ap()));
        }
        *slot = Some(reply.handle);
        Ok(reply.handle)
    }
}
