"""openai: transcription of files, whole or streamed, and realtime transcription in its GA and beta forms."""

import base64
import io
import threading
import time
import wave

import openai

import judge

CODINGS = {"mulaw": ({"type": "audio/pcmu"}, "g711_ulaw"), "alaw": ({"type": "audio/pcma"}, "g711_alaw"), "pcm": ({"type": "audio/pcm", "rate": 24000}, "pcm16")}


def client(options):
    return openai.OpenAI(
        api_key=options.key,
        base_url=f"{options.at}/v1",
        websocket_base_url=options.at.replace("http", "ws", 1) + "/v1",
        timeout=float(options.set.get("timeout", 10)),
    )


def wav(options):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(options.rate)
        writer.writeframes(judge.sound(options))
    return file.getvalue()


def transcribe(options):
    request = {
        "file": ("call.wav", wav(options), "audio/wav"),
        "model": options.set.get("model", "gpt-4o-transcribe"),
        "language": options.language.split("-")[0],
        "response_format": options.set.get("answer", "json"),
    }
    if "words" in options.set:
        request["timestamp_granularities"] = ["word", "segment"]
    if options.set.get("answer") == "diarized_json":
        request["chunking_strategy"] = "auto"
    if options.form == "file":
        answer = client(options).audio.transcriptions.create(**request)
        judge.say("final", text=(answer if isinstance(answer, str) else answer.text).strip())
        return
    for event in client(options).audio.transcriptions.create(stream=True, **request):
        if event.type == "transcript.text.delta":
            judge.say("partial", text=event.delta)
        elif event.type == "transcript.text.done":
            judge.say("final", text=event.text)


def session(options):
    """The first message, and the connection it is for."""
    format_ga, format_beta = CODINGS[options.coding]
    hears = {"model": options.set.get("model", "gpt-4o-transcribe"), "language": options.language.split("-")[0]}
    vad = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
    if "semantic" in options.set:
        vad = {"type": "semantic_vad", "eagerness": "auto"}
    if "commit" in options.set:
        vad = None
    intent = {"intent": "transcription"}
    if options.form == "realtime":
        ear = {"format": {"type": options.set["bad"]} if "bad" in options.set else format_ga, "transcription": hears, "turn_detection": vad}
        terms = {"type": "transcription", "audio": {"input": ear}}
        if "secret" in options.set:
            # As a program gets one that must not know the key.
            options.key = client(options).realtime.client_secrets.create(session=terms).value
        update = {"type": "session.update", "session": terms}
        return client(options).realtime.connect(extra_query=intent), update
    update = {
        "type": "transcription_session.update",
        "session": {"input_audio_format": format_beta, "input_audio_transcription": hears, "turn_detection": vad},
    }
    return client(options).beta.realtime.connect(model=hears["model"], extra_query=intent), update


def show(event):
    """Whether this ends a transcription."""
    kind = event.type
    if kind == "session.created" or kind == "transcription_session.created":
        judge.say("connected")
    elif kind == "conversation.item.input_audio_transcription.delta":
        judge.say("partial", text=event.delta)
    elif kind == "conversation.item.input_audio_transcription.completed":
        judge.say("final", text=event.transcript.strip())
        return True
    elif kind == "conversation.item.input_audio_transcription.failed":
        judge.say("error", **{"class": "failed", "code": event.error.code})
        return True
    elif kind == "error":
        judge.say("error", **{"class": "error", "code": event.error.code})
    return False


def realtime(options):
    manager, update = session(options)
    with manager as connection:
        ended = threading.Condition()
        count = {"committed": 0, "over": 0}

        def feed():
            try:
                connection.send(update)
                for piece in judge.pieces(options):
                    connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
                if "commit" in options.set:
                    connection.input_audio_buffer.commit()
                if "bogus" in options.set:
                    connection.input_audio_buffer.clear()
                    connection.send({"type": "response.bogus", "event_id": "evt_bogus"})
            except Exception:
                # The listening side tells what became of the connection.
                return
            # There is no event for the end: what was said last is over when each utterance that was committed has its text.
            time.sleep(0.3)
            with ended:
                ended.wait_for(lambda: count["committed"] and count["over"] >= count["committed"], 3)
            connection.close()

        threading.Thread(target=feed, daemon=True).start()
        for event in connection:
            with ended:
                count["committed"] += event.type == "input_audio_buffer.committed"
                count["over"] += show(event)
                ended.notify_all()


def act(options):
    try:
        (transcribe if options.form in ("file", "sse") else realtime)(options)
        judge.say("end")
    except openai.APIStatusError as fault:
        judge.error(fault, fault.code or fault.status_code)
    except openai.APIError as fault:
        judge.error(fault, fault.code)
    except Exception as fault:
        judge.error(fault, closing(fault))


def closing(fault):
    """The WebSocket library's own errors: the status of a refusal, the code of a close."""
    if hasattr(fault, "response"):
        return fault.response.status_code
    received = getattr(fault, "rcvd", None)
    return received.code if received else None


judge.drive(act, judge.arguments(["file", "sse", "realtime", "realtime-beta"]))
