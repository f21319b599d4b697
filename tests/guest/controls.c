/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What the unmodified library makes of its controls of a session: each request by name, and the code that it returns.
 */
#include "cdsprpc.h"

/* enum session_control_req_id and enum handle_control_req_id of the library's remote.h. */
enum { KILL = 6, PD_DUMP = 8, EXCEPTION = 9, TYPE = 10, NOTIFY = 11 };
enum { LATENCY = 1, DSP_INFO = 2, WAKELOCK = 3 };
enum { QOS_OFF, QOS_PM, QOS_ADAPTIVE, QOS_POLL };

static int (*control)(uint32_t request, void *data, uint32_t length);
static int (*handle_control)(uint64_t handle, uint32_t request, void *data, uint32_t length);

static int notified(void *context, int domain, int session, int status)
{
    (void)context;
    printf("notified of %d in session %d of domain %d\n", status, session, domain);
    return 0;
}

static void say(const char *what, int code)
{
    printf("%s = %#x\n", what, (unsigned)code);
}

static void qos(uint64_t handle, const char *what, uint32_t mode)
{
    uint32_t latency[2] = {mode, 1000};
    say(what, handle_control(handle, LATENCY, latency, sizeof latency));
}

static void capability(const char *what, uint32_t attribute)
{
    uint32_t asked[3] = {(uint32_t)rpc_domain(), attribute, 77};
    int code = control(DSP_INFO, asked, sizeof asked);
    printf("%s = %#x, %u\n", what, (unsigned)code, asked[2]);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    rpc_load();
    control = rpc_symbol(rpc.library, "remote_handle_control");
    handle_control = rpc_symbol(rpc.library, "remote_handle64_control");
    int32_t domain[2] = {rpc_domain(), 1};
    rpc_unsigned();
    say("dump", rpc.session_control(PD_DUMP, domain, sizeof domain));
    struct {
        void *context;
        int domain;
        int (*notified)(void *, int, int, int);
    } notify = {NULL, rpc_domain(), notified};
    say("notify before", rpc.session_control(NOTIFY, &notify, sizeof notify));
    uint64_t handle = 0;
    say("open", rpc_open("bench", "", &handle));
    say("notify", rpc.session_control(NOTIFY, &notify, sizeof notify));
    qos(handle, "power management", QOS_PM);
    qos(handle, "adaptive", QOS_ADAPTIVE);
    qos(handle, "polling", QOS_POLL);
    for (int i = 0; i < 20; i++)
        if (rpc.invoke(handle, SC(2, 0, 0), NULL))
            puts("a call failed");
    qos(handle, "all off", QOS_OFF);
    uint32_t enable = 1;
    say("wakelock", handle_control(handle, WAKELOCK, &enable, sizeof enable));
    capability("notifications", 10);
    capability("driver signals", 130);
    int32_t type[2] = {rpc_domain(), -1};
    say("type", rpc.session_control(TYPE, type, sizeof type));
    say("kill", rpc.session_control(KILL, domain, 4));
    say("call", rpc.invoke(handle, SC(2, 0, 0), NULL));
    say("exception", rpc.session_control(EXCEPTION, domain, 4));
    say("call afterwards", rpc.invoke(handle, SC(2, 0, 0), NULL));
    puts("done");
    return 0;
}
