//! What is asked of a session whatever happens to it, and how a trace is read.

use crate::score::END_MS;
use crate::stage::{End, Trace, What};
use std::collections::BTreeMap;
use vg_plugin_host::api::{Fault, FaultKind, Remedy};
use vg_plugin_host::recording::{Said, Told};

/// An owner who asked for something (`finalize`, `flush`, `cancel`) waits this long.
pub(super) const ANSWER_MS: u64 = 10_000;
/// A vendor that said no is believed at once; a plugin may try once more.
pub(super) const FAULT_MS: u64 = 5_000;
/// `cancel` needs nobody's help.
pub(super) const CANCEL_MS: u64 = 1_000;

/// What is wrong, in a sentence that its author can act on.
pub(super) type Judgement = Result<(), String>;

/// A session never falls, never spins, always answers, and ends when it is told to.
pub(super) fn manners(trace: &Trace) -> Judgement {
    match &trace.end {
        End::Fell(error) => return Err(format!("the host had to end the session ({}): {error}", error.code())),
        End::Spins => return Err("it wakes itself without end: give its timers a delay".to_owned()),
        End::Done | End::Failed(_) | End::Open => {}
    }
    answered(trace)?;
    match &trace.end {
        End::Open => Err(format!("after `end` neither `done` nor `fail` came within {} s", END_MS / 1000)),
        _ => Ok(()),
    }
}

/// Every `finalize`, `flush` and `cancel` was answered in time, or the session ended in time.
fn answered(trace: &Trace) -> Judgement {
    let ended_ms = trace.moments.last().map_or(0, |(at, _)| *at);
    let ended = !matches!(trace.end, End::Open);
    for (at, (asked_ms, what)) in trace.moments.iter().enumerate() {
        let What::Told(told, _) = what else { continue };
        let (question, within_ms, answers): (_, _, fn(&Told, &Said) -> bool) = match told {
            Told::Finalize => ("`finalize`", ANSWER_MS, |_, said| matches!(said, Said::Finalized)),
            Told::Flush(_) => ("`flush`", ANSWER_MS, |told, said| {
                matches!((told, said), (Told::Flush(asked), Said::Flushed(mark)) if asked == mark)
                    || matches!(said, Said::Cancelled)
            }),
            Told::Cancel => ("`cancel`", CANCEL_MS, |_, said| matches!(said, Said::Cancelled)),
            _ => continue,
        };
        // While sound comes the owner has something to play: the time runs from the last of it.
        let mut since_ms = *asked_ms;
        let mut answer_ms = ended.then_some(ended_ms);
        for (said_ms, what) in &trace.moments[at..] {
            let What::Said(said) = what else { continue };
            if answers(told, said) {
                answer_ms = Some(*said_ms);
                break;
            }
            if matches!(said, Said::Audio(_)) && matches!(told, Told::Flush(_)) && *said_ms <= since_ms + within_ms {
                since_ms = *said_ms;
            }
        }
        if answer_ms.is_none_or(|answered_ms| answered_ms > since_ms + within_ms) {
            return Err(format!(
                "{question} at {asked_ms} ms was neither answered nor was there a `fail` within {} s: set a timer when asking the vendor",
                within_ms / 1000
            ));
        }
    }
    Ok(())
}

/// It failed, soon after the vendor (or the link) first spoke, for one of these reasons.
pub(super) fn failed_as(trace: &Trace, codes: &[&str]) -> Result<Fault, String> {
    let wanted = codes.join("` or `");
    let fault = match &trace.end {
        End::Failed(fault) => fault,
        End::Done => return Err(format!("it ended as if all were well: say `fail` with `{wanted}`")),
        _ => return Err(format!("it did not fail: say `fail` with `{wanted}`")),
    };
    if !codes.contains(&fault.kind.code()) {
        return Err(format!("it failed with `{}`, which tells the ladder something else: say `{wanted}`", fault.kind.code()));
    }
    if fault.remedy == Remedy::Caller && fault.kind != FaultKind::EmptyResult {
        return Err("it names the caller as who can mend it: nothing that a caller says mends a vendor".to_owned());
    }
    let told_ms = trace.moments.iter().find_map(|(at, what)| matches!(what, What::Told(Told::Link(_), _)).then_some(*at));
    let failed_ms = trace.moments.last().map_or(0, |(at, _)| *at);
    match told_ms {
        Some(told_ms) if failed_ms > told_ms + FAULT_MS => {
            Err(format!("it failed {} ms after the vendor's answer: the caller waits in silence meanwhile", failed_ms - told_ms))
        }
        _ => Ok(fault.clone()),
    }
}

