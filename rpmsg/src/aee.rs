//! AEE codes: what a DSP function returns, and what a FastRPC answer carries as its return value.
//!
//! Source: `AEEStdErr.h` of qualcomm/fastrpc. On the DSP most codes carry the offset 0x8000_0400, on the AP none; a few
//! have none on either side. Codes that the AP hands out through the reverse tunnel are plain errno numbers or codes without
//! the offset: [`Aee::from_ap`].

use std::fmt;

/// A DSP-side result code. Zero is success.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Aee(pub u32);

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident = $value:expr, $text:literal; )*) => {
        impl Aee {
            $( $(#[$doc])* pub const $name: Aee = Aee($value); )*

            /// The code's name in the headers, if it has one here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( v if v == Self::$name.0 => Some($text), )*
                    _ => None,
                }
            }
        }
    };
}

/// Added by DSP-side code to most codes.
pub const DSP_OFFSET: u32 = 0x8000_0400;

codes! {
    /// No error.
    SUCCESS = 0, "AEE_SUCCESS";
    /// General failure.
    FAILED = 0x8000_0401, "AEE_EFAILED";
    /// Out of memory.
    NO_MEMORY = 0x8000_0402, "AEE_ENOMEMORY";
    /// A library could not be loaded.
    UNABLE_TO_LOAD = 0x8000_0406, "AEE_EUNABLETOLOAD";
    /// A wait took longer than it was to.
    EXPIRED = 0x8000_040C, "AEE_EEXPIRED";
    /// Wrong state for this call; also what parked calls get when their process ends.
    BAD_STATE = 0x8000_040D, "AEE_EBADSTATE";
    /// A parameter is wrong.
    BAD_PARM = 0x8000_040E, "AEE_EBADPARM";
    /// A value is out of range.
    BAD_ITEM = 0x8000_0410, "AEE_EBADITEM";
    /// No such method, or not supported.
    UNSUPPORTED = 0x8000_0414, "AEE_EUNSUPPORTED";
    /// A resource was not found.
    RESOURCE_NOT_FOUND = 0x8000_0416, "AEE_ERESOURCENOTFOUND";
    /// Somebody has it already.
    ITEM_BUSY = 0x8000_0420, "AEE_EITEMBUSY";
    /// A buffer is too small.
    BUFFER_TOO_SMALL = 0x8000_0426, "AEE_EBUFFERTOOSMALL";
    /// A handle is invalid.
    BAD_HANDLE = 0x8000_042C, "AEE_EINVHANDLE";
    /// No module behind this handle.
    NO_SUCH_MODULE = 0x8000_043E, "AEE_ENOSUCHMOD";
    /// No such DSP process.
    NO_SUCH_PROCESS = 0x8000_0441, "AEE_ENOSUCHPROCESS";
    /// The library has no such symbol.
    NO_SUCH_SYMBOL = 0x8000_0442, "AEE_ENOSUCHSYMBOL";
    /// No such file.
    NO_SUCH_FILE = 0x8000_0445, "AEE_ENOSUCHFILE";
    /// No such handle.
    NO_SUCH_HANDLE = 0x8000_0446, "AEE_ENOSUCHHANDLE";
    /// No such mapping.
    NO_SUCH_MAP = 0x8000_0448, "AEE_ENOSUCHMAP";
    /// A size is wrong.
    BAD_SIZE = 0x8000_044D, "AEE_EBADSIZE";
    /// Wrong permissions.
    BAD_PERMISSIONS = 0x8000_044E, "AEE_EBADPERMS";
    /// A file descriptor is wrong.
    BAD_FD = 0x8000_044F, "AEE_EBADFD";
    /// A library is not a valid ELF file for this DSP.
    BAD_ELF = 0x8000_0452, "AEE_EBADELF";
    /// No memory for RPC.
    NO_RPC_MEMORY = 0x8000_0468, "AEE_ENORPCMEMORY";
    /// Refused in an unsigned process.
    UNSIGNED_MODULE = 0x8000_0481, "AEE_EUNSIGNEDMOD";
    /// A mapping's reference count is 0 already.
    BAD_MAP_REFCOUNT = 0x8000_0485, "AEE_EBADMAPREFCNT";
    /// No session.
    NO_SESSION = 0x8000_048A, "AEE_ENOSESSION";
    /// A thread could not be created.
    THREAD_CREATE = 0x8000_054B, "AEE_EQURTTHREADCREATE";
    /// Stub and skeleton come from different interface versions.
    STUB_SKEL_VERSION = 0x8000_0594, "AEE_ESTUBSKELVERMISMATCH";
    /// RPC failure.
    RPC = 0x8000_0600, "AEE_ERPC";
    /// File failure.
    FILE = 0x8000_0601, "AEE_EFILE";
    /// Without offset: the process is not there any more (what calls of a crashed process return).
    GONE = 39, "AEE_ENOSUCH";
    /// Without offset: the call was interrupted.
    INTERRUPTED = 46, "AEE_EINTERRUPTED";
    /// Without offset: the connection was reset.
    CONNECTION_RESET = 104, "AEE_ECONNRESET";
    /// Without offset: try again later.
    WOULD_BLOCK = 516, "AEE_EWOULDBLOCK";
}

