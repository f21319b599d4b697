/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Signals that a process raises itself; none comes from outside. Numbers: those of Linux.
 */
#ifndef VHX_SIGNAL_H
#define VHX_SIGNAL_H

#ifdef __cplusplus
extern "C" {
#endif

typedef int sig_atomic_t;
typedef void (*sighandler_t)(int);
typedef struct {
    unsigned long bits[32];
} sigset_t;

struct sigaction {
    sighandler_t sa_handler;
    sigset_t sa_mask;
    int sa_flags;
    void (*sa_restorer)(void);
};

#define SIG_DFL ((sighandler_t)0)
#define SIG_IGN ((sighandler_t)1)
#define SIG_ERR ((sighandler_t)-1)

#define SIGHUP  1
#define SIGINT  2
#define SIGQUIT 3
#define SIGILL  4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGBUS  7
#define SIGFPE  8
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGUSR2 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGCHLD 17

#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SA_SIGINFO   4 /* refused */
#define SA_RESETHAND 0x80000000

sighandler_t signal(int number, sighandler_t handler);
int raise(int number);
int sigaction(int number, const struct sigaction *, struct sigaction *before);
int sigemptyset(sigset_t *);
int sigfillset(sigset_t *);
int sigaddset(sigset_t *, int number);
int sigdelset(sigset_t *, int number);
int sigismember(const sigset_t *, int number);
int sigprocmask(int how, const sigset_t *, sigset_t *before);
int pthread_sigmask(int how, const sigset_t *, sigset_t *before);

#ifdef __cplusplus
}
#endif

#endif
