// plugin-name: text-to-speech over HTTP.
//
// The vendor of this template takes `POST /v1/speak` with a JSON body and answers with raw samples as they are made. Put your
// vendor's request into `request`.

import { Fault, atEndpoint, checkStatus, ofLink, parseOptions } from "./faults.js";

const URL = "https://api.example.com/v1/speak";
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    voice: { type: "string", default: "anna" },
    endpoint: { type: "string", description: "scheme://host[:port] in place of the vendor's" },
  },
};

// No news of the vendor for so long while it owes audio: 4 s, and another one from when the owner has room. While the owner takes
// nothing the host reads no link, but timers run on; a timer of 0 ms is told when there is room, so that a slow owner is not
// taken for a silent vendor.
const QUIET = { id: 1, delayMs: 4000 };
const ROOM = { id: 2, delayMs: 0 };
const GRACE = { id: 3, delayMs: 1000 };

const link = (tag, val) => ({ tag: "link", val: { tag, val } });
const utf8 = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));

export const describe = {
  describe: () => ({
    id: "plugin-name",
    version: "0.1.0",
    kind: "tts",
    formats: [
      { encoding: "pcm-s16le", rateHz: 16000 },
      { encoding: "pcm-s16le", rateHz: 8000 },
      { encoding: "mulaw", rateHz: 8000 },
    ],
    languages: ["en-US"],
    features: { interim: false, wordTimes: false, finalize: false, endpointing: false, incrementalText: false },
    optionsSchema: JSON.stringify(SCHEMA),
    hosts: ["https://api.example.com"],
    secrets: [{ name: "api_key", kind: "fixed", why: "the vendor's key" }],
    sessionMaxS: null,
    compute: "light",
  }),
};

class Session {
  text = "";
  orders = []; // texts to be spoken, each with the mark to give after its last sample
  speaking = null; // what the vendor is speaking
  links = 0;
  awaited = null; // the timer that means something; others were set before the last news
  ending = false;

  // Told what happened, says what to do.
  handle(_now, input) {
    try {
      const effects = this.react(input);
      this.next(effects);
      return effects;
    } catch (fault) {
      if (fault instanceof Fault) return [fault.effect()];
      throw fault;
    }
  }

  react({ tag, val }) {
    switch (tag) {
      case "start":
        this.prepare(val);
        return [];
      case "text":
        this.text += val;
        return [];
      case "flush":
        this.order(val);
        return [];
      case "cancel": {
        const closed = this.speaking ? [link("close", this.speaking.link)] : [];
        [this.text, this.orders, this.speaking] = ["", [], null];
        return [...closed, { tag: "cancelled" }];
      }
      case "end":
        this.ending = true;
        this.order(null);
        return [];
      case "link":
        return this.heard(val);
      case "timer":
        return this.speaking && val === this.awaited?.id ? [this.suspect()] : [];
      default:
        return [];
    }
  }

  // Audio is owed from now on, again.
  expect(timer = QUIET) {
    this.awaited = timer;
    return { tag: "timer", val: timer };
  }

  suspect() {
    if (this.awaited === GRACE) throw new Fault("unavailable", "the vendor fell silent");
    return this.expect(this.awaited === QUIET ? ROOM : GRACE);
  }

  prepare({ format, language, options: text }) {
    const encoding = { "pcm-s16le": "pcm", mulaw: "mulaw" }[format.encoding];
    if (!encoding) throw new Fault("unsupported", "A-law is not offered");
    const options = parseOptions(text);
    this.url = atEndpoint(URL, options.endpoint);
    this.wish = { voice: options.voice ?? "anna", language, encoding, rate: format.rateHz };
    this.sampleBytes = encoding === "pcm" ? 2 : 1;
  }

  order(mark) {
    this.orders.push({ text: this.text, mark });
    this.text = "";
  }

  // Where nothing is being spoken: the next order, or the end.
  next(effects) {
    while (!this.speaking) {
      const order = this.orders.shift();
      if (!order) {
        if (this.ending) effects.push({ tag: "done" });
        return;
      }
      if (order.text.trim() === "") {
        if (order.mark !== null) effects.push({ tag: "flushed", val: order.mark });
        continue;
      }
      this.links += 1;
      this.speaking = { link: this.links, mark: order.mark, rest: new Uint8Array(), anything: false };
      const usage = { audioMs: 0, characters: [...order.text].length, requests: 1 };
      effects.push(this.request(order.text), this.expect(), { tag: "usage", val: usage });
    }
  }

  request(text) {
    return link("http", {
      id: this.links,
      method: "POST",
      url: this.url,
      headers: [["authorization", "Bearer {secret:api_key}"], ["content-type", "application/json"]],
      body: { tag: "whole", val: utf8(JSON.stringify({ text, ...this.wish })) },
      version: "http1",
      auth: { tag: "templates" },
    });
  }

  heard({ tag, val }) {
    const speaking = this.speaking;
    // News of a link that was cancelled is for nobody.
    if (!speaking || val.id !== speaking.link) return [];
    switch (tag) {
      case "opened":
        checkStatus(val);
        if (val.status !== 200) throw new Fault("protocol", `status ${val.status}`);
        checkSound(val.headers);
        return [];
      case "bytes": {
        const samples = new Uint8Array(speaking.rest.length + val.data.length);
        samples.set(speaking.rest);
        samples.set(val.data, speaking.rest.length);
        const whole = samples.length - (samples.length % this.sampleBytes);
        speaking.rest = samples.slice(whole);
        speaking.anything ||= samples.length > 0;
        const sound = whole > 0 ? [{ tag: "audio", val: samples.slice(0, whole) }] : [];
        return [...sound, this.expect()];
      }
      case "finished":
        if (!speaking.anything) throw new Fault("empty-result", "the vendor spoke nothing");
        this.speaking = null;
        return speaking.mark === null ? [] : [{ tag: "flushed", val: speaking.mark }];
      case "failed":
        throw ofLink(val);
      default:
        return [];
    }
  }
}

export const tts = { Session };

// A page for a person, of a proxy perhaps, is not to be spoken.
function checkSound(headers) {
  const [, kind] = headers.find(([name]) => name.toLowerCase() === "content-type") ?? [];
  if (kind !== undefined && !/^(audio\/|application\/octet-stream)/.test(kind)) {
    throw new Fault("protocol", "the vendor answered with something that is no sound");
  }
}
