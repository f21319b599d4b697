/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Thread-local values under keys.
 */
#ifndef QURT_TLS_H
#define QURT_TLS_H

#ifdef __cplusplus
extern "C" {
#endif

int qurt_tls_create_key(int *key, void (*destructor)(void *));
int qurt_tls_delete_key(int key);
int qurt_tls_set_specific(int key, const void *value);
void *qurt_tls_get_specific(int key);

#ifdef __cplusplus
}
#endif

#endif
