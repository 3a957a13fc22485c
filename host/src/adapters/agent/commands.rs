//! What an agent elsewhere wants besides speaking, as every protocol writes it. What comes is foreign: checked and bounded.

use super::service::{Fault, Piece};
use crate::application::ports::{CardReport, HandoverAdvice};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vg_domain::call::{AgentCommand, Hint};
use vg_domain::card::{CardCollect, CardField};
use vg_domain::fallback::Intent;
use vg_domain::keypad::Collect;
use vg_domain::language::is_tag;
use vg_domain::pause::Expect;
use vg_domain::pii::Pii;
use vg_domain::transfer::{Transfer, TransferMode, TransferTarget};

/// Characters of an id or of a target.
const NAME_MAX: usize = 128;
/// Characters of what a human is told.
const SUMMARY_MAX: usize = 2_000;

/// For the first key, and for each one after it, where the agent says nothing.
const KEY_WAITS: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(6));
/// The shortest and the longest that it may say.
const KEY_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));

/// A command in JSON.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum Command {
    HangUp,
    Human,
    Transfer { kind: String, target: String, mode: Option<String>, summary: Option<String> },
    Collect { digits_max: u32, terminator: Option<String>, first_ms: Option<u32>, between_ms: Option<u32> },
    CollectCard { fields: Vec<String>, first_ms: Option<u32>, between_ms: Option<u32> },
}

impl Command {
    pub(super) fn parse(self) -> Result<AgentCommand, Fault> {
        match self {
            Self::HangUp => Ok(AgentCommand::HangUp),
            Self::Human => Ok(AgentCommand::Human),
            Self::Transfer { kind, target, mode, summary } => {
                transfer(&kind, target, mode.as_deref(), summary).map(AgentCommand::Transfer)
            }
            Self::Collect { digits_max, terminator, first_ms, between_ms } => {
                digits(digits_max, terminator.as_deref(), first_ms, between_ms).map(AgentCommand::Collect)
            }
            Self::CollectCard { fields, first_ms, between_ms } => {
                card(&fields, first_ms, between_ms).map(AgentCommand::CollectCard)
            }
        }
    }
}

/// What became of a card, as it is told to a service.
#[derive(Serialize)]
pub(super) struct CardTold<'a> {
    pub(super) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) brand: Option<&'a str>,
}

impl<'a> CardTold<'a> {
    pub(super) fn of(report: &'a CardReport) -> Self {
        let CardReport { outcome, kept, last_four } = report;
        // The service asked for it, and is to work with it.
        let token = kept.as_ref().map(|kept| kept.token.reveal().as_str());
        let last4 = last_four.as_ref().map(|digits| digits.reveal().as_str());
        Self { outcome, token, last4, brand: kept.as_ref().and_then(|kept| kept.brand.as_deref()) }
    }
}

/// Digits that are to be keyed in, from their parts; no word of what ends them is `#`.
pub(super) fn digits(
    max: u32,
    terminator: Option<&str>,
    first_ms: Option<u32>,
    between_ms: Option<u32>,
) -> Result<Collect, Fault> {
    let max = u8::try_from(max).ok().filter(|max| (1..=Collect::DIGITS_MAX).contains(max)).ok_or(Fault::Garbage)?;
    let terminator = match terminator {
        None | Some("#") => Some('#'),
        Some("*") => Some('*'),
        Some("none") => None,
        Some(_) => return Err(Fault::Garbage),
    };
    let (first, between) = waits(first_ms, between_ms);
    Ok(Collect::new(max, terminator, first, between))
}

/// For the first key, and for each one after it.
fn waits(first_ms: Option<u32>, between_ms: Option<u32>) -> (Duration, Duration) {
    let wait =
        |ms: Option<u32>, usual: Duration| ms.map_or(usual, |ms| Duration::from_millis(ms.into()).clamp(KEY_WAIT.0, KEY_WAIT.1));
    (wait(first_ms, KEY_WAITS.0), wait(between_ms, KEY_WAITS.1))
}

/// A card that is to be keyed in, from its parts.
pub(super) fn card(fields: &[String], first_ms: Option<u32>, between_ms: Option<u32>) -> Result<CardCollect, Fault> {
    let fields = fields.iter().map(|name| CardField::parse(name)).collect::<Option<Vec<_>>>().ok_or(Fault::Garbage)?;
    let (first, between) = waits(first_ms, between_ms);
    CardCollect::new(&fields, first, between).ok_or(Fault::Garbage)
}

