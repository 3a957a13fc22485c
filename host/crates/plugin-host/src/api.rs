//! What plugins and host say to each other, without a version: every version of the WIT contract is converted to these types,
//! so that the rest of the house never sees generated bindings.
//!
//! Types that carry spoken words print their size, never the words.

use std::fmt;
use zeroize::Zeroizing;

pub use vg_links::wire::{
    Authentication, AwsPayload, AwsSigV4, Fields, HttpOpen, HttpVersion, LinkEffect, LinkErrorKind, LinkId, LinkInput, Payload,
    Preconnect, RequestBody, Signed, WebsocketOpen,
};

/// How the samples of a chunk are written. Audio is always mono.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Signed 16-bit little-endian linear samples.
    PcmS16le,
    /// G.711 mu-law, one byte a sample.
    Mulaw,
    /// G.711 A-law, one byte a sample.
    Alaw,
}

/// The shape of a stream of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// How samples are written.
    pub encoding: Encoding,
    /// Samples a second: 8000, 16000, 24000 or 48000.
    pub rate_hz: u32,
}

/// When the host calls; a session has no clock of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Microseconds on a clock that never goes back.
    pub mono_us: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: u64,
}

/// A session's first input.
#[derive(Clone, Debug)]
pub struct SessionStart {
    /// The audio that comes in (speech-to-text) or is wanted (text-to-speech).
    pub format: AudioFormat,
    /// BCP 47 tag.
    pub language: String,
    /// The tenant's options, one JSON object.
    pub options: String,
    /// The session's only source of randomness.
    pub seed: [u8; 32],
}

/// Whose session it is: tags its log lines, nothing else.
#[derive(Clone, Debug, Default)]
pub struct SessionTag {
    /// The tenant's id.
    pub tenant: String,
    /// The call's id.
    pub call: String,
}

/// A speech edge seen by the host's voice activity detector; milliseconds since the session's first sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechEdge {
    /// The caller began.
    Started(u64),
    /// The caller paused: the place of the last voiced sample.
    Ended(u64),
}

/// What a listener is told. Small, since each session's mailbox has room for many.
pub enum SttInput {
    /// Always the first, once. A driven session sends it by itself.
    Start(Box<SessionStart>),
    /// The next samples in the format of `Start`.
    Audio(Vec<u8>),
    /// A speech edge.
    Edge(SpeechEdge),
    /// The caller's turn is over: say what is final, then `Finalized`.
    Finalize,
    /// No further audio.
    End,
    /// News of a link. Only the host's.
    Link(Box<LinkInput>),
    /// A timer ran out. Only the host's.
    Timer(u32),
}

/// What a listener says to do.
#[derive(Debug)]
pub enum SttEffect {
    /// Something about a connection.
    Link(LinkEffect),
    /// Further audio goes to a link without the guest.
    RouteAudio(AudioRoute),
    /// The engine heard speech begin; milliseconds since the session's first sample.
    SpeechStarted(u64),
    /// May change.
    Partial(Transcript),
    /// Will not change.
    Final(Transcript),
    /// Answer to `Finalize`.
    Finalized,
    /// The engine heard speech end.
    SpeechEnded(u64),
    /// Wake this session.
    Timer(Timer),
    /// What was worked.
    Usage(Usage),
    /// Ended well; last effect.
    Done,
    /// Cannot go on; last effect.
    Fail(Fault),
}

/// What a speaker is told. Small, since each session's mailbox has room for many.
pub enum TtsInput {
    /// Always the first, once. A driven session sends it by itself.
    Start(Box<SessionStart>),
    /// More text of the reply.
    Text(String),
    /// Answered by `Flushed` with the same mark after the last audio of all text so far.
    Flush(u32),
    /// Forget everything not yet given as audio; answered by `Cancelled`.
    Cancel,
    /// No further text.
    End,
    /// News of a link. Only the host's.
    Link(Box<LinkInput>),
    /// A timer ran out. Only the host's.
    Timer(u32),
}

