/* A strict pull reader for RFC 8259 texts, as much as an options object needs. Every function moves past what it read
 * and gives false where the text is something else; after `fault` is set nothing more can be read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *at, *end;
    const char *fault; /* NULL while the text is well-formed */
} json_t;

typedef enum { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_LITERAL, JSON_NONE } json_kind_t;

/* What comes next. */
json_kind_t json_peek(json_t *json);
/* Enters an object or array. */
bool json_enter(json_t *json, json_kind_t kind);
/* True while the entered object or array has a further entry; for an object `key` becomes its malloc'ed name. `first`
 * is true before the first call and is kept by this function. */
bool json_next(json_t *json, json_kind_t kind, bool *first, char **key);
/* A malloc'ed, terminated UTF-8 string. U+0000 is refused. */
bool json_string(json_t *json, char **out);
bool json_number(json_t *json, double *out);
/* Passes any value. */
bool json_skip(json_t *json);
/* True where nothing but white space is left. */
bool json_end(json_t *json);
