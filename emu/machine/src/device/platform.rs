//! What of a DSP depends on how the kernel meets it: how it gets its power, where its FIFOs are, what signals it has beside
//! GLINK. [`rpm`](super::rpm) and [`board`](super::board) are the two answers; [`Subsystem`](super::subsystem::Subsystem) and the
//! session ask.

use super::board::channels::BoardChannels;
use super::session::{Fault, Wire};
use emu_core::mem::{Bus, GuestRam};
use emu_os::action::Action;
use emu_os::services::{Dsp, DspConfig};
use rpmsg::glink::EdgeConfig;
use std::sync::Arc;
use std::time::Instant;

/// What a session begins with.
pub(super) struct Start {
    /// Both FIFOs, if they are there before the AP says so.
    pub wire: Option<Wire>,
    /// The channels that the DSP offers.
    pub edge: EdgeConfig,
    /// What is on them beside FastRPC.
    pub channels: Option<BoardChannels>,
    /// Whether the AP's GLINK driver can come and go within a session.
    pub driver_reloads: bool,
    /// What the DSP does first, batch by batch.
    pub greeting: Vec<Vec<Action>>,
}

/// One DSP's side of a platform. Every effect upon the guest is an [`Action`]; what a platform has no part for it refuses or
/// says so.
pub(super) trait Platform: Send {
    /// The machine's memory is this now; what was made over other memory is forgotten.
    fn set_memory(&mut self, ram: &GuestRam);

    /// The guest is gone, or was reset with its machine.
    fn machine_reset(&mut self);

    /// Whether the guest's driver resets the DSP when it stops the vhost-user device.
    fn stops_with_device(&self) -> bool;

    /// The guest rang, or started the device.
    fn rang(&mut self, ram: &GuestRam);

    /// Looks at the power registers: whether the AP has reset the DSP since the last look. `on`: the DSP has a session.
    fn was_reset(&mut self, on: bool) -> bool;

    /// The session that the AP has reset is over.
    fn reset_done(&mut self);

    /// Whether the DSP is to start now.
    fn starts(&self, on: bool) -> bool;

    /// Starts it. `config` may change to what its firmware says; none if the platform is not in the machine's memory.
    fn start(&mut self, bus: &Arc<Bus>, config: &mut DspConfig) -> Option<Start>;

    /// A session ended.
    fn session_ended(&mut self);

    /// The AP's signals beside GLINK (SMP2P) if they have changed.
    fn ap_signals(&mut self) -> Option<u32>;

    /// The DSP's own.
    fn dsp_signals(&self) -> u32;

    /// Looked at `now`: plans the next look. `running`: the DSP executes; `on`: it has a session.
    fn looked(&mut self, now: Instant, on: bool, running: bool);

    /// When the power registers and signals are looked at next, if nobody rings for them.
    fn next_look(&self) -> Option<Instant>;

    /// Both FIFOs, as soon as the AP has made its own.
    ///
    /// # Errors
    /// The AP's items are not what they should be.
    fn wire(&self) -> Result<Option<Wire>, Fault>;

    /// Carries out an action that is the platform's; others are none of its business.
    fn act(&mut self, action: &Action);

    /// The DSP is about to do this, and may be about to die of it.
    fn before_actions(&mut self, actions: &[Action], dsp: &Dsp);

    /// How a fatal error looks here.
    fn crash(&self, reason: &str) -> Vec<Action>;

    /// How a bite of the watchdog looks here; none if there is no watchdog.
    fn watchdog_bite(&self) -> Option<Vec<Action>>;
}
