//! What another gateway needs to go on with a call, as it is kept: JSON with a version. Masked words only, and no number of anybody.

use super::ports::{PastTurn, Reach, Said};
use super::recording::{RecordingMemory, RecordingWish};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use vg_domain::call::{Keys, Resume, Spoken, Standing, Then};
use vg_domain::card::{CardCollect, CardField};
use vg_domain::dialling::AnsweredBy;
use vg_domain::fallback::Intent;
use vg_domain::ids::{TurnId, UtteranceId};
use vg_domain::keypad::Collect;
use vg_domain::mask::{Heard, Mask, MaskedText};
use vg_domain::outcome::EndCause;
use vg_domain::pause::{Expect, Pauses};
use vg_domain::recording::Consent;
use vg_domain::speech::Extent;

/// Rises where an older reader would misunderstand what is written. Fields that are only added do not raise it.
const VERSION: u32 = 1;
/// Room for what a call of some turns takes.
const USUAL_BYTES: usize = 2_048;

/// A call's memory beside the call itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The newest turns of the conversation.
    pub past: Vec<PastTurn>,
    /// What the gateway has said and the agent was told with its last question, and then what it is to be told with its next one.
    pub said: Vec<Said>,
    /// So many of those it was told.
    pub told: usize,
    /// The caller's last words ended with digits that may be a card's.
    pub digits_open: bool,
    /// What was recorded of it, and what was ordered of that.
    pub recording: RecordingMemory,
}

/// The same while the call goes on: what is kept at every change is not copied for it.
#[derive(Clone, Debug)]
pub struct Remembered<'a> {
    /// The newest turns of the conversation.
    pub past: &'a [PastTurn],
    /// What the agent was told last, and then what it is to be told next.
    pub said: Vec<&'a Said>,
    /// So many of those it was told.
    pub told: usize,
    /// The caller's last words ended with digits that may be a card's.
    pub digits_open: bool,
    /// What was recorded of it, and what was ordered of that.
    pub recording: &'a RecordingMemory,
}

/// Turns that are over, as they are kept: each is written once, however often the call is kept. *Invariant:* they are the oldest of the past, in its order.
#[derive(Debug, Default)]
pub struct PastWritten {
    over: VecDeque<(TurnId, Box<RawValue>)>,
    newest: Option<Box<RawValue>>,
}

impl PastWritten {
    /// All of `past`, of which only the newest may have changed since it was there before.
    fn all(&mut self, past: &[PastTurn]) -> Vec<&RawValue> {
        let (newest, over) = past.split_last().map_or((None, past), |(newest, over)| (Some(newest), over));
        let oldest = over.first().map(|past| past.turn);
        while self.over.front().is_some_and(|(turn, _)| Some(*turn) != oldest) {
            self.over.pop_front();
        }
        self.over.extend(over.iter().skip(self.over.len()).map(|past| (past.turn, Past::written(past))));
        self.newest = newest.map(Past::written);
        self.over.iter().map(|(_, past)| &**past).chain(self.newest.as_deref()).collect()
    }
}

/// Why what is kept cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// By a later version.
    #[error("written by a later version")]
    Version,
    /// It makes no sense.
    #[error("makes no sense")]
    Malformed,
}

/// As it is kept.
pub fn encode(resume: &Resume, memory: &Remembered<'_>, past: &mut PastWritten) -> Bytes {
    let mut kept = Vec::with_capacity(USUAL_BYTES);
    let past = past.all(memory.past);
    serde_json::to_writer(&mut kept, &Kept::of(resume, memory, past)).expect("texts and numbers are JSON");
    Bytes::from(kept)
}

