//! A good session gone wrong: what the vendor said is cut, delayed, repeated, mixed up.

use super::judge::{
    does_not_claim_success, manners, samples_are_whole, sound_is_a_beginning, sound_is_all_there, words_are_all_there,
    words_are_the_vendors,
};
use super::links::failed;
use super::{Inapplicable, Judged, Material};
use crate::score::{Score, Script};
use crate::stage::{Cue, End, Line, LineAt, Trace, What};
use vg_plugin_host::api::{Kind, LinkErrorKind, LinkInput, Payload};
use vg_plugin_host::recording::{Said, Told};

/// Almost as long as the host lets it take.
const SLOW_MS: u64 = 4_900;
const LATE_MS: u64 = 3_000;
const QUIET_MS: u64 = 60_000;
const GIANT: usize = (1 << 20) - 64;
/// Pieces that never end where a sample does for long.
const ODD: [usize; 6] = [1, 3, 7, 1, 5, 333];

pub(super) fn slow_connect(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    score.script.iter_mut().filter_map(|script| script.lines.first_mut()).for_each(|line| line.gap_ms = SLOW_MS);
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| match &trace.end {
        End::Failed(_) => words_are_the_vendors(&trace, &material.trace),
        _ => all_there(material, &trace),
    }))
}

pub(super) fn half_open(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    for script in &mut score.script {
        // What the vendor owes is missing, and nobody says that it will not come.
        let keep = first_content(script).map_or(1, |first| first + (content(script) - 1) / 2);
        script.lines.truncate(keep.max(1));
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| nothing_invented(material, &trace)))
}

pub(super) fn cut_mid_message(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    let at = last_yield(material, |said| matches!(said, Said::Final(_) | Said::Audio(_)))?;
    cut(&mut score, at);
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| does_not_claim_success(&trace)).and_then(|()| nothing_invented(material, &trace)))
}

pub(super) fn cut_mid_audio(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    let first = yields(material, |said| matches!(said, Said::Partial(_) | Said::Final(_) | Said::Audio(_)));
    let at = *first.get(first.len() / 2).ok_or(Inapplicable("the good session has nothing to cut"))?;
    cut(&mut score, at);
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| does_not_claim_success(&trace)).and_then(|()| nothing_invented(material, &trace)))
}

pub(super) fn late_final(material: &Material<'_>) -> Judged {
    material.only(Kind::Stt)?;
    let (link, line) = first_yield(material, |said| matches!(said, Said::Final(_)))?;
    let mut score = refusing_more(material);
    score.script[link].lines[line].gap_ms += LATE_MS;
    let trace = score.perform();
    let gave_up = matches!(trace.end, End::Failed(_));
    let stale = "a final came after `finalized`: its turn is over, drop it or wait for it";
    Ok(manners(&trace)
        .and_then(|()| if gave_up { Ok(()) } else { finals_keep_their_turn(&trace, stale) })
        .and_then(|()| words_are_the_vendors(&trace, &material.trace)))
}

pub(super) fn final_without_partials(material: &Material<'_>) -> Judged {
    material.only(Kind::Stt)?;
    let partials = only_partials(material);
    let mut score = refusing_more(material);
    for (link, script) in score.script.iter_mut().enumerate() {
        let lines = std::mem::take(&mut script.lines);
        let mut owed_ms = 0;
        for (at, mut line) in lines.into_iter().enumerate() {
            if partials.contains(&(link, at)) {
                owed_ms += line.gap_ms;
            } else {
                line.gap_ms += std::mem::take(&mut owed_ms);
                script.lines.push(line);
            }
        }
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| words_are_all_there(&trace, &material.trace)))
}

pub(super) fn duplicate_finals(material: &Material<'_>) -> Judged {
    material.only(Kind::Stt)?;
    let finals = yields(material, |said| matches!(said, Said::Final(_)));
    let mut score = refusing_more(material);
    for (link, line) in finals.into_iter().rev() {
        let again = Line { gap_ms: 5, ..score.script[link].lines[line].clone() };
        score.script[link].lines.insert(line + 1, again);
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| words_are_all_there(&trace, &material.trace)))
}

