/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Packets over a queue instead of calls: each packet comes back with the first bytes of its message and of its buffers one
 * higher.
 *
 *   2 import(u64 id)                   in[0]: answers from the queue's packet callback
 *   3 finish() -> u32 sent, u32 wrong  out[0]: closes the queue; packets that went back, and calls that failed
 *   4 import_thread(u64 id)            in[0]: answers from a thread of its own that waits in dspqueue_read
 *   5 counts() -> u32 sent, u32 wrong  out[0]: the same, without an end
 */
#include "dspqueue.h"
#include "qurt.h"
#include "skel.h"

#define CHANGED 64 /* bytes */

static dspqueue_t queue;
static volatile uint32_t sent, wrong;
static struct dspqueue_buffer buffers[64];
static uint8_t message[65536];
static uint8_t stack[16384] __attribute__((aligned(16)));
static uint32_t thread;

static void raise(uint8_t *at, uint32_t length)
{
    for (uint32_t i = 0; i < length && i < CHANGED; i++)
        at[i]++;
}

/* Reads one packet and sends it back. */
static int answer(dspqueue_t q, uint32_t timeout)
{
    uint32_t flags, count, length;
    int e = timeout ? dspqueue_read(q, &flags, 64, &count, buffers, sizeof message, &length, message, timeout)
                    : dspqueue_read_noblock(q, &flags, 64, &count, buffers, sizeof message, &length, message);
    if (e)
        return e;
    raise(message, length);
    for (uint32_t i = 0; i < count; i++) {
        raise(buffers[i].ptr, buffers[i].size);
        /* The reference that came with it goes back. */
        if (buffers[i].flags & DSPQUEUE_BUFFER_FLAG_REF)
            buffers[i].flags = DSPQUEUE_BUFFER_FLAG_DEREF | DSPQUEUE_BUFFER_FLAG_FLUSH_SENDER;
    }
    e = dspqueue_write(q, 0, count, count ? buffers : NULL, length, length ? message : NULL, DSPQUEUE_TIMEOUT_NONE);
    if (e)
        wrong++;
    else
        sent++;
    return e;
}

static void packets(dspqueue_t q, int error, void *context)
{
    (void)context;
    int e = error;
    while (!e)
        e = answer(q, 0);
    if (e != AEE_EWOULDBLOCK)
        wrong++;
}

static void broken(dspqueue_t q, int error, void *context)
{
    (void)q, (void)error, (void)context;
    wrong++;
}

static void serve(void *unused)
{
    (void)unused;
    int e;
    while (!(e = answer(queue, DSPQUEUE_TIMEOUT_NONE)))
        ;
    if (e != AEE_EINTERRUPTED)
        wrong++;
}

static int import(void *context, remote_arg *args)
{
    (void)context;
    sent = wrong = 0;
    return dspqueue_import(*(const uint64_t *)args[0].buf.pv, packets, broken, NULL, &queue);
}

static int import_thread(void *context, remote_arg *args)
{
    (void)context;
    sent = wrong = 0;
    int e = dspqueue_import(*(const uint64_t *)args[0].buf.pv, NULL, NULL, NULL, &queue);
    if (e)
        return e;
    qurt_thread_attr_t attributes;
    qurt_thread_attr_init(&attributes);
    attributes.priority = 192;
    attributes.stack_addr = stack;
    attributes.stack_size = sizeof stack;
    return qurt_thread_create(&thread, &attributes, serve, NULL) ? (int)AEE_EFAILED : AEE_SUCCESS;
}

static int counts(void *context, remote_arg *args)
{
    (void)context;
    uint32_t *out = args[0].buf.pv;
    out[0] = sent;
    out[1] = wrong;
    return AEE_SUCCESS;
}

static int finish(void *context, remote_arg *args)
{
    int e = dspqueue_close(queue), status;
    if (thread)
        qurt_thread_join(thread, &status);
    thread = 0;
    counts(context, args);
    return e;
}

static const struct skel_method methods[] = {
    {2, SC(0, 1, 0, 0, 0), import, {8}},
    {3, SC(0, 0, 1, 0, 0), finish, {8}},
    {4, SC(0, 1, 0, 0, 0), import_thread, {8}},
    {5, SC(0, 0, 1, 0, 0), counts, {8}},
};
SKELETON(packets, methods)
