/* What a program may ask for and should not.
 *
 *   2 bad(how) -> u32      1: joins itself; 2: destroys a mutex that it holds; 3: 10 000 threads, how many there were;
 *                          4: a thread on a stack that nobody has; 5: copies over the end of the address space
 */
#include "skel.h"
#include <pthread.h>
#include <qurt.h>

static void *sleeps(void *until)
{
    while (!*(volatile int *)until)
        qurt_sleep(1000);
    return 0;
}

static void returns(void *argument)
{
    volatile unsigned own[16];
    own[0] = (unsigned)argument;
    own[15] = own[0];
}

static int bad(void *context, remote_arg *args)
{
    (void)context;
    unsigned how = *(const unsigned *)args[0].buf.pv, *out = args[1].buf.pv;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_t threads[10000];
    static volatile int over;
    switch (how) {
    case 1:
        *out = (unsigned)pthread_join(pthread_self(), 0);
        break;
    case 2:
        pthread_mutex_lock(&mutex);
        *out = (unsigned)pthread_mutex_destroy(&mutex);
        break;
    case 3:
        *out = 0;
        while (*out < 10000 && !pthread_create(&threads[*out], 0, sleeps, (void *)&over))
            ++*out;
        over = 1;
        for (unsigned n = 0; n < *out; n++)
            pthread_join(threads[n], 0);
        break;
    case 4: {
        qurt_thread_attr_t attributes;
        qurt_thread_t thread;
        int status;
        qurt_thread_attr_init(&attributes);
        qurt_thread_attr_set_stack_addr(&attributes, (void *)0xd0000000);
        qurt_thread_attr_set_stack_size(&attributes, 4096);
        *out = (unsigned)qurt_thread_create(&thread, &attributes, returns, 0);
        qurt_thread_join(thread, &status);
        break;
    }
    default:
        memcpy((void *)0xffffff00, args[0].buf.pv, 0x200);
    }
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 1, 1, 0, 0), bad, {4, 4}},
};
SKELETON(hostile, methods)

#ifdef NEVER
/* Nobody gets past this. */
__attribute__((constructor)) static void never(void)
{
    for (;;)
        __asm__ volatile("");
}
#endif

#ifdef LARGE
/* More than a process has addresses for, nearly. */
__thread char large[0xfff00000u];
char *where(void) { return &large[1]; }
#endif
