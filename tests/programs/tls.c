/* A skeleton with thread-local variables in every way that a library may reach them.
 *
 *   2 models() -> u32[5]       what this thread and another one have, each as a sum of all variables; then alignment
 *   3 many(u32) -> u32         that many threads one after the other, each finds its own first contents
 */
#include "HAP.h"
#include "qurt.h"
#include "skel.h"

#define MODEL(name) __attribute__((tls_model(name)))

static volatile __thread unsigned dynamic = 1;                                /* __tls_get_addr */
static volatile __thread unsigned near1 MODEL("local-dynamic") = 20;
static volatile __thread unsigned near2 MODEL("local-dynamic");
static volatile __thread unsigned fixed MODEL("initial-exec") = 300;           /* relative to UGP */
static volatile __thread unsigned char wide[100] __attribute__((aligned(64)));
static unsigned word = 4000;
static __thread unsigned *volatile pointer = &word;                            /* a relocation in the first contents */
extern __thread unsigned theirs;                                               /* of the library that this one needs */
extern __thread unsigned theirs_fixed MODEL("initial-exec");

static unsigned sum(unsigned add)
{
    dynamic += add, near1 += add, near2 += add, fixed += add, theirs += add, theirs_fixed += add;
    wide[99]++;
    return dynamic + near1 + near2 + fixed + *pointer + theirs + theirs_fixed + wide[99];
}

static uint64_t stack[2048];
static unsigned seen[2];

static void work(void *argument)
{
    seen[0] = sum((unsigned)argument);
    seen[1] = (unsigned)&wide % 64;
    qurt_thread_exit(0);
}

static int in_thread(unsigned add)
{
    qurt_thread_attr_t attributes;
    qurt_thread_attr_init(&attributes);
    attributes.stack_addr = stack, attributes.stack_size = sizeof stack, attributes.priority = 100;
    qurt_thread_t thread;
    int status;
    if (qurt_thread_create(&thread, &attributes, work, (void *)add))
        return AEE_EFAILED;
    qurt_thread_join(thread, &status);
    return AEE_SUCCESS;
}

static int models(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    out[0] = sum(1);
    if (in_thread(2))
        return AEE_EFAILED;
    out[1] = seen[0], out[2] = seen[1];
    out[3] = sum(1);
    out[4] = (unsigned)&wide % 64;
    return AEE_SUCCESS;
}

static int many(void *context, remote_arg *args)
{
    (void)context;
    unsigned count = *(const unsigned *)args[0].buf.pv, *out = args[1].buf.pv;
    *out = 0;
    for (unsigned i = 0; i < count; i++) {
        if (in_thread(0))
            return AEE_EFAILED;
        *out += seen[0];
    }
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 0, 1, 0, 0), models, {20}},
    {3, SC(0, 1, 1, 0, 0), many, {4, 4}},
};
SKELETON(tls, methods)
