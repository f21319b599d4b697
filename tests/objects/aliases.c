/* Several names of one function: global, weak, local, hidden ones, in an order that is neither that of the names nor of the table. */
int middle(int a) { return a + 1; }
extern int zzz(int a) __attribute__((alias("middle")));
extern int aaa(int a) __attribute__((weak, alias("middle")));
static int mmm(int a) __attribute__((alias("middle"), used));
extern int hhh(int a) __attribute__((visibility("hidden"), alias("middle")));

__attribute__((weak)) int weak_one(int a) { return a - 1; }

__attribute__((visibility("hidden"), noinline)) int hidden(int a) { return weak_one(a) * 2; }

__attribute__((visibility("protected"), noinline)) int protected_one(int a) { return hidden(a) + mmm(a); }

int caller(int a) { return zzz(a) + aaa(a) + hhh(a) + protected_one(a); }

int values[2] = {1, 2};
extern int other_name[2] __attribute__((alias("values")));
int reader(int a) { return other_name[a & 1] + values[a & 1]; }
