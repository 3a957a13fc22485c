/* Effects, and faults in the words that the host's ladder understands. */
#pragma once
#include "world.h"

#define LINK(name) serphona_speech_link_##name
#define LINK_EFFECT(name) SERPHONA_SPEECH_LINK_LINK_EFFECT_##name
#define NEWS(name) SERPHONA_SPEECH_LINK_LINK_INPUT_##name
#define FAULT(name) SERPHONA_SPEECH_TYPES_FAULT_KIND_##name

typedef API(effect_t) effect_t;
typedef API(list_effect_t) effects_t;
typedef WORLD(string_t) string_t;

/* One more effect, all zero but its tag. */
effect_t *push(effects_t *effects, uint8_t tag);
LINK(link_effect_t) *push_link(effects_t *effects, uint8_t tag);
void push_timer(effects_t *effects, uint32_t id, uint32_t delay_ms);
void push_text(effects_t *effects, uint32_t link, const char *text);
/* The only header most vendors want beside those of the host: `count` pairs. */
void set_headers(LINK(fields_t) *fields, size_t count, const char *const pairs[][2]);
string_t copied(const char *text);

/* Each says the session's last effect; `kind` with the remedy that usually fits. */
effect_t *fail(effects_t *effects, uint8_t kind, const char *detail);
void fail_option(effects_t *effects, const char *path, const char *message);
void fail_link(effects_t *effects, const LINK(failed_t) *failed);
/* True where the status of the vendor is the wanted one, else the session has failed. */
bool status_is(effects_t *effects, const LINK(opened_t) *head, uint16_t wanted);

/* The string option `name`, malloc'ed, NULL where it is not given. False after a failure. */
bool option(effects_t *effects, string_t options, const char *name, char **value);
/* `url` with its origin replaced by the option `endpoint`, malloc'ed; NULL after a failure. */
char *at_endpoint(effects_t *effects, string_t options, const char *url);
