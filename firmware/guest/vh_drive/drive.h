/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-drive's inside: what its files share. A script is read completely (parse.c), checked against the table of verbs
 * (verbs.c), and then run line by line (run.c); each verb is one function in one of the cmd_*.c files.
 */
#ifndef VH_DRIVE_H
#define VH_DRIVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    MOST_WORDS = 64,
    MOST_DEPTH = 24,
    MOST_SYMBOLS = 256,
    MOST_SCOPES = 64,
    MOST_EVENTS = 64,
    MOST_TASKS = 512,
    NAME_SIZE = 32,
    SCRIPT_SIZE = 1 << 20,
};

/* Exit codes. */
enum { EXIT_EXPECTATION = 1, EXIT_SCRIPT = 2 };

/* ---- the script --------------------------------------------------------------------------------------------------- */

struct call;

/* What a verb takes and does. The letters of `params`:
 *   n  a name for what is made      e  an expression         s  a word or "string"
 *   t  a name for a task to start   u  a task's name         v  an event's name
 *   E  an expression to the end of the line
 * Those behind `?` may be left out; `*` stands for arguments of an invoke. `options` are "key" or "key:letter" words. */
struct verb {
    const char *name, *params, *options;
    bool block;
    int64_t (*run)(struct call *call);
    const char *usage, *help;
};

struct block {
    struct command *first, *last;
};

struct command {
    struct command *next;
    int line;
    const struct verb *verb;
    const char *text; /* as it stands in the script, without the expectation */
    int words;
    char *word[MOST_WORDS]; /* word[0] is the verb */
    char *plain[MOST_WORDS]; /* without quotes; of an option, its value */
    int params;             /* of `word`, these many positional ones, by index in `param` */
    unsigned char param[MOST_WORDS];
    const char *expected; /* the alternatives, or NULL */
    const char *within;   /* a time, or NULL */
    int scope;            /* in which it stands */
    int inner;            /* that a thread's block makes */
    struct block body, other;
    /* What was printed of it last. */
    atomic_bool printed;
    _Atomic int64_t last;
};

extern const struct verb VERBS[];
const struct verb *verb_find(const char *name);
void verbs_help(void);

