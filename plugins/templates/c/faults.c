#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"

effect_t *push(effects_t *effects, uint8_t tag) {
    effects->ptr = realloc(effects->ptr, (effects->len + 1) * sizeof *effects->ptr);
    effect_t *effect = memset(&effects->ptr[effects->len++], 0, sizeof *effect);
    effect->tag = tag;
    return effect;
}

LINK(link_effect_t) *push_link(effects_t *effects, uint8_t tag) {
    effect_t *effect = push(effects, EFFECT(LINK));
    effect->val.link.tag = tag;
    return &effect->val.link;
}

void push_timer(effects_t *effects, uint32_t id, uint32_t delay_ms) {
    push(effects, EFFECT(TIMER))->val.timer = (API(timer_t)){id, delay_ms};
}

void push_text(effects_t *effects, uint32_t link, const char *text) {
    push_link(effects, LINK_EFFECT(SEND_TEXT))->val.send_text = (LINK(link_text_t)){link, copied(text)};
}

void set_headers(LINK(fields_t) *fields, size_t count, const char *const pairs[][2]) {
    fields->ptr = calloc(count, sizeof *fields->ptr);
    fields->len = count;
    for (size_t i = 0; i < count; i++) {
        fields->ptr[i].f0 = copied(pairs[i][0]);
        fields->ptr[i].f1 = copied(pairs[i][1]);
    }
}

string_t copied(const char *text) {
    string_t string;
    WORLD(string_dup)(&string, text);
    return string;
}

effect_t *fail(effects_t *effects, uint8_t kind, const char *detail) {
    effect_t *effect = push(effects, EFFECT(FAIL));
    effect->val.fail.kind.tag = kind;
    effect->val.fail.detail = copied(detail);
    switch (kind) {
    case FAULT(AUTH): case FAULT(UNSUPPORTED): case FAULT(INVALID_OPTIONS):
        effect->val.fail.remedy = SERPHONA_SPEECH_TYPES_REMEDY_CONFIGURATION;
        break;
    case FAULT(EMPTY_RESULT): effect->val.fail.remedy = SERPHONA_SPEECH_TYPES_REMEDY_CALLER; break;
    default: effect->val.fail.remedy = SERPHONA_SPEECH_TYPES_REMEDY_NEXT_PROVIDER;
    }
    return effect;
}

void fail_option(effects_t *effects, const char *path, const char *message) {
    effect_t *effect = fail(effects, FAULT(INVALID_OPTIONS), "the options do not satisfy the schema");
    serphona_speech_types_list_option_fault_t *faults = &effect->val.fail.kind.val.invalid_options;
    faults->ptr = malloc(sizeof *faults->ptr);
    faults->len = 1;
    *faults->ptr = (serphona_speech_types_option_fault_t){copied(path), copied(message)};
}

void fail_link(effects_t *effects, const LINK(failed_t) *failed) {
    char detail[256];
    int shown = failed->detail.len < 200 ? (int)failed->detail.len : 200;
    snprintf(detail, sizeof detail, "the link failed: %.*s", shown, (const char *)failed->detail.ptr);
    switch (failed->kind) {
    case SERPHONA_SPEECH_LINK_LINK_ERROR_KIND_PROTOCOL: fail(effects, FAULT(PROTOCOL), detail); break;
    case SERPHONA_SPEECH_LINK_LINK_ERROR_KIND_LIMIT: fail(effects, FAULT(SESSION_LIMIT), detail); break;
    case SERPHONA_SPEECH_LINK_LINK_ERROR_KIND_EGRESS_DENIED:
        fail(effects, FAULT(UNAVAILABLE), detail)->val.fail.remedy = SERPHONA_SPEECH_TYPES_REMEDY_CONFIGURATION;
        break;
    default: fail(effects, FAULT(UNAVAILABLE), detail);
    }
}

static void fail_quota(effects_t *effects, const LINK(opened_t) *head, const char *detail) {
    WORLD(option_u64_t) *wait = &fail(effects, FAULT(QUOTA), detail)->val.fail.kind.val.quota;
    for (size_t i = 0; i < head->headers.len; i++) {
        string_t name = head->headers.ptr[i].f0, value = head->headers.ptr[i].f1;
        if (name.len != 11 || strncasecmp((const char *)name.ptr, "retry-after", 11) || !value.len || value.len > 9) continue;
        wait->is_some = true;
        for (size_t j = 0; j < value.len && wait->is_some; j++) {
            wait->is_some = value.ptr[j] >= '0' && value.ptr[j] <= '9';
            wait->val = wait->val * 10 + (uint64_t)(value.ptr[j] - '0');
        }
        wait->val *= 1000;
    }
}

bool status_is(effects_t *effects, const LINK(opened_t) *head, uint16_t wanted) {
    char detail[64];
    uint16_t status = head->status;
    snprintf(detail, sizeof detail, "the vendor answered with status %u", status);
    if (status == wanted) return true;
    if (status == 401 || status == 403) fail(effects, FAULT(AUTH), detail);
    else if (status == 402 || status == 429) fail_quota(effects, head, detail);
    else if (status == 408 || status == 425 || status >= 500) fail(effects, FAULT(UNAVAILABLE), detail);
    else if (status == 404 || status == 406 || status == 415 || status == 422) fail(effects, FAULT(UNSUPPORTED), detail);
    else fail(effects, FAULT(PROTOCOL), detail);
    return false;
}

bool option(effects_t *effects, string_t options, const char *name, char **value) {
    json_t json = {(const char *)options.ptr, (const char *)options.ptr + options.len, NULL};
    char *key, path[64];
    bool first = true, good = true;
    *value = NULL;
    json_enter(&json, JSON_OBJECT);
    while (good && json_next(&json, JSON_OBJECT, &first, &key)) {
        good = strcmp(key, name) || *value ? json_skip(&json) : json_string(&json, value);
        free(key);
    }
    if (json_end(&json)) return true;
    free(*value);
    snprintf(path, sizeof path, "/%s", name);
    fail_option(effects, path, "must be a string in a JSON object");
    return false;
}

char *at_endpoint(effects_t *effects, string_t options, const char *url) {
    char *endpoint;
    if (!option(effects, options, "endpoint", &endpoint)) return NULL;
    if (!endpoint) return strdup(url);
    char *origin = strstr(endpoint, "://"), *end = endpoint + strlen(endpoint);
    const char *path = strchr(strstr(url, "://") + 3, '/');
    if (origin && end[-1] == '/' && end - origin > 4) *--end = 0;
    size_t scheme = origin ? (size_t)(origin - endpoint) : 0;
    bool tls = (scheme == 5 && !strncmp(endpoint, "https", 5)) || (scheme == 3 && !strncmp(endpoint, "wss", 3));
    bool plain = (scheme == 4 && !strncmp(endpoint, "http", 4)) || (scheme == 2 && !strncmp(endpoint, "ws", 2));
    char *moved = NULL;
    if ((tls || plain) && origin[3] && !strpbrk(origin + 3, "/?#@{}\\ \t\r\n")) {
        moved = malloc(strlen(origin) + strlen(url) + 8);
        sprintf(moved, "%s%s%s%s", strncmp(url, "ws", 2) ? "http" : "ws", tls ? "s" : "", origin, path ? path : "");
    } else {
        fail_option(effects, "/endpoint", "must be scheme://host[:port], without a path");
    }
    free(endpoint);
    return moved;
}
