//! A session as it happened, so that it can run again elsewhere: one JSON line per turn.
//!
//! The first line is the header: plugin, version, digest, kind, language, format, options and seed. Each further line is one
//! call of the guest: when, what it was told, what it said.
//!
//! **What a recording contains.** Everything that the session was told, as it was: the caller's voice, the agent's words, and
//! every byte that the vendor sent. All of it is needed to run again, so a recording is as confidential as the call. What the
//! session *said* (transcripts, synthesised sound, what it sent to the vendor) is kept as length and SHA-256 only, unless
//! [`Words::Clear`] is chosen; a hash of few words can be guessed. Secrets are never in it: a guest names them and the links
//! fill them in behind its back, and what a permitted host echoes of them is masked before the session sees it. Signatures that
//! the host made for it are kept, since another host could not make them again.
//!
//! Audio that goes to a link by itself (`route-audio`) passes the guest by; it is a line all the same, since the vendor answers it.

mod json;
mod replay;
mod turn;

pub use replay::{AnyInstance, Divergence, Replay, replay};
pub use turn::{Said, Told};

use crate::api::{Kind, LinkId, Now, SessionStart, SttEffect, SttInput, TtsEffect, TtsInput};
use crate::load::Plugin;
use crate::signing::Signature;
use json::{HeaderLine, ToldLine, TurnLine};
use serde_json::Value;
use std::io::{self, BufRead, Write};

/// What is kept of words and sound that a session *says*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// Length and hash: enough to see whether another run says the same.
    #[default]
    Hashed,
    /// As they are.
    Clear,
}

/// Whose session it is and how it began.
#[derive(Clone, Debug)]
pub struct Header {
    /// The plugin's name.
    pub plugin: String,
    /// The version that it gives itself.
    pub version: String,
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// What it does.
    pub kind: Kind,
    /// Its first input.
    pub start: SessionStart,
    /// What is kept of words in effects.
    pub words: Words,
}

/// One call of the guest, or audio that passed it by.
#[derive(Clone, Debug)]
pub struct Turn {
    /// When.
    pub now: Now,
    /// What it was told.
    pub told: Told,
    /// What it was answered when it asked for signatures, in order.
    pub signatures: Vec<Option<String>>,
    /// What it said, as recorded; none where the call never came back.
    pub said: Option<Vec<Value>>,
}

/// A session that was read back.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Whose, and how it began.
    pub header: Header,
    /// In order; the first is told `start`.
    pub turns: Vec<Turn>,
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read.
    #[error("recording cannot be read")]
    Io(#[source] io::Error),
    /// There is nothing in it.
    #[error("recording is empty")]
    Empty,
    /// A line is not what it should be.
    #[error("line {line} of the recording is broken")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A value within a line means nothing here.
    #[error("line {line} of the recording: {field} is not known to this version")]
    Value {
        /// Counted from 1.
        line: usize,
        /// Which.
        field: &'static str,
    },
}

impl RecordingError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Empty => "empty",
            Self::Line { .. } => "line",
            Self::Value { .. } => "value",
        }
    }
}

/// Writes what a session is told and says, turn by turn. Where that fails the recording ends, with one log line; the session goes on.
pub struct Recorder {
    /// None once writing failed.
    out: Option<Box<dyn Write + Send>>,
    /// Its start comes with the first turn.
    about: (String, String, String, Kind),
    words: Words,
    /// A call that has not come back yet.
    pending: Option<(Now, ToldLine)>,
}

impl Recorder {
    /// Records a session of `plugin` to `out`, which is flushed after each turn.
    pub fn new(plugin: &Plugin, words: Words, out: Box<dyn Write + Send>) -> Self {
        let descriptor = plugin.descriptor();
        let about = (plugin.name().to_owned(), descriptor.version.clone(), plugin.digest().to_owned(), descriptor.kind);
        Self { out: Some(out), about, words, pending: None }
    }

    pub(crate) fn stt_told(&mut self, now: Now, input: &SttInput) {
        self.told(now, &input.into());
    }

    pub(crate) fn stt_said(&mut self, effects: &[SttEffect], signatures: Vec<Signature>) {
        self.said(effects.iter().map(Said::from), signatures);
    }

    pub(crate) fn tts_told(&mut self, now: Now, input: &TtsInput) {
        self.told(now, &input.into());
    }

    pub(crate) fn tts_said(&mut self, effects: &[TtsEffect], signatures: Vec<Signature>) {
        self.said(effects.iter().map(Said::from), signatures);
    }

    /// A chunk went to a link without a call.
    pub(crate) fn routed(&mut self, now: Now, link: LinkId, samples: &[u8]) {
        self.pending = Some((now, ToldLine::of(&Told::Routed(link, samples.to_vec()))));
        self.close_turn(Some(Vec::new()), Vec::new());
    }

    fn told(&mut self, now: Now, told: &Told) {
        if let Told::Start(start) = told {
            let (plugin, version, digest, kind) = self.about.clone();
            self.write(&HeaderLine::of(&Header { plugin, version, digest, kind, start: start.clone(), words: self.words }));
        }
        self.pending = Some((now, ToldLine::of(told)));
    }

    fn said(&mut self, effects: impl Iterator<Item = Said>, signatures: Vec<Signature>) {
        let said = effects.map(|effect| json::said(&effect, self.words)).collect();
        self.close_turn(Some(said), signatures);
    }

    fn close_turn(&mut self, said: Option<Vec<Value>>, signatures: Vec<Signature>) {
        if let Some((Now { mono_us, unix_ms }, told)) = self.pending.take() {
            self.write(&TurnLine { mono_us, unix_ms, told, signatures, said });
        }
    }

    fn write(&mut self, line: &impl serde::Serialize) {
        let Some(out) = &mut self.out else { return };
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            out.write_all(&line)?;
            out.flush()
        });
        if let Err(error) = written {
            tracing::warn!(target: "plugin", plugin = self.about.0, %error, "recording ended: it cannot be written");
            self.out = None;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close_turn(None, Vec::new());
    }
}

impl Recording {
    /// Reads a recording as a whole.
    ///
    /// # Errors
    /// See [`RecordingError`]. A last line that was cut off is no error: whoever recorded was stopped.
    pub fn read(from: impl BufRead) -> Result<Self, RecordingError> {
        let mut lines = from.lines().enumerate().map(|(at, line)| (at + 1, line.map_err(RecordingError::Io))).peekable();
        let (line, first) = lines.next().ok_or(RecordingError::Empty)?;
        let first: HeaderLine = serde_json::from_str(&first?).map_err(|source| RecordingError::Line { line, source })?;
        let header = first.header().map_err(|field| RecordingError::Value { line, field })?;
        let mut turns = Vec::new();
        while let Some((line, text)) = lines.next() {
            match serde_json::from_str::<TurnLine>(&text?) {
                Ok(TurnLine { mono_us, unix_ms, told, signatures, said }) => {
                    let told = told.told(&header.start).map_err(|field| RecordingError::Value { line, field })?;
                    turns.push(Turn { now: Now { mono_us, unix_ms }, told, signatures, said });
                }
                Err(error) if error.is_eof() && lines.peek().is_none() => break,
                Err(source) => return Err(RecordingError::Line { line, source }),
            }
        }
        Ok(Self { header, turns })
    }
}

impl Words {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hashed => "hashed",
            Self::Clear => "clear",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Hashed, Self::Clear].into_iter().find(|words| words.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
