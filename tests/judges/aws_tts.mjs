// @aws-sdk/client-polly: StartSpeechSynthesisStream, text and sound at the same time.

import { drive, error, options, say, sdk, sleep, sound, words } from "./judge.mjs";

const { PollyClient, StartSpeechSynthesisStreamCommand } = sdk("@aws-sdk/client-polly");

async function act(options) {
  const [accessKeyId, secretAccessKey, sessionToken] = options.key.split(":");
  const client = new PollyClient({ region: "us-east-1", endpoint: options.at, credentials: { accessKeyId, secretAccessKey, sessionToken } });
  async function* input() {
    for (const Text of words(options.text)) {
      const flush = options.set.flush ? { FlushStreamConfiguration: { Force: true } } : {};
      const ssml = options.set.ssml ? { Text: `<speak>${Text}</speak>`, TextType: "ssml" } : { Text };
      yield { TextEvent: { ...ssml, ...flush } };
      await sleep(50);
    }
    yield { CloseStreamEvent: {} };
  }
  const heard = sound();
  try {
    const answer = await client.send(
      new StartSpeechSynthesisStreamCommand({
        Engine: options.set.engine ?? "generative",
        VoiceId: options.voice,
        OutputFormat: options.coding,
        SampleRate: String(options.rate),
        LanguageCode: options.language,
        LexiconNames: options.set.lexicon?.split(","),
        ActionStream: input(),
      }),
    );
    say("connected");
    try {
      for await (const event of answer.EventStream) {
        if (event.AudioEvent) heard.add(event.AudioEvent.AudioChunk);
        else if (event.StreamClosedEvent) say("closed");
      }
    } finally {
      heard.say();
    }
    say("end");
  } catch (fault) {
    error(fault, fault.code ?? fault.$metadata?.httpStatusCode);
  }
}

await drive(act, options(["stream"]));
