/* Preloaded into the program: its N-th call of one kind on a file of the tables fails, once or from there on.
 *
 * FAIL_CALL=fsync|linkat|rename|write  FAIL_AT=N  FAIL_EVER=1 for every later one too  FAIL_ERRNO=5 (EIO), 28 (ENOSPC)
 * Each failure is a line in the file FAIL_REPORT. strace counts calls a thread; this counts them in the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <fcntl.h>
#include <unistd.h>

static atomic_int calls;

static int due(const char *call, const char *path) {
    const char *wanted = getenv("FAIL_CALL"), *at = getenv("FAIL_AT"), *error = getenv("FAIL_ERRNO"), *report = getenv("FAIL_REPORT");
    if (!wanted || !at || !report || strcmp(wanted, call) || !strstr(path, "/tables/")) return 0;
    int number = atomic_fetch_add(&calls, 1) + 1;
    if (number != atoi(at) && !(getenv("FAIL_EVER") && number > atoi(at))) return 0;
    int file = open(report, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(file, "%s %d %s\n", call, number, path);
    close(file);
    errno = error ? atoi(error) : EIO;
    return 1;
}

static int due_fd(const char *call, int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return due(call, path);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return due_fd("fsync", fd) ? -1 : real(fd);
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    return due("rename", to) ? -1 : real(from, to);
}

int linkat(int at, const char *from, int to_at, const char *to, int flags) {
    static int (*real)(int, const char *, int, const char *, int);
    if (!real) real = (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
    return due("linkat", to) ? -1 : real(at, from, to_at, to, flags);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return getenv("FAIL_CALL") && due_fd("write", fd) ? -1 : real(fd, bytes, count);
}
