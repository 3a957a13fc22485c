//! What was expected against what happened. Some of it is expected of every call.

use super::leg::FRAME_MS;
use super::log::Line;
use super::play::Played;
use super::script::Expect;

/// A caller who is owed an answer hears something within so many milliseconds, where a scenario does not say otherwise.
const SILENCE_MAX_MS: u64 = 3_000;
/// Lines that come in no call.
const NEVER: &[&str] = &["leaked", "refused", "agent has no answer written"];

/// Lines that do not come once the call has ended.
const NOT_AFTER_THE_END: &[&str] = &[
    "hearing",
    "heard",
    "not_understood",
    "saying",
    "interrupted",
    "turn",
    "fell",
    "transferring",
    "agent hears",
    "voice begins",
];

/// Everything that is not as it should be.
pub(super) fn judge(expect: &Expect, played: &Played) -> Vec<String> {
    let mut faults = played.faults.clone();
    let lines = played.log.lines();
    let comes = |words: &str| lines.iter().filter(|line| line.is(words)).count();
    let asked: Vec<String> = lines.iter().filter_map(|line| line.text.strip_prefix("agent hears ")).map(str::to_owned).collect();
    faults.extend(expect.agent_hears.as_ref().and_then(|expected| differ("the agent hears", expected, &asked)));
    faults.extend(expect.history.as_ref().and_then(|expected| differ("the history holds", expected, &played.told)));
    if let Some(expected) = &expect.caller_hears
        && !(expected.len() == played.heard.len()
            && expected.iter().zip(&played.heard).all(|(expected, heard)| hears(expected, heard)))
    {
        faults.push(format!("the caller hears {expected:?}, and heard {:?}", played.heard));
    }
    faults.extend(out_of_order(&expect.happens, &lines));
    let never = expect.never.iter().map(String::as_str).chain(NEVER.iter().copied());
    faults.extend(never.filter(|words| comes(words) > 0).map(|words| format!("`{words}` came")));
    for (words, expected) in &expect.counts {
        let count = comes(words);
        faults.extend((count != *expected).then(|| format!("`{words}` came {count} times, not {expected}")));
    }
    if comes(&format!("ended {}", expect.ends)) != 1 {
        faults.push(format!("the call did not end as {}", expect.ends));
    }
    let after_the_end = lines.iter().skip_while(|line| !line.is("ended"));
    let late = after_the_end.filter(|line| NOT_AFTER_THE_END.iter().any(|words| line.is(words)));
    faults.extend(late.map(|line| format!("after the end came `{}`", line.text)));
    let (longest_ms, until_ms) = played.silence_ms;
    let silence_max_ms = expect.silence_max.unwrap_or(SILENCE_MAX_MS);
    if longest_ms > silence_max_ms {
        faults.push(format!("the caller was left in silence for {longest_ms} ms until {until_ms}, more than {silence_max_ms}"));
    }
    faults.extend(unheard(played));
    faults
}

/// Lines that do not come in this order. What comes within the same 20 ms is in none.
fn out_of_order(expected: &[String], lines: &[Line]) -> Vec<String> {
    let (mut taken, mut since_ms, mut faults) = (vec![false; lines.len()], 0, Vec::new());
    for expected in expected {
        let fits = |at: &usize| !taken[*at] && lines[*at].at_ms + FRAME_MS >= since_ms && lines[*at].is(expected);
        match (0..lines.len()).find(fits) {
            Some(at) => (taken[at], since_ms) = (true, lines[at].at_ms.max(since_ms)),
            None => faults.push(format!("`{expected}` did not come, or not in this order")),
        }
    }
    faults
}

fn differ(what: &str, expected: &[String], happened: &[String]) -> Option<String> {
    (expected != happened).then(|| format!("{what} {expected:?}, and it was {happened:?}"))
}

/// Whether an utterance was heard as expected: `…` stands for whatever came before it was cut.
fn hears(expected: &str, heard: &str) -> bool {
    match (expected.strip_suffix('…'), heard.strip_suffix('…')) {
        (Some(expected), Some(heard)) => heard.starts_with(expected),
        (None, None) => expected == heard,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The agent is told of nothing as heard that the caller did not hear.
fn unheard(played: &Played) -> Vec<String> {
    let never_heard = |told: &&String| {
        !told.is_empty() && !played.heard.iter().any(|heard| heard.trim_end_matches('…').starts_with(told.as_str()))
    };
    played.told.iter().filter(never_heard).map(|told| format!("the history holds words that nobody heard: {told:?}")).collect()
}
