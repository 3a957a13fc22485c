//! A conversation as a person reads it: line by line while it happens, and as a whole afterwards.

mod sound;

pub(super) use sound::{answers_ms, audible_ms, greeting_ms, silences};

use super::terminal::say;
use crate::adapters::media_ws::client::{Phone, PhoneState};
use crate::adapters::media_ws::{LatencyMs, PhoneFact};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Silence after which an answer is over: longer than any pause inside one.
const QUIET: Duration = Duration::from_millis(800);
/// An answer that has not ended by then is not coming.
const ANSWER: Duration = Duration::from_secs(25);

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Turn {
    pub(super) heard: String,
    pub(super) said: String,
    pub(super) latency_ms: Option<LatencyMs>,
}

/// What was told of a call, printed as it comes.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub(super) turns: Vec<Turn>,
    /// Who fell, and why.
    pub(super) falls: Vec<(String, String)>,
    /// All of it with its time, where times are wanted.
    pub(super) told: Vec<(Duration, PhoneFact)>,
    announced: Announced,
    begun: Option<Instant>,
}

/// Whether what was heard last was an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Announced {
    #[default]
    No,
    /// Something is said until it begins.
    Until,
    /// It was, and the answer began then.
    Before(Instant),
}

impl Transcript {
    /// One whose lines begin with the time since then.
    pub(super) fn since(begun: Instant) -> Self {
        Self { begun: Some(begun), ..Self::default() }
    }

    /// Takes a fact, and prints what a reader wants to know of it.
    pub(super) fn take(&mut self, fact: PhoneFact) {
        let line = line(&fact);
        match (line, self.begun.map(|begun| begun.elapsed())) {
            (Some(line), None) => say(line),
            (line, Some(at)) => {
                if let Some(line) = line {
                    say(format_args!("{:6.1} s{line}", at.as_secs_f64()));
                }
                self.told.push((at, fact.clone()));
            }
            (None, None) => {}
        }
        match fact {
            PhoneFact::Turn { heard, said, latency_ms, .. } => self.turns.push(Turn { heard, said, latency_ms }),
            PhoneFact::Fell { who, code } => self.falls.push((who, code)),
            PhoneFact::Filler { .. } => self.announced = Announced::Until,
            PhoneFact::Saying { .. } if self.announced == Announced::Until => self.announced = Announced::Before(Instant::now()),
            _ => {}
        }
    }

    /// It was quiet for a while: from when on the answer is to be heard that was not yet; none where it is over.
    fn still_to_hear(&mut self) -> Option<Instant> {
        match self.announced {
            Announced::No => None,
            Announced::Until => Some(Instant::now()),
            Announced::Before(begun) => {
                self.announced = Announced::No;
                Some(begun)
            }
        }
    }
}

/// Says each question after the answer before (first of all the greeting) has ended, and waits for the last answer. False
/// where an answer did not come.
pub(super) async fn hold(phone: &mut Phone, questions: &[Vec<i16>], transcript: &mut Transcript) -> bool {
    let state = phone.state();
    if !hear_answer(phone, transcript).await {
        return false;
    }
    for question in questions {
        if !phone.say(question).await || !telling(phone, transcript, said(state.clone())).await {
            return false;
        }
        if !hear_answer(phone, transcript).await {
            return false;
        }
    }
    true
}

/// Waits until an answer has been heard. What is said until it begins is none.
async fn hear_answer(phone: &mut Phone, transcript: &mut Transcript) -> bool {
    let mut since = Some(Instant::now());
    while let Some(from) = since {
        let ended = answer_ended(phone.state(), from);
        if !telling(phone, transcript, ended).await {
            return false;
        }
        since = transcript.still_to_hear();
    }
    true
}

/// Prints facts while something is waited for.
async fn telling(phone: &mut Phone, transcript: &mut Transcript, until: impl Future<Output = bool>) -> bool {
    tokio::pin!(until);
    let mut more = true;
    loop {
        tokio::select! {
            // Facts first: what was said before the end is printed before the end.
            biased;
            fact = phone.next_fact(), if more => match fact {
                Some(fact) => transcript.take(fact),
                None => more = false,
            },
            done = &mut until => return done,
        }
    }
}

async fn answer_ended(mut state: watch::Receiver<PhoneState>, since: Instant) -> bool {
    let quiet = |state: &PhoneState| state.heard_at.is_some_and(|at| at > since && at.elapsed() >= QUIET);
    let ended = timeout(ANSWER, state.wait_for(|state| state.over || quiet(state))).await;
    matches!(ended, Ok(Ok(state)) if quiet(&state))
}

