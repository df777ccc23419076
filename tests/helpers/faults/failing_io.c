/* Makes the n-th system call of some kinds on some files fail, or the process die at it.
 *
 * Preloaded into the process under test, which arms it by ctypes. What fails, fails as the
 * kernel would have it: SQLite and Python see a return value and errno, and nothing else.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum kind { READ = 1, WRITE = 2, SYNC = 4, TRUNCATE = 8, UNLINK = 16, OPEN = 32, LOCK = 64 };
enum action { FAIL, FAIL_FROM_HERE, TEAR, DIE_BEFORE, DIE_IN_THE_MIDDLE, DIE_AFTER, STEP_CLOCK, CUT_POWER, STOP };

static int kinds, action, error;
static long wanted, seen, hits, shift, step;
static char part[512];

void failing_io_arm(int which, long nth, int what, int number, const char *path_part)
{
    kinds = which, wanted = nth, action = what, error = number;
    snprintf(part, sizeof part, "%s", path_part);
}

void failing_io_shift_clock(long seconds, long stepping) { shift = seconds, step = stepping; }
long failing_io_seen(void) { return seen; }
long failing_io_hits(void) { return hits; }

static int names(const char *path) { return path && strstr(path, part) != NULL; }

static int concerns(int descriptor)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    return names(path);
}

/* The file system at the path armed is no more: see EXT4_IOC_SHUTDOWN, without a last flush. */
static void cut_power(void)
{
    __u32 without_flush = 2;
    int place = open(part, O_RDONLY | O_DIRECTORY);
    if (place < 0 || ioctl(place, _IOR('X', 125, __u32), &without_flush))
        abort();
    close(place);
}

/* Count a call; tell whether it is the one. */
static int due(int kind, int ours)
{
    if (!(kinds & kind) || !ours)
        return 0;
    seen++;
    int is_due = seen == wanted || (wanted && seen > wanted && (action == FAIL_FROM_HERE || action == TEAR));
    hits += is_due;
    if (is_due && action == DIE_BEFORE)
        kill(getpid(), SIGKILL);
    if (is_due && action == STEP_CLOCK)
        shift = step;
    if (is_due && action == CUT_POWER)
        cut_power();
    if (is_due && action == STOP)
        kill(getpid(), SIGSTOP);
    return is_due && action < STEP_CLOCK;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A call that does all or nothing. */
#define WHOLE(kind, ours, call)                     \
    int is_due = due(kind, ours);                   \
    if (is_due && action < DIE_BEFORE)              \
        return errno = error, -1;                   \
    int result = call;                              \
    if (is_due)                                     \
        kill(getpid(), SIGKILL);                    \
    return result

/* One that may do a part. */
#define PARTIAL(kind, whole, half)                                        \
    int is_due = due(kind, concerns(fd));                                 \
    if (is_due && (action == FAIL || action == FAIL_FROM_HERE))           \
        return errno = error, -1;                                         \
    if (is_due && action == TEAR && seen > wanted)                        \
        return errno = error, -1;                                         \
    ssize_t result = is_due && action != DIE_AFTER ? half : whole;        \
    if (is_due && action != TEAR)                                         \
        kill(getpid(), SIGKILL);                                          \
    return result

ssize_t pread64(int fd, void *data, size_t size, off64_t offset)
{
    REAL(pread64);
    PARTIAL(READ, real(fd, data, size, offset), real(fd, data, size / 2, offset));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    REAL(pwrite64);
    PARTIAL(WRITE, real(fd, data, size, offset), real(fd, data, size / 2, offset));
}

int fsync(int fd) { REAL(fsync); WHOLE(SYNC, concerns(fd), real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); WHOLE(SYNC, concerns(fd), real(fd)); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); WHOLE(TRUNCATE, concerns(fd), real(fd, size)); }
int unlink(const char *path) { REAL(unlink); WHOLE(UNLINK, names(path), real(path)); }

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list list;
    va_start(list, flags);
    int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    WHOLE(OPEN, names(path), real(path, flags, mode));
}

int fcntl64(int fd, int command, ...)
{
    REAL(fcntl64);
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    int is_lock = command == F_SETLK || command == F_SETLKW;
    WHOLE(LOCK, is_lock && concerns(fd), real(fd, command, argument));
}

void *mmap64(void *start, size_t size, int protection, int flags, int fd, off64_t offset)
{
    REAL(mmap64);
    if (fd >= 0 && due(OPEN, concerns(fd)) && action != DIE_AFTER)
        return errno = error, MAP_FAILED;
    return real(start, size, protection, flags, fd, offset);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(clock_gettime);
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += shift;
    return result;
}