/// What a speaker says to do.
#[derive(Debug)]
pub enum TtsEffect {
    /// Something about a connection.
    Link(LinkEffect),
    /// Samples in the format of `Start`.
    Audio(Vec<u8>),
    /// Where a word lies in the audio of this session.
    Word(Word),
    /// Answer to `Flush`.
    Flushed(u32),
    /// Answer to `Cancel`.
    Cancelled,
    /// Wake this session.
    Timer(Timer),
    /// What was worked.
    Usage(Usage),
    /// Ended well; last effect.
    Done,
    /// Cannot go on; last effect.
    Fail(Fault),
}

/// Audio that goes to a link by itself, each chunk behind a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioRoute {
    /// Where it goes.
    pub link: LinkId,
    /// What stands before each chunk.
    pub prefix: Vec<u8>,
}

/// A wish to be called again; the same id replaces an earlier wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Chosen by the session.
    pub id: u32,
    /// 0: as soon as there is room for output.
    pub delay_ms: u32,
}

/// One word and its place, in milliseconds since the session's first sample.
#[derive(Clone, PartialEq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// 0.0 to 1.0 where known.
    pub confidence: Option<f32>,
}

/// What an engine believes was said.
#[derive(Clone, PartialEq)]
pub struct Transcript {
    /// The words.
    pub text: String,
    /// BCP 47 tag where detected or confirmed.
    pub language: Option<String>,
    /// 0.0 to 1.0 where known.
    pub confidence: Option<f32>,
    /// 0.0 to 1.0: how unlikely a partial is to change.
    pub stability: Option<f32>,
    /// Start of the utterance in milliseconds since the session's first sample.
    pub start_ms: u64,
    /// End of the utterance in milliseconds since the session's first sample.
    pub end_ms: u64,
    /// Empty where the engine gives no timings.
    pub words: Vec<Word>,
}

/// What was billed or worked since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Milliseconds of audio.
    pub audio_ms: u64,
    /// Characters of text.
    pub characters: u64,
    /// Requests to the vendor.
    pub requests: u32,
}

/// Why a session cannot go on, in the plugin's own judgement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", kind.code())]
pub struct Fault {
    /// What it is.
    pub kind: FaultKind,
    /// Who can do something about it.
    pub remedy: Remedy,
    /// For the operator's log, at most 512 bytes; never spoken words.
    pub detail: String,
}

/// Closed set of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The credential was refused.
    Auth,
    /// A quota or rate limit was hit.
    Quota {
        /// The vendor's wish to wait.
        retry_after_ms: Option<u64>,
    },
    /// Format, language or feature is not offered.
    Unsupported,
    /// The tenant's options are wrong.
    InvalidOptions(Vec<OptionFault>),
    /// The vendor cannot be reached or answers with a server error.
    Unavailable,
    /// The vendor broke its protocol.
    Protocol,
    /// The audio cannot be decoded.
    BadAudio,
    /// The vendor answered well, with nothing in it.
    EmptyResult,
    /// No further session can be served now.
    SessionLimit,
    /// A defect of the plugin.
    Internal,
}

/// One option that does not satisfy the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionFault {
    /// JSON pointer, for example `/voice`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Who can do something about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same provider, again.
    Retry,
    /// Another provider.
    NextProvider,
    /// The operator or tenant.
    Configuration,
    /// The caller.
    Caller,
}

/// What a plugin is and wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// For example `stt-local`.
    pub id: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// What it does.
    pub kind: Kind,
    /// Best first.
    pub formats: Vec<AudioFormat>,
    /// BCP 47 tags; empty where the options decide.
    pub languages: Vec<String>,
    /// What it can do beyond the least.
    pub features: Features,
    /// JSON Schema of its options.
    pub options_schema: String,
    /// Hosts it wishes to reach.
    pub hosts: Vec<String>,
    /// Secrets it needs.
    pub secrets: Vec<SecretWish>,
    /// Longest session in seconds; none where unbounded.
    pub session_max_s: Option<u32>,
    /// How its sessions are run.
    pub compute: Compute,
}

/// A secret that a plugin needs by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretWish {
    /// The plugin's name for it.
    pub name: String,
    /// How a credential is made of it.
    pub kind: SecretKind,
    /// Shown to the tenant who has to provide it.
    pub why: String,
}

/// How a credential is made of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// One opaque value.
    Static,
    /// Key id, key and perhaps a session token.
    AwsCredentials,
    /// A key that signs tokens.
    GoogleServiceAccount,
    /// A client that is given tokens.
    Oauth2ClientCredentials,
}

