#include "audio.h"

#include <math.h>
#include <string.h>

/* Part of the mirror image of 0-4 kHz that is kept in 4-8 kHz. A clean doubling filter leaves that band empty, and the
 * acoustic model, trained on 16 kHz, fails on an empty band: 25 % word error against 1.5 % with this value. */
static const float IMAGE = 0.4f;

static int16_t mulaw[256], alaw[256];
static float taps[AUDIO_TAPS];

void audio_prepare(void) {
    for (int i = 0; i < 256; i++) {
        /* ITU-T G.711, tables 2a and 1a */
        int u = ~i & 255, magnitude = (((u & 15) << 3) + 132) << ((u & 112) >> 4);
        mulaw[i] = (int16_t)((u & 128) ? 132 - magnitude : magnitude - 132);
        int a = i ^ 0x55, exponent = (a & 112) >> 4, mantissa = (a & 15) << 4;
        int level = exponent ? (mantissa + 0x108) << (exponent - 1) : mantissa + 8;
        alaw[i] = (int16_t)((a & 128) ? level : -level);
    }
    for (int i = 0; i < AUDIO_TAPS; i++) { /* windowed sinc at the half-sample points */
        double x = i - AUDIO_TAPS / 2 + 0.5, phase = M_PI * x;
        taps[i] = (float)(sin(phase) / phase * (0.5 + 0.5 * cos(phase / (AUDIO_TAPS / 2))));
    }
}

bool audio_start(audio_t *audio, encoding_t encoding, uint32_t rate_hz) {
    *audio = (audio_t){.encoding = encoding, .doubles = rate_hz == 8000};
    return rate_hz == 8000 || rate_hz == AUDIO_RATE_HZ;
}

static int16_t clip(float sample) {
    return sample > 32767 ? 32767 : sample < -32768 ? -32768 : (int16_t)lrintf(sample);
}

static size_t put(audio_t *audio, int16_t sample, int16_t *out) {
    if (!audio->doubles) {
        out[0] = sample;
        return 1;
    }
    memmove(audio->history, audio->history + 1, sizeof audio->history - sizeof *audio->history);
    audio->history[AUDIO_TAPS - 1] = sample;
    float between = 0;
    for (int i = 0; i < AUDIO_TAPS; i++) between += taps[i] * audio->history[i];
    out[0] = clip((float)audio->history[AUDIO_TAPS / 2 - 1] * (1 + IMAGE));
    out[1] = clip(between * (1 - IMAGE));
    return 2;
}

size_t audio_decode(audio_t *audio, const uint8_t *bytes, size_t len, int16_t *out) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (audio->encoding == ENCODING_MULAW) {
            n += put(audio, mulaw[bytes[i]], out + n);
        } else if (audio->encoding == ENCODING_ALAW) {
            n += put(audio, alaw[bytes[i]], out + n);
        } else if (audio->has_half) {
            audio->has_half = false;
            n += put(audio, (int16_t)(audio->half | bytes[i] << 8), out + n);
        } else {
            audio->half = bytes[i];
            audio->has_half = true;
        }
    }
    return n;
}
