//! What is played: the owner's cues and the vendor's script, taken from a good session or, without one, the plainest there is.

use crate::stage::{Course, Cue, Heard, Line, Part, Play, Progress, Trace, Vendor};
use serde_json::Value;
use std::collections::BTreeMap;
use vg_plugin_host::Plugin;
use vg_plugin_host::api::{AudioFormat, Encoding, Kind, LinkId, SessionStart, SpeechEdge};
use vg_plugin_host::recording::{Recording, Told};

/// `end` is told this long after everything else, so that whatever was to come has come.
pub(crate) const REST_MS: u64 = 30_000;
/// An owner who said `end` waits this long.
pub(crate) const END_MS: u64 = 15_000;

/// A play that can be changed and performed.
#[derive(Clone)]
pub(crate) struct Score<'a> {
    pub(crate) plugin: &'a Plugin,
    pub(crate) start: SessionStart,
    /// Without `start` and `end`.
    pub(crate) cues: Vec<Cue>,
    pub(crate) script: Vec<Script>,
    /// What every link beyond the script is told.
    pub(crate) then: Part,
    pub(crate) interruption: Option<(usize, Told)>,
}

/// The vendor's side of one link of a good session.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) lines: Part,
    /// A WebSocket: messages are whole.
    pub(crate) messages: bool,
    /// It stayed open until the owner said `end`.
    pub(crate) stays_open: bool,
}

impl<'a> Score<'a> {
    /// The session as it was recorded, on a clock of its own.
    pub(crate) fn recorded(plugin: &'a Plugin, recording: &Recording, options: Option<String>) -> Self {
        let mut start = recording.header.start.clone();
        start.options = options.unwrap_or(start.options);
        let zero_us = recording.turns.first().map_or(0, |turn| turn.now.mono_us);
        let mut reader = Reader::default();
        let mut cues = Vec::new();
        for turn in &recording.turns {
            let at_ms = turn.now.mono_us.saturating_sub(zero_us) / 1000;
            reader.course.told(&turn.told);
            match &turn.told {
                Told::Start(_) | Told::Timer(_) => {}
                Told::End => reader.ended = true,
                Told::Link(news) => reader.news(at_ms, news),
                Told::Routed(link, samples) => {
                    cues.push(Cue { at_ms, told: Told::Audio(samples.clone()) });
                    reader.sent(at_ms, *link);
                }
                told => cues.push(Cue { at_ms, told: told.clone() }),
            }
            turn.said.iter().flatten().for_each(|said| reader.said(at_ms, said));
        }
        let script = reader.scripts.into_iter().map(|noted| noted.script).collect();
        Self { plugin, start, cues, script, then: vec![], interruption: None }
    }

    /// Two seconds of a caller, or one sentence.
    pub(crate) fn plain(plugin: &'a Plugin, options: Option<String>) -> Self {
        let descriptor = plugin.descriptor();
        let best = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 };
        let start = SessionStart {
            format: descriptor.formats.first().copied().unwrap_or(best),
            language: descriptor.languages.first().cloned().unwrap_or_else(|| "en-US".to_owned()),
            options: options.unwrap_or_else(|| "{}".to_owned()),
            seed: [7; 32],
        };
        let cues = match descriptor.kind {
            Kind::Stt => caller(start.format),
            Kind::Tts | Kind::Mask => reply(0, 1),
        };
        Self { plugin, start, cues, script: vec![], then: vec![], interruption: None }
    }

    /// When the last cue but `end` comes.
    pub(crate) fn last_cue_ms(&self) -> u64 {
        self.cues.iter().map(|cue| cue.at_ms).max().unwrap_or(0)
    }

    /// Plays it.
    pub(crate) fn perform(self) -> Trace {
        // An interruption comes somewhere within: the rest is waited for all the same.
        let end_ms = self.last_cue_ms() + REST_MS;
        let mut cues = self.cues;
        cues.push(Cue { at_ms: end_ms, told: Told::End });
        let parts = self.script.into_iter().map(|script| script.lines).collect();
        let vendor = Vendor::scripted(parts, self.then);
        let until_ms = end_ms + END_MS;
        Play { plugin: self.plugin, start: self.start, cues, vendor, until_ms, interruption: self.interruption }.perform()
    }
}

