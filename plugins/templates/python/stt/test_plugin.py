import unittest

import stt
from wit_world.exports import stt as api
from wit_world.imports import link, types

NOW = types.Instant(mono_us=1_000_000, unix_ms=0)


class Call:
    def __init__(self, options="{}"):
        self.session = stt.Session()
        start = types.SessionStart(types.AudioFormat(types.Encoding.MULAW, 8000), "en-US", options, bytes(32))
        self.asked = self.tell(api.Input_Start(start))

    def tell(self, input):
        return self.session.handle(NOW, input)

    def told(self, news):
        return self.tell(api.Input_Link(news))

    def opened(self, status, headers=()):
        return self.told(link.LinkInput_Opened(link.Opened(1, status, list(headers))))

    def text(self, text):
        return self.told(link.LinkInput_Text(link.LinkText(1, text)))


class Plugin(unittest.TestCase):
    def test_words_come_as_the_vendor_says_them_each_once(self):
        call = Call('{"endpoint":"http://127.0.0.1:8080"}')
        self.assertTrue(call.asked[0].value.value.url.startswith("ws://127.0.0.1:8080/v1/listen?"))
        call.opened(101)
        final = '{"type":"final","text":"hello","start_ms":0,"end_ms":500}'
        self.assertEqual(call.text(final)[0].value.text, "hello")
        self.assertEqual(call.text(final), [])
        call.tell(api.Input_Finalize())
        self.assertEqual(call.text('{"type":"finalized"}'), [api.Effect_Finalized()])
        call.tell(api.Input_End())
        self.assertEqual(call.told(link.LinkInput_Finished(link.Finished(1, 1000)))[-1], api.Effect_Done())

    def test_every_bad_day_ends_in_a_fault(self):
        def kind(effects):
            return effects[0].value.kind

        self.assertEqual(kind(Call().opened(401)), types.FaultKind_Auth())
        self.assertEqual(kind(Call().opened(429, [("Retry-After", "2")])), types.FaultKind_Quota(2000))
        failed = link.LinkInput_Failed(link.Failed(1, link.LinkErrorKind.CONNECT, ""))
        self.assertEqual(kind(Call().told(failed)), types.FaultKind_Unavailable())
        self.assertEqual(kind(Call().text("{")), types.FaultKind_Protocol())
        self.assertEqual(kind(Call().tell(api.Input_Timer(1))), types.FaultKind_Unavailable())
        self.assertIsInstance(kind(Call("{").asked), types.FaultKind_InvalidOptions)
