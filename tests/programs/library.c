/* A skeleton that uses what the DSP's C library has beyond the functions of every program.
 *
 *   2 threads() -> u32[6]         POSIX threads: values that are destroyed, mutexes, conditions, stacks, timed waits
 *   3 files(path) -> u32[9]       files of the AP: by name along its search path, by absolute path
 */
#include "HAP.h"
#include "skel.h"

typedef unsigned pthread_t, pthread_key_t;
typedef struct { unsigned word[9]; } pthread_attr_t;
typedef struct { unsigned word[12]; } pthread_object;
struct timespec { long long seconds; int nanos, padding; };
int pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int pthread_join(pthread_t, void **);
int pthread_detach(pthread_t);
void pthread_exit(void *) __attribute__((noreturn));
int pthread_attr_init(pthread_attr_t *);
int pthread_attr_setstacksize(pthread_attr_t *, size_t);
int pthread_key_create(pthread_key_t *, void (*)(void *));
int pthread_setspecific(pthread_key_t, const void *);
int pthread_mutex_lock(pthread_object *);
int pthread_mutex_unlock(pthread_object *);
int pthread_cond_wait(pthread_object *, pthread_object *);
int pthread_cond_timedwait(pthread_object *, pthread_object *, const struct timespec *);
int pthread_cond_broadcast(pthread_object *);
int pthread_once(int *, void (*)(void));
int pthread_barrier_init(pthread_object *, const void *, unsigned);
int pthread_barrier_wait(pthread_object *);
int clock_gettime(int, struct timespec *);
int sem_init(pthread_object *, int, unsigned);
int sem_wait(pthread_object *);
int sem_post(pthread_object *);

typedef struct FILE FILE;
typedef struct DIR DIR;
struct dirent { unsigned long long inode; long long offset; unsigned short length; unsigned char kind; char name[256]; };
FILE *fopen(const char *, const char *);
size_t fread(void *, size_t, size_t, FILE *);
int fseek(FILE *, long, int);
long ftell(FILE *);
int fscanf(FILE *, const char *, ...);
int fprintf(FILE *, const char *, ...);
int fclose(FILE *);
int open(const char *, int, ...);
int read(int, void *, size_t);
int close(int);
DIR *opendir(const char *);
struct dirent *readdir(DIR *);
int closedir(DIR *);
int remove(const char *);
extern FILE *const stderr;
extern int errno;

#define THREADS 4
static pthread_key_t key;
static pthread_object lock, there, barrier, done;
static volatile unsigned destroyed, turn, ran_once, last;
static int only_once;

static void destroy(void *value) { destroyed += (unsigned)value; }
static void count_once(void) { ran_once++; }

/* Takes its turn after the threads before it, and needs the stack that it asked for. */
static void *take_turn(void *argument)
{
    unsigned mine = (unsigned)argument;
    volatile char big[150000];
    for (unsigned i = 0; i < sizeof big; i += 4096)
        big[i] = (char)mine;
    pthread_setspecific(key, argument);
    pthread_once(&only_once, count_once);
    last += pthread_barrier_wait(&barrier) == -1;
    pthread_mutex_lock(&lock);
    while (turn != mine)
        pthread_cond_wait(&there, &lock);
    turn++;
    pthread_cond_broadcast(&there);
    pthread_mutex_unlock(&lock);
    sem_post(&done);
    if (mine == 1)
        pthread_exit((void *)(100 + big[4096]));
    return (void *)(unsigned)big[0];
}

static int threads(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    pthread_t thread[THREADS];
    pthread_attr_t attributes;
    struct timespec until;
    void *result;
    pthread_key_create(&key, destroy);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 200000);
    pthread_barrier_init(&barrier, 0, THREADS);
    sem_init(&done, 0, 0);
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], &attributes, take_turn, (void *)(THREADS - 1 - i)))
            return AEE_EFAILED;
    for (unsigned i = 0; i < THREADS; i++)
        sem_wait(&done);
    out[0] = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        if (pthread_join(thread[i], &result))
            return AEE_EFAILED;
        out[0] = out[0] * 1000 + (unsigned)result;
    }
    out[1] = destroyed;
    out[2] = turn * 100 + ran_once * 10 + last;
    out[3] = pthread_join(thread[0], 0);
    /* Nobody signals: the wait ends by itself, with the mutex. */
    clock_gettime(0, &until);
    until.nanos += 1000000;
    until.seconds += until.nanos / 1000000000;
    until.nanos %= 1000000000;
    pthread_mutex_lock(&lock);
    out[4] = pthread_cond_timedwait(&there, &lock, &until);
    out[5] = pthread_mutex_unlock(&lock);
    return AEE_SUCCESS;
}

static int files(void *context, remote_arg *args)
{
    (void)context;
    const char *path = args[0].buf.pv;
    unsigned *out = args[1].buf.pv;
    char text[8];
    int number = 0;
    FILE *f = fopen("numbers.txt", "r");
    if (!f)
        return AEE_EFAILED;
    out[0] = fscanf(f, "%d %7s", &number, text);
    out[1] = (unsigned)number;
    out[2] = (unsigned)text[2];
    out[3] = fseek(f, -2, 2) ? 99 : (unsigned)ftell(f);
    fclose(f);
    int fd = open(path, 0);
    out[4] = (unsigned)read(fd, text, 3);
    out[5] = (unsigned)text[1];
    close(fd);
    out[6] = (unsigned)fopen("/nowhere/at/all", "r") + (unsigned)errno;
    out[7] = remove(path) ? (unsigned)errno : 0;
    *(char *)(path + strlen(path) - strlen("/numbers.txt")) = 0;
    DIR *list = opendir(path);
    out[8] = 0;
    for (struct dirent *entry; list && (entry = readdir(list));)
        out[8] += !strcmp(entry->name, "numbers.txt");
    closedir(list);
    fprintf(stderr, "%d files\n", (int)out[8]);
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 0, 1, 0, 0), threads, {24}},
    {3, SC(0, 1, 1, 0, 0), files, {13, 36}},
};
SKELETON(library, methods)
