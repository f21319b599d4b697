/* Wide characters on files, in strings and in the log.
 *
 *   2 wide(path) -> u32[10]       reads "7 grün\nnext\n" (the ü is the byte 0xfc) of the AP's file at the path
 */
#include "skel.h"
#include <uchar.h>
#include <wchar.h>
#include <wctype.h>

static size_t copied_size(const wchar_t *s)
{
    char text[32];
    mbstate_t state = {{0, 0}};
    return wcsrtombs(text, &s, sizeof text, &state);
}

static int print(wchar_t *to, size_t room, const wchar_t *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vswprintf(to, room, format, args);
    va_end(args);
    return length;
}

static int wide(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[1].buf.pv;
    wchar_t word[16], line[16], text[32];
    int number = 0;
    FILE *f = fopen(args[0].buf.pv, "r");
    if (!f)
        return AEE_EFAILED;
    out[0] = (unsigned)fwscanf(f, L"%d %15ls", &number, word);
    out[1] = (unsigned)number * 1000 + (unsigned)word[2];
    out[2] = fgetwc(f) == L'\n' && fgetws(line, 16, f) == line && !wcscmp(line, L"next\n");
    out[3] = fgetwc(f) == WEOF && feof(f) ? (unsigned)fwide(f, -1) : 99;
    fclose(f);
    /* Wide text needs no bytes, and text of bytes has none for it. */
    out[4] = (unsigned)print(text, 32, L"%ls|%5.2f|\u20ac", word, 1.5);
    out[5] = (unsigned)text[wcslen(text) - 1];
    out[6] = (unsigned)copied_size(text) + 1 + (unsigned)copied_size(word);
    out[7] = (unsigned)(wcsstr(text, L"|\u20ac") - text);
    wchar_t *place, *first = wcstok(text, L"|", &place);
    out[8] = (unsigned)wcslen(first) * 100 + (unsigned)swscanf(place, L"%f", (float *)&out[9]);
    out[9] = (unsigned)*(float *)&out[9] + (iswctype(L'q', wctype("alpha")) ? 10 : 0);
    return wprintf(L"%ls of %d\n", word, number) < 0 ? AEE_EFAILED : AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 1, 1, 0, 0), wide, {2, 40}},
};
SKELETON(wide, methods)
