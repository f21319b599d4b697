/* Clocks, identity, signals without effect, futexes, random bytes, numbers that nobody knows, standard input. */
#include "rt.h"

int run(int argc, char **argv, char **envp)
{
    static u32 words[100];
    static char names[6 * 65];
    static char line[64];
    (void)argc, (void)argv, (void)envp;
    show("gettime", CALL(113, 1, words, 0));
    u64 first = (u64)words[0] * 1000000000u + words[1];
    words[2] = 0;
    words[3] = 20000000;
    show("nanosleep", CALL(101, words + 2, 0, 0));
    show("gettime64", CALL(403, 1, words + 4, 0));
    u64 second = *(u64 *)(words + 4) * 1000000000u + words[6];
    show("slept", second - first >= 20000000);
    show("wall", CALL(113, 0, words, 0));
    show("day", CALL(169, words + 8, 0, 0));
    show("together", words[8] - words[0] < 2);
    show("resolution", CALL(114, 1, words, 0));
    show("ns", words[1]);
    show("no clock", CALL(113, 99, words, 0));
    show("bad time", CALL(113, 1, 3, 0));
    show("same", CALL(172, 0, 0, 0) == CALL(178, 0, 0, 0));
    show("uname", CALL(160, names, 0, 0));
    print(names);
    print(" ");
    print(names + 4 * 65);
    print("\n");
    show("sigaction", call(134, 10, 0, (s32)words, 8, 0, 0));
    show("yield", CALL(124, 0, 0, 0));
    show("processors", CALL(123, 0, sizeof words, words) > 0 && words[0] != 0);
    show("half a word", CALL(123, 0, 3, words));
    show("no place", CALL(123, 0, sizeof words, 0));
    u32 word = 5;
    show("futex", call(98, (s32)&word, 0, 6, 0, 0, 0));
    words[0] = 0;
    words[1] = 1000000;
    show("timeout", call(98, (s32)&word, 0, 5, (s32)words, 0, 0));
    show("wake", call(98, (s32)&word, 1, 1, 0, 0, 0));
    words[0] = words[1] = 0;
    show("random", CALL(278, words, 8, 0));
    show("bytes", words[0] != 0 || words[1] != 0);
    show("unknown", CALL(2000, 0, 0, 0));
    s32 n = CALL(63, 0, line, 63);
    show("input", n);
    line[n < 0 ? 0 : n] = 0;
    print(line);
    show("end", CALL(63, 0, line, 63));
    CALL(64, 2, "to the error output\n", 20);
    return 255;
}
