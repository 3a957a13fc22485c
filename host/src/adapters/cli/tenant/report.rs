//! What a tenant's first call was like, part by part.

use crate::adapters::cli::conversation::{Turn, answers_ms, greeting_ms};
use crate::adapters::media_ws::client::Recording;
use std::fmt::Display;
use vg_domain::tenant::{Ladder, TenantSettings};

/// What the caller noticed.
pub(super) struct Heard {
    /// Greeting and every answer came to an end.
    pub(super) answered: bool,
    pub(super) questions: usize,
    pub(super) turns: Vec<Turn>,
    /// Who fell, and why.
    pub(super) falls: Vec<(String, String)>,
}

/// Lines for a person, each right or wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report(Vec<Line>);

#[derive(Debug, PartialEq, Eq)]
struct Line {
    verdict: Verdict,
    part: &'static str,
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    /// For the reader to know.
    Told,
    Wrong,
}

impl Report {
    /// There was nothing to call with.
    pub(super) fn without_settings(code: &'static str) -> Self {
        let mut report = Self::default();
        let what = match code {
            "tenant_unknown" => "tenant_unknown: no file of that name in tenants.dir, or the tenant-manager does not know it",
            code => code,
        };
        report.add(Verdict::Wrong, "settings", what);
        report
    }

    /// `ends` are plugin sessions by plugin and how they ended.
    pub(super) fn of(
        settings: &TenantSettings,
        heard: Heard,
        recording: &Recording,
        ends: Vec<(String, &'static str, u64)>,
    ) -> Self {
        let mut report = Self::default();
        let (hearing, speaking) = (names(&settings.hearing), names(&settings.speaking));
        let language = &settings.language;
        report.add(Verdict::Right, "settings", format_args!("{language}; hearing: {hearing}; speaking: {speaking}"));
        let greeting = greeting_ms(recording.rate_hz, &recording.caller, &recording.agent);
        let audible = if greeting > 0 { Verdict::Right } else { Verdict::Wrong };
        report.add(audible, "greeting", format_args!("{:.1} s audible", greeting as f64 / 1000.0));
        report.add_turns(&heard, &answers_ms(recording.rate_hz, &recording.caller, &recording.agent));
        if !heard.answered {
            report.add(Verdict::Wrong, "answers", "one did not come to an end in time");
        }
        let mut falls: Vec<(&(String, String), usize)> = Vec::new();
        for fall in &heard.falls {
            match falls.iter_mut().find(|(known, _)| *known == fall) {
                Some((_, times)) => *times += 1,
                None => falls.push((fall, 1)),
            }
        }
        for ((who, code), times) in falls {
            let times = if times == 1 { String::new() } else { format!(", {times} times") };
            report.add(Verdict::Wrong, "fell", format_args!("{who}: {code}{times}"));
        }
        for (plugin, code, count) in ends {
            let sessions = if count == 1 { "1 session" } else { &format!("{count} sessions") };
            report.add(Verdict::Told, "plugin", format_args!("{plugin}: {sessions}, {code}"));
        }
        report
    }

    fn add_turns(&mut self, heard: &Heard, sound_ms: &[u64]) {
        if heard.questions == 0 {
            self.add(Verdict::Told, "words", "nothing was said to it: --wav FILE says something");
        }
        for at in 0..heard.questions {
            let Some(turn) = heard.turns.get(at) else {
                self.add(Verdict::Wrong, "words", format_args!("question {}: nothing was understood", at + 1));
                continue;
            };
            let understood = if turn.heard.trim().is_empty() { Verdict::Wrong } else { Verdict::Right };
            self.add(understood, "words", format_args!("{:?}", turn.heard));
            let sound_ms = sound_ms.get(at).copied().unwrap_or(0);
            let spoken = if sound_ms > 0 && !turn.said.trim().is_empty() { Verdict::Right } else { Verdict::Wrong };
            let latency = match &turn.latency_ms {
                Some(latency) => format!(
                    "{} ms after the question (stt {}, agent {}, tts {})",
                    latency.total, latency.stt, latency.agent, latency.tts
                ),
                None => "at a time that was not measured".to_owned(),
            };
            self.add(spoken, "answer", format_args!("{:?}, {:.1} s audible, {latency}", turn.said, sound_ms as f64 / 1000.0));
        }
    }

    fn add(&mut self, verdict: Verdict, part: &'static str, what: impl Display) {
        self.0.push(Line { verdict, part, what: what.to_string() });
    }

    /// For a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |Line { verdict, part, what }: &Line| {
            let mark = match verdict {
                Verdict::Right => "ok   ",
                Verdict::Told => "     ",
                Verdict::Wrong => "WRONG",
            };
            format!("{mark}  {part:8}  {what}")
        };
        self.0.iter().map(line).collect()
    }

    /// Whether the settings can go live.
    pub(super) fn is_right(&self) -> bool {
        self.0.iter().all(|line| line.verdict != Verdict::Wrong)
    }
}

