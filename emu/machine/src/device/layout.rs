//! Where the platform's parts stand: guest physical addresses, interrupt numbers, virtio-mmio slots.
//!
//! Everything that both sides share lies in one 16 MiB block at the top of guest RAM, which the device tree reserves
//! (`no-map`): the SMMU's register file first, then 1 MiB a DSP: its message RAM ([`PlatformKind::Rpm`]) or its register pages
//! ([`PlatformKind::Board`]). A board also has SMEM and a carveout a DSP, below that block and always below 4 GiB, where real
//! boards have them (the boot address register holds no more). Addresses follow from the RAM size alone, so the emulator,
//! the device tree and the user's QEMU agree without telling each other.
//!
//! Numbers of QEMU's `virt` machine (hw/arm/virt.c): RAM from 1 GiB; 32 virtio-mmio slots of 0x200 bytes from 0xa000000
//! with SPIs from 16; 256 SPIs, of which those from 140 are free.

use super::board::domain::Domain;
use crate::profile::{MAX_BANKS, MAX_DSPS, Profile};

/// How the kernel meets the DSPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum)]
pub enum PlatformKind {
    /// Each DSP simply exists behind an RPM message RAM (driver qcom_glink_rpm): GLINK without intents.
    #[default]
    Rpm,
    /// Each DSP is a remote processor that the kernel loads, starts and stops (driver qcom_q6v5_adsp): SMEM, SMP2P and
    /// GLINK with intents.
    Board,
}

impl std::fmt::Display for PlatformKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rpm => "rpm",
            Self::Board => "board",
        })
    }
}

/// Start of guest RAM.
pub const RAM_BASE: u64 = 0x4000_0000;
/// Size of the reserved block at the top of RAM.
pub const RESERVED_SIZE: u64 = 0x100_0000;
/// Least RAM a guest can have: kernel and initramfs need some, too.
pub const MIN_RAM: u64 = 256 << 20;
/// Most RAM: `virt` places RAM without gaps up to here.
pub const MAX_RAM: u64 = 255 << 30;
/// Size of one DSP's message RAM.
pub const MSGRAM_SIZE: u64 = 0x10000;
/// Ring bytes of one GLINK FIFO. 16 KiB hold all 255 calls that can be outstanding (the kernel does not check for room).
pub const FIFO_SIZE: u32 = 0x4000;

/// Size of SMEM: main heap, the DSPs' partitions, the table of contents.
pub const SMEM_SIZE: u64 = 0x20_0000;
/// Size of one DSP's carveout, where the kernel loads its firmware.
pub const CARVEOUT_SIZE: u64 = 0x40_0000;
/// Size of the memory that the kernel offers the ADSP's audio process (`adsp-rpc-remote-heap` of the .dtsi files).
pub const REMOTE_HEAP_SIZE: u64 = 0x80_0000;
/// Size of the hardware lock's registers (`qcom,tcsr-mutex`): 32 locks, a page each.
pub const TCSR_MUTEX_SIZE: u64 = 0x2_1000;
/// Which lock guards SMEM (`hwlocks` of the SMEM node in the .dtsi files).
pub const SMEM_LOCK: u32 = 3;
/// Size of the power controller's registers.
pub const POWER_SIZE: u64 = 0x1000;
/// Size of a DSP's QDSP6SS registers.
pub const QDSP6SS_SIZE: u64 = 0x1000;
/// Size of the system controller that a DSP's halt registers stand in.
pub const HALT_SIZE: u64 = 0x1000;
/// Where in that system controller LPASS_HALTREQ is.
pub const HALT_OFFSET: u64 = 0x100;
/// Size of a DSP's reset register: one bit a line.
pub const RESET_SIZE: u64 = 4;
/// Context banks that a remoteproc node with a stream of its own takes: its default domain's and that of its carveout.
const REMOTEPROC_BANKS: usize = 2;
/// End of what 32-bit addresses reach.
const LOW_END: u64 = 1 << 32;

