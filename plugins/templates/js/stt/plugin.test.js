import assert from "node:assert/strict";
import test from "node:test";
import { stt } from "./plugin.js";

const now = { monoUs: 1_000_000, unixMs: 0 };
const started = (options = "{}") => {
  const session = new stt.Session();
  const format = { encoding: "mulaw", rateHz: 8000 };
  const asked = session.handle(now, { tag: "start", val: { format, language: "en-US", options, seed: new Uint8Array(32) } });
  const tell = (tag, val) => session.handle(now, { tag, val });
  const told = (tag, val) => tell("link", { tag, val: { id: 1, ...val } });
  return { asked, tell, told };
};

test("words come as the vendor says them, each once", () => {
  const { asked, tell, told } = started('{"endpoint":"http://127.0.0.1:8080"}');
  assert.match(asked[0].val.val.url, /^ws:\/\/127\.0\.0\.1:8080\/v1\/listen\?/);
  told("opened", { status: 101, headers: [] });
  const final = { data: '{"type":"final","text":"hello","start_ms":0,"end_ms":500}' };
  assert.equal(told("text", final)[0].val.text, "hello");
  assert.deepEqual(told("text", final), []);
  tell("finalize");
  assert.deepEqual(told("text", { data: '{"type":"finalized"}' }), [{ tag: "finalized" }]);
  tell("end");
  assert.equal(told("finished", { code: 1000 }).at(-1).tag, "done");
});

test("every bad day ends in a fault", () => {
  const kind = (effects) => effects[0].val.kind.tag;
  assert.equal(kind(started().told("opened", { status: 401, headers: [] })), "auth");
  assert.equal(kind(started().told("opened", { status: 429, headers: [["Retry-After", "2"]] })), "quota");
  assert.equal(kind(started().told("failed", { kind: "connect", detail: "" })), "unavailable");
  assert.equal(kind(started().told("text", { data: "{" })), "protocol");
  assert.equal(kind(started().tell("timer", 1)), "unavailable");
  assert.equal(kind(started("{").asked), "invalid-options");
});
