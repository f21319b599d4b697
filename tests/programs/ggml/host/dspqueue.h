/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The AP's end of packet queues. Names, values and layouts: inc/dspqueue.h of qualcomm/fastrpc.
 */
#ifndef VHX_HOST_DSPQUEUE_H
#define VHX_HOST_DSPQUEUE_H

#include "AEEStdDef.h"

#define DSPQUEUE_TIMEOUT_NONE 0xffffffffu

enum dspqueue_buffer_flags {
    DSPQUEUE_BUFFER_FLAG_REF = 0x04,
    DSPQUEUE_BUFFER_FLAG_DEREF = 0x08,
    DSPQUEUE_BUFFER_FLAG_FLUSH_SENDER = 0x10,
    DSPQUEUE_BUFFER_FLAG_INVALIDATE_SENDER = 0x20,
    DSPQUEUE_BUFFER_FLAG_FLUSH_RECIPIENT = 0x40,
    DSPQUEUE_BUFFER_FLAG_INVALIDATE_RECIPIENT = 0x80,
};

typedef struct dspqueue *dspqueue_t;

struct dspqueue_buffer {
    uint32_t fd, size, offset, flags;
    union {
        void *ptr;
        uint64_t address;
    };
};

typedef void (*dspqueue_callback_t)(dspqueue_t queue, AEEResult error, void *context);

#ifdef __cplusplus
extern "C" {
#endif

AEEResult dspqueue_create(int domain, uint32_t flags, uint32_t req_queue_size, uint32_t resp_queue_size,
                          dspqueue_callback_t packet_callback, dspqueue_callback_t error_callback, void *context,
                          dspqueue_t *queue);
AEEResult dspqueue_close(dspqueue_t queue);
AEEResult dspqueue_export(dspqueue_t queue, uint64_t *id);
AEEResult dspqueue_write(dspqueue_t queue, uint32_t flags, uint32_t num_buffers, struct dspqueue_buffer *buffers,
                         uint32_t message_length, const uint8_t *message, uint32_t timeout_us);
AEEResult dspqueue_read(dspqueue_t queue, uint32_t *flags, uint32_t max_buffers, uint32_t *num_buffers,
                        struct dspqueue_buffer *buffers, uint32_t max_message_length, uint32_t *message_length,
                        uint8_t *message, uint32_t timeout_us);

#ifdef __cplusplus
}
#endif

#endif
