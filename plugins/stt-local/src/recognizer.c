#include "recognizer.h"

#include <math.h>
#include <pocketsphinx.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory_files.h"
#include "phrases.h"

/* A grammar forces every sound into its phrases, so PocketSphinx gives no posterior for it. But with all senones computed
 * a frame's best senone has score 0, whatever the grammar allows: the mean score per frame of the chosen path says how
 * much worse the grammar explains the sound than anything could. The middles lie between what the demo's grammar makes of
 * its own sentences and of foreign ones (README.md gives the figures): at 8 kHz half of the band is made up, and even the
 * right words fit worse. SLOPE spreads the scores over 0 to 1. */
static const float MIDDLE_WIDE = -46, MIDDLE_NARROW = -50, SLOPE = 4;

/* Baked phrases allow any order of their words, at a price. A sentence of the set has no pair of neighbours that the set
 * has not; a foreign one has little else. So much worse is a path all of whose pairs are new. */
static const float NEW_PAIRS = 20;

enum { FRAME_MS = 10 };

/* Names of the searches: what can be baked in, and what the session's options ask for. */
static const char GRAMMAR[] = "grammar", PHRASES[] = "phrases", OWN[] = "own";

static ps_decoder_t *decoder;
static char *fresh_cmn;    /* channel mean before anybody spoke */
static const char *baked;  /* the search of a session that asks for none; NULL: there is none */
static bool own_search;
static bool graded;        /* the active search is forced into its grammar or words */
static bool paired;        /* the active search is the phrases' language model */
static float middle;       /* the score of confidence 0.5 */
static char last_error[200];

static void on_error(void *user, err_lvl_t level, const char *format, ...) {
    va_list arguments;
    (void)user, (void)level;
    /* The first message names the cause, the later ones what it led to. */
    if (last_error[0]) return;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    last_error[strcspn(last_error, "\n")] = 0;
    /* ERROR: "file.c", line 7: what the tenant can use */
    char *message = strstr(last_error, ", line ");
    if (message && (message = strstr(message, ": "))) memmove(last_error, message + 2, strlen(message + 2) + 1);
}

static const char *reason(const char *otherwise) { return last_error[0] ? last_error : otherwise; }

static bool load_model(void) {
    static const char *const read_once[] = {
        "hmm/means", "hmm/variances", "hmm/transition_matrices", "hmm/feat.params", "dict"};
    ps_config_t *config = ps_config_init(NULL);
    ps_config_set_str(config, "hmm", "hmm");
    ps_config_set_str(config, "dict", "dict");
    ps_config_set_bool(config, "compallsen", 1);
    /* Short words ("oh", "eight") otherwise slip in between longer ones at 8 kHz. */
    ps_config_set_float(config, "wip", 0.2);
    /* Both cost their time at once when the utterance ends, for little. */
    ps_config_set_bool(config, "fwdflat", 0);
    ps_config_set_bool(config, "bestpath", 0);
    ps_config_set_str(config, "loglevel", "ERROR");
    decoder = ps_init(config);
    ps_config_free(config);
    if (!decoder) return false;
    fresh_cmn = strdup(ps_get_cmn(decoder, FALSE));
    for (size_t i = 0; i < sizeof read_once / sizeof *read_once; i++) memory_file_drop(read_once[i]);
    return true;
}

static bool add_grammar(const char *name, const char *bytes, size_t len) {
    char *text = malloc(len + 1);
    memcpy(text, bytes, len);
    text[len] = 0;
    bool good = ps_add_jsgf_string(decoder, name, text) == 0;
    free(text);
    return good;
}

/* Their words become the whole dictionary: a session then writes to less memory. */
static const char *add_phrases(const char *text, size_t len) {
    const char *fault = phrases_compile(decoder, text, len);
    if (fault) return fault;
    bool good = ps_load_dict(decoder, PHRASES_DICT, "hmm/noisedict", NULL) == 0 && ps_add_lm_file(decoder, PHRASES, PHRASES_LM) == 0;
    memory_file_drop(PHRASES_DICT);
    memory_file_drop(PHRASES_LM);
    return good ? NULL : reason("use the phrases");
}

