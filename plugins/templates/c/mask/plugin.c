/* plugin-name: masks payment card numbers written in digits.
 *
 * A card number is 13 to 19 digits that satisfy Luhn's check, with at most one blank, dash or dot between two of them. It is
 * found also where it is cut into several segments: digits at a segment's end are remembered for the next of the same source. */
#include <stdlib.h>
#include <string.h>

#include "mask_plugin.h"

typedef exports_serphona_speech_mask_span_t span_t;

/* So few digits at a segment's end may be anything. */
enum { DIGITS_MIN = 13, DIGITS_MAX = 19, HOLD_DIGITS = 4, SOURCES = 3 };
static const size_t BEFORE = (size_t)-1; /* the place of a digit that was said before */

typedef struct {
    uint8_t value;
    size_t at;
} digit_t;

struct exports_serphona_speech_mask_masker_t {
    bool wanted, last_four;
    digit_t tail[SOURCES][DIGITS_MAX]; /* at the end of what each source said last */
    size_t tail_len[SOURCES];
};
typedef struct exports_serphona_speech_mask_masker_t masker_t;

void exports_serphona_speech_describe_describe(exports_serphona_speech_describe_descriptor_t *ret) {
    memset(ret, 0, sizeof *ret);
    mask_plugin_string_dup(&ret->id, "plugin-name");
    mask_plugin_string_dup(&ret->version, "0.1.0");
    mask_plugin_string_dup(&ret->options_schema, "{\"type\":\"object\",\"additionalProperties\":false}");
    ret->kind = EXPORTS_SERPHONA_SPEECH_DESCRIBE_KIND_MASK;
    ret->compute = EXPORTS_SERPHONA_SPEECH_DESCRIBE_COMPUTE_LIGHT;
}

/* ISO/IEC 7812-1, annex B. */
static bool luhn(const digit_t *digits, size_t len) {
    unsigned sum = 0, any = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned value = digits[i].value;
        any |= value;
        if ((len - i) % 2 == 0) value *= 2;
        sum += value > 9 ? value - 9 : value;
    }
    return any && sum % 10 == 0;
}

/* Every stretch of a run that could be a card number, joined where they overlap; only what lies in this segment is a span. */
static size_t cards(const digit_t *run, size_t len, exports_serphona_speech_mask_list_span_t *spans) {
    bool *found = calloc(len + 1, sizeof *found), joined = false;
    size_t before = spans->len;
    for (size_t length = DIGITS_MIN; length <= DIGITS_MAX; length++)
        for (size_t from = 0; from + length <= len; from++)
            if (luhn(run + from, length)) memset(found + from, true, length);
    for (size_t i = 0; i < len; i++) {
        bool here = found[i] && run[i].at != BEFORE;
        if (here && !joined) {
            spans->ptr = realloc(spans->ptr, (spans->len + 1) * sizeof *spans->ptr);
            spans->ptr[spans->len++] = (span_t){EXPORTS_SERPHONA_SPEECH_MASK_SPAN_KIND_CARD_NUMBER, (uint32_t)run[i].at, 0};
        }
        if (here) spans->ptr[spans->len - 1].end = (uint32_t)run[i].at + 1;
        joined = here;
    }
    free(found);
    return spans->len - before;
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static void hide(mask_plugin_string_t *text, const span_t *span, bool last_four) {
    int left = last_four ? 4 : 0;
    for (size_t at = span->end; at-- > span->start;)
        if (is_digit(text->ptr[at]) && left-- <= 0) text->ptr[at] = '*';
}

/* Finds the runs of digits, the first continuing the tail, and masks what is a card in each. */
static void mask(masker_t *m, exports_serphona_speech_mask_segment_t *in, exports_serphona_speech_mask_masked_t *ret) {
    digit_t *run = malloc((in->text.len + DIGITS_MAX) * sizeof *run);
    size_t len = m->tail_len[in->source], of_last = 0;
    bool inside = true, separated = false;
    memcpy(run, m->tail[in->source], len * sizeof *run);
    for (size_t at = 0; at < in->text.len; at++) {
        uint8_t c = in->text.ptr[at];
        if (is_digit(c)) {
            if (!inside) len = 0;
            inside = true, separated = false;
            run[len++] = (digit_t){(uint8_t)(c - '0'), at};
        } else if (inside && !separated && (c == ' ' || c == '-' || c == '.')) {
            separated = true;
        } else if (inside) {
            cards(run, len, &ret->spans);
            inside = false;
        }
    }
    if (inside) of_last = cards(run, len, &ret->spans);
    else len = 0;
    ret->hold = len >= HOLD_DIGITS && len < DIGITS_MAX && of_last == 0;
    if (!in->partial) { /* what is partial is said again */
        size_t kept = len < DIGITS_MAX ? len : DIGITS_MAX;
        memcpy(m->tail[in->source], run + len - kept, kept * sizeof *run);
        for (size_t i = 0; i < kept; i++) m->tail[in->source][i].at = BEFORE;
        m->tail_len[in->source] = kept;
    }
    free(run);
}

void exports_serphona_speech_mask_method_masker_mask(masker_t *m, exports_serphona_speech_mask_segment_t *segment,
                                                     exports_serphona_speech_mask_masked_t *ret) {
    memset(ret, 0, sizeof *ret);
    if (m->wanted) mask(m, segment, ret);
    ret->text = segment->text; /* the text changes its owner */
    for (size_t i = 0; i < ret->spans.len; i++) hide(&ret->text, &ret->spans.ptr[i], m->last_four);
}

exports_serphona_speech_mask_own_masker_t
exports_serphona_speech_mask_constructor_masker(exports_serphona_speech_mask_settings_t *settings) {
    masker_t *m = calloc(1, sizeof *m);
    m->last_four = settings->last_four;
    for (size_t i = 0; i < settings->kinds.len; i++)
        m->wanted = m->wanted || settings->kinds.ptr[i] == EXPORTS_SERPHONA_SPEECH_MASK_SPAN_KIND_CARD_NUMBER;
    exports_serphona_speech_mask_settings_free(settings);
    return exports_serphona_speech_mask_masker_new(m);
}

void exports_serphona_speech_mask_masker_destructor(masker_t *m) { free(m); }

/* The bindings ask for an object file with the type of the world; the component's last step embeds the type itself. */
void __component_type_object_force_link_mask_plugin(void) {}
