//! How the DSP side raises an interrupt in the guest.

use super::layout::Irq;
use emu_core::mem::FaultLine;
use std::sync::Arc;

/// A way to the guest's interrupt controller. Callable from every thread; blocks at most briefly.
pub trait Interrupts: Send + Sync {
    /// One rising edge.
    fn raise(&self, irq: Irq);

    /// Has the guest's handler of the last edge run to its end? `None` if this way cannot tell.
    fn handled(&self, _irq: Irq) -> Option<bool> {
        None
    }
}

/// The SMMU's fault lines on top of it.
pub struct SmmuLines(pub Arc<dyn Interrupts>);

impl FaultLine for SmmuLines {
    fn context_fault(&self, bank: u8) {
        tracing::debug!(target: "emu::device", bank, "SMMU context fault interrupt");
        self.0.raise(Irq::SmmuBank(bank));
    }

    fn global_fault(&self) {
        tracing::debug!(target: "emu::device", "SMMU global fault interrupt");
        self.0.raise(Irq::SmmuGlobal);
    }

    fn context_fault_handled(&self, bank: u8) -> Option<bool> {
        self.0.handled(Irq::SmmuBank(bank))
    }

    fn global_fault_handled(&self) -> Option<bool> {
        self.0.handled(Irq::SmmuGlobal)
    }
}
