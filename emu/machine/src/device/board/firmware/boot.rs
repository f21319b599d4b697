//! The boot: the core runs the image's own code from reset until it says that it is ready.

use std::sync::Arc;

use hexagon_isa::Arch;

use super::Firmware;
use emu_core::mem::{AddressSpace, Bus, MapError, PAGE_SIZE};
use emu_core::{Cpu, Exception, Exit, Thread};

/// Packets that a boot may take.
pub const BUDGET: u64 = 8 << 20;
/// Longest reason of a fatal error that is read, in bytes.
const MAX_REASON: usize = 128;

/// Why a firmware did not become ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// The core is older than the code.
    #[error("the firmware was built for v{firmware} and this DSP is a v{core}")]
    Arch {
        /// Version that the firmware was built for.
        firmware: u32,
        /// Version of the core.
        core: u32,
    },
    /// The image cannot be put into the core's address space.
    #[error("the firmware cannot be mapped: {0}")]
    Map(String),
    /// The firmware declared a fatal error.
    #[error("{0}")]
    Fatal(String),
    /// The core cannot go on.
    #[error("exception during boot {0}")]
    Exception(#[from] Exception),
    /// A trap that means nothing.
    #[error("unexpected trap during boot at {pc:#010x}")]
    Trap {
        /// Its address.
        pc: u32,
    },
    /// It does not come to an end. A real DSP would go on, and the AP give up.
    #[error("the firmware did not get ready within {packets} packets (now at {pc:#010x})")]
    Endless {
        /// Packets executed.
        packets: u64,
        /// Where it is.
        pc: u32,
    },
}

impl Firmware {
    /// Runs the boot on a core of `arch`, in the carveout itself, until the firmware says that it is ready. Takes at most
    /// [`BUDGET`] packets.
    ///
    /// # Errors
    /// The firmware does not become ready, and why.
    pub fn boot(&self, bus: &Arc<Bus>, arch: Arch) -> Result<(), BootError> {
        let core = arch.version();
        if self.arch > core {
            return Err(BootError::Arch {
                firmware: self.arch,
                core,
            });
        }
        let space = AddressSpace::new(Arc::clone(bus), 0);
        for segment in &self.segments {
            let len = segment.memory_size.next_multiple_of(PAGE_SIZE);
            space
                .map_physical(
                    Some(segment.address),
                    self.physical(segment.address),
                    len,
                    segment.prot,
                )
                .map_err(|why: MapError| BootError::Map(why.to_string()))?;
        }
        let mut cpu = Cpu::new(arch);
        let mut thread = Thread::new(arch, self.reset);
        loop {
            let left = BUDGET.saturating_sub(thread.packets);
            let exit = cpu.run(&mut thread, &space, left.max(1));
            let pc = thread.regs.pc;
            match exit {
                Exit::Trap0 { .. } | Exit::Trap1 { .. } => {
                    let at = pc.wrapping_sub(4);
                    return if at == self.ready {
                        tracing::debug!(target: "emu::board", packets = thread.packets, "booted");
                        Ok(())
                    } else if at == self.fatal {
                        Err(BootError::Fatal(reason(&space, thread.regs.r[0])))
                    } else {
                        Err(BootError::Trap { pc: at })
                    };
                }
                Exit::Exception(exception) => return Err(exception.into()),
                // `pause` commits packets too, so this ends.
                Exit::Budget | Exit::Yield if thread.packets < BUDGET => {}
                Exit::Budget | Exit::Yield => {
                    return Err(BootError::Endless {
                        packets: thread.packets,
                        pc,
                    });
                }
            }
        }
    }
}

fn reason(space: &AddressSpace, at: u32) -> String {
    match space.read_cstr(at, MAX_REASON) {
        Ok(bytes) if !bytes.is_empty() => {
            let text = String::from_utf8_lossy(&bytes);
            text.chars().filter(|c| !c.is_control()).collect()
        }
        _ => "fatal error without a reason".into(),
    }
}
