/* A skeleton for tests of how a linker and a compiler may lay a library out: relocations, constructors, destructors.
 *
 *   2 table() -> u32     out[0]: through a table of functions whose addresses are relative relocations
 *   3 built() -> u32     out[0]: what the constructors made, 12 if each ran once and in order
 */
#include "HAP.h"
#include "skel.h"

static int add(int n) { return n + 1; }
static int twice(int n) { return n * 2; }
static int less(int n) { return n - 3; }
static int flip(int n) { return n ^ 5; }
static int (*volatile steps[4])(int) = {add, twice, less, flip};

static volatile int made;
__attribute__((constructor)) static void first(void) { made = made * 10 + 1; }
__attribute__((constructor)) static void second(void) { made = made * 10 + 2; }
__attribute__((destructor)) static void gone(void) { FARF(ERROR, "destructor after %d", made); }

static int table(void *context, remote_arg *args)
{
    (void)context;
    int n = 10;
    for (int i = 0; i < 4; i++)
        n = steps[i](n);
    *(int *)args[0].buf.pv = n;
    return AEE_SUCCESS;
}

static int built(void *context, remote_arg *args)
{
    (void)context;
    *(int *)args[0].buf.pv = made;
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 0, 1, 0, 0), table, {4}},
    {3, SC(0, 0, 1, 0, 0), built, {4}},
};
SKELETON(forms, methods)
