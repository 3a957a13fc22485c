"""plugin-name: text-to-speech over HTTP. What it is; the session is in tts.py."""

import json

import tts  # the exported resource's class must live in a module of this name
from wit_world import exports
from wit_world.exports import describe
from wit_world.imports import types

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "voice": {"type": "string", "default": "anna"},
        "endpoint": {"type": "string", "description": "scheme://host[:port] in place of the vendor's"},
    },
}


class Describe(exports.Describe):
    def describe(self) -> describe.Descriptor:
        return describe.Descriptor(
            id="plugin-name",
            version="0.1.0",
            kind=describe.Kind.TTS,
            formats=[
                types.AudioFormat(types.Encoding.PCM_S16LE, 16000),
                types.AudioFormat(types.Encoding.PCM_S16LE, 8000),
                types.AudioFormat(types.Encoding.MULAW, 8000),
            ],
            languages=["en-US"],
            features=describe.Features(0),
            options_schema=json.dumps(SCHEMA),
            hosts=["https://api.example.com"],
            secrets=[describe.SecretWish("api_key", describe.SecretKind.FIXED, "the vendor's key")],
            session_max_s=None,
            compute=describe.Compute.LIGHT,
        )


class Tts(exports.Tts):
    pass
