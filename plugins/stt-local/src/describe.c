/* The descriptor. */
#include <stdlib.h>
#include <string.h>

#include "stt_plugin_baked.h"

static const char OPTIONS_SCHEMA[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"additionalProperties\":false,"
    "\"properties\":{"
    "\"grammar\":{\"type\":\"string\",\"maxLength\":65536,\"description\":\"JSGF text with one public rule; words of the CMU dictionary, lower case\"},"
    "\"phrases\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,\"items\":{\"type\":\"string\",\"pattern\":\"^[a-z'.-]+( [a-z'.-]+)*$\"},"
    "\"description\":\"in place of a grammar: whole utterances\"},"
    "\"keywords\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,\"items\":{\"type\":\"string\",\"pattern\":\"^[a-z'.-]+( [a-z'.-]+)*$\"},"
    "\"description\":\"in place of a grammar: phrases to be spotted in any speech\"},"
    "\"keyword_threshold\":{\"type\":\"number\",\"minimum\":1e-50,\"maximum\":1,\"default\":1e-20,\"description\":\"smaller finds more, also what was not said\"},"
    "\"endpointing\":{\"enum\":[\"host\",\"guest\"],\"default\":\"host\",\"description\":\"who cuts utterances\"},"
    "\"interim_ms\":{\"type\":\"number\",\"minimum\":0,\"maximum\":10000,\"default\":200,\"description\":\"speech between two partials; 0: none\"},"
    "\"reject_below\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.5,"
    "\"description\":\"confidence under which what was heard is taken for something else\"}},"
    "\"not\":{\"anyOf\":[{\"required\":[\"grammar\",\"phrases\"]},{\"required\":[\"grammar\",\"keywords\"]},{\"required\":[\"phrases\",\"keywords\"]}]}}";

static const serphona_speech_types_audio_format_t FORMATS[] = {
    {SERPHONA_SPEECH_TYPES_ENCODING_PCM_S16LE, 16000}, {SERPHONA_SPEECH_TYPES_ENCODING_PCM_S16LE, 8000},
    {SERPHONA_SPEECH_TYPES_ENCODING_MULAW, 8000},      {SERPHONA_SPEECH_TYPES_ENCODING_ALAW, 8000},
    {SERPHONA_SPEECH_TYPES_ENCODING_MULAW, 16000},     {SERPHONA_SPEECH_TYPES_ENCODING_ALAW, 16000},
};

void exports_serphona_speech_describe_describe(exports_serphona_speech_describe_descriptor_t *ret) {
    /* The glue frees what is returned, so everything is a block of its own. */
    memset(ret, 0, sizeof *ret);
    stt_plugin_baked_string_dup(&ret->id, "stt-local");
    stt_plugin_baked_string_dup(&ret->version, "0.1.0");
    stt_plugin_baked_string_dup(&ret->options_schema, OPTIONS_SCHEMA);
    ret->kind = EXPORTS_SERPHONA_SPEECH_DESCRIBE_KIND_STT;
    ret->compute = EXPORTS_SERPHONA_SPEECH_DESCRIBE_COMPUTE_HEAVY;
    ret->features = EXPORTS_SERPHONA_SPEECH_DESCRIBE_FEATURES_INTERIM | EXPORTS_SERPHONA_SPEECH_DESCRIBE_FEATURES_WORD_TIMES |
                    EXPORTS_SERPHONA_SPEECH_DESCRIBE_FEATURES_FINALIZE | EXPORTS_SERPHONA_SPEECH_DESCRIBE_FEATURES_ENDPOINTING;
    ret->formats.len = sizeof FORMATS / sizeof *FORMATS;
    ret->formats.ptr = malloc(sizeof FORMATS);
    memcpy(ret->formats.ptr, FORMATS, sizeof FORMATS);
    ret->languages.len = 1;
    ret->languages.ptr = malloc(sizeof *ret->languages.ptr);
    stt_plugin_baked_string_dup(&ret->languages.ptr[0], "en-US");
}
