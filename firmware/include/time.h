/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Times: the clock begins with the process, the zone is UTC.
 */
#ifndef VHX_TIME_H
#define VHX_TIME_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef long long time_t;
typedef long clock_t;
typedef int clockid_t;

#define CLOCKS_PER_SEC 1000000L
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define TIMER_ABSTIME 1
#define TIME_UTC 1

struct timespec {
    time_t tv_sec;
    long tv_nsec;
    int : 32;
};

struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
    long tm_gmtoff;
    const char *tm_zone;
};

time_t time(time_t *);
clock_t clock(void);
double difftime(time_t, time_t);
int clock_gettime(clockid_t, struct timespec *);
int timespec_get(struct timespec *, int base);
int timespec_getres(struct timespec *, int base);
int clock_getres(clockid_t, struct timespec *);
int clock_nanosleep(clockid_t, int absolute, const struct timespec *, struct timespec *left);
int nanosleep(const struct timespec *, struct timespec *left);
struct tm *gmtime(const time_t *);
struct tm *localtime(const time_t *);
struct tm *gmtime_r(const time_t *, struct tm *);
struct tm *localtime_r(const time_t *, struct tm *);
time_t timegm(struct tm *);
time_t mktime(struct tm *);
char *asctime(const struct tm *);
char *asctime_r(const struct tm *, char *);
char *ctime(const time_t *);
char *ctime_r(const time_t *, char *);
size_t strftime(char *, size_t room, const char *format, const struct tm *);
char *strptime(const char *text, const char *format, struct tm *);
void tzset(void);

#ifdef __cplusplus
}
#endif

#endif
