"""google-cloud-speech: StreamingRecognize and Recognize of v1 and v2."""

import json

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth import credentials
from google.cloud import speech_v1, speech_v2
from google.oauth2 import credentials as oauth, service_account

import judge

RECOGNIZER = "projects/judges/locations/global/recognizers/_"


class KeyInHeader(credentials.Credentials):
    """An API key for the SDK's REST transport, which takes only credentials."""

    def __init__(self, key):
        super().__init__()
        self.key = key

    @property
    def valid(self):
        return True

    def refresh(self, request):
        """A key never ages."""

    def before_request(self, request, method, url, headers):
        headers["x-goog-api-key"] = self.key


def client(package, options):
    """The key tells its kind: a bearer token (`ya29.`), a service account's file (`/`), else an API key."""
    if "rest" in options.form:
        transport = package.services.speech.transports.SpeechRestTransport
        return package.SpeechClient(transport=transport(host=options.host, url_scheme=options.scheme, credentials=KeyInHeader(options.key)))
    if options.key.startswith("ya29."):
        return package.SpeechClient(credentials=oauth.Credentials(token=options.key), client_options=ClientOptions(api_endpoint=options.host))
    if options.key.startswith("/"):
        with open(options.key) as file:
            account = service_account.Credentials.from_service_account_info(json.load(file))
        return package.SpeechClient(credentials=account, client_options=ClientOptions(api_endpoint=options.host))
    return package.SpeechClient(client_options=ClientOptions(api_endpoint=options.host, api_key=options.key))


def config_v1(options):
    coding = speech_v1.RecognitionConfig.AudioEncoding
    return speech_v1.RecognitionConfig(
        encoding=coding[options.set.get("encoding", "MULAW" if options.coding == "mulaw" else "LINEAR16")],
        sample_rate_hertz=options.rate,
        language_code=options.language,
        enable_automatic_punctuation=True,
        enable_word_time_offsets=True,
        model=options.set.get("model", "telephony" if options.rate == 8000 else "latest_long"),
        speech_contexts=[speech_v1.SpeechContext(phrases=["account balance"], boost=10.0)],
    )


def config_v2(options):
    coding = speech_v2.ExplicitDecodingConfig.AudioEncoding
    return speech_v2.RecognitionConfig(
        explicit_decoding_config=speech_v2.ExplicitDecodingConfig(
            encoding=coding.MULAW if options.coding == "mulaw" else coding.LINEAR16, sample_rate_hertz=options.rate, audio_channel_count=1
        ),
        language_codes=[options.language],
        model="telephony" if options.rate == 8000 else "long",
        features=speech_v2.RecognitionFeatures(enable_automatic_punctuation=True, enable_word_time_offsets=True),
    )


def stream_v1(options):
    config = speech_v1.StreamingRecognitionConfig(
        config=config_v1(options),
        interim_results=True,
        single_utterance="single" in options.set,
        enable_voice_activity_events=True,
    )
    if "timeouts" in options.set:
        timeouts = speech_v1.StreamingRecognitionConfig.VoiceActivityTimeout
        config.voice_activity_timeout = timeouts(speech_start_timeout={"seconds": 5}, speech_end_timeout={"seconds": 1})
    sound = (speech_v1.StreamingRecognizeRequest(audio_content=piece) for piece in judge.pieces(options))
    return client(speech_v1, options).streaming_recognize(config=config, requests=sound)


def stream_v2(options):
    features = speech_v2.StreamingRecognitionFeatures(interim_results=True, enable_voice_activity_events=True)
    config = speech_v2.StreamingRecognitionConfig(config=config_v2(options), streaming_features=features)

    def requests():
        yield speech_v2.StreamingRecognizeRequest(recognizer=RECOGNIZER, streaming_config=config)
        for piece in judge.pieces(options):
            yield speech_v2.StreamingRecognizeRequest(audio=piece)

    return client(speech_v2, options).streaming_recognize(requests=requests())


def recognize(options):
    if options.form.startswith("v1"):
        sound = speech_v1.RecognitionAudio(content=judge.sound(options))
        return client(speech_v1, options).recognize(config=config_v1(options), audio=sound)
    request = speech_v2.RecognizeRequest(recognizer=RECOGNIZER, config=config_v2(options), content=judge.sound(options))
    return client(speech_v2, options).recognize(request=request)


def show(response):
    for result in response.results:
        if result.alternatives:
            judge.say("final" if getattr(result, "is_final", True) else "partial", text=result.alternatives[0].transcript.strip())
    event = getattr(response, "speech_event_type", 0)
    if event:
        judge.say("activity", kind=event.name)


def act(options):
    streams = {"v1": stream_v1, "v2": stream_v2}
    try:
        for response in streams[options.form](options) if options.form in streams else [recognize(options)]:
            show(response)
        judge.say("end")
    except exceptions.GoogleAPICallError as fault:
        judge.error(fault, fault.grpc_status_code.name if fault.grpc_status_code else fault.code)
    except Exception as fault:
        judge.error(fault)


judge.drive(act, judge.arguments(["v1", "v2", "v1-recognize", "v2-recognize", "v1-rest", "v2-rest"]))
