import unittest

import tts
from wit_world.exports import tts as api
from wit_world.imports import link, types

NOW = types.Instant(mono_us=1_000_000, unix_ms=0)


class Call:
    def __init__(self):
        self.session = tts.Session()
        start = types.SessionStart(types.AudioFormat(types.Encoding.PCM_S16LE, 16000), "en-US", "{}", bytes(32))
        self.tell(api.Input_Start(start))
        self.tell(api.Input_Text("Good morning, é."))
        self.asked = self.tell(api.Input_Flush(7))

    def tell(self, input):
        return self.session.handle(NOW, input)

    def told(self, news):
        return self.tell(api.Input_Link(news))

    def opened(self, status):
        return self.told(link.LinkInput_Opened(link.Opened(1, status, [])))

    def bytes(self, data):
        return self.told(link.LinkInput_Bytes(link.LinkBytes(1, data)))

    def finished(self):
        return self.told(link.LinkInput_Finished(link.Finished(1, None)))


class Plugin(unittest.TestCase):
    def test_samples_stay_whole_and_the_mark_comes_last(self):
        call = Call()
        self.assertIsInstance(call.asked[0].value, link.LinkEffect_Http)
        call.opened(200)
        self.assertEqual(call.bytes(b"\1\2\3")[0], api.Effect_Audio(b"\1\2"))
        self.assertEqual(call.bytes(b"\4")[0], api.Effect_Audio(b"\3\4"))
        self.assertEqual(call.finished(), [api.Effect_Flushed(7)])
        self.assertEqual(call.tell(api.Input_End()), [api.Effect_Done()])

    def test_nothing_is_heard_of_what_was_cancelled(self):
        call = Call()
        self.assertEqual(call.tell(api.Input_Cancel())[-1], api.Effect_Cancelled())
        self.assertEqual(call.bytes(b"\1\2"), [])
        self.assertEqual(call.tell(api.Input_Timer(1)), [])

    def test_every_bad_day_ends_in_a_fault(self):
        self.assertEqual(Call().opened(403)[0].value.kind, types.FaultKind_Auth())
        self.assertEqual(Call().finished()[0].value.kind, types.FaultKind_EmptyResult())

    def test_a_vendor_that_falls_silent_is_noticed_and_an_owner_who_takes_nothing_for_long_is_no_silent_vendor(self):
        call = Call()
        call.opened(200)

        def timer(id):
            return call.tell(api.Input_Timer(id))

        room, grace = [api.Effect_Timer(api.Timer(2, 0))], [api.Effect_Timer(api.Timer(3, 1000))]
        self.assertEqual((timer(1), timer(2)), (room, grace))  # there is room
        self.assertEqual(call.bytes(b"\1\2")[0], api.Effect_Audio(b"\1\2"))  # what had waited in the link
        self.assertEqual(timer(3), [])
        self.assertEqual((timer(1), timer(2)), (room, grace))
        self.assertEqual(timer(3)[0].value.kind, types.FaultKind_Unavailable())
