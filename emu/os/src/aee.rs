//! AEE error codes as the DSP answers them: 0x8000_0400 plus the number of `AEEStdErr.h`, and the three numbers that
//! the AP's library expects without that offset.

/// Success.
pub const SUCCESS: u32 = 0;
/// General failure.
pub const EFAILED: u32 = 0x8000_0401;
/// No memory.
pub const ENOMEMORY: u32 = 0x8000_0402;
/// Unable to load a library (missing file, corrupt ELF, unresolved symbols).
pub const EUNABLETOLOAD: u32 = 0x8000_0406;
/// A parameter, length or count is wrong.
pub const EBADPARM: u32 = 0x8000_040e;
/// The function exists in the interface but is not built.
pub const EUNSUPPORTED: u32 = 0x8000_0414;
/// A limited resource (threads, handles, contexts) is used up.
pub const ERESOURCENOTFOUND: u32 = 0x8000_0416;
/// A time-out ran out.
pub const EEXPIRED: u32 = 0x8000_0411;
/// No such module: the handle is unknown.
pub const ENOSUCHMOD: u32 = 0x8000_043e;
/// The library has no such symbol.
pub const ENOSUCHSYM: u32 = 0x8000_0442;
/// No such mapping.
pub const ENOSUCHMAP: u32 = 0x8000_0448;
/// A mapping's reference count is 0 already.
pub const EBADMAPREFCNT: u32 = 0x8000_0485;
/// The file is not an ELF that this DSP can load.
pub const EBADELF: u32 = 0x8000_0452;
/// What calls of a dead process are answered with; the AP's library takes it for "the process crashed".
pub const DEAD: u32 = 39;
