/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Facts about files of the AP. Functions for permissions are refused (ENOSYS), the AP chooses those of new files.
 */
#ifndef VHX_SYS_STAT_H
#define VHX_SYS_STAT_H

#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stat {
    dev_t st_dev;
    ino_t st_ino;
    mode_t st_mode;
    nlink_t st_nlink;
    uid_t st_uid;
    gid_t st_gid;
    dev_t st_rdev;
    unsigned long long reserved_pad;
    off_t st_size;
    blksize_t st_blksize;
    int reserved_word;
    blkcnt_t st_blocks;
    struct timespec st_atim;
    struct timespec st_mtim;
    struct timespec st_ctim;
    unsigned reserved[2];
};

#define st_atime st_atim.tv_sec
#define st_mtime st_mtim.tv_sec
#define st_ctime st_ctim.tv_sec

#define S_IFMT 0170000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_IFREG 0100000
#define S_IFIFO 0010000
#define S_IFLNK 0120000
#define S_IFSOCK 0140000
#define S_ISDIR(mode) (((mode) & S_IFMT) == S_IFDIR)
#define S_ISCHR(mode) (((mode) & S_IFMT) == S_IFCHR)
#define S_ISBLK(mode) (((mode) & S_IFMT) == S_IFBLK)
#define S_ISREG(mode) (((mode) & S_IFMT) == S_IFREG)
#define S_ISFIFO(mode) (((mode) & S_IFMT) == S_IFIFO)
#define S_ISLNK(mode) (((mode) & S_IFMT) == S_IFLNK)
#define S_ISSOCK(mode) (((mode) & S_IFMT) == S_IFSOCK)
#define S_IRWXU 0700
#define S_IRUSR 0400
#define S_IWUSR 0200
#define S_IXUSR 0100
#define S_IRWXG 0070
#define S_IRGRP 0040
#define S_IWGRP 0020
#define S_IXGRP 0010
#define S_IRWXO 0007
#define S_IROTH 0004
#define S_IWOTH 0002
#define S_IXOTH 0001

int stat(const char *path, struct stat *facts);
int lstat(const char *path, struct stat *facts);
int fstat(int fd, struct stat *facts);
int mkdir(const char *path, mode_t mode);
mode_t umask(mode_t mode); /* without effect */
int chmod(const char *path, mode_t mode); /* refused, as the next ones */
int fchmod(int fd, mode_t mode);
int fstatat(int directory, const char *path, struct stat *facts, int flags);
int utimensat(int directory, const char *path, const struct timespec times[2], int flags);

#ifdef __cplusplus
}
#endif

#endif
