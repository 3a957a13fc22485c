//! The other end of every link: a script per link, spoken in answer to what the guest sends.

use super::{Course, Heard, LineAt, Progress};
use std::collections::BTreeMap;
use vg_plugin_host::api::{LinkEffect, LinkId, LinkInput};
use vg_plugin_host::recording::Told;

/// A guest that has more to send than goes out at once sends the next of it sooner than this. Voice that goes out as it is told is no
/// such thing: a vendor answers while it is spoken.
const PAUSE_MS: u64 = 50;
/// One that always has more does not keep its vendor waiting for longer.
const PAUSED_MS_MAX: u64 = 5_000;

/// One thing that a link is told.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Not before the link has heard so much.
    pub(crate) after: Heard,
    /// Not before the owner has said `end`: what a guest sends meanwhile to keep the link alive does not hasten the farewell.
    pub(crate) after_end: bool,
    /// So long after the line before, the last of what was heard, or `end`, whichever was latest.
    pub(crate) gap_ms: u64,
    /// The link's number in it is replaced.
    pub(crate) news: LinkInput,
}

/// What one link is told.
pub(crate) type Part = Vec<Line>;

/// Answers links one after another: the first by the first part, those beyond the last part by `then`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vendor {
    parts: Vec<Part>,
    then: Part,
    live: BTreeMap<LinkId, Live>,
    links: usize,
    ended_at_ms: Option<u64>,
    course: Course,
    /// How far the session had come at each moment when there was more.
    told: Vec<(Progress, u64)>,
}

#[derive(Clone, Debug)]
struct Live {
    nth: usize,
    script: Part,
    next: usize,
    /// What voice there was when anything was sent last.
    asked: Option<u64>,
    /// When something else than voice that was just told was sent last.
    sent_at_ms: Option<u64>,
    /// How far the session had come before it was asked for.
    since: Progress,
    spoke_at_ms: u64,
}

impl Line {
    /// At once.
    pub(crate) fn now(news: LinkInput) -> Self {
        Self { after: Heard::default(), after_end: false, gap_ms: 20, news }
    }

    /// So long after the line before.
    pub(crate) fn after(gap_ms: u64, news: LinkInput) -> Self {
        Self { gap_ms, ..Self::now(news) }
    }
}

impl Vendor {
    /// A part for each link, `then` for any further one.
    pub(crate) fn scripted(parts: Vec<Part>, then: Part) -> Self {
        Self { parts, then, ..Self::default() }
    }

    /// The guest is told something.
    pub(crate) fn told(&mut self, told: &Told, now_ms: u64) {
        self.course.told(told);
        if self.course.now != self.course.before {
            self.told.push((self.course.now, now_ms));
        }
    }

    /// Links that were asked for so far.
    pub(crate) fn links(&self) -> usize {
        self.links
    }

    pub(crate) fn is_open(&self, id: LinkId) -> bool {
        self.live.contains_key(&id)
    }

    /// The guest asks for something.
    pub(crate) fn take(&mut self, effect: &LinkEffect, now_ms: u64) {
        match effect {
            LinkEffect::Http(open) => self.open(open.id, now_ms),
            LinkEffect::Websocket(open) => self.open(open.id, now_ms),
            LinkEffect::SendBytes(id, _) | LinkEffect::SendText(id, _) => self.hear(*id, now_ms),
            // That carries no voice.
            LinkEffect::Finish(id) => {
                let passed = self.live.get(id).map(|live| live.asked.unwrap_or(live.since.voice));
                self.hear(*id, now_ms);
                if let Some(live) = self.live.get_mut(id) {
                    live.asked = passed;
                }
            }
            LinkEffect::Close(id) => {
                self.live.remove(id);
            }
            LinkEffect::Preconnect(_) => {}
        }
    }

    /// Something was sent on a link.
    pub(crate) fn hear(&mut self, id: LinkId, now_ms: u64) {
        if let Some(live) = self.live.get_mut(&id) {
            live.asked = Some(self.course.now.voice);
            if !self.course.is_voice() {
                live.sent_at_ms = Some(now_ms);
            }
        }
    }

    /// The owner says `end`.
    pub(crate) fn end(&mut self, now_ms: u64) {
        self.ended_at_ms = Some(now_ms);
    }

