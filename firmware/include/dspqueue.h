/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Packet queues between a program on the AP and a skeleton, as a DSP has them. Names, values and layouts are those of
 * dspqueue.h of qualcomm/fastrpc, which says what each function returns; docs/dspqueue.md has the rest.
 */
#ifndef VHX_DSPQUEUE_H
#define VHX_DSPQUEUE_H

#include <stdint.h>

#include "static_assert.h"

/* Wait for ever. A time of 0 does not wait. */
#define DSPQUEUE_TIMEOUT_NONE 0xffffffffu

enum dspqueue_packet_flags {
    DSPQUEUE_PACKET_FLAG_MESSAGE = 0x0001,
    DSPQUEUE_PACKET_FLAG_BUFFERS = 0x0002,
    DSPQUEUE_PACKET_FLAG_WAKEUP = 0x0004,
    DSPQUEUE_PACKET_FLAG_DRIVER_READY = 0x0008,
    DSPQUEUE_PACKET_FLAG_USER_READY = 0x0010,
    DSPQUEUE_PACKET_FLAG_RESERVED_ZERO = 0xffe0,
};

enum dspqueue_buffer_flags {
    DSPQUEUE_BUFFER_FLAG_REF = 0x04,
    DSPQUEUE_BUFFER_FLAG_DEREF = 0x08,
    DSPQUEUE_BUFFER_FLAG_FLUSH_SENDER = 0x10,
    DSPQUEUE_BUFFER_FLAG_INVALIDATE_SENDER = 0x20,
    DSPQUEUE_BUFFER_FLAG_FLUSH_RECIPIENT = 0x40,
    DSPQUEUE_BUFFER_FLAG_INVALIDATE_RECIPIENT = 0x80,
    DSPQUEUE_BUFFER_FLAG_RESERVED_ZERO = (int)0xffffff00,
};

enum dspqueue_stat {
    DSPQUEUE_STAT_READ_QUEUE_PACKETS = 1,
    DSPQUEUE_STAT_READ_QUEUE_BYTES,
    DSPQUEUE_STAT_WRITE_QUEUE_PACKETS,
    DSPQUEUE_STAT_WRITE_QUEUE_BYTES,
    DSPQUEUE_STAT_EARLY_WAKEUP_WAIT_TIME, /* microseconds; starts again at 0 when it is read */
    DSPQUEUE_STAT_EARLY_WAKEUP_MISSES,    /* as above */
    DSPQUEUE_STAT_SIGNALING_PERF,
};

#define DSPQUEUE_SIGNALING_PERF_REDUCED_SIGNALING 100
#define DSPQUEUE_SIGNALING_PERF_OPTIMIZED_SIGNALING 1000

typedef struct dspqueue *dspqueue_t;

/* A buffer that the AP has mapped under this descriptor, or a part of it. */
struct dspqueue_buffer {
    uint32_t fd;
    uint32_t size; /* 0 when it is written: all of it */
    uint32_t offset;
    uint32_t flags;
    union {
        void *ptr; /* where it is on the DSP, set when it is read */
        uint64_t address;
    };
};
VHX_STATIC_ASSERT(sizeof(struct dspqueue_buffer) == 24, "as in the queue");

typedef void (*dspqueue_callback_t)(dspqueue_t queue, int error, void *context);

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __hexagon__
int dspqueue_import(uint64_t id, dspqueue_callback_t packets, dspqueue_callback_t errors, void *context, dspqueue_t *queue);
#else
/* The AP's library makes queues. */
int dspqueue_create(int domain, uint32_t flags, uint32_t req_queue_size, uint32_t resp_queue_size,
                    dspqueue_callback_t packets, dspqueue_callback_t errors, void *context, dspqueue_t *queue);
int dspqueue_export(dspqueue_t queue, uint64_t *id);
#endif
int dspqueue_close(dspqueue_t queue);
int dspqueue_read(dspqueue_t queue, uint32_t *flags, uint32_t max_buffers, uint32_t *num_buffers,
                  struct dspqueue_buffer *buffers, uint32_t max_message_length, uint32_t *message_length, uint8_t *message,
                  uint32_t timeout_us);
int dspqueue_read_noblock(dspqueue_t queue, uint32_t *flags, uint32_t max_buffers, uint32_t *num_buffers,
                          struct dspqueue_buffer *buffers, uint32_t max_message_length, uint32_t *message_length,
                          uint8_t *message);
int dspqueue_peek(dspqueue_t queue, uint32_t *flags, uint32_t *num_buffers, uint32_t *message_length, uint32_t timeout_us);
int dspqueue_peek_noblock(dspqueue_t queue, uint32_t *flags, uint32_t *num_buffers, uint32_t *message_length);
int dspqueue_write(dspqueue_t queue, uint32_t flags, uint32_t num_buffers, struct dspqueue_buffer *buffers,
                   uint32_t message_length, const uint8_t *message, uint32_t timeout_us);
int dspqueue_write_noblock(dspqueue_t queue, uint32_t flags, uint32_t num_buffers, struct dspqueue_buffer *buffers,
                           uint32_t message_length, const uint8_t *message);
int dspqueue_write_early_wakeup_noblock(dspqueue_t queue, uint32_t wakeup_delay, uint32_t packet_flags);
int dspqueue_get_stat(dspqueue_t queue, enum dspqueue_stat stat, uint64_t *value);

#ifdef __cplusplus
}
#endif

#endif
