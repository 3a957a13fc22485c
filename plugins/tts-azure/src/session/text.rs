//! What is to be spoken, in order: text, and marks between it.

use std::collections::VecDeque;

/// Shorter sentences are spoken together with the next, unless nothing follows.
const SENTENCE_MIN: usize = 16;
/// Bytes of one turn: far below what the vendor takes (64 KB, 10 minutes of sound).
const STRETCH_MAX: usize = 4_000;

#[derive(Debug)]
enum Item {
    Text(String),
    Mark(u32),
}

/// Text and marks that wait.
#[derive(Debug)]
pub(super) struct Script {
    items: VecDeque<Item>,
    /// Text may be cut at sentences.
    sentences: bool,
}

impl Script {
    pub(super) fn new(sentences: bool) -> Self {
        Self { items: VecDeque::new(), sentences }
    }

    pub(super) fn text(&mut self, text: &str) {
        match self.items.back_mut() {
            Some(Item::Text(waiting)) => waiting.push_str(text),
            _ => self.items.push_back(Item::Text(text.to_owned())),
        }
    }

    pub(super) fn mark(&mut self, mark: u32) {
        self.items.push_back(Item::Mark(mark));
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A mark with no text before it.
    pub(super) fn reached(&mut self) -> Option<u32> {
        if let (Some(Item::Text(text)), Some(Item::Mark(_))) = (self.items.front(), self.items.get(1))
            && text.trim().is_empty()
        {
            self.items.pop_front();
        }
        match self.items.front() {
            Some(Item::Mark(mark)) => {
                let mark = *mark;
                self.items.pop_front();
                Some(mark)
            }
            _ => None,
        }
    }

    /// Whether a mark is next.
    pub(super) fn is_at_mark(&self) -> bool {
        matches!(self.items.front(), Some(Item::Mark(_)))
    }

    /// The text to speak in one turn: up to the mark or the end, or the sentences that are whole.
    pub(super) fn stretch(&mut self, ending: bool) -> Option<String> {
        let closed = ending || self.items.len() > 1;
        loop {
            let Some(Item::Text(text)) = self.items.front_mut() else { return None };
            let cut = match (closed, self.sentences) {
                (true, true) if text.len() > STRETCH_MAX => cut_below(text, STRETCH_MAX),
                (true, _) => text.len(),
                (false, true) => sentences(text.get(..text.floor_char_boundary(STRETCH_MAX)).unwrap_or(text)),
                (false, false) => 0,
            };
            let rest = text.split_off(cut);
            let stretch = std::mem::replace(text, rest);
            let is_all = text.is_empty();
            if is_all {
                self.items.pop_front();
            }
            if !stretch.trim().is_empty() {
                return Some(stretch);
            }
            // Nothing but blanks so far, which are no turn: the text behind them must not wait for one.
            if is_all || cut == 0 {
                return None;
            }
        }
    }

    /// The beginning of a stream of text, once there is anything to speak.
    pub(super) fn begun(&mut self, ending: bool) -> Option<String> {
        match self.items.front() {
            Some(Item::Text(text)) if !text.trim().is_empty() => self.rest(),
            Some(Item::Text(_)) if ending => {
                self.items.pop_front();
                None
            }
            _ => None,
        }
    }

    /// All text before the next mark.
    pub(super) fn rest(&mut self) -> Option<String> {
        if !matches!(self.items.front(), Some(Item::Text(_))) {
            return None;
        }
        match self.items.pop_front() {
            Some(Item::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Behind the last sentence that is certainly whole: its end and a space have come.
fn sentences(text: &str) -> usize {
    let mut ends = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let ended = matches!(char, '.' | '!' | '?' | '…' | ';' | ':' | '\n');
        if let Some((next, space)) = chars.peek()
            && ended
            && space.is_whitespace()
            && at >= SENTENCE_MIN
        {
            ends = next + space.len_utf8();
        }
    }
    ends
}

/// Where to cut a text that is too long for one turn: behind a sentence, else behind a word.
fn cut_below(text: &str, max: usize) -> usize {
    let head = &text[..text.floor_char_boundary(max)];
    match sentences(head) {
        0 => head.rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(head.len()),
        at => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_spoken_as_soon_as_they_are_whole_and_the_rest_at_the_mark() {
        let mut script = Script::new(true);
        script.text("Your balance is 3.");
        assert_eq!(script.stretch(false), None);
        script.text("5 dollars. Anything el");
        assert_eq!(script.stretch(false).as_deref(), Some("Your balance is 3.5 dollars. "));
        script.text("se?");
        assert_eq!(script.stretch(false), None);
        script.mark(7);
        assert_eq!((script.reached(), script.stretch(false).as_deref()), (None, Some("Anything else?")));
        assert_eq!((script.reached(), script.reached(), script.is_empty()), (Some(7), None, true));
    }

    #[test]
    fn marks_without_text_are_reached_at_once() {
        let mut script = Script::new(true);
        script.mark(1);
        script.text(" \n");
        script.mark(2);
        assert_eq!((script.reached(), script.reached(), script.reached()), (Some(1), Some(2), None));
        script.text("  ");
        assert_eq!((script.stretch(true), script.is_empty()), (None, true));
    }

    #[test]
    fn a_document_is_not_cut_and_a_long_text_is() {
        let document = "<speak>One. Two. Three. Four. Five. ".repeat(300);
        let mut script = Script::new(false);
        script.text(&document);
        assert_eq!(script.stretch(false), None);
        assert_eq!(script.stretch(true), Some(document));
        for blanks in [3_999, 4_000, 9_000] {
            let mut script = Script::new(true);
            script.text(&format!("{}Good morning.", " ".repeat(blanks)));
            script.mark(1);
            assert_eq!(script.reached(), None);
            assert_eq!(script.stretch(false).as_deref().map(str::trim_start), Some("Good morning."), "{blanks}");
            assert_eq!(script.reached(), Some(1));
        }
        for text in ["Olá, tudo bem com você? ".repeat(400), "á".repeat(9_000), "word ".repeat(2_000)] {
            let mut script = Script::new(true);
            script.text(&text);
            let mut spoken = String::new();
            while let Some(stretch) = script.stretch(true) {
                assert!(stretch.len() <= STRETCH_MAX);
                spoken.push_str(&stretch);
            }
            assert_eq!(spoken.trim_end(), text.trim_end());
        }
    }
}
