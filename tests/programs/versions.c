/* A skeleton for tests of versions of symbols.
 *
 *   2 bound() -> u32[3]        a function, a thread-local variable, and what dlsym finds
 */
#include <dlfcn.h>

#include "skel.h"

extern int answer(void);
extern _Thread_local int kept;

static int bound(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    void *needed = dlopen("libversions_needed.so", RTLD_NOW);
    int (*found)(void) = needed ? (int (*)(void))dlsym(needed, "answer") : 0;
    out[0] = answer();
    out[1] = kept;
    out[2] = found ? found() : 0;
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {{2, SC(0, 0, 1, 0, 0), bound, {12}}};
SKELETON(versions, methods)
