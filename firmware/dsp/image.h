/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The boot header: how the DSP finds its way in the image that the AP loaded. README.md describes the format; the
 * emulator reads it in emu/machine/src/device/board/firmware.rs, and `cargo xtask firmware` fills in segments and digests.
 */
#ifndef DSP_IMAGE_H
#define DSP_IMAGE_H

#include <stdint.h>

#define IMAGE_FORMAT 1
#define IMAGE_SEGMENTS 16

/* A loaded segment and the SHA-256 of its file bytes. */
struct image_segment {
	uint32_t address;
	uint32_t file_size;
	uint32_t memory_size;
	uint32_t flags; /* p_flags: 1 execute, 2 write, 4 read */
	uint8_t sha256[32];
};

/* All addresses are link addresses. A range is {start, end}. */
struct image_header {
	char magic[8]; /* "VHDSPIMG" */
	uint32_t format;
	uint32_t size; /* of this structure */
	uint32_t arch; /* Hexagon version the code was built for: 68, 73, … */
	uint32_t base; /* link address of the carveout's first byte */
	uint32_t reset;
	uint32_t ready; /* the trap that ends the boot */
	uint32_t fatal; /* the trap that declares a fatal error, text at r0 */
	uint32_t version; /* NUL-terminated image version string */
	uint32_t shell; /* NUL-terminated description of the process shell */
	uint32_t symbols[2]; /* {name, address} pairs */
	uint32_t process_text[2]; /* mapped into every process */
	uint32_t process_data[2]; /* copied into every process */
	uint32_t process_return; /* trap where functions that the OS called return to */
	uint32_t log[2]; /* the DSP's log, see struct log */
	uint32_t crash[2]; /* where the crash record goes */
	uint32_t segment_count;
	struct image_segment segments[IMAGE_SEGMENTS];
	uint8_t sha256[32]; /* of the segment that this structure is in, with these 32 bytes zero */
};

#define LOG_SIZE 0x4000
#define CRASH_SIZE 0x10000

/* The log: a ring of text lines. */
struct log {
	uint32_t magic; /* LOG_MAGIC */
	uint32_t size; /* of text[] in bytes */
	uint32_t written; /* bytes ever written, modulo 2^32; the next goes to text[written % size] */
	uint32_t reserved;
	char text[LOG_SIZE - 16];
};
#define LOG_MAGIC 0x474f4c44u /* "DLOG" */

/* A DSP thread at a fatal error: nothing of the packet at pc was committed. */
struct crash_thread {
	char process[32];
	char name[32];
	uint32_t id;
	uint32_t r[32];
	uint32_t pc, p, usr; /* p: P3..P0 as one word */
	uint32_t sa[2], lc[2], m[2], cs[2];
	uint32_t ugp, gp;
	uint32_t frame_count;
	uint32_t frames[15]; /* where it was, innermost first */
	char cause[128];
	char packet[128];
};

struct crash_process {
	char name[48];
	char state[16];
	uint32_t threads, libraries;
	uint64_t packets; /* executed */
	uint64_t memory; /* bytes of heap, stacks and libraries */
};

/* What the machine leaves at a fatal error for the AP's core dump. Texts are NUL-terminated and cut to fit. */
struct crash_record {
	char magic[8]; /* "VHCRASH1"; written last */
	uint32_t size; /* of this structure */
	uint32_t process_count;
	uint32_t thread_count;
	uint32_t report_size;
	uint64_t time_ns; /* since the DSP was started */
	char reason[128];
	struct crash_process processes[64];
	struct crash_thread threads[16];
	char report[CRASH_SIZE - 160 - 64 * 88 - 16 * 568]; /* the same for people, with symbols */
};
_Static_assert(sizeof(struct crash_record) == CRASH_SIZE, "crash.rs of the emulator has the same structure");

#endif
