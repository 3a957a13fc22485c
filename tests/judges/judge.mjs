// What the JavaScript drivers share: the same arguments and events as judge.py has.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { writeSync } from "node:fs";

/** The SDKs live in a folder of their own: JUDGES_NODE. */
export const sdk = createRequire(`${process.env.JUDGES_NODE}/judge.js`);

const defaults = { format: "mulaw-8000", language: "en-US", speed: "8", patience: "20" };

/** The command line; `--set NAME=VALUE ...` are options of one driver alone. */
export function options(forms) {
  const options = { ...defaults, form: forms[0], set: {} };
  let name;
  for (const word of process.argv.slice(2)) {
    if (word.startsWith("--")) name = word.slice(2);
    else if (name === "set") options.set[word.split("=")[0]] = word.slice(word.indexOf("=") + 1);
    else options[name] = word;
  }
  if (!forms.includes(options.form)) throw new Error(`forms: ${forms}`);
  [options.coding, options.rate] = options.format.split("-");
  options.rate = Number(options.rate);
  options.bytesPerSecond = options.rate * (options.coding === "pcm" ? 2 : 1);
  return options;
}

/** One event; written before anything else happens. */
export const say = (event, what = {}) => writeSync(1, `${JSON.stringify({ event, ...what })}\n`);

/** What the SDK threw. */
export const error = (fault, code = null) => say("error", { class: fault.name, code: code === null ? null : String(code) });

/** All sound of a conversation, said once. */
export function sound() {
  const hash = createHash("sha256");
  let bytes = 0;
  return {
    add(piece) {
      hash.update(piece);
      bytes += piece.length;
    },
    say: () => say("audio", { bytes, sha256: hash.digest("hex") }),
  };
}

export const sleep = (ms) => new Promise((over) => setTimeout(over, ms));

/** The recording in pieces of 100 ms, at the pace that was asked for. */
export async function* pieces(options) {
  const whole = readFileSync(options.audio);
  const size = options.bytesPerSecond / 10;
  let due = performance.now();
  for (let at = 0; at < whole.length; at += size) {
    yield whole.subarray(at, at + size);
    due += 100 / Number(options.speed);
    await sleep(Math.max(0, due - performance.now()));
  }
}

/** A text in pieces, as a language model gives it. */
export const words = (text) => text.match(/\S+\s*/g);

/** Runs the driver; an SDK that says nothing is given up. */
export async function drive(act, options) {
  setTimeout(() => {
    say("silence", { seconds: Number(options.patience) });
    process.exit(0);
  }, 1000 * Number(options.patience));
  await act(options);
  process.exit(0);
}
