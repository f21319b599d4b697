/* A skeleton that loads libraries at run time (dl_plugin.c).
 *
 *   2 plugin() -> u32[8]       open, find, call, count, close, and what is not there
 *   3 buffer(bytes) -> u32[2]  the same library out of a buffer of the AP
 *   4 walk() -> u32[3]         libraries that dl_iterate_phdr tells of, with .eh_frame's header, and where this one lies
 *   5 never()                  a library whose constructor never returns
 */
#include "HAP.h"
#include "skel.h"

void *dlopen(const char *, int);
void *dlopenbuf(const char *, const char *, int, int);
void *dlsym(void *, const char *);
int dlclose(void *);
char *dlerror(void);

typedef struct {
    const char *library;
    void *base;
    const char *symbol;
    void *address;
} Dl_info;
int dladdr(const void *, Dl_info *);

struct header {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
struct dl_phdr_info {
    uint32_t addr;
    const char *name;
    const struct header *headers;
    uint16_t count;
    uint64_t adds, subs;
    uint32_t tls_module;
    void *tls_data;
};
_Static_assert(sizeof(struct dl_phdr_info) == 40, "as musl lays it out");
int dl_iterate_phdr(int (*)(struct dl_phdr_info *, size_t, void *), void *);

enum { NOW = 2, NOLOAD = 4 };

__attribute__((visibility("default"))) int of_the_skeleton(void) { return 7; }

static int plugin(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    out[0] = dlopen("libnot_there.so", NOW) == 0 && dlerror() != 0 && dlerror() == 0;
    out[1] = dlopen("libdl_plugin.so", NOW | NOLOAD) == 0;
    void *one = dlopen("sub/../libdl_plugin.so", NOW);
    out[2] = one == 0;
    one = dlopen("./libdl_plugin.so", NOW);
    void *two = dlopen("libdl_plugin.so", NOW);
    if (!one || one != two) {
        FARF(ERROR, "%s", dlerror());
        return AEE_EFAILED;
    }
    int (*answer)(void) = (int (*)(void))dlsym(one, "answer");
    unsigned *per_thread = dlsym(one, "per_thread");
    out[3] = answer() + *per_thread;
    Dl_info info = {0};
    out[4] = dladdr((char *)answer + 4, &info) && info.address == (void *)answer && !strcmp(info.symbol, "answer") && !strcmp(info.library, "libdl_plugin.so");
    out[5] = dlsym(0, "of_the_skeleton") == (void *)of_the_skeleton && dlsym(one, "of_the_skeleton") == 0 && dlsym(one, "malloc") == 0 && dlsym(0, "malloc") != 0;
    out[6] = dlclose(two) == 0 && answer() == 42;
    FARF(HIGH, "closing");
    out[7] = dlclose(one) == 0 && dlclose(one) != 0 && dlerror() != 0 && dlsym(one, "answer") == 0;
    FARF(HIGH, "closed");
    return AEE_SUCCESS;
}

static int buffer(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[1].buf.pv;
    out[0] = dlopenbuf("bad.so", args[0].buf.pv, 40, NOW) == 0;
    void *handle = dlopenbuf("out_of_a_buffer.so", args[0].buf.pv, args[0].buf.nLen, NOW);
    if (!handle) {
        FARF(ERROR, "%s", dlerror());
        return AEE_EFAILED;
    }
    int (*answer)(void) = (int (*)(void))dlsym(handle, "answer");
    out[1] = answer();
    return dlclose(handle);
}

static int told(struct dl_phdr_info *info, size_t size, void *argument)
{
    unsigned *out = argument;
    out[0] += size == sizeof *info;
    for (unsigned i = 0; i < info->count; i++) {
        const struct header *h = &info->headers[i];
        uint32_t at = (uint32_t)of_the_skeleton - info->addr;
        if (h->type == 1 && at >= h->vaddr && at < h->vaddr + h->memsz)
            out[2] = !strcmp(info->name, "libdl_skel.so");
    }
    return out[0] == 2 ? 99 : 0;
}

static int walk(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    memset(out, 0, 12);
    void *handle = dlopen("libdl_plugin.so", NOW);
    out[1] = dl_iterate_phdr(told, out);
    return dlclose(handle);
}

static int never(void *context, remote_arg *args)
{
    (void)context, (void)args;
    dlopen("libdl_never.so", NOW);
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 0, 1, 0, 0), plugin, {32}},
    {3, SC(0, 1, 1, 0, 0), buffer, {52, 8}},
    {4, SC(0, 0, 1, 0, 0), walk, {12}},
    {5, SC(0, 0, 0, 0, 0), never, {0}},
};
SKELETON(dl, methods)
