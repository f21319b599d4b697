//! Which copy of the vector instructions runs: the host's processor is asked once.

use hexagon_isa::Opcode;
use hexagon_isa::interp::{self, Exec};
use hexagon_isa::memory::Memory;

/// Extensions of the host's processor that the instructions on vectors use. There is a value only for what the processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorUnit(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl VectorUnit {
    /// All that this processor has, the best last.
    pub fn all() -> Vec<VectorUnit> {
        #[allow(unused_mut)]
        let mut all = vec![VectorUnit(Level::Plain)];
        #[cfg(target_arch = "x86_64")]
        {
            macro_rules! has {
                ($($feature:tt)*) => { true $(&& std::arch::is_x86_feature_detected!($feature))* };
            }
            if has!("avx2" "bmi1" "bmi2" "lzcnt" "popcnt") {
                all.push(VectorUnit(Level::Avx2));
                if has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vbmi" "avx512vnni") {
                    all.push(VectorUnit(Level::Avx512));
                }
            }
        }
        all
    }

    /// The best that this processor has.
    pub fn best() -> VectorUnit {
        Self::all().pop().unwrap_or(VectorUnit(Level::Plain))
    }

    /// Registers of 256 bits.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn is_avx2(self) -> bool {
        self.0 == Level::Avx2
    }

    /// An instruction's function; `None` if it has no meaning.
    pub fn exec<M: Memory>(self, op: Opcode) -> Option<Exec<M>> {
        match self.0 {
            Level::Plain => interp::exec(op),
            // SAFETY: this value exists because the processor was found to have these features
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { interp::exec_avx2(op) },
            // SAFETY: as above
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { interp::exec_avx512(op) },
        }
    }
}

