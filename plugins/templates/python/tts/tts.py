"""A session of text-to-speech.

The vendor of this template takes `POST /v1/speak` with a JSON body and answers with raw samples as they are made. Put your
vendor's request into `request`.
"""

import json
from collections import deque
from dataclasses import dataclass

from faults import Fault, at_endpoint, check_status, of_link, parse_options
from wit_world.exports import tts as api
from wit_world.imports import link, types

URL = "https://api.example.com/v1/speak"
# No news of the vendor for so long while it owes audio: 4 s, and another one from when the owner has room. While the owner takes
# nothing the host reads no link, but timers run on; a timer of 0 ms is told when there is room, so that a slow owner is not
# taken for a silent vendor.
QUIET, ROOM, GRACE = api.Timer(1, 4000), api.Timer(2, 0), api.Timer(3, 1000)


@dataclass
class Speaking:
    """What the vendor is speaking."""

    link: int
    mark: int | None
    rest: bytes = b""  # of a sample that is not whole yet
    anything: bool = False


class Session:
    def __init__(self):
        self.text = ""
        self.orders = deque()  # texts to be spoken, each with the mark to give after its last sample
        self.speaking = None
        self.links = 0
        self.awaited = None  # the timer that means something; others were set before the last news
        self.ending = False

    def handle(self, now, input):
        """Told what happened, says what to do."""
        try:
            effects = self.react(input)
            self.next(effects)
            return effects
        except Fault as fault:
            return [api.Effect_Fail(fault.value)]

    def react(self, input):
        match input:
            case api.Input_Start(start):
                self.prepare(start)
            case api.Input_Text(text):
                self.text += text
            case api.Input_Flush(mark):
                self.order(mark)
            case api.Input_Cancel():
                closed = [api.Effect_Link(link.LinkEffect_Close(self.speaking.link))] if self.speaking else []
                self.text, self.speaking = "", None
                self.orders.clear()
                return [*closed, api.Effect_Cancelled()]
            case api.Input_End():
                self.ending = True
                self.order(None)
            case api.Input_Link(news):
                # News of a link that was cancelled is for nobody.
                if self.speaking and news.value.id == self.speaking.link:
                    return self.heard(news)
            case api.Input_Timer(id):
                if self.speaking and id == self.awaited.id:
                    return [self.suspect()]
        return []

    def expect(self, timer=QUIET):
        """Audio is owed from now on, again."""
        self.awaited = timer
        return api.Effect_Timer(timer)

    def suspect(self):
        if self.awaited == GRACE:
            raise Fault(types.FaultKind_Unavailable(), "the vendor fell silent")
        return self.expect(ROOM if self.awaited == QUIET else GRACE)

    def prepare(self, start):
        encoding = {types.Encoding.PCM_S16LE: "pcm", types.Encoding.MULAW: "mulaw"}.get(start.format.encoding)
        if not encoding:
            raise Fault(types.FaultKind_Unsupported(), "A-law is not offered")
        options = parse_options(start.options)
        self.url = at_endpoint(URL, options.get("endpoint"))
        voice = options.get("voice", "anna")
        self.wish = {"voice": voice, "language": start.language, "encoding": encoding, "rate": start.format.rate_hz}
        self.sample_bytes = 2 if encoding == "pcm" else 1

    def order(self, mark):
        self.orders.append((self.text, mark))
        self.text = ""

    def next(self, effects):
        """Where nothing is being spoken: the next order, or the end."""
        while not self.speaking and self.orders:
            text, mark = self.orders.popleft()
            if text.strip():
                self.links += 1
                self.speaking = Speaking(self.links, mark)
                usage = types.Usage(audio_ms=0, characters=len(text), requests=1)
                effects += [self.request(text), self.expect(), api.Effect_Usage(usage)]
            elif mark is not None:
                effects.append(api.Effect_Flushed(mark))
        if self.ending and not self.speaking:
            effects.append(api.Effect_Done())

    def request(self, text):
        http = link.HttpOpen(
            id=self.links,
            method="POST",
            url=self.url,
            headers=[("authorization", "Bearer {secret:api_key}"), ("content-type", "application/json")],
            body=link.RequestBody_Whole(json.dumps({"text": text, **self.wish}).encode()),
            version=link.HttpVersion.HTTP1,
            auth=link.Authentication_Templates(),
        )
        return api.Effect_Link(link.LinkEffect_Http(http))

    def heard(self, news):
        speaking = self.speaking
        match news:
            case link.LinkInput_Opened(head):
                check_status(head, wanted=200)
                check_sound(head)
            case link.LinkInput_Bytes(piece):
                samples = speaking.rest + piece.data
                whole = len(samples) - len(samples) % self.sample_bytes
                speaking.rest = samples[whole:]
                speaking.anything = speaking.anything or bool(samples)
                sound = [api.Effect_Audio(samples[:whole])] if whole else []
                return [*sound, self.expect()]
            case link.LinkInput_Finished():
                if not speaking.anything:
                    raise Fault(types.FaultKind_EmptyResult(), "the vendor spoke nothing")
                self.speaking = None
                return [] if speaking.mark is None else [api.Effect_Flushed(speaking.mark)]
            case link.LinkInput_Failed(failed):
                raise of_link(failed)
        return []


def check_sound(head):
    """A page for a person, of a proxy perhaps, is not to be spoken."""
    for name, value in head.headers:
        if name.lower() == "content-type" and not value.startswith(("audio/", "application/octet-stream")):
            raise Fault(types.FaultKind_Protocol(), "the vendor answered with something that is no sound")
