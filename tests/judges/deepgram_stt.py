"""deepgram-sdk: Nova (`v1`) and Flux (`v2`) over WebSocket, and `rest`."""

import threading

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

import judge


def client(options):
    ws = options.at.replace("http", "ws", 1)
    home = DeepgramClientEnvironment(base=options.at, production=ws, agent=ws, agent_rest=options.at)
    if "token" in options.set:
        return DeepgramClient(access_token=options.key, environment=home)
    return DeepgramClient(api_key=options.key, environment=home)


def encoding(options):
    return "linear16" if options.coding == "pcm" else options.coding


def connect(options):
    if options.form == "v2":
        return client(options).listen.v2.connect(model="flux-general-en", encoding=encoding(options), sample_rate=options.rate)
    return client(options).listen.v1.connect(
        model="nova-3",
        encoding=encoding(options),
        sample_rate=options.rate,
        language=options.language,
        channels=1,
        interim_results=True,
        punctuate=True,
        smart_format=True,
        endpointing=300,
        utterance_end_ms=1000,
        vad_events=True,
    )


def show(message):
    kind = getattr(message, "type", None)
    if kind == "Results" and message.channel.alternatives[0].transcript:
        judge.say("final" if message.is_final else "partial", text=message.channel.alternatives[0].transcript)
    elif kind == "TurnInfo" and message.transcript:
        judge.say("final" if message.event == "EndOfTurn" else "partial", text=message.transcript)
    elif kind == "Connected":
        judge.say("connected")
    elif kind == "Error":
        judge.say("error", **{"class": "Error", "code": message.code})


def stream(options):
    failed = []
    with connect(options) as socket:
        socket.on(EventType.MESSAGE, show)
        socket.on(EventType.ERROR, failed.append)

        def feed():
            try:
                for nth, piece in enumerate(judge.pieces(options)):
                    socket.send_media(piece)
                    if nth == int(options.set.get("pause-at", -1)):
                        # Nova gives up a stream on which nothing comes; not within this program's life where it is kept alive.
                        threading.Event().wait(float(options.set["pause"]))
                    if "keepalive" in options.set and nth == 20:
                        socket.send_keep_alive()
                if options.form == "v1":
                    socket.send_finalize()
                socket.send_close_stream()
            except Exception:
                # The listening side tells what became of the connection.
                return

        threading.Thread(target=feed, daemon=True).start()
        socket.start_listening()
    for fault in failed:
        raise fault


def rest(options):
    answer = client(options).listen.v1.media.transcribe_file(
        request=judge.sound(options), model="nova-3", language=options.language, encoding=encoding(options),
        request_options={"additional_query_parameters": {"sample_rate": options.rate}},
    )
    judge.say("final", text=answer.results.channels[0].alternatives[0].transcript)


def code(fault):
    """The WebSocket library's own errors: the status of a refusal, the code of a close."""
    if hasattr(fault, "response"):
        return fault.response.status_code
    received = getattr(fault, "rcvd", None)
    return received.code if received else None


def act(options):
    try:
        (rest if options.form == "rest" else stream)(options)
        judge.say("end")
    except ApiError as fault:
        judge.error(fault, fault.status_code)
    except Exception as fault:
        judge.error(fault, code(fault))


judge.drive(act, judge.arguments(["v1", "v2", "rest"]))
