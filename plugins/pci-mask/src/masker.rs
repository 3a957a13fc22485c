//! One call's masker: what is talked about, whose digits are open, what is replaced.

use std::cmp::Reverse;
use vg_plugin_sdk::mask::{Masked, Segment, Settings, Source, Span, SpanKind};

use crate::{
    document::{is_cpf, is_ssn},
    lexicon::{ALL, EN, ES, Langs, Meaning, PT, Topic, may_hesitate},
    reader::{Kind, Shape, Token, spoken, tokens},
    run::{Digit, Edge, Found, Run, SHOWN_MAX},
};

mod cues;

/// So many words after a cue its number is still expected; a card is longer in coming, since people go and fetch it.
const REACH: u32 = 14;
const REACH_CARD: u32 = 40;
/// So many words within a card's number are nobody's business ("and then there is").
const BETWEEN_MAX: u32 = 3;
/// A number is given up after so many texts without a digit.
const IDLE_MAX: u32 = 3;

/// So many digits answer the question for another number than a card's.
const ANSWER: usize = 9;
/// An agent who says so many words begins something new: what was typed before is finished.
const PROMPT: usize = 8;
const AGENT: usize = 1;
const KEYPAD: usize = 2;

/// How many digits a number of this topic has at most; more of them may be a card's.
fn longest(topic: Topic) -> usize {
    match topic {
        Topic::Card => 0,
        Topic::Code | Topic::Expiry => SHOWN_MAX,
        Topic::Ssn => 9,
        Topic::Cpf => 11,
        Topic::Other => usize::MAX,
    }
}

/// A masker of one call. No `Debug`: it holds digits of the caller.
pub struct Masker {
    langs: Langs,
    kinds: Kinds,
    last_four: bool,
    state: State,
    /// The same, were each "um" a hesitation: from the first one on that may have been. Nobody knows which it was, and a number is none with a digit
    /// too many, nor with one missing; so what either of them masks is masked.
    hesitant: Option<State>,
    scratch: Vec<Token>,
}

struct Kinds {
    card: bool,
    code: bool,
    expiry: bool,
    document: bool,
}

/// What one text leaves for the next.
#[derive(Clone, Default)]
struct State {
    runs: [Open; 3],
    topic: Option<(Topic, u32)>,
    /// A card was masked so many words ago, or less.
    card_reach: u32,
}

/// The open digits of one source.
#[derive(Clone, Default)]
struct Open {
    run: Run,
    idle: u32,
    /// The last text ended on a whole card number.
    after_card: bool,
}

impl Masker {
    /// A masker that has heard nothing. No language means all three.
    pub fn new(settings: &Settings) -> Self {
        let known = |tag: &String| match tag.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("en") => EN,
            Some("pt") => PT,
            Some("es") => ES,
            _ => 0,
        };
        let langs = settings.languages.iter().map(known).fold(0, |all, one| all | one);
        let has = |kind: SpanKind| settings.kinds.contains(&kind);
        Self {
            langs: if langs == 0 { ALL } else { langs },
            kinds: Kinds {
                card: has(SpanKind::CardNumber),
                code: has(SpanKind::SecurityCode),
                expiry: has(SpanKind::ExpiryDate),
                document: has(SpanKind::DocumentNumber),
            },
            last_four: settings.last_four,
            state: State::default(),
            hesitant: None,
            scratch: Vec::new(),
        }
    }

    /// Masks the next text. A partial leaves no trace: its final comes.
    pub fn mask(&mut self, segment: &Segment) -> Masked {
        let mut read = std::mem::take(&mut self.scratch);
        tokens(&segment.text, self.langs, &mut read);
        let source = match segment.source {
            Source::Caller => 0,
            Source::Agent => AGENT,
            Source::Dtmf => KEYPAD,
        };
        let langs = self.langs;
        let may_be_none = |token: &Token| may_hesitate(&segment.text[token.start..token.end], langs);
        let hesitant = match &self.hesitant {
            Some(hesitant) => Some(hesitant.clone()),
            None => read.iter().any(may_be_none).then(|| self.state.clone()),
        };
        let state = if segment.partial { self.state.clone() } else { std::mem::take(&mut self.state) };
        let Searched { state, mut found, mut hold } = self.search(segment, source, &read, state);
        let hesitant = hesitant.map(|hesitant| {
            read.iter_mut().filter(|token| may_be_none(token)).for_each(|token| token.kind = Kind::Word(Meaning::Filler));
            let other = self.search(segment, source, &read, hesitant);
            found.extend(other.found);
            hold |= other.hold;
            other.state
        });
        if !segment.partial {
            (self.state, self.hesitant) = (state, hesitant);
        }
        self.scratch = read;
        // Where two begin at the same place the longer one hides the other.
        found.sort_by_key(|mark| (mark.span.start, Reverse(mark.span.end)));
        replace(&segment.text, found, hold)
    }

    /// Masks a text that was cut into tokens, for a call that has come to `state`.
    fn search(&self, segment: &Segment, source: usize, tokens: &[Token], mut state: State) -> Searched {
        let open = std::mem::take(&mut state.runs[source]);
        let mut search = Search {
            masker: self,
            text: &segment.text,
            tokens,
            partial: segment.partial,
            state,
            run: open.run,
            found: Vec::new(),
            fresh: true,
            between: 0,
            paused: nothing_said(tokens),
            expirable: false,
            ignore_card: 0,
            seen: Seen::default(),
        };
        search.read();
        let hold = search.end(source, open.idle, open.after_card);
        Searched { state: search.state, found: search.found, hold }
    }
}

