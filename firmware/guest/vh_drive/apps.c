/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What the DSP may ask of us while it opens and runs a skeleton: its files (apps_std), memory for its heap (apps_mem), a
 * place for its log (adspmsgd_apps), and the way to all three (apps_remotectl). Files are read along DSP_LIBRARY_PATH;
 * nothing is ever written. Everything else is refused as unsupported, as a plain result of the method.
 *
 * Source of the methods and their layouts: src/apps_std_skel.c, apps_mem_skel.c, adspmsgd_apps_skel.c of qualcomm/fastrpc.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "fastrpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Result codes without the DSP's offset. */
enum { BAD_PARM = 0x0e, UNSUPPORTED = 0x14, NO_MODULE = 0x2c, NO_SUCH_MODULE = 0x3e, NO_MEMORY = 0x68 };
enum { REMOTECTL = 0, STD = 0x1000, MEM, LOG };
enum { MOST_BUFFERS = 8, MOST_FILES = 32, FIRST_FILE = 100, MOST_BYTES = 16 << 20, LOG_RECORD = 256 };

struct apps {
    int fd;
    FILE *files[MOST_FILES];
};

struct buffer {
    uint8_t *data;
    uint32_t size;
};

/* One request, unpacked; the buffers of `out` are in the reply already. */
struct ask {
    struct buffer in[MOST_BUFFERS], out[MOST_BUFFERS];
    unsigned ins, outs;
};

void pack_bytes(struct pack *pack, const void *data, size_t size)
{
    if (pack->size + size > pack->room) {
        pack->room = (pack->size + size) * 2;
        pack->data = realloc(pack->data, pack->room);
        if (!pack->data)
            abort();
    }
    if (data)
        memcpy(pack->data + pack->size, data, size);
    else
        memset(pack->data + pack->size, 0, size);
    pack->size += size;
}

static bool take(const uint8_t *pack, size_t size, size_t *at, uint32_t *value)
{
    if (size - *at < 4)
        return false;
    memcpy(value, pack + *at, 4);
    *at += 4;
    return true;
}

/* Every input as {length, to a multiple of 8, bytes}, then the room of every output. Numbers are not aligned. */
static bool unpack(struct ask *ask, uint32_t scalars, const uint8_t *pack, size_t size)
{
    ask->ins = scalars >> 16 & 0xff;
    ask->outs = scalars >> 8 & 0xff;
    if (ask->ins > MOST_BUFFERS || ask->outs > MOST_BUFFERS || scalars & 0xff)
        return false;
    size_t at = 0;
    for (unsigned i = 0; i < ask->ins; i++) {
        if (!take(pack, size, &at, &ask->in[i].size))
            return false;
        if (!ask->in[i].size)
            continue;
        at = (at + 7) & ~(size_t)7;
        if (at > size || ask->in[i].size > size - at)
            return false;
        ask->in[i].data = (uint8_t *)pack + at;
        at += ask->in[i].size;
    }
    for (unsigned i = 0; i < ask->outs; i++)
        if (!take(pack, size, &at, &ask->out[i].size) || ask->out[i].size > MOST_BYTES)
            return false;
    return true;
}

/* Lays out the reply; buffers are found when its memory does not move any more. */
static void reserve(struct ask *ask, struct pack *reply)
{
    size_t place[MOST_BUFFERS] = {0};
    for (unsigned i = 0; i < ask->outs; i++) {
        pack_bytes(reply, &ask->out[i].size, 4);
        if (!ask->out[i].size)
            continue;
        pack_bytes(reply, NULL, -reply->size & 7);
        place[i] = reply->size;
        pack_bytes(reply, NULL, ask->out[i].size);
    }
    for (unsigned i = 0; i < ask->outs; i++)
        ask->out[i].data = reply->data + place[i];
}

static uint32_t word(const struct ask *ask, unsigned index)
{
    uint32_t value = 0;
    if (ask->ins && ask->in[0].size >= 4 * (index + 1))
        memcpy(&value, ask->in[0].data + 4 * index, 4);
    return value;
}

static void put(struct ask *ask, unsigned offset, uint64_t value, unsigned width)
{
    if (ask->outs && ask->out[0].size >= offset + width)
        memcpy(ask->out[0].data + offset, &value, width);
}

static const char *text_of(const struct ask *ask, unsigned index)
{
    if (index >= ask->ins || !ask->in[index].size || ask->in[index].data[ask->in[index].size - 1])
        return NULL;
    return (const char *)ask->in[index].data;
}

