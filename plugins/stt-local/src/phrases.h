/* A phrase set becomes a language model: which of its words follows which. Build time only. */
#pragma once
#include <pocketsphinx.h>
#include <stddef.h>

#define PHRASES_LM "phrases.lm"
#define PHRASES_DICT "phrases.dict"

/* From one utterance per line, writes the memory files PHRASES_LM (ARPA, bigrams with back-off) and PHRASES_DICT (the
 * pronunciations of these words alone, taken from the decoder's dictionary). NULL, else the reason. */
const char *phrases_compile(ps_decoder_t *decoder, const char *text, size_t len);
