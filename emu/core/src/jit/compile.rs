//! Host code of units: Cranelift set up for this host.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, InstBuilder as _, UserFuncName};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable as _};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::code::Table;
use super::growth::Unit;
use super::lower::{self, Host, function, unit_signature};

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

/// Host code of a unit.
pub(super) struct Compiled {
    pub(super) bytes: Vec<u8>,
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

    /// The function through which C code calls a unit's: registers, context, which way in, the unit's code.
    pub(super) fn way_in(&mut self) -> Result<Vec<u8>, Failed> {
        let convention = self.isa.default_call_conv();
        let signature = function(convention, 4, true);
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature);
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let block = b.create_block();
        b.append_block_params_for_function_params(block);
        b.switch_to_block(block);
        let &[regs, context, which, code] = b.block_params(block) else {
            return Err(Failed::new("the way in has four parameters"));
        };
        let unit = b.import_signature(unit_signature());
        let call = b.ins().call_indirect(unit, code, &[regs, context, which]);
        let left = b.inst_results(call)[0];
        b.ins().return_(&[left]);
        b.seal_all_blocks();
        b.finalize(self.isa.frontend_config());
        self.compile()
    }

    /// The function of a unit.
    pub(super) fn unit(&mut self, unit: &Unit) -> Result<Compiled, Failed> {
        let host = Host {
            convention: self.isa.default_call_conv(),
            fused: has_fused(),
        };
        self.context.func = Function::with_name_signature(UserFuncName::default(), unit_signature());
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let functions = lower::unit(&mut b, unit, host);
        b.finalize(self.isa.frontend_config());
        let mut bytes = self.compile()?;
        let (table, starts) = functions.append_to(&mut bytes);
        Ok(Compiled { bytes, table, starts })
    }

    /// The generator's form of what was compiled last.
    pub(super) fn text(&self) -> String {
        self.context.func.display().to_string()
    }

    fn compile(&mut self) -> Result<Vec<u8>, Failed> {
        let done = self.context.compile(&*self.isa, &mut ControlPlane::default());
        let code = done.map_err(|e| Failed::new(format_args!("{:?}", e.inner)))?;
        // Code calls by address; a relocation would be a function of the generator's own.
        if let Some(needed) = code.buffer.relocs().first() {
            return Err(Failed::new(format_args!(
                "a function of the generator: {:?}",
                needed.target
            )));
        }
        Ok(code.code_buffer().to_vec())
    }
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
