"""What all drivers share: their arguments, sound at a pace, and one JSON line for each thing that the application sees.

Events: `connected`, `partial` and `final` with their text, `audio` (all of it, once), `word`, `error` with the SDK's class and code,
`end` (the SDK says that all went well) and `silence` (it says nothing at all, until nobody waits any more).
"""

import argparse
import hashlib
import json
import os
import sys
import threading
import time

_line = threading.Lock()


def say(event, **what):
    """One event; safe from every thread of an SDK."""
    with _line:
        sys.stdout.write(json.dumps({"event": event, **what}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def error(fault, code=None):
    """What the SDK raised: its class and the code that it gives an application."""
    say("error", **{"class": type(fault).__name__, "code": None if code is None else str(code)})


def audio(pieces):
    """Reads all sound and says what it was, also when the SDK raises on the way."""
    whole = b""
    try:
        for piece in pieces:
            whole += piece
    finally:
        say("audio", bytes=len(whole), sha256=hashlib.sha256(whole).hexdigest())


def arguments(forms):
    """The command line, the same for every driver; `forms` are the ways this SDK can be used."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", required=True, help="origin of the simulator, as http://127.0.0.1:1234 or https://localhost:1234")
    parser.add_argument("--form", default=forms[0], choices=forms)
    parser.add_argument("--key", required=True, help="the secret, as this vendor names it")
    parser.add_argument("--format", default="mulaw-8000", help="coding and rate: mulaw-8000, pcm-8000, pcm-16000, pcm-24000")
    parser.add_argument("--language", default="en-US")
    parser.add_argument("--audio", help="headerless sound to be heard, in that format")
    parser.add_argument("--speed", type=float, default=8, help="how much faster than life the sound is sent")
    parser.add_argument("--text", help="to be said")
    parser.add_argument("--voice", help="who says it")
    parser.add_argument("--patience", type=float, default=20, help="seconds after which a silent SDK is given up")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="an option of this driver alone")
    options = parser.parse_args()
    options.set = dict(pair.split("=", 1) for pair in options.set)
    options.scheme, options.host = options.at.split("://")
    options.coding, rate = options.format.split("-")
    options.rate = int(rate)
    options.bytes_per_second = options.rate * (2 if options.coding == "pcm" else 1)
    return options


def sound(options):
    """The whole recording."""
    with open(options.audio, "rb") as file:
        return file.read()


def pieces(options, ms=100):
    """The recording in pieces, at the pace that was asked for."""
    whole, size = sound(options), options.bytes_per_second * ms // 1000
    due = time.monotonic()
    for at in range(0, len(whole), size):
        yield whole[at : at + size]
        due += ms / 1000 / options.speed
        time.sleep(max(0, due - time.monotonic()))


def words(text):
    """A text in pieces, as a language model gives it: the pieces joined are the text."""
    rest = text.split(" ")
    for nth, word in enumerate(rest):
        yield word + (" " if nth + 1 < len(rest) else "")


def drive(act, options):
    """Runs the driver; SDKs leave threads behind that would keep the program alive."""

    def give_up():
        say("silence", seconds=options.patience)
        os._exit(0)

    watch = threading.Timer(options.patience, give_up)
    watch.daemon = True
    watch.start()
    act(options)
    os._exit(0)
