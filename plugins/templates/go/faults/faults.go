// Package faults says what statuses and broken links mean, in the words that the host's ladder understands.
package faults

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	. "wit_component/serphona_speech_link"
	. "wit_component/serphona_speech_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Error is a fault on its way out of a session.
type Error struct{ Fault }

func (e *Error) Error() string { return e.Detail }

// New is a fault with the remedy that usually fits its kind.
func New(kind FaultKind, format string, arguments ...any) *Error {
	remedy := RemedyNextProvider
	switch kind.Tag() {
	case FaultKindAuth, FaultKindUnsupported, FaultKindInvalidOptions:
		remedy = RemedyConfiguration
	case FaultKindEmptyResult:
		remedy = RemedyCaller
	}
	return &Error{Fault{Kind: kind, Remedy: remedy, Detail: fmt.Sprintf(format, arguments...)}}
}

// Unavailable is the fault of a vendor that cannot be reached or fell silent.
func Unavailable(detail string) *Error { return New(MakeFaultKindUnavailable(), "%s", detail) }

// CheckStatus says what an HTTP status of the vendor means: no error where it is the wanted one.
func CheckStatus(head Opened, wanted uint16) error {
	kind := MakeFaultKindProtocol()
	switch status := head.Status; {
	case status == wanted:
		return nil
	case status == 401 || status == 403:
		kind = MakeFaultKindAuth()
	case status == 402 || status == 429:
		kind = MakeFaultKindQuota(retryAfterMs(head.Headers))
	case status == 408 || status == 425 || status >= 500:
		kind = MakeFaultKindUnavailable()
	case status == 404 || status == 406 || status == 415 || status == 422:
		kind = MakeFaultKindUnsupported()
	}
	return New(kind, "the vendor answered with status %d", head.Status)
}

func retryAfterMs(headers Fields) wit.Option[uint64] {
	for _, field := range headers {
		if strings.EqualFold(field.F0, "retry-after") {
			if seconds, err := strconv.ParseUint(strings.TrimSpace(field.F1), 10, 32); err == nil {
				return wit.Some(seconds * 1000)
			}
		}
	}
	return wit.None[uint64]()
}

// OfLink says what a failed link means for the session.
func OfLink(failed Failed) error {
	kind := MakeFaultKindUnavailable()
	switch failed.Kind {
	case LinkErrorKindProtocol:
		kind = MakeFaultKindProtocol()
	case LinkErrorKindLimit:
		kind = MakeFaultKindSessionLimit()
	}
	fault := New(kind, "the link failed: %s", failed.Detail)
	if failed.Kind == LinkErrorKindEgressDenied {
		fault.Remedy = RemedyConfiguration
	}
	return fault
}

// ParseOptions reads the tenant's options into a struct.
func ParseOptions(text string, options any) error {
	if json.Unmarshal([]byte(text), options) != nil {
		return wrongOption("", "is not what the schema says")
	}
	return nil
}

// AtEndpoint is `address` with its origin replaced by the option `endpoint`, so that the plugin can be pointed at a local server.
func AtEndpoint(address, endpoint string) (string, error) {
	if endpoint == "" {
		return address, nil
	}
	origin, err := url.Parse(endpoint)
	own, ownErr := url.Parse(address)
	if err != nil || ownErr != nil || origin.Host == "" || origin.User != nil || strings.Trim(origin.Path, "/")+origin.RawQuery+origin.Fragment != "" {
		return "", wrongOption("/endpoint", "must be scheme://host[:port], without a path")
	}
	family := strings.TrimSuffix(own.Scheme, "s")
	switch origin.Scheme {
	case "https", "wss":
		own.Scheme = family + "s"
	case "http", "ws":
		own.Scheme = family
	default:
		return "", wrongOption("/endpoint", "must begin with https, http, wss or ws")
	}
	own.Host = origin.Host
	return own.String(), nil
}

func wrongOption(path, message string) error {
	return New(MakeFaultKindInvalidOptions([]OptionFault{{Path: path, Message: message}}), "the options do not satisfy the schema")
}
