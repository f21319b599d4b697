/* What tls.c needs: thread-local variables of another library. */
#define VISIBLE __attribute__((visibility("default")))

VISIBLE __thread unsigned theirs = 50000;
VISIBLE __thread unsigned theirs_fixed = 600000;
