import unittest

import mask
from wit_world.exports import mask as api


def masker(last_four):
    return mask.Masker(api.Settings(["en-US"], [api.SpanKind.CARD_NUMBER], last_four))


def said(text, partial=False):
    return api.Segment(text, api.Source.CALLER, partial)


class Plugin(unittest.TestCase):
    def test_a_card_is_masked_and_other_numbers_are_not(self):
        masked = masker(True).mask(said("é 4111 1111-1111 1111, call 5551234567890"))
        self.assertEqual(masked.text, "é **** ****-**** 1111, call 5551234567890")
        self.assertEqual(masked.spans, [api.Span(api.SpanKind.CARD_NUMBER, 3, 22)])

    def test_a_card_cut_in_two_is_held_and_found(self):
        one = masker(False)
        self.assertTrue(one.mask(said("it is 4111 1111", partial=True)).hold)
        self.assertTrue(one.mask(said("it is 4111 1111")).hold)
        self.assertEqual(one.mask(said("1111 1111 thanks")).text, "**** **** thanks")

    def test_cards_without_anything_between_are_all_masked(self):
        self.assertEqual(masker(False).mask(said("4111111111111111 5500005555555559.")).text, "**************** ****************.")
