//! Functions of C and POSIX that a DSP has nothing for: processes, users, terminals, temporary files, mapped files, timers that send
//! signals. They are here so that a library that names them can be loaded; each answers its documented error (ENOSYS), and the
//! process's log says so once.

use super::errno::{ENOSYS, fail, fail_null};
use super::qurt_misc::IMPORTS as QURT;
use super::unistd::IMPORTS as UNISTD;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, alias, import};
use emu_core::mem::PAGE_SIZE;

/// A function that answers -1 and ENOSYS.
const fn refused(name: &'static str, line: &'static str) -> Import {
    import(name, |c| fail(c, ENOSYS), line).refuses("-1, errno ENOSYS")
}

/// A function that answers NULL and ENOSYS.
const fn none(name: &'static str, line: &'static str) -> Import {
    import(name, |c| fail_null(c, ENOSYS), line).refuses("NULL, errno ENOSYS")
}

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    alias("getpid", QURT, "qurt_getpid", "`pid_t getpid(void)`: as qurt_getpid"),
    import("getuid", |c| c.ret(0), "`uid_t getuid(void)`: 0, a DSP has no users"),
    import("geteuid", |c| c.ret(0), "`uid_t geteuid(void)`: 0, a DSP has no users"),
    import("getgid", |c| c.ret(0), "`gid_t getgid(void)`: 0, a DSP has no groups"),
    import("getegid", |c| c.ret(0), "`gid_t getegid(void)`: 0, a DSP has no groups"),
    import("getppid", |c| c.ret(0), "`pid_t getppid(void)`: 0, no process of the DSP has made this one"),
    import("umask", |c| c.ret(0), "`mode_t umask(mode_t)`: permissions of new files, which the AP chooses").without_effect("0"),
    refused("setuid", "`int setuid(uid_t)`: another user"),
    refused("setgid", "`int setgid(gid_t)`: another group"),
    none("getlogin", "`char *getlogin(void)`: the user's name"),
    none("ttyname", "`char *ttyname(int fd)`: a terminal's name"),
    refused("uname", "`int uname(struct utsname *)`: what the system is called"),
    alias("fdatasync", UNISTD, "fsync", "`int fdatasync(int fd)`: as fsync"),
    import("getpagesize", |c| c.ret(PAGE_SIZE), "`int getpagesize(void)`: bytes of a page"),
    import("system", system, "`int system(const char *command)`: runs a command").refuses("0 for NULL, otherwise -1, errno ENOSYS"),
    none("tmpfile", "`FILE *tmpfile(void)`: a file without a name"),
    none("tmpnam", "`char *tmpnam(char *)`: a name that no file has"),
    none("tempnam", "`char *tempnam(const char *folder, const char *prefix)`: a name that no file has"),
    refused("mkstemp", "`int mkstemp(char *pattern)`: a file with a new name"),
    none("mkdtemp", "`char *mkdtemp(char *pattern)`: a directory with a new name"),
    none("popen", "`FILE *popen(const char *command, const char *mode)`: a command's output or input"),
    refused("pclose", "`int pclose(FILE *)`: the end of a command"),
    none("realpath", "`char *realpath(const char *path, char *to)`: a path without links"),
    none("getcwd", "`char *getcwd(char *, size_t)`: the current directory, which there is not"),
    refused("chdir", "`int chdir(const char *path)`: another current directory"),
    refused("chmod", "`int chmod(const char *path, mode_t)`: a file's permissions"),
    refused("fchmod", "`int fchmod(int fd, mode_t)`: a file's permissions"),
    refused("chown", "`int chown(const char *path, uid_t, gid_t)`: a file's owner"),
    refused("link", "`int link(const char *old, const char *new)`: another name for a file"),
    refused("symlink", "`int symlink(const char *target, const char *path)`: a symbolic link"),
    refused("readlink", "`ssize_t readlink(const char *path, char *to, size_t room)`: where a symbolic link points"),
    refused("pipe", "`int pipe(int fd[2])`: a pipe"),
    refused("openat", "`int openat(int directory, const char *path, int flags, ...)`: a file of a directory"),
    refused("unlinkat", "`int unlinkat(int directory, const char *path, int flags)`: removes a file of a directory"),
    refused("fstatat", "`int fstatat(int directory, const char *path, struct stat *, int flags)`: facts about a file of a directory"),
    refused("utimensat", "`int utimensat(int directory, const char *path, const struct timespec times[2], int flags)`: a file's times"),
    refused("dirfd", "`int dirfd(DIR *)`: a directory's descriptor"),
    none("fdopendir", "`DIR *fdopendir(int fd)`: a descriptor as a directory"),
    refused("pathconf", "`long pathconf(const char *path, int name)`: limits of a file"),
    refused("poll", "`int poll(struct pollfd *, nfds_t, int timeout)`: waits for descriptors"),
    refused("select", "`int select(int, fd_set *, fd_set *, fd_set *, struct timeval *)`: waits for descriptors"),
    import("mmap", |c| fail(c, ENOSYS), "`void *mmap(void *, size_t len, int protection, int flags, int fd, off_t)`: maps a file; HAP_mmap maps the AP's memory").refuses("MAP_FAILED (-1), errno ENOSYS"),
    refused("munmap", "`int munmap(void *, size_t)`: takes back what mmap mapped"),
    refused("mprotect", "`int mprotect(void *, size_t, int protection)`: how memory may be used"),
    refused("madvise", "`int madvise(void *, size_t, int advice)`: how memory will be used"),
    refused("fork", "`pid_t fork(void)`: another process"),
    refused("execv", "`int execv(const char *path, char *const arguments[])`: another program"),
    refused("execvp", "`int execvp(const char *file, char *const arguments[])`: another program"),
    refused("waitpid", "`pid_t waitpid(pid_t, int *status, int options)`: the end of another process"),
    refused("kill", "`int kill(pid_t, int signal)`: a signal to a process; raise sends one to this"),
    refused("gethostname", "`int gethostname(char *, size_t)`: the machine's name"),
    refused("getentropy", "`int getentropy(void *, size_t)`: random bytes, which a DSP has no source of"),
    refused("getrusage", "`int getrusage(int who, struct rusage *)`: what was used"),
    refused("getrlimit", "`int getrlimit(int resource, struct rlimit *)`: what may be used"),
    refused("setrlimit", "`int setrlimit(int resource, const struct rlimit *)`: what may be used"),
    refused("sigwait", "`int sigwait(const sigset_t *, int *)`: waits for a signal, and none comes"),
    refused("sigsuspend", "`int sigsuspend(const sigset_t *)`: waits for a signal, and none comes"),
    refused("sigpending", "`int sigpending(sigset_t *)`: signals that wait"),
    refused("sigaltstack", "`int sigaltstack(const stack_t *, stack_t *)`: a stack for handlers; raise uses the thread's"),
    refused("pause", "`int pause(void)`: waits for a signal, and none comes"),
    refused("clock_settime", "`int clock_settime(clockid_t, const struct timespec *)`: sets a clock"),
    refused("settimeofday", "`int settimeofday(const struct timeval *, const void *)`: sets the clock"),
    refused("timer_create", "`int timer_create(clockid_t, struct sigevent *, timer_t *)`: a timer; qurt_timer_create makes some"),
    refused("timer_delete", "`int timer_delete(timer_t)`: the end of a timer"),
    refused("timer_settime", "`int timer_settime(timer_t, int flags, const struct itimerspec *, struct itimerspec *)`: starts a timer"),
    refused("timer_gettime", "`int timer_gettime(timer_t, struct itimerspec *)`: what is left of a timer"),
    refused("times", "`clock_t times(struct tms *)`: processor times"),
];

fn system(c: &mut Call<'_>) -> Done {
    match c.arg(0)? {
        // There is no shell: that is no error.
        0 => c.ret(0),
        _ => fail(c, ENOSYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn what_there_is_not_says_so() {
        let mut g = Guest::new();
        let errno = g.os.builtins.errno().unwrap();
        for (name, want) in [
            ("tmpfile", 0),
            ("fork", u32::MAX),
            ("mmap", u32::MAX),
            ("getcwd", 0),
            ("system", u32::MAX),
        ] {
            g.write(errno, &[0; 4]);
            assert_eq!(
                (g.call(name, &[1, 2, 3, 4]), g.word(errno)),
                (want, ENOSYS),
                "{name}"
            );
        }
        assert_eq!(
            (g.call("system", &[0]), g.call("getpagesize", &[])),
            (0, PAGE_SIZE)
        );
    }
}
