/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-crashers: clients that are in the middle of calls while the DSP crashes and recovers under them.
 *
 *   vh-crashers [--clients N] [--busy]
 *
 * Each of N clients opens a session in a process of its own and waits in a call that lasts for a minute, or (--busy)
 * calculates in a loop and checks every result. A call that fails ends the session: the client closes it, waits for the
 * device and opens another, in a new process. This goes on until SIGTERM; from then on every new session calculates, and
 * the program ends when each client has had one in which a hundred calls were right:
 *
 *   crashers clients N sessions S errors E calls C recovered R wrong W
 *
 * errors: calls that failed. calls: right results. wrong: calls that succeeded with a wrong result. The exit code is 0
 * when all recovered and nothing was wrong.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cdsprpc.h"

enum { WORDS = 1000, LAST_CALLS = 100, ATTEMPTS = 600 };

/* Shared by all processes. */
static struct shared {
    atomic_int ending;
    atomic_long calls, errors, sessions, recovered, wrong;
} *shared;

static void end(int signal)
{
    (void)signal;
    shared->ending = 1;
}

static int busy;

/* Waits in a call for a minute, over and over until a call fails. */
static int parked(uint64_t handle)
{
    uint32_t milliseconds = 60 * 1000;
    remote_arg args[1] = {rpc_buffer(&milliseconds, 4)};
    while (!rpc.invoke(handle, SC(5, 1, 0), args))
        ;
    shared->errors++;
    return 1;
}

/* Calls until one fails (1), or LAST_CALLS were right after the end was announced (0). */
static int calls(uint64_t handle, int32_t *v)
{
    uint32_t n = WORDS;
    for (int last = 0; last < LAST_CALLS;) {
        int ending = shared->ending;
        int64_t sum = -1;
        remote_arg args[3] = {rpc_buffer(&n, 4), rpc_buffer(v, WORDS * 4), rpc_buffer(&sum, 8)};
        int e = rpc.invoke(handle, SC(2, 2, 1), args);
        if (e) {
            shared->errors++;
            return 1;
        }
        if (sum != (int64_t)WORDS * (WORDS - 1) / 2)
            shared->wrong++;
        shared->calls++;
        last = ending ? last + 1 : 0;
    }
    return 0;
}

/* One session: 0 when it lasted to the end. */
static int session(void)
{
    uint64_t handle;
    int park = !busy && !shared->ending;
    int e = rpc_unsigned();
    if (!e)
        e = park ? rpc_open("bench", "", &handle) : rpc_open("calculator", "&_idlver=1.2.3", &handle);
    if (e)
        return 2;
    shared->sessions++;
    /* Memory of the process's own, which the driver copies: the library would open the device again for shared memory, and
       the DSP does not have two sessions for everybody. */
    static int32_t v[WORDS];
    for (int i = 0; i < WORDS; i++)
        v[i] = i;
    int outcome = park ? parked(handle) : calls(handle, v);
    rpc.close(handle);
    return outcome;
}

/* Whether there is a device, and has been for long enough for the driver to have set up all its sessions. */
static int present(void)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/fastrpc-%s", rpc_dsp());
    if (access(path, F_OK))
        return 0;
    usleep(400 * 1000);
    return !access(path, F_OK);
}

static void client(void)
{
    for (int attempts = 0; attempts < ATTEMPTS;) {
        if (!present()) {
            attempts += shared->ending;
            usleep(50 * 1000);
            continue;
        }
        pid_t child = fork();
        if (!child) {
            rpc_load();
            _exit(session());
        }
        int status;
        if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status)) {
            shared->recovered++;
            return;
        }
        attempts += shared->ending;
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    long clients = 8;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--clients") && i + 1 < argc)
            clients = atol(argv[++i]);
        else if (!strcmp(argv[i], "--busy"))
            busy = 1;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 92;
    }
    for (long c = 0; c < clients; c++)
        if (!fork()) {
            client();
            _exit(0);
        }
    /* The clients are told through `ending`: the signal is for this process. */
    struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    while (wait(NULL) > 0)
        ;
    int fine = shared->recovered == clients && !shared->wrong;
    printf("crashers clients %ld sessions %ld errors %ld calls %ld recovered %ld wrong %ld\n", clients, shared->sessions,
           shared->errors, shared->calls, shared->recovered, shared->wrong);
    return !fine;
}
