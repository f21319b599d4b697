/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The stub of ggml's htp_iface.idl: methods by number, scalars in the first block as the interface compiler lays them out.
 */
#include <string.h>

#include "htp_iface.h"

static int call(remote_handle64 handle, uint32_t method, void *in, size_t in_length, void *out, size_t out_length)
{
    remote_arg args[2];
    uint32_t ins = in ? 1 : 0, outs = out ? 1 : 0;

    if (in) {
        args[0].buf.pv = in;
        args[0].buf.nLen = in_length;
    }
    if (out) {
        args[ins].buf.pv = out;
        args[ins].buf.nLen = out_length;
    }
    return remote_handle64_invoke(handle, SC(method, ins, outs, 0, 0), args);
}

AEEResult htp_iface_open(const char *uri, remote_handle64 *handle)
{
    return remote_handle64_open(uri, handle);
}

AEEResult htp_iface_close(remote_handle64 handle)
{
    return remote_handle64_close(handle);
}

AEEResult htp_iface_start(remote_handle64 handle, uint32 session, uint64 queue, uint32 n_hvx, uint32 n_hmx, uint64 max_vmem)
{
    struct {
        uint32 session, pad;
        uint64 queue;
        uint32 n_hvx, n_hmx;
        uint64 max_vmem;
    } in = {session, 0, queue, n_hvx, n_hmx, max_vmem};
    return call(handle, 2, &in, sizeof in, NULL, 0);
}

AEEResult htp_iface_stop(remote_handle64 handle)
{
    return call(handle, 3, NULL, 0, NULL, 0);
}

AEEResult htp_iface_mmap(remote_handle64 handle, uint32 fd, uint64 size)
{
    struct {
        uint32 fd, pad;
        uint64 size;
    } in = {fd, 0, size};
    return call(handle, 4, &in, sizeof in, NULL, 0);
}

AEEResult htp_iface_munmap(remote_handle64 handle, uint32 fd)
{
    return call(handle, 5, &fd, sizeof fd, NULL, 0);
}

AEEResult htp_iface_profiler(remote_handle64 handle, uint32 mode, const htp_iface_pmu_conf *pmu)
{
    struct {
        uint32 mode;
        htp_iface_pmu_conf pmu;
    } in = {mode, *pmu};
    return call(handle, 6, &in, sizeof in, NULL, 0);
}

AEEResult htp_iface_etm(remote_handle64 handle, uint32 enable)
{
    return call(handle, 7, &enable, sizeof enable, NULL, 0);
}

AEEResult htp_iface_hwinfo(remote_handle64 handle, uint32 *n_threads, uint32 *n_hvx, uint32 *n_hmx, uint64 *vtcm_size)
{
    struct {
        uint32 n_threads, n_hvx, n_hmx, pad;
        uint64 vtcm_size;
    } out = {0, 0, 0, 0, 0};
    int error = call(handle, 8, NULL, 0, &out, sizeof out);

    if (!error) {
        *n_threads = out.n_threads;
        *n_hvx = out.n_hvx;
        *n_hmx = out.n_hmx;
        *vtcm_size = out.vtcm_size;
    }
    return error;
}
