/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The boot: runs on the DSP's core between the AP's start command and "ready". It sees to it that the image it runs from
 * is the one that was linked, opens the log, and returns to the idle loop.
 */
#include "image.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

extern const char vectors[], reset[], ready[], fatal_trap[] __asm__("fatal");
extern const char __symbols[], __symbols_end[], __process_text[], __process_text_end[], process_return[];
extern const char __process_data[], __process_data_end[], __bss[];
_Noreturn void fatal(const char *why);

/* The markers QC_IMAGE_VERSION_STRING= are what image tools and memory dump analysers look for. */
static const char version[] = "QC_IMAGE_VERSION_STRING=" IMAGE_VERSION;
extern const char shell_note[];

/* Written by the machine, too. A debugger knows them by these names. */
__attribute__((section(".bss.log"))) struct log dsp_log;
__attribute__((section(".bss.crash"))) struct crash_record crash_record;

#define ADDRESS(symbol) ((uint32_t)(symbol))
/* Filled in after linking: segment_count, segments, sha256. */
__attribute__((used, section(".image_header"))) const struct image_header header = {
	.magic = {'V', 'H', 'D', 'S', 'P', 'I', 'M', 'G'},
	.format = IMAGE_FORMAT,
	.size = sizeof(struct image_header),
	.arch = __HEXAGON_ARCH__,
	.base = ADDRESS(vectors),
	.reset = ADDRESS(reset),
	.ready = ADDRESS(ready),
	.fatal = ADDRESS(fatal_trap),
	.version = ADDRESS(version),
	.shell = ADDRESS(shell_note),
	.symbols = {ADDRESS(__symbols), ADDRESS(__symbols_end)},
	.process_text = {ADDRESS(__process_text), ADDRESS(__process_text_end)},
	.process_data = {ADDRESS(__process_data), ADDRESS(__process_data_end)},
	.process_return = ADDRESS(process_return),
	.log = {ADDRESS(&dsp_log), ADDRESS(&dsp_log + 1)},
	.crash = {ADDRESS(&crash_record), ADDRESS(&crash_record + 1)},
};

__attribute__((aligned(16), section(".bss.stack"))) char boot_stack[8192];

/* Initialised data, to see that it is there. */
static volatile uint32_t data_loaded = LOG_MAGIC;

/* Only for a log that is not full. (No division here: the built-in library is for processes, and its functions trap.) */
static void put(const char *text)
{
	for (; *text && dsp_log.written < dsp_log.size; text++)
		dsp_log.text[dsp_log.written++] = *text;
}

void boot(void)
{
	if (data_loaded != LOG_MAGIC)
		fatal("boot: the image's data was not loaded");
	for (const char *p = __bss; p < (const char *)boot_stack; p++)
		if (*p)
			fatal("boot: memory behind the image's data is not zero");
	data_loaded = 0;
	dsp_log.magic = LOG_MAGIC;
	dsp_log.size = sizeof dsp_log.text;
	put("boot: ");
	put(version + sizeof "QC_IMAGE_VERSION_STRING=" - 1);
	put("\n");
}

/* Text for an event that has no handler. */
const char *unexpected_event(uint32_t number)
{
	static char text[] = "event 00 without a handler";

	text[6] = (char)('0' + number * 205 / 2048);
	text[7] = (char)('0' + number % 10);
	return text;
}
