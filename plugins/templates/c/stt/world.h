/* The names that the bindings give this kind of plugin. */
#pragma once
#include "stt_plugin.h"

#define WORLD(name) stt_plugin_##name
#define API(name) exports_serphona_speech_stt_##name
#define EFFECT(name) EXPORTS_SERPHONA_SPEECH_STT_EFFECT_##name
#define INPUT(name) EXPORTS_SERPHONA_SPEECH_STT_INPUT_##name
