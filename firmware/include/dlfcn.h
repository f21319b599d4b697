/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Libraries at run time.
 */
#ifndef VHX_DLFCN_H
#define VHX_DLFCN_H

#ifdef __cplusplus
extern "C" {
#endif

#define RTLD_LAZY 1
#define RTLD_NOW 2
#define RTLD_LOCAL 0
#define RTLD_GLOBAL 0x100
#define RTLD_DEFAULT ((void *)0)
#define RTLD_NEXT ((void *)-1)

typedef struct {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;

void *dlopen(const char *library, int flags);
void *dlopenbuf(const char *library, const char *contents, int bytes, int flags);
void *dlsym(void *handle, const char *name);
int dlclose(void *handle);
char *dlerror(void);
int dladdr(const void *address, Dl_info *to);

#ifdef __cplusplus
}
#endif

#endif
