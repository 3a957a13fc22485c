#include "memory_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/mmio.h"

struct mmio_file_s {
    char *name;
    char *data;
    size_t len;
    int mapped;
};

enum { FILES_MAX = 24 };
static struct mmio_file_s files[FILES_MAX];

static struct mmio_file_s *find(const char *name) {
    for (int i = 0; i < FILES_MAX; i++)
        if (files[i].name && strcmp(files[i].name, name) == 0) return &files[i];
    return NULL;
}

bool memory_file_add(const char *name, void *data, size_t len) {
    memory_file_drop(name);
    for (int i = 0; i < FILES_MAX; i++) {
        if (files[i].name) continue;
        files[i] = (struct mmio_file_s){.name = strdup(name), .data = data, .len = len};
        return true;
    }
    free(data);
    return false;
}

const char *memory_file_bytes(const char *name, size_t *len) {
    struct mmio_file_s *file = find(name);
    if (!file) return NULL;
    *len = file->len;
    return file->data;
}

void memory_file_drop(const char *name) {
    struct mmio_file_s *file = find(name);
    if (!file || file->mapped) return;
    memset(file->data, 0, file->len); /* zero pages cost nothing in a snapshot */
    free(file->data);
    free(file->name);
    file->name = NULL;
}

FILE *memory_fopen(const char *name, const char *mode) {
    struct mmio_file_s *file = find(name);
    if (!file || mode[0] != 'r' || file->len == 0) {
        errno = ENOENT;
        return NULL;
    }
    return fmemopen(file->data, file->len, "r");
}

/* In place of util/mmio.c: "mapping" a file is the block itself, without a copy. */
mmio_file_t *mmio_file_read(const char *name) {
    struct mmio_file_s *file = find(name);
    if (file) file->mapped++;
    return file;
}

void mmio_file_unmap(mmio_file_t *file) {
    if (file) file->mapped--;
}

void *mmio_file_ptr(mmio_file_t *file) { return file->data; }
