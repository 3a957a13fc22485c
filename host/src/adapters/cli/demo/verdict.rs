//! Whether the demo went right.

use super::Question;
use crate::adapters::cli::conversation::{Turn, answers_ms, audible_ms};
use crate::adapters::media_ws::client::Recording;
use std::process::ExitCode;

/// How long speech may take, in milliseconds per character: from 40 down to 4 characters a second.
const MS_PER_CHARACTER: std::ops::RangeInclusive<u64> = 25..=250;

/// The demo as a whole.
#[derive(Debug)]
pub(super) struct Verdict {
    summary: Summary,
    faults: Vec<String>,
}

/// What `--json` prints, in this order.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Summary {
    turns: Vec<Turn>,
    /// How much was heard of the agent.
    audio_ms: u64,
    ok: bool,
}

impl Summary {
    /// For a program: one line. The default is that of a demo that did not come to an end.
    pub(super) fn line(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}

impl Verdict {
    /// Compares what was asked with what was understood, and what was said with what was heard.
    pub(super) fn of(questions: &[Question], turns: Vec<Turn>, recording: &Recording, answered: bool) -> Self {
        let mut faults = Vec::new();
        if !answered {
            faults.push("an answer did not come".to_owned());
        }
        if turns.len() != questions.len() {
            faults.push(format!("{} turns instead of {}", turns.len(), questions.len()));
        }
        let sound = answers_ms(recording.rate_hz, &recording.caller, &recording.agent);
        for (n, (question, turn)) in questions.iter().zip(&turns).enumerate() {
            if turn.heard.trim() != question.words {
                faults.push(format!("asked \"{}\", understood \"{}\"", question.words, turn.heard));
            }
            let characters = turn.said.chars().count() as u64;
            let heard_ms = sound.get(n).copied().unwrap_or(0);
            if characters == 0 || !MS_PER_CHARACTER.contains(&(heard_ms / characters)) {
                faults.push(format!("answer {} has {characters} characters and {heard_ms} ms of sound", n + 1));
            }
            if turn.latency_ms.as_ref().is_none_or(|latency| sum(latency) != latency.total) {
                faults.push(format!("the times of turn {} do not sum", n + 1));
            }
        }
        let audio_ms = audible_ms(recording.rate_hz, &recording.agent);
        Self { summary: Summary { turns, audio_ms, ok: faults.is_empty() }, faults }
    }

    /// For a person.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.faults.is_empty() {
            let Summary { turns, audio_ms, .. } = &self.summary;
            let heard_s = *audio_ms as f64 / 1000.0;
            return vec![format!("right: {} questions understood, {heard_s:.1} s of the agent heard", turns.len())];
        }
        self.faults.iter().map(|fault| format!("WRONG: {fault}")).collect()
    }

    /// For a program.
    pub(super) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// 0 only if all was right.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn sum(latency: &crate::adapters::media_ws::LatencyMs) -> u32 {
    let crate::adapters::media_ws::LatencyMs { endpoint_wait, stt, agent, clause, tts, playout, gateway, total: _ } = latency;
    endpoint_wait + stt + agent + clause + tts + playout + gateway
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::media_ws::LatencyMs;

    const QUESTIONS: [Question; 1] = [Question { words: "what time is it", wav: &[] }];

    fn turn(heard: &str) -> Turn {
        let latency_ms = Some(LatencyMs { endpoint_wait: 500, tts: 20, total: 520, ..LatencyMs::default() });
        Turn { heard: heard.into(), said: "It is noon.".into(), latency_ms }
    }

    /// A second of question, then so many seconds of answer.
    fn recording(answer_s: usize) -> Recording {
        let agent = [vec![0; 8000], vec![2000; 8000 * answer_s], vec![0; 8000]].concat();
        let caller = [vec![2000; 8000], vec![0; agent.len() - 8000]].concat();
        Recording { rate_hz: 8000, caller, agent }
    }

    #[test]
    fn right_words_and_their_sound_are_right() {
        let verdict = Verdict::of(&QUESTIONS, vec![turn("what time is it")], &recording(1), true);
        assert_eq!(verdict.lines(), ["right: 1 questions understood, 1.0 s of the agent heard"]);
        let latency = r#"{"endpoint_wait":500,"stt":0,"agent":0,"clause":0,"tts":20,"playout":0,"gateway":0,"total":520}"#;
        let turn = format!(r#"{{"heard":"what time is it","said":"It is noon.","latency_ms":{latency}}}"#);
        assert_eq!(verdict.summary().line().unwrap(), format!(r#"{{"turns":[{turn}],"audio_ms":1000,"ok":true}}"#));
    }

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        let verdict = Verdict::of(&QUESTIONS, vec![turn("what day is it")], &recording(0), true);
        assert_eq!(
            verdict.lines(),
            [
                "WRONG: asked \"what time is it\", understood \"what day is it\"",
                "WRONG: answer 1 has 11 characters and 0 ms of sound"
            ]
        );
        assert!(!verdict.summary().ok);
        let silent = Verdict::of(&QUESTIONS, Vec::new(), &recording(0), false);
        assert_eq!(silent.lines(), ["WRONG: an answer did not come", "WRONG: 0 turns instead of 1"]);
        assert_eq!(Summary::default().line().unwrap(), r#"{"turns":[],"audio_ms":0,"ok":false}"#);
    }
}
