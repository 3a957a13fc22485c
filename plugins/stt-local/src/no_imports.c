/* wasi-libc calls these host functions. Defined here they resolve inside the module, so that the component imports
 * nothing: there is no file, no clock and no environment to be had. */
#include <stdint.h>

#define WASI(name) __imported_wasi_snapshot_preview1_##name

enum { BADF = 8 };

int32_t WASI(environ_sizes_get)(int32_t count, int32_t bytes) {
    *(uint32_t *)count = 0;
    *(uint32_t *)bytes = 0;
    return 0;
}

int32_t WASI(environ_get)(int32_t environ, int32_t buffer) {
    (void)environ, (void)buffer;
    return 0;
}

int32_t WASI(clock_time_get)(int32_t id, int64_t precision, int32_t time) {
    (void)id, (void)precision;
    *(uint64_t *)time = 0;
    return 0;
}

int32_t WASI(fd_close)(int32_t fd) {
    (void)fd;
    return BADF;
}

int32_t WASI(fd_fdstat_get)(int32_t fd, int32_t out) {
    (void)fd, (void)out;
    return BADF;
}

int32_t WASI(fd_read)(int32_t fd, int32_t iovs, int32_t count, int32_t out) {
    (void)fd, (void)iovs, (void)count, (void)out;
    return BADF;
}

int32_t WASI(fd_seek)(int32_t fd, int64_t offset, int32_t whence, int32_t out) {
    (void)fd, (void)offset, (void)whence, (void)out;
    return BADF;
}

int32_t WASI(fd_write)(int32_t fd, int32_t iovs, int32_t count, int32_t out) {
    (void)fd, (void)iovs, (void)count, (void)out;
    return BADF;
}

_Noreturn void WASI(proc_exit)(int32_t code) {
    (void)code;
    __builtin_trap();
}

/* zig's libc calls fd_close under a name of its own from close(). */
int close(int fd) {
    (void)fd;
    return -1;
}
