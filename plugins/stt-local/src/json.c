#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

static bool fail(json_t *json, const char *fault) {
    if (!json->fault) json->fault = fault;
    json->at = json->end;
    return false;
}

static void space(json_t *json) {
    while (json->at < json->end && strchr(" \t\r\n", *json->at) && *json->at) json->at++;
}

static bool take(json_t *json, char c) {
    space(json);
    if (json->at == json->end || *json->at != c) return false;
    json->at++;
    return true;
}

json_kind_t json_peek(json_t *json) {
    space(json);
    if (json->at == json->end) return JSON_NONE;
    switch (*json->at) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': case 'f': case 'n': return JSON_LITERAL;
    default: return *json->at == '-' || (*json->at >= '0' && *json->at <= '9') ? JSON_NUMBER : JSON_NONE;
    }
}

bool json_enter(json_t *json, json_kind_t kind) {
    return take(json, kind == JSON_OBJECT ? '{' : '[') || fail(json, "an object or array is expected");
}

bool json_next(json_t *json, json_kind_t kind, bool *first, char **key) {
    if (json->fault || take(json, kind == JSON_OBJECT ? '}' : ']')) return false;
    if (!*first && !take(json, ',')) return fail(json, "a comma is expected");
    *first = false;
    if (kind == JSON_ARRAY) return true;
    if (!json_string(json, key)) return false;
    if (take(json, ':')) return true;
    free(*key);
    return fail(json, "a colon is expected");
}

static bool hex4(json_t *json, uint32_t *out) {
    if (json->end - json->at < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = *json->at++;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

static size_t utf8(uint32_t c, char *out) {
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63)), 3;
    out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63));
    return out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

/* The character of a backslash sequence; 0 where it is none. */
static uint32_t escape(json_t *json) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (json->at == json->end) return 0;
    char c = *json->at++;
    const char *name = strchr(names, c);
    if (name && c) return (uint32_t)values[name - names];
    uint32_t high, low;
    if (c != 'u' || !hex4(json, &high)) return 0;
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || json->end - json->at < 6 || *json->at++ != '\\' || *json->at++ != 'u' || !hex4(json, &low)) return 0;
    return low < 0xdc00 || low > 0xdfff ? 0 : 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
}

bool json_string(json_t *json, char **out) {
    if (!take(json, '"')) return fail(json, "a string is expected");
    /* No character of the result is longer than its source. */
    char *text = malloc((size_t)(json->end - json->at) + 1), *to = text;
    while (json->at < json->end) {
        unsigned char c = (unsigned char)*json->at++;
        if (c == '"') {
            *to = 0;
            *out = text;
            return true;
        }
        uint32_t escaped = 0;
        if (c < 0x20 || (c == '\\' && !(escaped = escape(json)))) break;
        if (c == '\\') to += utf8(escaped, to);
        else *to++ = (char)c;
    }
    free(text);
    return fail(json, "a string is not well-formed");
}

static const char *digits(const char *at, const char *end) {
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

bool json_number(json_t *json, double *out) {
    space(json);
    const char *at = json->at, *end = json->end, *whole;
    if (at < end && *at == '-') at++;
    whole = at;
    at = digits(at, end);
    bool good = at > whole && (*whole != '0' || at == whole + 1);
    if (good && at < end && *at == '.') {
        const char *fraction = ++at;
        good = (at = digits(at, end)) > fraction;
    }
    if (good && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        const char *exponent = at;
        good = (at = digits(at, end)) > exponent;
    }
    char text[64];
    size_t len = (size_t)(at - json->at);
    if (!good || len >= sizeof text) return fail(json, "a number is not well-formed");
    memcpy(text, json->at, len);
    text[len] = 0;
    *out = strtod(text, NULL);
    json->at = at;
    return true;
}

static bool literal(json_t *json) {
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(json->end - json->at) >= len && memcmp(json->at, words[i], len) == 0) {
            json->at += len;
            return true;
        }
    }
    return fail(json, "a value is not well-formed");
}

static bool skip(json_t *json, int depth) {
    char *text;
    double number;
    bool first = true;
    json_kind_t kind = json_peek(json);
    switch (kind) {
    case JSON_STRING:
        if (!json_string(json, &text)) return false;
        free(text);
        return true;
    case JSON_NUMBER: return json_number(json, &number);
    case JSON_LITERAL: return literal(json);
    case JSON_NONE: return fail(json, "a value is expected");
    default: break;
    }
    if (depth == DEPTH_MAX) return fail(json, "the text is nested too deeply");
    json_enter(json, kind);
    while (json_next(json, kind, &first, &text)) {
        if (kind == JSON_OBJECT) free(text);
        if (!skip(json, depth + 1)) return false;
    }
    return !json->fault;
}

bool json_skip(json_t *json) { return skip(json, 0); }

bool json_end(json_t *json) {
    space(json);
    return !json->fault && (json->at == json->end || fail(json, "something follows the object"));
}
