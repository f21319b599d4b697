/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-queue: packets between a program in the guest and a skeleton (libpackets_skel.so), over the library's dspqueue.
 *
 *   vh-queue [--packets N] [--import METHOD]
 *
 * Sends N packets of all sizes, every eighth with references to parts of a buffer, and checks each that comes back:
 * queue packets N wrong N, then per_second N; then the skeleton's own count, and whether everything closes.
 */
#include <string.h>
#include <time.h>

#include "cdsprpc.h"

#define CHANGED 64 /* bytes that the skeleton changes */
#define RING (256 << 10)
#define PART 512
#define PARTS 64

struct buffer {
    uint32_t fd, size, offset, flags;
    uint64_t address;
};

enum { REF = 4, FLUSH_SENDER = 0x10, INVALIDATE_RECIPIENT = 0x80, WOULD_BLOCK = 516, MAP_FD = 2 };

static struct {
    int (*create)(int domain, uint32_t flags, uint32_t requests, uint32_t responses, void *packet, void *error, void *context,
                  void **queue);
    int (*export)(void *queue, uint64_t *id);
    int (*write)(void *queue, uint32_t flags, uint32_t count, struct buffer *list, uint32_t length, const uint8_t *message);
    int (*read)(void *queue, uint32_t *flags, uint32_t room, uint32_t *count, struct buffer *list, uint32_t most,
                uint32_t *length, uint8_t *message, uint32_t timeout);
    int (*close)(void *queue);
    int (*map)(int domain, int fd, void *at, int offset, size_t length, int flags);
    int (*unmap)(int domain, int fd, void *at, size_t length);
} q;

static uint8_t out[65536], back[65536];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void check(const char *what, int e)
{
    printf("%s = 0x%x\n", what, e);
    if (e)
        exit(3);
}

/* Every short length, now and then a page, rarely up to the longest. */
static uint32_t length_of(uint32_t n)
{
    if (n % 1009 == 1008)
        return n / 1009 * 7919 % 65537;
    return n % 101 == 100 ? n % 4097 : n % 257;
}

static uint32_t buffers_of(uint32_t n)
{
    return n % 8 == 7 ? 1 + n / 8 % 4 : 0;
}

static uint8_t byte_of(uint32_t n, uint32_t i)
{
    return (uint8_t)(n * 31 + i);
}

static void *shared;
static int shared_fd;

static struct buffer part(uint32_t n, uint32_t i)
{
    return (struct buffer){shared_fd, 1 + n % PART, (n + i) % PARTS * PART, REF | FLUSH_SENDER | INVALIDATE_RECIPIENT, 0};
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint32_t packets = 10000, import = 2;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--packets"))
            packets = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--import"))
            import = atol(argv[i + 1]);
    }
    rpc_load();
    q.create = rpc_symbol(rpc.library, "dspqueue_create");
    q.export = rpc_symbol(rpc.library, "dspqueue_export");
    q.write = rpc_symbol(rpc.library, "dspqueue_write_noblock");
    q.read = rpc_symbol(rpc.library, "dspqueue_read");
    q.close = rpc_symbol(rpc.library, "dspqueue_close");
    q.map = rpc_symbol(rpc.library, "fastrpc_mmap");
    q.unmap = rpc_symbol(rpc.library, "fastrpc_munmap");
    check("unsigned", rpc_unsigned());
    uint64_t handle, id = 0;
    check("open", rpc_open("packets", "", &handle));
    shared = rpc_memory(PART * PARTS);
    shared_fd = rpc.to_fd(shared);
    check("map", q.map(rpc_domain(), shared_fd, shared, 0, PART * PARTS, MAP_FD));
    void *queue;
    check("create", q.create(rpc_domain(), 0, RING, RING, NULL, NULL, NULL, &queue));
    check("export", q.export(queue, &id));
    remote_arg in = rpc_buffer(&id, sizeof id);
    check("import", rpc.invoke(handle, SC(import, 1, 0), &in));

    uint32_t sent = 0, received = 0, wrong = 0;
    double start = now();
    while (received < packets) {
        if (sent < packets) {
            struct buffer list[4];
            uint32_t length = length_of(sent), count = buffers_of(sent);
            for (uint32_t i = 0; i < length; i++)
                out[i] = byte_of(sent, i);
            for (uint32_t i = 0; i < count; i++)
                list[i] = part(sent, i);
            int e = q.write(queue, 0, count, count ? list : NULL, length, length ? out : NULL);
            if (!e) {
                sent++;
                continue;
            }
            if (e != WOULD_BLOCK)
                check("write", e);
        }
        uint32_t flags, count = 0, length = 0;
        struct buffer list[64];
        int e = q.read(queue, &flags, 64, &count, list, sizeof back, &length, back, 60000000);
        if (e)
            check("read", e);
        int same = length == length_of(received) && count == buffers_of(received);
        for (uint32_t i = 0; i < length && same; i++)
            same = back[i] == (uint8_t)(byte_of(received, i) + (i < CHANGED));
        for (uint32_t i = 0; i < count && same; i++) {
            struct buffer want = part(received, i);
            same = list[i].size == want.size && list[i].offset == want.offset &&
                   list[i].address == (uintptr_t)shared + want.offset;
        }
        wrong += !same;
        received++;
    }
    double took = now() - start;
    printf("queue packets %u wrong %u\nper_second %.0f\n", received, wrong, received / took);
    /* The sum of what the skeleton did to the buffer: each part that a packet named, its first bytes once. */
    uint32_t sum = 0, want = 0;
    static uint8_t expected[PART * PARTS];
    for (uint32_t n = 0; n < packets; n++)
        for (uint32_t i = 0; i < buffers_of(n); i++) {
            struct buffer b = part(n, i);
            for (uint32_t k = 0; k < b.size && k < CHANGED; k++)
                expected[b.offset + k]++;
        }
    for (uint32_t i = 0; i < PART * PARTS; i++) {
        sum += ((uint8_t *)shared)[i];
        want += expected[i];
    }
    printf("buffers %s\n", sum == want && !memcmp(shared, expected, sizeof expected) ? "right" : "wrong");
    uint32_t counts[2] = {0, 0};
    remote_arg answer = rpc_buffer(counts, sizeof counts);
    check("finish", rpc.invoke(handle, SC(3, 0, 1), &answer));
    printf("skeleton sent %u wrong %u\n", counts[0], counts[1]);
    check("close", q.close(queue));
    check("unmap", q.unmap(rpc_domain(), shared_fd, shared, PART * PARTS));
    rpc.free(shared);
    check("end", rpc.close(handle));
    return 0;
}
