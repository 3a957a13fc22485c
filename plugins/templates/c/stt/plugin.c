/* plugin-name: speech-to-text over a WebSocket.
 *
 * The vendor of this template takes binary messages of audio and answers with JSON:
 * {"type":"partial"|"final","text","start_ms","end_ms"}, {"type":"finalized"} after our {"type":"finalize"}, and
 * {"type":"error","code","retry_after_ms"?}. Put your vendor's words into `told`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "json.h"

static const char URL[] = "wss://api.example.com/v1/listen";
static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"model\":{\"type\":\"string\",\"default\":\"general\",\"pattern\":\"^[a-z0-9-]+$\"},"
    "\"endpoint\":{\"type\":\"string\",\"description\":\"scheme://host[:port] in place of the vendor's\"}}}";

enum { VENDOR = 1, FIRST_ANSWER = 1, FINALIZED = 2, END = 3 };

struct exports_serphona_speech_stt_session_t {
    uint64_t began_us;
    bool opened, ending;
    uint32_t finalizing;    /* answers to `finalize` that are owed */
    uint64_t finals_end_ms; /* a vendor that says a final twice is heard once */
};
typedef struct exports_serphona_speech_stt_session_t session_t;

/* What the vendor says; strings are malloc'ed or NULL. */
typedef struct {
    char *type, *text, *code;
    double start_ms, end_ms, confidence, retry_after_ms; /* below 0 where not given */
} message_t;

/* ---- what it is ---- */

void exports_serphona_speech_describe_describe(exports_serphona_speech_describe_descriptor_t *ret) {
    static const serphona_speech_types_audio_format_t formats[] = {
        {SERPHONA_SPEECH_TYPES_ENCODING_PCM_S16LE, 16000},
        {SERPHONA_SPEECH_TYPES_ENCODING_PCM_S16LE, 8000},
        {SERPHONA_SPEECH_TYPES_ENCODING_MULAW, 8000},
    };
    memset(ret, 0, sizeof *ret);
    ret->id = copied("plugin-name");
    ret->version = copied("0.1.0");
    ret->kind = EXPORTS_SERPHONA_SPEECH_DESCRIBE_KIND_STT;
    ret->formats.len = sizeof formats / sizeof *formats;
    ret->formats.ptr = memcpy(malloc(sizeof formats), formats, sizeof formats);
    ret->languages = (stt_plugin_list_string_t){malloc(sizeof(string_t)), 1};
    *ret->languages.ptr = copied("en-US");
    ret->features = EXPORTS_SERPHONA_SPEECH_DESCRIBE_FEATURES_INTERIM | EXPORTS_SERPHONA_SPEECH_DESCRIBE_FEATURES_FINALIZE;
    ret->options_schema = copied(SCHEMA);
    ret->hosts = (stt_plugin_list_string_t){malloc(sizeof(string_t)), 1};
    *ret->hosts.ptr = copied("wss://api.example.com");
    ret->secrets.len = 1;
    ret->secrets.ptr = malloc(sizeof *ret->secrets.ptr);
    *ret->secrets.ptr = (exports_serphona_speech_describe_secret_wish_t){
        copied("api_key"), EXPORTS_SERPHONA_SPEECH_DESCRIBE_SECRET_KIND_FIXED, copied("the vendor's key")};
    ret->compute = EXPORTS_SERPHONA_SPEECH_DESCRIBE_COMPUTE_LIGHT;
}

/* ---- the session ---- */

