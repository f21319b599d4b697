/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-kexec: starts another kernel from the one that runs, without the machine's reset in between.
 *
 *   vh-kexec IMAGE INITRD
 *
 * For arm64 kernels that have kexec_load(2) only (Debian's have no kexec_file_load). The new kernel gets this one's device
 * tree (/sys/firmware/fdt, command line included) with the new initrd's place in /chosen. Sources of the facts: Linux
 * Documentation/arch/arm64/booting.rst (image header, x0 = device tree, 2 MiB alignment), include/uapi/linux/kexec.h, and the
 * Devicetree Specification's flattened format.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define KEXEC_ARCH_AARCH64 (183u << 16)
#define REBOOT_KEXEC 0x45584543

/* Where things go, from the beginning of RAM. Memory that is in use may be named: the kernel copies at the last moment. */
enum { KERNEL_AT = 2, TREE_AT = 160, ENTRY_AT = 162, INITRD_AT = 192 };

struct segment {
    const void *from;
    size_t size;
    uint64_t to;
    size_t room;
};

struct file {
    uint8_t *data;
    size_t size;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct file load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    size_t room = 1 << 16, size = 0;
    uint8_t *data = malloc(room);
    ssize_t n;
    while (data && (n = read(fd, data + size, room - size)) > 0) {
        size += n;
        if (size == room)
            data = realloc(data, room *= 2);
    }
    if (!data || n < 0)
        fail(path);
    close(fd);
    return (struct file){data, size};
}

static uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return be32toh(value);
}

/* Writes a number into a property of 4 or 8 bytes. */
static void put(uint8_t *at, uint32_t size, uint64_t value)
{
    for (uint32_t i = 0; i < size; i++)
        at[size - 1 - i] = (uint8_t)(value >> 8 * i);
}

/* Puts the initrd's place into the properties of /chosen, which are there because this kernel has one too. */
static int patch_tree(struct file tree, uint64_t start, uint64_t end)
{
    enum { BEGIN_NODE = 1, END_NODE, PROP, NOP };
    if (tree.size < 40 || word(tree.data) != 0xd00dfeed)
        return 0;
    const char *names = (char *)tree.data + word(tree.data + 12);
    uint8_t *at = tree.data + word(tree.data + 8), *last = tree.data + tree.size - 12;
    int found = 0;
    while (at <= last) {
        uint32_t token = word(at);
        at += 4;
        if (token == BEGIN_NODE) {
            at += (strlen((char *)at) + 4) & ~3u;
        } else if (token == PROP) {
            uint32_t size = word(at);
            const char *name = names + word(at + 4);
            at += 8;
            if ((size == 4 || size == 8) && !strcmp(name, "linux,initrd-start"))
                put(at, size, start), found++;
            else if ((size == 4 || size == 8) && !strcmp(name, "linux,initrd-end"))
                put(at, size, end), found++;
            at += (size + 3) & ~3u;
        } else if (token != END_NODE && token != NOP) {
            break;
        }
    }
    return found == 2;
}

/* Beginning of RAM: the first "System RAM" of /proc/iomem, down to a multiple of 1 GiB (QEMU's virt: 0x4000_0000). */
static uint64_t ram(void)
{
    char line[256];
    unsigned long long from = 0, to;
    FILE *f = fopen("/proc/iomem", "r");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, "System RAM") && sscanf(line, "%llx-%llx", &from, &to) == 2)
            break;
    if (f)
        fclose(f);
    return from & ~((1024 * MIB) - 1);
}

static size_t pages(size_t size)
{
    return (size + 65535) & ~(size_t)65535;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "vh-kexec IMAGE INITRD\n");
        return 64;
    }
    struct file image = load(argv[1]), initrd = load(argv[2]), tree = load("/sys/firmware/fdt");
    uint64_t base = ram(), text_offset, image_size;
    if (image.size < 64 || memcmp(image.data + 56, "ARM\x64", 4)) {
        fprintf(stderr, "%s is no arm64 Image\n", argv[1]);
        return 65;
    }
    memcpy(&text_offset, image.data + 8, 8);
    memcpy(&image_size, image.data + 16, 8);
    uint64_t kernel = base + KERNEL_AT * MIB + le64toh(text_offset), dtb = base + TREE_AT * MIB;
    uint64_t entry = base + ENTRY_AT * MIB, disk = base + INITRD_AT * MIB;
    if (kernel + le64toh(image_size) > dtb || !base) {
        fprintf(stderr, "no room for the kernel\n");
        return 66;
    }
    if (!patch_tree(tree, disk, disk + initrd.size)) {
        fprintf(stderr, "the device tree has no initrd to replace\n");
        return 67;
    }
    /* x0 = device tree, x1 to x3 = 0, jump: ldr x0, #24; mov x1, #0; mov x2, #0; mov x3, #0; ldr x4, #16; br x4 */
    static struct {
        uint32_t code[6];
        uint64_t dtb, kernel;
    } jump = {.code = {0x580000c0, 0xd2800001, 0xd2800002, 0xd2800003, 0x58000084, 0xd61f0080}};
    jump.dtb = dtb, jump.kernel = kernel;
    struct segment segments[] = {
        {image.data, image.size, kernel, pages(le64toh(image_size))},
        {tree.data, tree.size, dtb, pages(tree.size)},
        {&jump, sizeof jump, entry, pages(sizeof jump)},
        {initrd.data, initrd.size, disk, pages(initrd.size)},
    };
    if (syscall(SYS_kexec_load, entry, 4ul, segments, (unsigned long)KEXEC_ARCH_AARCH64))
        fail("kexec_load");
    printf("kexec loaded\n");
    fflush(stdout);
    sync();
    /* reboot(2) itself: libc's reboot() does not take every command. */
    syscall(SYS_reboot, 0xfee1dead, 672274793, REBOOT_KEXEC, NULL);
    fail("reboot");
}
