/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Which driver a descriptor belongs to, and how a DSP's node is found. Nothing is remembered of a descriptor: the kernel
 * knows what it is, so copies, inherited ones, and those of a node that is gone are told, too.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "fastrpc.h"
#include "qda.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool is_qda(int fd)
{
    struct stat status;
    return !fstat(fd, &status) && S_ISCHR(status.st_mode) && major(status.st_rdev) == QDA_ACCEL_MAJOR;
}

int64_t qda_posting(int fd)
{
    /* A kernel has one driver of the name. */
    static atomic_int known;
    if (!atomic_load(&known)) {
        struct qda_gem_offset data = QDA_PROBE;
        int64_t status = request(fd, QDA_GEM_OFFSET, &data);
        int posting = qda_posting_by(status);
        if (!posting)
            return status ? status : -EPROTO;
        atomic_store(&known, posting);
    }
    return atomic_load(&known);
}

int64_t driver_number(int fd)
{
    if (is_qda(fd))
        return qda_posting(fd);
    struct stat status;
    char path[64], node[64];
    if (fstat(fd, &status))
        return -errno;
    snprintf(path, sizeof path, "/sys/dev/char/%u:%u", major(status.st_rdev), minor(status.st_rdev));
    ssize_t n = S_ISCHR(status.st_mode) ? readlink(path, node, sizeof node - 1) : -1;
    node[n < 0 ? 0 : n] = 0;
    const char *name = strrchr(node, '/');
    return name && !strncmp(name, "/fastrpc-", 9) ? DRIVER_FASTRPC : -ENOTTY;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------------- */

/* Whether a node's DSP may have this label, which the device tree tells. Opening a node to ask is told to its DSP, so one
 * of another DSP is left alone. */
static bool may_be(const char *node, const char *label)
{
    char path[128], found[32] = "";
    snprintf(path, sizeof path, "/sys/class/accel/%s/device/of_node/label", strrchr(node, '/') + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    ssize_t n = read(fd, found, sizeof found - 1);
    close(fd);
    return n < 0 || !strcmp(found, label);
}

int64_t qda_node_open(const char *label)
{
    glob_t found = {0};
    int64_t result = -ENOENT;
    glob("/dev/accel/accel*", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc && result < 0; i++) {
        if (!may_be(found.gl_pathv[i], label))
            continue;
        struct qda_query query = {{0}};
        int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
        if (fd < 0)
            result = -errno;
        else if (!request(fd, QDA_QUERY, &query) && !strncmp((char *)query.name, label, sizeof query.name))
            result = fd;
        else
            close(fd);
    }
    globfree(&found);
    return result;
}

int64_t node_present(const char *label)
{
    char path[128];
    snprintf(path, sizeof path, "/dev/fastrpc-%s", label);
    if (!access(path, F_OK))
        return 0;
    glob_t found = {0};
    int64_t status = -ENOENT;
    glob("/dev/accel/accel*", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (may_be(found.gl_pathv[i], label))
            status = 0;
    globfree(&found);
    return status;
}

int64_t node_open(const char *label, bool secure)
{
    char path[128];
    if (*label == '/')
        snprintf(path, sizeof path, "%s", label);
    else
        snprintf(path, sizeof path, "/dev/fastrpc-%s%s", label, secure ? "-secure" : "");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    /* QDA has no second node for signed processes. */
    return errno == ENOENT && *label != '/' && !secure ? qda_node_open(label) : -errno;
}
