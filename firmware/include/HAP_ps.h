/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Facts of the process. HAP_get_userpd_params is there and not declared: no header under an open license says its argument, which is
 * more than one word, so that a guess could have it write over a neighbour.
 */
#ifndef HAP_PS_H
#define HAP_PS_H
#endif
