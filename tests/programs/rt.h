/* A C program's floor: _start, system calls, printing. No library is needed, and the same file runs on qemu-hexagon. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

static s32 call(s32 number, s32 a, s32 b, s32 c, s32 d, s32 e, s32 f)
{
    register s32 r6 __asm__("r6") = number;
    register s32 r0 __asm__("r0") = a;
    register s32 r1 __asm__("r1") = b;
    register s32 r2 __asm__("r2") = c;
    register s32 r3 __asm__("r3") = d;
    register s32 r4 __asm__("r4") = e;
    register s32 r5 __asm__("r5") = f;
    __asm__ volatile("trap0(#1)" : "+r"(r0) : "r"(r6), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
    return r0;
}
#define CALL(n, a, b, c) call((n), (s32)(a), (s32)(b), (s32)(c), 0, 0, 0)

void *memcpy(void *to, const void *from, u32 n)
{
    for (u32 i = 0; i < n; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memset(void *to, int c, u32 n)
{
    for (u32 i = 0; i < n; i++)
        ((volatile u8 *)to)[i] = (u8)c;
    return to;
}

static u32 length(const char *s)
{
    u32 n = 0;
    while (s[n])
        n++;
    return n;
}

__attribute__((unused)) static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

__attribute__((unused)) static void print(const char *s)
{
    CALL(64, 1, s, length(s));
}

__attribute__((unused)) static void hex(u32 v)
{
    char text[9];
    for (int i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[v >> (28 - 4 * i) & 15];
    text[8] = 0;
    print(text);
}

/* name=value */
__attribute__((unused)) static void show(const char *name, u32 v)
{
    print(name);
    print("=");
    hex(v);
    print("\n");
}

int run(int argc, char **argv, char **envp);

__attribute__((used)) static void start(u32 *sp)
{
    int argc = (int)sp[0];
    char **argv = (char **)(sp + 1);
    CALL(94, run(argc, argv, argv + argc + 1), 0, 0);
    __builtin_trap();
}

__attribute__((naked)) void _start(void)
{
    __asm__ volatile("{ r0 = r29 }\n{ r29 = and(r29,#-128) }\n{ call start }\n");
}
