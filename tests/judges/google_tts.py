"""google-cloud-texttospeech: StreamingSynthesize, and SynthesizeSpeech over gRPC and REST."""

import json
import time

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import texttospeech_v1 as tts
from google.cloud.texttospeech_v1.services.text_to_speech.transports import TextToSpeechRestTransport
from google.oauth2 import credentials as oauth, service_account

import judge


class Token(oauth.Credentials):
    """A token that cannot be refreshed into a better one."""

    def refresh(self, request):
        """Stays as it is."""


def account(options):
    with open(options.key) as file:
        written = {**json.load(file), "token_uri": f"{options.at}/token"}
    return service_account.Credentials.from_service_account_info(written, scopes=["https://www.googleapis.com/auth/cloud-platform"])


def client(options):
    """The key tells its kind: a bearer token (`ya29.`), a service account's file (`/`), else an API key."""
    if options.form == "rest":
        if options.key.startswith("/"):
            # Where the REST form is asked, the account's signature is exchanged for a token.
            transport = TextToSpeechRestTransport(host=options.host, url_scheme=options.scheme, credentials=account(options))
            return tts.TextToSpeechClient(transport=transport)
        if options.key.startswith("ya29."):
            transport = TextToSpeechRestTransport(host=options.host, url_scheme=options.scheme, credentials=Token(token=options.key))
            return tts.TextToSpeechClient(transport=transport)
        endpoint = ClientOptions(api_key=options.key, api_endpoint=options.at)
        return tts.TextToSpeechClient(transport="rest", client_options=endpoint)
    if options.key.startswith("ya29."):
        return tts.TextToSpeechClient(credentials=Token(token=options.key), client_options=ClientOptions(api_endpoint=options.host))
    if options.key.startswith("/"):
        return tts.TextToSpeechClient(credentials=account(options), client_options=ClientOptions(api_endpoint=options.host))
    return tts.TextToSpeechClient(client_options=ClientOptions(api_endpoint=options.host, api_key=options.key))


def encoding(options):
    named = {"mulaw": "MULAW", "alaw": "ALAW", "pcm": "PCM"}[options.coding]
    return tts.AudioEncoding[options.set.get("encoding", named)]


def stream(options):
    voice = tts.VoiceSelectionParams(language_code=options.language, name=options.voice)
    sound = tts.StreamingAudioConfig(audio_encoding=encoding(options), sample_rate_hertz=options.rate)

    def requests():
        if "no-config" not in options.set:
            config = tts.StreamingSynthesizeConfig(voice=voice, streaming_audio_config=sound)
            yield tts.StreamingSynthesizeRequest(streaming_config=config)
        time.sleep(float(options.set.get("idle", 0)))
        for word in judge.words(options.text):
            kind = "markup" if "markup" in options.set else "text"
            yield tts.StreamingSynthesizeRequest(input=tts.StreamingSynthesisInput(**{kind: word}))
            time.sleep(0.05)

    heard = client(options).streaming_synthesize(requests(), timeout=options.patience)
    if "cancel" in options.set:
        pieces = [next(heard).audio_content for _ in range(int(options.set["cancel"]))]
        heard.cancel()
        return judge.audio(pieces)
    judge.audio(response.audio_content for response in heard)


def unary(options):
    ssml = options.text.startswith("<speak")
    response = client(options).synthesize_speech(
        input=tts.SynthesisInput(**{"ssml" if ssml else "text": options.text}),
        voice=tts.VoiceSelectionParams(language_code=options.language, name=options.voice),
        audio_config=tts.AudioConfig(audio_encoding=encoding(options), sample_rate_hertz=options.rate),
        timeout=float(options.set.get("timeout", options.patience)),
    )
    judge.audio([bare(response.audio_content)])


def bare(sound):
    """Sound without the WAV header that unary MULAW, ALAW and LINEAR16 carry."""
    if sound[:4] != b"RIFF":
        return sound
    at = 12
    while sound[at : at + 4] != b"data":
        size = int.from_bytes(sound[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return sound[at + 8 :]


def act(options):
    try:
        (stream if options.form == "stream" else unary)(options)
        judge.say("end")
    except exceptions.GoogleAPICallError as fault:
        # Over REST the SDK maps the status of HTTP, and some of them to no status of gRPC.
        judge.error(fault, fault.code.value if options.form == "rest" else fault.grpc_status_code.name)
    except Exception as fault:
        judge.error(fault)


judge.drive(act, judge.arguments(["stream", "unary", "rest"]))
