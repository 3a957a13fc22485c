// Package export_serphona_speech_tts is plugin-name: text-to-speech over HTTP.
//
// The vendor of this template takes `POST /v1/speak` with a JSON body and answers with raw samples as they are made. Put your
// vendor's request into `request`.
package export_serphona_speech_tts

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"unicode/utf8"

	"wit_component/faults"
	link "wit_component/serphona_speech_link"
	. "wit_component/serphona_speech_tts"
	types "wit_component/serphona_speech_types"
)

const address = "https://api.example.com/v1/speak"

// No news of the vendor for so long while it owes audio: 4 s, and another one from when the owner has room. While the owner takes
// nothing the host reads no link, but timers run on; a timer of 0 ms is told when there is room, so that a slow owner is not
// taken for a silent vendor.
var (
	quiet = Timer{Id: 1, DelayMs: 4000}
	room  = Timer{Id: 2, DelayMs: 0}
	grace = Timer{Id: 3, DelayMs: 1000}
)

// A text that is to be spoken, and the mark to give after its last sample.
type order struct {
	text string
	mark *uint32
}

// What the vendor is speaking.
type speaking struct {
	link uint32
	mark *uint32
	// Bytes of a sample that is not whole yet.
	rest     []byte
	anything bool
}

type wish struct {
	Text     string `json:"text"`
	Voice    string `json:"voice"`
	Language string `json:"language"`
	Encoding string `json:"encoding"`
	Rate     uint32 `json:"rate"`
}

// Session is one reply, or several one after another.
type Session struct {
	pinner runtime.Pinner
	handle int32

	url         string
	wish        wish
	sampleBytes int
	text        string
	orders      []order
	speaking    *speaking
	links       uint32
	awaited     Timer // the one that means something; others were set before the last news
	ending      bool
}

// MakeSession is a session before its start.
func MakeSession() *Session { return &Session{} }

// OnDrop is the session's end.
func (s *Session) OnDrop() {}

// Handle is told what happened and says what to do.
func (s *Session) Handle(_ Instant, input Input) []Effect {
	effects, err := s.react(input)
	var fault *faults.Error
	if errors.As(err, &fault) {
		return []Effect{MakeEffectFail(fault.Fault)}
	}
	return s.next(effects)
}

func (s *Session) react(input Input) ([]Effect, error) {
	switch input.Tag() {
	case InputStart:
		return nil, s.prepare(input.Start())
	case InputText:
		s.text += input.Text()
	case InputFlush:
		mark := input.Flush()
		s.order(&mark)
	case InputCancel:
		var effects []Effect
		if s.speaking != nil {
			effects = append(effects, MakeEffectLink(link.MakeLinkEffectClose(s.speaking.link)))
		}
		s.text, s.orders, s.speaking = "", nil, nil
		return append(effects, MakeEffectCancelled()), nil
	case InputEnd:
		s.ending = true
		s.order(nil)
	case InputLink:
		if s.speaking != nil { // else it is news of what was cancelled
			return s.heard(input.Link())
		}
	case InputTimer:
		if s.speaking != nil && input.Timer() == s.awaited.Id {
			return s.suspect()
		}
	}
	return nil, nil
}

// Audio is owed from now on, again.
func (s *Session) expect(timer Timer) Effect {
	s.awaited = timer
	return MakeEffectTimer(timer)
}

func (s *Session) suspect() ([]Effect, error) {
	switch s.awaited {
	case quiet:
		return []Effect{s.expect(room)}, nil
	case room:
		return []Effect{s.expect(grace)}, nil
	}
	return nil, faults.Unavailable("the vendor fell silent")
}

