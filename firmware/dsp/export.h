// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// Assembler macros for what processes may import. The symbol table of the image is made of them: {name, address} pairs
// in .symbols, the names in .names.

// Exports a symbol that is defined somewhere (by hand, or in C).
.macro export name
	.section .symbols, "a", @progbits
	.p2align 2
	.word 1f, \name
	.section .names, "a", @progbits
1:	.asciz "\name"
.endm

// A function of the DSP's operating system.
.macro builtin name
	.section .library, "ax", @progbits
	.p2align 3
	.globl \name
	.type \name, @function
\name:
	{ trap0(#0) }
	{ jumpr r31 }
	.size \name, . - \name
	export \name
.endm
