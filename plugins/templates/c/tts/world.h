/* The names that the bindings give this kind of plugin. */
#pragma once
#include "tts_plugin.h"

#define WORLD(name) tts_plugin_##name
#define API(name) exports_serphona_speech_tts_##name
#define EFFECT(name) EXPORTS_SERPHONA_SPEECH_TTS_EFFECT_##name
#define INPUT(name) EXPORTS_SERPHONA_SPEECH_TTS_INPUT_##name