/// What a DSP has of the reserved block behind the SMMU's part.
const DSP_STRIDE: u64 = 0x10_0000;
const VIRTIO_MMIO_BASE: u64 = 0x0a00_0000;
const VIRTIO_MMIO_STRIDE: u64 = 0x200;
const VIRTIO_MMIO_SPI: u32 = 16;
/// The first slot that no DSP uses (shared directories go there).
pub const FIRST_FREE_SLOT: usize = crate::profile::MAX_DSPS;
/// QueueNotify of a virtio-mmio slot; the mailbox driver writes at its base + 8.
pub const QUEUE_NOTIFY: u64 = 0x50;
/// Where the mailbox of the GLINK channel begins in a slot: its register at offset 8 is QueueNotify.
pub const GLINK_MAILBOX: u64 = 0x48;
/// Where the mailbox of the SMP2P channel begins: its register at offset 12 is QueueNotify, too.
pub const SMP2P_MAILBOX: u64 = 0x44;

const SPI_GLINK: u32 = 140;
const SPI_SMMU: u32 = 150;
const SPI_SMP2P: u32 = 220;
const SPI_WATCHDOG: u32 = 230;
/// Distributor of `virt`'s GIC.
const GICD_BASE: u64 = 0x0800_0000;
const GICD_ISPENDR: u64 = 0x200;

/// An interrupt the platform raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Irq {
    /// The GLINK edge of a DSP (index into the profile's DSPs).
    Glink(usize),
    /// The SMMU's global fault.
    SmmuGlobal,
    /// A context bank's fault.
    SmmuBank(u8),
    /// The SMP2P edge of a DSP.
    Smp2p(usize),
    /// The watchdog bite of a DSP.
    Watchdog(usize),
}

impl Irq {
    /// The shared peripheral interrupt it is wired to.
    pub fn spi(self) -> u32 {
        match self {
            Self::Glink(dsp) => SPI_GLINK + dsp as u32,
            Self::SmmuGlobal => SPI_SMMU,
            Self::SmmuBank(bank) => SPI_SMMU + 1 + u32::from(bank),
            Self::Smp2p(dsp) => SPI_SMP2P + dsp as u32,
            Self::Watchdog(dsp) => SPI_WATCHDOG + dsp as u32,
        }
    }

    /// Address and value of the distributor write that makes it pending.
    pub fn set_pending(self) -> (u64, u32) {
        let intid = self.spi() + 32;
        (
            GICD_BASE + GICD_ISPENDR + 4 * u64::from(intid / 32),
            1 << (intid % 32),
        )
    }

    /// Which line of the virtio-gpio device carries it instead (`--irq gpio`). The SMMU has none: the kernel's driver
    /// takes an interrupt controller that is not there yet for one that will never be ("found -517 interrupts"), and
    /// virtio devices come later than the SMMU.
    pub fn gpio_line(self) -> Option<u16> {
        match self {
            Self::Glink(dsp) => Some(dsp as u16),
            Self::Smp2p(dsp) => Some((MAX_DSPS + dsp) as u16),
            Self::Watchdog(dsp) => Some((2 * MAX_DSPS + dsp) as u16),
            Self::SmmuGlobal | Self::SmmuBank(_) => None,
        }
    }
}

/// The DSP whose slot is the virtio-gpio device, with `--irq gpio`. There is only one such device: the kernel's driver has
/// one interrupt chip for all of them, and a second one makes it recurse without end (seen with 6.12).
pub const GPIO_SLOT: usize = 0;

/// Addresses and sizes for one profile and one RAM size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How the kernel meets the DSPs.
    pub platform: PlatformKind,
    /// Size of guest RAM in bytes.
    pub ram: u64,
    /// Context banks of the SMMU; stream mapping groups are as many.
    pub banks: u8,
    /// DSPs.
    pub dsps: usize,
}

