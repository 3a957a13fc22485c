//! Text on its way to the vendor: sentence by sentence, so that the first is heard while the others are still being written.

use std::collections::VecDeque;

/// What one request speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// To be given after its last sample.
    pub(crate) mark: Option<u32>,
}

/// What was told and is not spoken yet.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    /// Nobody has called for it yet.
    open: String,
    called: VecDeque<Piece>,
    /// Characters of a piece.
    longest: usize,
}

impl Texts {
    pub(crate) fn new(longest: usize) -> Self {
        Self { open: String::new(), called: VecDeque::new(), longest: longest.max(1) }
    }

    pub(crate) fn add(&mut self, text: &str) {
        self.open.push_str(text);
    }

    /// All of it is to be spoken, and then the mark given.
    pub(crate) fn flush(&mut self, mark: u32) {
        self.call(Some(mark));
    }

    /// All of it is to be spoken.
    pub(crate) fn end(&mut self) {
        self.call(None);
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.called.clear();
    }

    /// What is to be spoken next: what was called for, else all whole sentences. More at a time sounds better, so nothing is taken
    /// before it is needed.
    pub(crate) fn take(&mut self) -> Option<Piece> {
        if let Some(mut piece) = self.called.pop_front() {
            if let Some(at) = cut(&piece.text, self.longest) {
                let rest = piece.text.split_off(at);
                self.called.push_front(Piece { text: rest, mark: piece.mark.take() });
            }
            return Some(piece);
        }
        let whole = sentences(&self.open);
        if self.open[..whole].trim().is_empty() {
            return None;
        }
        let at = cut(&self.open[..whole], self.longest).unwrap_or(whole);
        let rest = self.open.split_off(at);
        Some(Piece { text: std::mem::replace(&mut self.open, rest), mark: None })
    }

    fn call(&mut self, mark: Option<u32>) {
        self.called.push_back(Piece { text: std::mem::take(&mut self.open), mark });
    }
}

/// Where the last whole sentence ends. A dot ends one only before a space, so that `3.5` stays whole; what follows may still come.
fn sentences(text: &str) -> usize {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && matches!(before, '.' | '!' | '?' | '…' | '"' | '”') || c == '\n' {
            end = at + c.len_utf8();
        }
        if matches!(c, '。' | '！' | '？') {
            end = at + c.len_utf8();
        }
        before = c;
    }
    end
}

/// Where to cut a text that is too long: behind its last sentence or word that fits.
fn cut(text: &str, longest: usize) -> Option<usize> {
    let (end, _) = text.char_indices().nth(longest)?;
    let fits = &text[..end];
    let sentence = sentences(fits);
    let word = fits.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    Some([sentence, word, end].into_iter().find(|at| *at > 0 && text.is_char_boundary(*at)).unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, mark: Option<u32>) -> Option<Piece> {
        Some(Piece { text: text.to_owned(), mark })
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
        texts.add("Tchau! ");
        assert_eq!(texts.take(), piece("Is that fine?", Some(7)));
        assert_eq!(texts.take(), piece("Tchau! ", None));
        texts.end();
        assert_eq!((texts.take(), texts.take()), (piece("", None), None));
    }

    #[test]
    fn long_texts_are_cut_between_words_and_the_mark_comes_last() {
        let mut texts = Texts::new(12);
        texts.add("Olá. É um teste comprido açaíaçaíaçaíaçaí");
        texts.flush(1);
        let mut pieces = Vec::new();
        while let Some(piece) = texts.take() {
            assert!(piece.text.chars().count() <= 12);
            pieces.push(piece);
        }
        assert_eq!(
            pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(),
            "Olá. É um teste comprido açaíaçaíaçaíaçaí"
        );
        assert_eq!(pieces[0].text, "Olá. ");
        assert_eq!(pieces.iter().filter_map(|piece| piece.mark).collect::<Vec<_>>(), [1]);
        assert_eq!(pieces.last().unwrap().mark, Some(1));
        texts.add("Nothing of it. ");
        texts.clear();
        assert_eq!(texts.take(), None);
    }
}
