/* Functions in sections of their own, in a group, in one that is not called .text, and empty sections in between. */
extern int outside(int);
__attribute__((section(".text.hot"), noinline)) int hot(int a) { return outside(a); }
__attribute__((section(".init.text"), noinline)) int init(int a) { return hot(a) + 1; }
__attribute__((section("no_dot"), noinline)) int plain(int a) { return init(a) + 2; }
__attribute__((noinline)) int usual(int a) { return plain(a) + 3; }
int loops(int *p, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 16; j++)
            sum += p[i * 16 + j];
    return sum;
}
__attribute__((constructor)) void at_start(void) { outside(1); }
