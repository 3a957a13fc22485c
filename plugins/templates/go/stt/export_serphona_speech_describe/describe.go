// Package export_serphona_speech_describe says what plugin-name is and wishes.
package export_serphona_speech_describe

import (
	. "wit_component/serphona_speech_describe"
	types "wit_component/serphona_speech_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

const schema = `{"type":"object","additionalProperties":false,"properties":{
	"model":{"type":"string","default":"general","pattern":"^[a-z0-9-]+$"},
	"endpoint":{"type":"string","description":"scheme://host[:port] in place of the vendor's"}}}`

// Describe is asked once, when the host loads the plugin.
func Describe() Descriptor {
	return Descriptor{
		Id:      "plugin-name",
		Version: "0.1.0",
		Kind:    KindStt,
		Formats: []AudioFormat{
			{Encoding: types.EncodingPcmS16le, RateHz: 16000},
			{Encoding: types.EncodingPcmS16le, RateHz: 8000},
			{Encoding: types.EncodingMulaw, RateHz: 8000},
		},
		Languages:     []string{"en-US"},
		Features:      FeaturesInterim | FeaturesFinalize,
		OptionsSchema: schema,
		Hosts:         []string{"wss://api.example.com"},
		Secrets:       []SecretWish{{Name: "api_key", Kind: SecretKindFixed, Why: "the vendor's key"}},
		SessionMaxS:   wit.None[uint32](),
		Compute:       ComputeLight,
	}
}
