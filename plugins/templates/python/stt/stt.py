"""A session of speech-to-text.

The vendor of this template takes binary messages of audio and answers with JSON:
{"type":"partial"|"final","text","start_ms","end_ms"}, {"type":"finalized"} after our {"type":"finalize"}, and
{"type":"error","code","retry_after_ms"?}. Put your vendor's words into `told`.
"""

import json

from faults import Fault, at_endpoint, check_status, of_link, parse_options
from wit_world.exports import stt as api
from wit_world.imports import link, types

URL = "wss://api.example.com/v1/listen"
VENDOR = 1
FIRST_ANSWER, FINALIZED, END = api.Timer(1, 5000), api.Timer(2, 3000), api.Timer(3, 3000)


def effect(link_effect):
    return api.Effect_Link(link_effect)


def send_text(message):
    return effect(link.LinkEffect_SendText(link.LinkText(VENDOR, json.dumps(message))))


class Session:
    def __init__(self):
        self.began_us = 0
        self.opened = False
        self.finalizing = 0  # answers to `finalize` that are owed
        self.ending = False
        self.finals_end_ms = 0  # a vendor that says a final twice is heard once

    def handle(self, now, input):
        """Told what happened, says what to do."""
        try:
            return self.react(now, input)
        except Fault as fault:
            return [api.Effect_Fail(fault.value)]

    def react(self, now, input):
        match input:
            case api.Input_Start(start):
                self.began_us = now.mono_us
                return open_link(start)
            case api.Input_Finalize():
                self.finalizing += 1
                return [send_text({"type": "finalize"}), api.Effect_Timer(FINALIZED)]
            case api.Input_End():
                self.ending = True
                return [send_text({"type": "end"}), effect(link.LinkEffect_Finish(VENDOR)), api.Effect_Timer(END)]
            case api.Input_Link(news):
                return self.heard(now, news)
            case api.Input_Timer(id):
                return self.woken(now, id)
        return []  # audio goes to the vendor by itself; the vendor finds the edges

    def heard(self, now, news):
        match news:
            case link.LinkInput_Opened(head):
                check_status(head, wanted=101)
                self.opened = True
            case link.LinkInput_Text(message):
                return self.told(message.data)
            case link.LinkInput_Finished(end):
                if self.ending:
                    return self.done(now)
                raise Fault(types.FaultKind_Unavailable(), f"the vendor hung up: {end.code}")
            case link.LinkInput_Failed(failed):
                raise of_link(failed)
        return []

    def told(self, text):
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, TypeError, KeyError):
            raise Fault(types.FaultKind_Protocol(), "a message of the vendor is no JSON object with a type") from None
        if kind == "partial":
            heard = transcript(message, None)
            # One that comes after its final is stale.
            return [] if heard.end_ms <= self.finals_end_ms else [api.Effect_Partial(heard)]
        if kind == "final":
            said = transcript(message, 1.0)
            if said.end_ms <= self.finals_end_ms:
                return []
            self.finals_end_ms = said.end_ms
            return [api.Effect_Final(said)]
        if kind == "finalized" and self.finalizing > 0:
            self.finalizing -= 1
            return [api.Effect_Finalized()]
        if kind == "error":
            raise vendor_fault(message)
        return []  # what a vendor adds later is not for this version

    def woken(self, now, id):
        if id == FIRST_ANSWER.id and not self.opened:
            raise Fault(types.FaultKind_Unavailable(), "the vendor did not answer in time")
        if id == FINALIZED.id and self.finalizing > 0:
            raise Fault(types.FaultKind_Unavailable(), "the vendor did not finalize in time")
        if id == END.id and self.ending:
            return [effect(link.LinkEffect_Close(VENDOR)), *self.done(now)]
        return []

    def done(self, now):
        # The vendor has hung up: what was to be finalized is final.
        owed, self.finalizing = [api.Effect_Finalized()] * self.finalizing, 0
        usage = types.Usage(audio_ms=(now.mono_us - self.began_us) // 1000, characters=0, requests=1)
        return [*owed, api.Effect_Usage(usage), api.Effect_Done()]


def open_link(start):
    encoding = {types.Encoding.PCM_S16LE: "pcm", types.Encoding.MULAW: "mulaw"}.get(start.format.encoding)
    if not encoding:
        raise Fault(types.FaultKind_Unsupported(), "A-law is not offered")
    options = parse_options(start.options)
    query = f"model={options.get('model', 'general')}&encoding={encoding}&rate={start.format.rate_hz}&language={start.language}"
    websocket = link.WebsocketOpen(
        id=VENDOR,
        url=f"{at_endpoint(URL, options.get('endpoint'))}?{query}",
        headers=[("authorization", "Bearer {secret:api_key}")],
        subprotocols=[],
        auth=link.Authentication_Templates(),
    )
    return [
        effect(link.LinkEffect_Websocket(websocket)),
        # The host forwards each chunk without calling this plugin, also while the link is being opened.
        api.Effect_RouteAudio(api.AudioRoute(VENDOR, b"")),
        api.Effect_Timer(FIRST_ANSWER),
    ]


def transcript(message, stability):
    def ms(name):
        value = message.get(name)
        return value if isinstance(value, int) and value >= 0 else 0

    confidence = message.get("confidence")
    return types.Transcript(
        text=str(message.get("text", "")),
        language=None,
        confidence=float(confidence) if isinstance(confidence, (int, float)) else None,
        stability=stability,
        start_ms=ms("start_ms"),
        end_ms=ms("end_ms"),
        words=[],
    )


def vendor_fault(message):
    wait_ms = message.get("retry_after_ms")
    kinds = {
        "unauthorized": types.FaultKind_Auth(),
        "rate_limited": types.FaultKind_Quota(wait_ms if isinstance(wait_ms, int) and wait_ms >= 0 else None),
        "bad_audio": types.FaultKind_BadAudio(),
    }
    return Fault(kinds.get(message.get("code"), types.FaultKind_Unavailable()), "the vendor reported an error")
