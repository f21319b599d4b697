/* brk, mmap, mprotect, munmap, and what the kernel refuses. (mprotect of what was unmapped is left out: -ENOMEM on Linux
 * and here, but qemu-hexagon 10.0 takes it. mremap to no length, which is -EINVAL, ends that one.) */
#include "rt.h"

#define RW 3
#define PRIVATE_ANON 0x22

int run(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    u32 brk = CALL(214, 0, 0, 0);
    show("grow", CALL(214, brk + 0x24680, 0, 0) - brk);
    u32 *heap = (u32 *)brk;
    heap[0] = 1;
    heap[0x9000] = 2;
    show("heap", heap[0] + heap[0x9000] + heap[0x800]);
    show("shrink", CALL(214, brk, 0, 0) - brk);
    show("regrow", CALL(214, brk + 0x30000, 0, 0) - brk);
    show("zeroed", heap[0x9000]);
    show("too low", CALL(214, 0x100, 0, 0) - brk);

    u8 *m = (u8 *)call(222, 0, 0x40000, RW, PRIVATE_ANON, -1, 0);
    show("aligned", (u32)m & 0xfff);
    for (u32 i = 0; i < 0x40000; i += 0x1000)
        m[i] = (u8)(i >> 12);
    u32 sum = 0;
    for (u32 i = 0; i < 0x40000; i += 0x1000)
        sum += m[i];
    show("sum", sum);
    show("read only", CALL(226, m, 0x10000, 1));
    show("still", m[0x5000]);
    show("fault", CALL(63, 0, m, 4));
    show("fixed", call(222, (s32)m + 0x10000, 0x10000, RW, PRIVATE_ANON | 0x10, -1, 0) - (s32)m);
    show("new", m[0x15000]);
    m[0x30000] = 48;
    show("smaller", call(216, (s32)m, 0x40000, 0x38000, 0, 0, 0) - (s32)m);
    show("gone", CALL(63, 0, m + 0x38000, 4));
    u8 *moved = (u8 *)call(216, (s32)m + 0x20000, 0x18000, 0x40000, 1, 0, 0);
    show("moved", moved[0x10000] == 48 && moved[0x3ffff] == 0);
    show("give back", CALL(215, moved, 0x40000, 0));
    show("unmap", CALL(215, m, 0x40000, 0));
    show("unmap again", CALL(215, m, 0x40000, 0));
    show("no pages", CALL(215, m + 1, 0x10000, 0));
    show("no length", call(222, 0, 0, RW, PRIVATE_ANON, -1, 0));
    show("no file", call(222, 0, 0x10000, 1, 2, 77, 0));
    return 3;
}
