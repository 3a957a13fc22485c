"""elevenlabs: HTTP streams, whole answers with their timestamps, and the realtime helper over WebSocket."""

import base64
import time

from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError

import judge


def pieces(text):
    for word in judge.words(text):
        yield word
        time.sleep(0.05)


def act(options):
    speech = ElevenLabs(api_key=options.key, base_url=options.at, timeout=10).text_to_speech
    output = {"mulaw": "ulaw", "alaw": "alaw", "pcm": "pcm"}[options.coding] + f"_{options.rate}"
    asked = {"model_id": options.set.get("model", "eleven_flash_v2_5"), "output_format": output}
    try:
        if options.form == "stream":
            judge.audio(speech.stream(options.voice, text=options.text, language_code=options.language.split("-")[0], **asked))
        elif options.form == "convert":
            judge.audio(speech.convert(options.voice, text=options.text, **asked))
        elif options.form == "timestamps":
            answer = speech.convert_with_timestamps(options.voice, text=options.text, **asked)
            judge.audio([base64.b64decode(answer.audio_base_64)])
            judge.say("aligned", text="".join(answer.alignment.characters))
        elif options.form == "stream-timestamps":
            answers = speech.stream_with_timestamps(options.voice, text=options.text, **asked)
            judge.audio(base64.b64decode(answer.audio_base_64) for answer in answers)
        else:
            judge.audio(speech.convert_realtime(options.voice, text=pieces(options.text), **asked))
        judge.say("end")
    except ApiError as fault:
        judge.error(fault, code(fault))
    except Exception as fault:
        judge.error(fault, fault.response.status_code if type(fault).__name__ == "InvalidStatus" else None)


def code(fault):
    """The status of HTTP or the code of a close; the vendor's own word where the body has one."""
    detail = fault.body.get("detail") if isinstance(fault.body, dict) else None
    return f"{fault.status_code} {detail['status']}" if isinstance(detail, dict) else fault.status_code


judge.drive(act, judge.arguments(["stream", "convert", "timestamps", "stream-timestamps", "realtime"]))