/// What was kept.
///
/// # Errors
/// Where it was written by a later version, or is something else.
pub fn decode(kept: &[u8]) -> Result<(Resume, Memory), ResumeError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(kept).map_err(|_| ResumeError::Malformed)?;
    if version > VERSION {
        return Err(ResumeError::Version);
    }
    let kept: Kept = serde_json::from_slice(kept).map_err(|_| ResumeError::Malformed)?;
    kept.read().ok_or(ResumeError::Malformed)
}

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    version: u32,
    place: Place<'a>,
    language: Cow<'a, str>,
    answered_by: Cow<'a, str>,
    last_turn: u32,
    last_utterance: u32,
    turns: u32,
    #[serde(default)]
    fillers: usize,
    #[serde(default)]
    silences: u32,
    #[serde(default)]
    agent_falls: u32,
    #[serde(default)]
    speculations: u32,
    #[serde(default)]
    intent: Option<Cow<'a, str>>,
    #[serde(default)]
    expect: Option<Cow<'a, str>>,
    #[serde(default)]
    patience_ms: u64,
    #[serde(default)]
    pauses: (f64, f64),
    #[serde(default)]
    conversation_failed: bool,
    #[serde(default)]
    deaf: bool,
    #[serde(default)]
    consent: Option<Cow<'a, str>>,
    #[serde(default)]
    recording: Option<RecordedAs>,
    #[serde(default)]
    ordered: Vec<Cow<'a, str>>,
    #[serde(default)]
    notice_ms: Option<u64>,
    #[serde(default)]
    left_ms: Option<u64>,
    #[serde(default)]
    digits_open: bool,
    #[serde(borrow, default)]
    past: Vec<&'a RawValue>,
    #[serde(default)]
    said: Vec<SaidAs<'a>>,
    /// None: all of them.
    #[serde(default)]
    told: Option<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
enum Place<'a> {
    Listening { turn: u32, words: Cow<'a, str> },
    Asked { turn: u32, words: Cow<'a, str>, said: SpokenAs<'a> },
    AskedKeyed { turn: u32 },
    Saying { said: SpokenAs<'a>, answers: Option<(u32, Cow<'a, str>)>, insists: bool, then: Follows },
    Keying { keys: KeysAs },
}

