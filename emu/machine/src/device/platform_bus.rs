//! The bus that all DSPs of a machine make their transactions on.
//!
//! One SMMU stands in front of all of them, and what it knows besides its registers lives in the [`Bus`]. QEMU gives each
//! device a memory table of its own; those that show the same memory share a bus. A device holds it from its memory table
//! to the end of its connection, so neither the restart of one DSP nor that of all touches the SMMU, as on hardware: a
//! report that the guest has not cleared stays. A machine's reset is seen in the registers
//! ([`iommu::Smmu::record`]); another memory is another machine.

use super::interrupt::{Interrupts, SmmuLines};
use super::layout::Layout;
use emu_core::mem::{Bus, GuestRam};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Finds the bus to a device's memory.
pub struct PlatformBus {
    layout: Layout,
    lines: Arc<SmmuLines>,
    /// Those that are held. More than one while a memory table changes, or when QEMUs of two machines are connected.
    held: Mutex<Vec<Weak<Bus>>>,
}

impl PlatformBus {
    /// Without a machine.
    pub fn new(layout: Layout, interrupts: Arc<dyn Interrupts>) -> Arc<Self> {
        Arc::new(Self {
            layout,
            lines: Arc::new(SmmuLines(interrupts)),
            held: Mutex::default(),
        })
    }