/// A transfer as it is told to a service.
#[derive(Serialize)]
pub(super) struct Place<'a> {
    pub(super) kind: &'static str,
    pub(super) target: &'a str,
    pub(super) mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn of(wish: &'a Transfer) -> Self {
        let target = match &wish.target {
            TransferTarget::Queue(name) | TransferTarget::Extension(name) => name,
            // The service asked for it, or is to know where its caller goes.
            TransferTarget::External(number) => number.reveal(),
        };
        Self { kind: wish.target.kind(), target, mode: wish.mode.code(), summary: wish.summary.as_deref() }
    }
}

/// A transfer from its parts; no mode is `blind`.
pub(super) fn transfer(kind: &str, target: String, mode: Option<&str>, said: Option<String>) -> Result<Transfer, Fault> {
    let summary = said.map(summary).filter(|summary| !summary.is_empty());
    Ok(Transfer { target: place(kind, target)?, mode: self::mode(mode)?, summary })
}

/// The word on a handover from its parts.
pub(super) fn advice(
    kind: Option<&str>,
    target: Option<String>,
    mode: Option<&str>,
    said: Option<String>,
) -> Result<HandoverAdvice, Fault> {
    let target = match (kind, target) {
        (None, None) => None,
        (Some(kind), Some(target)) => Some(place(kind, target)?),
        (Some(_), None) | (None, Some(_)) => return Err(Fault::Garbage),
    };
    let summary = said.map(summary).filter(|summary| !summary.is_empty());
    Ok(HandoverAdvice { target, mode: self::mode(mode)?, summary })
}

fn place(kind: &str, target: String) -> Result<TransferTarget, Fault> {
    let sound = !target.is_empty() && target.chars().count() <= NAME_MAX && !target.chars().any(char::is_control);
    match kind {
        "queue" if sound => Ok(TransferTarget::Queue(target)),
        "extension" if sound => Ok(TransferTarget::Extension(target)),
        "external" if is_number(&target) => Ok(TransferTarget::External(Pii::new(target))),
        _ => Err(Fault::Garbage),
    }
}

/// E.164: a plus and at most 15 digits, the first not 0.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (3..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0')
}

fn mode(mode: Option<&str>) -> Result<TransferMode, Fault> {
    match mode {
        None | Some("" | "blind") => Ok(TransferMode::Blind),
        Some("attended") => Ok(TransferMode::Attended),
        Some(_) => Err(Fault::Garbage),
    }
}

/// What an answer says besides words. What is not known is passed over: these are hints.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Hints {
    /// What the conversation is about.
    pub(super) intent: Option<String>,
    /// What is expected of the caller.
    pub(super) expect: Option<String>,
    /// So many milliseconds of silence are none.
    pub(super) wait_ms: Option<u32>,
    /// Whether the caller may speak over the answer.
    pub(super) interruptible: Option<bool>,
    /// In which language the call goes on.
    pub(super) language: Option<String>,
    /// So many milliseconds its first words take from now on.
    pub(super) hold_ms: Option<u32>,
}

impl Hints {
    /// As pieces of the answer.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let intent = self.intent.as_deref().and_then(Intent::parse).map(Hint::Intent);
        let expect = self.expect.as_deref().and_then(Expect::parse).map(Hint::Expect);
        let wait = self.wait_ms.map(|ms| Hint::Wait(Duration::from_millis(ms.into())));
        let whole = (self.interruptible == Some(false)).then_some(Hint::Uninterruptible);
        let language = self.language.clone().filter(|tag| is_tag(tag)).map(Hint::Language);
        let hold = self.hold_ms.map(|ms| Hint::Hold(Duration::from_millis(ms.into())));
        [intent, expect, wait, language, whole, hold].into_iter().flatten().map(Piece::Hint)
    }
}

/// An id that a service gave: it stands in URLs and logs.
pub(super) fn id(id: String) -> Result<String, Fault> {
    let sound = (1..=NAME_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) && id != "." && id != "..";
    if sound { Ok(id) } else { Err(Fault::Garbage) }
}

