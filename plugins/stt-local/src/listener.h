/* Cuts the stream of samples into utterances and says what was understood. Knows nothing of WIT. */
#pragma once
#include "options.h"
#include "recognizer.h"

typedef struct listener_s listener_t;

/* What a listener tells; each is called while samples or edges are handed in. Times are milliseconds since the first
 * sample of the session; `heard` is the callee's only during the call. */
typedef struct {
    void *user;
    void (*speech_started)(void *user, uint64_t ms);
    void (*partial)(void *user, const heard_t *heard, uint64_t start_ms, uint64_t end_ms);
    void (*final)(void *user, const heard_t *heard, uint64_t start_ms, uint64_t end_ms);
    void (*speech_ended)(void *user, uint64_t ms);
} listener_sink_t;

/* `options` must outlive the listener. */
listener_t *listener_new(const options_t *options);
void listener_free(listener_t *listener);
/* Samples at 16 kHz. */
void listener_audio(listener_t *listener, const int16_t *samples, size_t count, const listener_sink_t *sink);
/* The host's voice activity detector; ignored where the guest cuts utterances itself. */
void listener_speech_started(listener_t *listener, uint64_t ms, const listener_sink_t *sink);
void listener_speech_ended(listener_t *listener, uint64_t ms);
/* Ends the utterance, if there is one. */
void listener_finish(listener_t *listener, const listener_sink_t *sink);
/* Milliseconds of audio since the first sample. */
uint64_t listener_ms(const listener_t *listener);