    /// The bus to this memory: the one that another device holds, or else a new one.
    pub fn to(&self, ram: &GuestRam) -> Arc<Bus> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|bus| bus.strong_count() > 0);
        let known = held.iter().filter_map(Weak::upgrade);
        if let Some(bus) = known.into_iter().find(|bus| bus.ram().is_same(ram)) {
            return bus;
        }
        let (smmu, geometry) = (self.layout.smmu(), self.layout.geometry());
        let bus = Arc::new(Bus::new(ram.clone(), smmu, geometry, self.lines.clone()));
        held.push(Arc::downgrade(&bus));
        bus
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Irq, PlatformKind, RAM_BASE};
    use super::super::subsystem::Subsystem;
    use super::*;
    use crate::profile::Profile;
    use crate::vm::platform::dsp_configs;
    use emu_core::mem::{AddressSpace, Prot};
    use emu_core::memory::Memory as _;
    use emu_local_ap::{DmaBuffer, KernelIommu};
    use iommu::registers::{Bank, Global};
    use std::collections::BTreeSet;
    use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};

    const RAM: u64 = 256 << 20;
    /// USF and TF in AArch64 format; MULTI.
    const UNIDENTIFIED: u32 = 2;
    const TRANSLATION: u32 = 0x402;
    const MULTI: u32 = 1 << 31;
    /// No stream mapping group has it.
    const STRANGER: u16 = 0x7abc;

    /// An interrupt controller that knows which handlers have not run.
    #[derive(Default)]
    struct Controller {
        raised: Mutex<Vec<Irq>>,
        waiting: Mutex<BTreeSet<u32>>,
    }

    impl Controller {
        fn id(irq: Irq) -> u32 {
            irq.spi()
        }

        fn handle(&self, irq: Irq) {
            self.waiting.lock().unwrap().remove(&Self::id(irq));
        }

        fn take(&self) -> Vec<Irq> {
            std::mem::take(&mut *self.raised.lock().unwrap())
        }
    }

    impl Interrupts for Controller {
        fn raise(&self, irq: Irq) {
            self.raised.lock().unwrap().push(irq);
            self.waiting.lock().unwrap().insert(Self::id(irq));
        }

        fn handled(&self, irq: Irq) -> Option<bool> {
            Some(!self.waiting.lock().unwrap().contains(&Self::id(irq)))
        }
    }

    /// A machine's memory, as one device gets it.
    fn table(file: &std::fs::File) -> GuestRam {
        let backing = FileOffset::new(file.try_clone().unwrap(), 0);
        let region = (GuestAddress(RAM_BASE), RAM as usize, Some(backing));
        GuestRam::new(Arc::new(
            GuestMemoryMmap::from_ranges_with_files([region]).unwrap(),
        ))
    }

    /// Two DSPs of a machine whose kernel has attached a stream of each.
    struct Machine {
        file: std::fs::File,
        kernel: KernelIommu,
        controller: Arc<Controller>,
        dsps: [Arc<Subsystem>; 2],
        streams: [u16; 2],
    }

    fn file() -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(RAM).unwrap();
        file
    }

    impl Machine {
        fn new() -> Self {
            let profile = Profile::load("qcs6490").unwrap();
            let layout = Layout::new(&profile, PlatformKind::Rpm, RAM).unwrap();
            let controller = Arc::new(Controller::default());
            let bus = PlatformBus::new(layout, controller.clone());
            let configs = dsp_configs(&profile, 4096);
            let streams = [0, 1].map(|n: usize| *configs[n].streams.values().next().unwrap());
            let mut configs = configs.into_iter().enumerate();
            let dsps = [(); 2].map(|()| {
                let (index, config) = configs.next().unwrap();
                Subsystem::new(index, config, layout, None, controller.clone(), bus.clone()).unwrap()
            });
            let file = file();
            let ram = table(&file);
            for part in super::super::image::build(&profile, &layout).unwrap() {
                ram.write(part.address, &part.bytes).unwrap();
            }
            let kernel = KernelIommu::new(ram, layout.smmu(), layout.geometry(), RAM_BASE, 64 << 20).unwrap();
            for stream in streams {
                kernel.attach(stream).unwrap();
            }
            let machine = Self {
                file,
                kernel,
                controller,
                dsps,
                streams,
            };
            machine.boot();
            machine
        }

        /// Both devices get their memory table and are started.
        fn boot(&self) {
            for dsp in &self.dsps {
                dsp.set_memory(table(&self.file));
                dsp.doorbell(|| true);
                assert!(dsp.bus().is_some());
            }
            self.controller.take();
        }

        fn bus(&self, dsp: usize) -> Arc<Bus> {
            self.dsps[dsp].bus().unwrap()
        }

        /// A DSP's access that no stream mapping group lets through.
        fn global_fault(&self, dsp: usize, address: u64) {
            assert!(self.bus(dsp).write(STRANGER, address, &[0]).is_err());
        }

        /// One that its page tables do not let through.
        fn context_fault(&self, dsp: usize, address: u64) {
            assert!(self.bus(dsp).write(self.streams[dsp], address, &[0]).is_err());
        }

        fn global(&self, register: Global) -> u32 {
            let at = self.kernel.smmu_base() + register.offset(self.kernel.geometry());
            self.kernel.ram().read_u32(at).unwrap()
        }

        fn bank(&self, bank: u8, register: Bank) -> u32 {
            let at = self.kernel.smmu_base() + register.offset(self.kernel.geometry(), bank);
            self.kernel.ram().read_u32(at).unwrap()
        }

        /// The guest's handler: writes back what it read.
        fn clear_global(&self) -> u32 {
            let status = self.global(Global::FaultStatus);
            let at = self.kernel.smmu_base() + Global::FaultStatus.offset(self.kernel.geometry());
            self.kernel.ram().write_u32(at, status).unwrap();
            self.controller.handle(Irq::SmmuGlobal);
            status
        }

        fn clear_bank(&self, bank: u8) -> u32 {
            let status = self.bank(bank, Bank::FaultStatus);
            let at = self.kernel.smmu_base() + Bank::FaultStatus.offset(self.kernel.geometry(), bank);
            self.kernel.ram().write_u32(at, status).unwrap();
            self.controller.handle(Irq::SmmuBank(bank));
            status
        }

        fn poll(&self) {
            (0..2).for_each(|dsp| self.bus(dsp).check_invalidations());
        }

        fn reports(&self) -> [u32; 3] {
            let bank = |n| self.bank(n, Bank::FaultStatus);
            [self.global(Global::FaultStatus), bank(0), bank(1)]
        }
    }

    #[test]
    fn a_global_fault_of_one_dsp_leaves_the_others_report_alone() {
        let m = Machine::new();
        m.global_fault(0, 0x1000);
        m.global_fault(1, 0x2000);
        assert_eq!(m.global(Global::FaultStatus), UNIDENTIFIED | MULTI);
        assert_eq!(m.global(Global::FaultAddress), 0x1000, "of the first");
        assert_eq!(m.controller.take(), [Irq::SmmuGlobal]);
        // The handler clears what it has read, and the registers are free for either DSP.
        assert_eq!(m.clear_global(), UNIDENTIFIED | MULTI);
        m.poll();
        assert_eq!(m.global(Global::FaultStatus), 0);
        m.global_fault(1, 0x3000);
        assert_eq!(
            (m.global(Global::FaultStatus), m.global(Global::FaultAddress)),
            (UNIDENTIFIED, 0x3000)
        );
        m.global_fault(0, 0x4000);
        assert_eq!(m.global(Global::FaultAddress), 0x3000);
    }

    #[test]
    fn context_faults_of_both_are_reported_and_cleared_each_for_itself() {
        let m = Machine::new();
        for dsp in 0..2 {
            m.context_fault(dsp, 0x5000 + dsp as u64);
        }
        m.global_fault(0, 0x1000);
        assert_eq!(m.reports(), [UNIDENTIFIED, TRANSLATION, TRANSLATION]);
        assert_eq!(
            m.controller.take(),
            [Irq::SmmuBank(0), Irq::SmmuBank(1), Irq::SmmuGlobal]
        );
        assert_eq!([0, 1].map(|n| m.bank(n, Bank::FaultAddress)), [0x5000, 0x5001]);
        assert_eq!(m.clear_bank(1), TRANSLATION);
        m.poll();
        assert_eq!(m.reports(), [UNIDENTIFIED, TRANSLATION, 0]);
        m.clear_bank(0);
        m.clear_global();
        m.poll();
        assert_eq!(m.reports(), [0; 3]);
    }

    #[test]
    fn an_invalidation_takes_the_translations_of_both() {
        let m = Machine::new();
        let spaces = [0, 1].map(|dsp| AddressSpace::new(m.bus(dsp), m.streams[dsp]));
        let buffers: [DmaBuffer; 2] = m
            .streams
            .map(|stream| m.kernel.dma_alloc(stream, 0x1000).unwrap());
        let at = [0, 1].map(|n: usize| {
            let va = spaces[n]
                .map_iova(None, buffers[n].iova, 0x1000, Prot::RW)
                .unwrap();
            spaces[n].store8(va, 1).unwrap();
            va
        });
        // The kernel unmaps both; one DSP looks, and both have lost their mapping.
        for (stream, buffer) in m.streams.into_iter().zip(buffers) {
            m.kernel.dma_free(stream, buffer).unwrap();
        }
        m.bus(1).check_invalidations();
        for (space, va) in spaces.iter().zip(at) {
            assert!(space.load8(va).is_err());
        }
    }

    #[test]
    fn a_watcher_sees_the_refused_accesses_of_its_own_streams() {
        let m = Machine::new();
        for dsp in 0..2 {
            m.bus(dsp).keep_refused([m.streams[dsp]]);
        }
        for dsp in [1, 0, 1] {
            m.context_fault(dsp, 0x5000);
        }
        let taken = [0, 1].map(|dsp| m.bus(dsp).take_refused([m.streams[dsp]]).len());
        assert_eq!(taken, [1, 2]);
    }

    #[test]
    fn a_restart_of_the_dsps_is_no_reset_of_the_smmu() {
        let m = Machine::new();
        m.global_fault(0, 0x1000);
        for dsp in 0..2 {
            m.dsps[dsp].stopped("stopped");
            m.dsps[dsp].doorbell(|| true);
            m.global_fault(dsp, 0x2000);
            assert_eq!(m.global(Global::FaultStatus), UNIDENTIFIED | MULTI);
            assert_eq!(m.global(Global::FaultAddress), 0x1000);
        }
        for dsp in &m.dsps {
            dsp.stopped("stopped");
        }
        m.boot();
        m.global_fault(1, 0x3000);
        assert_eq!(m.global(Global::FaultAddress), 0x1000);
    }

    #[test]
    fn a_reset_of_the_machine_is_one() {
        let m = Machine::new();
        m.global_fault(0, 0x1000);
        m.context_fault(1, 0x5000);
        m.dsps.iter().for_each(|dsp| dsp.stopped("the machine is reset"));
        // The loader puts the registers back, the next kernel programs them.
        let image = m.kernel.geometry().reset_image();
        m.kernel.ram().write(m.kernel.smmu_base(), &image).unwrap();
        m.boot();
        m.poll();
        assert_eq!(m.reports(), [0; 3]);
        assert_eq!(m.controller.take(), []);
    }

    #[test]
    fn memory_decides_whose_bus_it_is() {
        let m = Machine::new();
        assert!(Arc::ptr_eq(&m.bus(0), &m.bus(1)));
        let weak = Arc::downgrade(&m.bus(0));
        // Another QEMU connects to one of the devices: its DSP must not reach the first one's memory.
        let other = file();
        m.dsps[0].set_memory(table(&other));
        assert!(m.dsps[0].bus().is_none(), "the session is over");
        m.dsps[1].doorbell(|| true);
        assert!(weak.strong_count() > 0, "the second DSP has it");
        m.dsps[1].reset("QEMU disconnected");
        m.dsps[1].forget_memory();
        assert_eq!(
            weak.strong_count(),
            0,
            "nothing holds the memory of a QEMU that is gone"
        );
    }
}