pub(super) fn out_of_order(material: &Material<'_>) -> Judged {
    material.only(Kind::Stt)?;
    let (link, last) = first_yield(material, |said| matches!(said, Said::Final(_)))?;
    let partials = only_partials(material);
    let (_, early) = partials
        .into_iter()
        .rfind(|(of, at)| *of == link && *at < last)
        .ok_or(Inapplicable("no partial comes before the final"))?;
    let mut score = refusing_more(material);
    let late = score.script[link].lines.remove(early);
    let after = score.script[link].lines[last - 1].after;
    score.script[link].lines.insert(last, Line { after, gap_ms: 5, ..late });
    let trace = score.perform();
    let back = "a partial of what is final already came after it: compare its times with those of the last final";
    Ok(manners(&trace).and_then(|()| words_are_all_there(&trace, &material.trace)).and_then(|()| partials_go_on(&trace, back)))
}

pub(super) fn idle_close(material: &Material<'_>) -> Judged {
    let mut score = material.good.clone();
    let first = score.script.first_mut().filter(|script| script.stays_open);
    let first = first.ok_or(Inapplicable("its links end with each answer"))?;
    // A further link is told everything, its farewell too.
    score.then = first.lines.clone();
    first.lines.retain(|line| !line.news.is_last() && !line.after_end);
    let after = first.lines.last().map(|line| line.after).unwrap_or_default();
    let code = first.messages.then_some(1000);
    first.lines.push(Line { after, ..Line::after(QUIET_MS, LinkInput::Finished(0, code)) });
    let later_ms = score.last_cue_ms() + QUIET_MS + 10_000;
    let again: Vec<Cue> = score.cues.iter().map(|cue| Cue { at_ms: cue.at_ms + later_ms, told: cue.told.clone() }).collect();
    score.cues.extend(again);
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| match (&trace.end, material.kind) {
        (End::Failed(fault), _) if ["unavailable", "session-limit", "protocol"].contains(&fault.kind.code()) => Ok(()),
        (End::Failed(fault), _) => Err(format!("it failed with `{}`: the vendor is well, say `unavailable`", fault.kind.code())),
        (_, Kind::Stt) if trace.words().len() < 2 * material.trace.words().len() => {
            Err("what was spoken after the vendor had closed was lost: open a new link, or say `fail`".to_owned())
        }
        (_, Kind::Tts) if trace.sound().len() < 2 * material.trace.sound().len() => {
            Err("what was to be spoken after the vendor had closed was lost: open a new link, or say `fail`".to_owned())
        }
        _ => Ok(()),
    }))
}

