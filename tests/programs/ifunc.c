/* A function that is chosen at run time, which no loader of this DSP knows. */
#include "skel.h"

__asm__(".globl chosen\n.type chosen,@gnu_indirect_function\nchosen:\njumpr r31\n");
extern int chosen(void);

static int call(void *context, remote_arg *args)
{
    (void)context, (void)args;
    return chosen();
}

static const struct skel_method methods[] = {{2, SC(0, 0, 0, 0, 0), call, {0}}};
SKELETON(ifunc, methods)
