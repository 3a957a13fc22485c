// Package export_serphona_speech_mask is plugin-name: it masks payment card numbers written in digits.
//
// A card number is 13 to 19 digits that satisfy Luhn's check, with at most one blank, dash or dot between two of them. It is
// found also where it is cut into several segments: digits at a segment's end are remembered for the next of the same source.
package export_serphona_speech_mask

import (
	"runtime"
	"slices"

	. "wit_component/serphona_speech_mask"
)

const (
	digitsMin = 13
	digitsMax = 19
	// So few digits at a segment's end may be anything.
	holdDigits = 4
	// The place of a digit that was said before.
	before = -1
)

type digit struct{ value, at int }

// Masker is one call.
type Masker struct {
	pinner runtime.Pinner
	handle int32

	settings Settings
	// Digits at the end of what each source said last.
	tails [3][]digit
}

// MakeMasker begins a call.
func MakeMasker(settings Settings) *Masker { return &Masker{settings: settings} }

// OnDrop is the call's end.
func (m *Masker) OnDrop() {}

// Mask masks the next segment.
func (m *Masker) Mask(segment Segment) Masked {
	if !slices.Contains(m.settings.Kinds, SpanKindCardNumber) {
		return Masked{Text: segment.Text}
	}
	runs, inside := runsOf(segment.Text, m.tails[segment.Source])
	var spans []Span
	for _, run := range runs {
		spans = append(spans, cards(run)...)
	}
	var tail []digit
	if inside {
		tail = runs[len(runs)-1]
	}
	hold := len(tail) >= holdDigits && len(tail) < digitsMax && len(cards(tail)) == 0
	if !segment.Partial { // what is partial is said again
		kept := slices.Clone(tail[max(0, len(tail)-digitsMax):])
		for i := range kept {
			kept[i].at = before
		}
		m.tails[segment.Source] = kept
	}
	return Masked{Text: hidden(segment.Text, spans, m.settings.LastFour), Spans: spans, Hold: hold}
}

// The runs of digits, the first continuing `tail`; and whether the text ends inside a run.
func runsOf(text string, tail []digit) ([][]digit, bool) {
	runs, inside, separated := [][]digit{slices.Clone(tail)}, true, false
	for at, letter := range []byte(text) {
		switch {
		case isDigit(letter):
			if !inside {
				runs = append(runs, nil)
			}
			inside, separated = true, false
			runs[len(runs)-1] = append(runs[len(runs)-1], digit{int(letter - '0'), at})
		case inside && !separated && (letter == ' ' || letter == '-' || letter == '.'):
			separated = true
		default:
			inside = false
		}
	}
	return runs, inside
}

// Every stretch of a run that could be a card number, joined where they overlap; only what lies in this segment is a span.
func cards(run []digit) (spans []Span) {
	found := make([]bool, len(run))
	for length := digitsMin; length <= digitsMax; length++ {
		for from := 0; from+length <= len(run); from++ {
			if luhn(run[from : from+length]) {
				for i := from; i < from+length; i++ {
					found[i] = true
				}
			}
		}
	}
	joined := false
	for i, digit := range run {
		here := found[i] && digit.at != before
		if here && !joined {
			spans = append(spans, Span{Kind: SpanKindCardNumber, Start: uint32(digit.at)})
		}
		if here {
			spans[len(spans)-1].End = uint32(digit.at + 1)
		}
		joined = here
	}
	return spans
}

// ISO/IEC 7812-1, annex B.
func luhn(digits []digit) bool {
	sum, any := 0, false
	for i, digit := range digits {
		value := digit.value
		if (len(digits)-i)%2 == 0 {
			value *= 2
		}
		if value > 9 {
			value -= 9
		}
		sum, any = sum+value, any || digit.value != 0
	}
	return any && sum%10 == 0
}

func hidden(text string, spans []Span, lastFour bool) string {
	shown := []byte(text)
	for _, span := range spans {
		left := 0
		if lastFour {
			left = 4
		}
		for at := int(span.End) - 1; at >= int(span.Start); at-- {
			if !isDigit(shown[at]) {
				continue
			}
			if left > 0 {
				left--
			} else {
				shown[at] = '*'
			}
		}
	}
	return string(shown)
}

func isDigit(letter byte) bool { return letter >= '0' && letter <= '9' }