static uint32_t remotectl(struct ask *ask, uint32_t method)
{
    if (method == 1)
        return 0;
    const char *name = text_of(ask, 1);
    if (method || !name)
        return method ? UNSUPPORTED : BAD_PARM;
    static const char *const modules[] = {"apps_std", "apps_mem", "adspmsgd_apps"};
    for (unsigned i = 0; i < sizeof modules / sizeof *modules; i++)
        if (!strcmp(name, modules[i])) {
            put(ask, 0, STD + i, 4);
            return 0;
        }
    put(ask, 4, NO_MODULE, 4);
    return 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static FILE *find_file(const char *name)
{
    const char *path = getenv("DSP_LIBRARY_PATH");
    if (!path)
        path = "/vh/skel;";
    for (;;) {
        size_t n = strcspn(path, ";");
        char file[512];
        snprintf(file, sizeof file, "%.*s%s%s", (int)n, path, n ? "/" : "", name);
        FILE *found = fopen(file, "rbe");
        if (found || !path[n])
            return found;
        path += n + 1;
    }
}

static uint32_t open_file(struct apps *apps, struct ask *ask, const char *name)
{
    if (!name || strchr(name, '/'))
        return name ? ENOENT : BAD_PARM;
    int free = 0;
    while (free < MOST_FILES && apps->files[free])
        free++;
    if (free == MOST_FILES)
        return EMFILE;
    if (!(apps->files[free] = find_file(name)))
        return ENOENT;
    put(ask, 0, (uint64_t)(FIRST_FILE + free), 4);
    return 0;
}

static uint32_t std(struct apps *apps, struct ask *ask, uint32_t method)
{
    if (method == 19)
        return open_file(apps, ask, text_of(ask, 3));
    uint32_t index = word(ask, 0) - FIRST_FILE;
    bool served = method == 3 || method == 4 || (method >= 8 && method <= 10);
    if (!served)
        return UNSUPPORTED;
    FILE *file = index < MOST_FILES ? apps->files[index] : NULL;
    if (!file)
        return EBADF;
    struct stat status;
    switch (method) {
    case 3:
        fclose(file);
        apps->files[index] = NULL;
        return 0;
    case 4: {
        if (ask->outs < 2)
            return BAD_PARM;
        clearerr(file);
        size_t n = fread(ask->out[1].data, 1, ask->out[1].size, file);
        put(ask, 0, n, 4);
        put(ask, 4, n < ask->out[1].size, 4);
        return 0;
    }
    case 8:
        put(ask, 0, (uint64_t)ftell(file), 4);
        return 0;
    case 9:
        return word(ask, 2) > 2 || fseek(file, (int32_t)word(ask, 1), (int)word(ask, 2)) ? BAD_PARM : 0;
    default:
        if (fstat(fileno(file), &status))
            return EIO;
        put(ask, 0, (uint64_t)status.st_size, 8);
        return 0;
    }
}

/* ---- memory and log -------------------------------------------------------------------------------------------------- */

static uint64_t long_word(const struct ask *ask, unsigned offset)
{
    return word(ask, offset / 4) | (uint64_t)word(ask, offset / 4 + 1) << 32;
}

static uint32_t mem(struct apps *apps, struct ask *ask, uint32_t method)
{
    if (method == 2) {
        if (word(ask, 2) != FR_ADD_PAGES)
            return UNSUPPORTED;
        uint64_t address = 0;
        if (memory_add(apps->fd, long_word(ask, 24), &address))
            return NO_MEMORY;
        put(ask, 8, address, 8);
        return 0;
    }
    if (method == 3)
        return memory_remove(apps->fd, long_word(ask, 0), long_word(ask, 8)) ? BAD_PARM : 0;
    return UNSUPPORTED;
}

/* Records {u32 level, u16 line, u16 thread, char text[218], char file[30]}. */
static uint32_t log_lines(const struct ask *ask)
{
    for (uint32_t at = 0; ask->ins > 1 && at + LOG_RECORD <= ask->in[1].size; at += LOG_RECORD) {
        const char *record = (const char *)ask->in[1].data + at;
        print_line("dsp: %.30s: %.218s", record + 8 + 218, record + 8);
    }
    return 0;
}

uint32_t apps_serve(struct apps *apps, uint32_t handle, uint32_t scalars, const uint8_t *pack, size_t size,
                    struct pack *reply)
{
    struct ask ask = {0};
    uint32_t method = scalars >> 24 & 0x1f;
    if (!unpack(&ask, scalars, pack, size))
        return BAD_PARM;
    reserve(&ask, reply);
    switch (handle) {
    case REMOTECTL: return remotectl(&ask, method);
    case STD: return std(apps, &ask, method);
    case MEM: return mem(apps, &ask, method);
    case LOG: return method ? UNSUPPORTED : log_lines(&ask);
    default: return NO_SUCH_MODULE;
    }
}

struct apps *apps_new(int fd)
{
    struct apps *apps = calloc(1, sizeof *apps);
    if (apps)
        apps->fd = fd;
    return apps;
}

void apps_free(struct apps *apps)
{
    for (int i = 0; apps && i < MOST_FILES; i++)
        if (apps->files[i])
            fclose(apps->files[i]);
    free(apps);
}
