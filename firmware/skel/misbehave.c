/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * A skeleton that sins, one method a sin, to show that neither the DSP nor its other processes are hurt. Every method
 * takes in[0] {u32 x} and gives out[0] {u32}; what x means stands beside the method, and `survives` marks those that
 * are expected to return.
 *
 *    2 null_read                     9 stack_smash              16 farf_flood (x messages) survives
 *    3 null_write                   10 infinite_loop            17 return_x (result is x) survives
 *    4 wild_jump (to x)             11 write_text               18 write_past_out (x bytes behind the end)
 *    5 illegal_instruction          12 huge_malloc survives     19 thread_leak (x threads) survives
 *    6 abort_now                    13 double_free              20 misaligned_read
 *    7 assert_now                   14 exhaust_heap survives    21 wild_read (from x)
 *    8 stack_overflow               15 sleep_long (x ms)        22 exit_now (status x)
 *   23 break_after_invoke (a thread faults x ms later) survives 24 jump_to_data
 */
#include "HAP.h"
#include "qurt.h"
#include "skel.h"

#define SIN(name) static int name(void *context __attribute__((unused)), remote_arg *args __attribute__((unused)))
#define X (*(const uint32_t *)args[0].buf.pv)
#define RESULT (*(uint32_t *)args[1].buf.pv)

/* Hides a value from the optimiser, which would otherwise turn undefined behaviour into something milder. */
static inline uint32_t opaque(uint32_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

SIN(null_read)
{
    RESULT = *(volatile uint32_t *)opaque(0);
    return AEE_SUCCESS;
}

SIN(null_write)
{
    *(volatile uint32_t *)opaque(0) = X;
    return AEE_SUCCESS;
}

SIN(wild_jump)
{
    return ((int (*)(void))opaque(X))();
}

SIN(illegal_instruction)
{
    __asm__ volatile(".word 0x6fffffff"); /* no instruction has this encoding */
    return AEE_SUCCESS;
}

SIN(abort_now)
{
    abort();
}

SIN(assert_now)
{
    assert(X == X + 1);
    return AEE_SUCCESS;
}

static __attribute__((noinline)) uint32_t deeper(uint32_t n)
{
    volatile char room[256];
    room[n % sizeof room] = (char)n;
    return n ? deeper(n - 1) + (uint32_t)room[0] : (uint32_t)room[1];
}

SIN(stack_overflow)
{
    RESULT = deeper(opaque(0x7fffffff));
    return AEE_SUCCESS;
}

static __attribute__((noinline)) void smash(volatile char *at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        at[i] = (char)0xa5;
}

SIN(stack_smash)
{
    volatile char room[16];
    smash(room, opaque(64));
    return room[3];
}

SIN(infinite_loop)
{
    for (;;)
        opaque(0);
}

SIN(write_text)
{
    *(volatile uint32_t *)opaque((uint32_t)&write_text) = 0;
    return AEE_SUCCESS;
}

SIN(huge_malloc)
{
    void *p = malloc(opaque(0xf0000000u));
    RESULT = p != NULL;
    free(p);
    return AEE_SUCCESS;
}

SIN(double_free)
{
    void *p = (void *)opaque((uint32_t)malloc(64));
    free(p);
    free((void *)opaque((uint32_t)p));
    return AEE_SUCCESS;
}

/* Takes blocks until there are none, uses each, and gives all back; the result is how many there were. */
SIN(exhaust_heap)
{
    void **last = NULL;
    uint32_t count = 0;
    for (;;) {
        void **block = (void **)opaque((uint32_t)malloc(65536));
        if (!block)
            break;
        *block = last;
        last = block;
        count++;
    }
    while (last) {
        void **before = *last;
        free(last);
        last = before;
    }
    RESULT = count;
    return AEE_SUCCESS;
}

SIN(sleep_long)
{
    qurt_sleep((uint64_t)X * 1000);
    return AEE_SUCCESS;
}

SIN(farf_flood)
{
    for (uint32_t i = 0, n = X; i < n; i++)
        FARF(HIGH, "flood %u of %u: %s", (unsigned)i, (unsigned)n, "the same long text again and again and again");
    return AEE_SUCCESS;
}

SIN(return_x)
{
    return (int)X;
}

SIN(write_past_out)
{
    volatile char *end = (volatile char *)args[1].buf.pv + args[1].buf.nLen;
    for (uint32_t i = 0, n = X; i < n; i++)
        end[i] = (char)0x5a;
    return AEE_SUCCESS;
}

static void idle(void *argument)
{
    (void)argument;
    for (;;)
        qurt_sleep(1000000);
}

static int start(void (*entry)(void *), void *argument)
{
    qurt_thread_attr_t attributes;
    qurt_thread_attr_init(&attributes);
    memcpy(attributes.name, "leak", 5);
    attributes.priority = 100;
    attributes.stack_size = 4096;
    attributes.stack_addr = malloc(4096);
    qurt_thread_t thread;
    return attributes.stack_addr ? qurt_thread_create(&thread, &attributes, entry, argument) : -1;
}

SIN(thread_leak)
{
    uint32_t started = 0;
    for (uint32_t i = 0, n = X; i < n && start(idle, NULL) == 0; i++)
        started++;
    RESULT = started;
    return AEE_SUCCESS;
}

SIN(misaligned_read)
{
    RESULT = *(volatile uint32_t *)opaque((uint32_t)args[0].buf.pv + 1);
    return AEE_SUCCESS;
}

SIN(wild_read)
{
    RESULT = *(volatile uint32_t *)opaque(X);
    return AEE_SUCCESS;
}

SIN(exit_now)
{
    exit((int)X);
}

static void fault_later(void *argument)
{
    qurt_sleep((uint64_t)(uint32_t)argument * 1000);
    *(volatile uint32_t *)opaque(0) = 1;
}

SIN(break_after_invoke)
{
    return start(fault_later, (void *)X) ? (int)AEE_EFAILED : AEE_SUCCESS;
}

SIN(jump_to_data)
{
    static const uint32_t nops[2] __attribute__((section(".data"))) = {0x7f00c000, 0x529fc000};
    return ((int (*)(void))opaque((uint32_t)nops))();
}

#define METHOD(n, name) {n, SC(0, 1, 1, 0, 0), name, {4, 4}}
static const struct skel_method methods[] = {
    METHOD(2, null_read),      METHOD(3, null_write),      METHOD(4, wild_jump),   METHOD(5, illegal_instruction),
    METHOD(6, abort_now),      METHOD(7, assert_now),      METHOD(8, stack_overflow), METHOD(9, stack_smash),
    METHOD(10, infinite_loop), METHOD(11, write_text),     METHOD(12, huge_malloc), METHOD(13, double_free),
    METHOD(14, exhaust_heap),  METHOD(15, sleep_long),     METHOD(16, farf_flood), METHOD(17, return_x),
    METHOD(18, write_past_out), METHOD(19, thread_leak),   METHOD(20, misaligned_read), METHOD(21, wild_read),
    METHOD(22, exit_now),      METHOD(23, break_after_invoke), METHOD(24, jump_to_data),
};
SKELETON(misbehave, methods)
