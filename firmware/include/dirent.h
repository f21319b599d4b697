/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Directories of the AP. What kind of file an entry is, is not known (DT_UNKNOWN).
 */
#ifndef VHX_DIRENT_H
#define VHX_DIRENT_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct DIR DIR;

struct dirent {
    ino_t d_ino;
    off_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[256];
};

#define DT_UNKNOWN 0

DIR *opendir(const char *path);
struct dirent *readdir(DIR *directory);
int closedir(DIR *directory);
int dirfd(DIR *directory); /* refused, as the next one */
DIR *fdopendir(int fd);

#ifdef __cplusplus
}
#endif

#endif
