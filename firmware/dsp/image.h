/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The boot header: how the DSP finds its way in the image that the AP loaded. README.md describes the format; the
 * emulator reads it in emu/src/device/board/firmware.rs, and `cargo xtask firmware` fills in segments and digests.
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

/* The log: a ring of text lines. */
struct log {
	uint32_t magic; /* LOG_MAGIC */
	uint32_t size; /* of text[] in bytes */
	uint32_t written; /* bytes ever written, modulo 2^32; the next goes to text[written % size] */
	uint32_t reserved;
	char text[];
};
#define LOG_MAGIC 0x474f4c44u /* "DLOG" */

#endif
