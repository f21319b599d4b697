/* What a session's parameters decide, and QuRT by the declarations of its headers.
 *
 *   2 deep(u32 levels) -> u32       in[0], out[0]: so many frames of more than 256 bytes
 *   3 say()                         one run-time message of low, high and error level, and one that always comes
 *   4 qurt() -> u32[8]              out[0]: threads that are joined after their ends, timers, pipes, values, mutexes
 */
#include "HAP.h"
#include "qurt.h"
#include "skel.h"

static __attribute__((noinline)) unsigned deeper(unsigned n)
{
    volatile char room[256];
    room[n % sizeof room] = (char)n;
    return n ? deeper(n - 1) + (unsigned)room[n % sizeof room] - (unsigned)(char)n + 1 : 0;
}

static int deep(void *context, remote_arg *args)
{
    (void)context;
    *(unsigned *)args[1].buf.pv = deeper(*(const unsigned *)args[0].buf.pv);
    return AEE_SUCCESS;
}

static int say(void *context, remote_arg *args)
{
    (void)context, (void)args;
    FARF(RUNTIME_LOW, "runtime low");
    FARF(RUNTIME_HIGH, "runtime high");
    FARF(RUNTIME_ERROR, "runtime error");
    /* No mask is asked for this one. */
    FARF(ALWAYS, "all said");
    return AEE_SUCCESS;
}

static char stacks[2][8192] __attribute__((aligned(16)));

static void ends(void *status)
{
    qurt_thread_exit((int)status);
}

static qurt_thread_t start(unsigned n, unsigned short state)
{
    qurt_thread_attr_t how;
    qurt_thread_t thread = 0;
    qurt_thread_attr_init(&how);
    qurt_thread_attr_set_name(&how, "short");
    qurt_thread_attr_set_priority(&how, 100);
    qurt_thread_attr_set_stack_addr(&how, stacks[n]);
    qurt_thread_attr_set_stack_size(&how, sizeof stacks[n]);
    qurt_thread_attr_set_detachstate(&how, state);
    qurt_thread_create(&thread, &how, ends, (void *)77);
    return thread;
}

static int qurt(void *context, remote_arg *args)
{
    (void)context;
    int *out = args[0].buf.pv;
    qurt_thread_t joinable = start(0, QURT_THREAD_ATTR_CREATE_JOINABLE);
    qurt_thread_t legacy = start(1, QURT_THREAD_ATTR_CREATE_LEGACY);
    /* Longer than they live. */
    qurt_sleep(200000);
    out[0] = qurt_thread_join(joinable, &out[1]);
    out[2] = qurt_thread_join(legacy, 0);

    qurt_timer_attr_t how;
    qurt_timer_t timer;
    qurt_anysignal_t signal;
    qurt_anysignal_init(&signal);
    qurt_timer_attr_init(&how);
    qurt_timer_attr_set_duration(&how, 1000);
    qurt_timer_attr_set_type(&how, QURT_TIMER_ONESHOT);
    if (qurt_timer_create(&timer, &how, &signal, 4))
        return AEE_EFAILED;
    out[3] = (int)qurt_anysignal_wait(&signal, 4);
    qurt_timer_delete(timer);

    qurt_pipe_t pipe;
    qurt_pipe_attr_t elements;
    qurt_pipe_attr_init(&elements);
    qurt_pipe_attr_set_elements(&elements, 2);
    if (qurt_pipe_init(&pipe, &elements))
        return AEE_EFAILED;
    qurt_pipe_send(&pipe, 5);
    out[4] = (int)qurt_pipe_receive(&pipe);
    qurt_pipe_destroy(&pipe);

    int key;
    if (qurt_tls_create_key(&key, 0) || qurt_tls_set_specific(key, out))
        return AEE_EFAILED;
    out[5] = qurt_tls_get_specific(key) == out;
    qurt_tls_delete_key(key);

    qurt_mutex_t mutex;
    qurt_pimutex_init(&mutex);
    qurt_pimutex_lock(&mutex);
    qurt_pimutex_lock(&mutex);
    qurt_pimutex_unlock(&mutex);
    out[6] = qurt_pimutex_try_lock(&mutex);
    out[7] = (int)qurt_api_version();
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 1, 1, 0, 0), deep, {4, 4}},
    {3, SC(0, 0, 0, 0, 0), say, {0}},
    {4, SC(0, 0, 1, 0, 0), qurt, {32}},
};
SKELETON(session, methods)