#[derive(Serialize, Deserialize)]
struct SpokenAs<'a> {
    before: Cow<'a, str>,
    text: Cow<'a, str>,
    sounded_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Follows {
    Listen,
    HangUp(String),
    Quit(String),
    Greet,
    Menu,
    Keys(KeysAs),
    Human,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeysAs {
    Menu { again: u32 },
    Digits { max: u8, terminator: Option<char>, first_ms: u64, between_ms: u64 },
    Consent,
    Card { fields: Vec<String>, first_ms: u64, between_ms: u64 },
}

#[derive(Serialize, Deserialize)]
struct RecordedAs {
    wish: String,
    parts: u32,
    /// Milliseconds since 1970.
    first_began: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Past<'a> {
    turn: u32,
    before: Cow<'a, str>,
    words: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct SaidAs<'a> {
    turn: Option<u32>,
    text: Cow<'a, str>,
    reach: ReachAs,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReachAs {
    Whole,
    Lost,
    Interrupted { spoken_ms: Option<u64>, chars: Option<usize> },
}

impl<'a> Kept<'a> {
    fn of(resume: &'a Resume, memory: &Remembered<'a>, past: Vec<&'a RawValue>) -> Self {
        Self {
            version: VERSION,
            place: Place::of(&resume.place),
            language: Cow::from(&resume.language),
            answered_by: resume.answered_by.code().into(),
            last_turn: resume.last_turn.0,
            last_utterance: resume.last_utterance.0,
            turns: resume.turns,
            fillers: resume.fillers,
            silences: resume.silences,
            agent_falls: resume.agent_falls,
            speculations: resume.speculations,
            intent: resume.intent.as_ref().map(|intent| intent.as_str().into()),
            expect: Some(resume.expect.code().into()),
            patience_ms: ms(resume.patience),
            pauses: resume.pauses.learnt(),
            conversation_failed: resume.conversation_failed,
            deaf: resume.deaf,
            consent: resume.consent.map(|consent| consent.code().into()),
            recording: Some(RecordedAs::of(memory.recording)),
            ordered: resume.ordered.iter().map(text).collect(),
            notice_ms: resume.notice_in.map(ms),
            left_ms: resume.time_left.map(ms),
            digits_open: memory.digits_open,
            past,
            said: memory.said.iter().copied().map(SaidAs::of).collect(),
            told: Some(memory.told),
        }
    }

    fn read(self) -> Option<(Resume, Memory)> {
        let resume = Resume {
            place: self.place.read()?,
            language: self.language.into_owned(),
            answered_by: AnsweredBy::parse(&self.answered_by)?,
            last_turn: TurnId(self.last_turn),
            last_utterance: UtteranceId(self.last_utterance),
            turns: self.turns,
            fillers: self.fillers,
            silences: self.silences,
            agent_falls: self.agent_falls,
            speculations: self.speculations,
            intent: self.intent.as_deref().and_then(Intent::parse),
            expect: self.expect.as_deref().and_then(Expect::parse).unwrap_or_default(),
            patience: Duration::from_millis(self.patience_ms),
            pauses: Pauses::of_learnt(self.pauses),
            conversation_failed: self.conversation_failed,
            deaf: self.deaf,
            consent: self.consent.as_deref().and_then(Consent::parse),
            ordered: self.ordered.into_iter().map(masked).collect(),
            notice_in: self.notice_ms.map(Duration::from_millis),
            time_left: self.left_ms.map(Duration::from_millis),
        };
        let memory = Memory {
            told: self.told.unwrap_or(self.said.len()),
            past: self.past.into_iter().map(Past::read).collect::<Option<_>>()?,
            said: self.said.into_iter().map(SaidAs::read).collect(),
            digits_open: self.digits_open,
            recording: self.recording.map(RecordedAs::read).unwrap_or_default(),
        };
        Some((resume, memory))
    }
}

impl<'a> Place<'a> {
    fn of(place: &'a Standing) -> Self {
        match place {
            Standing::Listening { turn, words } => Self::Listening { turn: turn.0, words: text(words) },
            Standing::Asked { turn, words, said } => Self::Asked { turn: turn.0, words: text(words), said: SpokenAs::of(said) },
            Standing::AskedKeyed { turn } => Self::AskedKeyed { turn: turn.0 },
            Standing::Saying { said, answers, insists, then } => Self::Saying {
                said: SpokenAs::of(said),
                answers: answers.as_ref().map(|(turn, words)| (turn.0, text(words))),
                insists: *insists,
                then: Follows::of(then),
            },
            Standing::Keying(keys) => Self::Keying { keys: KeysAs::of(keys) },
        }
    }

    fn read(self) -> Option<Standing> {
        Some(match self {
            Self::Listening { turn, words } => Standing::Listening { turn: TurnId(turn), words: masked(words) },
            Self::Asked { turn, words, said } => Standing::Asked { turn: TurnId(turn), words: masked(words), said: said.read() },
            Self::AskedKeyed { turn } => Standing::AskedKeyed { turn: TurnId(turn) },
            Self::Saying { said, answers, insists, then } => Standing::Saying {
                said: said.read(),
                answers: answers.map(|(turn, words)| (TurnId(turn), masked(words))),
                insists,
                then: then.read()?,
            },
            Self::Keying { keys } => Standing::Keying(keys.read()?),
        })
    }
}

impl<'a> SpokenAs<'a> {
    fn of(said: &'a Spoken) -> Self {
        Self { before: text(&said.before), text: text(&said.text), sounded_ms: said.sounded_ms }
    }

    fn read(self) -> Spoken {
        Spoken { before: masked(self.before), text: masked(self.text), sounded_ms: self.sounded_ms }
    }
}

impl Follows {
    fn of(then: &Then) -> Self {
        match then {
            Then::Listen => Self::Listen,
            Then::HangUp(cause) => Self::HangUp(cause.code().to_owned()),
            Then::Quit(cause) => Self::Quit(cause.code().to_owned()),
            Then::Greet => Self::Greet,
            Then::Menu => Self::Menu,
            Then::Keys(keys) => Self::Keys(KeysAs::of(keys)),
            Then::Human => Self::Human,
        }
    }

    fn read(self) -> Option<Then> {
        Some(match self {
            Self::Listen => Then::Listen,
            Self::HangUp(cause) => Then::HangUp(cause_of(&cause)?),
            Self::Quit(cause) => Then::Quit(cause_of(&cause)?),
            Self::Greet => Then::Greet,
            Self::Menu => Then::Menu,
            Self::Keys(keys) => Then::Keys(keys.read()?),
            Self::Human => Then::Human,
        })
    }
}

impl KeysAs {
    fn of(keys: &Keys) -> Self {
        match keys {
            Keys::Menu(again) => Self::Menu { again: *again },
            Keys::Consent => Self::Consent,
            Keys::Digits(collect) => {
                let (max, terminator, first, between) = collect.parts();
                Self::Digits { max, terminator, first_ms: ms(first), between_ms: ms(between) }
            }
            Keys::Card(collect) => {
                let (fields, first, between) = collect.parts();
                let fields = fields.into_iter().map(|field| field.code().to_owned()).collect();
                Self::Card { fields, first_ms: ms(first), between_ms: ms(between) }
            }
        }
    }

    fn read(self) -> Option<Keys> {
        let ms = Duration::from_millis;
        Some(match self {
            Self::Menu { again } => Keys::Menu(again),
            Self::Consent => Keys::Consent,
            Self::Digits { max, terminator, first_ms, between_ms } => {
                Keys::Digits(Collect::new(max, terminator, ms(first_ms), ms(between_ms)))
            }
            Self::Card { fields, first_ms, between_ms } => {
                let fields = fields.iter().map(|name| CardField::parse(name)).collect::<Option<Vec<_>>>()?;
                Keys::Card(CardCollect::new(&fields, ms(first_ms), ms(between_ms))?)
            }
        })
    }
}

impl RecordedAs {
    fn of(recorded: &RecordingMemory) -> Self {
        let since_1970 = |at: SystemTime| ms(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let first_began = recorded.first_began.map(since_1970);
        Self { wish: recorded.wish.code().to_owned(), parts: recorded.parts, first_began }
    }

    fn read(self) -> RecordingMemory {
        // What cannot be read was not to be heard, as far as is known.
        let wish = RecordingWish::parse(&self.wish).unwrap_or(RecordingWish::Stopped);
        let first_began = self.first_began.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at)));
        RecordingMemory { wish, parts: self.parts, first_began }
    }
}

