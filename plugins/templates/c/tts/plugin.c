/* plugin-name: text-to-speech over HTTP.
 *
 * The vendor of this template takes `POST /v1/speak` with a JSON body and answers with raw samples as they are made. Put your
 * vendor's request into `request`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "faults.h"

static const char URL[] = "https://api.example.com/v1/speak";
static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"voice\":{\"type\":\"string\",\"default\":\"anna\"},"
    "\"endpoint\":{\"type\":\"string\",\"description\":\"scheme://host[:port] in place of the vendor's\"}}}";

/* No news of the vendor for so long while it owes audio: 4 s, and another one from when the owner has room. While the owner takes
 * nothing the host reads no link, but timers run on; a timer of 0 ms is told when there is room, so that a slow owner is not
 * taken for a silent vendor. */
enum { QUIET = 1, ROOM, GRACE };
static const uint32_t DELAY_MS[] = {[QUIET] = 4000, [ROOM] = 0, [GRACE] = 1000};

/* A text that is to be spoken, and the mark to give after its last sample. */
typedef struct order_t {
    struct order_t *next;
    char *text;
    bool marked;
    uint32_t mark;
} order_t;

struct exports_serphona_speech_tts_session_t {
    char *url, *voice, *language, *text;
    bool mulaw, ending;
    uint32_t rate_hz, link; /* link of what is being spoken */
    uint32_t awaited; /* the timer that means something; others were set before the last news */
    order_t *orders, *speaking;
    bool anything, has_rest;
    uint8_t rest; /* half a sample */
};
typedef struct exports_serphona_speech_tts_session_t session_t;

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
    ret->kind = EXPORTS_SERPHONA_SPEECH_DESCRIBE_KIND_TTS;
    ret->formats.len = sizeof formats / sizeof *formats;
    ret->formats.ptr = memcpy(malloc(sizeof formats), formats, sizeof formats);
    ret->languages = (tts_plugin_list_string_t){malloc(sizeof(string_t)), 1};
    *ret->languages.ptr = copied("en-US");
    ret->options_schema = copied(SCHEMA);
    ret->hosts = (tts_plugin_list_string_t){malloc(sizeof(string_t)), 1};
    *ret->hosts.ptr = copied("https://api.example.com");
    ret->secrets.len = 1;
    ret->secrets.ptr = malloc(sizeof *ret->secrets.ptr);
    *ret->secrets.ptr = (exports_serphona_speech_describe_secret_wish_t){
        copied("api_key"), EXPORTS_SERPHONA_SPEECH_DESCRIBE_SECRET_KIND_FIXED, copied("the vendor's key")};
    ret->compute = EXPORTS_SERPHONA_SPEECH_DESCRIBE_COMPUTE_LIGHT;
}

/* ---- the session ---- */

static char *joined(char *text, const char *more, size_t len) {
    size_t had = text ? strlen(text) : 0;
    text = realloc(text, had + len + 1);
    memcpy(text + had, more, len);
    text[had + len] = 0;
    return text;
}

/* A malloc'ed JSON string. */
static char *quoted(const char *text) {
    char *json = malloc(6 * strlen(text) + 3), *to = json;
    *to++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') *to++ = '\\', *to++ = (char)c;
        else if (c < 0x20) to += sprintf(to, "\\u%04x", c);
        else *to++ = (char)c;
    }
    strcpy(to, "\"");
    return json;
}

static bool blank(const char *text) { return !text || text[strspn(text, " \t\r\n")] == 0; }

static void drop(order_t *order) {
    if (order) free(order->text);
    free(order);
}

static void start(session_t *s, effects_t *effects, const serphona_speech_types_session_start_t *in) {
    s->mulaw = in->format.encoding == SERPHONA_SPEECH_TYPES_ENCODING_MULAW;
    s->rate_hz = in->format.rate_hz;
    s->language = joined(NULL, (const char *)in->language.ptr, in->language.len);
    if (in->format.encoding == SERPHONA_SPEECH_TYPES_ENCODING_ALAW) fail(effects, FAULT(UNSUPPORTED), "A-law is not offered");
    else if (option(effects, in->options, "voice", &s->voice)) s->url = at_endpoint(effects, in->options, URL);
}

static void order(session_t *s, bool marked, uint32_t mark) {
    order_t **end = &s->orders;
    while (*end) end = &(*end)->next;
    *end = calloc(1, sizeof **end);
    **end = (order_t){NULL, s->text, marked, mark};
    s->text = NULL;
}

static void request(session_t *s, effects_t *effects, const char *text) {
    char *quotes[] = {quoted(text), quoted(s->voice ? s->voice : "anna"), quoted(s->language)};
    size_t size = strlen(quotes[0]) + strlen(quotes[1]) + strlen(quotes[2]) + 96;
    char *body = malloc(size);
    snprintf(body, size, "{\"text\":%s,\"voice\":%s,\"language\":%s,\"encoding\":\"%s\",\"rate\":%u}", quotes[0], quotes[1],
             quotes[2], s->mulaw ? "mulaw" : "pcm", (unsigned)s->rate_hz);
    for (int i = 0; i < 3; i++) free(quotes[i]);
    LINK(http_open_t) *open = &push_link(effects, LINK_EFFECT(HTTP))->val.http;
    open->id = s->link;
    open->method = copied("POST");
    open->url = copied(s->url);
    open->body.tag = SERPHONA_SPEECH_LINK_REQUEST_BODY_WHOLE;
    open->body.val.whole = (tts_plugin_list_u8_t){(uint8_t *)body, strlen(body)};
    set_headers(&open->headers, 2,
                (const char *const[][2]){{"authorization", "Bearer {secret:api_key}"}, {"content-type", "application/json"}});
}

