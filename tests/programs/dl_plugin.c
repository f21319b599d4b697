/* What dl.c loads. With NEVER its constructor never returns; else its constructor loads it once more, which is fine. */
#include "HAP.h"
#include "libc.h"

void *dlopen(const char *, int);
int dlclose(void *);

#define VISIBLE __attribute__((visibility("default")))

static int made;
VISIBLE __thread unsigned per_thread = 1000;
VISIBLE int answer(void) { return made; }

__attribute__((constructor)) static void first(void)
{
#ifdef NEVER
    for (;;)
        made++;
#endif
    void *myself = dlopen("libdl_plugin.so", 2);
    made = myself ? 42 : 1;
    dlclose(myself);
}

__attribute__((destructor)) static void last(void) { FARF(HIGH, "plugin goes"); }
