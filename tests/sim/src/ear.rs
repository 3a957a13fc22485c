//! What a simulated recogniser hears: the words of a recording that it knows, as far as its sound has come.

use crate::local::LocalEar;
use crate::script::{MARK, Sound, recordings};
use crate::{Format, Recording};

/// A word and its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// In lower case, without punctuation.
    pub text: String,
    /// Since the stream's first sample.
    pub start_ms: u64,
    /// Since the stream's first sample.
    pub end_ms: u64,
}

/// What was said between two pauses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// Never empty.
    pub words: Vec<Word>,
}

/// What a recogniser notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Speech began, at this place of the stream in milliseconds.
    Started(u64),
    /// Words so far of the utterance.
    Partial(Utterance),
    /// All words of the utterance.
    Final(Utterance),
    /// Speech ended, at this place of the stream in milliseconds.
    Ended(u64),
}

/// One stream of audio.
#[derive(Debug)]
pub enum Ear {
    /// Knows the recordings of the fixtures, wherever in them a stream begins or goes on; what is left out of the stream is not heard.
    Scripted(Scripted),
    /// The gateway's own recogniser.
    Local(Box<LocalEar>),
}

impl Utterance {
    /// The words, each behind a space.
    pub fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Start of the first word.
    pub fn start_ms(&self) -> u64 {
        self.words.first().map_or(0, |word| word.start_ms)
    }

    /// End of the last word.
    pub fn end_ms(&self) -> u64 {
        self.words.last().map_or(0, |word| word.end_ms)
    }
}

impl Ear {
    /// More of the stream, cut anywhere.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        match self {
            Self::Scripted(ear) => ear.hear(bytes),
            Self::Local(ear) => ear.hear(bytes),
        }
    }

    /// The client wants what is final now: the open utterance, if there is one.
    pub fn finalize(&mut self) -> Vec<Heard> {
        match self {
            Self::Scripted(ear) => ear.finalize(),
            Self::Local(ear) => ear.finalize(),
        }
    }

    /// How much came.
    pub fn position_ms(&self) -> u64 {
        match self {
            Self::Scripted(ear) => ear.format.ms(ear.heard),
            Self::Local(ear) => ear.position_ms(),
        }
    }
}

/// Partials come each time that so much more was heard.
const PARTIAL_MS: u64 = 300;
/// A pause after a phrase that ends its utterance.
const PAUSE_MS: u64 = 300;

/// Hears by knowing the recordings: see [`Ear::Scripted`].
#[derive(Debug)]
pub struct Scripted {
    format: Format,
    language: String,
    /// Bytes of the stream so far.
    heard: usize,
    /// What could not be looked up yet.
    tail: Vec<u8>,
    place: Option<Place>,
    words: Vec<Word>,
    started: bool,
    partial_at_ms: u64,
}

/// Where in which recording the next byte lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    recording: &'static Recording,
    sound: &'static Sound,
    at: usize,
}

