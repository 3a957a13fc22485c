// Package export_serphona_speech_describe says what plugin-name is and wishes.
package export_serphona_speech_describe

import (
	. "wit_component/serphona_speech_describe"
	types "wit_component/serphona_speech_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

const schema = `{"type":"object","additionalProperties":false,"properties":{
	"voice":{"type":"string","default":"anna"},
	"endpoint":{"type":"string","description":"scheme://host[:port] in place of the vendor's"}}}`

// Describe is asked once, when the host loads the plugin.
func Describe() Descriptor {
	return Descriptor{
		Id:      "plugin-name",
		Version: "0.1.0",
		Kind:    KindTts,
		Formats: []AudioFormat{
			{Encoding: types.EncodingPcmS16le, RateHz: 16000},
			{Encoding: types.EncodingPcmS16le, RateHz: 8000},
			{Encoding: types.EncodingMulaw, RateHz: 8000},
		},
		Languages:     []string{"en-US"},
		Features:      0,
		OptionsSchema: schema,
		Hosts:         []string{"https://api.example.com"},
		Secrets:       []SecretWish{{Name: "api_key", Kind: SecretKindFixed, Why: "the vendor's key"}},
		SessionMaxS:   wit.None[uint32](),
		Compute:       ComputeLight,
	}
}