static uint64_t characters(const char *text) {
    uint64_t count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Audio is owed from now on, again; or the next suspicion. */
static void expect(session_t *s, effects_t *effects, uint32_t timer) {
    s->awaited = timer;
    push_timer(effects, timer, DELAY_MS[timer]);
}

/* Where nothing is being spoken: the next order, or the end. */
static void next(session_t *s, effects_t *effects) {
    while (!s->speaking && s->orders) {
        order_t *order = s->orders;
        s->orders = order->next;
        if (blank(order->text)) {
            if (order->marked) push(effects, EFFECT(FLUSHED))->val.flushed = order->mark;
            drop(order);
            continue;
        }
        s->speaking = order;
        s->link++;
        s->anything = s->has_rest = false;
        request(s, effects, order->text);
        expect(s, effects, QUIET);
        push(effects, EFFECT(USAGE))->val.usage = (serphona_speech_types_usage_t){0, characters(order->text), 1};
    }
    if (s->ending && !s->speaking) push(effects, EFFECT(DONE));
}

static void forget(session_t *s) {
    for (order_t *order = s->orders, *after; order; order = after) {
        after = order->next;
        drop(order);
    }
    drop(s->speaking);
    free(s->text);
    s->orders = s->speaking = NULL;
    s->text = NULL;
}

static void sound(session_t *s, effects_t *effects, const tts_plugin_list_u8_t *piece) {
    uint8_t *samples = malloc(piece->len + 1);
    size_t len = 0;
    if (s->has_rest) samples[len++] = s->rest;
    memcpy(samples + len, piece->ptr, piece->len);
    len += piece->len;
    s->anything = s->anything || len > 0;
    s->has_rest = !s->mulaw && len % 2;
    if (s->has_rest) s->rest = samples[--len];
    if (len > 0) push(effects, EFFECT(AUDIO))->val.audio = (tts_plugin_list_u8_t){samples, len};
    else free(samples);
    expect(s, effects, QUIET);
}

static uint32_t link_of(const LINK(link_input_t) *news) {
    /* Every news begins with the link's id. */
    return news->val.full;
}

static bool begins(string_t text, const char *with) {
    return text.len >= strlen(with) && !strncasecmp((const char *)text.ptr, with, strlen(with));
}

/* A page for a person, of a proxy perhaps, is not to be spoken. */
static bool is_sound(const LINK(fields_t) *headers) {
    for (size_t i = 0; i < headers->len; i++) {
        string_t name = headers->ptr[i].f0, kind = headers->ptr[i].f1;
        if (name.len == 12 && begins(name, "content-type")) return begins(kind, "audio/") || begins(kind, "application/octet-stream");
    }
    return true;
}

static void heard(session_t *s, effects_t *effects, const LINK(link_input_t) *news) {
    /* News of a link that was cancelled is for nobody. */
    if (!s->speaking || link_of(news) != s->link) return;
    switch (news->tag) {
    case NEWS(OPENED):
        if (status_is(effects, &news->val.opened, 200) && !is_sound(&news->val.opened.headers))
            fail(effects, FAULT(PROTOCOL), "the vendor answered with something that is no sound");
        break;
    case NEWS(BYTES): sound(s, effects, &news->val.bytes.data); break;
    case NEWS(FAILED): fail_link(effects, &news->val.failed); break;
    case NEWS(FINISHED):
        if (!s->anything) {
            fail(effects, FAULT(EMPTY_RESULT), "the vendor spoke nothing");
            break;
        }
        if (s->speaking->marked) push(effects, EFFECT(FLUSHED))->val.flushed = s->speaking->mark;
        drop(s->speaking);
        s->speaking = NULL;
        break;
    default: break;
    }
}

void exports_serphona_speech_tts_method_session_handle(session_t *s, exports_serphona_speech_tts_instant_t *now,
                                                       exports_serphona_speech_tts_input_t *input, effects_t *ret) {
    (void)now;
    *ret = (effects_t){0};
    switch (input->tag) {
    case INPUT(START): start(s, ret, &input->val.start); break;
    case INPUT(TEXT): s->text = joined(s->text, (const char *)input->val.text.ptr, input->val.text.len); break;
    case INPUT(FLUSH): order(s, true, input->val.flush); break;
    case INPUT(CANCEL):
        if (s->speaking) push_link(ret, LINK_EFFECT(CLOSE))->val.close = s->link;
        forget(s);
        push(ret, EFFECT(CANCELLED));
        break;
    case INPUT(END):
        s->ending = true;
        order(s, false, 0);
        break;
    case INPUT(LINK): heard(s, ret, &input->val.link); break;
    case INPUT(TIMER):
        if (!s->speaking || input->val.timer != s->awaited) break;
        if (s->awaited == GRACE) fail(ret, FAULT(UNAVAILABLE), "the vendor fell silent");
        else expect(s, ret, s->awaited + 1);
        break;
    default: break;
    }
    if (ret->len == 0 || ret->ptr[ret->len - 1].tag != EFFECT(FAIL)) next(s, ret);
    exports_serphona_speech_tts_input_free(input);
}

exports_serphona_speech_tts_own_session_t exports_serphona_speech_tts_constructor_session(void) {
    return exports_serphona_speech_tts_session_new(calloc(1, sizeof(session_t)));
}

void exports_serphona_speech_tts_session_destructor(session_t *s) {
    forget(s);
    free(s->url);
    free(s->voice);
    free(s->language);
    free(s);
}

/* The bindings ask for an object file with the type of the world; the component's last step embeds the type itself. */
void __component_type_object_force_link_tts_plugin(void) {}
