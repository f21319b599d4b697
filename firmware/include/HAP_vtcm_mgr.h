/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Vector TCM, the old way (HAP_compute_res.h is the new one).
 */
#ifndef HAP_VTCM_MGR_H
#define HAP_VTCM_MGR_H

#ifdef __cplusplus
extern "C" {
#endif

int HAP_query_total_VTCM(unsigned int *page_size, unsigned int *page_count);
int HAP_query_avail_VTCM(unsigned int *avail_block_size, unsigned int *max_page_size, unsigned int *num_pages);
/* NULL: there is not so much. */
void *HAP_request_VTCM(unsigned int size, unsigned int single_page);
void *HAP_request_async_VTCM(unsigned int size, unsigned int single_page, unsigned int timeout_us);
int HAP_release_VTCM(void *at);

#ifdef __cplusplus
}
#endif

#endif
