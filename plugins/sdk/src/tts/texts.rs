//! Text on its way to a vendor that takes whole texts: sentence by sentence, so that the first is heard while the others are still
//! being written.

use std::collections::VecDeque;

/// Shorter sentences are spoken together with the next, unless they were called for: `Dr.` and `1.` are none.
const SENTENCE_MIN: usize = 12;

/// What one request speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Empty where only its mark is to be given.
    pub text: String,
    /// To be given after its last sample.
    pub mark: Option<u32>,
}

impl Piece {
    /// Whether there is anything to speak: a vendor is not asked for the sound of dots and blanks.
    pub fn is_speech(&self) -> bool {
        is_speech(&self.text)
    }
}

/// What a session was told and has not spoken.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Nobody has called for it yet.
    open: String,
    called: VecDeque<Piece>,
    /// Characters of a piece.
    longest: usize,
    markup: Markup,
}

/// Where markup is, nothing is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Markup {
    /// In what begins with `<speak`.
    Documents,
    Everywhere,
    Nowhere,
}

impl Texts {
    /// Pieces of so many characters at most.
    pub fn new(longest: usize) -> Self {
        Self { open: String::new(), called: VecDeque::new(), longest: longest.max(1), markup: Markup::Documents }
    }

    /// Nothing is cut, and nothing taken before it is called for: for text with markup throughout.
    pub fn whole() -> Self {
        Self { markup: Markup::Everywhere, ..Self::new(usize::MAX) }
    }

    /// The same as [`new`](Self::new), but what begins with `<speak` is text like any other.
    pub fn plain(longest: usize) -> Self {
        Self { markup: Markup::Nowhere, ..Self::new(longest) }
    }

    /// More text.
    pub fn add(&mut self, text: &str) {
        self.open.push_str(text);
    }

    /// All of it is to be spoken, and then the mark given.
    pub fn flush(&mut self, mark: u32) {
        self.call(Some(mark));
    }

    /// All of it is to be spoken.
    pub fn end(&mut self) {
        self.call(None);
    }

    /// A `cancel`: nothing of it is to be spoken.
    pub fn clear(&mut self) {
        self.open.clear();
        self.called.clear();
    }

    /// What is to be spoken next: what was called for, else all whole sentences. More at a time sounds better, so nothing should be
    /// taken before it is needed. A piece may be nothing to speak, but for its mark.
    pub fn take(&mut self) -> Option<Piece> {
        if let Some(mut piece) = self.called.pop_front() {
            if let Some(at) = self.cut(&piece.text) {
                let rest = piece.text.split_off(at);
                self.called.push_front(Piece { text: rest, mark: piece.mark.take() });
            }
            return Some(piece);
        }
        if self.is_uncut(&self.open) {
            return None;
        }
        let whole = sentences(&self.open, SENTENCE_MIN);
        if !is_speech(&self.open[..whole]) {
            return None;
        }
        let at = self.cut(&self.open[..whole]).unwrap_or(whole);
        let rest = self.open.split_off(at);
        Some(Piece { text: std::mem::replace(&mut self.open, rest), mark: None })
    }

    fn call(&mut self, mark: Option<u32>) {
        self.called.push_back(Piece { text: std::mem::take(&mut self.open), mark });
    }

    /// Half a document is none.
    fn is_uncut(&self, text: &str) -> bool {
        match self.markup {
            Markup::Documents => text.trim_start().starts_with("<speak"),
            Markup::Everywhere => true,
            Markup::Nowhere => false,
        }
    }

