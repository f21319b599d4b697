/* Files: made, written, read back, moved in, measured, truncated, renamed, removed; and the errors. argv[1] is a folder. */
#include "rt.h"

static char path[2][256];

static char *name(int n, const char *dir, const char *file)
{
    u32 at = 0;
    for (; *dir; dir++)
        path[n][at++] = *dir;
    path[n][at++] = '/';
    for (; *file; file++)
        path[n][at++] = *file;
    path[n][at] = 0;
    return path[n];
}

#define AT_FDCWD -100
#define O_RDWR 2
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000

int run(int argc, char **argv, char **envp)
{
    static char buffer[64];
    static u32 stat[64];
    (void)envp;
    if (argc < 2)
        return 1;
    const char *dir = argv[1];
    s32 fd = call(56, AT_FDCWD, (s32)name(0, dir, "made"), O_RDWR | O_CREAT | O_EXCL, 0640, 0, 0);
    show("open", fd);
    show("again", call(56, AT_FDCWD, (s32)path[0], O_RDWR | O_CREAT | O_EXCL, 0640, 0, 0));
    show("write", CALL(64, fd, "0123456789", 10));
    struct { const char *base; u32 len; } parts[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
    show("writev", CALL(66, fd, parts, 3));
    s64 where = -1;
    show("llseek", call(62, fd, 0, 4, (s32)&where, 0, 0));
    show("where", (u32)where);
    show("read", CALL(63, fd, buffer, 5));
    print(buffer);
    print("\n");
    struct { char *base; u32 len; } into[2] = {{buffer, 3}, {buffer + 8, 60}};
    show("readv", CALL(65, fd, into, 1));
    show("pread", call(67, fd, (s32)buffer, 4, 0, 10, 0));
    buffer[4] = 0;
    print(buffer);
    print("\n");
    show("pwrite", call(68, fd, (s32)"XY", 2, 0, 1, 0));
    show("seek before", call(62, fd, -1, -1, (s32)&where, 0, 0));
    show("seek end", call(62, fd, 0, 0, (s32)&where, 2, 0));
    show("end", (u32)where);
    show("fstat", CALL(80, fd, stat, 0));
    show("mode", stat[4]);
    show("links", stat[5]);
    show("size", stat[12]);
    show("truncate", call(46, fd, 0, 7, 0, 0, 0));
    show("statx", call(291, fd, (s32)"", 0x1000, 0x7ff, (s32)stat, 0));
    show("mode", stat[7] & 0xffff);
    show("size", stat[10]);
    s32 twin = CALL(23, fd, 0, 0);
    show("dup", twin);
    show("fcntl", CALL(25, fd, 0, 20));
    show("close", CALL(57, twin, 0, 0));
    show("closed", CALL(57, twin, 0, 0));
    show("badf", CALL(64, twin, "x", 1));
    show("fault", CALL(64, fd, 16, 4));
    show("rename", call(38, AT_FDCWD, (s32)path[0], AT_FDCWD, (s32)name(1, dir, "kept"), 0, 0));
    show("gone", call(56, AT_FDCWD, (s32)path[0], 0, 0, 0, 0));
    show("stat", call(79, AT_FDCWD, (s32)path[1], (s32)stat, 0, 0, 0));
    show("size", stat[12]);
    show("access", CALL(48, AT_FDCWD, path[1], 4));
    show("mkdir", CALL(34, AT_FDCWD, name(0, dir, "folder"), 0755));
    show("folder", fd = call(56, AT_FDCWD, (s32)path[0], 0200000, 0, 0, 0));
    show("inside", call(56, fd, (s32)"deep", O_RDWR | O_CREAT | O_TRUNC, 0600, 0, 0));
    show("not empty", CALL(35, AT_FDCWD, path[0], 0x200));
    show("unlink", CALL(35, fd, "deep", 0));
    show("rmdir", CALL(35, AT_FDCWD, path[0], 0x200));
    show("append", fd = call(56, AT_FDCWD, (s32)path[1], 1 | O_APPEND, 0, 0, 0));
    show("write", CALL(64, fd, "!end", 4));
    show("readable", CALL(63, fd, buffer, 4));
    show("no terminal", CALL(29, fd, 0x5401, buffer));
    /* Its mapping shows what is in it, also what a later one replaces at the same place. */
    show("open", fd = call(56, AT_FDCWD, (s32)path[1], 0, 0, 0, 0));
    char *map = (char *)call(222, 0, 4096, 1, 2, fd, 0);
    show("mapped", map[0] << 24 | map[1] << 16 | map[7] << 8 | map[11]);
    return 0;
}