    /// Which link is told something next, and when.
    pub(crate) fn due(&self) -> Option<(u64, LinkId)> {
        self.live.iter().filter_map(|(id, live)| self.due_on(live).map(|at| (at, *id))).min()
    }

    fn due_on(&self, live: &Live) -> Option<u64> {
        let line = live.script.get(live.next)?;
        let is_asked = |passed| live.asked.is_some_and(|voice| voice >= live.since.voice + passed);
        if line.after.asked && !is_asked(line.after.passed) {
            return None;
        }
        let ended_at = if line.after_end { self.ended_at_ms? } else { 0 };
        let Heard { voice, words, .. } = line.after;
        let told_at = match (voice, words) {
            (0, 0) => 0,
            _ => {
                let lacks =
                    |(now, _): &(Progress, u64)| now.voice < live.since.voice + voice || now.words < live.since.words + words;
                self.told.get(self.told.partition_point(lacks))?.1
            }
        };
        let from = live.spoke_at_ms.max(told_at).max(ended_at);
        let mut due = from + line.gap_ms;
        if let Some(sent_at) = live.sent_at_ms.filter(|_| line.after.asked) {
            due = due.max(sent_at.min(from + PAUSED_MS_MAX) + PAUSE_MS);
        }
        Some(due)
    }

    /// Speaks the next line of a link.
    pub(crate) fn speak(&mut self, id: LinkId, now_ms: u64) -> Option<(LineAt, LinkInput)> {
        let live = self.live.get_mut(&id)?;
        let line = live.script.get(live.next)?;
        let (at, news) = ((live.nth, live.next), addressed(line.news.clone(), id));
        live.next += 1;
        live.spoke_at_ms = now_ms;
        if news.is_last() {
            self.live.remove(&id);
        }
        Some((at, news))
    }

    fn open(&mut self, id: LinkId, now_ms: u64) {
        let script = self.parts.get(self.links).unwrap_or(&self.then).clone();
        self.live.insert(
            id,
            Live {
                nth: self.links,
                script,
                next: 0,
                asked: None,
                sent_at_ms: None,
                since: self.course.before,
                spoke_at_ms: now_ms,
            },
        );
        self.links += 1;
    }
}

