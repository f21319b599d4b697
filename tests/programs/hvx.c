/* Vectors, floating point, hardware loops, 64-bit arithmetic: checksums. */
#include "rt.h"
typedef int vector __attribute__((vector_size(128), aligned(128)));

static vector a[8], b[8], c[8];

int run(int argc, char **argv, char **envp)
{
    (void)argv, (void)envp;
    u32 x = 12345 + argc;
    for (u32 i = 0; i < sizeof a / 4; i++) {
        x = x * 1664525 + 1013904223;
        ((u32 *)a)[i] = x;
        x = x * 1664525 + 1013904223;
        ((u32 *)b)[i] = x >> 7;
    }
    for (int i = 0; i < 8; i++)
        c[i] = (a[i] + b[i]) ^ (a[i] >> 3) ^ (b[i] * a[i]);
    u32 sum = 0;
    for (u32 i = 0; i < sizeof c / 4; i++)
        sum = sum * 31 + ((u32 *)c)[i];
    show("vectors", sum);
    float f = 1.0f, g = 0.5f;
    for (int i = 1; i < 100; i++) {
        f = f * 1.001f + g;
        g = g * 0.97f - f * 0.01f;
    }
    u32 bits;
    memcpy(&bits, &f, 4);
    show("float", bits);
    u64 w = 0x123456789abcdefull + x;
    for (int i = 0; i < 50; i++)
        w = (w << 13 | w >> 51) * 0x9e3779b97f4a7c15ull + i;
    show("high", w >> 32);
    show("low", (u32)w);
    return (int)(sum & 0x7f);
}
