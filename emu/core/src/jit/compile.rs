//! Host code of units: Cranelift set up for this host.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, UserFuncName};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable as _};
use cranelift_codegen::{Final, MachBufferFinalized};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::code::Table;
use super::growth::Unit;
use super::lower::{self, Host, REFUSED, unit_signature};

/// Why there is no translator here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTranslator {
    /// Nobody has written what this host needs.
    #[error("code is not made for this kind of processor")]
    Processor,
    /// The code generator does not know this processor.
    #[error("the code generator: {0}")]
    Generator(String),
}

/// Why a unit has no host code.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(String);

impl Failed {
    pub(super) fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

fn generator() -> Result<OwnedTargetIsa, NoTranslator> {
    // Elsewhere caches of instructions have to be told of new code.
    if !cfg!(target_arch = "x86_64") {
        return Err(NoTranslator::Processor);
    }
    let failed = |e: &dyn std::fmt::Display| NoTranslator::Generator(e.to_string());
    let mut flags = settings::builder();
    let wanted = [
        ("opt_level", "speed"),
        // Tests want to know of faults in what is generated.
        (
            "enable_verifier",
            if cfg!(debug_assertions) { "true" } else { "false" },
        ),
        // What jumps from unit to unit wants.
        ("preserve_frame_pointers", "true"),
        ("is_pic", "false"),
        ("unwind_info", "false"),
    ];
    for (name, value) in wanted {
        flags.set(name, value).map_err(|e| failed(&e))?;
    }
    let host = cranelift_native::builder().map_err(|e| failed(&e))?;
    host.finish(settings::Flags::new(flags)).map_err(|e| failed(&e))
}

static GENERATOR: LazyLock<Result<OwnedTargetIsa, NoTranslator>> = LazyLock::new(generator);

/// A host instruction whose access the host may refuse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    /// Where it is, from the unit's first byte on.
    pub(super) offset: u32,
    /// The packet that it is of.
    pub(super) pc: u32,
    /// What was executed since the count was stored last.
    pub(super) counted: i64,
}

/// Host code of a unit.
pub(super) struct Compiled {
    pub(super) bytes: Vec<u8>,
    /// By offset.
    pub(super) sites: Box<[Site]>,
    /// Where the unit finds the functions that it calls, which are in `bytes` too.
    pub(super) table: Table,
    /// Where each begins in `bytes`.
    starts: Vec<usize>,
}

impl Compiled {
    /// Fills the table in: the code is at this address now.
    pub(super) fn placed(&self, at: u64) {
        for (place, start) in self.table.iter().zip(&self.starts) {
            place.store(at + *start as u64, Ordering::Relaxed);
        }
    }
}

/// Makes host code.
pub(super) struct Compiler {
    isa: Arc<dyn TargetIsa>,
    context: Context,
    builder: FunctionBuilderContext,
}

impl Compiler {
    /// One for this host.
    ///
    /// # Errors
    /// There is none for it.
    pub(super) fn new() -> Result<Self, NoTranslator> {
        Ok(Self {
            isa: Arc::clone(GENERATOR.as_ref().map_err(Clone::clone)?),
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        })
    }

    /// The function of a unit.
    pub(super) fn unit(&mut self, unit: &Unit) -> Result<Compiled, Failed> {
        let host = Host {
            convention: self.isa.default_call_conv(),
            fused: has_fused(),
        };
        self.context.func = Function::with_name_signature(UserFuncName::default(), unit_signature());
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let (functions, packets) = lower::unit(&mut b, unit, host);
        b.finalize(self.isa.frontend_config());
        let (mut bytes, sites) = self.compile(&packets)?;
        let (table, starts) = functions.append_to(&mut bytes);
        Ok(Compiled {
            bytes,
            sites,
            table,
            starts,
        })
    }

    /// The generator's form of what was compiled last.
    pub(super) fn text(&self) -> String {
        self.context.func.display().to_string()
    }

    /// Host code, and where in it accesses may be refused of these packets, which `SourceLoc` counts.
    fn compile(&mut self, packets: &[(u32, i64)]) -> Result<(Vec<u8>, Box<[Site]>), Failed> {
        let done = self.context.compile(&*self.isa, &mut ControlPlane::default());
        let code = done.map_err(|e| Failed::new(format_args!("{:?}", e.inner)))?;
        // Code calls by address; a relocation would be a function of the generator's own.
        if let Some(needed) = code.buffer.relocs().first() {
            return Err(Failed::new(format_args!(
                "a function of the generator: {:?}",
                needed.target
            )));
        }
        Ok((code.code_buffer().to_vec(), sites(&code.buffer, packets)?))
    }
}

/// Where accesses may be refused of these packets.
fn sites(code: &MachBufferFinalized<Final>, packets: &[(u32, i64)]) -> Result<Box<[Site]>, Failed> {
    let locations = code.get_srclocs_sorted();
    let site = |offset: u32| {
        let behind = locations.partition_point(|location| location.start <= offset);
        let location = locations.get(behind.checked_sub(1)?)?;
        let inside = offset < location.end;
        let &(pc, counted) = packets.get(location.loc.bits() as usize)?;
        inside.then_some(Site { offset, pc, counted })
    };
    let traps = code.traps().iter().filter(|trap| trap.code == REFUSED);
    let mut sites = traps
        .map(|trap| site(trap.offset).ok_or_else(|| Failed::new("an access of no packet")))
        .collect::<Result<Box<[Site]>, Failed>>()?;
    sites.sort_unstable_by_key(|site| site.offset);
    Ok(sites)
}

/// The host has fused multiply-add.
fn has_fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
