/* What the host sends -> 16-bit samples at 16 kHz, the rate of the acoustic model. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUDIO_RATE_HZ = 16000, AUDIO_SAMPLES_PER_MS = 16, AUDIO_TAPS = 16 };

typedef enum { ENCODING_PCM_S16LE, ENCODING_MULAW, ENCODING_ALAW } encoding_t;

typedef struct {
    encoding_t encoding;
    bool doubles;                 /* the input has 8 kHz */
    bool has_half;                /* a 16-bit sample was split between two chunks */
    uint8_t half;
    int16_t history[AUDIO_TAPS];  /* of the doubling filter */
} audio_t;

/* Fills the tables. Done at build time, so that they are part of the snapshot. */
void audio_prepare(void);
/* False where the rate is not offered (8000 or 16000). */
bool audio_start(audio_t *audio, encoding_t encoding, uint32_t rate_hz);
/* Decodes `len` bytes; `out` has room for 2 * len + 2 samples. Gives their number. */
size_t audio_decode(audio_t *audio, const uint8_t *bytes, size_t len, int16_t *out);
