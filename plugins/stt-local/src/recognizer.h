/* PocketSphinx: one decoder per instance, loaded at build time and part of the snapshot. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

typedef struct {
    char *text;
    uint64_t start_ms, end_ms; /* since the utterance's first sample */
} heard_word_t;

/* What was recognised; owned by the caller, see heard_free. */
typedef struct {
    char *text;
    bool has_confidence;
    float confidence; /* 0 to 1 */
    heard_word_t *words;
    size_t word_count;
} heard_t;

void heard_free(heard_t *heard);

/* Loads the model from memory files, or takes a further grammar into a loaded one. NULL, else the reason. */
const char *recognizer_load(void);
/* Makes ready for a new caller; `narrow_band` where the sound had 8 kHz. NULL, else the reason why the options cannot
 * be met. */
const char *recognizer_open(const options_t *options, bool narrow_band);
void recognizer_close(void);

void recognizer_begin(void);
/* Samples at 16 kHz. */
void recognizer_feed(const int16_t *samples, size_t count);
/* No more samples in this utterance. */
void recognizer_end(void);
/* The best hypothesis so far, or of the ended utterance; false where there is none. */
bool recognizer_heard(heard_t *heard);
