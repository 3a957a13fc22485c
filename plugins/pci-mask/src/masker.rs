//! One call's masker: what is talked about, whose digits are open, what is replaced.

use std::cmp::Reverse;
use vg_plugin_sdk::mask::{Masked, Segment, Settings, Source, Span, SpanKind};

use crate::{
    document::{is_cpf, is_ssn},
    lexicon::{ALL, EN, ES, Langs, Meaning, PT, Topic, may_hesitate},
    reader::{Kind, Shape, Token, spoken, tokens},
    run::{Digit, Edge, Found, Run, SHOWN_MAX},
};
use state::{AfterCard, Ahead, CALLER, Open, State, fork};

mod cues;
mod state;

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
/// So many digits right after a card number are its code, its date or its end.
const AFTER_CARD: usize = 4;
/// Shorter numbers than most cards', and all whose last four are shown, may be the beginning of a longer one, also with some digits before it that
/// are none of its own.
const COMMON: usize = 16;
const STRETCH: usize = 22;
/// So many keys right after a card that was said are its code. Fewer are an answer to the agent.
const KEYED_CODE: usize = 3;

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
    /// The call in every way in which it may be read, at most four; what any of them masks is masked.
    readings: Vec<State>,
    scratch: Vec<Token>,
}

struct Kinds {
    card: bool,
    code: bool,
    expiry: bool,
    document: bool,
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
            readings: vec![State::default()],
            scratch: Vec::new(),
        }
    }

    /// Masks the next text. A partial leaves no trace but for keys that are pressed before its final comes.
    pub fn mask(&mut self, segment: &Segment) -> Masked {
        let mut read = std::mem::take(&mut self.scratch);
        tokens(&segment.text, self.langs, &mut read);
        let langs = self.langs;
        let may_be_none = |token: &Token| may_hesitate(&segment.text[token.start..token.end], langs);
        let known = self.readings.len();
        let mut readings = if segment.partial { self.readings.clone() } else { std::mem::take(&mut self.readings) };
        if read.iter().any(may_be_none) {
            fork(&mut readings, |state| !std::mem::replace(&mut state.hesitant, true));
        }
        if segment.source == Source::Dtmf {
            fork(&mut readings, |state| !std::mem::replace(&mut state.joined, true));
        }
        let (count, mut found, mut hold) = (readings.len(), Vec::new(), false);
        for hesitant in [false, true] {
            if hesitant {
                read.iter_mut().filter(|token| may_be_none(token)).for_each(|token| token.kind = Kind::Word(Meaning::Filler));
            }
            for reading in readings.iter_mut().filter(|reading| reading.hesitant == hesitant) {
                let searched = self.search(segment, &read, std::mem::take(reading));
                *reading = searched.state;
                found.extend(searched.found);
                hold |= searched.hold;
            }
        }
        if !segment.partial {
            self.readings = readings;
        } else if segment.source == Source::Caller {
            // Those that are new since this text come again with its final.
            for (kept, read) in self.readings.iter_mut().zip(&mut readings[..known]) {
                kept.runs[CALLER].ahead = read.runs[CALLER].ahead.take();
            }
        }
        self.scratch = read;
        settle(&mut found, count);
        replace(&segment.text, found, hold)
    }

    /// Masks a text that was cut into tokens, for a call that has come to `state`.
    fn search(&self, segment: &Segment, tokens: &[Token], mut state: State) -> Searched {
        // What a recogniser has guessed so far may end within a word.
        let cut = segment.partial && tokens.last().is_some_and(|last| last.kind == Kind::Unknown);
        let tokens = &tokens[..tokens.len() - usize::from(cut)];
        let slot = state.slot(segment.source);
        let mut open = std::mem::take(&mut state.runs[slot]);
        let (run, base) = match (segment.source, open.ahead.take()) {
            (Source::Dtmf, Some(ahead)) => {
                open.after_card = ahead.after_card;
                (ahead.run, Some(std::mem::take(&mut open.run)))
            }
            _ => (std::mem::take(&mut open.run), None),
        };
        let mut search = Search {
            masker: self,
            text: &segment.text,
            source: segment.source,
            tokens,
            partial: segment.partial,
            state,
            run,
            found: Vec::new(),
            fresh: true,
            between: 0,
            paused: nothing_said(tokens),
            expirable: false,
            ignore_card: 0,
            room: 0,
            seen: Seen::default(),
        };
        search.read();
        let hold = search.end(slot, open, base);
        Searched { state: search.state, found: search.found, hold }
    }
}