/// The machine cannot be laid out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayoutError {
    /// The remote processors' own streams need more context banks than are left.
    #[error(
        "the board needs {0} SMMU context banks, {MAX_BANKS} are possible: give the profile fewer, or use the platform rpm"
    )]
    Banks(usize),
    /// Too little, too much or not a whole number of MiB.
    #[error(
        "guest RAM of {0} bytes does not work: it must be a whole number of MiB, at least {min} MiB and at most {max} GiB",
        min = MIN_RAM >> 20,
        max = MAX_RAM >> 30
    )]
    Ram(u64),
}

impl Layout {
    /// Lays the platform out.
    ///
    /// # Errors
    /// The RAM size is not possible, or the SMMU would need too many context banks.
    pub fn new(profile: &Profile, platform: PlatformKind, ram: u64) -> Result<Self, LayoutError> {
        if !(MIN_RAM..=MAX_RAM).contains(&ram) || !ram.is_multiple_of(1 << 20) {
            return Err(LayoutError::Ram(ram));
        }
        let own_streams = match platform {
            PlatformKind::Rpm => 0,
            PlatformKind::Board => profile.dsps.iter().filter(|dsp| has_stream(&dsp.label)).count(),
        };
        let banks = profile.bank_count() + REMOTEPROC_BANKS * own_streams;
        if banks > MAX_BANKS {
            return Err(LayoutError::Banks(banks));
        }
        // MAX_BANKS is 64; the profile allows at most MAX_DSPS DSPs.
        Ok(Self {
            platform,
            ram,
            banks: banks as u8,
            dsps: profile.dsps.len(),
        })
    }

    /// Dimensions of the SMMU: as many register pages as the context banks need, a stream mapping group for each bank.
    pub fn geometry(&self) -> iommu::Geometry {
        let pages = u32::from(self.banks).next_power_of_two().max(16);
        iommu::Geometry {
            wide_pages: false,
            num_page_ndxb: pages.ilog2() as u8 - 1,
            banks: self.banks,
            groups: self.banks.max(16),
        }
    }

    /// Start of the reserved block.
    pub fn reserved(&self) -> u64 {
        RAM_BASE + self.ram - RESERVED_SIZE
    }

    /// The SMMU's register file.
    pub fn smmu(&self) -> u64 {
        self.reserved()
    }

    /// Lines the virtio-gpio device needs.
    pub fn gpio_lines(&self) -> u16 {
        match self.platform {
            PlatformKind::Rpm => self.dsps as u16,
            PlatformKind::Board => (2 * MAX_DSPS + self.dsps) as u16,
        }
    }

    /// Message RAM of a DSP ([`PlatformKind::Rpm`]).
    pub fn msgram(&self, dsp: usize) -> u64 {
        self.dsp_block(dsp)
    }

    /// First byte behind the part of the reserved block that is in use.
    pub fn image_end(&self) -> u64 {
        match self.platform {
            PlatformKind::Rpm => self.msgram(self.dsps - 1) + MSGRAM_SIZE,
            PlatformKind::Board => self.power() + POWER_SIZE,
        }
    }

    /// A DSP's part of the reserved block.
    fn dsp_block(&self, dsp: usize) -> u64 {
        self.reserved() + DSP_STRIDE * (1 + dsp as u64)
    }

    /// QDSP6SS registers of a DSP ([`PlatformKind::Board`], as all that follows).
    pub fn qdsp6ss(&self, dsp: usize) -> u64 {
        self.dsp_block(dsp)
    }

    /// System controller with the halt registers of a DSP; they begin at [`HALT_OFFSET`] in it.
    pub fn halt_controller(&self, dsp: usize) -> u64 {
        self.dsp_block(dsp) + 0x1000
    }

    /// Halt registers of a DSP: the address of LPASS_HALTREQ.
    pub fn halt(&self, dsp: usize) -> u64 {
        self.halt_controller(dsp) + HALT_OFFSET
    }

    /// Reset register of a DSP.
    pub fn reset(&self, dsp: usize) -> u64 {
        self.dsp_block(dsp) + 0x2000
    }

