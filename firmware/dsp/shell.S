// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// The process shell: what every DSP process has before any library is loaded. Its text and the library's are mapped into
// each process as they stand in the carveout; its data is copied, so that each process has its own.

#include "export.h"

	.section .shell, "ax", @progbits
	.p2align 3
// Where functions of the process return to that the OS called.
	.globl process_return
	.type process_return, @function
process_return:
	{ trap0(#0) }
	{ jump process_return }
	.size process_return, . - process_return

	.section .process_data, "aw", @progbits
	.p2align 3
// Value of the stack canaries; the OS puts a random one here.
	.globl __stack_chk_guard
	.type __stack_chk_guard, @object
__stack_chk_guard:
	.word 0
	.size __stack_chk_guard, 4
	.p2align 3
	.globl errno
	.type errno, @object
errno:
	.word 0
	.size errno, 4
	.p2align 2
// The handle of the pool that memory regions come from.
	.globl qurt_mem_default_pool
	.type qurt_mem_default_pool, @object
qurt_mem_default_pool:
	.word 1
	.size qurt_mem_default_pool, 4
	.p2align 2
// What getopt tells, and is told.
.macro option name, value
	.globl \name
	.type \name, @object
\name:
	.word \value
	.size \name, 4
.endm
	option optarg, 0
	option optind, 1
	option opterr, 1
	option optopt, 0
	option optreset, 0
	.p2align 3
// What strerror answers.
	.globl __error_text
	.type __error_text, @object
__error_text:
	.asciz "error"
	.size __error_text, . - __error_text

// The standard streams: objects of zeros, and pointers to them.
.macro stream object, pointer
	.section .process_data, "aw", @progbits
	.p2align 3
	.globl \object
	.type \object, @object
\object:
	.zero 96
	.size \object, 96
	.globl \pointer
	.type \pointer, @object
\pointer:
	.word \object
	.size \pointer, 4
	export \object
	export \pointer
.endm
	stream _Stdin, stdin
	stream _Stdout, stdout
	stream _Stderr, stderr

	export __stack_chk_guard
	export errno
	export qurt_mem_default_pool
	export optarg
	export optind
	export opterr
	export optopt
	export optreset
	export __error_text
