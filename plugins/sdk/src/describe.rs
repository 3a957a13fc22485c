//! Descriptors with the plain answers filled in.

use crate::{Compute, Descriptor, Features, Kind};

impl Descriptor {
    /// A light speech-to-text plugin without formats, languages, options, hosts or secrets: name what differs and take
    /// the rest by struct update.
    pub fn stt(id: &str, version: &str) -> Self {
        Self::plain(Kind::Stt, id, version)
    }

    /// A light text-to-speech plugin without formats, languages, options, hosts or secrets.
    pub fn tts(id: &str, version: &str) -> Self {
        Self::plain(Kind::Tts, id, version)
    }

    /// A masker. Its formats, options, hosts and secrets stay empty: it has no imports and no settings but the call's.
    pub fn mask(id: &str, version: &str) -> Self {
        Self::plain(Kind::Mask, id, version)
    }

    fn plain(kind: Kind, id: &str, version: &str) -> Self {
        Self {
            id: id.to_owned(),
            version: version.to_owned(),
            kind,
            formats: vec![],
            languages: vec![],
            features: Features::empty(),
            options_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
            hosts: vec![],
            secrets: vec![],
            session_max_s: None,
            compute: Compute::Light,
        }
    }
}