/// `quota` must carry what `Retry-After` said.
pub(super) fn carries_retry_after(fault: &Fault, wanted_ms: u64) -> Judgement {
    match fault.kind {
        FaultKind::Quota { retry_after_ms: Some(ms) } if ms == wanted_ms => Ok(()),
        FaultKind::Quota { retry_after_ms: Some(ms) } => {
            Err(format!("`Retry-After: {}` became {ms} ms: the header counts seconds", wanted_ms / 1000))
        }
        _ => Err("`quota` without the vendor's `Retry-After`: the ladder would come back too early".to_owned()),
    }
}

/// Only somebody with access to the configuration can mend it, or another vendor.
pub(super) fn not_to_be_retried(fault: &Fault) -> Judgement {
    match fault.remedy {
        Remedy::Retry => Err("its remedy is `retry`: the same key is refused again; say `configuration`".to_owned()),
        _ => Ok(()),
    }
}

/// Nothing was said that the vendor did not say, and nothing more often.
pub(super) fn words_are_the_vendors(trace: &Trace, good: &Trace) -> Judgement {
    let count = |words: Vec<String>| {
        words.into_iter().fold(BTreeMap::<String, usize>::new(), |mut counts, word| {
            *counts.entry(word).or_default() += 1;
            counts
        })
    };
    let (known, finals) = (count(good.words_at_all()), count(good.words()));
    for (word, times) in count(trace.words()) {
        let good_times = finals.get(&word).copied().unwrap_or(0);
        if !known.contains_key(&word) {
            return Err(format!("a final holds a word of {} letters that the vendor never said", word.chars().count()));
        }
        if times > good_times.max(1) {
            return Err(format!(
                "a word that was said {good_times} times is in the finals {times} times: drop what was given already"
            ));
        }
    }
    Ok(())
}

/// Every word, in order, and nothing else.
pub(super) fn words_are_all_there(trace: &Trace, good: &Trace) -> Judgement {
    words_are_the_vendors(trace, good)?;
    let (got, wanted) = (trace.words().len(), good.words().len());
    if trace.words() == good.words() {
        Ok(())
    } else {
        Err(format!("{wanted} words were to come as final, {got} came, or in another order"))
    }
}

/// The same sound.
pub(super) fn sound_is_all_there(trace: &Trace, good: &Trace) -> Judgement {
    let (got, wanted) = (trace.sound(), good.sound());
    if got == wanted {
        return Ok(());
    }
    let same = got.iter().zip(&wanted).take_while(|(got, wanted)| got == wanted).count();
    Err(format!("{} bytes of sound were to come, {} came, the first difference is at byte {same}", wanted.len(), got.len()))
}

/// What there is of sound is the beginning of the right sound.
pub(super) fn sound_is_a_beginning(trace: &Trace, good: &Trace) -> Judgement {
    if good.sound().starts_with(&trace.sound()) { Ok(()) } else { Err("it gave sound that the vendor never sent".to_owned()) }
}

/// No chunk holds a part of a sample.
pub(super) fn samples_are_whole(trace: &Trace, sample_bytes: usize) -> Judgement {
    let broken = |said: &Said| matches!(said, Said::Audio(samples) if !samples.len().is_multiple_of(sample_bytes));
    if trace.said().any(|(_, said)| broken(said)) {
        return Err("a chunk of sound ends within a sample: keep the odd byte until the next one comes".to_owned());
    }
    Ok(())
}

/// `flushed` and `done` are promises: everything was spoken.
pub(super) fn does_not_claim_success(trace: &Trace) -> Judgement {
    match &trace.end {
        End::Failed(_) => Ok(()),
        _ => Err("it goes on as if all had been spoken: say `fail`, so that the ladder takes over".to_owned()),
    }
}

/// Nothing comes after the answer that closes a matter.
pub(super) fn silent_after(trace: &Trace, closes: fn(&Said) -> bool, forbidden: fn(&Said) -> bool, sentence: &str) -> Judgement {
    let after = trace.said().skip_while(|(_, said)| !closes(said)).skip(1);
    if after.into_iter().any(|(_, said)| forbidden(said)) { Err(sentence.to_owned()) } else { Ok(()) }
}