impl Scripted {
    pub(crate) fn new(format: Format, language: &str) -> Self {
        Self {
            format,
            language: language.to_ascii_lowercase(),
            heard: 0,
            tail: Vec::new(),
            place: None,
            words: Vec::new(),
            started: false,
            partial_at_ms: 0,
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        // In pieces of 20 ms, so that a whole file at once is heard as it would be in time.
        for piece in bytes.chunks(self.format.bytes(20).max(2)) {
            self.piece(piece, &mut heard);
        }
        heard
    }

    fn finalize(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.close(&mut heard);
        heard
    }

    fn piece(&mut self, piece: &[u8], heard: &mut Vec<Heard>) {
        self.heard += piece.len();
        self.tail.extend_from_slice(piece);
        self.find();
        let now_ms = self.format.ms(self.heard);
        let Some(Place { recording, at, .. }) = self.place else { return };
        let (from_ms, to_ms) = (self.format.ms(at.saturating_sub(piece.len())), self.format.ms(at));
        for word in recording.phrases.iter().flatten() {
            let middle = (word.start_ms + word.end_ms) / 2;
            if (from_ms..to_ms).contains(&middle) {
                // Where the word lies in this stream.
                let shift = now_ms as i64 - to_ms as i64;
                let place = |ms: u64| (ms as i64 + shift).max(0).cast_unsigned();
                self.words.push(Word { text: word.text.clone(), start_ms: place(word.start_ms), end_ms: place(word.end_ms) });
                if !std::mem::replace(&mut self.started, true) {
                    heard.push(Heard::Started(place(word.start_ms)));
                }
            }
        }
        let phrase_over = recording
            .phrases
            .iter()
            .any(|phrase| phrase.last().is_some_and(|last| (from_ms..to_ms).contains(&(last.end_ms + PAUSE_MS))));
        if phrase_over {
            self.close(heard);
        } else if !self.words.is_empty() && now_ms >= self.partial_at_ms {
            self.partial_at_ms = now_ms + PARTIAL_MS;
            heard.push(Heard::Partial(Utterance { words: self.words.clone() }));
        }
    }

    fn close(&mut self, heard: &mut Vec<Heard>) {
        if !self.words.is_empty() {
            let utterance = Utterance { words: std::mem::take(&mut self.words) };
            let end_ms = utterance.end_ms().min(self.format.ms(self.heard));
            heard.extend([Heard::Final(utterance), Heard::Ended(end_ms)]);
        }
        self.started = false;
        self.partial_at_ms = 0;
    }

    /// Follows the recording as long as the stream does, else looks where the stream goes on.
    fn find(&mut self) {
        if let Some(Place { sound, at, .. }) = &mut self.place {
            let rest = sound.bytes.get(*at..).unwrap_or_default();
            let follows = self.tail.len() <= rest.len() && rest.starts_with(&self.tail);
            // Past the recording's end only silence follows.
            if follows || rest.is_empty() && quiet(&self.tail) {
                *at += self.tail.len();
                self.tail.clear();
                return;
            }
        }
        if self.tail.len() < MARK {
            return;
        }
        // No place is known by silence, and most of a call is: looking it up would cost more than all the rest.
        let found = if quiet(&self.tail) { None } else { self.look_up() };
        if let Some((place, nth, same)) = found {
            self.place = Some(place);
            self.tail.drain(..nth + same);
            return;
        }
        // Unknown or silent: time goes on in the recording that was being heard.
        let keep = self.tail.len() - (MARK - 1);
        if let Some(place) = &mut self.place
            && quiet(&self.tail)
        {
            place.at += keep;
        }
        self.tail.drain(..keep);
    }

    /// Where the tail goes on, from which of its bytes, and for how many.
    fn look_up(&self) -> Option<(Place, usize, usize)> {
        let spoken_here = |recording: &&Recording| recording.language.to_ascii_lowercase() == self.language;
        let (own, others): (Vec<_>, Vec<_>) = recordings().iter().partition(|recording| spoken_here(recording));
        let sounds = |recording: &'static Recording| recording.sounds(self.format).iter().map(move |sound| (recording, sound));
        let found = own.into_iter().chain(others).flat_map(sounds).filter_map(|(recording, sound)| {
            let (nth, place) = self.tail.windows(MARK).enumerate().find_map(|(nth, mark)| Some((nth, sound.place(mark)?)))?;
            // The rest of the tail must follow, or the stream jumps again within it: then what is left is looked up next time.
            let rest = &self.tail[nth..];
            let same = rest.iter().zip(&sound.bytes[place..]).take_while(|(a, b)| a == b).count();
            Some((Place { recording, sound, at: place + same }, nth, same))
        });
        // Encoders agree here and there: the right one agrees longest.
        found.reduce(|best, other| if other.2 > best.2 { other } else { best })
    }
}

fn quiet(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, 0 | 0xff | 0x7f | 0xd5 | 0x55))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [Format; 5] = [Format::MULAW, Format::ALAW, Format::pcm(8000), Format::pcm(16_000), Format::pcm(24_000)];

    fn finals(heard: &[Heard]) -> Vec<String> {
        heard.iter().filter_map(|heard| if let Heard::Final(said) = heard { Some(said.text()) } else { None }).collect()
    }

    #[test]
    fn every_phrase_is_heard_once_in_every_format_however_it_is_cut() {
        for recording in recordings() {
            for format in FORMATS {
                for size in [7, 160, 4000, 1_000_000] {
                    let mut ear = Ear::Scripted(Scripted::new(format, &recording.language));
                    let mut heard: Vec<Heard> =
                        recording.bytes(format).unwrap().chunks(size).flat_map(|piece| ear.hear(piece)).collect();
                    heard.extend(ear.finalize());
                    assert_eq!(finals(&heard), recording.texts(), "{} {format:?} in pieces of {size}", recording.name);
                    assert!(heard.iter().any(|heard| matches!(heard, Heard::Partial(_))));
                }
            }
        }
    }

    #[test]
    fn a_stream_that_begins_in_the_middle_lacks_the_words_before() {
        let recording = &recordings()[0];
        let bytes = recording.bytes(Format::MULAW).unwrap();
        let mut ear = Ear::Scripted(Scripted::new(Format::MULAW, "en-US"));
        let heard = [ear.hear(&bytes[Format::MULAW.bytes(2100)..]), ear.finalize()].concat();
        let texts = finals(&heard);
        assert!(recording.texts()[0].ends_with(&texts[0]) && texts[0] != recording.texts()[0], "{texts:?}");
        assert_eq!(texts[1], recording.texts()[1]);
        let Some(Heard::Final(first)) = heard.iter().find(|heard| matches!(heard, Heard::Final(_))) else { panic!("no final") };
        assert!(first.start_ms() < 400, "times are the stream's own: {}", first.start_ms());
    }

    #[test]
    fn sound_that_was_left_out_is_not_heard_and_what_is_asked_for_is_final() {
        let recording = &recordings()[0];
        let bytes = recording.bytes(Format::pcm(8000)).unwrap();
        let format = Format::pcm(8000);
        let mut ear = Ear::Scripted(Scripted::new(format, "en-US"));
        let heard = [ear.hear(&bytes[..format.bytes(1500)]), ear.finalize(), ear.finalize()].concat();
        assert_eq!(finals(&heard), ["hello i would"]);
        assert_eq!(finals(&[ear.hear(&bytes[format.bytes(4100)..]), ear.finalize()].concat()), [recording.texts()[1].clone()]);
    }

    #[test]
    fn an_encoder_that_rounds_otherwise_is_understood_too() {
        for recording in recordings() {
            let format = Format::MULAW;
            let mut ear = Ear::Scripted(Scripted::new(format, &recording.language));
            let heard = [ear.hear(&format.write(&recording.samples(8000), 8000)), ear.finalize()].concat();
            assert_eq!(finals(&heard), recording.texts());
        }
    }

    #[test]
    fn silence_and_strange_sound_are_no_words() {
        let mut ear = Ear::Scripted(Scripted::new(Format::MULAW, "en-US"));
        assert_eq!(ear.hear(&[0xff; 16_000]), []);
        let noise: Vec<u8> = (0..16_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!([ear.hear(&noise), ear.finalize()].concat(), []);
        assert_eq!(ear.position_ms(), 4000);
    }
}
