"""A masker of one call.

A card number is 13 to 19 digits that satisfy Luhn's check, with at most one blank, dash or dot between two of them. It is found
also where it is cut into several segments: digits at a segment's end are remembered for the next of the same source.
"""

from wit_world.exports import mask as api

DIGITS_MIN, DIGITS_MAX = 13, 19
HOLD_DIGITS = 4  # so few digits at a segment's end may be anything
DIGITS, SEPARATORS = b"0123456789", b" -."


class Masker:
    def __init__(self, settings):
        self.wanted = api.SpanKind.CARD_NUMBER in settings.kinds
        self.last_four = settings.last_four
        self.tails = {}  # digits at the end of what each source said last

    def mask(self, segment):
        if not self.wanted:
            return api.Masked(segment.text, [], False)
        text = segment.text.encode()
        runs, inside = runs_of(text, self.tails.get(segment.source, []))
        spans = [span for run in runs for span in cards(run)]
        tail = runs[-1] if inside else []
        hold = HOLD_DIGITS <= len(tail) < DIGITS_MAX and not cards(tail)
        if not segment.partial:  # what is partial is said again
            self.tails[segment.source] = [(digit, None) for digit, _ in tail[-DIGITS_MAX:]]
        return api.Masked(hidden(text, spans, self.last_four), spans, hold)


def runs_of(text, tail):
    """The runs of digits as (digit, place), the first continuing `tail`; and whether the text ends inside a run."""
    runs, inside, separated = [list(tail)], True, False
    for place, byte in enumerate(text):
        if byte in DIGITS:
            if not inside:
                runs.append([])
            inside, separated = True, False
            runs[-1].append((byte - DIGITS[0], place))
        elif inside and not separated and byte in SEPARATORS:
            separated = True
        else:
            inside = False
    return runs, inside


def cards(run):
    """Every stretch of a run that could be a card number, joined where they overlap; only what lies in this segment is a span."""
    found = [False] * len(run)
    for length in range(DIGITS_MIN, DIGITS_MAX + 1):
        for start in range(len(run) - length + 1):
            if luhn([digit for digit, _ in run[start : start + length]]):
                found[start : start + length] = [True] * length
    spans, joined = [], False
    for (_, place), of_card in zip(run, found):
        here = of_card and place is not None
        if here and joined:
            spans[-1].end = place + 1
        elif here:
            spans.append(api.Span(api.SpanKind.CARD_NUMBER, place, place + 1))
        joined = here
    return spans


def luhn(digits):
    """ISO/IEC 7812-1, annex B."""
    doubled = [digit * 2 if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return any(digits) and sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


def hidden(text, spans, last_four):
    shown = bytearray(text)
    for span in spans:
        places = [place for place in range(span.start, span.end) if text[place] in DIGITS]
        for place in places[: len(places) - 4 if last_four else None]:
            shown[place] = ord("*")
    return shown.decode()
