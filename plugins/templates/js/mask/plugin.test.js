import assert from "node:assert/strict";
import test from "node:test";
import { mask } from "./plugin.js";

const masker = (lastFour) => new mask.Masker({ languages: ["en-US"], kinds: ["card-number"], lastFour });
const said = (text, partial = false) => ({ text, source: "caller", partial });

test("a card is masked and other numbers are not", () => {
  const masked = masker(true).mask(said("é 4111 1111-1111 1111, call 5551234567890"));
  assert.equal(masked.text, "é **** ****-**** 1111, call 5551234567890");
  assert.deepEqual(masked.spans, [{ kind: "card-number", start: 3, end: 22 }]);
});

test("a card cut in two is held and found", () => {
  const one = masker(false);
  assert.ok(one.mask(said("it is 4111 1111", true)).hold);
  assert.ok(one.mask(said("it is 4111 1111")).hold);
  assert.equal(one.mask(said("1111 1111 thanks")).text, "**** **** thanks");
});

test("cards without anything between are all masked", () => {
  assert.equal(masker(false).mask(said("4111111111111111 5500005555555559.")).text, "**************** ****************.");
});
