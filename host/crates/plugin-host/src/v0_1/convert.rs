//! Generated types to the house's types and back. Values are moved, never copied.

use super::{describe, link, stt, tts, types};
use crate::api::{
    AudioFormat, Compute, Descriptor, Encoding, Fault, FaultKind, Features, Kind, LinkEffect, LinkInput, Now, OptionFault,
    Remedy, SessionStart, SpeechEdge, SttEffect, SttInput, Timer, Transcript, TtsEffect, TtsInput, Usage, Word,
};
use crate::limits::{FAULT_DETAIL_BYTES, cut};

impl From<Now> for types::Instant {
    fn from(now: Now) -> Self {
        Self { mono_us: now.mono_us, unix_ms: now.unix_ms }
    }
}

impl From<SessionStart> for types::SessionStart {
    fn from(start: SessionStart) -> Self {
        Self { format: start.format.into(), language: start.language, options: start.options, seed: start.seed.to_vec() }
    }
}

impl From<AudioFormat> for types::AudioFormat {
    fn from(format: AudioFormat) -> Self {
        let encoding = match format.encoding {
            Encoding::PcmS16le => types::Encoding::PcmS16le,
            Encoding::Mulaw => types::Encoding::Mulaw,
            Encoding::Alaw => types::Encoding::Alaw,
        };
        Self { encoding, rate_hz: format.rate_hz }
    }
}

impl From<types::AudioFormat> for AudioFormat {
    fn from(format: types::AudioFormat) -> Self {
        let encoding = match format.encoding {
            types::Encoding::PcmS16le => Encoding::PcmS16le,
            types::Encoding::Mulaw => Encoding::Mulaw,
            types::Encoding::Alaw => Encoding::Alaw,
        };
        Self { encoding, rate_hz: format.rate_hz }
    }
}

impl From<LinkInput> for link::LinkInput {
    fn from(input: LinkInput) -> Self {
        match input {
            LinkInput::EgressDenied(id) => Self::Failed(link::Failed {
                id,
                kind: link::LinkErrorKind::EgressDenied,
                detail: "no egress is granted to this plugin".to_owned(),
            }),
        }
    }
}

impl From<link::LinkEffect> for LinkEffect {
    fn from(effect: link::LinkEffect) -> Self {
        match effect {
            link::LinkEffect::Http(open) => Self::Open(open.id),
            link::LinkEffect::Websocket(open) => Self::Open(open.id),
            link::LinkEffect::SendBytes(piece) => Self::Use(piece.id),
            link::LinkEffect::SendText(piece) => Self::Use(piece.id),
            link::LinkEffect::Finish(id) | link::LinkEffect::Close(id) => Self::Use(id),
        }
    }
}

impl From<SttInput> for stt::Input {
    fn from(input: SttInput) -> Self {
        match input {
            SttInput::Start(start) => Self::Start(start.into()),
            SttInput::Audio(samples) => Self::Audio(samples),
            SttInput::Edge(SpeechEdge::Started(ms)) => Self::Edge(stt::Edge::SpeechStarted(ms)),
            SttInput::Edge(SpeechEdge::Ended(ms)) => Self::Edge(stt::Edge::SpeechEnded(ms)),
            SttInput::Finalize => Self::Finalize,
            SttInput::End => Self::End,
            SttInput::Link(news) => Self::Link(news.into()),
            SttInput::Timer(id) => Self::Timer(id),
        }
    }
}

impl From<stt::Effect> for SttEffect {
    fn from(effect: stt::Effect) -> Self {
        match effect {
            stt::Effect::Link(effect) => Self::Link(effect.into()),
            stt::Effect::RouteAudio(route) => Self::RouteAudio(route.link),
            stt::Effect::SpeechStarted(ms) => Self::SpeechStarted(ms),
            stt::Effect::Partial(words) => Self::Partial(words.into()),
            stt::Effect::Final(words) => Self::Final(words.into()),
            stt::Effect::Finalized => Self::Finalized,
            stt::Effect::SpeechEnded(ms) => Self::SpeechEnded(ms),
            stt::Effect::Timer(timer) => Self::Timer(Timer { id: timer.id, delay_ms: timer.delay_ms }),
            stt::Effect::Usage(usage) => Self::Usage(usage.into()),
            stt::Effect::Done => Self::Done,
            stt::Effect::Fail(fault) => Self::Fail(fault.into()),
        }
    }
}

