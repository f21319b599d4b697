/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Facts of the process.
 */
#ifndef HAP_PS_H
#define HAP_PS_H

#ifdef __cplusplus
extern "C" {
#endif

/* The process id on the host. */
__attribute__((weak)) int HAP_get_userpd_params(int *process_id);

#ifdef __cplusplus
}
#endif

#endif
