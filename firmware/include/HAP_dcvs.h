/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Additions to a request for clocks (HAP_power.h). Weak: an image without them does not support them.
 */
#ifndef HAP_DCVS_H
#define HAP_DCVS_H

#include "HAP_power.h"

#ifdef __cplusplus
extern "C" {
#endif

__attribute__((weak)) int sysmon_set_dcvs_v3_protected_bus_corners(HAP_power_request_t *request, unsigned int on);
__attribute__((weak)) int sysmon_set_dcvs_v3_duty_cycle_params(HAP_power_request_t *request, uint32 active, uint32 period);

/* Corners of the bus above TURBO_PLUS count as they are. */
static inline int HAP_set_dcvs_v3_protected_bus_corners(HAP_power_request_t *request, unsigned int on)
{
    return sysmon_set_dcvs_v3_protected_bus_corners ? sysmon_set_dcvs_v3_protected_bus_corners(request, on)
                                                    : (int)AEE_EVERSIONNOTSUPPORT;
}

static inline int HAP_set_dcvs_v3_duty_cycle_params(HAP_power_request_t *request, uint32 active, uint32 period)
{
    return sysmon_set_dcvs_v3_duty_cycle_params ? sysmon_set_dcvs_v3_duty_cycle_params(request, active, period)
                                                : (int)AEE_EVERSIONNOTSUPPORT;
}

#ifdef __cplusplus
}
#endif

#endif