impl From<TtsInput> for tts::Input {
    fn from(input: TtsInput) -> Self {
        match input {
            TtsInput::Start(start) => Self::Start(start.into()),
            TtsInput::Text(text) => Self::Text(text),
            TtsInput::Flush(mark) => Self::Flush(mark),
            TtsInput::Cancel => Self::Cancel,
            TtsInput::End => Self::End,
            TtsInput::Link(news) => Self::Link(news.into()),
            TtsInput::Timer(id) => Self::Timer(id),
        }
    }
}

impl From<tts::Effect> for TtsEffect {
    fn from(effect: tts::Effect) -> Self {
        match effect {
            tts::Effect::Link(effect) => Self::Link(effect.into()),
            tts::Effect::Audio(samples) => Self::Audio(samples),
            tts::Effect::Word(word) => Self::Word(word.into()),
            tts::Effect::Flushed(mark) => Self::Flushed(mark),
            tts::Effect::Cancelled => Self::Cancelled,
            tts::Effect::Timer(timer) => Self::Timer(Timer { id: timer.id, delay_ms: timer.delay_ms }),
            tts::Effect::Usage(usage) => Self::Usage(usage.into()),
            tts::Effect::Done => Self::Done,
            tts::Effect::Fail(fault) => Self::Fail(fault.into()),
        }
    }
}

impl From<types::Word> for Word {
    fn from(word: types::Word) -> Self {
        Self { text: word.text, start_ms: word.start_ms, end_ms: word.end_ms, confidence: word.confidence }
    }
}

impl From<types::Transcript> for Transcript {
    fn from(heard: types::Transcript) -> Self {
        Self {
            text: heard.text,
            language: heard.language,
            confidence: heard.confidence,
            stability: heard.stability,
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            words: heard.words.into_iter().map(Word::from).collect(),
        }
    }
}

impl From<types::Usage> for Usage {
    fn from(usage: types::Usage) -> Self {
        Self { audio_ms: usage.audio_ms, characters: usage.characters, requests: usage.requests }
    }
}

impl From<types::Fault> for Fault {
    fn from(fault: types::Fault) -> Self {
        let kind = match fault.kind {
            types::FaultKind::Auth => FaultKind::Auth,
            types::FaultKind::Quota(retry_after_ms) => FaultKind::Quota { retry_after_ms },
            types::FaultKind::Unsupported => FaultKind::Unsupported,
            types::FaultKind::InvalidOptions(faults) => FaultKind::InvalidOptions(
                faults.into_iter().map(|fault| OptionFault { path: fault.path, message: fault.message }).collect(),
            ),
            types::FaultKind::Unavailable => FaultKind::Unavailable,
            types::FaultKind::Protocol => FaultKind::Protocol,
            types::FaultKind::BadAudio => FaultKind::BadAudio,
            types::FaultKind::EmptyResult => FaultKind::EmptyResult,
            types::FaultKind::SessionLimit => FaultKind::SessionLimit,
            types::FaultKind::Internal => FaultKind::Internal,
        };
        let remedy = match fault.remedy {
            types::Remedy::Retry => Remedy::Retry,
            types::Remedy::NextProvider => Remedy::NextProvider,
            types::Remedy::Configuration => Remedy::Configuration,
            types::Remedy::Caller => Remedy::Caller,
        };
        Self { kind, remedy, detail: cut(fault.detail, FAULT_DETAIL_BYTES) }
    }
}

impl From<describe::Descriptor> for Descriptor {
    fn from(wish: describe::Descriptor) -> Self {
        let has = |feature| wish.features.contains(feature);
        Self {
            features: Features {
                interim: has(describe::Features::INTERIM),
                word_times: has(describe::Features::WORD_TIMES),
                finalize: has(describe::Features::FINALIZE),
                endpointing: has(describe::Features::ENDPOINTING),
                incremental_text: has(describe::Features::INCREMENTAL_TEXT),
            },
            kind: match wish.kind {
                describe::Kind::Stt => Kind::Stt,
                describe::Kind::Tts => Kind::Tts,
                describe::Kind::Mask => Kind::Mask,
            },
            compute: match wish.compute {
                describe::Compute::Light => Compute::Light,
                describe::Compute::Heavy => Compute::Heavy,
            },
            formats: wish.formats.into_iter().map(AudioFormat::from).collect(),
            secrets: wish.secrets.into_iter().map(|secret| (secret.name, secret.why)).collect(),
            id: wish.id,
            version: wish.version,
            languages: wish.languages,
            options_schema: wish.options_schema,
            hosts: wish.hosts,
            session_max_s: wish.session_max_s,
        }
    }
}
