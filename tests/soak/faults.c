/* Makes a disk fail and a clock untrusted, in one process, when it is told to: LD_PRELOAD of the storm.
 *
 * GODWIT_FAULTS names a file of five 32-bit numbers that the storm writes into:
 * pid (whom it concerns), error (errno of a failing call), skip (calls that still succeed), count (calls that
 * fail after those), untrusted (whether adjtimex tells that the clock is not synchronised).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <unistd.h>

static volatile int32_t *control;

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("GODWIT_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) control = mapped;
    if (fd >= 0) close(fd);
}

static int of_the_spool(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "spool.db") != NULL;
}

static int fails(int fd) {
    if (!control || control[3] <= 0 || control[0] != getpid() || !of_the_spool(fd)) return 0;
    if (control[2] > 0) {
        control[2]--;
        return 0;
    }
    control[3]--;
    errno = control[1];
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t offset) {
    return fails(fd) ? -1 : REAL(pwrite64)(fd, buffer, count, offset);
}
ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
    return fails(fd) ? -1 : REAL(pwrite)(fd, buffer, count, offset);
}
int fdatasync(int fd) { return fails(fd) ? -1 : REAL(fdatasync)(fd); }
int fsync(int fd) { return fails(fd) ? -1 : REAL(fsync)(fd); }
int adjtimex(struct timex *state) {
    int found = REAL(adjtimex)(state);
    return control && found >= 0 ? (control[4] ? TIME_ERROR : TIME_OK) : found;
}
