/* Numbers that a program computes on the DSP and on the host alike, to be compared: `void values(unsigned long long *)` gives COUNT of
 * them. For the host (-DHOST) they are printed; the skeleton's method 2 gives them back.
 */
#ifdef HOST
#include <stdio.h>

#define VALUES(name, COUNT)                    \
    static unsigned long long all[COUNT];      \
    int main(void)                             \
    {                                          \
        values(all);                           \
        for (size_t n = 0; n < (COUNT); n++)   \
            printf("%llu ", all[n]);           \
        return 0;                              \
    }
#else
#include "skel.h"

#define VALUES(name, COUNT)                                \
    static int method(void *context, remote_arg *args)     \
    {                                                      \
        (void)context;                                     \
        values(args[0].buf.pv);                            \
        return AEE_SUCCESS;                                \
    }                                                      \
    static const struct skel_method methods[] = {          \
        {2, SC(0, 0, 1, 0, 0), method, {8 * (COUNT)}},     \
    };                                                     \
    SKELETON(name, methods)
#endif
