/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What the vendor's interface compiler would write of ggml's htp_iface.idl.
 */
#ifndef HTP_IFACE_H
#define HTP_IFACE_H

#include "AEEStdDef.h"
#include "remote.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct htp_iface_pmu_conf {
    uint32 events[8];
} htp_iface_pmu_conf;

AEEResult htp_iface_open(const char *uri, remote_handle64 *handle);
AEEResult htp_iface_close(remote_handle64 handle);
AEEResult htp_iface_start(remote_handle64 handle, uint32 session, uint64 queue, uint32 n_hvx, uint32 n_hmx, uint64 max_vmem);
AEEResult htp_iface_stop(remote_handle64 handle);
AEEResult htp_iface_mmap(remote_handle64 handle, uint32 fd, uint64 size);
AEEResult htp_iface_munmap(remote_handle64 handle, uint32 fd);
AEEResult htp_iface_profiler(remote_handle64 handle, uint32 mode, const htp_iface_pmu_conf *pmu);
AEEResult htp_iface_etm(remote_handle64 handle, uint32 enable);
AEEResult htp_iface_hwinfo(remote_handle64 handle, uint32 *n_threads, uint32 *n_hvx, uint32 *n_hmx, uint64 *vtcm_size);

#ifdef __cplusplus
}
#endif

#endif
