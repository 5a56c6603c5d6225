/* powercut.c - an LD_PRELOAD recorder: what a process writes below one directory, when it was told
 * that it is on disk, and what it then promised to others. tests/faults/powercut.py builds it and
 * plays the log again up to any moment.
 *
 * CUT_ROOT names the directory, CUT_LOG the log. A record is u8 operation, u32 file, u64 offset,
 * u64 length, then the data, in the machine's byte order. A write is noted before the call, a
 * barrier after it returned 0, and one lock makes the log's order that of the calls. Not seen:
 * stores through mmap, which SQLite makes to -shm only, and that is rebuilt at every start. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME = 1, CREATE, WRITE, SIZE, SYNC, SYNC_DIR, RENAME, UNLINK, PROMISE };
enum { FDS = 4096, NAMES = 1024 };

static int log_fd = -1;
static const char *root;
static char *names[NAMES + 1];
static uint32_t name_count, file_of[FDS];
static char is_directory[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void put(const void *data, size_t size) {
    for (const char *at = data; size;) {
        ssize_t done = syscall(SYS_write, log_fd, at, size);
        if (done <= 0) abort();
        at += done;
        size -= (size_t)done;
    }
}

static void note(uint8_t operation, uint32_t file, uint64_t offset, const void *data, uint64_t size) {
    unsigned char head[21];
    head[0] = operation;
    memcpy(head + 1, &file, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &size, 8);
    put(head, sizeof head);
    if (data) put(data, size);
}

static void note_locked(uint8_t operation, uint32_t file, uint64_t offset, const void *data, uint64_t size) {
    pthread_mutex_lock(&lock);
    note(operation, file, offset, data, size);
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CUT_LOG");
    root = getenv("CUT_ROOT");
    if (root && path) log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The number of a path below the root, 0 for any other; called with the lock held. */
static uint32_t number(const char *path) {
    size_t length = root ? strlen(root) : 0;
    if (log_fd < 0 || !path || strncmp(path, root, length) || (path[length] && path[length] != '/')) return 0;
    for (uint32_t i = 1; i <= name_count; i++)
        if (!strcmp(names[i], path)) return i;
    if (name_count == NAMES) abort();
    names[++name_count] = strdup(path);
    note(NAME, name_count, 0, path, strlen(path));
    return name_count;
}

static int opened(int fd, const char *path, int flags, int existed) {
    struct stat status;
    if (fd < 0 || fd >= FDS || log_fd < 0) return fd;
    int error = errno;
    pthread_mutex_lock(&lock);
    file_of[fd] = number(path);
    is_directory[fd] = !fstat(fd, &status) && S_ISDIR(status.st_mode);
    if (file_of[fd] && !is_directory[fd]) {
        if (!existed) note(CREATE, file_of[fd], 0, NULL, 0);
        else if (flags & O_TRUNC) note(SIZE, file_of[fd], 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

static uint32_t file(int fd) { return log_fd >= 0 && fd >= 0 && fd < FDS ? file_of[fd] : 0; }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        int existed = !(flags & O_CREAT) || !access(path, F_OK); \
        return opened(real(path, flags, mode), path, flags, existed); \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(close);
    if (file(fd)) file_of[fd] = 0;
    return real(fd);
}

/* What goes to standard output is what the process promises. */
ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (file(fd)) note_locked(WRITE, file(fd), (uint64_t)lseek(fd, 0, SEEK_CUR), data, size);
    else if (fd == 1 && log_fd >= 0) note_locked(PROMISE, 0, 0, data, size);
    return real(fd, data, size);
}

#define PWRITE(name, type) \
    ssize_t name(int fd, const void *data, size_t size, type offset) { \
        REAL(name); \
        if (file(fd)) note_locked(WRITE, file(fd), (uint64_t)offset, data, size); \
        return real(fd, data, size, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define RESIZE(name, type) \
    int name(int fd, type size) { \
        REAL(name); \
        if (file(fd)) note_locked(SIZE, file(fd), (uint64_t)size, NULL, 0); \
        return real(fd, size); \
    }
RESIZE(ftruncate, off_t)
RESIZE(ftruncate64, off64_t)

static int barrier(int fd, int result) {
    int error = errno;
    if (!result && file(fd)) note_locked(is_directory[fd] ? SYNC_DIR : SYNC, file(fd), 0, NULL, 0);
    errno = error;
    return result;
}

int fsync(int fd) {
    REAL(fsync);
    return barrier(fd, real(fd));
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return barrier(fd, real(fd));
}

int unlink(const char *path) {
    REAL(unlink);
    pthread_mutex_lock(&lock);
    uint32_t which = number(path);
    if (which && !access(path, F_OK)) note(UNLINK, which, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return real(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    pthread_mutex_lock(&lock);
    uint32_t old = number(from), fresh = number(to);
    if (old && fresh) note(RENAME, old, fresh, NULL, 0);
    pthread_mutex_unlock(&lock);
    return real(from, to);
}
