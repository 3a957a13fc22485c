/* The WIT glue: a session of world `stt-plugin-baked`, and the bake. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "audio.h"
#include "listener.h"
#include "memory_files.h"
#include "options.h"
#include "recognizer.h"
#include "stt_plugin_baked.h"

typedef exports_serphona_speech_stt_effect_t effect_t;
typedef exports_serphona_speech_stt_list_effect_t effects_t;
typedef exports_serphona_speech_stt_input_t input_t;
typedef serphona_speech_types_transcript_t transcript_t;
typedef exports_serphona_speech_stt_session_t session_t;

#define EFFECT(name) EXPORTS_SERPHONA_SPEECH_STT_EFFECT_##name
#define FAULT(name) SERPHONA_SPEECH_TYPES_FAULT_KIND_##name
#define REMEDY(name) SERPHONA_SPEECH_TYPES_REMEDY_##name

typedef enum { AWAITS_START, RUNS, OVER } phase_t;

struct exports_serphona_speech_stt_session_t {
    phase_t phase;
    options_t options;
    audio_t audio;
    listener_t *listener;
};

/* The decoder serves one session: the host makes an instance per call, and they share the snapshot's pages. */
static bool taken;

/* ---- effects ---- */

static effect_t *push(effects_t *effects, uint8_t tag) {
    effects->ptr = realloc(effects->ptr, (effects->len + 1) * sizeof *effects->ptr);
    effect_t *effect = &effects->ptr[effects->len++];
    memset(effect, 0, sizeof *effect);
    effect->tag = tag;
    return effect;
}

static void fail(session_t *s, effects_t *effects, uint8_t kind, uint8_t remedy, const char *detail) {
    effect_t *effect = push(effects, EFFECT(FAIL));
    effect->val.fail.kind.tag = kind;
    effect->val.fail.remedy = remedy;
    stt_plugin_baked_string_dup(&effect->val.fail.detail, detail);
    s->phase = OVER;
}

static void fail_options(session_t *s, effects_t *effects, const option_faults_t *faults) {
    fail(s, effects, FAULT(INVALID_OPTIONS), REMEDY(CONFIGURATION), "the options do not satisfy the plugin's schema");
    serphona_speech_types_list_option_fault_t *list = &effects->ptr[effects->len - 1].val.fail.kind.val.invalid_options;
    list->ptr = calloc(faults->count, sizeof *list->ptr);
    list->len = faults->count;
    for (size_t i = 0; i < faults->count; i++) {
        stt_plugin_baked_string_dup(&list->ptr[i].path, faults->fault[i].path);
        stt_plugin_baked_string_dup(&list->ptr[i].message, faults->fault[i].message);
    }
}

static transcript_t *transcript(effects_t *effects, uint8_t tag, const heard_t *heard, uint64_t start_ms, uint64_t end_ms) {
    effect_t *effect = push(effects, tag);
    transcript_t *t = tag == EFFECT(FINAL) ? &effect->val.final : &effect->val.partial;
    stt_plugin_baked_string_dup(&t->text, heard->text);
    t->confidence.is_some = heard->has_confidence;
    t->confidence.val = heard->confidence;
    t->start_ms = start_ms;
    t->end_ms = end_ms;
    return t;
}

static void on_speech_started(void *user, uint64_t ms) { push(user, EFFECT(SPEECH_STARTED))->val.speech_started = ms; }

static void on_speech_ended(void *user, uint64_t ms) { push(user, EFFECT(SPEECH_ENDED))->val.speech_ended = ms; }

static void on_partial(void *user, const heard_t *heard, uint64_t start_ms, uint64_t end_ms) {
    transcript(user, EFFECT(PARTIAL), heard, start_ms, end_ms);
}

static void on_final(void *user, const heard_t *heard, uint64_t start_ms, uint64_t end_ms) {
    transcript_t *t = transcript(user, EFFECT(FINAL), heard, start_ms, end_ms);
    t->stability.is_some = true;
    t->stability.val = 1;
    t->words.ptr = calloc(heard->word_count, sizeof *t->words.ptr);
    t->words.len = heard->word_count;
    for (size_t i = 0; i < heard->word_count; i++) {
        stt_plugin_baked_string_dup(&t->words.ptr[i].text, heard->words[i].text);
        t->words.ptr[i].start_ms = start_ms + heard->words[i].start_ms;
        t->words.ptr[i].end_ms = start_ms + heard->words[i].end_ms;
    }
}

static listener_sink_t sink(effects_t *effects) {
    return (listener_sink_t){effects, on_speech_started, on_partial, on_final, on_speech_ended};
}

/* ---- inputs ---- */

static bool english(stt_plugin_baked_string_t language) {
    return language.len == 0 || (language.len >= 2 && strncasecmp((const char *)language.ptr, "en", 2) == 0 &&
                                 (language.len == 2 || language.ptr[2] == '-'));
}