impl Past<'_> {
    fn written(past: &PastTurn) -> Box<RawValue> {
        let past = Past { turn: past.turn.0, before: text(&past.before), words: text(&past.words) };
        to_raw_value(&past).expect("texts and numbers are JSON")
    }

    fn read(written: &RawValue) -> Option<PastTurn> {
        let Past { turn, before, words } = serde_json::from_str(written.get()).ok()?;
        Some(PastTurn { turn: TurnId(turn), before: masked(before), words: masked(words) })
    }
}

impl<'a> SaidAs<'a> {
    fn of(said: &'a Said) -> Self {
        let reach = match said.reach {
            Reach::Whole => ReachAs::Whole,
            Reach::Lost => ReachAs::Lost,
            Reach::Interrupted { spoken_ms, extent: Extent::Exact { chars } } => {
                ReachAs::Interrupted { spoken_ms, chars: Some(chars) }
            }
            Reach::Interrupted { spoken_ms, extent: Extent::Interpolated } => ReachAs::Interrupted { spoken_ms, chars: None },
        };
        Self { turn: said.turn.map(|turn| turn.0), text: text(&said.text), reach }
    }

    fn read(self) -> Said {
        let reach = match self.reach {
            ReachAs::Whole => Reach::Whole,
            ReachAs::Lost => Reach::Lost,
            ReachAs::Interrupted { spoken_ms, chars } => {
                let extent = chars.map_or(Extent::Interpolated, |chars| Extent::Exact { chars });
                Reach::Interrupted { spoken_ms, extent }
            }
        };
        Said { turn: self.turn.map(TurnId), text: masked(self.text), reach }
    }
}

/// Causes that can follow something that is said.
fn cause_of(code: &str) -> Option<EndCause> {
    let known = [
        EndCause::AgentHungUp,
        EndCause::CallerSilent,
        EndCause::ProvidersExhausted,
        EndCause::Drained,
        EndCause::Stopped,
        EndCause::TimeUp,
        EndCause::NoSound,
        EndCause::AnsweringMachine,
    ];
    known.into_iter().find(|cause| cause.code() == code)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn text(masked: &MaskedText) -> Cow<'_, str> {
    masked.as_str().into()
}

/// What is kept is masked already, and is masked again: there is no other way to such a text.
fn masked(kept: Cow<'_, str>) -> MaskedText {
    Mask::new().mask_final(Heard::new(kept.into_owned()))
}

#[cfg(test)]
mod tests;