/* Reads a script; ends the program with EXIT_SCRIPT when something is wrong with it. */
struct block script_parse(char *text);
/* Says what is wrong in a line, and ends the program. */
_Noreturn void script_error(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- names -------------------------------------------------------------------------------------------------------- */

/* A variable. It belongs to the outermost block of a thread, or the script, that gives it a value. */
struct symbol {
    char name[NAME_SIZE];
    int scope;
    bool loop; /* `for` made it: every task has its own */
};
struct slot {
    _Atomic int64_t value;
    atomic_bool set;
};

int scope_new(int parent);
bool name_valid(const char *text);
void symbol_define(int line, const char *name, int scope, bool loop);
const struct symbol *symbol_find(const char *name, int scope);
int symbol_total(void);
int event_number(const char *name, bool define);

/* errno and signal names, and drivers': EPIPE is -32, SIGKILL is 9, QDA is 2. */
bool constant_find(const char *name, int64_t *value);
/* 0, ENOENT, 0x8000040e, … */
const char *status_text(int64_t status, char *buffer, size_t size);

/* ---- running ------------------------------------------------------------------------------------------------------ */

/* A thread of the script: the main one, or what `thread` and `process` made. */
struct task {
    struct task *parent;
    const char *name;
    int scope, number;
    struct slot *locals; /* by symbol */
    struct slot *loops;
    int64_t result, ms;
    bool broken; /* out of a loop */
    const struct block *body;
    atomic_int tid;
    pid_t pid; /* of a process, else 0 */
    pthread_t thread;
    atomic_bool over;
    bool joined;
};

/* One execution of a command. */
struct call {
    struct task *task;
    const struct command *command;
    int64_t value; /* for the name that the command gives */
    bool has_value;
};

_Noreturn void stop(struct call *call, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run_block(struct task *task, const struct block *block);
void task_main(struct task *task);
uint64_t now_us(void);

/* The value of a variable, or NULL if it has none yet. */
struct slot *slot_of(struct task *task, const struct symbol *symbol);

/* Parameters and options of a call. */
int params(const struct call *call);
int64_t number_param(struct call *call, int index);
int fd_param(struct call *call, int index);
const char *string_param(struct call *call, int index);
bool option(const struct call *call, const char *key);
int64_t number_option(struct call *call, const char *key, int64_t otherwise);
const char *string_option(struct call *call, const char *key, const char *otherwise);

/* The result of a call that gives its name a value if it succeeds. */
int64_t made(struct call *call, int64_t status, int64_t value);

/* Expressions. The check ends the program when something is wrong. */
int64_t evaluate(struct task *task, const struct command *command, const char *text);
void expression_check(const struct command *command, const char *text);
/* A word or a "string" as it is meant; the caller frees it. */
char *unquoted(const char *word);
/* Splits at `separator` outside of brackets and quotes; each part ends the one before. */
int split(char *text, char separator, char **parts, int most);

/* ---- tools of the verbs -------------------------------------------------------------------------------------------- */

/* ioctl: 0, -errno, or the driver's own return value as a positive number. */
int64_t request(int fd, unsigned long number, void *data);
/* The same with the structure where the `place` option says. */
int64_t request_placed(struct call *call, int fd, unsigned long number, void *data, size_t size);
/* Copies between addresses of which one may not be accessible: 0 or -EFAULT. */
int64_t copy_guarded(void *to, const void *from, size_t size);

/* Which driver a descriptor is of (node.c). The kernel is asked each time. */
enum driver { DRIVER_FASTRPC = 1, QDA_NEWER, QDA_OLDER };
bool is_qda(int fd);
/* A command's result when it has opened a node: what was known of an earlier file of that number is forgotten. */
int64_t opened(struct call *call, int64_t fd);
/* One of `enum driver`, or an error; of any descriptor, and of one of QDA's. */
int64_t driver_number(int fd);
int64_t qda_posting(int fd);
/* A DSP's node of the driver that there is, or a path: a descriptor or an error. */
int64_t node_open(const char *label, bool secure);
/* 0 or ENOENT; nothing is opened. */
int64_t node_present(const char *label);

/* Buffers and memory (memory.c). A dma-buf's descriptor becomes what this file's requests call it. */
int64_t dma_reference(int fd, int32_t *dmabuf);
/* Pages for the heap of the file's process on the DSP. */
int64_t memory_add(int fd, uint64_t size, uint64_t *dsp_address);
int64_t memory_remove(int fd, uint64_t dsp_address, uint64_t size);
/* The descriptor has a new owner. */
void memory_forget(int fd);

/* Arguments of an invoke (args.c). `raw`: descriptors are passed as they are given. */
struct fr_arg;
void args_check(const struct command *command, const char *word);
bool is_arg(const char *word);
int64_t invoke(struct call *call, int fd, uint32_t handle, uint32_t method, unsigned long number, bool raw);

/* One call of either driver with buffers that the kernel copies; for the services below. */
int64_t call_inline(int fd, uint32_t handle, uint32_t scalars, void *const *data, const size_t *length);

/* The listener (listener.c) and what it serves (apps.c). */
int64_t listener_start(int fd);
bool listener_runs(int fd);
int64_t listener_join(int fd, uint64_t within_us);
void listener_interrupt(int fd);
void listener_forget(int fd);
struct pack {
    uint8_t *data;
    size_t size, room;
};
void pack_bytes(struct pack *pack, const void *data, size_t size);
struct apps;
struct apps *apps_new(int fd);
void apps_free(struct apps *apps);
uint32_t apps_serve(struct apps *apps, uint32_t handle, uint32_t scalars, const uint8_t *pack, size_t size,
                    struct pack *reply);

/* The verbs. */
#define VERB(name) int64_t cmd_##name(struct call *call)
VERB(open); VERB(close); VERB(driver); VERB(attach); VERB(create); VERB(invoke); VERB(alloc); VERB(mmap); VERB(munmap);
VERB(memmap); VERB(memunmap); VERB(ioctl);
VERB(attach_sensors); VERB(create_static); VERB(free); VERB(info); VERB(option);
VERB(listen); VERB(load); VERB(unload); VERB(exit); VERB(stop);
VERB(qda_open); VERB(qda_query); VERB(qda_gem); VERB(qda_offset); VERB(qda_attach); VERB(qda_create); VERB(qda_map);
VERB(qda_unmap); VERB(qda_invoke); VERB(gem_close); VERB(gem_export); VERB(gem_import);
VERB(memory); VERB(view); VERB(unmap); VERB(protect); VERB(fill); VERB(check); VERB(peek); VERB(poke); VERB(heap);
VERB(udmabuf); VERB(memfd); VERB(sync); VERB(dup); VERB(file); VERB(limit_files);
VERB(thread); VERB(process); VERB(join); VERB(wait); VERB(signal); VERB(kill); VERB(parked); VERB(post); VERB(await);
VERB(user); VERB(cpu); VERB(leave); VERB(die);
VERB(set); VERB(expect); VERB(if); VERB(repeat); VERB(for); VERB(while); VERB(break); VERB(sleep); VERB(say);
VERB(number); VERB(lines); VERB(present); VERB(write); VERB(run);

#endif
