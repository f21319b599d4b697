/* Semihosting: argv comes through GET_CMDLINE, whose second word is a folder. */
#include "rt.h"

static u32 second;
static s32 angel(u32 operation, const void *block)
{
    register u32 r0 __asm__("r0") = operation;
    register u32 r1 __asm__("r1") = (u32)block;
    __asm__ volatile("trap0(#0)" : "+r"(r0), "+r"(r1) : : "memory");
    second = r1;
    return (s32)r0;
}
static void text(const char *s)
{
    angel(4, s);
}
static void tell(const char *name, u32 v)
{
    char out[10];
    for (int i = 0; i < 8; i++)
        out[i] = "0123456789abcdef"[v >> (28 - 4 * i) & 15];
    out[8] = '\n';
    out[9] = 0;
    text(name);
    angel(3, "=");
    text(out);
}

int run(int argc, char **argv, char **envp)
{
    static char line[512], path[512], other[512], back[64];
    (void)argc, (void)argv, (void)envp;
    u32 b[4] = {(u32)line, sizeof line};
    tell("command", angel(0x15, b));
    char *dir = line;
    while (*dir && *dir != ' ')
        dir++;
    dir++;
    u32 n = 0, m = 0;
    for (char *p = dir; *p; p++)
        path[n++] = *p, other[m++] = *p;
    for (const char *p = "/angel"; *p; p++)
        path[n++] = *p;
    for (const char *p = "/moved"; *p; p++)
        other[m++] = *p;
    u32 open[3] = {(u32)path, 4, n};
    s32 fd = angel(1, open);
    tell("open", fd);
    u32 write[3] = {fd, (u32)"semihosting\n", 12};
    tell("write", angel(5, write));
    tell("length", angel(0xc, write));
    tell("close", angel(2, write));
    open[1] = 0;
    fd = angel(1, open);
    u32 seek[2] = {fd, 4};
    tell("seek", angel(0xa, seek));
    u32 read[3] = {fd, (u32)back, 60};
    tell("read", angel(6, read));
    text(back);
    tell("at", angel(0x100, seek));
    tell("tty", angel(9, seek));
    u32 rename[4] = {(u32)path, n, (u32)other, m};
    tell("rename", angel(0xf, rename));
    s32 gone = angel(1, open);
    u32 why = second;
    tell("gone", gone);
    tell("why", why);
    tell("errno", angel(0x13, 0));
    u32 remove[2] = {(u32)other, m};
    u32 name[3] = {(u32)back, 7, 40};
    tell("name", angel(0xd, name));
    tell("first", (u8)back[0]);
    u32 info[4], *at = info;
    tell("heap", angel(0x16, &at));
    tell("room", info[1] - info[0]);
    *(volatile u32 *)(info[1] - 4) = 1;
    tell("stack", info[2] > (u32)&argc && info[3] < (u32)&argc);
    tell("time", angel(0x11, 0) > 1700000000);
    tell("unknown", angel(0x999, 0));
    if (line[0] == '?')
        angel(0xe, remove);
    register u32 r0 __asm__("r0") = 0x18;
    register u32 r1 __asm__("r1") = 0x20026;
    register u32 r2 __asm__("r2") = 77;
    __asm__ volatile("trap0(#0)" : : "r"(r0), "r"(r1), "r"(r2));
    return 1;
}
