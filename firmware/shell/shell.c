/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The host's library looks for a file `fastrpc_shell_unsigned_3` (or `fastrpc_shell_3`) and hands its bytes to the
 * driver when it makes a process. On a real DSP that file is the process's first program; here the emulator is the
 * operating system and needs none. This is an honest placeholder: a valid Hexagon ELF that says what it is.
 */
__attribute__((used, section(".note.shell"))) const char shell_note[] =
    "vhost-hexagon: an open placeholder for the FastRPC shell; the emulator needs none";

__attribute__((section(".shell"))) int start(void)
{
    return 0;
}