pub(super) fn giant_message(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    for script in &mut score.script {
        let text = script.lines.iter().any(|line| matches!(line.news, LinkInput::Text(..)));
        let at = first_content(script).unwrap_or(script.lines.len());
        let giant = if text {
            vec![LinkInput::Text(0, Payload(format!(r#"{{"padding":"{}"}}"#, "x".repeat(GIANT)).into_bytes()))]
        } else if script.messages {
            vec![LinkInput::Bytes(0, Payload(vec![0x55; GIANT]))]
        } else {
            vec![LinkInput::Bytes(0, Payload(vec![0x55; 16 << 10])); 64]
        };
        insert(script, at, giant);
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| words_are_the_vendors(&trace, &material.trace)))
}

pub(super) fn garbage(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    for script in &mut score.script {
        let at = first_content(script).unwrap_or(script.lines.len());
        if script.lines.iter().any(|line| matches!(line.news, LinkInput::Text(..))) {
            insert(script, at, vec![LinkInput::Text(0, Payload(b"\x01]garbage{\"".to_vec()))]);
        } else if material.kind == Kind::Tts && !script.messages {
            captive_portal(script, at);
        } else {
            insert(script, at, vec![LinkInput::Bytes(0, Payload(vec![0xfe, 0x01, 0x7b, 0xff, 0x00, 0x13]))]);
        }
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| nothing_invented(material, &trace)).and_then(|()| match &trace.end {
        End::Failed(fault) if ["protocol", "unavailable"].contains(&fault.kind.code()) => Ok(()),
        End::Failed(fault) => Err(format!("it failed with `{}`: say `protocol`", fault.kind.code())),
        _ => all_there(material, &trace),
    }))
}

pub(super) fn odd_split(material: &Material<'_>) -> Judged {
    let mut score = refusing_more(material);
    let local = score.script.is_empty();
    let mut split = 0;
    for script in score.script.iter_mut().filter(|script| !script.messages) {
        split += split_oddly(script);
    }
    match (local, material.kind) {
        (true, Kind::Stt) => score.cues = odd_chunks(&score.cues),
        (false, _) if split == 0 => return Err(Inapplicable("its links carry whole messages")),
        _ => {}
    }
    let trace = score.perform();
    Ok(manners(&trace).and_then(|()| samples_are_whole(&trace, material.sample_bytes)).and_then(|()| all_there(material, &trace)))
}

/// The good session, with nobody to answer a further link.
fn refusing_more<'a>(material: &Material<'a>) -> Score<'a> {
    let mut score = material.good.clone();
    score.then = vec![Line::now(failed(LinkErrorKind::Connect, "connection refused"))];
    score
}

fn all_there(material: &Material<'_>, trace: &Trace) -> Result<(), String> {
    match material.kind {
        Kind::Stt => words_are_all_there(trace, &material.trace),
        _ => sound_is_all_there(trace, &material.trace),
    }
}

fn nothing_invented(material: &Material<'_>, trace: &Trace) -> Result<(), String> {
    match material.kind {
        Kind::Stt => words_are_the_vendors(trace, &material.trace),
        _ => sound_is_a_beginning(trace, &material.trace),
    }
}

/// The vendor's lines after which the guest said such a thing.
fn yields(material: &Material<'_>, such: fn(&Said) -> bool) -> Vec<LineAt> {
    material.trace.lines_that_yield(such)
}

fn first_yield(material: &Material<'_>, such: fn(&Said) -> bool) -> Result<LineAt, Inapplicable> {
    yields(material, such).first().copied().ok_or(Inapplicable("nothing of the kind comes straight from the vendor"))
}

fn last_yield(material: &Material<'_>, such: fn(&Said) -> bool) -> Result<LineAt, Inapplicable> {
    yields(material, such).last().copied().ok_or(Inapplicable("nothing of the kind comes straight from the vendor"))
}

fn only_partials(material: &Material<'_>) -> Vec<LineAt> {
    let words = yields(material, |said| matches!(said, Said::Partial(_)));
    let more = yields(material, |said| matches!(said, Said::Final(_) | Said::Finalized | Said::Link(_)));
    words.into_iter().filter(|line| !more.contains(line)).collect()
}

/// The link is lost within this line.
fn cut(score: &mut Score<'_>, (link, line): LineAt) {
    let lines = &mut score.script[link].lines;
    lines.truncate(line + 1);
    let Some(last) = lines.pop() else { return };
    let lost = failed(LinkErrorKind::Reset, "connection reset");
    match last.news {
        LinkInput::Bytes(id, Payload(mut data)) if !score.script[link].messages => {
            data.truncate(data.len() / 2);
            let half = Line { news: LinkInput::Bytes(id, Payload(data)), ..last };
            score.script[link].lines.extend([half, Line::now(lost)]);
        }
        // Messages are whole or not there.
        _ => score.script[link].lines.push(Line { news: lost, ..last }),
    }
}

fn is_content(line: &Line) -> bool {
    matches!(line.news, LinkInput::Bytes(..) | LinkInput::Text(..))
}

fn first_content(script: &Script) -> Option<usize> {
    script.lines.iter().position(is_content)
}

