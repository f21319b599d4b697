//! The registers through which the kernel's remoteproc driver starts and resets a DSP (`qcom_q6v5_adsp.c`). They are RAM:
//! the driver's writes are found by looking, slowly.
//!
//! * Start (`adsp_start`): the boot address goes to RST_EVB, shifted right by 4, then BOOT_CMD's bit 0 is set, and the driver
//!   waits for BOOT_STATUS bit 0, which stands there from the beginning.
//! * Reset (`qcom_adsp_shutdown`, `qcom_wpss_shutdown`): the last thing both write is a 0 into LPASS_HALTREQ. While the DSP
//!   runs, a mark stands there that no driver writes, so that a reset is never missed, however short it was.
//! * Halt (`qcom_wpss_shutdown` only; the other driver asks LPASS_PWR_ON first, which reads 0): HALTREQ 1 wants HALTACK to
//!   follow, and HALTREQ 0 wants it gone.

use crate::device::layout::Layout;
use emu_core::mem::GuestRam;

/// QDSP6SS RST_EVB: the boot address, shifted right by 4.
pub const RST_EVB: u64 = 0x10;
/// QDSP6SS BOOT_CMD: bit 0 starts the core.
pub const BOOT_CMD: u64 = 0x404;
/// QDSP6SS BOOT_STATUS: bit 0, the core has left reset.
pub const BOOT_STATUS: u64 = 0x408;
/// LPASS_HALTREQ, from the start of the halt registers.
pub const HALTREQ: u64 = 0;
/// LPASS_HALTACK.
pub const HALTACK: u64 = 4;
/// LPASS_PWR_ON: 0, so that nobody waits for a halt.
pub const PWR_ON: u64 = 0x10;
/// What stands in HALTREQ while the DSP runs. Bit 0, the request, is clear.
pub const RUNNING_MARK: u32 = 0x5648_0000;

/// What the driver did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It put the DSP into reset.
    Reset,
    /// It started the DSP, to run from this guest physical address.
    Start {
        /// The boot address.
        entry: u64,
    },
}

/// The registers of one DSP.
#[derive(Debug, Clone)]
pub struct Registers {
    ram: GuestRam,
    qdsp6ss: u64,
    halt: u64,
}

impl Registers {
    /// Those of DSP number `dsp`.
    pub fn new(ram: GuestRam, layout: &Layout, dsp: usize) -> Self {
        Self {
            ram,
            qdsp6ss: layout.qdsp6ss(dsp),
            halt: layout.halt(dsp),
        }
    }

    // RAM that is not there reads as zero: nothing is ever started then.
    fn load(&self, at: u64) -> u32 {
        self.ram.read_u32(at).unwrap_or(0)
    }

    fn store(&self, at: u64, value: u32) {
        if let Err(error) = self.ram.write_u32(at, value) {
            tracing::debug!(target: "emu::device", %error, "remoteproc registers");
        }
    }

    /// Looks what the driver did since the last look. A reset that was followed by a start is told first.
    pub fn take_power_requests(&self, running: bool) -> [Option<Power>; 2] {
        let request = self.load(self.halt + HALTREQ);
        let reset = running && request != RUNNING_MARK && request & 1 == 0;
        let acknowledge = request & 1;
        if self.load(self.halt + HALTACK) != acknowledge {
            self.store(self.halt + HALTACK, acknowledge);
        }
        let boot = self.qdsp6ss + BOOT_CMD;
        let start = self.load(boot) & 1 != 0 && self.ram.compare_exchange_u32(boot, 1, 0) == Ok(true);
        let entry = u64::from(self.load(self.qdsp6ss + RST_EVB)) << 4;
        if start {
            self.store(self.halt + HALTREQ, RUNNING_MARK);
        }
        // A DSP that is started again was reset, even if the mark says otherwise.
        [
            (reset || (running && start)).then_some(Power::Reset),
            start.then_some(Power::Start { entry }),
        ]
    }

    /// Whether the core is said to have left reset. The driver gives up a start if it is not.
    pub fn set_boot_status(&self, value: u32) {
        self.store(self.qdsp6ss + BOOT_STATUS, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::layout::{PlatformKind, RAM_BASE};
    use crate::profile::Profile;

    fn registers() -> Registers {
        let profile = Profile::load("qcs6490").unwrap();
        let layout = Layout::new(&profile, PlatformKind::Board, 256 << 20).unwrap();
        Registers::new(GuestRam::anonymous(256 << 20, RAM_BASE).unwrap(), &layout, 1)
    }

    fn start(r: &Registers) {
        r.store(r.qdsp6ss + RST_EVB, 0x4e0_0000);
        r.store(r.qdsp6ss + BOOT_CMD, 1);
    }

    #[test]
    fn a_start_is_seen_once_with_its_address() {
        let r = registers();
        assert_eq!(r.take_power_requests(false), [None, None]);
        start(&r);
        assert_eq!(
            r.take_power_requests(false),
            [None, Some(Power::Start { entry: 0x4e00_0000 })]
        );
        assert_eq!(r.take_power_requests(true), [None, None]);
    }

    #[test]
    fn a_reset_is_seen_even_when_the_next_start_came_before_the_look() {
        let r = registers();
        start(&r);
        r.take_power_requests(false);
        r.store(r.halt + HALTREQ, 0);
        assert_eq!(r.take_power_requests(true), [Some(Power::Reset), None]);
        start(&r);
        r.take_power_requests(false);
        r.store(r.halt + HALTREQ, 0);
        start(&r);
        assert_eq!(
            r.take_power_requests(true),
            [Some(Power::Reset), Some(Power::Start { entry: 0x4e00_0000 })]
        );
        // No driver does this, but a DSP cannot start twice without a reset between.
        start(&r);
        assert_eq!(r.take_power_requests(true)[0], Some(Power::Reset));
    }

    #[test]
    fn a_halt_request_is_acknowledged_and_is_no_reset() {
        let r = registers();
        start(&r);
        r.take_power_requests(false);
        r.store(r.halt + HALTREQ, 1);
        assert_eq!(r.take_power_requests(true), [None, None]);
        assert_eq!(r.load(r.halt + HALTACK), 1);
        r.store(r.halt + HALTREQ, 0);
        assert_eq!(r.take_power_requests(true), [Some(Power::Reset), None]);
        assert_eq!(r.load(r.halt + HALTACK), 0);
    }

    #[test]
    fn registers_outside_of_ram_never_start_anything() {
        let mut r = registers();
        (r.qdsp6ss, r.halt) = (0x1000, 0x2000);
        start(&r);
        assert_eq!(r.take_power_requests(false), [None, None]);
    }
}