fn names(ladder: &Ladder) -> String {
    ladder.rungs().iter().map(|provider| provider.plugin.as_str()).collect::<Vec<_>>().join(", then ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::media_ws::LatencyMs;
    use crate::adapters::tenants;

    /// A second of greeting, a question after it, and so many seconds of answer.
    fn recording(greeting_s: usize, answer_s: usize) -> Recording {
        let sound = |seconds: usize| vec![2000; 8000 * seconds];
        let silence = |seconds: usize| vec![0; 8000 * seconds];
        let agent = [sound(greeting_s), silence(3 - greeting_s), silence(2), sound(answer_s), silence(3)].concat();
        let caller = [silence(3), sound(1), silence(agent.len() / 8000 - 4)].concat();
        Recording { rate_hz: 8000, caller, agent }
    }

    fn heard(turns: Vec<Turn>) -> Heard {
        Heard { answered: true, questions: 1, turns, falls: Vec::new() }
    }

    fn turn(heard: &str, said: &str) -> Turn {
        let latency_ms = Some(LatencyMs { stt: 40, tts: 20, total: 560, ..LatencyMs::default() });
        Turn { heard: heard.into(), said: said.into(), latency_ms }
    }

    #[test]
    fn a_good_call_is_told_part_by_part() {
        let ends = vec![("stt-local".to_owned(), "done", 1), ("tts-local".to_owned(), "done", 2)];
        let report = Report::of(&tenants::demo(), heard(vec![turn("what time is it", "It is noon.")]), &recording(1, 2), ends);
        assert_eq!(
            report.lines(),
            [
                "ok     settings  en-US; hearing: stt-local; speaking: tts-local",
                "ok     greeting  1.0 s audible",
                "ok     words     \"what time is it\"",
                "ok     answer    \"It is noon.\", 2.0 s audible, 560 ms after the question (stt 40, agent 0, tts 20)",
                "       plugin    stt-local: 1 session, done",
                "       plugin    tts-local: 2 sessions, done",
            ]
        );
        assert!(report.is_right());
    }

    #[test]
    fn each_part_that_is_wrong_is_said_and_makes_the_whole_wrong() {
        let of = |heard: Heard, recording: Recording| Report::of(&tenants::demo(), heard, &recording, Vec::new());
        let good = || vec![turn("what time is it", "It is noon.")];
        let trap = || ("hearing".to_owned(), "trap".to_owned());
        for (report, wrong) in [
            (of(heard(good()), recording(0, 1)), "WRONG  greeting  0.0 s audible"),
            (of(heard(Vec::new()), recording(1, 1)), "WRONG  words     question 1: nothing was understood"),
            (of(heard(vec![turn(" ", "It is noon.")]), recording(1, 1)), "WRONG  words     \" \""),
            (of(heard(good()), recording(1, 0)), "WRONG  answer    \"It is noon.\", 0.0 s audible"),
            (of(heard(vec![turn("x", "")]), recording(1, 1)), "WRONG  answer    \"\""),
            (of(Heard { answered: false, ..heard(good()) }, recording(1, 1)), "WRONG  answers   one did not come"),
            (
                of(Heard { falls: vec![trap(), trap()], ..heard(good()) }, recording(1, 1)),
                "WRONG  fell      hearing: trap, 2 times",
            ),
            (Report::without_settings("tenant_unknown"), "WRONG  settings  tenant_unknown"),
        ] {
            assert!(!report.is_right(), "{wrong}");
            assert!(report.lines().iter().any(|line| line.starts_with(wrong)), "{wrong}: {:?}", report.lines());
        }
        let silent = of(Heard { questions: 0, ..heard(Vec::new()) }, recording(1, 0));
        assert!(silent.is_right());
    }
}