/// What is masked in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskSettings {
    /// BCP 47 tags of the languages in which numbers may be spoken.
    pub languages: Vec<String>,
    /// What is masked.
    pub kinds: Vec<SpanKind>,
    /// Whether the last four digits of a card number may be shown.
    pub last_four: bool,
}

/// What is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A payment card's number.
    CardNumber,
    /// Its security code.
    SecurityCode,
    /// Its expiry date.
    ExpiryDate,
    /// A person's document, such as CPF or SSN.
    DocumentNumber,
}

/// Who produced a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// Spoken by the caller.
    Caller,
    /// Said by the agent.
    Agent,
    /// Typed on the keypad.
    Dtmf,
}

/// A piece of a call's text. Prints its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    /// The words, which nobody has masked yet: what they stand in is wiped when it is given back.
    pub text: Zeroizing<String>,
    /// Whose.
    pub source: TextSource,
    /// May still change.
    pub partial: bool,
}

/// A masked stretch; offsets are bytes of the input text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskSpan {
    /// What it was.
    pub kind: SpanKind,
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
}

/// What may leave a call.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked {
    /// The words that may be shown.
    pub text: String,
    /// What was masked.
    pub spans: Vec<MaskSpan>,
    /// Could be the start of something to mask: not to be shown yet.
    pub hold: bool,
}

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Listens.
    Stt,
    /// Speaks.
    Tts,
    /// Masks.
    Mask,
}

/// How sessions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// `handle` takes well under a millisecond: runs among the other tasks.
    Light,
    /// Runs a model: has threads of its own.
    Heavy,
}

/// Abilities beyond the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Gives partials.
    pub interim: bool,
    /// Words come with times.
    pub word_times: bool,
    /// Answers `Finalize`.
    pub finalize: bool,
    /// Finds ends of utterances itself.
    pub endpointing: bool,
    /// Takes text that stops inside a clause.
    pub incremental_text: bool,
}

impl Encoding {
    /// The name used in WIT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PcmS16le => "pcm-s16le",
            Self::Mulaw => "mulaw",
            Self::Alaw => "alaw",
        }
    }

    /// The encoding of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::PcmS16le, Self::Mulaw, Self::Alaw].into_iter().find(|encoding| encoding.as_str() == name)
    }

    /// Bytes of one sample.
    pub fn sample_bytes(self) -> usize {
        match self {
            Self::PcmS16le => 2,
            Self::Mulaw | Self::Alaw => 1,
        }
    }
}

impl Kind {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Stt, Self::Tts, Self::Mask].into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name used in WIT and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Tts => "tts",
            Self::Mask => "mask",
        }
    }
}

impl SecretKind {
    /// The name used in WIT and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::AwsCredentials => "aws-credentials",
            Self::GoogleServiceAccount => "google-service-account",
            Self::Oauth2ClientCredentials => "oauth2-client-credentials",
        }
    }
}

impl SpanKind {
    /// The name used in WIT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardNumber => "card-number",
            Self::SecurityCode => "security-code",
            Self::ExpiryDate => "expiry-date",
            Self::DocumentNumber => "document-number",
        }
    }
}

impl FaultKind {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Quota { .. } => "quota",
            Self::Unsupported => "unsupported",
            Self::InvalidOptions(_) => "invalid-options",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::BadAudio => "bad-audio",
            Self::EmptyResult => "empty-result",
            Self::SessionLimit => "session-limit",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word({} bytes, {}..{} ms)", self.text.len(), self.start_ms, self.end_ms)
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({:?}, {} bytes)", self.source, self.text.len())
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({} bytes, {} spans, hold: {})", self.text.len(), self.spans.len(), self.hold)
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({} bytes, {}..{} ms)", self.text.len(), self.start_ms, self.end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_never_prints_its_words() {
        let word = Word { text: "secret".into(), start_ms: 0, end_ms: 9, confidence: None };
        let transcript = Transcript {
            text: "secret".into(),
            language: None,
            confidence: None,
            stability: None,
            start_ms: 0,
            end_ms: 9,
            words: vec![word.clone()],
        };
        let printed = format!("{transcript:?} {word:?} {:?}", SttEffect::Final(transcript.clone()));
        assert!(!printed.contains("secret"), "{printed}");
    }
}
