/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The table of verbs: what each takes, and what --help says of it. docs/workloads.md tells the same at length.
 */
#include "drive.h"

#include <stdio.h>
#include <string.h>

/* Name, parameters, options (see struct verb), whether a block follows, usage, help. */
#define V(name, word, params, options, usage, help) {word, params, options, false, cmd_##name, usage, help}
#define B(name, word, params, options, usage, help) {word, params, options, true, cmd_##name, usage, help}
#define SECTION(title) {NULL, NULL, NULL, false, NULL, title, NULL}

const struct verb VERBS[] = {
    SECTION("A session, with either driver: /dev/fastrpc-*, /dev/accel/accel* (a command is the request of the file's)"),
    V(open, "open", "ns", "secure", "open NAME LABEL|/PATH [secure]", "opens a DSP's device, of the driver that there is"),
    V(close, "close", "e", NULL, "close FD", "closes a descriptor"),
    V(driver, "driver", "ne", NULL, "driver NAME FD", "whose a descriptor is: FASTRPC, QDA, QDA_OLDER"),
    V(attach, "attach", "e", NULL, "attach FD", "INIT_ATTACH: the root process"),
    V(create, "create", "e", "length:e fd:e attrs:e signature:e file:e place:s",
      "create FD [attrs=8] [file=ADDRESS] [length=N] [fd=FD] [signature=N]",
      "INIT_CREATE, REMOTE_SESSION_CREATE: a process on the DSP"),
    V(invoke, "invoke", "eee*", "sc:e args:e place:s", "invoke FD HANDLE METHOD [in=...|out=...|hin=...|hout=...]... [sc=N]",
      "INVOKE, REMOTE_INVOKE; the scalars are made of the method and the arguments"),
    V(alloc, "alloc", "nee", "flags:e place:s", "alloc NAME FD SIZE [flags=N]",
      "ALLOC_DMA_BUFF, GEM_CREATE and its export: a dma-buf of the driver's"),
    V(mmap, "mmap", "nee", "fd:e flags:e address:e place:s", "mmap NAME FD SIZE [flags=0x1000] [address=N] [fd=FD]",
      "MMAP, GEM_CREATE and REMOTE_MAP 1: memory of the driver's for the DSP's heap"),
    V(munmap, "munmap", "eee", "place:s", "munmap FD DSP-ADDRESS SIZE", "MUNMAP, REMOTE_MUNMAP 1"),
    V(memmap, "memmap", "nee", "fd:e flags:e address:e offset:e attrs:e version:e place:s",
      "memmap NAME FD SIZE fd=FD [flags=N] [address=N] [offset=N] [attrs=N] [version=N]",
      "MEM_MAP, REMOTE_MAP 2: a dma-buf for the DSP"),
    V(memunmap, "memunmap", "eee", "fd:e version:e place:s", "memunmap FD DSP-ADDRESS SIZE [fd=FD] [version=N]",
      "MEM_UNMAP, REMOTE_MUNMAP 2"),
    V(ioctl, "ioctl", "ee", "size:e byte:e place:s", "ioctl FD NUMBER [size=64] [byte=0]", "any request"),

    SECTION("Modules of a DSP process, as the library calls them, with either driver"),
    V(load, "load", "nes", "plain deaf", "load NAME FD MODULE|URI [plain] [deaf]",
      "opens lib<MODULE>_skel.so; starts the listener first, unless `deaf`"),
    V(unload, "unload", "ee", NULL, "unload FD HANDLE", "closes a module"),
    V(listen, "listen", "e", NULL, "listen FD", "starts the listener, which serves the DSP's calls in a thread"),
    V(exit, "exit", "e", "within:e", "exit FD [within=10s]", "tells the DSP's process to exit; the listener ends by it"),
    V(stop, "stop", "e", "within:e", "stop FD [within=10s]", "interrupts the listener with a signal and waits for its end"),

    SECTION("What only FastRPC has; ENOTTY on a node of QDA"),
    V(attach_sensors, "attach-sensors", "e", NULL, "attach-sensors FD", "INIT_ATTACH_SNS: the sensors' process"),
    V(create_static, "create-static", "es", "length:e memory:e name:e place:s",
      "create-static FD NAME [length=N] [memory=N] [name=ADDRESS]", "INIT_CREATE_STATIC"),
    V(free, "free", "ee", NULL, "free FD VALUE", "FREE_DMA_BUFF, which no kernel serves"),
    V(info, "info", "nee", "place:s", "info NAME FD ATTRIBUTE", "GET_DSP_INFO"),
    V(option, "option", "eee", "reserved:e place:s", "option FD REQUEST VALUE [reserved=N]", "SET_OPTION"),

    SECTION("What only QDA has; an argument's fd is passed as it is given"),
    V(qda_open, "qda-open", "ns", NULL, "qda-open NAME LABEL", "opens the accel node whose DSP has this label"),
    V(qda_query, "qda-query", "e", "place:s", "qda-query FD", "QUERY; prints the name"),
    V(qda_gem, "qda-gem", "nee", "older newer place:s", "qda-gem NAME FD SIZE [older|newer]",
      "GEM_CREATE, in the layout of the node's posting"),
    V(qda_offset, "qda-offset", "nee", "older newer place:s", "qda-offset NAME FD HANDLE [older|newer]",
      "GEM_MMAP_OFFSET, for `view ... offset=`"),
    V(qda_attach, "qda-attach", "e", NULL, "qda-attach FD", "INIT_ATTACH of the older posting"),
    V(qda_create, "qda-create", "e", "length:e fd:e attrs:e signature:e file:e place:s",
      "qda-create FD [attrs=8] [file=ADDRESS] [length=N] [fd=FD] [signature=N]", "REMOTE_SESSION_CREATE"),
    V(qda_map, "qda-map", "nee", "request:e flags:e fd:e attrs:e offset:e address:e place:s",
      "qda-map NAME FD SIZE fd=FD [request=2] [flags=N] [address=N] [offset=N] [attrs=N]", "REMOTE_MAP"),
    V(qda_unmap, "qda-unmap", "eee", "request:e fd:e place:s", "qda-unmap FD DSP-ADDRESS SIZE [fd=FD] [request=2]",
      "REMOTE_MUNMAP"),
    V(qda_invoke, "qda-invoke", "eee*", "sc:e args:e place:s", "qda-invoke FD HANDLE METHOD [ARGUMENT]... [sc=N]",
      "REMOTE_INVOKE"),
    V(gem_close, "gem-close", "ee", "place:s", "gem-close FD HANDLE", "DRM's GEM_CLOSE"),
    V(gem_export, "gem-export", "nee", "place:s", "gem-export NAME FD HANDLE", "DRM's PRIME_HANDLE_TO_FD"),
    V(gem_import, "gem-import", "nee", "place:s", "gem-import NAME FD DMABUF", "DRM's PRIME_FD_TO_HANDLE"),

    SECTION("Memory and descriptors"),
    V(memory, "memory", "ne", "prot:s at:e shared", "memory NAME SIZE [prot=rw|ro|wo|none] [at=ADDRESS] [shared]",
      "anonymous memory"),
    V(view, "view", "nee", "prot:s at:e offset:e", "view NAME FD SIZE [offset=N] [prot=...] [at=ADDRESS]",
      "maps a descriptor"),
    V(unmap, "unmap", "ee", NULL, "unmap ADDRESS SIZE", "munmap(2)"),
    V(protect, "protect", "ees", NULL, "protect ADDRESS SIZE rw|ro|wo|none", "mprotect(2)"),
    V(fill, "fill", "ee?e", NULL, "fill ADDRESS SIZE [BYTE]", "writes 0, 1, 2, ..., or one byte again and again"),
    V(check, "check", "ee?e", NULL, "check ADDRESS SIZE [BYTE]", "gives 1 if anything else is there"),
    V(peek, "peek", "ne", "width:e", "peek NAME ADDRESS [width=4]", "reads a number"),
    V(poke, "poke", "ee", "width:e", "poke ADDRESS VALUE [width=4]", "writes a number"),
    V(heap, "heap", "ne", "heap:s", "heap NAME SIZE [heap=system]", "a dma-buf of /dev/dma_heap"),
    V(udmabuf, "udmabuf", "ne", NULL, "udmabuf NAME SIZE", "a dma-buf of pages that lie anywhere"),
    V(memfd, "memfd", "ne", NULL, "memfd NAME SIZE", "a file in memory, which is no dma-buf"),
    V(sync, "sync", "es", NULL, "sync FD begin|end", "DMA_BUF_IOCTL_SYNC"),
    V(dup, "dup", "ne", "to:e", "dup NAME FD [to=FD]", "another descriptor of the same file"),
    V(file, "file", "ns", "ro", "file NAME PATH [ro]", "opens any file"),
    V(limit_files, "limit-files", "e", NULL, "limit-files N", "RLIMIT_NOFILE"),

    SECTION("Threads, processes, signals"),
    B(thread, "thread", "t", "count:e", "thread NAME [count=N] {", "runs the block in a thread; `me` is 0, 1, 2, ..."),
    B(process, "process", "t", "count:e", "process NAME [count=N] {", "forks; descriptors are inherited"),
    V(join, "join", "u", "within:e", "join NAME [within=TIME]", "waits for a thread; ETIMEDOUT if it takes longer"),
    V(wait, "wait", "u", "within:e", "wait NAME [within=TIME]", "a process's exit code, or 128 + signal"),
    V(signal, "signal", "ue", NULL, "signal NAME SIGUSR1", "SIGUSR1 interrupts, SIGUSR2 has system calls restarted"),
    V(kill, "kill", "u", NULL, "kill NAME", "SIGKILL"),
    V(parked, "parked", "u", "within:e in:s", "parked NAME [within=10s] [in=ioctl|close|any]",
      "waits until it sleeps in a system call of the driver's"),
    V(post, "post", "v?e", NULL, "post EVENT [COUNT]", "counts an event up, for all processes"),
    V(await, "await", "v", "within:e", "await EVENT [within=10s]", "waits for an event and counts it down"),
    V(user, "user", "e", NULL, "user NUMBER", "this thread goes on as that user, without groups"),
    V(cpu, "cpu", "e", NULL, "cpu N", "keeps this thread on one processor"),
    V(leave, "leave", "?e", NULL, "leave [CODE]", "ends the process without closing anything"),
    V(die, "die", "?e", NULL, "die [SIGNAL]", "kills the process (SIGKILL)"),

    SECTION("The language"),
    V(set, "set", "nE", NULL, "set NAME EXPRESSION", "gives a variable a value"),
    V(expect, "expect", "E", NULL, "expect EXPRESSION", "fails if it is 0"),
    B(if, "if", "E", NULL, "if EXPRESSION {", "`} else {` may follow"),
    B(repeat, "repeat", "e", NULL, "repeat COUNT {", "a loop"),
    B(for, "for", "nee", "step:e", "for NAME FIRST LAST [step=1] {", "a loop that counts, both included"),
    B(while, "while", "E", NULL, "while EXPRESSION {", "a loop"),
    V(break, "break", "", NULL, "break", "ends the loop"),
    V(sleep, "sleep", "e", NULL, "sleep TIME", "50ms, or rand(0,5ms)"),
    V(say, "say", "s?eeeeeeee", NULL, "say TEXT [EXPRESSION]...", "prints a line, with numbers behind it"),
    V(number, "number", "ns", "after:s", "number NAME PATH [after=TEXT]", "the first number in a file, behind a text"),
    V(lines, "lines", "ns", "with:s", "lines NAME PATH [with=TEXT]", "how many lines of a file contain a text"),
    V(present, "present", "s", NULL, "present PATH|LABEL", "ENOENT if there is no such file, or no node of that DSP"),
    V(write, "write", "ss", NULL, "write PATH TEXT", "writes to a file"),
    V(run, "run", "s", NULL, "run \"COMMAND\"", "a shell command's exit code"),
    {NULL, NULL, NULL, false, NULL, NULL, NULL},
};

const struct verb *verb_find(const char *name)
{
    for (const struct verb *verb = VERBS; verb->usage; verb++)
        if (verb->name && !strcmp(verb->name, name))
            return verb;
    return NULL;
}

void verbs_help(void)
{
    printf("\nA script has one command a line:  COMMAND ... [=> EXPECTED[|EXPECTED]... [within TIME]]\n"
           "Expected are numbers, FIRST..LAST, errno names, `any` or `fail`; 0 if nothing is said.\n"
           "Requests take place=null|none|read-only|edge|edge-read-only|@ADDRESS: where their structure lies.\n");
    for (const struct verb *verb = VERBS; verb->usage; verb++) {
        if (!verb->name)
            printf("\n%s\n", verb->usage);
        else
            printf("  %s\n        %s\n", verb->usage, verb->help);
    }
}
