// microsoft-cognitiveservices-speech-sdk: recognition, continuous or of one phrase.

import { drive, options, pieces, say, sdk } from "./judge.mjs";

// The SDK's own WebSocket is the one that was recorded; newer Nodes have another, of which a refusal cannot be seen.
delete globalThis.WebSocket;
const speech = sdk("microsoft-cognitiveservices-speech-sdk");

function streamFormat(options) {
  if (options.coding === "pcm") return speech.AudioStreamFormat.getWaveFormatPCM(options.rate, 16, 1);
  const tag = { mulaw: "MuLaw", alaw: "ALaw" }[options.coding];
  return speech.AudioStreamFormat.getWaveFormat(options.rate, 8, 1, speech.AudioFormatTag[tag]);
}

function recognized(result) {
  if (result.reason === speech.ResultReason.RecognizedSpeech) say("final", { text: result.text });
  if (result.reason === speech.ResultReason.NoMatch) say("no-match");
}

async function act(options) {
  const host = new URL(options.at.replace("http", "ws"));
  const config = speech.SpeechConfig.fromHost(host, options.key);
  config.speechRecognitionLanguage = options.language;
  const sound = speech.AudioInputStream.createPushStream(streamFormat(options));
  const recognizer = new speech.SpeechRecognizer(config, speech.AudioConfig.fromStreamInput(sound));
  speech.Connection.fromRecognizer(recognizer).connected = () => say("connected");
  recognizer.recognizing = (_, event) => say("partial", { text: event.result.text });
  (async () => {
    for await (const piece of pieces(options)) sound.write(new Uint8Array(piece).buffer);
    sound.close();
  })();
  if (options.form === "once") {
    const result = await new Promise((over, failed) => recognizer.recognizeOnceAsync(over, failed));
    recognized(result);
    say("end");
    return;
  }
  await new Promise((over) => {
    recognizer.recognized = (_, event) => recognized(event.result);
    recognizer.canceled = (_, event) => {
      if (event.reason === speech.CancellationReason.EndOfStream) say("end");
      else say("error", { class: "Canceled", code: speech.CancellationErrorCode[event.errorCode] });
      over();
    };
    recognizer.startContinuousRecognitionAsync();
  });
}

await drive(act, options(["host", "once"]));
