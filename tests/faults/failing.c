/* failing.c - an LD_PRELOAD disk that fails when told: tests/faults/failing.py builds it, runs
 * itself under it, and calls the fail_* functions below.
 *
 * Only files below the root given to fail_root are touched. Calls of one kind are counted from
 * fail_arm on; from the `first` one `times` of them fail with `error`. With fail_room files may have
 * so many bytes together: what would be more fails with ENOSPC. A sync reaches no disk: nobody cuts
 * the power here. Not seen: stores through mmap, which SQLite makes to -shm only. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ, WRITE, SYNC, SIZE, OPEN };

static char root[PATH_MAX];
static int kind = -1, error;
static long first, times, seen, room = -1;

void fail_root(const char *path) { snprintf(root, sizeof root, "%s", path); }
void fail_arm(int what, long from, long count, int number) {
    kind = what, first = from, times = count, error = number, seen = 0;
}
void fail_room(long bytes) { room = bytes; }
long fail_seen(void) { return seen; }

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int below(const char *path) {
    size_t length = strlen(root);
    return length && !strncmp(path, root, length) && (!path[length] || path[length] == '/');
}

static int ours(int fd) {
    char link[64], path[PATH_MAX];
    if (!root[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

static int fails(int what) {
    if (what != kind) return 0;
    seen++;
    if (seen < first || seen >= first + times) return 0;
    errno = error;
    return 1;
}

/* Whether a file may grow to this size. */
static int fits(int fd, long size) {
    struct stat status;
    if (room < 0 || fstat(fd, &status) || size <= status.st_size) return 1;
    long sum = size - status.st_size;
    DIR *directory = opendir(root);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        if (!fstatat(dirfd(directory), entry->d_name, &status, 0) && S_ISREG(status.st_mode)) sum += status.st_size;
    if (directory) closedir(directory);
    if (sum <= room) return 1;
    errno = ENOSPC;
    return 0;
}

#define TRANSFER(name, what, pointer, type, check) \
    ssize_t name(int fd, pointer data, size_t size, type offset) { \
        REAL(name); \
        if (ours(fd) && (fails(what) || !(check))) return -1; \
        return real(fd, data, size, offset); \
    }
TRANSFER(pread, READ, void *, off_t, 1)
TRANSFER(pread64, READ, void *, off64_t, 1)
TRANSFER(pwrite, WRITE, const void *, off_t, fits(fd, (long)(offset + (off_t)size)))
TRANSFER(pwrite64, WRITE, const void *, off64_t, fits(fd, (long)(offset + (off64_t)size)))

#define RESIZE(name, type) \
    int name(int fd, type size) { \
        REAL(name); \
        if (ours(fd) && (fails(SIZE) || !fits(fd, (long)size))) return -1; \
        return real(fd, size); \
    }
RESIZE(ftruncate, off_t)
RESIZE(ftruncate64, off64_t)

/* These return the error. */
#define ALLOCATE(name, type) \
    int name(int fd, type offset, type size) { \
        REAL(name); \
        if (ours(fd) && (fails(SIZE) || !fits(fd, (long)(offset + size)))) return errno; \
        return real(fd, offset, size); \
    }
ALLOCATE(posix_fallocate, off_t)
ALLOCATE(posix_fallocate64, off64_t)

#define FLUSH(name) \
    int name(int fd) { \
        REAL(name); \
        if (!ours(fd)) return real(fd); \
        return fails(SYNC) ? -1 : 0; \
    }
FLUSH(fsync)
FLUSH(fdatasync)

#define OPENER(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        if (below(path) && fails(OPEN)) return -1; \
        return real(path, flags, mode); \
    }
OPENER(open)
OPENER(open64)