fn addressed(news: LinkInput, to: LinkId) -> LinkInput {
    match news {
        LinkInput::Signed(_, signed) => LinkInput::Signed(to, signed),
        LinkInput::Opened { status, headers, .. } => LinkInput::Opened { id: to, status, headers },
        LinkInput::Bytes(_, data) => LinkInput::Bytes(to, data),
        LinkInput::Text(_, data) => LinkInput::Text(to, data),
        LinkInput::Trailers(_, fields) => LinkInput::Trailers(to, fields),
        LinkInput::Finished(_, code) => LinkInput::Finished(to, code),
        LinkInput::Failed { kind, detail, .. } => LinkInput::Failed { id: to, kind, detail },
        LinkInput::Full(_) => LinkInput::Full(to),
        LinkInput::Writable(_) => LinkInput::Writable(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_host::api::Payload;

    fn text(words: u64, voice: u64, gap_ms: u64) -> Line {
        let after = Heard { asked: words + voice > 0, voice, passed: voice, words };
        Line { after, after_end: false, gap_ms, news: LinkInput::Text(9, Payload(vec![])) }
    }

    fn chunk() -> Told {
        Told::Audio(vec![0; 800])
    }

    /// The guest is told something and sends so many pieces.
    fn sends(vendor: &mut Vendor, told: &Told, pieces: usize, now_ms: u64) {
        vendor.told(told, now_ms);
        (0..pieces).for_each(|_| vendor.hear(4, now_ms));
    }

    #[test]
    fn a_line_waits_for_what_it_answers_and_then_for_its_gap() {
        let mut vendor = Vendor::scripted(vec![], vec![text(0, 0, 50), text(2, 0, 80)]);
        vendor.open(4, 100);
        assert_eq!(vendor.due(), Some((150, 4)));
        let (at, news) = vendor.speak(4, 150).unwrap();
        assert_eq!((at, news.id()), ((0, 0), 4));
        sends(&mut vendor, &Told::Finalize, 1, 200);
        assert_eq!(vendor.due(), None, "that is not all of it");
        sends(&mut vendor, &Told::Finalize, 0, 400);
        assert_eq!(vendor.due(), Some((480, 4)));
    }

    #[test]
    fn who_sends_nothing_is_not_answered() {
        let mut vendor = Vendor::scripted(vec![], vec![text(1, 0, 80)]);
        vendor.open(4, 100);
        sends(&mut vendor, &Told::Finalize, 0, 200);
        assert_eq!(vendor.due(), None);
        // Nor is who keeps the voice to itself.
        let mut vendor = Vendor::scripted(vec![], vec![text(1, 1600, 80)]);
        vendor.open(4, 100);
        sends(&mut vendor, &chunk(), 1, 200);
        sends(&mut vendor, &chunk(), 0, 300);
        vendor.told(&Told::Finalize, 400);
        assert_eq!(vendor.due(), None);
        vendor.hear(4, 400);
        assert_eq!(vendor.due(), Some((480, 4)));
    }

    #[test]
    fn in_how_many_pieces_voice_is_sent_does_not_matter() {
        let opened = Told::Link(LinkInput::Opened { id: 4, status: 101, headers: vec![] });
        for at_once in [true, false] {
            let mut vendor = Vendor::scripted(vec![], vec![text(1, 2400, 80)]);
            vendor.open(4, 0);
            sends(&mut vendor, &opened, usize::from(!at_once), 10);
            (1..=3).for_each(|nth| sends(&mut vendor, &chunk(), usize::from(!at_once), nth * 100));
            sends(&mut vendor, &opened, usize::from(at_once), 310);
            assert_eq!(vendor.due(), None, "the caller's turn is not over");
            sends(&mut vendor, &Told::Finalize, 1, 400);
            assert_eq!(vendor.due(), Some((480, 4)), "at once: {at_once}");
        }
    }

    #[test]
    fn a_line_waits_for_what_goes_out_by_and_by_but_not_for_ever() {
        let mut vendor = Vendor::scripted(vec![], vec![text(0, 800, 10)]);
        vendor.open(4, 0);
        sends(&mut vendor, &chunk(), 1, 100);
        assert_eq!(vendor.due(), Some((110, 4)));
        sends(&mut vendor, &Told::Timer(1), 1, 105);
        assert_eq!(vendor.due(), Some((155, 4)), "more may follow");
        sends(&mut vendor, &Told::Timer(1), 1, 120);
        assert_eq!(vendor.due(), Some((170, 4)));
        (2..500).for_each(|nth| sends(&mut vendor, &Told::Timer(1), 1, 100 + nth * 20));
        assert_eq!(vendor.due(), Some((5_150, 4)));
    }

    #[test]
    fn each_link_has_heard_what_was_told_since_it_was_asked_for() {
        let mut vendor = Vendor::scripted(vec![], vec![text(0, 1600, 80)]);
        sends(&mut vendor, &chunk(), 0, 100);
        // Asked for because of this chunk.
        vendor.told(&chunk(), 200);
        vendor.open(4, 200);
        vendor.hear(4, 200);
        assert_eq!(vendor.due(), None);
        sends(&mut vendor, &chunk(), 1, 300);
        assert_eq!(vendor.due(), Some((380, 4)));
    }

    #[test]
    fn a_farewell_waits_for_the_end_whatever_was_sent_before() {
        let mut vendor = Vendor::scripted(vec![], vec![Line { after_end: true, ..text(1, 0, 30) }]);
        vendor.open(4, 100);
        sends(&mut vendor, &Told::Finalize, 1, 200);
        assert_eq!(vendor.due(), None);
        vendor.end(900);
        assert_eq!(vendor.due(), Some((930, 4)));
    }

    #[test]
    fn links_beyond_the_script_are_answered_alike_and_an_ended_one_says_nothing_more() {
        let last = Line::now(LinkInput::Finished(0, None));
        let mut vendor = Vendor::scripted(vec![vec![text(0, 0, 1)]], vec![last]);
        vendor.open(1, 0);
        vendor.open(2, 0);
        assert!(vendor.speak(2, 20).unwrap().1.is_last());
        assert!(!vendor.is_open(2) && vendor.is_open(1));
        assert_eq!(vendor.links(), 2);
    }
}
