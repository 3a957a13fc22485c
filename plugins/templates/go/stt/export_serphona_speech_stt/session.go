// Package export_serphona_speech_stt is plugin-name: speech-to-text over a WebSocket.
//
// The vendor of this template takes binary messages of audio and answers with JSON:
// {"type":"partial"|"final","text","start_ms","end_ms"}, {"type":"finalized"} after our {"type":"finalize"}, and
// {"type":"error","code","retry_after_ms"?}. Put your vendor's words into `told`.
package export_serphona_speech_stt

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"wit_component/faults"
	link "wit_component/serphona_speech_link"
	. "wit_component/serphona_speech_stt"
	types "wit_component/serphona_speech_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

const (
	address = "wss://api.example.com/v1/listen"
	vendor  = 1
)

var (
	firstAnswer = Timer{Id: 1, DelayMs: 5000}
	finalized   = Timer{Id: 2, DelayMs: 3000}
	end         = Timer{Id: 3, DelayMs: 3000}
)

// Session is one call.
type Session struct {
	pinner runtime.Pinner
	handle int32

	beganUs uint64
	opened  bool
	// Answers to `finalize` that are owed.
	finalizing int
	ending     bool
	// Where the last final ended: a vendor that says one twice is heard once.
	finalsEndMs uint64
}

type message struct {
	Type         string
	Text         string
	StartMs      uint64 `json:"start_ms"`
	EndMs        uint64 `json:"end_ms"`
	Confidence   *float32
	Code         string
	RetryAfterMs *uint64 `json:"retry_after_ms"`
}

// MakeSession is a session before its start.
func MakeSession() *Session { return &Session{} }

// OnDrop is the session's end.
func (s *Session) OnDrop() {}

// Handle is told what happened and says what to do.
func (s *Session) Handle(now Instant, input Input) []Effect {
	effects, err := s.react(now, input)
	var fault *faults.Error
	if errors.As(err, &fault) {
		return []Effect{MakeEffectFail(fault.Fault)}
	}
	return effects
}

func (s *Session) react(now Instant, input Input) ([]Effect, error) {
	switch input.Tag() {
	case InputStart:
		s.beganUs = now.MonoUs
		return open(input.Start())
	case InputFinalize:
		s.finalizing++
		return []Effect{sendText(`{"type":"finalize"}`), MakeEffectTimer(finalized)}, nil
	case InputEnd:
		s.ending = true
		finish := MakeEffectLink(link.MakeLinkEffectFinish(vendor))
		return []Effect{sendText(`{"type":"end"}`), finish, MakeEffectTimer(end)}, nil
	case InputLink:
		return s.heard(now, input.Link())
	case InputTimer:
		return s.woken(now, input.Timer())
	}
	return nil, nil // audio goes to the vendor by itself; the vendor finds the edges
}

func (s *Session) heard(now Instant, news LinkInput) ([]Effect, error) {
	switch news.Tag() {
	case link.LinkInputOpened:
		s.opened = true
		return nil, faults.CheckStatus(news.Opened(), 101)
	case link.LinkInputText:
		return s.told(news.Text().Data)
	case link.LinkInputFinished:
		if s.ending {
			return s.done(now), nil
		}
		return nil, faults.Unavailable("the vendor hung up")
	case link.LinkInputFailed:
		return nil, faults.OfLink(news.Failed())
	}
	return nil, nil
}

func (s *Session) told(text string) ([]Effect, error) {
	var m message
	if json.Unmarshal([]byte(text), &m) != nil || m.Type == "" {
		return nil, faults.New(types.MakeFaultKindProtocol(), "a message of the vendor is no JSON object with a type")
	}
	switch m.Type {
	case "partial":
		if m.EndMs <= s.finalsEndMs { // it comes after its final
			return nil, nil
		}
		return []Effect{MakeEffectPartial(m.transcript(wit.None[float32]()))}, nil
	case "final":
		if m.EndMs <= s.finalsEndMs {
			return nil, nil
		}
		s.finalsEndMs = m.EndMs
		return []Effect{MakeEffectFinal(m.transcript(wit.Some[float32](1)))}, nil
	case "finalized":
		if s.finalizing > 0 {
			s.finalizing--
			return []Effect{MakeEffectFinalized()}, nil
		}
	case "error":
		return nil, m.fault()
	}
	return nil, nil // what a vendor adds later is not for this version
}