func (s *Session) prepare(start types.SessionStart) error {
	s.wish = wish{Language: start.Language, Encoding: "pcm", Rate: start.Format.RateHz}
	s.sampleBytes = 2
	switch start.Format.Encoding {
	case types.EncodingMulaw:
		s.wish.Encoding, s.sampleBytes = "mulaw", 1
	case types.EncodingAlaw:
		return faults.New(types.MakeFaultKindUnsupported(), "A-law is not offered")
	}
	options := struct{ Voice, Endpoint string }{Voice: "anna"}
	err := faults.ParseOptions(start.Options, &options)
	if err == nil {
		s.wish.Voice = options.Voice
		s.url, err = faults.AtEndpoint(address, options.Endpoint)
	}
	return err
}

func (s *Session) order(mark *uint32) {
	s.orders = append(s.orders, order{s.text, mark})
	s.text = ""
}

// Where nothing is being spoken: the next order, or the end.
func (s *Session) next(effects []Effect) []Effect {
	for s.speaking == nil && len(s.orders) > 0 {
		order := s.orders[0]
		s.orders = s.orders[1:]
		if strings.TrimSpace(order.text) != "" {
			s.links++
			s.speaking = &speaking{link: s.links, mark: order.mark}
			usage := types.Usage{Characters: uint64(utf8.RuneCountInString(order.text)), Requests: 1}
			effects = append(effects, s.request(order.text), s.expect(quiet), MakeEffectUsage(usage))
		} else if order.mark != nil {
			effects = append(effects, MakeEffectFlushed(*order.mark))
		}
	}
	if s.ending && s.speaking == nil {
		effects = append(effects, MakeEffectDone())
	}
	return effects
}

func (s *Session) request(text string) Effect {
	s.wish.Text = text
	body, _ := json.Marshal(s.wish) // strings and a number: it cannot fail
	return MakeEffectLink(link.MakeLinkEffectHttp(link.HttpOpen{
		Id:      s.links,
		Method:  "POST",
		Url:     s.url,
		Headers: link.Fields{{F0: "authorization", F1: "Bearer {secret:api_key}"}, {F0: "content-type", F1: "application/json"}},
		Body:    link.MakeRequestBodyWhole(body),
		Version: link.HttpVersionHttp1,
		Auth:    link.MakeAuthenticationTemplates(),
	}))
}

func (s *Session) heard(news LinkInput) ([]Effect, error) {
	speaking := s.speaking
	switch news.Tag() {
	case link.LinkInputOpened:
		if head := news.Opened(); head.Id == speaking.link {
			return nil, checkHead(head)
		}
	case link.LinkInputBytes:
		if piece := news.Bytes(); piece.Id == speaking.link {
			return s.sound(piece.Data), nil
		}
	case link.LinkInputFinished:
		if news.Finished().Id != speaking.link {
			return nil, nil
		}
		if !speaking.anything {
			return nil, faults.New(types.MakeFaultKindEmptyResult(), "the vendor spoke nothing")
		}
		s.speaking = nil
		if speaking.mark != nil {
			return []Effect{MakeEffectFlushed(*speaking.mark)}, nil
		}
	case link.LinkInputFailed:
		if failed := news.Failed(); failed.Id == speaking.link {
			return nil, faults.OfLink(failed)
		}
	}
	return nil, nil
}

func checkHead(head link.Opened) error {
	if err := faults.CheckStatus(head, 200); err != nil {
		return err
	}
	for _, field := range head.Headers {
		sound := strings.HasPrefix(field.F1, "audio/") || strings.HasPrefix(field.F1, "application/octet-stream")
		if strings.EqualFold(field.F0, "content-type") && !sound { // a page for a person, of a proxy perhaps
			return faults.New(types.MakeFaultKindProtocol(), "the vendor answered with something that is no sound")
		}
	}
	return nil
}

func (s *Session) sound(data []byte) (effects []Effect) {
	samples := append(s.speaking.rest, data...)
	whole := len(samples) - len(samples)%s.sampleBytes
	s.speaking.rest = append([]byte(nil), samples[whole:]...)
	s.speaking.anything = s.speaking.anything || len(samples) > 0
	if whole > 0 {
		effects = append(effects, MakeEffectAudio(samples[:whole]))
	}
	return append(effects, s.expect(quiet))
}
