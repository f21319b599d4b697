/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The listener: the DSP's calls to us are the answers to a call that we keep waiting on it (adsp_listener1, next2), and our
 * replies go with the next one. What the library's listener thread does (src/listener_android.c of qualcomm/fastrpc), one
 * thread a session.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "fastrpc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_LISTENERS = 64, MOST_REQUEST = 64 << 20, STEP = 4096, INTERRUPT = SIGURG };

struct listener {
    int fd;
    pthread_t thread;
    atomic_int tid;
    atomic_bool over, asked_to_end;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listeners[MOST_LISTENERS];

static void ignore(int number)
{
    (void)number;
}

/* Fetches what did not fit the answer of next2. */
static int64_t rest(int fd, uint32_t ctx, uint32_t have, uint32_t all, uint8_t *to)
{
    uint32_t in[3] = {ctx, have, all - have}, out;
    return call_inline(fd, FR_LISTENER, FR_SCALARS(7, 1, 2, 0, 0), (void *[]){in, &out, to + have},
                       (size_t[]){sizeof in, sizeof out, all - have});
}

static void *listener_main(void *argument)
{
    struct listener *self = argument;
    struct apps *apps = apps_new(self->fd);
    uint32_t prev_ctx = 0, prev_result = ~0u, room = 0;
    uint8_t *request = NULL;
    struct pack reply = {0};
    atomic_store(&self->tid, gettid());
    while (apps && !atomic_load(&self->asked_to_end)) {
        uint32_t in[4] = {prev_ctx, prev_result, (uint32_t)reply.size, room}, out[4] = {0};
        int64_t status = call_inline(self->fd, FR_LISTENER, FR_SCALARS(6, 2, 2, 0, 0),
                                     (void *[]){in, reply.data, out, request},
                                     (size_t[]){sizeof in, reply.size, sizeof out, room});
        uint32_t size = out[3];
        if (status || size > MOST_REQUEST)
            break;
        if (size > room) {
            uint32_t more = (size + STEP - 1) / STEP * STEP;
            uint8_t *larger = realloc(request, more);
            if (!larger)
                break;
            request = larger;
            if (rest(self->fd, out[0], room, more, request))
                break;
            room = more;
        }
        reply.size = 0;
        prev_ctx = out[0];
        prev_result = apps_serve(apps, out[1], out[2], request, size, &reply);
        if (prev_result)
            reply.size = 0;
    }
    free(request);
    free(reply.data);
    apps_free(apps);
    atomic_store(&self->over, true);
    return NULL;
}

static struct listener **find(int fd)
{
    for (int i = 0; i < MOST_LISTENERS; i++)
        if (listeners[i] && listeners[i]->fd == fd)
            return &listeners[i];
    return NULL;
}

bool listener_runs(int fd)
{
    pthread_mutex_lock(&lock);
    struct listener **found = find(fd);
    bool runs = found && !atomic_load(&(*found)->over);
    pthread_mutex_unlock(&lock);
    return runs;
}

int64_t listener_start(int fd)
{
    int64_t status = call_inline(fd, FR_LISTENER, FR_SCALARS(5, 0, 0, 0, 0), NULL, NULL);
    if (status)
        return status;
    listener_forget(fd);
    pthread_mutex_lock(&lock);
    int at = 0;
    while (at < MOST_LISTENERS && listeners[at])
        at++;
    struct listener *listener = at < MOST_LISTENERS ? calloc(1, sizeof *listener) : NULL;
    status = -ENOMEM;
    if (listener) {
        listener->fd = fd;
        sigaction(INTERRUPT, &(struct sigaction){.sa_handler = ignore}, NULL);
        /* Signals for the script's tasks are not for this thread. */
        sigset_t all, before;
        sigfillset(&all);
        sigdelset(&all, INTERRUPT);
        sigdelset(&all, SIGSEGV);
        sigdelset(&all, SIGBUS);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        status = -pthread_create(&listener->thread, NULL, listener_main, listener);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!status)
            listeners[at] = listener;
        else
            free(listener);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

int64_t listener_join(int fd, uint64_t within_us)
{
    pthread_mutex_lock(&lock);
    struct listener **found = find(fd), *listener = found ? *found : NULL;
    pthread_mutex_unlock(&lock);
    if (!listener)
        return 0;
    for (uint64_t end = now_us() + within_us; !atomic_load(&listener->over);) {
        if (now_us() >= end)
            return -ETIMEDOUT;
        usleep(1000);
    }
    pthread_join(listener->thread, NULL);
    pthread_mutex_lock(&lock);
    if ((found = find(fd)) && *found == listener)
        *found = NULL;
    pthread_mutex_unlock(&lock);
    free(listener);
    return 0;
}

void listener_interrupt(int fd)
{
    pthread_mutex_lock(&lock);
    struct listener **found = find(fd);
    if (found) {
        atomic_store(&(*found)->asked_to_end, true);
        int tid = atomic_load(&(*found)->tid);
        if (tid && !atomic_load(&(*found)->over))
            syscall(SYS_tgkill, getpid(), tid, INTERRUPT);
    }
    pthread_mutex_unlock(&lock);
}

/* The descriptor has a new owner: a listener that is still waiting belongs to a file that is closed. */
void listener_forget(int fd)
{
    pthread_mutex_lock(&lock);
    struct listener **found = find(fd);
    if (found) {
        pthread_detach((*found)->thread);
        *found = NULL;
    }
    pthread_mutex_unlock(&lock);
}