    /// The hardware lock's registers.
    pub fn tcsr_mutex(&self) -> u64 {
        self.dsp_block(MAX_DSPS)
    }

    /// The power controller's registers.
    pub fn power(&self) -> u64 {
        self.tcsr_mutex() + 0x4_0000
    }

    /// Where what is below the reserved block, and where 32 bits reach, ends.
    fn board_end(&self) -> u64 {
        self.reserved().min(LOW_END)
    }

    /// Shared memory.
    pub fn smem(&self) -> u64 {
        self.board_end() - SMEM_SIZE
    }

    /// Carveout of a DSP.
    pub fn carveout(&self, dsp: usize) -> u64 {
        self.smem() - CARVEOUT_SIZE * (1 + dsp as u64)
    }

    /// The audio process's remote heap, below everything else.
    pub fn remote_heap(&self) -> u64 {
        let end = match self.platform {
            PlatformKind::Rpm => self.board_end(),
            PlatformKind::Board => self.carveout(self.dsps - 1),
        };
        end - REMOTE_HEAP_SIZE
    }

    /// What the virtio-mmio node of a DSP keeps of its slot; mailboxes claim what follows.
    pub fn slot_kept(&self) -> u64 {
        match self.platform {
            PlatformKind::Rpm => GLINK_MAILBOX,
            PlatformKind::Board => SMP2P_MAILBOX,
        }
    }

    /// Base address of the virtio-mmio slot of a DSP (its index is the slot's).
    pub fn slot(&self, dsp: usize) -> u64 {
        VIRTIO_MMIO_BASE + VIRTIO_MMIO_STRIDE * dsp as u64
    }

    /// Interrupt of that slot.
    pub fn slot_spi(&self, dsp: usize) -> u32 {
        VIRTIO_MMIO_SPI + dsp as u32
    }
}

