#include "phrases.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory_files.h"

/* What every seen pair gives up, so that unseen ones are possible: absolute discounting, as usual for small sets. */
static const double DISCOUNT = 0.5;

static const char BEGIN[] = "<s>", END[] = "</s>";

typedef struct {
    const char **token; /* every utterance from BEGIN to END */
    size_t tokens;
    const char **word; /* sorted, each once; a word's index is its id */
    size_t words;
    const char *markup; /* a word with marks that only the library's own words have; NULL: there is none */
} corpus_t;

typedef struct {
    size_t first, second, count;
} pair_t;

static void say(corpus_t *c, const char *word) {
    if ((c->tokens & (c->tokens - 1)) == 0) /* doubles at each power of two */
        c->token = realloc(c->token, (c->tokens ? 2 * c->tokens : 1) * sizeof *c->token);
    c->token[c->tokens++] = word;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Cuts `text` into words, which then point into it. */
static corpus_t read_corpus(char *text) {
    corpus_t c = {0};
    char *line_state, *word_state;
    for (char *line = strtok_r(text, "\n", &line_state); line; line = strtok_r(NULL, "\n", &line_state)) {
        char *word = strtok_r(line, " \t\r", &word_state);
        if (!word) continue;
        for (say(&c, BEGIN); word; word = strtok_r(NULL, " \t\r", &word_state)) {
            for (char *letter = word; *letter; letter++) *letter = (char)tolower((unsigned char)*letter);
            if (strpbrk(word, "<>[]()")) c.markup = word;
            say(&c, word);
        }
        say(&c, END);
    }
    c.word = malloc((c.tokens + 1) * sizeof *c.word);
    if (c.tokens) memcpy(c.word, c.token, c.tokens * sizeof *c.word);
    qsort(c.word, c.tokens, sizeof *c.word, by_text);
    for (size_t i = 0; i < c.tokens; i++)
        if (i == 0 || strcmp(c.word[i], c.word[c.words - 1]) != 0) c.word[c.words++] = c.word[i];
    return c;
}

static size_t id(const corpus_t *c, const char *word) {
    return (size_t)((const char **)bsearch(&word, c->word, c->words, sizeof *c->word, by_text) - c->word);
}

static int by_ids(const void *a, const void *b) {
    const pair_t *l = a, *r = b;
    if (l->first != r->first) return l->first < r->first ? -1 : 1;
    return (l->second > r->second) - (l->second < r->second);
}

/* The neighbours inside utterances, sorted, each once with its count. */
static pair_t *count_pairs(const corpus_t *c, size_t *out) {
    pair_t *pair = malloc(c->tokens * sizeof *pair);
    size_t n = 0, kept = 0;
    for (size_t i = 1; i < c->tokens; i++)
        if (c->token[i] != BEGIN) pair[n++] = (pair_t){id(c, c->token[i - 1]), id(c, c->token[i]), 1};
    qsort(pair, n, sizeof *pair, by_ids);
    for (size_t i = 0; i < n; i++) {
        if (kept && by_ids(&pair[kept - 1], &pair[i]) == 0) pair[kept - 1].count++;
        else pair[kept++] = pair[i];
    }
    *out = kept;
    return pair;
}

static void write_model(const corpus_t *c, FILE *out) {
    size_t pairs, begin = id(c, BEGIN), spoken = 0;
    pair_t *pair = count_pairs(c, &pairs);
    double *alone = calloc(c->words, sizeof *alone);     /* a word's probability, whatever stood before */
    double *before = calloc(c->words, sizeof *before);   /* how often something followed it */
    double *followers = calloc(c->words, sizeof *followers);
    double *unseen = calloc(c->words, sizeof *unseen);   /* probability, alone, of all that never followed it */
    for (size_t i = 0; i < c->tokens; i++)
        if (c->token[i] != BEGIN) alone[id(c, c->token[i])]++, spoken++;
    for (size_t i = 0; i < c->words; i++) {
        alone[i] = (alone[i] + 0.5) / ((double)spoken + 0.5 * (double)(c->words - 1));
        unseen[i] = 1;
    }
    for (size_t i = 0; i < pairs; i++) {
        before[pair[i].first] += (double)pair[i].count;
        followers[pair[i].first]++;
        unseen[pair[i].first] -= alone[pair[i].second];
    }
    fprintf(out, "\\data\\\nngram 1=%zu\nngram 2=%zu\n\n\\1-grams:\n", c->words, pairs);
    for (size_t i = 0; i < c->words; i++) {
        double left = before[i] > 0 ? DISCOUNT * followers[i] / before[i] / fmax(unseen[i], 1e-6) : 1;
        fprintf(out, "%.4f %s %.4f\n", i == begin ? -99 : log10(alone[i]), c->word[i], log10(left));
    }
    fprintf(out, "\n\\2-grams:\n");
    for (size_t i = 0; i < pairs; i++) {
        double seen = ((double)pair[i].count - DISCOUNT) / before[pair[i].first];
        fprintf(out, "%.4f %s %s\n", log10(seen), c->word[pair[i].first], c->word[pair[i].second]);
    }
    fprintf(out, "\n\\end\\\n");
    free(pair), free(alone), free(before), free(followers), free(unseen);
}

/* False where the decoder's dictionary has no such word. */
static bool write_word(ps_decoder_t *decoder, const char *word, FILE *out) {
    char variant[80];
    char *phones = ps_lookup_word(decoder, word);
    if (!phones) return false;
    fprintf(out, "%s %s\n", word, phones);
    free(phones);
    for (int i = 2; snprintf(variant, sizeof variant, "%s(%d)", word, i), (phones = ps_lookup_word(decoder, variant)); i++) {
        fprintf(out, "%s %s\n", variant, phones);
        free(phones);
    }
    return true;
}

/* Unknown words are appended to `unknown`, as many as fit. */
static void write_dictionary(const corpus_t *c, ps_decoder_t *decoder, FILE *out, char *unknown, size_t size) {
    for (size_t i = 0; i < c->words; i++) {
        size_t used = strlen(unknown);
        if (strcmp(c->word[i], BEGIN) == 0 || strcmp(c->word[i], END) == 0) continue;
        if (!write_word(decoder, c->word[i], out)) snprintf(unknown + used, size - used, " %s", c->word[i]);
    }
}

const char *phrases_compile(ps_decoder_t *decoder, const char *text, size_t len) {
    static char reason[240];
    char *own = strndup(text, len), *model, *dictionary;
    size_t model_len, dictionary_len, title;
    corpus_t c = read_corpus(own);
    title = (size_t)snprintf(reason, sizeof reason, "the dictionary has no word");
    if (c.tokens == 0) {
        snprintf(reason, sizeof reason, "there is no phrase");
    } else if (c.markup) {
        snprintf(reason, sizeof reason, "%s is no word", c.markup);
    } else {
        FILE *lm = open_memstream(&model, &model_len), *dict = open_memstream(&dictionary, &dictionary_len);
        write_model(&c, lm);
        write_dictionary(&c, decoder, dict, reason + title, sizeof reason - title);
        fclose(lm), fclose(dict);
        memory_file_add(PHRASES_LM, model, model_len);
        memory_file_add(PHRASES_DICT, dictionary, dictionary_len);
        if (!reason[title]) reason[0] = 0;
    }
    free(c.token), free(c.word), free(own);
    return reason[0] ? reason : NULL;
}
