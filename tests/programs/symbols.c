/* A skeleton for tests of how symbols bind.
 *
 *   2 bound() -> u32[6]        weak ones, protected ones, versions, addresses across libraries
 */
#include "skel.h"

#define VISIBLE __attribute__((visibility("default")))

extern int missing(void) __attribute__((weak));
VISIBLE __attribute__((weak)) int given(void) { return 1; }
VISIBLE __attribute__((weak)) int mine = 10;
__attribute__((visibility("protected"))) int guarded(void) { return 3; }
/* Of the library that this one needs. */
extern int versioned(void);
extern int counter;
int (*address_of_versioned(void))(void);
int asks_for_given(void);

static int (*volatile pointer)(void) = versioned;

static int bound(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    out[0] = missing == 0;
    /* This library's own comes first, weak or not; the other library has its own, too. */
    out[1] = given() * 10 + asks_for_given();
    out[2] = guarded() + mine;
    out[3] = versioned();
    counter = 7;
    out[4] = versioned();
    out[5] = pointer == versioned && pointer == address_of_versioned();
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {{2, SC(0, 0, 1, 0, 0), bound, {24}}};
SKELETON(symbols, methods)