    /// Where to cut a text that is too long: behind its last sentence or word that fits.
    fn cut(&self, text: &str) -> Option<usize> {
        let (end, _) = text.char_indices().nth(self.longest)?;
        if self.is_uncut(text) {
            return None;
        }
        let fits = &text[..end];
        let word = fits.char_indices().rfind(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
        [sentences(fits, 0), word].into_iter().find(|at| *at > 0).or(Some(end))
    }
}

impl Default for Texts {
    /// Pieces of any length.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

fn is_speech(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// Where the last whole sentence ends that has so many characters before its end. A dot ends one only before a space, so that `3.5`
/// stays whole; what follows may still come.
fn sentences(text: &str, at_least: usize) -> usize {
    let mut end = 0;
    // Whether the last character that is no closing quote ends a sentence.
    let (mut ended, mut ended_wide) = (false, false);
    for (place, (at, c)) in text.char_indices().enumerate() {
        let is_wide = matches!(c, '。' | '！' | '？');
        let is_closing = matches!(c, '"' | '\'' | '”' | '’' | '»' | ')' | ']' | '」' | '』' | '）');
        let is_end = is_wide || (is_closing && ended_wide) || (ended && c.is_whitespace() || c == '\n') && place >= at_least;
        if is_end {
            end = at + c.len_utf8();
        }
        if !is_closing {
            (ended, ended_wide) = (matches!(c, '.' | '!' | '?' | '…'), is_wide);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, mark: Option<u32>) -> Option<Piece> {
        Some(Piece { text: text.to_owned(), mark })
    }

    fn said_early(text: &str) -> Option<String> {
        let mut texts = Texts::new(4096);
        texts.add(text);
        texts.take().map(|piece| piece.text)
    }

    #[test]
    fn sentences_go_as_soon_as_they_are_whole() {
        let mut texts = Texts::new(4096);
        texts.add("It costs 3.5");
        assert_eq!(texts.take(), None);
        texts.add(" euros. Is that");
        assert_eq!(texts.take(), piece("It costs 3.5 euros. ", None));
        assert_eq!(texts.take(), None);
        texts.add(" fine?");
        texts.flush(7);
        texts.add("Até a próxima! ");
        assert_eq!(texts.take(), piece("Is that fine?", Some(7)));
        assert_eq!(texts.take(), piece("Até a próxima! ", None));
        texts.end();
        assert_eq!((texts.take(), texts.take()), (piece("", None), None));
        assert_eq!(said_early("Good morning. How ").as_deref(), Some("Good morning. "));
    }

    #[test]
    fn short_sentences_wait_for_the_next_unless_they_were_called_for() {
        assert_eq!(said_early("Dr. "), None);
        assert_eq!(said_early("1. "), None);
        assert_eq!(said_early("Yes. That is right. And").as_deref(), Some("Yes. That is right. "));
        assert_eq!(said_early("您好。请").as_deref(), Some("您好。"), "a wide one is no abbreviation's");
        assert_eq!(said_early("................ "), None, "nothing to speak");
        let mut texts = Texts::new(4096);
        texts.add("Yes. ");
        texts.flush(1);
        assert_eq!(texts.take(), piece("Yes. ", Some(1)));
    }

    #[test]
    fn a_closing_quote_ends_a_sentence_only_behind_its_end() {
        assert_eq!(said_early("Please press \"one\" to continue"), None);
        assert_eq!(said_early("She said: “Good.” And").as_deref(), Some("She said: “Good.” "));
        assert_eq!(said_early("(It is the second one.) And").as_deref(), Some("(It is the second one.) "));
        assert_eq!(said_early("他说：「好。」然后").as_deref(), Some("他说：「好。」"));
    }

    #[test]
    fn a_document_is_never_cut() {
        let document = format!(" <speak>{}</speak>", "It is so. ".repeat(30));
        let mut texts = Texts::new(12);
        texts.add(&document);
        assert_eq!(texts.take(), None);
        texts.flush(1);
        assert_eq!(texts.take(), piece(&document, Some(1)));
        let mut whole = Texts::whole();
        whole.add("It is <emphasis>so. It is so.</emphasis> And");
        assert_eq!(whole.take(), None);
        whole.end();
        assert_eq!(whole.take(), piece("It is <emphasis>so. It is so.</emphasis> And", None));
    }

    #[test]
    fn long_texts_are_cut_between_words_and_the_mark_comes_last() {
        let long = "Olá. É um teste comprido\u{3000}açaíaçaíaçaíaçaí";
        let mut texts = Texts::new(12);
        texts.add(long);
        texts.flush(1);
        let mut pieces = Vec::new();
        while let Some(piece) = texts.take() {
            assert!(piece.text.chars().count() <= 12);
            pieces.push(piece);
        }
        assert_eq!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), long);
        assert_eq!(pieces[0].text, "Olá. ");
        assert_eq!(pieces.iter().filter_map(|piece| piece.mark).collect::<Vec<_>>(), [1]);
        assert_eq!(pieces.last().unwrap().mark, Some(1));
        texts.add("Nothing of it, please. ");
        texts.clear();
        assert_eq!(texts.take(), None);
    }
}
