/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * A kernel on 128-byte vectors whose result every caller can compute again.
 *
 *   2 blend(in bytes a, in bytes b) -> bytes     in[0] {u32 length}, in[1], in[2], out[0]
 *                                                saturating a + b, then the larger of that and a, per byte
 *   3 dot(in u8 a, in s8 b) -> s32               in[0] {u32 length}, in[1], in[2], out[0]
 *   4 check() -> u32                             out[0] number of differences between vector and scalar results
 */
#include <hexagon_protos.h>
#include <hexagon_types.h>
#include <hvx_hexagon_protos.h>

#include "HAP.h"
#include "skel.h"

#define VECTOR 128u

static void blend_vectors(uint8_t *to, const uint8_t *a, const uint8_t *b, uint32_t vectors)
{
    for (uint32_t i = 0; i < vectors; i++) {
        HVX_Vector x = *(const HVX_UVector *)(a + i * VECTOR), y = *(const HVX_UVector *)(b + i * VECTOR);
        *(HVX_UVector *)(to + i * VECTOR) = Q6_Vub_vmax_VubVub(Q6_Vub_vadd_VubVub_sat(x, y), x);
    }
}

static uint8_t blend_byte(uint8_t a, uint8_t b)
{
    uint32_t s = (uint32_t)a + b;
    s = s > 255 ? 255 : s;
    return s > a ? s : a;
}

static int32_t dot_vectors(const uint8_t *a, const int8_t *b, uint32_t vectors)
{
    HVX_Vector sums = Q6_V_vzero();
    for (uint32_t i = 0; i < vectors; i++) {
        HVX_Vector x = *(const HVX_UVector *)(a + i * VECTOR), y = *(const HVX_UVector *)(b + i * VECTOR);
        sums = Q6_Vw_vrmpyacc_VwVubVb(sums, x, y);
    }
    int32_t lanes[VECTOR / 4] __attribute__((aligned(128)));
    *(HVX_Vector *)lanes = sums;
    int32_t total = 0;
    for (uint32_t i = 0; i < VECTOR / 4; i++)
        total += lanes[i];
    return total;
}

static int blend(void *context, remote_arg *args)
{
    (void)context;
    uint32_t n = *(const uint32_t *)args[0].buf.pv;
    if (n > args[1].buf.nLen || n > args[2].buf.nLen || n > args[3].buf.nLen)
        return (int)AEE_EBADPARM;
    const uint8_t *a = args[1].buf.pv, *b = args[2].buf.pv;
    uint8_t *to = args[3].buf.pv;
    blend_vectors(to, a, b, n / VECTOR);
    for (uint32_t i = n / VECTOR * VECTOR; i < n; i++)
        to[i] = blend_byte(a[i], b[i]);
    return AEE_SUCCESS;
}

static int dot(void *context, remote_arg *args)
{
    (void)context;
    uint32_t n = *(const uint32_t *)args[0].buf.pv;
    if (n > args[1].buf.nLen || n > args[2].buf.nLen)
        return (int)AEE_EBADPARM;
    const uint8_t *a = args[1].buf.pv;
    const int8_t *b = args[2].buf.pv;
    int32_t total = dot_vectors(a, b, n / VECTOR);
    for (uint32_t i = n / VECTOR * VECTOR; i < n; i++)
        total += a[i] * b[i];
    *(int32_t *)args[3].buf.pv = total;
    return AEE_SUCCESS;
}

static int check(void *context, remote_arg *args)
{
    (void)context;
    static uint8_t a[4 * VECTOR], b[4 * VECTOR], to[4 * VECTOR];
    for (uint32_t i = 0, x = 7; i < sizeof a; i++) {
        x = x * 1103515245u + 12345u;
        a[i] = x >> 16;
        b[i] = x >> 24;
    }
    uint32_t bad = 0;
    int32_t total = 0;
    blend_vectors(to, a, b, sizeof a / VECTOR);
    for (uint32_t i = 0; i < sizeof a; i++) {
        bad += to[i] != blend_byte(a[i], b[i]);
        total += a[i] * (int8_t)b[i];
    }
    bad += total != dot_vectors(a, (const int8_t *)b, sizeof a / VECTOR);
    *(uint32_t *)args[0].buf.pv = bad;
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 3, 1, 0, 0), blend, {4, 0, 0, 0}},
    {3, SC(0, 3, 1, 0, 0), dot, {4, 0, 0, 4}},
    {4, SC(0, 0, 1, 0, 0), check, {4}},
};
SKELETON(hvx, methods)
