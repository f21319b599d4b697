/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#ifndef VHX_ALLREDUCE_H
#define VHX_ALLREDUCE_H

#include "ggml-backend.h"

/* Adds up tensors of all DSPs that the registry has, by operations on them (ALLREDUCE), and compares with sums made here. Prints a line
 * for each case, as ggml-ops does; the exit code. */
int allreduce(ggml_backend_reg_t registry);

#endif
