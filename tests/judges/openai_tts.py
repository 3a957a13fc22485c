"""openai: speech, as sound or as events."""

import base64
import json

import openai

import judge


def events(response):
    """The SDK hands the lines of events over as they are."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if event["type"] == "speech.audio.delta":
                yield base64.b64decode(event["audio"])
            elif event["type"] == "speech.audio.done":
                judge.say("done")


def act(options):
    client = openai.OpenAI(api_key=options.key, base_url=f"{options.at}/v1", timeout=10)
    request = {"model": options.set.get("model", "gpt-4o-mini-tts"), "voice": options.voice, "input": options.text, "response_format": "pcm"}
    if options.form == "sse":
        request["stream_format"] = "sse"
    try:
        with client.audio.speech.with_streaming_response.create(**request) as response:
            judge.say("connected")
            judge.audio(events(response) if options.form == "sse" else response.iter_bytes(4800))
        judge.say("end")
    except openai.APIStatusError as fault:
        judge.error(fault, fault.code or fault.status_code)
    except Exception as fault:
        judge.error(fault)


judge.drive(act, judge.arguments(["sound", "sse"]))
