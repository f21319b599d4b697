//! Numbers of errors, as Linux, musl and the AP's answers have them, and their texts.

use super::heap::allocate;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("_Geterrno", address, "`int *_Geterrno(void)`: where the caller's errno is"),
    import("__errno", address, "`int *__errno(void)`: where the caller's errno is"),
    import("__errno_location", address, "`int *__errno_location(void)`: where the caller's errno is"),
    import("strerror", strerror, "`char *strerror(int number)`: what it means; the text is the process's, the next call writes over it"),
    import("strerror_r", strerror_r, "`int strerror_r(int number, char *to, size_t room)`: what it means; ERANGE if it does not fit"),
    import("__xpg_strerror_r", strerror_r, "`int __xpg_strerror_r(int number, char *to, size_t room)`: as strerror_r"),
];

/// Room for any text that `strerror` gives.
const ROOM: u32 = 64;

macro_rules! errors {
    ($($name:ident $number:literal $text:literal;)*) => {
        $(#[allow(dead_code)] pub const $name: u32 = $number;)*

        /// What an error number means, in English.
        pub fn text(number: u32) -> Option<&'static str> {
            match number {
                0 => Some("Success"),
                $($number => Some($text),)*
                _ => None,
            }
        }
    };
}

errors! {
    EPERM 1 "Operation not permitted";
    ENOENT 2 "No such file or directory";
    ESRCH 3 "No such process";
    EINTR 4 "Interrupted system call";
    EIO 5 "I/O error";
    ENXIO 6 "No such device or address";
    E2BIG 7 "Argument list too long";
    ENOEXEC 8 "Exec format error";
    EBADF 9 "Bad file descriptor";
    ECHILD 10 "No child process";
    EAGAIN 11 "Resource temporarily unavailable";
    ENOMEM 12 "Out of memory";
    EACCES 13 "Permission denied";
    EFAULT 14 "Bad address";
    EBUSY 16 "Resource busy";
    EEXIST 17 "File exists";
    EXDEV 18 "Cross-device link";
    ENODEV 19 "No such device";
    ENOTDIR 20 "Not a directory";
    EISDIR 21 "Is a directory";
    EINVAL 22 "Invalid argument";
    ENFILE 23 "Too many open files in system";
    EMFILE 24 "Too many open files";
    ENOTTY 25 "Not a tty";
    EFBIG 27 "File too large";
    ENOSPC 28 "No space left on device";
    ESPIPE 29 "Invalid seek";
    EROFS 30 "Read-only file system";
    EMLINK 31 "Too many links";
    EPIPE 32 "Broken pipe";
    EDOM 33 "Domain error";
    ERANGE 34 "Result not representable";
    EDEADLK 35 "Resource deadlock would occur";
    ENAMETOOLONG 36 "File name too long";
    ENOSYS 38 "Function not implemented";
    ENOTEMPTY 39 "Directory not empty";
    EOVERFLOW 75 "Value too large for data type";
    EILSEQ 84 "Illegal byte sequence";
    ENOTSUP 95 "Not supported";
    ETIMEDOUT 110 "Operation timed out";
}

/// The text for any number.
pub(super) fn text_of(number: u32) -> Vec<u8> {
    match text(number) {
        Some(text) => text.into(),
        None => format!("Unknown error {}", number as i32).into(),
    }
}

fn address(c: &mut Call<'_>) -> Done {
    let at = c.errno()?;
    c.ret(at.unwrap_or(0))
}

fn strerror(c: &mut Call<'_>) -> Done {
    let mut text = text_of(c.arg(0)?);
    text.push(0);
    let put = move |c: &mut Call<'_>, at: u32| {
        if at == 0 {
            // No memory: the one text that the process has from the DSP.
            let at = c.os.builtins.error_text();
            return c.ret(at.unwrap_or(0));
        }
        c.os.lib.error_text = at;
        c.store(at, &text)?;
        c.ret(at)
    };
    match c.os.lib.error_text {
        0 => allocate(c, ROOM, 16, Box::new(put)),
        at => put(c, at),
    }
}

fn strerror_r(c: &mut Call<'_>) -> Done {
    let (number, to, room) = (c.arg(0)?, c.arg(1)?, c.arg(2)? as usize);
    let mut text = text_of(number);
    let fits = text.len() < room;
    text.truncate(room.saturating_sub(1));
    if room > 0 {
        text.push(0);
        c.store(to, &text)?;
    }
    c.ret(if fits { 0 } else { ERANGE })
}

/// Returns NULL with an error number.
pub fn fail_null(c: &mut Call<'_>, number: u32) -> Done {
    c.set_errno(number)?;
    c.ret(0)
}

/// Returns -1 with an error number.
pub fn fail(c: &mut Call<'_>, number: u32) -> Done {
    c.set_errno(number)?;
    c.ret(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn numbers_have_their_own_texts() {
        let mut g = Guest::new();
        let at = g.call("strerror", &[ENOENT]);
        assert_eq!(g.text(at), "No such file or directory");
        assert_eq!(g.call("strerror", &[u32::MAX]), at);
        assert_eq!(g.text(at), "Unknown error -1");
        let to = g.bytes(&[0xff; 8]);
        assert_eq!(g.call("strerror_r", &[EBUSY, to, 4]), ERANGE);
        assert_eq!(g.read(to, 5), b"Res\0\xff");
        assert_eq!(g.call("strerror_r", &[EBUSY, to, 0]), ERANGE);
    }

    #[test]
    fn perror_tells_errno() {
        let mut g = Guest::new();
        let (errno, what) = (g.call("__errno_location", &[]), g.bytes(b"weights\0"));
        g.write(errno, &ENOENT.to_le_bytes());
        g.call("perror", &[what]);
        let log = g.ap.0.lock().unwrap();
        assert_eq!(log[0].text, "weights: No such file or directory");
    }

    #[test]
    fn each_thread_has_its_own() {
        let mut g = Guest::new();
        let first = g.call("__errno_location", &[]);
        let bad = g.bytes(&[0xff; 16]);
        g.call("nanosleep", &[bad, 0]);
        assert_eq!(g.word(first), EINVAL);
        // The variable of that name is the last of any thread.
        let variable = g.os.builtins.errno().unwrap();
        assert_eq!(g.word(variable), EINVAL);
        let other = g.new_thread(100);
        let me = std::mem::replace(&mut g.thread, other);
        let second = g.call("_Geterrno", &[]);
        assert_eq!((g.word(second), g.word(first)), (0, EINVAL));
        let semaphore = g.bytes(&[0; 32]);
        g.call("sem_trywait", &[semaphore]);
        assert_eq!((g.word(second), g.word(first)), (EAGAIN, EINVAL));
        assert_eq!(g.word(variable), EAGAIN);
        // Who comes after a thread that ended finds 0.
        let ended = g.thread.id;
        g.os.lib.forget_thread(ended);
        g.thread = g.new_thread(100);
        assert_eq!(g.call("__errno", &[]), second);
        assert_eq!(g.word(second), 0);
        g.thread = me;
        assert_eq!(g.call("__errno", &[]), first);
    }
}
