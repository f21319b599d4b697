/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Vector TCM and the matrix unit, asked for with an attribute block and held under a context number.
 */
#ifndef HAP_COMPUTE_RES_H
#define HAP_COMPUTE_RES_H

#ifdef __cplusplus
extern "C" {
#endif

#define HAP_COMPUTE_RES_NOT_SUPPORTED 0x80000404

typedef struct {
    unsigned long long attributes[8];
} compute_res_attr_t;

typedef struct {
    unsigned int page_size;
    unsigned int num_pages;
} compute_res_vtcm_page_def_t;

typedef struct {
    unsigned int block_size;
    unsigned int page_list_len; /* pages of the list that count */
    compute_res_vtcm_page_def_t page_list[8];
} compute_res_vtcm_page_t;

/* NAME(arguments): the image's function, or that it is not supported. */
#define VHX_COMPUTE_RES(type, absent, name, arguments, names)                                                          \
    __attribute__((weak)) type compute_resource_##name arguments;                                                      \
    static inline type HAP_compute_res_##name arguments                                                                \
    {                                                                                                                  \
        return compute_resource_##name ? compute_resource_##name names : (type)(absent);                               \
    }

VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_init, (compute_res_attr_t *attr), (attr))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_serialize, (compute_res_attr_t *attr, unsigned char on), (attr, on))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_vtcm_param, (compute_res_attr_t *attr, unsigned int size, unsigned char single_page), (attr, size, single_page))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_vtcm_param_v2, (compute_res_attr_t *attr, unsigned int size, unsigned int min_page, unsigned int min_size), (attr, size, min_page, min_size))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_hmx_param, (compute_res_attr_t *attr, unsigned char on), (attr, on))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_cache_mode, (compute_res_attr_t *attr, unsigned char on), (attr, on))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_app_type, (compute_res_attr_t *attr, unsigned int application), (attr, application))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_set_release_callback, (compute_res_attr_t *attr, int (*give_way)(unsigned int context, void *argument), void *argument), (attr, give_way, argument))
VHX_COMPUTE_RES(void *, 0, attr_get_vtcm_ptr, (compute_res_attr_t *attr), (attr))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, attr_get_vtcm_ptr_v2, (compute_res_attr_t *attr, void **at, unsigned int *size), (attr, at, size))
VHX_COMPUTE_RES(unsigned int, 0, acquire, (compute_res_attr_t *attr, unsigned int timeout_us), (attr, timeout_us))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, release, (unsigned int context), (context))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, acquire_cached, (unsigned int context, unsigned int timeout_us), (context, timeout_us))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, release_cached, (unsigned int context), (context))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, check_release_request, (unsigned int context), (context))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, update_priority, (unsigned int context, unsigned short priority), (context, priority))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, hmx_lock, (unsigned int context), (context))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, hmx_unlock, (unsigned int context), (context))
VHX_COMPUTE_RES(int, HAP_COMPUTE_RES_NOT_SUPPORTED, query_VTCM, (unsigned int application, unsigned int *total, compute_res_vtcm_page_t *total_pages, unsigned int *avail, compute_res_vtcm_page_t *avail_pages), (application, total, total_pages, avail, avail_pages))

#ifdef __cplusplus
}
#endif

#endif
