/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Descriptors and files of the AP, sleeps, options. A DSP has no users, no terminals and one process.
 */
#ifndef VHX_UNISTD_H
#define VHX_UNISTD_H

#include <getopt.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#define _SC_PAGESIZE 30
#define _SC_PAGE_SIZE 30
#define _SC_NPROCESSORS_CONF 83
#define _SC_NPROCESSORS_ONLN 84

ssize_t read(int fd, void *to, size_t len);
ssize_t write(int fd, const void *from, size_t len);
ssize_t pread(int fd, void *to, size_t len, off_t at);
ssize_t pwrite(int fd, const void *from, size_t len, off_t at);
off_t lseek(int fd, off_t offset, int whence);
int close(int fd);
int dup(int fd);
int dup2(int fd, int to);
int dup3(int fd, int to, int flags);
int fsync(int fd);
int fdatasync(int fd);
int ftruncate(int fd, off_t len);
int truncate(const char *path, off_t len);
int isatty(int fd);
int access(const char *path, int mode);
int unlink(const char *path);
int rmdir(const char *path);

unsigned sleep(unsigned seconds);
int usleep(unsigned us);
pid_t getpid(void);
pid_t getppid(void);
uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);
long sysconf(int name);
int getpagesize(void);
void _exit(int status) __attribute__((noreturn));
void swab(const void *from, void *to, ssize_t len);

/* Refused. */
char *getcwd(char *to, size_t room);
int chdir(const char *path);
int chown(const char *path, uid_t user, gid_t group);
int link(const char *old, const char *path);
int symlink(const char *target, const char *path);
ssize_t readlink(const char *path, char *to, size_t room);
int unlinkat(int directory, const char *path, int flags);
long pathconf(const char *path, int name);
int pipe(int fd[2]);
pid_t fork(void);
int execv(const char *path, char *const arguments[]);
int execvp(const char *file, char *const arguments[]);
int pause(void);
int setuid(uid_t user);
int setgid(gid_t group);
char *getlogin(void);
char *ttyname(int fd);
int gethostname(char *to, size_t room);
int getentropy(void *to, size_t len);

#ifdef __cplusplus
}
#endif

#endif
