/* Standard input, compressed at each level up to the one named, and uncompressed again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zlib.h"

static unsigned char input[1 << 23], back[1 << 23];

int main(int argc, char **argv)
{
    uLong length = fread(input, 1, sizeof input, stdin);
    int levels = argc > 1 ? atoi(argv[1]) : 9;
    for (int level = 1; level <= levels; level++) {
        uLongf size = compressBound(length), out = sizeof back;
        unsigned char *packed = malloc(size);
        if (!packed || compress2(packed, &size, input, length, level) != Z_OK)
            return 1;
        if (uncompress(back, &out, packed, size) != Z_OK || out != length || memcmp(input, back, length))
            return 1;
        printf("level %d: %lu of %lu bytes, adler %08lx\n", level, (unsigned long)size, (unsigned long)length,
               adler32(1, packed, size));
        free(packed);
    }
    return 0;
}