static void start(effects_t *effects, const serphona_speech_types_session_start_t *in) {
    char *model, *url;
    if (in->format.encoding == SERPHONA_SPEECH_TYPES_ENCODING_ALAW) {
        fail(effects, FAULT(UNSUPPORTED), "A-law is not offered");
        return;
    }
    if (!option(effects, in->options, "model", &model)) return;
    if ((url = at_endpoint(effects, in->options, URL))) {
        const char *encoding = in->format.encoding == SERPHONA_SPEECH_TYPES_ENCODING_MULAW ? "mulaw" : "pcm";
        size_t size = strlen(url) + (model ? strlen(model) : 0) + in->language.len + 96;
        char *whole = malloc(size);
        snprintf(whole, size, "%s?model=%s&encoding=%s&rate=%u&language=%.*s", url, model ? model : "general", encoding,
                 (unsigned)in->format.rate_hz, (int)in->language.len, (const char *)in->language.ptr);
        LINK(websocket_open_t) *open = &push_link(effects, LINK_EFFECT(WEBSOCKET))->val.websocket;
        open->id = VENDOR;
        open->url = copied(whole);
        set_headers(&open->headers, 1, (const char *const[][2]){{"authorization", "Bearer {secret:api_key}"}});
        /* The host forwards each chunk without calling this plugin, also while the link is being opened. */
        push(effects, EFFECT(ROUTE_AUDIO))->val.route_audio.link = VENDOR;
        push_timer(effects, FIRST_ANSWER, 5000);
        free(whole);
    }
    free(url);
    free(model);
}

static void done(session_t *s, effects_t *effects, uint64_t now_us) {
    /* The vendor has hung up: what was to be finalized is final. */
    for (; s->finalizing > 0; s->finalizing--) push(effects, EFFECT(FINALIZED));
    push(effects, EFFECT(USAGE))->val.usage = (serphona_speech_types_usage_t){(now_us - s->began_us) / 1000, 0, 1};
    push(effects, EFFECT(DONE));
}

static void transcript(effects_t *effects, uint8_t tag, const message_t *message) {
    effect_t *effect = push(effects, tag);
    serphona_speech_types_transcript_t *said = tag == EFFECT(FINAL) ? &effect->val.final : &effect->val.partial;
    said->text = copied(message->text ? message->text : "");
    said->confidence = (stt_plugin_option_f32_t){message->confidence >= 0, (float)message->confidence};
    said->stability = (stt_plugin_option_f32_t){tag == EFFECT(FINAL), 1};
    said->start_ms = message->start_ms > 0 ? (uint64_t)message->start_ms : 0;
    said->end_ms = message->end_ms > 0 ? (uint64_t)message->end_ms : 0;
}

static void vendor_fault(effects_t *effects, const message_t *message) {
    const char *detail = "the vendor reported an error", *code = message->code ? message->code : "";
    if (!strcmp(code, "unauthorized")) fail(effects, FAULT(AUTH), detail);
    else if (!strcmp(code, "bad_audio")) fail(effects, FAULT(BAD_AUDIO), detail);
    else if (strcmp(code, "rate_limited")) fail(effects, FAULT(UNAVAILABLE), detail);
    else
        fail(effects, FAULT(QUOTA), detail)->val.fail.kind.val.quota = (stt_plugin_option_u64_t){
            message->retry_after_ms >= 0, message->retry_after_ms >= 0 ? (uint64_t)message->retry_after_ms : 0};
}

static bool parse(string_t text, message_t *message) {
    json_t json = {(const char *)text.ptr, (const char *)text.ptr + text.len, NULL};
    struct { const char *name; char **text; double *number; } fields[] = {
        {"type", &message->type, NULL}, {"text", &message->text, NULL}, {"code", &message->code, NULL},
        {"start_ms", NULL, &message->start_ms}, {"end_ms", NULL, &message->end_ms},
        {"confidence", NULL, &message->confidence}, {"retry_after_ms", NULL, &message->retry_after_ms},
    };
    bool first = true;
    char *key;
    json_enter(&json, JSON_OBJECT);
    while (json_next(&json, JSON_OBJECT, &first, &key)) {
        size_t i = 0;
        while (i < sizeof fields / sizeof *fields && strcmp(fields[i].name, key)) i++;
        if (i == sizeof fields / sizeof *fields) json_skip(&json);
        else if (fields[i].number) json_number(&json, fields[i].number);
        else if (*fields[i].text) json_skip(&json);
        else json_string(&json, fields[i].text);
        free(key);
    }
    return json_end(&json) && message->type;
}

