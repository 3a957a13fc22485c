//! A recorded session once more: the same inputs at the same times, and the first effect that is not the same.

use super::turn::{Said, Told};
use super::{Recording, json};
use crate::api::{Kind, Now};
use crate::instance::{SessionError, SttInstance, TtsInstance};
use crate::load::Plugin;
use crate::signing::Signing;
use serde_json::Value;
use std::fmt;

/// A guest of either kind that speaks, without task, mailbox or clock.
pub enum AnyInstance {
    /// Listens.
    Stt(SttInstance),
    /// Speaks.
    Tts(TtsInstance),
}

impl AnyInstance {
    /// A fresh guest.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] for a mask; any trap or limit of its constructor.
    pub fn open(plugin: &Plugin) -> Result<Self, SessionError> {
        match plugin.descriptor().kind {
            Kind::Stt => plugin.instantiate_stt().map(Self::Stt),
            Kind::Tts => plugin.instantiate_tts().map(Self::Tts),
            Kind::Mask => Err(SessionError::WrongKind),
        }
    }

    /// From now on it is answered whenever it asks for a signature, by something that only looks like one: for a vendor that is
    /// played. Without this, nothing.
    pub fn make_up_signatures(&mut self) {
        if let Some(signing) = self.signing() {
            signing.make_up();
        }
    }

    /// What it is answered when it asks for signatures in its next call.
    pub fn answer_signatures(&mut self, recorded: &[Option<String>]) {
        if let Some(signing) = self.signing() {
            signing.answer_with(recorded);
        }
    }

    fn signing(&mut self) -> Option<&mut Signing> {
        match self {
            Self::Stt(guest) => guest.0.signing(),
            Self::Tts(guest) => guest.0.signing(),
        }
    }

    /// Tells the guest what happened; answers what it says to do.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] for an input of the other kind; any trap or limit, after which it is dead.
    pub fn handle(&mut self, now: Now, told: Told) -> Result<Vec<Said>, SessionError> {
        match self {
            Self::Stt(guest) => {
                let input = told.for_listener().ok_or(SessionError::WrongKind)?;
                Ok(guest.handle(now, input)?.iter().map(Said::from).collect())
            }
            Self::Tts(guest) => {
                let input = told.for_speaker().ok_or(SessionError::WrongKind)?;
                Ok(guest.handle(now, input)?.iter().map(Said::from).collect())
            }
        }
    }
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Replay {
    /// Every effect is the same.
    Same {
        /// Calls of the guest.
        turns: usize,
    },
    /// At some point it is not.
    Differs(Divergence),
}

/// The first difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// Which turn of the recording, counted from 1; its line in the file is one more.
    pub turn: usize,
    /// What the guest was told in it.
    pub told: &'static str,
    /// Which effect of the call, counted from 1.
    pub effect: usize,
    /// As recorded; none where nothing more was said. `"fell"` where the call never came back.
    pub expected: Option<Value>,
    /// As said now.
    pub got: Option<Value>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turn, told, effect, expected, got } = self;
        let show = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing more".to_owned(), Value::to_string);
        write!(f, "turn {turn} ({told}), effect {effect}: expected {}, got {}", show(expected), show(got))
    }
}

/// Runs a recorded session once more. The digest of `plugin` may be another one: that is how a change is tried.
///
/// # Errors
/// Where no guest can be opened.
pub fn replay(plugin: &Plugin, recording: &Recording) -> Result<Replay, SessionError> {
    let mut guest = AnyInstance::open(plugin)?;
    let mut turns = 0;
    for (at, turn) in recording.turns.iter().enumerate() {
        if let Told::Routed(..) = turn.told {
            continue;
        }
        turns += 1;
        guest.answer_signatures(&turn.signatures);
        let got = guest.handle(turn.now, turn.told.clone()).map_or_else(
            |error| vec![Value::from(format!("fell: {}", error.code()))],
            |effects| effects.iter().map(|effect| json::said(effect, recording.header.words)).collect(),
        );
        if let Some((effect, expected, got)) = first_difference(turn.said.as_deref(), &got) {
            return Ok(Replay::Differs(Divergence { turn: at + 1, told: turn.told.name(), effect, expected, got }));
        }
    }
    Ok(Replay::Same { turns })
}

fn first_difference(expected: Option<&[Value]>, got: &[Value]) -> Option<(usize, Option<Value>, Option<Value>)> {
    let Some(expected) = expected else {
        let fell = matches!(got, [Value::String(word)] if word.starts_with("fell"));
        return (!fell).then(|| (1, Some(Value::from("fell")), got.first().cloned()));
    };
    let longest = expected.len().max(got.len());
    let at = (0..longest).find(|at| expected.get(*at) != got.get(*at))?;
    Some((at + 1, expected.get(at).cloned(), got.get(at).cloned()))
}