const char *recognizer_load(void) {
    err_set_callback(on_error, NULL);
    err_set_loglevel(ERR_ERROR);
    last_error[0] = 0;
    if (!decoder && !load_model()) return reason("load the model");
    size_t len;
    const char *phrases = memory_file_bytes("phrases", &len);
    if (phrases) {
        if (baked) return "a grammar or phrases are baked in already";
        const char *fault = add_phrases(phrases, len);
        if (fault) return fault;
        baked = PHRASES;
        memory_file_drop("phrases");
    }
    const char *grammar = memory_file_bytes("grammar", &len);
    if (grammar) {
        if (!add_grammar(GRAMMAR, grammar, len)) return reason("compile the grammar");
        baked = GRAMMAR;
        memory_file_drop("grammar");
    }
    return NULL;
}

static bool add_own(const options_t *options) {
    if (options->listen == LISTEN_GRAMMAR) return add_grammar(OWN, options->text, strlen(options->text));
    if (!memory_file_add("keywords", strdup(options->text), strlen(options->text))) return false;
    bool good = ps_add_kws(decoder, OWN, "keywords") == 0;
    memory_file_drop("keywords");
    return good;
}

const char *recognizer_open(const options_t *options, bool narrow_band) {
    last_error[0] = 0;
    middle = narrow_band ? MIDDLE_NARROW : MIDDLE_WIDE;
    if (!decoder) return "no model is baked into this component";
    if (options->listen == LISTEN_BAKED) {
        graded = true;
        paired = baked == PHRASES;
        if (!baked || ps_activate_search(decoder, baked) != 0)
            return "nothing to listen for is baked into this component: give one of grammar, phrases or keywords";
    } else {
        graded = options->listen == LISTEN_GRAMMAR;
        paired = false;
        own_search = add_own(options);
        if (!own_search || ps_activate_search(decoder, OWN) != 0) return reason("cannot be used");
    }
    ps_set_cmn(decoder, fresh_cmn);
    ps_start_stream(decoder);
    return NULL;
}

void recognizer_close(void) {
    if (!own_search) return;
    if (baked) ps_activate_search(decoder, baked);
    ps_remove_search(decoder, OWN);
    own_search = false;
}

void recognizer_begin(void) { ps_start_utt(decoder); }

void recognizer_feed(const int16_t *samples, size_t count) { ps_process_raw(decoder, samples, count, FALSE, FALSE); }

void recognizer_end(void) { ps_end_utt(decoder); }

static bool is_word(const char *word) { return !strchr("<[+(", word[0]); }

/* Adds the words of the best path and gives its score: the mean acoustic one per frame, less what new pairs cost. */
static float walk(heard_t *heard) {
    double score = 0;
    long frames = 0, new_pairs = 0;
    for (ps_seg_t *segment = ps_seg_iter(decoder); segment; segment = ps_seg_next(segment)) {
        int first, last;
        int32 acoustic, language, order;
        ps_seg_frames(segment, &first, &last);
        if (last < first) continue; /* a null transition */
        ps_seg_prob(segment, &acoustic, &language, &order);
        score += acoustic;
        frames += last - first + 1;
        const char *word = ps_seg_word(segment);
        if (!word || !is_word(word)) continue;
        new_pairs += paired && order < 2;
        heard->words = realloc(heard->words, (heard->word_count + 1) * sizeof *heard->words);
        heard_word_t *added = &heard->words[heard->word_count++];
        added->text = strndup(word, strcspn(word, "(")); /* without the number of a second pronunciation */
        added->start_ms = (uint64_t)first * FRAME_MS;
        added->end_ms = (uint64_t)(last + 1) * FRAME_MS;
    }
    if (!frames || !heard->word_count) return -INFINITY;
    return (float)(score / (double)frames) - NEW_PAIRS * (float)new_pairs / (float)heard->word_count;
}

bool recognizer_heard(heard_t *heard) {
    const char *text = ps_get_hyp(decoder, NULL);
    *heard = (heard_t){0};
    if (!text || !*text) return false;
    heard->text = strdup(text);
    float score = walk(heard);
    heard->has_confidence = graded;
    heard->confidence = 1 / (1 + expf((middle - score) / SLOPE));
    return true;
}

void heard_free(heard_t *heard) {
    for (size_t i = 0; i < heard->word_count; i++) free(heard->words[i].text);
    free(heard->words);
    free(heard->text);
    *heard = (heard_t){0};
}
