/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Threads, processes, signals, events.
 *
 * A thread is told to wait in the driver not by time but by what the kernel says of it: /proc/PID/task/TID/syscall
 * names the system call in which a thread sleeps.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long `parked` and `await` wait if they are not told. */
enum { PATIENCE_US = 10 * 1000 * 1000 };

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct task *tasks[MOST_TASKS];
static int task_count;
/* In memory that all processes of the script share. */
static atomic_int *event_counts;

static void on_signal(int number)
{
    (void)number;
}

static struct slot *slots(const struct slot *from)
{
    size_t count = (size_t)symbol_total() + 1;
    struct slot *made = calloc(count, sizeof *made);
    if (!made)
        _exit(EXIT_SCRIPT);
    if (from)
        memcpy(made, from, count * sizeof *made);
    return made;
}

void task_main(struct task *task)
{
    /* SIGUSR1 interrupts a system call, SIGUSR2 lets it be restarted. */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    event_counts = mmap(NULL, MOST_EVENTS * sizeof *event_counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (event_counts == MAP_FAILED)
        _exit(EXIT_SCRIPT);
    task->locals = slots(NULL);
    task->loops = slots(NULL);
    atomic_store(&task->tid, gettid());
    run_block(task, task->body);
}

static void *thread_main(void *argument)
{
    struct task *task = argument;
    atomic_store(&task->tid, gettid());
    run_block(task, task->body);
    atomic_store(&task->over, true);
    return NULL;
}

static struct task *task_new(struct call *call, int number)
{
    struct task *task = calloc(1, sizeof *task);
    if (!task)
        stop(call, EXIT_SCRIPT, "no memory");
    task->parent = call->task;
    task->name = string_param(call, 0);
    task->scope = call->command->inner;
    task->number = number;
    task->locals = slots(NULL);
    task->loops = slots(call->task->loops);
    task->body = &call->command->body;
    return task;
}

/* The lock is held. A slot whose task has been waited for is used again. */
static void enlist(struct call *call, struct task *task)
{
    int at = 0;
    while (at < task_count && !tasks[at]->joined)
        at++;
    if (at == MOST_TASKS)
        stop(call, EXIT_SCRIPT, "more than %d threads and processes", MOST_TASKS);
    tasks[at] = task;
    task_count += at == task_count;
}

VERB(thread)
{
    for (int64_t n = 0, count = number_option(call, "count", 1); n < count; n++) {
        struct task *task = task_new(call, (int)n);
        pthread_mutex_lock(&registry);
        int error = pthread_create(&task->thread, NULL, thread_main, task);
        if (error)
            stop(call, EXIT_EXPECTATION, "cannot start a thread: %s", strerror(error));
        enlist(call, task);
        pthread_mutex_unlock(&registry);
    }
    return 0;
}

VERB(process)
{
    for (int64_t n = 0, count = number_option(call, "count", 1); n < count; n++) {
        struct task *task = task_new(call, (int)n);
        /* Held over the fork, so that the child does not find it held by a thread it does not have. */
        pthread_mutex_lock(&registry);
        pid_t parent = getpid();
        pid_t pid = fork();
        if (pid < 0)
            stop(call, EXIT_EXPECTATION, "cannot fork: %s", strerror(errno));
        if (!pid) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(0);
            /* All variables came along. */
            task->locals = call->task->locals;
            task->scope = call->task->scope;
            task->parent = call->task->parent;
            task->pid = getpid();
            atomic_store(&task->tid, task->pid);
            for (int i = 0; i < task_count; i++)
                if (!tasks[i]->pid)
                    tasks[i]->joined = true;
            pthread_mutex_unlock(&registry);
            run_block(task, task->body);
            _exit(0);
        }
        task->pid = pid;
        atomic_store(&task->tid, pid);
        enlist(call, task);
        pthread_mutex_unlock(&registry);
    }
    return 0;
}

/* The next task of this name that nobody has waited for, from an index on. */
static struct task *next_task(const char *name, int *index)
{
    struct task *found = NULL;
    pthread_mutex_lock(&registry);
    for (; *index < task_count && !found; ++*index)
        if (!tasks[*index]->joined && !strcmp(tasks[*index]->name, name))
            found = tasks[*index];
    pthread_mutex_unlock(&registry);
    return found;
}

VERB(join)
{
    const char *name = string_param(call, 0);
    int64_t within = number_option(call, "within", -1);
    uint64_t end = now_us() + (uint64_t)within;
    struct task *task;
    for (int i = 0; (task = next_task(name, &i));) {
        if (task->pid)
            stop(call, EXIT_SCRIPT, "%s is a process: `wait` for it", name);
        while (within >= 0 && !atomic_load(&task->over)) {
            if (now_us() >= end)
                return -ETIMEDOUT;
            usleep(1000);
        }
        pthread_join(task->thread, NULL);
        task->joined = true;
    }
    return 0;
}