async fn said(mut state: watch::Receiver<PhoneState>) -> bool {
    let said = timeout(ANSWER, state.wait_for(|state| state.over || state.said_at.is_some())).await;
    matches!(said, Ok(Ok(state)) if !state.over)
}

/// What a reader sees of a fact; none where it says nothing new.
fn line(fact: &PhoneFact) -> Option<String> {
    Some(match fact {
        PhoneFact::Started | PhoneFact::Hearing { .. } => return None,
        PhoneFact::Agent { id, name } => format!("  --      {} answers", name.as_ref().unwrap_or(id)),
        PhoneFact::Answered => "  --      answered".to_owned(),
        PhoneFact::Heard { text, .. } => format!("  caller  {text}"),
        PhoneFact::NotUnderstood { .. } => "  caller  (not understood)".to_owned(),
        PhoneFact::Saying { text, .. } => format!("  agent   {text}"),
        PhoneFact::Filler { text, .. } => format!("  --      until the answer comes: {text}"),
        PhoneFact::LanguageChanged { language } => format!("  --      in {language} from now on"),
        PhoneFact::Interrupted { spoken_ms, .. } => format!("  --      interrupted after {spoken_ms} ms"),
        PhoneFact::Turn { latency_ms, .. } => return latency_ms.as_ref().map(latency_line),
        PhoneFact::Fell { who, code } => format!("  --      {who} fell: {code}"),
        PhoneFact::Shadowed { outcome } => format!("  --      a second listener: {outcome}"),
        PhoneFact::Escalated => "  --      handed to a person".to_owned(),
        PhoneFact::Transferring { kind } => format!("  --      handing over: {kind}"),
        PhoneFact::Transferred { kind } => format!("  --      handed over: {kind}"),
        PhoneFact::TransferFailed { kind, code } => format!("  --      not handed over: {kind}, {code}"),
        PhoneFact::Used { plugin, audio_ms, characters, requests, .. } => {
            format!("  --      {plugin} worked: {audio_ms} ms of sound, {characters} characters, {requests} requests")
        }
        PhoneFact::Recording { what } => format!("  --      recording: {what}"),
        PhoneFact::Ended { cause, turns } => format!("  --      ended: {cause}, {turns} turns"),
    })
}

/// Where the time of a turn went; parts of 0 ms are left out.
fn latency_line(latency: &LatencyMs) -> String {
    let parts = [
        ("endpoint wait", latency.endpoint_wait),
        ("stt", latency.stt),
        ("agent", latency.agent),
        ("clause", latency.clause),
        ("tts", latency.tts),
        ("playout", latency.playout),
        ("gateway", latency.gateway),
    ];
    let parts: Vec<String> = parts.iter().filter(|(_, ms)| *ms > 0).map(|(name, ms)| format!("{name} {ms}")).collect();
    format!("          {} ms = {}", latency.total, parts.join(" + "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_until_an_answer_begins_is_none() {
        let mut transcript = Transcript::default();
        let saying = || PhoneFact::Saying { utterance: 3, text: "It is 3:05.".into() };
        transcript.take(saying());
        assert_eq!(transcript.still_to_hear(), None);
        transcript.take(PhoneFact::Filler { turn: 1, utterance: 2, text: "One moment.".into() });
        assert!(transcript.still_to_hear().is_some() && transcript.still_to_hear().is_some(), "however long that takes");
        let before = Instant::now();
        transcript.take(saying());
        assert!(transcript.still_to_hear().is_some_and(|begun| begun >= before), "its first sound comes later than its words");
        assert_eq!(transcript.still_to_hear(), None);
    }

    #[test]
    fn a_turn_is_read_as_question_answer_and_where_the_time_went() {
        let latency_ms = Some(LatencyMs { endpoint_wait: 500, stt: 21, playout: 9, total: 530, ..LatencyMs::default() });
        let facts = [
            PhoneFact::Hearing { turn: 1, text: "what".into() },
            PhoneFact::Heard { turn: 1, text: "what time is it".into() },
            PhoneFact::Saying { utterance: 2, text: "It is 3:05.".into() },
            PhoneFact::Turn { turn: 1, heard: String::new(), said: String::new(), interrupted: false, latency_ms },
        ];
        let lines: Vec<String> = facts.iter().filter_map(line).collect();
        assert_eq!(
            lines,
            ["  caller  what time is it", "  agent   It is 3:05.", "          530 ms = endpoint wait 500 + stt 21 + playout 9"]
        );
    }
}
