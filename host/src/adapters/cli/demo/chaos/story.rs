//! What became of the call: who fell, what the caller heard, and how long nobody was heard.

use super::super::Question;
use crate::adapters::cli::conversation::{audible_ms, silences};
use crate::adapters::media_ws::PhoneFact;
use crate::adapters::media_ws::client::Recording;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// No caller is left in silence for longer, unless there is a reason that the gateway knows and tells.
const SILENCE_MS: u64 = 3_000;
/// A fall ends a silence: what is said then is heard so soon.
const ENDS_MS: u64 = 500;
/// Everybody who is to fall.
const ROLES: [&str; 3] = ["hearing", "speaking", "thinking"];

/// See the module.
pub(super) struct Story {
    falls: Vec<Fall>,
    heard_ms: u64,
    longest: Silence,
    faults: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fall {
    at_ms: u64,
    who: String,
    code: String,
}

/// A stretch in which nobody was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Silence {
    from_ms: u64,
    length_ms: u64,
    /// Who fell in it.
    reason: Option<String>,
}

impl Story {
    /// Of what was asked, what the gateway told of it since the call began, and what was heard.
    pub(super) fn of(questions: &[Question], told: &[(Duration, PhoneFact)], recording: &Recording, answered: bool) -> Self {
        let mut falls = Vec::new();
        let (mut understood, mut faults) = (Vec::new(), Vec::new());
        for (at, fact) in told {
            match fact {
                PhoneFact::Fell { who, code } => {
                    falls.push(Fall { at_ms: at.as_millis() as u64, who: who.clone(), code: code.clone() });
                }
                PhoneFact::Heard { text, .. } => understood.push(text.trim()),
                PhoneFact::Ended { cause, .. } => faults.push(format!("the call was lost: {cause}")),
                _ => {}
            }
        }
        if !answered {
            faults.push("an answer did not come".to_owned());
        }
        for question in questions.iter().filter(|question| !understood.contains(&question.words)) {
            faults.push(format!("asked \"{}\", which was not understood", question.words));
        }
        for role in ROLES.iter().filter(|role| falls.iter().all(|fall| fall.who != **role)) {
            faults.push(format!("nobody fell in {role}: that trouble was not seen"));
        }
        let silences: Vec<Silence> = silences(recording.rate_hz, &recording.caller, &recording.agent)
            .map(|(from_ms, length_ms)| Silence { from_ms, length_ms, reason: reason(&falls, from_ms, length_ms) })
            .collect();
        for Silence { from_ms, length_ms, .. } in
            silences.iter().filter(|silence| silence.length_ms > SILENCE_MS && silence.reason.is_none())
        {
            let (length_s, from_s) = (seconds(*length_ms), seconds(*from_ms));
            faults.push(format!("nobody was heard for {length_s:.1} s from {from_s:.1} s on, and there is no reason for it"));
        }
        let longest = silences.into_iter().max_by_key(|silence| silence.length_ms).unwrap_or_default();
        Self { falls, heard_ms: audible_ms(recording.rate_hz, &recording.agent), longest, faults }
    }

    /// For a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let fall = |fall: &Fall| format!("fell: {:<9} {} at {:.1} s", fall.who, fall.code, seconds(fall.at_ms));
        let mut lines: Vec<String> = self.falls.iter().map(fall).collect();
        let Silence { from_ms, length_ms, reason } = &self.longest;
        let reason = reason.as_ref().map_or(String::new(), |reason| format!(", while {reason}"));
        lines.push(format!(
            "the caller heard {:.1} s of the gateway; the longest silence was {:.1} s, from {:.1} s on{reason}",
            seconds(self.heard_ms),
            seconds(*length_ms),
            seconds(*from_ms)
        ));
        match self.faults.as_slice() {
            [] => lines.push("right: the call lived, and every question was understood".to_owned()),
            faults => lines.extend(faults.iter().map(|fault| format!("WRONG: {fault}"))),
        }
        lines
    }

    /// For a program: one line.
    pub(super) fn summary(&self) -> anyhow::Result<String> {
        let falls: Vec<_> = self.falls.iter().map(|Fall { at_ms, who, code }| json!([at_ms, who, code])).collect();
        let silence =
            json!({"from_ms": self.longest.from_ms, "length_ms": self.longest.length_ms, "reason": self.longest.reason});
        let summary =
            json!({"falls": falls, "audio_ms": self.heard_ms, "longest_silence": silence, "ok": self.faults.is_empty()});
        Ok(serde_json::to_string(&summary)?)
    }

    /// 0 only if all was right.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Who fell in a silence, or ended it by falling.
