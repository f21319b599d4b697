/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Classes of wide characters, in the locale "C".
 */
#ifndef VHX_WCTYPE_H
#define VHX_WCTYPE_H

#include <wchar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long wctype_t, wctrans_t;

int iswalpha(wint_t);
int iswalnum(wint_t);
int iswdigit(wint_t);
int iswxdigit(wint_t);
int iswspace(wint_t);
int iswupper(wint_t);
int iswlower(wint_t);
int iswpunct(wint_t);
int iswprint(wint_t);
int iswcntrl(wint_t);
int iswgraph(wint_t);
int iswblank(wint_t);
wctype_t wctype(const char *name);
int iswctype(wint_t, wctype_t);
wctrans_t wctrans(const char *name);
wint_t towctrans(wint_t, wctrans_t);
wint_t towlower(wint_t);
wint_t towupper(wint_t);

#ifdef __cplusplus
}
#endif

#endif
