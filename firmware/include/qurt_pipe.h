/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Pipes: doublewords from thread to thread.
 */
#ifndef QURT_PIPE_H
#define QURT_PIPE_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long long int qurt_pipe_data_t;

typedef struct {
    uint64_t opaque[8];
} qurt_pipe_t;

/* The buffer may be NULL: it is not used. */
typedef struct {
    qurt_pipe_data_t *buffer;
    unsigned int elements;
    unsigned char mem_partition;
} qurt_pipe_attr_t;

static inline void qurt_pipe_attr_init(qurt_pipe_attr_t *how)
{
    __builtin_memset(how, 0, sizeof *how);
}

static inline void qurt_pipe_attr_set_buffer(qurt_pipe_attr_t *how, qurt_pipe_data_t *buffer)
{
    how->buffer = buffer;
}

static inline void qurt_pipe_attr_set_elements(qurt_pipe_attr_t *how, unsigned int elements)
{
    how->elements = elements;
}

static inline void qurt_pipe_attr_set_buffer_partition(qurt_pipe_attr_t *how, unsigned char partition)
{
    how->mem_partition = partition;
}

int qurt_pipe_init(qurt_pipe_t *pipe, qurt_pipe_attr_t *how);
void qurt_pipe_destroy(qurt_pipe_t *pipe);
int qurt_pipe_create(qurt_pipe_t **pipe, qurt_pipe_attr_t *how);
void qurt_pipe_delete(qurt_pipe_t *pipe);
void qurt_pipe_send(qurt_pipe_t *pipe, qurt_pipe_data_t data);
int qurt_pipe_try_send(qurt_pipe_t *pipe, qurt_pipe_data_t data);
qurt_pipe_data_t qurt_pipe_receive(qurt_pipe_t *pipe);
/* *success: 0, or -1 if there is nothing. */
qurt_pipe_data_t qurt_pipe_try_receive(qurt_pipe_t *pipe, int *success);
int qurt_pipe_is_empty(qurt_pipe_t *pipe);

#ifdef __cplusplus
}
#endif

#endif
