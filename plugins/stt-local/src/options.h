/* The tenant's options: a JSON object, checked as the schema in describe.c says. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is listened for. */
typedef enum {
    LISTEN_BAKED,    /* what was baked in: a grammar or a language model */
    LISTEN_GRAMMAR,  /* JSGF text */
    LISTEN_KEYWORDS, /* lines "phrase /threshold/" */
} listen_t;

typedef struct {
    listen_t listen;
    char *text;         /* of the grammar or keywords; NULL for LISTEN_BAKED */
    const char *source; /* JSON pointer of the option that `text` came from */
    bool own_endpoints; /* the guest cuts utterances, not the host */
    uint32_t interim_ms; /* of speech between two partials; 0: none */
    float reject_below;  /* confidence under which a hypothesis is not believed */
} options_t;

typedef struct {
    char path[48];
    char message[256];
} option_fault_t;

enum { OPTION_FAULTS_MAX = 8 };

typedef struct {
    option_fault_t fault[OPTION_FAULTS_MAX];
    size_t count;
} option_faults_t;

/* Beyond OPTION_FAULTS_MAX faults are dropped. */
void option_fault(option_faults_t *faults, const char *path, const char *message);
/* Reads `len` bytes of JSON; all faults are reported together. */
void options_read(options_t *options, option_faults_t *faults, const char *json, size_t len);
void options_free(options_t *options);