/// A reply of two sentences, and its mark.
pub(crate) fn reply(at_ms: u64, mark: u32) -> Vec<Cue> {
    let text = |text: &str| Cue { at_ms, told: Told::Text(text.to_owned()) };
    vec![text("Good morning. "), text("How can I help you?"), Cue { at_ms, told: Told::Flush(mark) }]
}

/// A tone that nobody takes for words, in chunks of 100 ms.
fn caller(format: AudioFormat) -> Vec<Cue> {
    let chunk = |nth: u64| {
        let samples = format.rate_hz as usize / 10;
        let loud = |at: usize| if (at / 8).is_multiple_of(2) { 0x30 } else { 0xd0 };
        let bytes: Vec<u8> = match format.encoding {
            Encoding::PcmS16le => (0..samples).flat_map(|at| [0, loud(at)]).collect(),
            Encoding::Mulaw | Encoding::Alaw => (0..samples).map(loud).collect(),
        };
        Cue { at_ms: nth * 100, told: Told::Audio(bytes) }
    };
    let mut cues = vec![Cue { at_ms: 0, told: Told::Edge(SpeechEdge::Started(0)) }];
    cues.extend((0..20).map(chunk));
    cues.push(Cue { at_ms: 2000, told: Told::Edge(SpeechEdge::Ended(2000)) });
    cues.push(Cue { at_ms: 2300, told: Told::Finalize });
    cues
}

/// Follows a recording and notes for each link what it was told, and in answer to what.
#[derive(Default)]
struct Reader {
    course: Course,
    scripts: Vec<Noted>,
    /// Which script belongs to a link that is open.
    open: BTreeMap<LinkId, usize>,
    ended: bool,
}

struct Noted {
    script: Script,
    heard: Heard,
    since: Progress,
    /// When it was opened, spoke or was spoken to last.
    last_ms: u64,
}

impl Reader {
    fn said(&mut self, at_ms: u64, said: &Value) {
        let Some(effect) = said.get("link").and_then(Value::as_object) else { return };
        let Some((name, detail)) = effect.iter().next() else { return };
        let Some(id) = detail["id"].as_u64().and_then(|id| LinkId::try_from(id).ok()) else { return };
        match name.as_str() {
            "http" | "websocket" => {
                let script = Script { lines: vec![], messages: name == "websocket", stays_open: true };
                self.open.insert(id, self.scripts.len());
                let since = self.course.before;
                self.scripts.push(Noted { script, heard: Heard::default(), since, last_ms: at_ms });
            }
            "send-bytes" | "send-text" | "finish" => self.sent(at_ms, id),
            // Whether the vendor's own end was still heard is a matter of moments.
            "close" if !self.ended => {
                if let Some(noted) = self.open.get(&id).and_then(|nth| self.scripts.get_mut(*nth)) {
                    noted.script.stays_open = false;
                }
            }
            _ => {}
        }
    }

    /// A piece went out on a link.
    fn sent(&mut self, at_ms: u64, id: LinkId) {
        if let Some(noted) = self.open.get(&id).and_then(|nth| self.scripts.get_mut(*nth)) {
            noted.heard = self.course.heard(noted.since, noted.heard);
            noted.last_ms = at_ms;
        }
    }

    fn news(&mut self, at_ms: u64, news: &vg_plugin_host::api::LinkInput) {
        use vg_plugin_host::api::LinkInput;
        let Some(noted) = self.open.get(&news.id()).and_then(|nth| self.scripts.get_mut(*nth)) else { return };
        if matches!(news, LinkInput::Full(_) | LinkInput::Writable(_)) {
            return;
        }
        let gap_ms = at_ms.saturating_sub(noted.last_ms);
        let line = Line { after: noted.heard, after_end: self.ended, gap_ms, news: news.clone() };
        noted.script.lines.push(line);
        noted.last_ms = at_ms;
        if news.is_last() {
            noted.script.stays_open = self.ended;
            self.open.remove(&news.id());
        }
    }
}