static void start(session_t *s, effects_t *effects, const serphona_speech_types_session_start_t *in) {
    option_faults_t faults;
    /* The guest's encodings are numbered as in types.wit. */
    if (!audio_start(&s->audio, (encoding_t)in->format.encoding, in->format.rate_hz)) {
        fail(s, effects, FAULT(UNSUPPORTED), REMEDY(CONFIGURATION), "the rate must be 8000 or 16000");
        return;
    }
    if (!english(in->language)) {
        fail(s, effects, FAULT(UNSUPPORTED), REMEDY(NEXT_PROVIDER), "the language must be English");
        return;
    }
    if (taken) {
        fail(s, effects, FAULT(SESSION_LIMIT), REMEDY(RETRY), "an instance serves one session");
        return;
    }
    options_read(&s->options, &faults, (const char *)in->options.ptr, in->options.len);
    if (faults.count == 0) {
        const char *reason = recognizer_open(&s->options, s->audio.doubles);
        if (reason) option_fault(&faults, s->options.source, reason);
    }
    if (faults.count > 0) {
        recognizer_close();
        fail_options(s, effects, &faults);
        return;
    }
    taken = true;
    s->listener = listener_new(&s->options);
    s->phase = RUNS;
}

static void audio(session_t *s, effects_t *effects, const stt_plugin_baked_list_u8_t *in) {
    enum { PIECE = 640 };
    int16_t samples[2 * PIECE + 2];
    listener_sink_t to = sink(effects);
    for (size_t at = 0; at < in->len; at += PIECE) {
        size_t len = in->len - at < PIECE ? in->len - at : PIECE;
        listener_audio(s->listener, samples, audio_decode(&s->audio, in->ptr + at, len, samples), &to);
    }
}

static void edge(session_t *s, effects_t *effects, const exports_serphona_speech_stt_edge_t *in) {
    listener_sink_t to = sink(effects);
    if (in->tag == EXPORTS_SERPHONA_SPEECH_STT_EDGE_SPEECH_STARTED)
        listener_speech_started(s->listener, in->val.speech_started, &to);
    else
        listener_speech_ended(s->listener, in->val.speech_ended);
}

static void finish(session_t *s, effects_t *effects) {
    listener_sink_t to = sink(effects);
    listener_finish(s->listener, &to);
}

static void run(session_t *s, effects_t *effects, const input_t *in) {
    switch (in->tag) {
    case EXPORTS_SERPHONA_SPEECH_STT_INPUT_AUDIO: audio(s, effects, &in->val.audio); break;
    case EXPORTS_SERPHONA_SPEECH_STT_INPUT_EDGE: edge(s, effects, &in->val.edge); break;
    case EXPORTS_SERPHONA_SPEECH_STT_INPUT_FINALIZE:
        finish(s, effects);
        push(effects, EFFECT(FINALIZED));
        break;
    case EXPORTS_SERPHONA_SPEECH_STT_INPUT_END:
        finish(s, effects);
        effect_t *usage = push(effects, EFFECT(USAGE));
        usage->val.usage.audio_ms = listener_ms(s->listener);
        usage->val.usage.requests = 1;
        push(effects, EFFECT(DONE));
        s->phase = OVER;
        break;
    case EXPORTS_SERPHONA_SPEECH_STT_INPUT_START:
        fail(s, effects, FAULT(INTERNAL), REMEDY(NEXT_PROVIDER), "the host started this session twice");
        break;
    default: break; /* links and timers: this plugin never asks for any */
    }
}

exports_serphona_speech_stt_own_session_t exports_serphona_speech_stt_constructor_session(void) {
    return exports_serphona_speech_stt_session_new(calloc(1, sizeof(session_t)));
}

void exports_serphona_speech_stt_session_destructor(session_t *s) {
    if (s->listener) {
        listener_free(s->listener);
        recognizer_close();
        taken = false;
    }
    options_free(&s->options);
    free(s);
}

void exports_serphona_speech_stt_method_session_handle(session_t *s, exports_serphona_speech_stt_instant_t *now,
                                                       input_t *in, effects_t *ret) {
    (void)now;
    *ret = (effects_t){0};
    if (s->phase == RUNS) run(s, ret, in);
    else if (s->phase == AWAITS_START && in->tag == EXPORTS_SERPHONA_SPEECH_STT_INPUT_START) start(s, ret, &in->val.start);
    else if (s->phase == AWAITS_START)
        fail(s, ret, FAULT(INTERNAL), REMEDY(NEXT_PROVIDER), "the host gave an input before start");
    exports_serphona_speech_stt_input_free(in);
}

/* ---- build time ---- */

void exports_serphona_speech_bake_add_file(stt_plugin_baked_string_t *name, stt_plugin_baked_list_u8_t *data) {
    char *terminated = strndup((const char *)name->ptr, name->len);
    memory_file_add(terminated, data->ptr, data->len); /* takes the block over */
    free(terminated);
    stt_plugin_baked_string_free(name);
}

bool exports_serphona_speech_bake_load(stt_plugin_baked_string_t *err) {
    audio_prepare();
    const char *reason = recognizer_load();
    if (reason) stt_plugin_baked_string_dup(err, reason);
    return !reason;
}

/* The C bindings ask for the object file with the type of the world; the build tool embeds the type itself. */
void __component_type_object_force_link_stt_plugin_baked(void) {}
