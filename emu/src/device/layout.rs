//! Where the platform's parts stand: guest physical addresses, interrupt numbers, virtio-mmio slots.
//!
//! Everything that both sides share lies in one 16 MiB block at the top of guest RAM, which the device tree reserves
//! (`no-map`): the SMMU's register file first, then one message RAM a DSP. Addresses follow from the RAM size alone, so
//! the emulator, the device tree and the user's QEMU agree without telling each other.
//!
//! Numbers of QEMU's `virt` machine (hw/arm/virt.c): RAM from 1 GiB; 32 virtio-mmio slots of 0x200 bytes from 0xa000000
//! with SPIs from 16; 256 SPIs, of which those from 140 are free.

use crate::profile::Profile;

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

const MSGRAM_STRIDE: u64 = 0x10_0000;
const VIRTIO_MMIO_BASE: u64 = 0x0a00_0000;
const VIRTIO_MMIO_STRIDE: u64 = 0x200;
const VIRTIO_MMIO_SPI: u32 = 16;
/// The first slot that no DSP uses (shared directories go there).
pub const FIRST_FREE_SLOT: usize = crate::profile::MAX_DSPS;
/// QueueNotify of a virtio-mmio slot; the mailbox driver writes at its base + 8.
pub const QUEUE_NOTIFY: u64 = 0x50;
/// What the virtio-mmio node keeps of its slot; the mailbox claims what follows.
pub const SLOT_KEPT: u64 = 0x48;

const SPI_GLINK: u32 = 140;
const SPI_SMMU: u32 = 150;
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
}

impl Irq {
    /// The shared peripheral interrupt it is wired to.
    pub fn spi(self) -> u32 {
        match self {
            Self::Glink(dsp) => SPI_GLINK + dsp as u32,
            Self::SmmuGlobal => SPI_SMMU,
            Self::SmmuBank(bank) => SPI_SMMU + 1 + u32::from(bank),
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
    /// Size of guest RAM in bytes.
    pub ram: u64,
    /// Context banks of the SMMU; stream mapping groups are as many.
    pub banks: u8,
    /// DSPs.
    pub dsps: usize,
}

/// The RAM size does not fit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayoutError {
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
    /// The RAM size is not possible.
    pub fn new(profile: &Profile, ram: u64) -> Result<Self, LayoutError> {
        if !(MIN_RAM..=MAX_RAM).contains(&ram) || !ram.is_multiple_of(1 << 20) {
            return Err(LayoutError::Ram(ram));
        }
        // The profile allows at most MAX_BANKS (64) banks and MAX_DSPS (4) DSPs.
        Ok(Self {
            ram,
            banks: profile.bank_count() as u8,
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
        self.dsps as u16
    }

    /// Message RAM of a DSP.
    pub fn msgram(&self, dsp: usize) -> u64 {
        self.reserved() + MSGRAM_STRIDE * (1 + dsp as u64)
    }

    /// First byte behind the part of the reserved block that has initial contents.
    pub fn image_end(&self) -> u64 {
        self.msgram(self.dsps - 1) + MSGRAM_SIZE
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

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(ram: u64) -> Result<Layout, LayoutError> {
        Layout::new(&Profile::load("qcs6490").unwrap(), ram)
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
        assert!(layout.smmu() + layout.geometry().size() <= layout.msgram(0));
        assert!(RAM_BASE + layout.ram >= layout.image_end());
        let largest = Layout {
            banks: crate::profile::MAX_BANKS as u8,
            ..layout
        };
        assert!(largest.geometry().size() <= MSGRAM_STRIDE);
        assert!(largest.geometry().pages() >= u64::from(largest.banks));
    }

    #[test]
    fn bad_ram_sizes_are_refused() {
        for ram in [0, 64 << 20, (1 << 30) + 1, 1 << 40] {
            let error = layout(ram).unwrap_err().to_string();
            assert!(error.contains("at least 256 MiB"), "{error}");
        }
    }
}
