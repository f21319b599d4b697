//! The rpm platform: a DSP that simply exists as soon as the guest's driver has started the device, with both FIFOs in an RPM
//! message RAM (`qcom_glink_rpm.c`). It has no power registers, no SMP2P and no watchdog.

use super::image::fifos;
use super::layout::Layout;
use super::platform::{Platform, Start};
use super::ring::{GuestRing, RingPlace};
use super::session::{Fault, Wire};
use emu_core::mem::{Bus, GuestRam};
use emu_os::action::{Action, Channel};
use emu_os::services::{Dsp, DspConfig};
use rpmsg::glink::EdgeConfig;
use std::sync::Arc;
use std::time::Instant;

/// One DSP on the rpm platform.
pub(super) struct Rpm {
    /// Guest physical address of its message RAM.
    msgram: u64,
}

impl Rpm {
    /// DSP number `index`.
    pub fn new(layout: &Layout, index: usize) -> Self {
        Self {
            msgram: layout.msgram(index),
        }
    }
}

impl Platform for Rpm {
    fn set_memory(&mut self, _ram: &GuestRam) {}

    fn machine_reset(&mut self) {}

    fn stops_with_device(&self) -> bool {
        true
    }

    fn rang(&mut self, _ram: &GuestRam) {}

    fn was_reset(&mut self, _on: bool) -> bool {
        false
    }

    fn reset_done(&mut self) {}

    fn starts(&self, on: bool) -> bool {
        !on
    }

    fn start(&mut self, bus: &Arc<Bus>, config: &mut DspConfig) -> Option<Start> {
        let places = fifos();
        let ring = |place| GuestRing::new(bus.ram().clone(), RingPlace::rpm(self.msgram, place));
        let wire = Wire::new(ring(places.from_ap), ring(places.to_ap)).ok()?;
        tracing::info!(target: "emu::device", dsp = config.label, "the guest started the DSP");
        Some(Start {
            wire: Some(wire),
            edge: EdgeConfig::fastrpc(Channel::FastRpc.cid()),
            channels: None,
            driver_reloads: true,
            greeting: Vec::new(),
        })
    }

    fn session_ended(&mut self) {}

    fn ap_signals(&mut self) -> Option<u32> {
        None
    }

    fn dsp_signals(&self) -> u32 {
        0
    }

    fn looked(&mut self, _now: Instant, _on: bool, _running: bool) {}

    fn next_look(&self) -> Option<Instant> {
        None
    }

    fn wire(&self) -> Result<Option<Wire>, Fault> {
        Ok(None)
    }

    fn act(&mut self, action: &Action) {
        tracing::warn!(target: "emu::device", ?action, "the rpm platform has no such part");
    }

    fn before_actions(&mut self, _actions: &[Action], _dsp: &Dsp) {}

    /// The AP has no other sign of a crash than the channel's closing.
    fn crash(&self, _reason: &str) -> Vec<Action> {
        vec![
            Action::CloseChannel(Channel::FastRpc),
            Action::OpenChannel(Channel::FastRpc),
        ]
    }

    fn watchdog_bite(&self) -> Option<Vec<Action>> {
        None
    }
}