/// What a text was searched for, and what it leaves.
struct Searched {
    state: State,
    found: Vec<Mark>,
    hold: bool,
}

/// A span and what is shown in its place.
struct Mark {
    span: Span,
    shown: Shown,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Plain(&'static str),
    Ending([u8; 4]),
}

fn replace(text: &str, found: Vec<Mark>, hold: bool) -> Masked {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    let mut spans: Vec<Span> = Vec::with_capacity(found.len());
    for mark in found {
        let (start, end) = (mark.span.start.max(done), mark.span.end);
        if start >= end {
            continue;
        }
        out.push_str(&text[done as usize..start as usize]);
        match mark.shown {
            Shown::Plain(shown) => out.push_str(shown),
            Shown::Ending(digits) => {
                out.push_str("[card ending ");
                out.extend(digits.iter().map(|&digit| char::from(b'0' + digit)));
                out.push(']');
            }
        }
        spans.push(Span { kind: mark.span.kind, start, end });
        done = end;
    }
    out.push_str(&text[done as usize..]);
    Masked { text: out, spans, hold }
}

/// "Yeah", "eso es": a number goes on after it.
fn nothing_said(tokens: &[Token]) -> bool {
    use Meaning::{And, Correction, Ending, Filler, Pause};
    let idle = |token: &Token| matches!(token.kind, Kind::Unknown | Kind::Word(Filler | And | Pause | Correction | Ending));
    tokens.len() <= 3 && tokens.iter().all(idle)
}

/// Where words that make a cue together were last seen.
#[derive(Default)]
struct Seen {
    code: Option<usize>,
    secret: Option<usize>,
    count: Option<usize>,
}

/// One pass over a text.
struct Search<'a> {
    masker: &'a Masker,
    text: &'a str,
    tokens: &'a [Token],
    partial: bool,
    state: State,
    run: Run,
    found: Vec<Mark>,
    /// The next digit begins a group.
    fresh: bool,
    between: u32,
    paused: bool,
    expirable: bool,
    /// Until this token the word "card" means none.
    ignore_card: usize,
    seen: Seen,
}

