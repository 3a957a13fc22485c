// microsoft-cognitiveservices-speech-sdk: synthesis of whole texts.

import { drive, options, say, sdk, sound } from "./judge.mjs";

// The SDK's own WebSocket is the one that was recorded; newer Nodes have another, of which a refusal cannot be seen.
delete globalThis.WebSocket;
const speech = sdk("microsoft-cognitiveservices-speech-sdk");
const formats = { "mulaw-8000": "Raw8Khz8BitMonoMULaw", "pcm-8000": "Raw8Khz16BitMonoPcm", "pcm-16000": "Raw16Khz16BitMonoPcm" };

/** The SDK first asks where to go, always at port 443: of this machine that is not ours. */
function askAt(origin) {
  const ask = globalThis.fetch;
  globalThis.fetch = (url) => ask(new URL(new URL(url).pathname + new URL(url).search, origin));
}

async function act(options) {
  askAt(options.at);
  const endpoint = new URL(`${options.at.replace("http", "ws")}/tts/cognitiveservices/websocket/v1`);
  const config = speech.SpeechConfig.fromEndpoint(endpoint, options.key);
  config.speechSynthesisVoiceName = options.voice;
  config.speechSynthesisOutputFormat = speech.SpeechSynthesisOutputFormat[formats[options.format]];
  const synthesizer = new speech.SpeechSynthesizer(config, null);
  if (options.set.words) synthesizer.wordBoundary = (_, event) => say("word", { text: event.text });
  const result = await new Promise((over, failed) => synthesizer.speakTextAsync(options.text, over, failed));
  const heard = sound();
  heard.add(Buffer.from(result.audioData ?? new ArrayBuffer(0)));
  heard.say();
  if (result.reason === speech.ResultReason.Canceled) {
    const { ErrorCode } = speech.CancellationDetails.fromResult(result);
    say("error", { class: "Canceled", code: speech.CancellationErrorCode[ErrorCode] });
  } else say("end");
}

await drive(act, options(["whole"]));
