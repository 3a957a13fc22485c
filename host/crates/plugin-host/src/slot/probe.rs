//! One synthetic session without a way to the outside: whether a version works at all.

use super::trial::Verdict;
use crate::api::{
    AudioFormat, Encoding, Kind, LinkEffect, LinkErrorKind, LinkInput, MaskSettings, Now, Segment, SessionStart, SpanKind,
    SttEffect, SttInput, TextSource, TtsEffect, TtsInput,
};
use crate::instance::SessionError;
use crate::load::Plugin;
use crate::session::SessionEnd;
use std::collections::VecDeque;

/// Milliseconds of silence for a listener.
const SILENCE_MS: u32 = 300;
/// Inputs after which a session that never ends has been asked enough.
const TURNS: u64 = 64;

/// Runs a short session: silence for a listener, a few words for a speaker or a masker. Links are refused to it, so a plugin that
/// then gives up because of its vendor has passed. Blocks for as long as a dozen calls of the plugin may take.
///
/// # Errors
/// How the session ended, where that speaks against the plugin's code.
pub fn probe(plugin: &Plugin) -> Result<(), SessionEnd> {
    let end = match plugin.descriptor().kind {
        Kind::Stt => listen(plugin),
        Kind::Tts => speak(plugin),
        Kind::Mask => mask(plugin).map(|()| SessionEnd::Done),
    };
    let end = end.unwrap_or_else(SessionEnd::Fell);
    if Verdict::of(&end) == Verdict::Fell { Err(end) } else { Ok(()) }
}

fn start(plugin: &Plugin) -> SessionStart {
    let wish = plugin.descriptor();
    let format = wish.formats.first().copied();
    SessionStart {
        format: format.unwrap_or(AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 }),
        language: wish.languages.first().cloned().unwrap_or_else(|| "en-US".to_owned()),
        options: "{}".to_owned(),
        seed: [0; 32],
    }
}

/// A moment for each turn; a session has no other clock.
fn at(turn: u64) -> Now {
    Now { mono_us: turn * 100_000, unix_ms: 1_700_000_000_000 + turn * 100 }
}

fn listen(plugin: &Plugin) -> Result<SessionEnd, SessionError> {
    let mut guest = plugin.instantiate_stt()?;
    let start = start(plugin);
    let (bytes_per_sample, quiet) = match start.format.encoding {
        Encoding::PcmS16le => (2, 0),
        Encoding::Mulaw => (1, 0xff),
        Encoding::Alaw => (1, 0xd5),
    };
    let silence = vec![quiet; (start.format.rate_hz * SILENCE_MS / 1000) as usize * bytes_per_sample];
    let mut told =
        VecDeque::from([SttInput::Start(Box::new(start)), SttInput::Audio(silence), SttInput::Finalize, SttInput::End]);
    for turn in 0..TURNS {
        let Some(input) = told.pop_front() else { break };
        for effect in guest.handle(at(turn), input)? {
            match effect {
                SttEffect::Link(effect) => told.extend(refusal(&effect).map(|news| SttInput::Link(Box::new(news)))),
                SttEffect::Done => return Ok(SessionEnd::Done),
                SttEffect::Fail(fault) => return Ok(SessionEnd::Fault(fault)),
                _ => {}
            }
        }
    }
    Ok(SessionEnd::Done)
}

fn speak(plugin: &Plugin) -> Result<SessionEnd, SessionError> {
    let mut guest = plugin.instantiate_tts()?;
    let words = TtsInput::Text("Good morning.".to_owned());
    let mut told = VecDeque::from([TtsInput::Start(Box::new(start(plugin))), words, TtsInput::Flush(1), TtsInput::End]);
    for turn in 0..TURNS {
        let Some(input) = told.pop_front() else { break };
        for effect in guest.handle(at(turn), input)? {
            match effect {
                TtsEffect::Link(effect) => told.extend(refusal(&effect).map(|news| TtsInput::Link(Box::new(news)))),
                TtsEffect::Timer(timer) if timer.delay_ms == 0 => told.push_back(TtsInput::Timer(timer.id)),
                TtsEffect::Done => return Ok(SessionEnd::Done),
                TtsEffect::Fail(fault) => return Ok(SessionEnd::Fault(fault)),
                _ => {}
            }
        }
    }
    Ok(SessionEnd::Done)
}

fn mask(plugin: &Plugin) -> Result<(), SessionError> {
    let kinds = vec![SpanKind::CardNumber];
    let mut guest = plugin.instantiate_mask(MaskSettings { languages: vec!["en-US".to_owned()], kinds, last_four: false })?;
    let text = "My number is 4111 1111 1111 1111.".to_owned().into();
    guest.mask(Segment { text, source: TextSource::Caller, partial: false }).map(drop)
}

fn refusal(effect: &LinkEffect) -> Option<LinkInput> {
    let id = match effect {
        LinkEffect::Http(open) => open.id,
        LinkEffect::Websocket(open) => open.id,
        _ => return None,
    };
    let detail = "a probe has no way to the outside".to_owned();
    Some(LinkInput::Failed { id, kind: LinkErrorKind::EgressDenied, detail })
}