/* Whether it ended; its result then is how: the exit code, or 128 + signal. */
static bool reaped(struct task *task, bool block)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(task->pid, &status, block ? 0 : WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (!pid)
        return false;
    task->joined = true;
    task->result = pid < 0 ? -errno : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

VERB(wait)
{
    const char *name = string_param(call, 0);
    int64_t within = number_option(call, "within", -1), worst = 0;
    uint64_t end = now_us() + (uint64_t)within;
    struct task *task;
    for (int i = 0; (task = next_task(name, &i));) {
        if (!task->pid)
            stop(call, EXIT_SCRIPT, "%s is a thread: `join` it", name);
        while (!reaped(task, within < 0)) {
            if (now_us() >= end)
                return -ETIMEDOUT;
            usleep(1000);
        }
        if (task->result < 0 || task->result > worst)
            worst = task->result;
    }
    return worst;
}

static int64_t send_signal(struct call *call, int number)
{
    const char *name = string_param(call, 0);
    int sent = 0;
    struct task *task;
    for (int i = 0; (task = next_task(name, &i));) {
        for (uint64_t end = now_us() + PATIENCE_US; !atomic_load(&task->tid) && now_us() < end;)
            usleep(1000);
        if (task->pid ? kill(task->pid, number) : syscall(SYS_tgkill, getpid(), atomic_load(&task->tid), number))
            return -errno;
        sent++;
    }
    return sent ? 0 : -ESRCH;
}

VERB(signal)
{
    return send_signal(call, (int)number_param(call, 1));
}

VERB(kill)
{
    return send_signal(call, SIGKILL);
}

/* Whether a thread sleeps in this system call; -1 if it is gone. */
static int sleeps_in(pid_t pid, int tid, long wanted)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return -1;
    text[n] = 0;
    /* A thread that is not asleep is called "running". */
    char *end;
    long number = strtol(text, &end, 10);
    return end > text && *end == ' ' && (wanted < 0 || number == wanted);
}

VERB(parked)
{
    const char *name = string_param(call, 0), *where = string_option(call, "in", "ioctl");
    long wanted = !strcmp(where, "ioctl") ? SYS_ioctl : !strcmp(where, "close") ? SYS_close : -1;
    if (wanted < 0 && strcmp(where, "any"))
        stop(call, EXIT_SCRIPT, "`in` is ioctl, close or any");
    uint64_t end = now_us() + (uint64_t)number_option(call, "within", PATIENCE_US);
    struct task *task;
    int found = 0;
    for (int i = 0; (task = next_task(name, &i)); found++) {
        /* Twice in a row with time between: a lock that it waits for a moment is not what is meant. */
        for (int seen = 0; seen < 2;) {
            int tid = atomic_load(&task->tid);
            int state = tid ? sleeps_in(task->pid ? task->pid : getpid(), tid, wanted) : 0;
            if (state < 0 || atomic_load(&task->over))
                return -ESRCH;
            seen = state ? seen + 1 : 0;
            if (now_us() >= end)
                return -ETIMEDOUT;
            usleep(10000);
        }
    }
    return found ? 0 : -ESRCH;
}

VERB(post)
{
    int64_t count = params(call) > 1 ? number_param(call, 1) : 1;
    atomic_fetch_add(&event_counts[event_number(string_param(call, 0), false)], (int)count);
    return 0;
}

VERB(await)
{
    atomic_int *count = &event_counts[event_number(string_param(call, 0), false)];
    uint64_t end = now_us() + (uint64_t)number_option(call, "within", PATIENCE_US);
    for (;;) {
        int now = atomic_load(count);
        if (now > 0 && atomic_compare_exchange_strong(count, &now, now - 1))
            return 0;
        if (now_us() >= end)
            return -ETIMEDOUT;
        usleep(200);
    }
}

/* The thread alone, as the kernel has it: libc would change the whole process. */
VERB(user)
{
    int64_t user = number_param(call, 0);
    if (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, user, user, user) ||
        syscall(SYS_setresuid, user, user, user))
        return -errno;
    return 0;
}

VERB(cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)number_param(call, 0) % CPU_SETSIZE, &set);
    return sched_setaffinity(0, sizeof set, &set) ? -errno : 0;
}

VERB(leave)
{
    _exit(params(call) ? (int)number_param(call, 0) & 0xff : 0);
}

VERB(die)
{
    kill(getpid(), params(call) ? (int)number_param(call, 0) : SIGKILL);
    return -EIO;
}
