"""Amazon Transcribe by both Python SDKs: aws-sdk-transcribe-streaming (`smithy`, Python 3.12) and amazon-transcribe (`crt`)."""

import asyncio
import os

import awscrt.io

import judge


def trust():
    """Both SDKs sit on awscrt, which reads no environment: the simulator's authority goes where its TLS options are made."""
    made = awscrt.io.TlsContextOptions.__init__

    def trusting(self, *arguments, **named):
        made(self, *arguments, **named)
        self.override_default_trust_store_from_path(None, os.environ["SSL_CERT_FILE"])

    awscrt.io.TlsContextOptions.__init__ = trusting


async def pieces(options, ms=100):
    whole, size = judge.sound(options), options.bytes_per_second * ms // 1000
    for at in range(0, len(whole), size):
        yield whole[at : at + size]
        await asyncio.sleep(ms / 1000 / options.speed)


def show(transcript):
    for result in transcript.results or []:
        for best in (result.alternatives or [])[:1]:
            judge.say("partial" if result.is_partial else "final", text=best.transcript)


async def smithy(options):
    from aws_sdk_transcribe_streaming import models
    from aws_sdk_transcribe_streaming.client import AsyncTranscribeStreamingClient
    from aws_sdk_transcribe_streaming.config import AsyncTranscribeStreamingConfig
    from smithy_http.aio.crt import AWSCRTHTTPClient

    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    os.environ.update(zip(names, options.key.split(":")), AWS_EC2_METADATA_DISABLED="true")
    config = await AsyncTranscribeStreamingConfig.resolve(region="us-east-1", endpoint_uri=options.at, transport=AWSCRTHTTPClient())
    stream = await AsyncTranscribeStreamingClient(config=config).start_stream_transcription(
        models.StartStreamTranscriptionInput(
            language_code=options.language,
            media_sample_rate_hertz=options.rate,
            media_encoding="pcm",
            enable_partial_results_stabilization=True,
            partial_results_stability="high",
        )
    )

    async def send():
        async for piece in pieces(options):
            await stream.input_stream.send(models.AudioStreamAudioEvent(value=models.AudioEvent(audio_chunk=piece)))
        await stream.input_stream.close()

    async def receive():
        _, events = await stream.await_output()
        judge.say("connected")
        async for event in events:
            show(event.value.transcript)

    return send(), receive()


async def crt(options):
    from amazon_transcribe.auth import StaticCredentialResolver
    from amazon_transcribe.client import TranscribeStreamingClient

    class AtHome:
        async def resolve(self, region):
            return options.at

    client = TranscribeStreamingClient(
        region="us-east-1", endpoint_resolver=AtHome(), credential_resolver=StaticCredentialResolver(*options.key.split(":"))
    )
    stream = await client.start_stream_transcription(
        language_code=options.language, media_sample_rate_hz=options.rate, media_encoding="pcm"
    )
    judge.say("connected")

    async def send():
        async for piece in pieces(options):
            await stream.input_stream.send_audio_event(audio_chunk=piece)
        await stream.input_stream.end_stream()

    async def receive():
        async for event in stream.output_stream:
            show(event.transcript)

    return send(), receive()


async def converse(options):
    try:
        send, receive = await (smithy if options.form == "smithy" else crt)(options)
    except Exception as fault:
        return judge.error(fault)
    # What the listening side says counts: the sending side often only notices that the stream is gone.
    sending = asyncio.ensure_future(send)
    try:
        await receive
        await sending
        judge.say("end")
    except Exception as fault:
        judge.error(fault)


def act(options):
    trust()
    asyncio.run(converse(options))


judge.drive(act, judge.arguments(["smithy", "crt"]))
