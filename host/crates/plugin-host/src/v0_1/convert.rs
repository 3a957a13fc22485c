//! Generated types to the house's types and back. Values are moved, never copied.

use super::{Lent, describe, link, mask, stt, tts, types};
use crate::api::{
    AudioFormat, AudioRoute, Authentication, AwsPayload, AwsSigV4, Compute, Descriptor, Encoding, Fault, FaultKind, Features,
    HttpOpen, HttpVersion, Kind, LinkEffect, LinkErrorKind, LinkInput, MaskSettings, MaskSpan, Masked, Now, OptionFault, Payload,
    Preconnect, Remedy, RequestBody, SecretKind, SecretWish, Segment, SessionStart, Signed, SpanKind, SpeechEdge, SttEffect,
    SttInput, TextSource, Timer, Transcript, TtsEffect, TtsInput, Usage, WebsocketOpen, Word,
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
            LinkInput::Signed(id, Signed { signature, amz_date, scope, signer: _ }) => {
                Self::Signed(link::Signed { id, signature, amz_date, scope })
            }
            LinkInput::Opened { id, status, headers } => Self::Opened(link::Opened { id, status, headers }),
            LinkInput::Bytes(id, Payload(data)) => Self::Bytes(link::LinkBytes { id, data }),
            LinkInput::Text(id, Payload(data)) => {
                // Its UTF-8 was checked where it was received; nothing is lost by checking again without a way to fail.
                let data = String::from_utf8(data).unwrap_or_default();
                Self::Text(link::LinkText { id, data })
            }
            LinkInput::Trailers(id, fields) => Self::Trailers(link::Trailers { id, fields }),
            LinkInput::Finished(id, code) => Self::Finished(link::Finished { id, code }),
            LinkInput::Failed { id, kind, detail } => Self::Failed(link::Failed { id, kind: kind.into(), detail }),
            LinkInput::Full(id) => Self::Full(id),
            LinkInput::Writable(id) => Self::Writable(id),
        }
    }
}

impl From<LinkErrorKind> for link::LinkErrorKind {
    fn from(kind: LinkErrorKind) -> Self {
        match kind {
            LinkErrorKind::EgressDenied => Self::EgressDenied,
            LinkErrorKind::Dns => Self::Dns,
            LinkErrorKind::Connect => Self::Connect,
            LinkErrorKind::Tls => Self::Tls,
            LinkErrorKind::Timeout => Self::Timeout,
            LinkErrorKind::Protocol => Self::Protocol,
            LinkErrorKind::Reset => Self::Reset,
            LinkErrorKind::Limit => Self::Limit,
        }
    }
}

impl From<link::LinkEffect> for LinkEffect {
    fn from(effect: link::LinkEffect) -> Self {
        match effect {
            link::LinkEffect::Http(open) => Self::Http(HttpOpen {
                id: open.id,
                method: open.method,
                url: open.url,
                headers: open.headers,
                body: match open.body {
                    link::RequestBody::None => RequestBody::None,
                    link::RequestBody::Whole(body) => RequestBody::Whole(body),
                    link::RequestBody::Streaming => RequestBody::Streaming,
                },
                version: open.version.into(),
                auth: open.auth.into(),
            }),
            link::LinkEffect::Websocket(open) => Self::Websocket(WebsocketOpen {
                id: open.id,
                url: open.url,
                headers: open.headers,
                subprotocols: open.subprotocols,
                auth: open.auth.into(),
            }),
            link::LinkEffect::Preconnect(wish) => Self::Preconnect(Preconnect { url: wish.url, version: wish.version.into() }),
            link::LinkEffect::SendBytes(piece) => Self::SendBytes(piece.id, Payload(piece.data)),
            link::LinkEffect::SendText(piece) => Self::SendText(piece.id, Payload(piece.data.into_bytes())),
            link::LinkEffect::Finish(id) => Self::Finish(id),
            link::LinkEffect::Close(id) => Self::Close(id),
        }
    }
}

impl From<link::HttpVersion> for HttpVersion {
    fn from(version: link::HttpVersion) -> Self {
        match version {
            link::HttpVersion::Http1 => Self::Http1,
            link::HttpVersion::Http2 => Self::Http2,
        }
    }
}

