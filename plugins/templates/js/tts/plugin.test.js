import assert from "node:assert/strict";
import test from "node:test";
import { tts } from "./plugin.js";

const now = { monoUs: 1_000_000, unixMs: 0 };
const asked = () => {
  const session = new tts.Session();
  const format = { encoding: "pcm-s16le", rateHz: 16000 };
  const tell = (tag, val) => session.handle(now, { tag, val });
  const told = (tag, val) => tell("link", { tag, val: { id: 1, ...val } });
  tell("start", { format, language: "en-US", options: "{}", seed: new Uint8Array(32) });
  tell("text", "Good morning, é.");
  assert.equal(tell("flush", 7)[0].val.tag, "http");
  return { tell, told };
};

test("samples stay whole and the mark comes last", () => {
  const { tell, told } = asked();
  told("opened", { status: 200, headers: [] });
  assert.deepEqual(told("bytes", { data: new Uint8Array([1, 2, 3]) })[0].val, new Uint8Array([1, 2]));
  assert.deepEqual(told("bytes", { data: new Uint8Array([4]) })[0].val, new Uint8Array([3, 4]));
  assert.deepEqual(told("finished", { code: null }), [{ tag: "flushed", val: 7 }]);
  assert.deepEqual(tell("end"), [{ tag: "done" }]);
});

test("nothing is heard of what was cancelled", () => {
  const { tell, told } = asked();
  assert.deepEqual(tell("cancel").map(({ tag }) => tag), ["link", "cancelled"]);
  assert.deepEqual(told("bytes", { data: new Uint8Array([1, 2]) }), []);
  assert.deepEqual(tell("timer", 1), []);
});

test("every bad day ends in a fault", () => {
  const kind = (effects) => effects[0].val.kind.tag;
  assert.equal(kind(asked().told("opened", { status: 403, headers: [] })), "auth");
  assert.equal(kind(asked().told("finished", { code: null })), "empty-result");
});

test("a vendor that falls silent is noticed, and an owner who takes nothing for long is no silent vendor", () => {
  const { tell, told } = asked();
  told("opened", { status: 200, headers: [] });
  const timer = (id, delayMs) => [{ tag: "timer", val: { id, delayMs } }];
  assert.deepEqual(tell("timer", 1), timer(2, 0));
  assert.deepEqual(tell("timer", 2), timer(3, 1000)); // there is room
  assert.equal(told("bytes", { data: new Uint8Array([1, 2]) })[0].tag, "audio"); // what had waited in the link
  assert.deepEqual(tell("timer", 3), []);
  assert.deepEqual([tell("timer", 1), tell("timer", 2)], [timer(2, 0), timer(3, 1000)]);
  assert.equal(tell("timer", 3)[0].val.kind.tag, "unavailable");
});
