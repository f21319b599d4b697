/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Threads of C11. Types have the sizes that musl gives them; TIME_UTC is the process's clock.
 */
#ifndef VHX_THREADS_H
#define VHX_THREADS_H

#include <time.h>

#ifdef __cplusplus
extern "C" {
#else
#define thread_local _Thread_local
#endif

typedef unsigned long thrd_t;
typedef unsigned tss_t;
typedef int once_flag;
typedef struct {
    unsigned reserved[6];
} mtx_t;
typedef struct {
    unsigned reserved[12];
} cnd_t;
typedef int (*thrd_start_t)(void *);
typedef void (*tss_dtor_t)(void *);

#define ONCE_FLAG_INIT 0
#define TSS_DTOR_ITERATIONS 4

enum {
    thrd_success = 0,
    thrd_busy = 1,
    thrd_error = 2,
    thrd_nomem = 3,
    thrd_timedout = 4,
};

enum {
    mtx_plain = 0,
    mtx_recursive = 1,
    mtx_timed = 2,
};

int thrd_create(thrd_t *, thrd_start_t, void *);
void thrd_exit(int result) __attribute__((noreturn));
int thrd_join(thrd_t, int *result);
int thrd_detach(thrd_t);
thrd_t thrd_current(void);
int thrd_equal(thrd_t, thrd_t);
int thrd_sleep(const struct timespec *, struct timespec *left);
void thrd_yield(void);
int mtx_init(mtx_t *, int type);
void mtx_destroy(mtx_t *);
int mtx_lock(mtx_t *);
int mtx_timedlock(mtx_t *, const struct timespec *until);
int mtx_trylock(mtx_t *);
int mtx_unlock(mtx_t *);
int cnd_init(cnd_t *);
void cnd_destroy(cnd_t *);
int cnd_wait(cnd_t *, mtx_t *);
int cnd_timedwait(cnd_t *, mtx_t *, const struct timespec *until);
int cnd_signal(cnd_t *);
int cnd_broadcast(cnd_t *);
int tss_create(tss_t *, tss_dtor_t);
void tss_delete(tss_t);
int tss_set(tss_t, void *);
void *tss_get(tss_t);
void call_once(once_flag *, void (*f)(void));

#ifdef __cplusplus
}
#endif

#endif
