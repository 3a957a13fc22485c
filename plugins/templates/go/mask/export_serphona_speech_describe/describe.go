// Package export_serphona_speech_describe says what plugin-name is.
package export_serphona_speech_describe

import (
	. "wit_component/serphona_speech_describe"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Describe is asked once, when the host loads the plugin.
func Describe() Descriptor {
	return Descriptor{
		Id:            "plugin-name",
		Version:       "0.1.0",
		Kind:          KindMask,
		OptionsSchema: `{"type":"object","additionalProperties":false}`,
		SessionMaxS:   wit.None[uint32](),
		Compute:       ComputeLight,
	}
}
