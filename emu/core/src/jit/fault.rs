//! Accesses of host code that the host refuses. In the guarded window ([`CodeMemory::guarded_window`](crate::memory::CodeMemory)) an
//! access is one host instruction, without a check. What a process may not do there, and what is not there, raises SIGSEGV; the
//! handler then leaves the unit in front of the packet, as a failed check does, and the interpreter has it.
//!
//! That works because at such an access registers are in the register file as the packet found them, nothing of the packet was
//! done yet, and what was counted is in the [`Context`] but for the part that the place says.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::null;
use std::sync::OnceLock;

use libc::{c_int, c_void, siginfo_t, ucontext_t};

use super::context::{Context, Left};
use super::translator::Generation;

/// Host code that a thread runs.
pub(super) struct Running<'a> {
    pub generation: &'a Generation,
    pub context: *mut Context,
    /// Where the guarded window begins.
    pub window: u64,
}

thread_local! {
    /// What this thread runs; null between units. Without a destructor, so that a signal handler may look at it.
    static RUNNING: Cell<*const Running<'static>> = const { Cell::new(null()) };
}

/// While it is there, faults of this thread in that host code are answered.
pub(super) struct Answered<'a>(&'a Running<'a>);

impl<'a> Answered<'a> {
    /// From now on.
    pub(super) fn new(running: &'a Running<'a>) -> Self {
        RUNNING.set(std::ptr::from_ref(running).cast());
        Self(running)
    }
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        debug_assert!(std::ptr::addr_eq(RUNNING.get(), self.0), "units do not nest");
        RUNNING.set(null());
    }
}

/// What answered SIGSEGV before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once for the program. `false`: the host does not let it.
pub(super) fn install() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let mut before = MaybeUninit::uninit();
        // SAFETY: a query: both pointers are valid for the call
        if unsafe { libc::sigaction(libc::SIGSEGV, null(), before.as_mut_ptr()) } != 0 {
            return false;
        }
        // SAFETY: the call has filled it in
        let before = unsafe { before.assume_init() };
        BEFORE.get_or_init(|| before);
        // SAFETY: all fields are integers or sets of them
        let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = on_fault as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize;
        // A stack that overflows is told on another one, as before.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler is a function of the type that SA_SIGINFO asks for and stays there
        unsafe { libc::sigaction(libc::SIGSEGV, &raw const ours, std::ptr::null_mut()) == 0 }
    })
}

extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO both, for as long as it runs
    let left = unsafe { leave(&*info, &mut *context.cast::<ucontext_t>()) };
    if !left {
        pass_on(signal, info, context);
    }
}

/// Leaves the unit that the fault is of; `false`: it is of no unit's guarded access.
///
/// # Safety
/// In a signal handler, with what the kernel gave it.
#[cfg(target_arch = "x86_64")]
unsafe fn leave(info: &siginfo_t, host: &mut ucontext_t) -> bool {
    use libc::{REG_RAX, REG_RIP, REG_RSP};

    let running = RUNNING.get();
    // A signal that somebody sent has no address.
    if running.is_null() || info.si_code <= 0 {
        return false;
    }
    // SAFETY: it is there as long as `Answered` is
    let running = unsafe { &*running };
    // SAFETY: a SIGSEGV of the kernel's has this field
    let at = unsafe { info.si_addr() } as u64;
    if at.wrapping_sub(running.window) >> 32 != 0 {
        return false;
    }
    let registers = &mut host.uc_mcontext.gregs;
    let code = registers[REG_RIP as usize] as u64;
    let Some(site) = running.generation.site(code) else {
        return false;
    };
    // SAFETY: host code has it and nobody else does; it was interrupted
    let context = unsafe { &mut *running.context };
    context.count += site.counted;
    context.refused_at = code;
    let left = u64::from(site.pc) | Left::INTERPRET | Left::REFUSED;
    registers[REG_RAX as usize] = left as i64;
    // As if the unit returned to the way in, whose call has left its return address below the stack it had.
    // SAFETY: the way in is still there, a unit goes on to others by jumps only, and units have no arguments on the stack
    let back = unsafe { *((context.stack - 8) as *const u64) };
    registers[REG_RIP as usize] = back as i64;
    registers[REG_RSP as usize] = context.stack as i64;
    true
}

/// There are no units.
///
/// # Safety
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn leave(_: &siginfo_t, _: &mut ucontext_t) -> bool {
    false
}

/// Does what was done before there was this handler.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let before = BEFORE.get();
    let handler = before.map_or(libc::SIG_DFL, |before| before.sa_sigaction);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // Its instruction faults once more when this returns, or whoever sent it sends it again, and then the host ends the program.
        // SAFETY: the default action takes no pointer
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    let full = before.is_some_and(|before| before.sa_flags & libc::SA_SIGINFO != 0);
    if full {
        // SAFETY: whoever installed it said so with SA_SIGINFO
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
            unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: as above, without SA_SIGINFO
        let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}
