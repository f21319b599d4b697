// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// Where the DSP starts. The event vector base register holds the carveout's address, so the event vectors are the first
// thing in the image, one 4-byte packet an event. Number 0 is reset.

.macro vector number
	{ jump event_\number }
.endm

.macro event number
event_\number:
	{ r0 = #\number
	  jump event }
.endm

	.section .vectors, "ax", @progbits
	.p2align 4
	.globl vectors
vectors:
	{ jump reset }
.irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector \number
.endr
.irp number, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vector \number
.endr

	.text
	.p2align 4
	.globl reset
	.type reset, @function
reset:
	{ r29 = ##boot_stack_end
	  r30 = #0
	  r31 = #0 }
	{ call boot }
	.size reset, . - reset

// The boot is over: the machine raises "ready" when it sees this trap. Its hardware threads are then scheduled by the
// emulator's OS; what is behind it is what a thread without work does.
	.globl ready
	.type ready, @function
ready:
	{ trap0(#0) }
idle:
	{ pause(#255) }
	{ jump idle }
	.size ready, . - ready

// void fatal(const char *why): the machine takes the text at r0 as the reason and declares a fatal error.
	.p2align 4
	.globl fatal
	.type fatal, @function
fatal:
	{ trap0(#0) }
	{ jump fatal }
	.size fatal, . - fatal

// An event that nobody expects, its number in r0.
event:
	{ r29 = ##boot_stack_end }
	{ call unexpected_event }
	{ jump fatal }
.irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	event \number
.endr
.irp number, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	event \number
.endr

// Read from the file by the AP's remoteproc core, which insists on one when the DSP is behind an SMMU; not loaded. Version
// 1, no entries.
	.section .resource_table, "", @progbits
	.word 1, 0, 0, 0
