/* A skeleton of one of Halide's pipelines: PIPELINE is its function, BUFFERS how many buffers it has, the output last.
 *
 *   2 run(description, inputs ...) -> output
 *
 * The description has, for each buffer, six words: type code, bits, how many dimensions, and the extents of three (1 where there are
 * fewer).
 * What Halide's run-time library asks of its user is here: where errors and messages go.
 */
#define FARF_HIGH 1
#include <HAP_farf.h>
#include <HalideRuntime.h>
#include <remote.h>

#define WORDS 6
#define JOIN(a, b) a##b
#define ARGV(name) JOIN(name, _argv)

int ARGV(PIPELINE)(void **arguments);

void halide_print(void *context, const char *text)
{
    (void)context;
    FARF(HIGH, "halide: %s", text);
}

void halide_error(void *context, const char *text)
{
    (void)context;
    FARF(ERROR, "halide: error: %s", text);
}

/* Halide 21 brings, for this target, the destructor of its pool of memory and not the constructor, and the destructor takes the pool to be
 * there. It is a weak symbol. */
void _ZN6Halide7Runtime8Internal24halide_allocator_cleanupEv(void) {}

__attribute__((visibility("default"))) int halide_skel_handle_invoke(uint64_t handle, uint32_t sc, remote_arg *a)
{
    halide_buffer_t buffers[BUFFERS] = {0};
    halide_dimension_t dimensions[BUFFERS][3] = {0};
    void *arguments[BUFFERS];
    const uint32_t *word = a[0].buf.pv;
    (void)handle;
    switch (sc >> 24 & 0x1f) {
    case 0: a[2].h64 = 1; return 0;
    case 1: return 0;
    case 2: break;
    default: return 20;
    }
    if ((sc >> 16 & 0xff) != BUFFERS || a[0].buf.nLen != 4 * WORDS * BUFFERS)
        return 14;
    for (int n = 0; n < BUFFERS; n++, word += WORDS) {
        int stride = 1;
        buffers[n].type.code = (halide_type_code_t)word[0];
        buffers[n].type.bits = (uint8_t)word[1];
        buffers[n].type.lanes = 1;
        buffers[n].dimensions = (int)word[2];
        buffers[n].dim = dimensions[n];
        buffers[n].host = a[n + 1].buf.pv;
        for (int d = 0; d < 3; d++) {
            dimensions[n][d].extent = (int)word[3 + d];
            dimensions[n][d].stride = stride;
            stride *= (int)word[3 + d];
        }
        if (a[n + 1].buf.nLen != (uint32_t)stride * word[1] / 8)
            return 14;
        arguments[n] = &buffers[n];
    }
    return ARGV(PIPELINE)(arguments);
}
