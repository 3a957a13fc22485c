// plugin-name: masks payment card numbers written in digits.
//
// A card number is 13 to 19 digits that satisfy Luhn's check, with at most one blank, dash or dot between two of them. It is found
// also where it is cut into several segments: digits at a segment's end are remembered for the next of the same source.

const DIGITS_MIN = 13;
const DIGITS_MAX = 19;
const HOLD_DIGITS = 4; // so few digits at a segment's end may be anything

export const describe = {
  describe: () => ({
    id: "plugin-name",
    version: "0.1.0",
    kind: "mask",
    formats: [],
    languages: [],
    features: { interim: false, wordTimes: false, finalize: false, endpointing: false, incrementalText: false },
    optionsSchema: '{"type":"object","additionalProperties":false}',
    hosts: [],
    secrets: [],
    sessionMaxS: null,
    compute: "light",
  }),
};

class Masker {
  tails = { caller: [], agent: [], dtmf: [] }; // digits at the end of what each source said last

  constructor({ kinds, lastFour }) {
    this.wanted = kinds.includes("card-number");
    this.lastFour = lastFour;
  }

  mask({ text, source, partial }) {
    if (!this.wanted) return { text, spans: [], hold: false };
    const { runs, inside } = runsOf(text, this.tails[source]);
    const spans = runs.flatMap(cards);
    const tail = inside ? runs.at(-1) : [];
    const hold = tail.length >= HOLD_DIGITS && tail.length < DIGITS_MAX && cards(tail).length === 0;
    // What is partial is said again.
    if (!partial) this.tails[source] = tail.slice(-DIGITS_MAX).map(({ value }) => ({ value }));
    return { text: hidden(text, spans, this.lastFour), spans, hold };
  }
}

export const mask = { Masker };

// The runs of digits, the first continuing `tail`; and whether the text ends inside a run. Offsets are bytes of UTF-8.
function runsOf(text, tail) {
  const runs = [[...tail]];
  let [inside, separated, at] = [true, false, 0];
  for (const letter of text) {
    if (letter >= "0" && letter <= "9") {
      if (!inside) runs.push([]);
      [inside, separated] = [true, false];
      runs.at(-1).push({ value: Number(letter), at });
    } else if (inside && !separated && " -.".includes(letter)) {
      separated = true;
    } else {
      inside = false;
    }
    at += bytesOf(letter);
  }
  return { runs, inside };
}

function bytesOf(letter) {
  const point = letter.codePointAt(0);
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

// Every stretch of a run that could be a card number, joined where they overlap; only what lies in this segment is a span.
function cards(run) {
  const found = run.map(() => false);
  for (let length = DIGITS_MIN; length <= DIGITS_MAX; length += 1) {
    for (let from = 0; from + length <= run.length; from += 1) {
      if (luhn(run.slice(from, from + length))) found.fill(true, from, from + length);
    }
  }
  const spans = [];
  run.forEach(({ at }, place) => {
    if (!found[place] || at === undefined) return;
    const last = spans.at(-1);
    if (last && found[place - 1] && run[place - 1].at !== undefined) last.end = at + 1;
    else spans.push({ kind: "card-number", start: at, end: at + 1 });
  });
  return spans;
}

// ISO/IEC 7812-1, annex B.
function luhn(digits) {
  const weighed = digits.map(({ value }, place) => ((digits.length - place) % 2 === 0 ? value * 2 : value));
  const sum = weighed.reduce((sum, value) => sum + (value > 9 ? value - 9 : value), 0);
  return sum % 10 === 0 && digits.some(({ value }) => value !== 0);
}

function hidden(text, spans, lastFour) {
  let shown = "";
  let at = 0;
  const letters = [...text].map((letter) => ({ letter, at: (at += bytesOf(letter)) - bytesOf(letter) }));
  const isDigit = ({ letter }) => letter >= "0" && letter <= "9";
  const stars = new Set();
  for (const { start, end } of spans) {
    const digits = letters.filter((each) => each.at >= start && each.at < end && isDigit(each)).map((each) => each.at);
    digits.slice(0, lastFour ? Math.max(0, digits.length - 4) : digits.length).forEach((place) => stars.add(place));
  }
  for (const each of letters) shown += stars.has(each.at) ? "*" : each.letter;
  return shown;
}
