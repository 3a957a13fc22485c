#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* A grammar is compiled while the caller waits: these bound that time. */
enum { TEXT_BYTES_MAX = 65536, PHRASES_MAX = 1000 };

typedef struct {
    options_t *options;
    option_faults_t *faults;
    char *phrases, *keywords; /* JSGF rule body; keyword list without thresholds */
    double keyword_threshold;
} reader_t;

void option_fault(option_faults_t *faults, const char *path, const char *message) {
    if (faults->count == OPTION_FAULTS_MAX) return;
    option_fault_t *fault = &faults->fault[faults->count++];
    snprintf(fault->path, sizeof fault->path, "%s", path);
    snprintf(fault->message, sizeof fault->message, "%s", message);
}

/* Where the value is of another kind it is passed, so that the options after it are still checked. */
static bool is(reader_t *r, json_t *json, json_kind_t kind, const char *path, const char *message) {
    if (json_peek(json) == kind) return true;
    if (json_skip(json)) option_fault(r->faults, path, message);
    return false;
}

static void choose(reader_t *r, const char *path, listen_t listen, char *text) {
    options_t *options = r->options;
    if (options->text) {
        option_fault(r->faults, path, "only one of grammar, phrases and keywords can be given");
        free(text);
        return;
    }
    options->listen = listen;
    options->text = text;
    options->source = path;
}

static void grammar(reader_t *r, json_t *json) {
    char *text;
    if (!is(r, json, JSON_STRING, "/grammar", "must be a string") || !json_string(json, &text)) return;
    if (strlen(text) > TEXT_BYTES_MAX) {
        option_fault(r->faults, "/grammar", "is longer than 65536 bytes");
        free(text);
        return;
    }
    choose(r, "/grammar", LISTEN_GRAMMAR, text);
}

/* Lower-case words of the dictionary between single spaces: nothing that JSGF or a keyword list could misread. */
static bool plain_phrase(const char *phrase) {
    for (const char *c = phrase; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz'.- ", *c)) return false;
    return *phrase && *phrase != ' ' && phrase[strlen(phrase) - 1] != ' ';
}

/* Joins an array of phrases to one malloc'ed text: `before` each phrase, `after` each but the last. NULL after a fault. */
static char *phrases(reader_t *r, json_t *json, const char *path, const char *between) {
    if (!is(r, json, JSON_ARRAY, path, "must be an array of strings")) return NULL;
    json_enter(json, JSON_ARRAY);
    char *joined = calloc(1, 1), entry[48];
    size_t used = 0, faults = r->faults->count;
    bool first = true;
    for (int i = 0; json_next(json, JSON_ARRAY, &first, NULL); i++) {
        char *phrase;
        snprintf(entry, sizeof entry, "%s/%d", path, i);
        if (!is(r, json, JSON_STRING, entry, "must be a string")) continue;
        if (!json_string(json, &phrase)) break;
        size_t need = used + strlen(phrase) + strlen(between) + 1;
        if (!plain_phrase(phrase)) {
            option_fault(r->faults, entry, "must be lower-case words with single spaces between");
        } else if (i == PHRASES_MAX || need > TEXT_BYTES_MAX) {
            option_fault(r->faults, path, "has more than 1000 phrases or 65536 bytes");
        } else {
            joined = realloc(joined, need);
            used += (size_t)sprintf(joined + used, "%s%s", used ? between : "", phrase);
        }
        free(phrase);
    }
    if (!json->fault && used && faults == r->faults->count) return joined;
    if (!json->fault && faults == r->faults->count) option_fault(r->faults, path, "must not be empty");
    free(joined);
    return NULL;
}

static bool number(reader_t *r, json_t *json, const char *path, double min, double max, double *out) {
    char message[64];
    double value;
    snprintf(message, sizeof message, "must be a number from %g to %g", min, max);
    if (!is(r, json, JSON_NUMBER, path, message) || !json_number(json, &value)) return false;
    if (!(value >= min && value <= max)) {
        option_fault(r->faults, path, message);
        return false;
    }
    *out = value;
    return true;
}

static void endpointing(reader_t *r, json_t *json) {
    static const char path[] = "/endpointing", message[] = "must be \"host\" or \"guest\"";
    char *text;
    if (!is(r, json, JSON_STRING, path, message) || !json_string(json, &text)) return;
    r->options->own_endpoints = strcmp(text, "guest") == 0;
    if (!r->options->own_endpoints && strcmp(text, "host") != 0) option_fault(r->faults, path, message);
    free(text);
}

static void option(reader_t *r, json_t *json, const char *key) {
    double value;
    char path[48];
    if (strcmp(key, "grammar") == 0) {
        grammar(r, json);
    } else if (strcmp(key, "phrases") == 0) {
        char *text = phrases(r, json, "/phrases", " | ");
        if (text) free(r->phrases), r->phrases = text;
    } else if (strcmp(key, "keywords") == 0) {
        char *text = phrases(r, json, "/keywords", "\n");
        if (text) free(r->keywords), r->keywords = text;
    } else if (strcmp(key, "keyword_threshold") == 0) {
        number(r, json, "/keyword_threshold", 1e-50, 1, &r->keyword_threshold);
    } else if (strcmp(key, "endpointing") == 0) {
        endpointing(r, json);
    } else if (strcmp(key, "interim_ms") == 0) {
        if (number(r, json, "/interim_ms", 0, 10000, &value)) r->options->interim_ms = (uint32_t)value;
    } else if (strcmp(key, "reject_below") == 0) {
        if (number(r, json, "/reject_below", 0, 1, &value)) r->options->reject_below = (float)value;
    } else if (json_skip(json)) {
        snprintf(path, sizeof path, "/%s", key);
        option_fault(r->faults, path, "is not an option of this plugin");
    }
}

static void use_phrases(reader_t *r) {
    static const char frame[] = "#JSGF V1.0; grammar phrases; public <phrase> = %s ;";
    char *text = malloc(strlen(r->phrases) + sizeof frame);
    sprintf(text, frame, r->phrases);
    choose(r, "/phrases", LISTEN_GRAMMAR, text);
}

static void use_keywords(reader_t *r) {
    char *text = malloc(strlen(r->keywords) + 16 * (PHRASES_MAX + 1)), *to = text;
    for (char *line = strtok(r->keywords, "\n"); line; line = strtok(NULL, "\n"))
        to += sprintf(to, "%s /%g/\n", line, r->keyword_threshold);
    choose(r, "/keywords", LISTEN_KEYWORDS, text);
}

void options_read(options_t *options, option_faults_t *faults, const char *json_text, size_t len) {
    json_t json = {.at = json_text, .end = json_text + len};
    reader_t r = {.options = options, .faults = faults, .keyword_threshold = 1e-20};
    bool first = true;
    char *key;
    *options = (options_t){.listen = LISTEN_BAKED, .source = "", .interim_ms = 200, .reject_below = 0.5f};
    faults->count = 0;
    /* An absent object is an empty one. */
    if (json_peek(&json) != JSON_NONE || json.at != json.end) {
        json_enter(&json, JSON_OBJECT);
        while (json_next(&json, JSON_OBJECT, &first, &key)) {
            option(&r, &json, key);
            free(key);
        }
        if (!json_end(&json)) option_fault(faults, "", json.fault);
    }
    if (r.phrases) use_phrases(&r);
    if (r.keywords) use_keywords(&r);
    free(r.phrases);
    free(r.keywords);
}

void options_free(options_t *options) { free(options->text); }
