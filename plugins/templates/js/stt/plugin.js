// plugin-name: speech-to-text over a WebSocket.
//
// The vendor of this template takes binary messages of audio and answers with JSON:
// {"type":"partial"|"final","text","start_ms","end_ms"}, {"type":"finalized"} after our {"type":"finalize"}, and
// {"type":"error","code","retry_after_ms"?}. Put your vendor's words into `told`.

import { Fault, atEndpoint, checkStatus, ofLink, parseOptions } from "./faults.js";

const URL = "wss://api.example.com/v1/listen";
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    model: { type: "string", default: "general", pattern: "^[a-z0-9-]+$" },
    endpoint: { type: "string", description: "scheme://host[:port] in place of the vendor's" },
  },
};

const VENDOR = 1;
const FIRST_ANSWER = { id: 1, delayMs: 5000 };
const FINALIZED = { id: 2, delayMs: 3000 };
const END = { id: 3, delayMs: 3000 };

const link = (tag, val) => ({ tag: "link", val: { tag, val } });
const sendText = (message) => link("send-text", { id: VENDOR, data: JSON.stringify(message) });
const timer = (val) => ({ tag: "timer", val });

export const describe = {
  describe: () => ({
    id: "plugin-name",
    version: "0.1.0",
    kind: "stt",
    formats: [
      { encoding: "pcm-s16le", rateHz: 16000 },
      { encoding: "pcm-s16le", rateHz: 8000 },
      { encoding: "mulaw", rateHz: 8000 },
    ],
    languages: ["en-US"],
    features: { interim: true, wordTimes: false, finalize: true, endpointing: false, incrementalText: false },
    optionsSchema: JSON.stringify(SCHEMA),
    hosts: ["wss://api.example.com"],
    secrets: [{ name: "api_key", kind: "fixed", why: "the vendor's key" }],
    sessionMaxS: null,
    compute: "light",
  }),
};

class Session {
  beganUs = 0;
  opened = false;
  finalizing = 0; // answers to `finalize` that are owed
  ending = false;
  finalsEndMs = 0; // a vendor that says a final twice is heard once

  // Told what happened, says what to do.
  handle(now, input) {
    try {
      return this.react(now, input);
    } catch (fault) {
      if (fault instanceof Fault) return [fault.effect()];
      throw fault;
    }
  }

  react(now, { tag, val }) {
    switch (tag) {
      case "start":
        this.beganUs = now.monoUs;
        return open(val);
      case "finalize":
        this.finalizing += 1;
        return [sendText({ type: "finalize" }), timer(FINALIZED)];
      case "end":
        this.ending = true;
        return [sendText({ type: "end" }), link("finish", VENDOR), timer(END)];
      case "link":
        return this.heard(now, val);
      case "timer":
        return this.woken(now, val);
      default: // audio goes to the vendor by itself; the vendor finds the edges
        return [];
    }
  }

  heard(now, { tag, val }) {
    switch (tag) {
      case "opened":
        checkStatus(val);
        if (val.status !== 101) throw new Fault("protocol", `status ${val.status} instead of a WebSocket`);
        this.opened = true;
        return [];
      case "text":
        return this.told(val.data);
      case "finished":
        if (this.ending) return this.done(now);
        throw new Fault("unavailable", `the vendor hung up: ${val.code}`);
      case "failed":
        throw ofLink(val);
      default:
        return [];
    }
  }

  told(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      throw new Fault("protocol", "a message of the vendor is no JSON");
    }
    switch (message?.type) {
      case "partial": {
        const heard = transcript(message, null);
        // One that comes after its final is stale.
        return heard.endMs <= this.finalsEndMs ? [] : [{ tag: "partial", val: heard }];
      }
      case "final": {
        const said = transcript(message, 1);
        if (said.endMs <= this.finalsEndMs) return [];
        this.finalsEndMs = said.endMs;
        return [{ tag: "final", val: said }];
      }
      case "finalized":
        if (this.finalizing === 0) return [];
        this.finalizing -= 1;
        return [{ tag: "finalized" }];
      case "error":
        throw vendorFault(message);
      case undefined:
        throw new Fault("protocol", "a message of the vendor has no type");
      default: // what a vendor adds later is not for this version
        return [];
    }
  }

  woken(now, id) {
    if (id === FIRST_ANSWER.id && !this.opened) throw new Fault("unavailable", "the vendor did not answer in time");
    if (id === FINALIZED.id && this.finalizing > 0) throw new Fault("unavailable", "the vendor did not finalize in time");
    return id === END.id && this.ending ? [link("close", VENDOR), ...this.done(now)] : [];
  }

  done(now) {
    const audioMs = Math.floor((now.monoUs - this.beganUs) / 1000);
    // The vendor has hung up: what was to be finalized is final.
    const owed = Array.from({ length: this.finalizing }, () => ({ tag: "finalized" }));
    this.finalizing = 0;
    return [...owed, { tag: "usage", val: { audioMs, characters: 0, requests: 1 } }, { tag: "done" }];
  }
}

export const stt = { Session };

function open({ format, language, options: text }) {
  const encoding = { "pcm-s16le": "pcm", mulaw: "mulaw" }[format.encoding];
  if (!encoding) throw new Fault("unsupported", "A-law is not offered");
  const options = parseOptions(text);
  const query = `model=${options.model ?? "general"}&encoding=${encoding}&rate=${format.rateHz}&language=${language}`;
  const websocket = {
    id: VENDOR,
    url: `${atEndpoint(URL, options.endpoint)}?${query}`,
    headers: [["authorization", "Bearer {secret:api_key}"]],
    subprotocols: [],
    auth: { tag: "templates" },
  };
  // The host forwards each chunk without calling this plugin, also while the link is being opened.
  const route = { tag: "route-audio", val: { link: VENDOR, prefix: new Uint8Array() } };
  return [link("websocket", websocket), route, timer(FIRST_ANSWER)];
}

function transcript(message, stability) {
  const ms = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : 0);
  return {
    text: String(message.text ?? ""),
    language: null,
    confidence: typeof message.confidence === "number" ? message.confidence : null,
    stability,
    startMs: ms(message.start_ms),
    endMs: ms(message.end_ms),
    words: [],
  };
}

function vendorFault({ code, retry_after_ms: retryAfterMs }) {
  const detail = "the vendor reported an error";
  if (code === "unauthorized") return new Fault("auth", detail);
  if (code === "rate_limited") return new Fault("quota", detail, Number.isSafeInteger(retryAfterMs) ? retryAfterMs : null);
  return new Fault(code === "bad_audio" ? "bad-audio" : "unavailable", detail);
}