/// Whether the remoteproc node of that label has a stream of its own.
fn has_stream(label: &str) -> bool {
    Domain::by_label(label).is_some_and(|domain| domain.remoteproc.has_iommu)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(ram: u64) -> Result<Layout, LayoutError> {
        Layout::new(&Profile::load("qcs6490").unwrap(), PlatformKind::Rpm, ram)
    }

    fn board(ram: u64) -> Layout {
        Layout::new(&Profile::load("qcs6490").unwrap(), PlatformKind::Board, ram).unwrap()
    }

    #[test]
    fn one_gib_gives_the_addresses_of_the_proven_platform() {
        let layout = layout(1 << 30).unwrap();
        assert_eq!(layout.smmu(), 0x7f00_0000);
        assert_eq!((layout.msgram(0), layout.msgram(1)), (0x7f10_0000, 0x7f20_0000));
        assert_eq!((layout.slot(0), layout.slot_spi(1)), (0xa00_0000, 17));
        assert_eq!(layout.banks, 15);
    }

    #[test]
    fn interrupts_are_the_distributor_writes_of_the_proven_platform() {
        assert_eq!(Irq::Glink(0).set_pending(), (0x0800_0200 + 4 * 5, 1 << 12));
        assert_eq!(Irq::SmmuGlobal.spi(), 150);
        assert_eq!(Irq::SmmuBank(3).spi(), 154);
        assert!(Irq::SmmuBank(crate::profile::MAX_BANKS as u8 - 1).spi() < 256);
        assert_eq!(
            (Irq::Glink(1).gpio_line(), Irq::SmmuBank(1).gpio_line()),
            (Some(1), None)
        );
        assert_eq!(layout(1 << 30).unwrap().gpio_lines(), 2);
    }

    #[test]
    fn parts_do_not_overlap_and_fit_the_reserved_block() {
        let layout = layout(4 << 30).unwrap();
        assert!(layout.remote_heap() + REMOTE_HEAP_SIZE <= layout.reserved().min(LOW_END));
        assert!(layout.smmu() + layout.geometry().size() <= layout.msgram(0));
        assert!(layout.msgram(MAX_DSPS - 1) + MSGRAM_SIZE <= RAM_BASE + layout.ram);
        let largest = Layout {
            banks: crate::profile::MAX_BANKS as u8,
            ..layout
        };
        assert!(largest.geometry().size() <= DSP_STRIDE);
        assert!(largest.geometry().pages() >= u64::from(largest.banks));
    }

    #[test]
    fn bad_ram_sizes_are_refused() {
        for ram in [0, 64 << 20, (1 << 30) + 1, 1 << 40] {
            let error = layout(ram).unwrap_err().to_string();
            assert!(error.contains("at least 256 MiB"), "{error}");
        }
    }

    #[test]
    fn a_board_of_one_gib_has_smem_and_carveouts_below_the_reserved_block() {
        let layout = board(1 << 30);
        assert_eq!(
            (layout.qdsp6ss(0), layout.halt(1), layout.reset(1)),
            (0x7f10_0000, 0x7f20_1100, 0x7f20_2000)
        );
        assert_eq!(layout.tcsr_mutex(), 0x7f80_0000);
        assert_eq!((layout.smem(), layout.carveout(0)), (0x7ee0_0000, 0x7ea0_0000));
        assert_eq!(layout.carveout(1) + CARVEOUT_SIZE, layout.carveout(0));
        assert!(layout.tcsr_mutex() + TCSR_MUTEX_SIZE <= layout.power());
        assert!(layout.image_end() <= layout.reserved() + RESERVED_SIZE);
        // 15 of the profile, two of the ADSP's remoteproc node
        assert_eq!((layout.banks, layout.slot_kept()), (17, 0x44));
    }

    #[test]
    fn smem_and_carveouts_stay_below_four_gib_and_above_the_least_ram() {
        for ram in [MIN_RAM, 3 << 30, 4 << 30, MAX_RAM] {
            let layout = board(ram);
            assert!(layout.smem() + SMEM_SIZE <= LOW_END);
            assert!(layout.smem() + SMEM_SIZE <= layout.reserved());
            assert_eq!(
                layout.remote_heap() + REMOTE_HEAP_SIZE,
                layout.carveout(layout.dsps - 1)
            );
            let lowest = layout.carveout(MAX_DSPS - 1) - REMOTE_HEAP_SIZE;
            assert!(lowest > RAM_BASE + (128 << 20), "{lowest:#x} with {ram:#x}");
        }
    }

    #[test]
    fn every_interrupt_is_one_line_of_its_own() {
        let mut all = vec![Irq::SmmuGlobal];
        all.extend((0..MAX_BANKS as u8).map(Irq::SmmuBank));
        for dsp in 0..MAX_DSPS {
            all.extend([Irq::Glink(dsp), Irq::Smp2p(dsp), Irq::Watchdog(dsp)]);
        }
        let spis: std::collections::BTreeSet<_> = all.iter().map(|irq| irq.spi()).collect();
        assert_eq!(spis.len(), all.len());
        assert!(spis.iter().all(|spi| (140..256).contains(spi)));
        let lines: Vec<_> = all.iter().filter_map(|irq| irq.gpio_line()).collect();
        let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
        assert_eq!((distinct.len(), lines.len()), (3 * MAX_DSPS, 3 * MAX_DSPS));
        assert!(Irq::Watchdog(1).gpio_line().unwrap() < board(1 << 30).gpio_lines());
    }

    #[test]
    fn too_many_banks_for_a_board_are_refused() {
        let mut profile = Profile::load("qcs6490").unwrap();
        let bank = profile.dsps[0].banks[0];
        profile.dsps[0].banks = vec![bank; MAX_BANKS - 4];
        assert!(Layout::new(&profile, PlatformKind::Rpm, 1 << 30).is_ok());
        let error = Layout::new(&profile, PlatformKind::Board, 1 << 30).unwrap_err();
        assert_eq!(error, LayoutError::Banks(MAX_BANKS + 1));
    }
}
