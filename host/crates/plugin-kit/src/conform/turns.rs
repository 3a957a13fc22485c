//! The owner's side of a bad day: breaking off, asking twice, saying nothing.

use super::judge::{
    ANSWER_MS, manners, silent_after, sound_is_a_beginning, sound_is_all_there, words_are_all_there, words_are_the_vendors,
};
use super::{Judged, Material};
use crate::score::Score;
use crate::stage::{Cue, End, Line, Trace};
use vg_plugin_host::api::{Encoding, Kind};
use vg_plugin_host::recording::{Said, Told};

/// Places at which a session is broken off; longer sessions are sampled.
const STEPS: usize = 40;

pub(super) fn cancel_everywhere(material: &Material<'_>) -> Judged {
    let calls = material.trace.calls();
    for step in (1..=calls).step_by(calls.div_ceil(STEPS).max(1)) {
        let mut score = material.good.clone();
        let told = if material.kind == Kind::Tts { Told::Cancel } else { Told::End };
        score.interruption = Some((step, told));
        let trace = score.perform();
        let judged = manners(&trace).and_then(|()| match material.kind {
            Kind::Tts => nothing_after_cancelled(&trace).and_then(|()| sound_is_a_beginning(&trace, &material.trace)),
            _ => words_are_the_vendors(&trace, &material.trace),
        });
        if let Err(why) = judged {
            return Ok(Err(format!("broken off after call {step} of {calls}: {why}")));
        }
    }
    Ok(Ok(()))
}

fn nothing_after_cancelled(trace: &Trace) -> Result<(), String> {
    let forbidden = |said: &Said| matches!(said, Said::Audio(_) | Said::Flushed(_));
    let sentence = "sound or `flushed` came after `cancelled`: close the link and forget what waits before saying it";
    silent_after(trace, |said| matches!(said, Said::Cancelled), forbidden, sentence)
}

pub(super) fn finalize_twice(material: &Material<'_>) -> Judged {
    let asks = |told: &Told| matches!(told, Told::Finalize | Told::Flush(_));
    let mut score = material.good.clone();
    score.cues = Vec::new();
    for cue in &material.good.cues {
        score.cues.push(cue.clone());
        match cue.told {
            Told::Finalize => score.cues.push(cue.clone()),
            Told::Flush(mark) => score.cues.push(Cue { at_ms: cue.at_ms, told: Told::Flush(mark + 1000) }),
            _ => {}
        }
    }
    let asked = score.cues.iter().filter(|cue| asks(&cue.told)).count();
    // Whether the guest asks its vendor again is its own matter: one that does is answered twice.
    let once = answered_twice(material, &score.clone().perform(), asked);
    if once.is_ok() {
        return Ok(once);
    }
    for (link, line) in material.trace.lines_that_yield(|said| matches!(said, Said::Finalized)).into_iter().rev() {
        let answer = score.script[link].lines[line].clone();
        score.script[link].lines.insert(line + 1, Line { after: answer.after.and_a_word(), ..answer });
    }
    Ok(answered_twice(material, &score.perform(), asked))
}

fn answered_twice(material: &Material<'_>, trace: &Trace, asked: usize) -> Result<(), String> {
    let answered = trace.said().filter(|(_, said)| matches!(said, Said::Finalized | Said::Flushed(_))).count();
    manners(trace).and_then(|()| match material.kind {
        _ if answered != asked => Err(format!("{asked} were asked for, {answered} were answered within {} s", ANSWER_MS / 1000)),
        Kind::Stt => words_are_all_there(trace, &material.trace),
        _ => sound_is_all_there(trace, &material.trace),
    })
}

pub(super) fn no_audio(material: &Material<'_>) -> Judged {
    let mut score = material.good.clone();
    score.cues.retain(|cue| matches!(cue.told, Told::Finalize | Told::Flush(_)));
    wordless(&mut score, material);
    // What the vendor says besides it says without voice too.
    for line in score.script.iter_mut().flat_map(|script| &mut script.lines) {
        line.after = line.after.voiceless();
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| said_nothing(material, &trace)).and_then(|()| match &trace.end {
        End::Failed(fault) if !["empty-result", "unavailable"].contains(&fault.kind.code()) => {
            Err(format!("it failed with `{}`, though nothing was wrong", fault.kind.code()))
        }
        _ => Ok(()),
    }))
}

pub(super) fn silence_only(material: &Material<'_>) -> Judged {
    material.only(Kind::Stt)?;
    let mut score = material.good.clone();
    silence(&mut score);
    wordless(&mut score, material);
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| said_nothing(material, &trace)))
}

/// A vendor that hears nothing says nothing of words.
fn wordless(score: &mut Score<'_>, material: &Material<'_>) {
    let words = material.trace.answers();
    for (link, script) in score.script.iter_mut().enumerate() {
        let mut at = 0;
        script.lines.retain(|_| {
            at += 1;
            let said = words.get(&(link, at - 1)).map(Vec::as_slice).unwrap_or_default();
            !said.iter().any(|said| matches!(said, Said::Partial(_) | Said::Final(_)))
        });
    }
}

fn silence(score: &mut Score<'_>) {
    let quiet = match score.start.format.encoding {
        Encoding::PcmS16le => 0,
        Encoding::Mulaw => 0xff,
        Encoding::Alaw => 0xd5,
    };
    score.cues.retain(|cue| !matches!(cue.told, Told::Edge(_)));
    for cue in &mut score.cues {
        if let Told::Audio(samples) = &mut cue.told {
            samples.fill(quiet);
        }
    }
}

fn said_nothing(material: &Material<'_>, trace: &Trace) -> Result<(), String> {
    match material.kind {
        Kind::Stt if !trace.words().is_empty() => Err("it heard words where nobody spoke".to_owned()),
        Kind::Tts if !trace.sound().is_empty() => Err("it gave sound where there was no text".to_owned()),
        _ => Ok(()),
    }
}