func (s *Session) woken(now Instant, id uint32) ([]Effect, error) {
	switch {
	case id == firstAnswer.Id && !s.opened:
		return nil, faults.Unavailable("the vendor did not answer in time")
	case id == finalized.Id && s.finalizing > 0:
		return nil, faults.Unavailable("the vendor did not finalize in time")
	case id == end.Id && s.ending:
		return append([]Effect{MakeEffectLink(link.MakeLinkEffectClose(vendor))}, s.done(now)...), nil
	}
	return nil, nil
}

func (s *Session) done(now Instant) (effects []Effect) {
	// The vendor has hung up: what was to be finalized is final.
	for ; s.finalizing > 0; s.finalizing-- {
		effects = append(effects, MakeEffectFinalized())
	}
	usage := types.Usage{AudioMs: (now.MonoUs - s.beganUs) / 1000, Requests: 1}
	return append(effects, MakeEffectUsage(usage), MakeEffectDone())
}

func open(start types.SessionStart) ([]Effect, error) {
	encoding, offered := map[types.Encoding]string{types.EncodingPcmS16le: "pcm", types.EncodingMulaw: "mulaw"}[start.Format.Encoding]
	if !offered {
		return nil, faults.New(types.MakeFaultKindUnsupported(), "A-law is not offered")
	}
	options := struct{ Model, Endpoint string }{Model: "general"}
	if err := faults.ParseOptions(start.Options, &options); err != nil {
		return nil, err
	}
	url, err := faults.AtEndpoint(address, options.Endpoint)
	if err != nil {
		return nil, err
	}
	websocket := link.WebsocketOpen{
		Id:      vendor,
		Url:     fmt.Sprintf("%s?model=%s&encoding=%s&rate=%d&language=%s", url, options.Model, encoding, start.Format.RateHz, start.Language),
		Headers: link.Fields{{F0: "authorization", F1: "Bearer {secret:api_key}"}},
		Auth:    link.MakeAuthenticationTemplates(),
	}
	return []Effect{
		MakeEffectLink(link.MakeLinkEffectWebsocket(websocket)),
		// The host forwards each chunk without calling this plugin, also while the link is being opened.
		MakeEffectRouteAudio(AudioRoute{Link: vendor}),
		MakeEffectTimer(firstAnswer),
	}, nil
}

func sendText(text string) Effect {
	return MakeEffectLink(link.MakeLinkEffectSendText(link.LinkText{Id: vendor, Data: text}))
}

func (m message) transcript(stability wit.Option[float32]) types.Transcript {
	confidence := wit.None[float32]()
	if m.Confidence != nil {
		confidence = wit.Some(*m.Confidence)
	}
	return types.Transcript{
		Text: m.Text, Language: wit.None[string](), Confidence: confidence, Stability: stability, StartMs: m.StartMs, EndMs: m.EndMs,
	}
}

func (m message) fault() error {
	const detail = "the vendor reported an error"
	switch m.Code {
	case "unauthorized":
		return faults.New(types.MakeFaultKindAuth(), detail)
	case "rate_limited":
		wait := wit.None[uint64]()
		if m.RetryAfterMs != nil {
			wait = wit.Some(*m.RetryAfterMs)
		}
		return faults.New(types.MakeFaultKindQuota(wait), detail)
	case "bad_audio":
		return faults.New(types.MakeFaultKindBadAudio(), detail)
	}
	return faults.Unavailable(detail)
}
