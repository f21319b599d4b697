/* Two products of matrices on the matrix unit, tiles laid out as libraries do it; writes the results as they lie in memory.
   No assembler knows the instructions: they are words with fixed registers. tests/tests/hmx.rs computes the same. */
#include "rt.h"

#define DEEP 2 /* tiles of 32 inner elements */

static u8 left[DEEP * 2048] __attribute__((aligned(2048)));
static u8 right[DEEP * 2048] __attribute__((aligned(2048)));
static u8 out[2048] __attribute__((aligned(2048)));
static u32 bias[64] __attribute__((aligned(256)));

static void multiply(int halves, u32 left_last, u32 right_last)
{
    register u32 r2 __asm__("r2") = (u32)left;
    register u32 r3 __asm__("r3") = left_last;
    register u32 r4 __asm__("r4") = (u32)right;
    register u32 r5 __asm__("r5") = right_last;
    if (halves)
        /* { activation.hf = mxmem(r2,r3):deep; weight.hf = mxmem(r4,r5) } */
        __asm__ volatile(".word 0x920243e2\n.word 0x9204e5ef" : : "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
    else
        /* { activation.ub = mxmem(r2,r3):deep:cm; weight.b = mxmem(r4,r5) } */
        __asm__ volatile(".word 0x920243e1\n.word 0x9204e5e0" : : "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
}

static void load_bias(void)
{
    register u32 r2 __asm__("r2") = (u32)bias;
    /* bias = mxmem2(r2) */
    __asm__ volatile(".word 0x9202c3fe" : : "r"(r2) : "memory");
}

/* Half floats of small whole numbers. */
static u16 half(s32 v)
{
    u32 sign = v < 0 ? 0x8000 : 0, m = v < 0 ? -v : v, e = 25;
    if (!m)
        return 0;
    while (m < 1024)
        m <<= 1, e--;
    return (u16)(sign | e << 10 | (m & 1023));
}

static void bytes(void)
{
    for (u32 k = 0; k < 32 * DEEP; k++) {
        for (u32 row = 0; row < 64; row++)
            left[k / 32 * 2048 + row * 32 + k % 32] = (u8)(row * 5 + k * 3);
        for (u32 col = 0; col < 32; col++)
            right[k / 4 * 128 + col * 4 + k % 4] = (u8)((s32)(k * 7 + col * 11) % 101 - 40);
    }
    for (u32 col = 0; col < 32; col++) {
        bias[col] = 6 << 10; /* times 64; the scale is 1 */
        bias[32 + col] = 1000 * col;
    }
    load_bias();
    /* mxclracc */
    __asm__ volatile(".word 0xa6e0c011" : : : "memory");
    multiply(0, DEEP * 2048 - 1, DEEP * 1024 - 1);
    register u32 r2 __asm__("r2") = (u32)out;
    register u32 r3 __asm__("r3") = 0;
    /* mxmem(r2,r3):after:cm:sat.ub = acc */
    __asm__ volatile(".word 0xa6e2c305" : : "r"(r2), "r"(r3) : "memory");
}

static void halves(void)
{
    u16 *l = (u16 *)left, *r = (u16 *)right;
    for (u32 k = 0; k < 32 * DEEP; k++)
        for (u32 n = 0; n < 32; n++) {
            l[k / 32 * 1024 + n / 2 * 64 + k % 32 * 2 + n % 2] = half((s32)((n * 5 + k * 3) % 9) - 4);
            r[k / 32 * 1024 + k % 32 / 2 * 64 + n * 2 + k % 2] = half((s32)((n * 3 + k * 7) % 7) - 3);
        }
    for (u32 col = 0; col < 32; col++) {
        bias[col] = 0x40003800; /* times 0.5, plus 2 */
        bias[32 + col] = 0;
    }
    load_bias();
    /* mxclracc.hf */
    __asm__ volatile(".word 0xa6e0c013" : : : "memory");
    multiply(1, DEEP * 2048 - 1, DEEP * 2048 - 1);
    register u32 r2 __asm__("r2") = 2;
    register u32 r4 __asm__("r4") = (u32)out;
    register u32 r3 __asm__("r3") = 0;
    /* cvt.hf = acc(r2), negative numbers kept; mxmem(r4,r3) = cvt */
    __asm__ volatile(".word 0xa6e2da10\n.word 0xa6e4c318" : : "r"(r2), "r"(r3), "r"(r4) : "memory");
}

int run(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    bytes();
    CALL(64, 1, out, sizeof out);
    halves();
    CALL(64, 1, out, sizeof out);
    return 0;
}
