/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The DSPs that ggml's host side looks among.
 */
#ifndef VHX_HOST_DOMAIN_H
#define VHX_HOST_DOMAIN_H

#include "remote.h"

static domain supported_domains[] = {{CDSP_DOMAIN_ID, "&_dom=cdsp"}};

#endif