impl From<link::Authentication> for Authentication {
    fn from(auth: link::Authentication) -> Self {
        match auth {
            link::Authentication::Templates => Self::Templates,
            link::Authentication::AwsSigv4(wish) => Self::AwsSigV4(AwsSigV4 {
                secret: wish.secret,
                region: wish.region,
                service: wish.service,
                payload: match wish.payload {
                    link::AwsPayload::Hashed => AwsPayload::Hashed,
                    link::AwsPayload::EventStream => AwsPayload::EventStream,
                    link::AwsPayload::Presigned => AwsPayload::Presigned,
                },
            }),
        }
    }
}

impl From<SttInput> for stt::Input {
    fn from(input: SttInput) -> Self {
        match input {
            SttInput::Start(start) => Self::Start((*start).into()),
            SttInput::Audio(samples) => Self::Audio(samples),
            SttInput::Edge(SpeechEdge::Started(ms)) => Self::Edge(stt::Edge::SpeechStarted(ms)),
            SttInput::Edge(SpeechEdge::Ended(ms)) => Self::Edge(stt::Edge::SpeechEnded(ms)),
            SttInput::Finalize => Self::Finalize,
            SttInput::End => Self::End,
            SttInput::Link(news) => Self::Link((*news).into()),
            SttInput::Timer(id) => Self::Timer(id),
        }
    }
}

impl From<stt::Effect> for SttEffect {
    fn from(effect: stt::Effect) -> Self {
        match effect {
            stt::Effect::Link(effect) => Self::Link(effect.into()),
            stt::Effect::RouteAudio(route) => Self::RouteAudio(AudioRoute { link: route.link, prefix: route.prefix }),
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
            TtsInput::Start(start) => Self::Start((*start).into()),
            TtsInput::Text(text) => Self::Text(text),
            TtsInput::Flush(mark) => Self::Flush(mark),
            TtsInput::Cancel => Self::Cancel,
            TtsInput::End => Self::End,
            TtsInput::Link(news) => Self::Link((*news).into()),
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
            secrets: wish.secrets.into_iter().map(SecretWish::from).collect(),
            id: wish.id,
            version: wish.version,
            languages: wish.languages,
            options_schema: wish.options_schema,
            hosts: wish.hosts,
            session_max_s: wish.session_max_s,
        }
    }
}

impl From<describe::SecretWish> for SecretWish {
    fn from(wish: describe::SecretWish) -> Self {
        let kind = match wish.kind {
            describe::SecretKind::Fixed => SecretKind::Static,
            describe::SecretKind::AwsCredentials => SecretKind::AwsCredentials,
            describe::SecretKind::GoogleServiceAccount => SecretKind::GoogleServiceAccount,
            describe::SecretKind::Oauth2ClientCredentials => SecretKind::Oauth2ClientCredentials,
        };
        Self { name: wish.name, kind, why: wish.why }
    }
}

impl From<MaskSettings> for mask::Settings {
    fn from(settings: MaskSettings) -> Self {
        let kind = |kind| match kind {
            SpanKind::CardNumber => mask::SpanKind::CardNumber,
            SpanKind::SecurityCode => mask::SpanKind::SecurityCode,
            SpanKind::ExpiryDate => mask::SpanKind::ExpiryDate,
            SpanKind::DocumentNumber => mask::SpanKind::DocumentNumber,
        };
        Self {
            languages: settings.languages,
            kinds: settings.kinds.into_iter().map(kind).collect(),
            last_four: settings.last_four,
        }
    }
}

impl From<Segment> for Lent {
    fn from(mut segment: Segment) -> Self {
        let source = match segment.source {
            TextSource::Caller => mask::Source::Caller,
            TextSource::Agent => mask::Source::Agent,
            TextSource::Dtmf => mask::Source::Dtmf,
        };
        Self { text: std::mem::take(&mut *segment.text), source, partial: segment.partial }
    }
}

impl From<mask::Masked> for Masked {
    fn from(masked: mask::Masked) -> Self {
        let span = |span: mask::Span| MaskSpan {
            kind: match span.kind {
                mask::SpanKind::CardNumber => SpanKind::CardNumber,
                mask::SpanKind::SecurityCode => SpanKind::SecurityCode,
                mask::SpanKind::ExpiryDate => SpanKind::ExpiryDate,
                mask::SpanKind::DocumentNumber => SpanKind::DocumentNumber,
            },
            start: span.start,
            end: span.end,
        };
        Self { text: masked.text, spans: masked.spans.into_iter().map(span).collect(), hold: masked.hold }
    }
}