impl std::fmt::Display for VectorUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Level::Plain => "plain",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hexagon_isa::Arch;
    use hexagon_isa::builtins::address;
    use hexagon_isa::ir::Builtin;
    use hexagon_isa::state::{Args, Regs, Status};

    use super::*;
    use crate::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, Prot};
    use crate::memory::{Access, Cause, FaultKind, FaultWord, MemFault};

    const VA: u32 = 0x1000;

    fn space() -> AddressSpace {
        let ram = GuestRam::anonymous(0x1000, 0).unwrap();
        let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
        let space = AddressSpace::new(Arc::new(bus), 0);
        space.map_anonymous(Some(VA), 0x1000, Prot::RW).unwrap();
        space.store32(VA, 7).unwrap();
        space
    }

    fn fault(word: u64) -> Cause {
        // SAFETY: a word that is not zero is what `FaultWord` is
        let word: FaultWord = unsafe { std::mem::transmute(std::num::NonZeroU64::new(word).unwrap()) };
        word.cause()
    }

    fn unmapped() -> Cause {
        Cause::Memory(MemFault {
            va: 0,
            access: Access::Read,
            kind: FaultKind::Unmapped,
        })
    }

    /// As code that is not Rust does it: by address, with the arguments that `hexagon_isa::builtins` describes.
    #[test]
    fn builtins_are_c_functions_at_their_addresses() {
        type Sum = unsafe extern "C" fn(*mut Status, u32, u32) -> u32;
        type LoadLocked =
            unsafe extern "C" fn(*mut u32, *mut Regs, *const AddressSpace, *const Args, u32) -> u64;
        let (space, args) = (space(), Args::default());
        let (mut regs, mut status, mut loaded) = (Regs::new(Arch::V73), Status::default(), 0);
        // SAFETY: the types are those that `address` tells for these builtins; all pointers are to what lives here
        let (sum, done, refused) = unsafe {
            let sum: Sum = std::mem::transmute(address::<AddressSpace>(Builtin::sf_add));
            let load: LoadLocked = std::mem::transmute(address::<AddressSpace>(Builtin::load_locked32));
            (
                sum(&raw mut status, 1.0f32.to_bits(), 2.0f32.to_bits()),
                load(
                    &raw mut loaded,
                    &raw mut regs,
                    &raw const space,
                    &raw const args,
                    VA,
                ),
                load(
                    &raw mut loaded,
                    &raw mut regs,
                    &raw const space,
                    &raw const args,
                    0,
                ),
            )
        };
        assert_eq!((sum, done, loaded), (3.0f32.to_bits(), 0, 7));
        assert_eq!(fault(refused), unmapped());
    }

    #[test]
    fn an_instruction_that_accesses_memory_returns_a_word() {
        type Load = unsafe extern "C" fn(*mut Regs, *const AddressSpace, *const Args) -> u64;
        let (space, mut regs) = (space(), Regs::new(Arch::V73));
        let Some(Exec::Memory(load)) = VectorUnit::best().exec::<AddressSpace>(Opcode::L2_loadri_io) else {
            panic!("a load accesses memory")
        };
        regs.r[1] = VA;
        let mut args = Args::default();
        // R0 = memw(R1+#0), then through R2, which is 0
        args.v[..3].copy_from_slice(&[0, 1, 0]);
        // SAFETY: a Result whose error is one word that is not zero is returned as that word or 0; all pointers are to what lives here
        let load: Load = unsafe { std::mem::transmute(load) };
        // SAFETY: as above
        let done = unsafe { load(&raw mut regs, &raw const space, &raw const args) };
        args.v[1] = 2;
        // SAFETY: as above
        let refused = unsafe { load(&raw mut regs, &raw const space, &raw const args) };
        assert_eq!((done, regs.r[0]), (0, 7));
        assert_eq!(fault(refused), unmapped());
    }

    /// Numbers of all kinds: any bits, floats of ordinary size, few digits.
    fn random(seed: &mut u32) -> u32 {
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *seed ^ *seed >> 15
        };
        match next() % 4 {
            0 => next() & 0x83ff_83ff | 0x3800_3c00,
            1 => next() & 0xffff_0000 | 0x7f,
            _ => next(),
        }
    }

    /// A thread whose vectors, predicates and hidden bits hold anything.
    fn thread(arch: Arch, seed: &mut u32) -> Regs {
        let mut regs = Regs::new(arch);
        for n in 0..32u8 {
            for lane in regs.hvx.v.get_mut(n).chunks_exact_mut(4) {
                lane.copy_from_slice(&random(seed).to_le_bytes());
            }
            let bits = (0..4).fold(0, |all, _| all << 32 | u128::from(random(seed)));
            regs.hvx.q.set(n & 3, bits);
            if arch >= Arch::V79 && n % 3 != 0 {
                regs.hvx.hidden.set(n, bits);
            }
            regs.r[usize::from(n)] = random(seed);
        }
        regs
    }

    /// What a thread's vectors hold, and its scalars.
    fn seen(regs: &Regs) -> impl PartialEq + std::fmt::Debug + use<> {
        let vectors: Vec<_> = (0..32)
            .map(|n| (*regs.hvx.v.get(n), regs.hvx.hidden.get(n)))
            .collect();
        let predicates: Vec<_> = (0..4).map(|n| regs.hvx.q.get(n)).collect();
        let scalars: Vec<_> = (0..32).map(|n| regs.r[n]).collect();
        (vectors, predicates, scalars)
    }

    #[test]
    fn every_copy_of_an_instruction_does_the_same() {
        let units = VectorUnit::all();
        let (mut seed, mut compared) = (1, 0);
        for op in Opcode::all().filter(|op| op.info().name.starts_with("V6_")) {
            for arch in [Arch::V73, Arch::V79] {
                let before = thread(arch, &mut seed);
                let mut args = Args::default();
                for (to, n) in args.v.iter_mut().zip([8, 2, 4, 6, 10, 12]) {
                    *to = n;
                }
                let done: Vec<_> = units
                    .iter()
                    .filter_map(|unit| match unit.exec::<AddressSpace>(op)? {
                        Exec::Register(run) => {
                            let mut regs = before.clone();
                            run(&mut regs, &args);
                            Some(seen(&regs))
                        }
                        Exec::Memory(_) => None,
                    })
                    .collect();
                compared += done.len();
                assert!(done.windows(2).all(|two| two[0] == two[1]), "{op} {arch}");
            }
        }
        assert!(compared > 1000 * units.len(), "{compared}");
    }

    #[test]
    fn every_copy_multiplies_tiles_to_the_same_sums() {
        let space = space();
        let mut seed = 1;
        let mut fill = |space: &AddressSpace| {
            for va in (VA..VA + 0x1000).step_by(4) {
                space.store32(va, random(&mut seed)).unwrap();
            }
        };
        fill(&space);
        let weights = Opcode::all().filter(|op| op.info().name.contains("_wei_"));
        for weight in weights {
            let float = weight.info().name.contains("_hf") || weight.info().name.contains("_f8");
            let activation = if float {
                Opcode::M8_mxmem_sm_act_hf
            } else {
                Opcode::M8_mxmem_dm_act_ub
            };
            let mut sums = Vec::new();
            for unit in VectorUnit::all() {
                let (Some(Exec::Memory(load)), Some(Exec::Memory(multiply))) =
                    (unit.exec(activation), unit.exec(weight))
                else {
                    continue;
                };
                let mut regs = Regs::new(Arch::V75);
                (regs.r[2], regs.r[3], regs.r[4], regs.r[5]) = (VA, 0x7ff, VA + 0x800, 0x7ff);
                let mut args = Args::default();
                args.v[..2].copy_from_slice(&[2, 3]);
                load(&mut regs, &space, &args).unwrap();
                args.v[..2].copy_from_slice(&[4, 5]);
                multiply(&mut regs, &space, &args).unwrap();
                sums.push(regs.hmx.used().unwrap().clone());
            }
            assert!(sums.windows(2).all(|two| two[0] == two[1]), "{weight}");
            // Something has been added.
            let state = sums.first();
            let some = |s: &hexagon_isa::state::hmx::HmxState| {
                (0..32).any(|n| s.fixed[0].get(n, n) != 0 || s.float[0].get(n, n).sig != 0)
            };
            assert!(state.is_none_or(some), "{weight}");
        }
    }
}
