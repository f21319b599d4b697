/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The trace unit. Weak.
 */
#ifndef HAP_ETM_CONFIG_H
#define HAP_ETM_CONFIG_H

#ifdef __cplusplus
extern "C" {
#endif

__attribute__((weak)) int HAP_user_etm_enable(void);
__attribute__((weak)) int HAP_user_etm_disable(void);

#ifdef __cplusplus
}
#endif

#endif
