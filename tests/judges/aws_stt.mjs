// @aws-sdk/client-transcribe-streaming over HTTP/2 (`h2`), and over WebSocket (`ws`) as the SDK does it in a browser.

import { drive, error, options, pieces, say, sdk } from "./judge.mjs";

const { TranscribeStreamingClient, StartStreamTranscriptionCommand } = sdk("@aws-sdk/client-transcribe-streaming");

/** The parts that the SDK's configuration for browsers puts together. */
function browser() {
  const { WebSocketFetchHandler } = sdk("@aws-sdk/middleware-websocket");
  const { FetchHttpHandler } = sdk("@smithy/fetch-http-handler");
  const { eventStreamPayloadHandler } = sdk("@aws-sdk/middleware-sdk-transcribe-streaming");
  return {
    requestHandler: WebSocketFetchHandler.create({}, FetchHttpHandler.create({})),
    eventStreamPayloadHandlerProvider: () => eventStreamPayloadHandler,
  };
}

/** The SDK goes to port 8443 of any host, which on this machine is not ours; put right before the address is signed. */
function atHome(client, { hostname, port }) {
  const put = (next) => (args) => {
    Object.assign(args.request, { hostname, port: Number(port) });
    args.request.headers.host = `${hostname}:${port}`;
    return next(args);
  };
  client.middlewareStack.addRelativeTo(put, { relation: "after", toMiddleware: "websocketPortMiddleware" });
}

async function act(options) {
  const [accessKeyId, secretAccessKey, sessionToken] = options.key.split(":");
  const client = new TranscribeStreamingClient({
    region: "us-east-1",
    endpoint: options.at,
    credentials: { accessKeyId, secretAccessKey, sessionToken },
    ...(options.form === "ws" ? browser() : {}),
  });
  if (options.form === "ws") atHome(client, new URL(options.at));
  async function* audio() {
    for await (const AudioChunk of pieces(options)) yield { AudioEvent: { AudioChunk } };
  }
  const language = options.set.identify ? { IdentifyLanguage: true, LanguageOptions: options.set.identify } : { LanguageCode: options.language };
  try {
    const answer = await client.send(
      new StartStreamTranscriptionCommand({
        ...language,
        MediaSampleRateHertz: options.rate,
        MediaEncoding: options.set.encoding ?? "pcm",
        EnablePartialResultsStabilization: true,
        PartialResultsStability: "high",
        AudioStream: audio(),
      }),
    );
    say("connected");
    for await (const event of answer.TranscriptResultStream) {
      for (const result of event.TranscriptEvent?.Transcript?.Results ?? []) {
        say(result.IsPartial ? "partial" : "final", { text: result.Alternatives[0].Transcript });
      }
    }
    say("end");
  } catch (fault) {
    error(fault, fault.code ?? fault.$metadata?.httpStatusCode);
  }
}

await drive(act, options(["h2", "ws"]));