impl Search<'_> {
    fn read(&mut self) {
        let mut at = 0;
        while let Some(&token) = self.tokens.get(at) {
            if token.sent {
                self.close(at);
            }
            self.fresh |= token.apart;
            at = match token.kind {
                Kind::Number => self.written(token, at),
                Kind::Shaped(shape) => self.shaped(shape, at),
                Kind::Word(word) => match spoken(self.text, self.tokens, at, !self.run.digits.is_empty(), self.masker.langs) {
                    Some(number) => {
                        if let Meaning::Digit(3 | 4) = word {
                            self.seen.count = Some(at);
                        }
                        let place = (token.start as u32, self.tokens[number.next - 1].end as u32);
                        for (nth, &value) in number.digits[..number.count].iter().enumerate() {
                            let edge = match nth {
                                0 if self.fresh => Edge::Group,
                                0 => Edge::Digit,
                                _ => Edge::Inside,
                            };
                            self.run.push(Digit { value, edge, place: Some(place) });
                        }
                        if number.zero {
                            self.run.zero();
                        }
                        self.fresh = false;
                        self.between = 0;
                        number.next
                    }
                    None => {
                        self.word(word, at);
                        at + 1
                    }
                },
                Kind::Unknown => {
                    self.unknown(at);
                    at + 1
                }
            };
        }
    }

    fn written(&mut self, token: Token, at: usize) -> usize {
        if matches!(&self.text[token.start..token.end], "3" | "4") {
            self.seen.count = Some(at);
        }
        let long = token.end - token.start > 2;
        for place in token.start..token.end {
            let edge = match place - token.start {
                0 if self.fresh || long => Edge::Group,
                0 => Edge::Digit,
                _ => Edge::Inside,
            };
            let value = self.text.as_bytes()[place] - b'0';
            self.run.push(Digit { value, edge, place: Some((place as u32, place as u32 + 1)) });
        }
        self.fresh = false;
        self.between = 0;
        at + 1
    }

    fn shaped(&mut self, shape: Shape, at: usize) -> usize {
        self.close(at);
        let end =
            (at..self.tokens.len()).find(|&next| self.tokens[next].kind != Kind::Shaped(shape)).unwrap_or(self.tokens.len());
        if shape == Shape::MonthYear
            && (self.topic() == Some(Topic::Expiry) || (self.state.card_reach > 0 && at > 0 && self.touches_card(at)))
        {
            let span = (self.tokens[at].start as u32, self.tokens[end - 1].end as u32);
            self.mark(SpanKind::ExpiryDate, Some(span), Shown::Plain("[expiry]"));
            self.state.topic = None;
        }
        end
    }

    /// Nothing stands between the last masked card and this token.
    fn touches_card(&self, at: usize) -> bool {
        let end = self.tokens[at - 1].end as u32;
        self.found.iter().any(|mark| mark.span.end == end)
    }

    fn topic(&self) -> Option<Topic> {
        self.state.topic.map(|(topic, _)| topic)
    }

    fn set(&mut self, topic: Topic) {
        // Whoever asks for another number does not wait for the rest of a card's.
        if topic != Topic::Card {
            self.state.runs = Default::default();
        }
        self.state.topic = Some((topic, if topic == Topic::Card { REACH_CARD } else { REACH }));
    }

    fn unknown(&mut self, at: usize) {
        self.fresh = true;
        self.between += 1;
        self.state.card_reach = self.state.card_reach.saturating_sub(1);
        if let Some((_, reach)) = &mut self.state.topic {
            *reach -= 1;
            if *reach == 0 {
                self.state.topic = None;
            }
        }
        let tolerant = matches!(self.topic(), Some(Topic::Card | Topic::Expiry)) && self.between <= BETWEEN_MAX;
        if !self.paused && !tolerant {
            self.close(at);
        }
    }

    /// The topic of a number that ends before this token: what follows may name it ("… is my card").
    fn judged(&self, at: usize) -> Option<Topic> {
        self.topic().or_else(|| {
            self.tokens[at.min(self.tokens.len())..].iter().take(6).find_map(|token| match token.kind {
                Kind::Word(Meaning::Cue(topic @ (Topic::Card | Topic::Other))) => Some(topic),
                _ => None,
            })
        })
    }

    /// The number that was being said is over.
    fn close(&mut self, at: usize) {
        if !self.run.digits.is_empty() {
            self.judge(at);
            self.run.clear();
        }
        self.fresh = true;
        self.between = 0;
        self.paused = false;
    }

    /// Masks what is a number to mask among the digits so far; gives how many of them are dealt with.
    fn judge(&mut self, at: usize) -> usize {
        let topic = self.judged(at);
        let mut cards: Vec<Found> = Vec::new();
        if !matches!(topic, Some(Topic::Cpf | Topic::Ssn)) || self.run.digits.len() > 11 {
            self.run.cards(topic, &mut cards);
        }
        let mut done = 0;
        for card in &cards {
            let shown = match card.last_four {
                // Where digits follow they could be the rest of it: four and three would be seven.
                Some(digits) if self.masker.last_four && !self.partial && card.to == self.run.digits.len() => {
                    Shown::Ending(digits)
                }
                _ => Shown::Plain("[card]"),
            };
            self.mark(SpanKind::CardNumber, self.run.place(card.from, card.to), shown);
            self.state.card_reach = REACH_CARD;
            // A part of a number at the end of a text goes on in the next.
            if card.last_four.is_some() || at < self.tokens.len() {
                done = card.to;
            }
        }
        let rest = &self.run.all()[done..];
        let place = self.run.place(done, self.run.digits.len());
        let after_card = done > 0;
        let month = |digits: &[u8]| matches!(digits, [0, 1..=9, ..] | [1, 0..=2, ..]);
        let marked = match (topic, rest.len()) {
            (Some(Topic::Code), 3 | 4) => self.mark(SpanKind::SecurityCode, place, Shown::Plain("[cvv]")),
            (Some(Topic::Expiry), 3..=6) if month(rest) || rest.len() == 3 || rest.len() == 5 => {
                self.mark(SpanKind::ExpiryDate, place, Shown::Plain("[expiry]"))
            }
            (Some(Topic::Cpf), 11) => self.mark(SpanKind::DocumentNumber, place, Shown::Plain("[document]")),
            (Some(Topic::Ssn), 9) if is_ssn(rest) => self.mark(SpanKind::DocumentNumber, place, Shown::Plain("[document]")),
            (None, 11) if is_cpf(rest) && self.in_form_of_cpf() => {
                self.mark(SpanKind::DocumentNumber, place, Shown::Plain("[document]"))
            }
            (_, 4) if after_card && month(rest) => self.mark(SpanKind::ExpiryDate, place, Shown::Plain("[expiry]")),
            (_, 3 | 4 | 7 | 8) if after_card => self.mark(SpanKind::SecurityCode, place, Shown::Plain("[cvv]")),
            _ => false,
        };
        if !marked {
            return done;
        }
        if topic != Some(Topic::Card) && !after_card {
            self.state.topic = None;
        }
        self.run.digits.len()
    }

    /// `529.982.247-25`
    fn in_form_of_cpf(&self) -> bool {
        let starts = |at: usize| self.run.digits[at].edge != Edge::Inside;
        starts(3)
            && starts(6)
            && starts(9)
            && self.run.place(0, 11).is_some_and(|(start, end)| {
                let written = &self.text[start as usize..end as usize];
                written.len() == 14 && written.as_bytes()[11] == b'-'
            })
    }

    fn mark(&mut self, kind: SpanKind, place: Option<(u32, u32)>, shown: Shown) -> bool {
        let wanted = match kind {
            SpanKind::CardNumber => self.masker.kinds.card,
            SpanKind::SecurityCode => self.masker.kinds.code,
            SpanKind::ExpiryDate => self.masker.kinds.expiry,
            SpanKind::DocumentNumber => self.masker.kinds.document,
        };
        if let (true, Some((start, end))) = (wanted, place) {
            self.found.push(Mark { span: Span { kind, start, end }, shown });
        }
        wanted
    }

    /// What a number leaves of the topic: who has said an order's number may go on with a card's.
    fn answered(&mut self, source: usize, asked: bool) {
        if self.topic() != Some(Topic::Other) {
            return;
        }
        let given = self.run.digits.len();
        if (source != AGENT && given >= ANSWER)
            || (source == AGENT && !asked && self.state.runs.iter().any(|open| open.run.digits.len() > 3))
        {
            self.state.topic = None;
        }
    }

    /// The text is over: withholds digits that may go on, and leaves what the next one needs. Gives whether something was withheld.
    fn end(&mut self, source: usize, idle: u32, after_card: bool) -> bool {
        let spoke = !self.found.is_empty() || self.run.digits.iter().any(|digit| digit.place.is_some());
        let sent = self.text.trim_end().ends_with('#');
        let done = self.judge(self.tokens.len());
        let whole = done > 0 && done == self.run.digits.len() && self.topic() != Some(Topic::Code);
        self.run.forget(done);
        let mut hold = false;
        // Right after a whole number: its code, or its last digits where the number is longer than it seemed.
        if after_card && done == 0 && matches!(self.run.digits.len(), 1..=4) && self.found.is_empty() {
            let place = self.run.place(0, self.run.digits.len());
            self.mark(SpanKind::CardNumber, place, Shown::Plain("[digits]"));
        }
        let topic = self.topic();
        let named = !self.partial && topic.is_some_and(|topic| self.run.digits.len() <= longest(topic));
        if (self.partial || !sent)
            && !named
            && let Some(from) = self.run.pending()
        {
            hold = true;
            let place = self.run.place(from, self.run.digits.len());
            self.mark(SpanKind::CardNumber, place, Shown::Plain("[digits]"));
        }
        if self.partial && topic == Some(Topic::Code) && (1..=SHOWN_MAX).contains(&self.run.digits.len()) {
            hold = true;
            self.mark(SpanKind::SecurityCode, self.run.place(0, self.run.digits.len()), Shown::Plain("[cvv]"));
        }
        let asked = self.tokens.iter().any(|token| token.kind == Kind::Word(Meaning::Cue(Topic::Other)));
        self.answered(source, asked);
        if source == AGENT && self.tokens.len() >= PROMPT && self.topic() != Some(Topic::Card) {
            self.state.runs[KEYPAD].run.clear();
        }
        let idle = if spoke { 0 } else { idle + 1 };
        if idle > IDLE_MAX || sent {
            self.run.clear();
        }
        self.run.carry();
        self.state.runs[source] = Open { run: std::mem::take(&mut self.run), idle, after_card: whole };
        hold && self.masker.kinds.card
    }
}
