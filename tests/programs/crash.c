/* Crashes as argv[1] says. */
#include "rt.h"

int run(int argc, char **argv, char **envp)
{
    (void)envp;
    if (argc < 2)
        return 1;
    print("before\n");
    const char *how = argv[1];
    if (same(how, "null"))
        *(volatile u32 *)0 = 1;
    if (same(how, "code"))
        *(volatile u32 *)&run = 1;
    if (same(how, "misaligned"))
        __asm__ volatile("memw(%0+#0) = %0" : : "r"((u32)&argc | 1) : "memory");
    if (same(how, "jump"))
        ((void (*)(void))0xdead0000)();
    if (same(how, "data")) {
        static u32 nop[2] = {0x7f00c000, 0x7f00c000};
        ((void (*)(void))nop)();
    }
    if (same(how, "illegal"))
        __asm__ volatile(".word 0x6fffffff");
    if (same(how, "privileged"))
        __asm__ volatile("tlbw(r1:0,r2)");
    if (same(how, "abort"))
        call(131, CALL(172, 0, 0, 0), CALL(178, 0, 0, 0), 6, 0, 0, 0);
    if (same(how, "writers"))
        __asm__ volatile(".word 0xf3024301\n.word 0xf302c301");
    /* A call of the virtual machine, and one of nobody: each alone in its packet. */
    if (same(how, "trap1"))
        __asm__ volatile("trap1_here: .word 0x5480c000");
    if (same(how, "trap0"))
        __asm__ volatile("trap0_here: .word 0x5400c510");
    print("after\n");
    return 0;
}
