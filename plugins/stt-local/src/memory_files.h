/* The only "file system" of the guest: a table of named byte blocks, read-only to the library. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Takes `data`, a block of malloc, over; a file of that name is replaced. False where the table is full. */
bool memory_file_add(const char *name, void *data, size_t len);
/* The bytes of a file, not terminated; NULL where there is none. */
const char *memory_file_bytes(const char *name, size_t *len);
/* Zeroes and frees it, unless the library still uses it in place. */
void memory_file_drop(const char *name);
/* What the library is compiled to call in place of fopen. */
FILE *memory_fopen(const char *name, const char *mode);