fn reason(falls: &[Fall], from_ms: u64, length_ms: u64) -> Option<String> {
    let within = from_ms..from_ms + length_ms + ENDS_MS;
    let fall = falls.iter().find(|fall| within.contains(&fall.at_ms))?;
    Some(format!("{} fell ({})", fall.who, fall.code))
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTIONS: [Question; 1] = [Question { words: "what time is it", wav: &[] }];

    /// The caller asks from 1 s to 2 s, the answer is heard so many seconds later, for one second.
    fn recording(silence_s: usize) -> Recording {
        let caller = [vec![0; 8000], vec![2000; 8000], vec![0; 8000 * (silence_s + 2)]].concat();
        let agent = [vec![2000; 8000], vec![0; 8000 * (silence_s + 1)], vec![2000; 8000], vec![0; 8000]].concat();
        Recording { rate_hz: 8000, caller, agent }
    }

    fn told(fell_at_ms: u64) -> Vec<(Duration, PhoneFact)> {
        let at = Duration::from_millis;
        let fell = |who: &str| PhoneFact::Fell { who: who.into(), code: "deadline".into() };
        vec![
            (at(100), fell("speaking")),
            (at(1500), fell("hearing")),
            (at(2500), PhoneFact::Heard { turn: 1, text: "what time is it".into() }),
            (at(fell_at_ms), fell("thinking")),
        ]
    }

    #[test]
    fn a_call_that_lives_through_all_of_it_is_right() {
        let story = Story::of(&QUESTIONS, &told(4000), &recording(2), true);
        let lines = story.lines();
        assert_eq!(lines[0], "fell: speaking  deadline at 0.1 s");
        let heard =
            "the caller heard 2.0 s of the gateway; the longest silence was 2.0 s, from 2.0 s on, while thinking fell (deadline)";
        assert_eq!(lines[3..], [heard, "right: the call lived, and every question was understood"]);
        assert!(story.summary().unwrap().ends_with(r#""ok":true}"#), "{}", story.summary().unwrap());
    }

    #[test]
    fn a_silence_of_more_than_three_seconds_needs_a_reason() {
        let wrong = |silence_s, fell_at_ms| Story::of(&QUESTIONS, &told(fell_at_ms), &recording(silence_s), true).faults;
        assert_eq!(wrong(3, 1600), [""; 0], "3 s are allowed");
        assert_eq!(wrong(4, 1600), ["nobody was heard for 4.0 s from 2.0 s on, and there is no reason for it"]);
        assert_eq!(wrong(4, 6400), [""; 0], "the agent was waited for");
    }

    #[test]
    fn a_call_that_is_lost_or_saw_no_trouble_is_wrong() {
        let told = [(Duration::from_secs(3), PhoneFact::Ended { cause: "asterisk_lost".into(), turns: 0 })];
        let story = Story::of(&QUESTIONS, &told, &recording(1), false);
        assert_eq!(
            story.lines()[1..],
            [
                "WRONG: the call was lost: asterisk_lost",
                "WRONG: an answer did not come",
                "WRONG: asked \"what time is it\", which was not understood",
                "WRONG: nobody fell in hearing: that trouble was not seen",
                "WRONG: nobody fell in speaking: that trouble was not seen",
                "WRONG: nobody fell in thinking: that trouble was not seen",
            ]
        );
    }
}
