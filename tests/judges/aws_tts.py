"""boto3: Polly's SynthesizeSpeech, also by a signed address that anybody can open."""

import urllib.request

import boto3
import botocore.exceptions
from botocore.config import Config

import judge


def client(options):
    key, secret, *token = options.key.split(":")
    return boto3.client(
        "polly",
        region_name="us-east-1",
        endpoint_url=options.at,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token[0] if token else None,
        config=Config(read_timeout=float(options.set.get("read-timeout", 10)), connect_timeout=5),
    )


def act(options):
    request = {
        "Text": options.text,
        "VoiceId": options.voice,
        "OutputFormat": options.coding,
        "SampleRate": options.set.get("rate", str(options.rate)),
        "Engine": options.set.get("engine", "neural"),
        "TextType": "ssml" if options.text.startswith("<") else "text",
    }
    if "lexicon" in options.set:
        request["LexiconNames"] = [options.set["lexicon"]]
    if "marks" in options.set:
        request.update(OutputFormat="json", SpeechMarkTypes=["word"])
        del request["SampleRate"]
    if options.form == "address":
        address = client(options).generate_presigned_url("synthesize_speech", Params=request, ExpiresIn=60, HttpMethod="GET")
        with urllib.request.urlopen(address) as answer:
            judge.audio([answer.read()])
        return judge.say("end")
    try:
        answer = client(options).synthesize_speech(**request)
        judge.say("connected")
        if "marks" in options.set:
            for line in answer["AudioStream"].read().decode().splitlines():
                judge.say("mark", line=line)
        else:
            judge.audio(answer["AudioStream"].iter_chunks(1600))
        judge.say("end")
    except botocore.exceptions.ClientError as fault:
        # The class is made of the code where the service's model knows it, else it says nothing.
        judge.error(fault, fault.response["Error"]["Code"])
    except Exception as fault:
        judge.error(fault)


judge.drive(act, judge.arguments(["speech", "address"]))