static void told(session_t *s, effects_t *effects, string_t text) {
    message_t message = {NULL, NULL, NULL, -1, -1, -1, -1};
    if (!parse(text, &message)) {
        fail(effects, FAULT(PROTOCOL), "a message of the vendor is no JSON object with a type");
    } else if (!strcmp(message.type, "partial")) {
        /* One that comes after its final is stale. */
        if (message.end_ms > (double)s->finals_end_ms) transcript(effects, EFFECT(PARTIAL), &message);
    } else if (!strcmp(message.type, "final")) {
        if (message.end_ms > (double)s->finals_end_ms) {
            s->finals_end_ms = (uint64_t)message.end_ms;
            transcript(effects, EFFECT(FINAL), &message);
        }
    } else if (!strcmp(message.type, "finalized") && s->finalizing > 0) {
        s->finalizing--;
        push(effects, EFFECT(FINALIZED));
    } else if (!strcmp(message.type, "error")) {
        vendor_fault(effects, &message);
    } /* what a vendor adds later is not for this version */
    free(message.type);
    free(message.text);
    free(message.code);
}

static void heard(session_t *s, effects_t *effects, uint64_t now_us, const LINK(link_input_t) *news) {
    switch (news->tag) {
    case NEWS(OPENED): s->opened = status_is(effects, &news->val.opened, 101); break;
    case NEWS(TEXT): told(s, effects, news->val.text.data); break;
    case NEWS(FAILED): fail_link(effects, &news->val.failed); break;
    case NEWS(FINISHED):
        if (s->ending) done(s, effects, now_us);
        else fail(effects, FAULT(UNAVAILABLE), "the vendor hung up");
        break;
    default: break;
    }
}

static void woken(session_t *s, effects_t *effects, uint64_t now_us, uint32_t id) {
    if (id == FIRST_ANSWER && !s->opened) {
        fail(effects, FAULT(UNAVAILABLE), "the vendor did not answer in time");
    } else if (id == FINALIZED && s->finalizing > 0) {
        fail(effects, FAULT(UNAVAILABLE), "the vendor did not finalize in time");
    } else if (id == END && s->ending) {
        push_link(effects, LINK_EFFECT(CLOSE))->val.close = VENDOR;
        done(s, effects, now_us);
    }
}

void exports_serphona_speech_stt_method_session_handle(session_t *s, exports_serphona_speech_stt_instant_t *now,
                                                       exports_serphona_speech_stt_input_t *input, effects_t *ret) {
    *ret = (effects_t){0};
    switch (input->tag) {
    case INPUT(START):
        s->began_us = now->mono_us;
        start(ret, &input->val.start);
        break;
    case INPUT(FINALIZE):
        s->finalizing++;
        push_text(ret, VENDOR, "{\"type\":\"finalize\"}");
        push_timer(ret, FINALIZED, 3000);
        break;
    case INPUT(END):
        s->ending = true;
        push_text(ret, VENDOR, "{\"type\":\"end\"}");
        push_link(ret, LINK_EFFECT(FINISH))->val.finish = VENDOR;
        push_timer(ret, END, 3000);
        break;
    case INPUT(LINK): heard(s, ret, now->mono_us, &input->val.link); break;
    case INPUT(TIMER): woken(s, ret, now->mono_us, input->val.timer); break;
    default: break; /* audio goes to the vendor by itself; the vendor finds the edges */
    }
    exports_serphona_speech_stt_input_free(input);
}

exports_serphona_speech_stt_own_session_t exports_serphona_speech_stt_constructor_session(void) {
    return exports_serphona_speech_stt_session_new(calloc(1, sizeof(session_t)));
}

void exports_serphona_speech_stt_session_destructor(session_t *s) { free(s); }

/* The bindings ask for an object file with the type of the world; the component's last step embeds the type itself. */
void __component_type_object_force_link_stt_plugin(void) {}