fn content(script: &Script) -> usize {
    script.lines.iter().filter(|line| is_content(line)).count()
}

fn insert(script: &mut Script, at: usize, news: Vec<LinkInput>) {
    let after = at.checked_sub(1).map(|before| script.lines[before].after).unwrap_or_default();
    let lines = news.into_iter().map(|news| Line { after, ..Line::after(5, news) });
    script.lines.splice(at..at, lines.collect::<Vec<_>>());
}

/// 200, but it is a page for a person.
fn captive_portal(script: &mut Script, at: usize) {
    for line in &mut script.lines {
        if let LinkInput::Opened { headers, .. } = &mut line.news {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            headers.push(("content-type".to_owned(), "text/html; charset=utf-8".to_owned()));
        }
    }
    script.lines.truncate(at);
    let page = b"<!doctype html><title>Welcome to the hotel</title>".to_vec();
    insert(script, at, vec![LinkInput::Bytes(0, Payload(page)), LinkInput::Finished(0, None)]);
}

/// How many pieces came of it.
fn split_oddly(script: &mut Script) -> usize {
    let mut pieces = 0;
    let mut lengths = ODD.into_iter().cycle();
    for line in std::mem::take(&mut script.lines) {
        let LinkInput::Bytes(id, Payload(data)) = &line.news else {
            script.lines.push(line);
            continue;
        };
        let mut rest = &data[..];
        let mut gap_ms = line.gap_ms;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(lengths.next().unwrap_or(1).min(rest.len()));
            let news = LinkInput::Bytes(*id, Payload(piece.to_vec()));
            script.lines.push(Line { gap_ms: std::mem::take(&mut gap_ms), news, ..line });
            (rest, pieces) = (after, pieces + 1);
        }
    }
    pieces
}

/// The same sound in chunks that end within a sample.
fn odd_chunks(cues: &[Cue]) -> Vec<Cue> {
    let mut carried = Vec::new();
    let mut odd: Vec<Cue> = Vec::new();
    for cue in cues {
        match &cue.told {
            Told::Audio(samples) => {
                carried.extend_from_slice(samples);
                let keep = carried.split_off((carried.len().saturating_sub(1) | 1).min(carried.len()));
                odd.push(Cue { at_ms: cue.at_ms, told: Told::Audio(std::mem::replace(&mut carried, keep)) });
            }
            told => {
                // Edges may come within a sample; a turn does not end there.
                if matches!(told, Told::Finalize) && !carried.is_empty() {
                    odd.push(Cue { at_ms: cue.at_ms, told: Told::Audio(std::mem::take(&mut carried)) });
                }
                odd.push(cue.clone());
            }
        }
    }
    odd
}

/// No final between the answer to the last `finalize` that was told and what is spoken next. Where a later turn was asked for already,
/// a final is that turn's.
fn finals_keep_their_turn(trace: &Trace, sentence: &str) -> Result<(), String> {
    let (mut owed, mut over) = (0usize, false);
    for (_, what) in &trace.moments {
        match what {
            What::Told(Told::Finalize, _) => (owed, over) = (owed + 1, false),
            What::Told(Told::Audio(_) | Told::Edge(_), _) => over = false,
            What::Said(Said::Finalized) => {
                owed = owed.saturating_sub(1);
                over = owed == 0;
            }
            What::Said(Said::Final(_)) if over => return Err(sentence.to_owned()),
            _ => {}
        }
    }
    Ok(())
}

/// No partial ends before the last final ended. Engines that give no times cannot be told apart.
fn partials_go_on(trace: &Trace, sentence: &str) -> Result<(), String> {
    let mut final_until_ms = 0;
    for (_, said) in trace.said() {
        match said {
            Said::Final(heard) => final_until_ms = heard.end_ms,
            Said::Partial(heard) if final_until_ms > 0 && heard.end_ms > 0 && heard.end_ms <= final_until_ms => {
                return Err(sentence.to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}
