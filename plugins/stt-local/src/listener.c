#include "listener.h"

#include <pocketsphinx.h>
#include <stdlib.h>
#include <string.h>

#include "audio.h"

enum {
    BLOCK = 20 * AUDIO_SAMPLES_PER_MS,          /* samples per step of the decoder */
    RING = 1000 * AUDIO_SAMPLES_PER_MS,         /* what is remembered of the past */
    PRE_ROLL = 300 * AUDIO_SAMPLES_PER_MS,      /* heard before the edge, so that the first word is whole */
    TAIL = 300 * AUDIO_SAMPLES_PER_MS,          /* heard after the caller paused: a grammar wants its closing silence */
    UTTERANCE_MAX = 30000 * AUDIO_SAMPLES_PER_MS /* a longer one is cut: the decoder remembers all of it */
};

static const uint64_t OPEN_END = UINT64_MAX;

/* Positions count samples since the session's first. */
struct listener_s {
    const options_t *options;
    ps_endpointer_t *endpointer; /* NULL: the host says where speech is */
    int16_t ring[RING];
    uint64_t received, decoded;
    uint64_t start;     /* of the utterance */
    uint64_t stop;      /* nothing from here on is decoded until the caller goes on: silence costs no time */
    uint64_t shown;     /* position of the last partial */
    char *partial;      /* its words */
    bool listening;
};

listener_t *listener_new(const options_t *options) {
    listener_t *l = calloc(1, sizeof *l);
    l->options = options;
    if (options->own_endpoints) l->endpointer = ps_endpointer_init(0, 0, PS_VAD_LOOSE, AUDIO_RATE_HZ, 0);
    return l;
}

void listener_free(listener_t *l) {
    if (l->listening) recognizer_end();
    ps_endpointer_free(l->endpointer);
    free(l->partial);
    free(l);
}

static bool believed(const listener_t *l, const heard_t *heard) {
    return !heard->has_confidence || heard->confidence >= l->options->reject_below;
}

static void begin(listener_t *l, uint64_t start) {
    l->start = l->decoded = l->shown = start;
    l->stop = OPEN_END;
    l->listening = true;
    recognizer_begin();
}

static void end(listener_t *l, const listener_sink_t *sink) {
    heard_t heard;
    recognizer_end();
    l->listening = false;
    free(l->partial);
    l->partial = NULL;
    if (!recognizer_heard(&heard)) return;
    if (believed(l, &heard))
        sink->final(sink->user, &heard, l->start / AUDIO_SAMPLES_PER_MS, l->decoded / AUDIO_SAMPLES_PER_MS);
    heard_free(&heard);
}

static void show(listener_t *l, const listener_sink_t *sink) {
    uint64_t interval = (uint64_t)l->options->interim_ms * AUDIO_SAMPLES_PER_MS;
    heard_t heard;
    if (!interval || l->decoded - l->shown < interval) return;
    l->shown = l->decoded;
    if (!recognizer_heard(&heard)) return;
    if (believed(l, &heard) && (!l->partial || strcmp(l->partial, heard.text) != 0)) {
        free(l->partial);
        l->partial = strdup(heard.text);
        sink->partial(sink->user, &heard, l->start / AUDIO_SAMPLES_PER_MS, l->decoded / AUDIO_SAMPLES_PER_MS);
    }
    heard_free(&heard);
}

static void decode(listener_t *l, const int16_t *samples, size_t count, const listener_sink_t *sink) {
    recognizer_feed(samples, count);
    l->decoded += count;
    show(l, sink);
    if (l->decoded - l->start < UTTERANCE_MAX) return;
    uint64_t stop = l->stop;
    end(l, sink);
    begin(l, l->decoded);
    l->stop = stop;
}

/* Decodes what was received and not yet heard, as far as the ring still has it. */
static void catch_up(listener_t *l, const listener_sink_t *sink) {
    uint64_t to = l->received < l->stop ? l->received : l->stop;
    if (l->received > RING && l->decoded < l->received - RING) l->decoded = l->received - RING;
    while (l->decoded < to) {
        size_t at = l->decoded % RING, count = to - l->decoded < BLOCK ? (size_t)(to - l->decoded) : BLOCK;
        decode(l, l->ring + at, count < RING - at ? count : RING - at, sink);
    }
}

/* Our own voice activity detector, one of its frames at a time. */
static void detect(listener_t *l, const listener_sink_t *sink) {
    int16_t frame[BLOCK * 2];
    size_t size = ps_endpointer_frame_size(l->endpointer);
    while (l->received - l->decoded >= size) {
        for (size_t i = 0; i < size; i++) frame[i] = l->ring[(l->decoded + i) % RING];
        const int16 *speech = ps_endpointer_process(l->endpointer, frame);
        uint64_t decoded = l->decoded + size;
        if (speech) {
            if (!l->listening) {
                begin(l, (uint64_t)(ps_endpointer_speech_start(l->endpointer) * AUDIO_RATE_HZ));
                sink->speech_started(sink->user, l->start / AUDIO_SAMPLES_PER_MS);
            }
            decode(l, speech, size, sink);
            if (!ps_endpointer_in_speech(l->endpointer)) {
                uint64_t ended = (uint64_t)(ps_endpointer_speech_end(l->endpointer) * AUDIO_RATE_HZ);
                end(l, sink);
                sink->speech_ended(sink->user, ended / AUDIO_SAMPLES_PER_MS);
            }
        }
        l->decoded = decoded;
    }
}

void listener_audio(listener_t *l, const int16_t *samples, size_t count, const listener_sink_t *sink) {
    for (size_t done = 0; done < count;) {
        size_t at = l->received % RING, n = count - done < BLOCK ? count - done : BLOCK;
        if (n > RING - at) n = RING - at;
        memcpy(l->ring + at, samples + done, n * sizeof *samples);
        l->received += n;
        done += n;
        if (l->endpointer) detect(l, sink);
        else if (l->listening) catch_up(l, sink);
    }
}

void listener_speech_started(listener_t *l, uint64_t ms, const listener_sink_t *sink) {
    if (l->endpointer) return;
    if (l->listening) {
        l->stop = OPEN_END;
    } else {
        uint64_t at = ms > l->received / AUDIO_SAMPLES_PER_MS ? l->received : ms * AUDIO_SAMPLES_PER_MS;
        begin(l, at > PRE_ROLL ? at - PRE_ROLL : 0);
        if (l->received > RING && l->start < l->received - RING) l->start = l->decoded = l->shown = l->received - RING;
    }
    catch_up(l, sink);
}

void listener_speech_ended(listener_t *l, uint64_t ms) {
    uint64_t received_ms = l->received / AUDIO_SAMPLES_PER_MS;
    if (l->listening && !l->endpointer) l->stop = (ms < received_ms ? ms : received_ms) * AUDIO_SAMPLES_PER_MS + TAIL;
}

void listener_finish(listener_t *l, const listener_sink_t *sink) {
    if (l->listening) end(l, sink);
}

uint64_t listener_ms(const listener_t *l) { return l->received / AUDIO_SAMPLES_PER_MS; }
