/* User DMA: chains, lines, pause and resume, links, errors, the wide form. argv[1]: copy to where nothing is mapped. */
#include "rt.h"

typedef u32 descriptor[8] __attribute__((aligned(32)));
static descriptor d[3];
static u8 from[3 << 20], to[3 << 20];

static void dmstart(void *p)
{
    __asm__ volatile("dmstart(%0)" : : "r"(p) : "memory");
}
static void dmlink(void *tail, void *p)
{
    __asm__ volatile("dmlink(%0,%1)" : : "r"(tail), "r"(p) : "memory");
}
static void dmresume(u32 word)
{
    __asm__ volatile("dmresume(%0)" : : "r"(word) : "memory");
}
static u32 dmwait(void)
{
    u32 r;
    __asm__ volatile("%0 = dmwait" : "=r"(r) : : "memory");
    return r;
}
static u32 dmpoll(void)
{
    u32 r;
    __asm__ volatile("%0 = dmpoll" : "=r"(r) : : "memory");
    return r;
}
static u32 dmpause(void)
{
    u32 r;
    __asm__ volatile("%0 = dmpause" : "=r"(r) : : "memory");
    return r;
}

static void fill(u32 *p, u32 next, u32 kind, const void *source, void *target)
{
    p[0] = next;
    p[1] = kind;
    p[2] = (u32)source;
    p[3] = (u32)target;
    p[4] = p[5] = p[6] = p[7] = 0;
}

static u32 differ(const u8 *a, const u8 *b, u32 n)
{
    u32 bad = 0;
    for (u32 i = 0; i < n; i++)
        bad += a[i] != b[i];
    return bad;
}

#define LINES (1u << 24)

int run(int argc, char **argv, char **envp)
{
    (void)argv, (void)envp;
    for (u32 i = 0; i < sizeof from; i++)
        from[i] = (u8)(i * 7 + (i >> 8));
    if (argc > 1) {
        fill(d[0], 0, 64, from, (void *)0x1000);
        dmstart(d[0]);
        return (int)dmwait();
    }
    fill(d[0], (u32)d[1], 1000, from, to);
    fill(d[1], 0, 77, from + 5, to + 3000);
    dmstart(d[0]);
    show("chain", dmwait());
    show("first", differ(from, to, 1000));
    show("second", differ(from + 5, to + 3000, 77));
    show("done", d[1][1]);

    fill(d[0], 0, LINES, from, to);
    d[0][5] = 9 << 16 | 50;
    d[0][6] = 64 << 16 | 100;
    dmstart(d[0]);
    show("lines", dmwait());
    u32 bad = 0;
    for (u32 y = 0; y < 9; y++)
        bad += differ(from + 100 * y, to + 64 * y, 50);
    show("image", bad);

    memset(to, 0, sizeof to);
    fill(d[0], 0, sizeof from, from, to);
    dmstart(d[0]);
    show("large", dmpoll() - (u32)d[0]);
    u32 word = dmpause();
    show("paused", word - (u32)d[0]);
    dmresume(word);
    show("resumed", dmwait());
    show("same", differ(from, to, sizeof from));

    fill(d[0], 0, 100, from, to);
    fill(d[1], 0, 100, from + 200, to + 200);
    dmlink(0, d[0]);
    dmlink(d[0], d[1]);
    show("linked", dmwait());
    show("behind", differ(from + 200, to + 200, 100) | (d[0][0] != (u32)d[1]));

    /* Done already: an error, until dmpause ends it. */
    dmstart(d[1]);
    show("again", dmwait() - (u32)d[1]);
    show("still", dmpoll() - (u32)d[1]);
    show("cleared", dmpause() - (u32)d[1]);
    show("idle", dmpoll());

    fill(d[2], 0, LINES | 80, from, to);
    d[2][4] = 9;
    d[2][5] = 4 << 24 | 60;
    d[2][6] = 70 << 8;
    dmstart(d[2]);
    word = dmwait();
    show("wide", word ? word - (u32)d[2] : differ(from + 210, to + 240, 60));
    return 0;
}