impl Aee {
    /// Whether this is success.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Turns a result of the AP's side (no offset, or an errno) into the DSP's numbering. Codes that have no offset on
    /// either side, and values that already carry it, stay.
    #[must_use]
    pub const fn from_ap(value: u32) -> Self {
        match value {
            0 | 39 | 46 | 104 | 516 => Self(value),
            v if v < 0x400 => Self(v | DSP_OFFSET),
            v => Self(v),
        }
    }

    /// The code as functions of the AP return it: without the offset.
    #[must_use]
    pub const fn on_ap(self) -> u32 {
        match self.0.checked_sub(DSP_OFFSET) {
            Some(number @ 0..0x400) => number,
            _ => self.0,
        }
    }

    /// Whether an answer may carry this value. The kernel takes −4095..−1 for its own errno results and leaks the call's
    /// context on some of them (docs/protocol.md#return-values).
    #[must_use]
    pub const fn is_safe_retval(self) -> bool {
        !matches!(self.0, 0xFFFF_F001..=0xFFFF_FFFF)
    }
}

impl fmt::Display for Aee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#x})", self.0),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for Aee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Aee> for u32 {
    fn from(code: Aee) -> Self {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(Aee::NO_SUCH_MODULE.to_string(), "AEE_ENOSUCHMOD (0x8000043e)");
        assert_eq!(Aee(0x1234).to_string(), "0x1234");
        assert_eq!(Aee::GONE.name(), Some("AEE_ENOSUCH"));
    }

    #[test]
    fn codes_of_the_ap_get_the_offset_once() {
        assert_eq!(Aee::from_ap(0x3E), Aee::NO_SUCH_MODULE);
        assert_eq!(Aee::from_ap(0x8000_0414), Aee::UNSUPPORTED);
        assert_eq!(Aee::from_ap(39), Aee::GONE);
        assert_eq!(Aee::from_ap(0), Aee::SUCCESS);
        for code in [
            Aee::NO_SUCH_MODULE,
            Aee::FILE,
            Aee::GONE,
            Aee::WOULD_BLOCK,
            Aee::SUCCESS,
        ] {
            assert_eq!(Aee::from_ap(code.on_ap()), code);
        }
        assert_eq!(Aee::NO_SUCH_MODULE.on_ap(), 0x3E);
    }

    #[test]
    fn errno_range_is_not_for_answers() {
        assert!(Aee::BAD_PARM.is_safe_retval());
        assert!(!Aee((-512i32) as u32).is_safe_retval());
        assert!(!Aee((-4095i32) as u32).is_safe_retval());
        assert!(Aee((-4096i32) as u32).is_safe_retval());
    }
}