/// Cut to what a human can be told, without control characters.
pub(super) fn summary(text: String) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SUMMARY_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<AgentCommand, Fault> {
        serde_json::from_str::<Command>(json).map_err(|_| Fault::Garbage)?.parse()
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parse(r#"{"action":"hang_up"}"#), Ok(AgentCommand::HangUp));
        assert_eq!(parse(r#"{"action":"human","more":1}"#), Ok(AgentCommand::Human));
        let (target, mode) = (TransferTarget::Queue("sales".into()), TransferMode::Attended);
        let told =
            parse(r#"{"action":"transfer","kind":"queue","target":"sales","mode":"attended","summary":" wants\na tent "}"#);
        assert_eq!(told, Ok(AgentCommand::Transfer(Transfer { target, mode, summary: Some("wants a tent".into()) })));
        let target = TransferTarget::External(Pii::new("+5511999998888".into()));
        let told = parse(r#"{"action":"transfer","kind":"external","target":"+5511999998888"}"#);
        assert_eq!(told, Ok(AgentCommand::Transfer(Transfer { target, mode: TransferMode::Blind, summary: None })));
    }

    #[test]
    fn a_card_is_asked_for_by_its_fields_and_with_times_that_anybody_can_keep() {
        let seconds = Duration::from_secs;
        let card = |json: &str| match parse(json) {
            Ok(AgentCommand::CollectCard(collect)) => collect.parts(),
            other => panic!("{json}: {other:?}"),
        };
        let usual = card(r#"{"action":"collect_card","fields":["number","expiry","code"]}"#);
        assert_eq!(usual, (CardField::ALL.to_vec(), seconds(20), seconds(6)));
        let own = card(r#"{"action":"collect_card","fields":["code"],"first_ms":9000,"between_ms":1}"#);
        assert_eq!(own, (vec![CardField::Code], seconds(9), seconds(1)));
        let long = card(r#"{"action":"collect_card","fields":["expiry","number"],"first_ms":4000000000}"#);
        assert_eq!(long, (vec![CardField::Expiry, CardField::Number], seconds(120), seconds(6)));
    }

    #[test]
    fn digits_are_asked_for_by_their_number_and_what_ends_them() {
        let seconds = Duration::from_secs;
        let digits = |json: &str| match parse(json) {
            Ok(AgentCommand::Collect(collect)) => collect.parts(),
            other => panic!("{json}: {other:?}"),
        };
        assert_eq!(digits(r#"{"action":"collect","digits_max":8}"#), (8, Some('#'), seconds(20), seconds(6)));
        let own = r#"{"action":"collect","digits_max":64,"terminator":"*","first_ms":1,"between_ms":3000}"#;
        assert_eq!(digits(own), (64, Some('*'), seconds(1), seconds(3)));
        assert_eq!(digits(r#"{"action":"collect","digits_max":1,"terminator":"none"}"#).1, None);
    }

    #[test]
    fn a_command_that_makes_no_sense_is_refused_whole() {
        let long = format!(r#"{{"action":"transfer","kind":"queue","target":"{}"}}"#, "x".repeat(NAME_MAX + 1));
        for json in [
            r#"{"action":"dance"}"#,
            r#"{}"#,
            r#"{"action":"collect"}"#,
            r#"{"action":"collect","digits_max":0}"#,
            r#"{"action":"collect","digits_max":65}"#,
            r#"{"action":"collect","digits_max":4,"terminator":"5"}"#,
            r#"{"action":"collect_card"}"#,
            r#"{"action":"collect_card","fields":[]}"#,
            r#"{"action":"collect_card","fields":["number","pin"]}"#,
            r#"{"action":"collect_card","fields":["code","code"]}"#,
            r#"{"action":"transfer","kind":"queue","target":""}"#,
            r#"{"action":"transfer","kind":"moon","target":"x"}"#,
            r#"{"action":"transfer","kind":"queue","target":"a\nb"}"#,
            r#"{"action":"transfer","kind":"queue","target":"a","mode":"later"}"#,
            r#"{"action":"transfer","kind":"external","target":"0900123"}"#,
            r#"{"action":"transfer","kind":"external","target":"+55119999988887777"}"#,
            r#"{"action":"transfer","kind":"external","target":"+55 11 9999"}"#,
            r#"{"action":"transfer","kind":"external","target":"+1,context"}"#,
            &long,
        ] {
            assert_eq!(parse(json), Err(Fault::Garbage), "{json}");
        }
    }

    #[test]
    fn ids_cannot_leave_their_place_in_a_url() {
        for bad in ["", ".", "..", "a b", "a\n", "é", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(id(bad.to_owned()), Err(Fault::Garbage), "{bad:?}");
        }
        assert_eq!(id("a/../b".to_owned()).as_deref(), Ok("a/../b"), "encoded where it is used");
        assert_eq!(summary("x".repeat(SUMMARY_MAX + 5)).len(), SUMMARY_MAX);
    }
}
