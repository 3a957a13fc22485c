"""azure-cognitiveservices-speech, the native SDK: synthesis of whole texts (v1) and of texts that come in pieces (v2)."""

import time

import azure.cognitiveservices.speech as speech

import judge

FORMATS = {
    "mulaw-8000": "Raw8Khz8BitMonoMULaw",
    "alaw-8000": "Raw8Khz8BitMonoALaw",
    "pcm-8000": "Raw8Khz16BitMonoPcm",
    "pcm-16000": "Raw16Khz16BitMonoPcm",
    "pcm-24000": "Raw24Khz16BitMonoPcm",
}


def config(options):
    path = "/tts/cognitiveservices/websocket/" + ("v2" if options.form == "pieces" else "v1")
    endpoint = options.at.replace("http", "ws", 1) + path
    if options.form == "token":
        config = speech.SpeechConfig(endpoint=endpoint)
        config.authorization_token = options.key
    elif options.form == "host":
        config = speech.SpeechConfig(host=options.at.replace("http", "ws", 1), subscription=options.key)
    else:
        config = speech.SpeechConfig(endpoint=endpoint, subscription=options.key)
    config.set_speech_synthesis_output_format(speech.SpeechSynthesisOutputFormat[FORMATS[options.format]])
    config.speech_synthesis_voice_name = options.voice
    return config


def in_pieces(synthesizer, options):
    request = speech.SpeechSynthesisRequest(input_type=speech.SpeechSynthesisRequestInputType.TextStream)
    if "manner" in options.set:
        request.rate, request.pitch, request.volume, request.style, request.temperature = "1.2", "+5%", "80", "cheerful", 0.7
    said = synthesizer.speak_async(request)
    for word in judge.words(options.text):
        request.input_stream.write(word)
        time.sleep(0.05)
    request.input_stream.close()
    return said


def finish(result):
    judge.audio([result.audio_data])
    if result.reason == speech.ResultReason.Canceled:
        judge.say("error", **{"class": "Canceled", "code": result.cancellation_details.error_code.name})
    else:
        judge.say("end")


def act(options):
    synthesizer = speech.SpeechSynthesizer(speech_config=config(options), audio_config=None)
    if "words" in options.set:
        synthesizer.synthesis_word_boundary.connect(lambda event: judge.say("word", text=event.text))
    if "early" in options.set:
        connection = speech.Connection.from_speech_synthesizer(synthesizer)
        connection.connected.connect(lambda _: judge.say("connected"))
        connection.open(True)
        time.sleep(0.5)
    for _turn in range(int(options.set.get("turns", 1))):
        if options.form == "pieces":
            finish(in_pieces(synthesizer, options).get())
        elif options.text.startswith("<speak"):
            finish(synthesizer.speak_ssml_async(options.text).get())
        else:
            finish(synthesizer.speak_text_async(options.text).get())
    if "words" in options.set:
        # Their events come on a thread of their own, some of them after the result.
        time.sleep(0.5)


judge.drive(act, judge.arguments(["whole", "pieces", "host", "token"]))
