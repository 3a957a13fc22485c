//! The other end of every link: a script per link, spoken in answer to what the guest sends.

use super::LineAt;
use std::collections::BTreeMap;
use vg_plugin_host::api::{LinkEffect, LinkId, LinkInput};

/// One thing that a link is told.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Not before the guest has sent so many pieces on this link.
    pub(crate) after_sends: usize,
    /// Not before the owner has said `end`: what a guest sends meanwhile to keep the link alive does not hasten the farewell.
    pub(crate) after_end: bool,
    /// So long after the line before, the last of those pieces, or `end`, whichever was latest.
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
}

#[derive(Clone, Debug)]
struct Live {
    nth: usize,
    script: Part,
    next: usize,
    /// When each piece was sent.
    sent_at_ms: Vec<u64>,
    spoke_at_ms: u64,
}

impl Line {
    /// At once.
    pub(crate) fn now(news: LinkInput) -> Self {
        Self { after_sends: 0, after_end: false, gap_ms: 20, news }
    }

    /// So long after the line before.
    pub(crate) fn after(gap_ms: u64, news: LinkInput) -> Self {
        Self { gap_ms, ..Self::now(news) }
    }
}

impl Vendor {
    /// A part for each link, `then` for any further one.
    pub(crate) fn scripted(parts: Vec<Part>, then: Part) -> Self {
        Self { parts, then, live: BTreeMap::new(), links: 0, ended_at_ms: None }
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
            LinkEffect::SendBytes(id, _) | LinkEffect::SendText(id, _) | LinkEffect::Finish(id) => self.hear(*id, now_ms),
            LinkEffect::Close(id) => {
                self.live.remove(id);
            }
            LinkEffect::Preconnect(_) => {}
        }
    }

    /// Something was sent on a link.
    pub(crate) fn hear(&mut self, id: LinkId, now_ms: u64) {
        if let Some(live) = self.live.get_mut(&id) {
            live.sent_at_ms.push(now_ms);
        }
    }

    /// The owner says `end`.
    pub(crate) fn end(&mut self, now_ms: u64) {
        self.ended_at_ms = Some(now_ms);
    }

    /// Which link is told something next, and when.
    pub(crate) fn due(&self) -> Option<(u64, LinkId)> {
        self.live.iter().filter_map(|(id, live)| live.due(self.ended_at_ms).map(|at| (at, *id))).min()
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
        self.live.insert(id, Live { nth: self.links, script, next: 0, sent_at_ms: Vec::new(), spoke_at_ms: now_ms });
        self.links += 1;
    }
}

impl Live {
    fn due(&self, ended_at_ms: Option<u64>) -> Option<u64> {
        let line = self.script.get(self.next)?;
        let ended_at = if line.after_end { ended_at_ms? } else { 0 };
        let heard_at = match line.after_sends.checked_sub(1) {
            Some(last) => *self.sent_at_ms.get(last)?,
            None => 0,
        };
        Some(self.spoke_at_ms.max(heard_at).max(ended_at) + line.gap_ms)
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

    fn text(after_sends: usize, gap_ms: u64) -> Line {
        Line { after_sends, after_end: false, gap_ms, news: LinkInput::Text(9, Payload(vec![])) }
    }

    #[test]
    fn a_line_waits_for_what_it_answers_and_then_for_its_gap() {
        let mut vendor = Vendor::scripted(vec![], vec![text(0, 50), text(2, 30)]);
        vendor.open(4, 100);
        assert_eq!(vendor.due(), Some((150, 4)));
        let (at, news) = vendor.speak(4, 150).unwrap();
        assert_eq!((at, news.id()), ((0, 0), 4));
        assert_eq!(vendor.due(), None, "nothing was sent yet");
        vendor.hear(4, 200);
        vendor.hear(4, 400);
        assert_eq!(vendor.due(), Some((430, 4)));
    }

    #[test]
    fn a_farewell_waits_for_the_end_whatever_was_sent_before() {
        let mut vendor = Vendor::scripted(vec![], vec![Line { after_end: true, ..text(1, 30) }]);
        vendor.open(4, 100);
        vendor.hear(4, 200);
        assert_eq!(vendor.due(), None);
        vendor.end(900);
        assert_eq!(vendor.due(), Some((930, 4)));
    }

    #[test]
    fn links_beyond_the_script_are_answered_alike_and_an_ended_one_says_nothing_more() {
        let last = Line::now(LinkInput::Finished(0, None));
        let mut vendor = Vendor::scripted(vec![vec![text(0, 1)]], vec![last]);
        vendor.open(1, 0);
        vendor.open(2, 0);
        assert!(vendor.speak(2, 20).unwrap().1.is_last());
        assert!(!vendor.is_open(2) && vendor.is_open(1));
        assert_eq!(vendor.links(), 2);
    }
}