/// Puts marks in their order; where two begin at the same place the longer one hides the other. A number is sure, and its last digits may be shown,
/// where every reading has it: in another one digits may go on from there.
fn settle(found: &mut [Mark], readings: usize) {
    found.sort_by_key(|mark| (mark.span.start, Reverse(mark.span.end)));
    for same in found.chunk_by_mut(|one, next| one.span == next.span) {
        let shown = same[0].shown;
        if same.iter().filter(|mark| mark.shown == shown).count() < readings {
            same.iter_mut()
                .filter(|mark| matches!(mark.shown, Shown::Ending(_)))
                .for_each(|mark| mark.shown = Shown::Plain("[card]"));
        }
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
    source: Source,
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
    /// How many digits the last card number may have beyond those that were masked.
    room: usize,
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
                Kind::Shaped(Shape::Amount) if self.goes_on() => self.written(token, at),
                Kind::Shaped(shape) => self.shaped(shape, at),
                // "Double": its digit follows.
                Kind::Word(Meaning::Times(_)) if at + 1 == self.tokens.len() => at + 1,
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
                            self.run.push(Digit { value, edge, keyed: false, place: Some(place) });
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
            let keyed = self.source == Source::Dtmf;
            self.run.push(Digit { value, edge, keyed, place: Some((place as u32, place as u32 + 1)) });
        }
        self.fresh = false;
        self.between = 0;
        at + 1
    }

    /// Whether what has the form of an amount is a number's digits, of which some recognisers make thousands: after a card's cue, and where the text
    /// before left digits.
    fn goes_on(&self) -> bool {
        self.topic() == Some(Topic::Card) || (!self.run.digits.is_empty() && self.run.digits[0].place.is_none())
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
            let length = card.to - card.from;
            let longer = length < COMMON || self.masker.last_four;
            self.room = if longer { STRETCH.saturating_sub(length).max(AFTER_CARD) } else { AFTER_CARD };
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
            (_, 5..) if after_card && self.room > AFTER_CARD && rest.len() <= self.room => {
                self.mark(SpanKind::CardNumber, place, Shown::Plain("[card]"))
            }
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
    fn answered(&mut self, asked: bool) {
        if self.topic() != Some(Topic::Other) {
            return;
        }
        let given = self.run.digits.len();
        let agent = self.source == Source::Agent;
        if (!agent && given >= ANSWER) || (agent && !asked && self.state.runs.iter().any(|open| open.run.digits.len() > 3)) {
            self.state.topic = None;
        }
    }

    /// The text is over: withholds digits that may go on, and leaves what the next one needs. Gives whether something was withheld.
    fn end(&mut self, slot: usize, open: Open, base: Option<Run>) -> bool {
        let spoke = !self.found.is_empty() || self.run.digits.iter().any(|digit| digit.place.is_some());
        let sent = self.text.trim_end().ends_with('#');
        if self.source == Source::Caller {
            open.late.iter().for_each(|&digit| self.run.push(digit));
        }
        let done = self.judge(self.tokens.len());
        self.run.forget(done);
        let count = self.run.digits.len();
        let mut after_card = (done > 0 && count < self.room && self.topic() != Some(Topic::Code))
            .then_some(AfterCard { source: self.source, room: self.room });
        let mut hold = false;
        if let Some(before) = open.after_card.filter(|before| done == 0 && self.found.is_empty() && self.belongs(*before)) {
            self.mark(SpanKind::CardNumber, self.run.place(0, count), Shown::Plain("[digits]"));
            // What is left and may be shown is too little to tell.
            after_card = (before.room > count + SHOWN_MAX).then_some(before);
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
        self.answered(asked);
        if self.source == Source::Agent && self.tokens.len() >= PROMPT && self.topic() != Some(Topic::Card) {
            self.state.runs.iter_mut().for_each(Open::forget_keyed);
        }
        let idle = if spoke { 0 } else { open.idle + 1 };
        if idle > IDLE_MAX || sent {
            self.run.clear();
        }
        self.run.carry();
        self.state.runs[slot] = self.left(base, Open { idle, after_card, ..Open::default() });
        hold && self.masker.kinds.card
    }

    /// Whether the digits of this text may belong to a card number that the text before ended on: its code, or its end.
    fn belongs(&self, before: AfterCard) -> bool {
        let count = self.run.digits.len();
        (1..=before.room).contains(&count) && (before.source == self.source || self.masker.last_four || count >= KEYED_CODE)
    }

    /// Where the next text of this source begins. `base` are the digits before words that are not final.
    fn left(&mut self, base: Option<Run>, open: Open) -> Open {
        let run = std::mem::take(&mut self.run);
        match base {
            _ if self.partial && self.source == Source::Caller => {
                Open { ahead: Some(Ahead { run, after_card: open.after_card }), ..open }
            }
            Some(base) => {
                let words = run.digits.iter().rposition(|digit| !digit.keyed).map_or(0, |last| last + 1);
                let late = run.digits[words..].to_vec();
                Open { run: base, late, ahead: Some(Ahead { run, after_card: open.after_card }), ..open }
            }
            None => Open { run, ..open },
        }
    }
}
