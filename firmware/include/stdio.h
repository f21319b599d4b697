/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Formatted text, and files of the AP as streams. Standard output is the log, standard input is empty.
 */
#ifndef VHX_STDIO_H
#define VHX_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FILE FILE;
typedef struct {
    long long at;
    long long reserved;
} fpos_t;
typedef long long off_t;

extern FILE *const stdin, *const stdout, *const stderr;

#define EOF (-1)
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define BUFSIZ 1024
#define FILENAME_MAX 4096
#define FOPEN_MAX 256
#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2

int printf(const char *form, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *form, va_list args);
int sprintf(char *to, const char *form, ...) __attribute__((format(printf, 2, 3)));
int vsprintf(char *to, const char *form, va_list args);
int snprintf(char *to, size_t n, const char *form, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t n, const char *form, va_list args);
int fprintf(FILE *file, const char *form, ...) __attribute__((format(printf, 2, 3)));
int vfprintf(FILE *file, const char *form, va_list args);
int puts(const char *s);
int putchar(int c);
void perror(const char *s);

int scanf(const char *form, ...) __attribute__((format(scanf, 1, 2)));
int vscanf(const char *form, va_list args);
int sscanf(const char *s, const char *form, ...) __attribute__((format(scanf, 2, 3)));
int vsscanf(const char *s, const char *form, va_list args);
int fscanf(FILE *file, const char *form, ...) __attribute__((format(scanf, 2, 3)));
int vfscanf(FILE *file, const char *form, va_list args);

FILE *fopen(const char *name, const char *mode);
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *file);
int fileno(FILE *file);
size_t fread(void *to, size_t size, size_t n, FILE *file);
size_t fwrite(const void *from, size_t size, size_t n, FILE *file);
int fseek(FILE *file, long offset, int whence);
int fseeko(FILE *file, off_t offset, int whence);
long ftell(FILE *file);
off_t ftello(FILE *file);
void rewind(FILE *file);
int fgetpos(FILE *file, fpos_t *place);
int fsetpos(FILE *file, const fpos_t *place);
int feof(FILE *file);
int ferror(FILE *file);
void clearerr(FILE *file);
int fflush(FILE *file);
int fgetc(FILE *file);
int getc(FILE *file);
int getchar(void);
int ungetc(int c, FILE *file);
char *fgets(char *to, int room, FILE *file);
int fputc(int c, FILE *file);
int putc(int c, FILE *file);
int fputs(const char *s, FILE *file);
int setvbuf(FILE *file, char *buffer, int mode, size_t size);
void setbuf(FILE *file, char *buffer);
FILE *fmemopen(void *memory, size_t room, const char *mode);
FILE *open_memstream(char **memory, size_t *len);
FILE *freopen(const char *name, const char *mode, FILE *file);
long getline(char **line, size_t *room, FILE *file);
long getdelim(char **line, size_t *room, int delimiter, FILE *file);
int asprintf(char **to, const char *form, ...) __attribute__((format(printf, 2, 3)));
int vasprintf(char **to, const char *form, va_list args);
int dprintf(int fd, const char *form, ...) __attribute__((format(printf, 2, 3)));
int vdprintf(int fd, const char *form, va_list args);
int getc_unlocked(FILE *file);
int putc_unlocked(int c, FILE *file);
FILE *tmpfile(void); /* refused, as the next one */
char *tmpnam(char *to);
int remove(const char *path);
int rename(const char *from, const char *to);

#ifdef __cplusplus
}
#endif

#endif
