/* Variables beside functions: a variable's address in its own section is that of a function in another. */
extern int outside(int);
static int table[4] = {1, 2, 3, 4};
int counter;
int zeroed[8];
const char text[] = "text";
__thread int per_thread;

int first(int a) { return outside(a) + table[a & 3]; }

int second(int a) {
    counter += first(a);
    return counter * 3 + text[a & 3];
}

static __attribute__((noinline)) int local(int a) { return a * zeroed[a & 7] + per_thread; }

int last(int a) { return local(a) + local(a + 1); }
