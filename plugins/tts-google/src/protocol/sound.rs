//! Sound out of answers while they come: nothing of an answer is kept, however long it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vg_plugin_sdk::{Encoding, audio::Whole};
use vg_wire::wav;

/// A WAV header is not longer.
const HEADER_BYTES: usize = 4096;
const AUDIO_CONTENT: &[u8] = br#""audioContent""#;

/// Why an answer cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundError {
    /// No compression was offered, so none may come.
    Compressed,
    /// Neither the schema's messages nor its JSON.
    Malformed,
    /// A WAV header without an end.
    Header,
}

impl SoundError {
    /// For the operator's log.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Compressed => "a message of Google is compressed",
            Self::Malformed => "an answer is none of Google's",
            Self::Header => "the sound has a header without an end",
        }
    }
}

/// The sound of one answer.
#[derive(Debug)]
pub(crate) struct Sound {
    reader: Reader,
    header: Header,
    whole: Whole,
}

#[derive(Debug)]
enum Reader {
    Grpc(Messages),
    Rest(Json),
}

impl Sound {
    /// Of gRPC messages whose field 1 is sound.
    pub(crate) fn grpc() -> Self {
        Self::new(Reader::Grpc(Messages::default()))
    }

    /// Of JSON whose `audioContent` is sound in base64.
    pub(crate) fn rest() -> Self {
        Self::new(Reader::Rest(Json::default()))
    }

    fn new(reader: Reader) -> Self {
        Self { reader, header: Header::Unknown(Vec::new()), whole: Whole::default() }
    }

    /// The whole samples of the next piece of the answer.
    pub(crate) fn hear(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<Vec<u8>, SoundError> {
        let mut sound = Vec::with_capacity(bytes.len());
        match &mut self.reader {
            Reader::Grpc(messages) => messages.read(bytes, &mut sound)?,
            Reader::Rest(json) => json.read(bytes, &mut sound)?,
        }
        let samples = self.header.strip(sound)?;
        Ok(self.whole.samples(encoding, samples))
    }

    /// What was held back because it could have been the beginning of a header.
    pub(crate) fn rest_of(&mut self, encoding: Encoding) -> Vec<u8> {
        let held = self.header.give_up();
        self.whole.samples(encoding, held)
    }

    /// Whether the answer stopped within a message, the JSON or a sample.
    pub(crate) fn is_cut(&self) -> bool {
        let cut = match &self.reader {
            Reader::Grpc(messages) => !messages.is_between(),
            Reader::Rest(json) => !json.is_whole(),
        };
        cut || self.whole.is_cut()
    }
}

/// gRPC messages of `{1: bytes}`, read through.
#[derive(Debug, Default)]
struct Messages {
    at: At,
    /// Bytes of this message that are still to come.
    left: u64,
}

#[derive(Debug, Default)]
enum At {
    /// So much of flag and length.
    #[default]
    Begin,
    Prefix(Vec<u8>),
    Key(Varint),
    Length(Varint, bool),
    Number(Varint),
    Bytes(u64, bool),
}

#[derive(Clone, Copy, Debug, Default)]
struct Varint {
    value: u64,
    shift: u32,
}

impl Varint {
    /// The number, where this byte ends it.
    fn take(&mut self, byte: u8) -> Result<Option<u64>, SoundError> {
        if self.shift > 63 {
            return Err(SoundError::Malformed);
        }
        self.value |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        Ok((byte < 0x80).then_some(self.value))
    }
}

impl Messages {
    fn read(&mut self, mut bytes: &[u8], sound: &mut Vec<u8>) -> Result<(), SoundError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let At::Bytes(left, is_sound) = &mut self.at {
                let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let (taken, after) = bytes.split_at(length);
                if *is_sound {
                    sound.extend_from_slice(taken);
                }
                *left -= length as u64;
                let over = *left == 0;
                self.left -= length as u64;
                if over {
                    self.next_field();
                }
                bytes = after;
                continue;
            }
            bytes = rest;
            self.byte(byte)?;
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), SoundError> {
        if let At::Begin = self.at {
            if byte != 0 {
                return Err(SoundError::Compressed);
            }
            self.at = At::Prefix(Vec::with_capacity(4));
            return Ok(());
        }
        if let At::Prefix(length) = &mut self.at {
            length.push(byte);
            if let Ok(length) = <[u8; 4]>::try_from(&length[..]) {
                self.left = u64::from(u32::from_be_bytes(length));
                self.next_field();
            }
            return Ok(());
        }
        self.left = self.left.checked_sub(1).ok_or(SoundError::Malformed)?;
        match &mut self.at {
            At::Key(key) => {
                let Some(key) = key.take(byte)? else { return Ok(()) };
                self.at = match (key >> 3, key & 7) {
                    (0, _) => return Err(SoundError::Malformed),
                    (_, 0) => At::Number(Varint::default()),
                    (field, 2) => At::Length(Varint::default(), field == 1),
                    (_, 1) => At::Bytes(8, false),
                    (_, 5) => At::Bytes(4, false),
                    _ => return Err(SoundError::Malformed),
                };
            }
            At::Number(number) => {
                if number.take(byte)?.is_some() {
                    self.next_field();
                }
            }
            At::Length(length, is_sound) => {
                let is_sound = *is_sound;
                match length.take(byte)? {
                    None => {}
                    Some(0) => self.next_field(),
                    Some(length) => self.at = At::Bytes(length, is_sound),
                }
            }
            At::Begin | At::Prefix(_) | At::Bytes(..) => {}
        }
        // A field must not reach beyond its message, nor a message end within a field.
        let beyond = matches!(&self.at, At::Bytes(length, _) if *length > self.left);
        let within = self.left == 0 && !matches!(&self.at, At::Begin);
        if beyond || within { Err(SoundError::Malformed) } else { Ok(()) }
    }

    fn next_field(&mut self) {
        self.at = if self.left == 0 { At::Begin } else { At::Key(Varint::default()) };
    }

    fn is_between(&self) -> bool {
        matches!(self.at, At::Begin)
    }
}

/// `{"audioContent": "..."}`, read through; other members are passed over.
#[derive(Debug, Default)]
struct Json {
    place: Place,
    /// Of the name that is looked for.
    matched: usize,
    /// Base64 that is no whole group yet.
    group: Vec<u8>,
    /// Behind a backslash.
    escape: Option<Vec<u8>>,
    last: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Colon,
    Within,
    After,
}

impl Json {
    fn read(&mut self, bytes: &[u8], sound: &mut Vec<u8>) -> Result<(), SoundError> {
        for &byte in bytes {
            self.byte(byte)?;
        }
        // Groups of four letters; the last is padded.
        let whole = if self.place == Place::After { self.group.len() } else { self.group.len() / 4 * 4 };
        let rest = self.group.split_off(whole);
        STANDARD.decode_vec(&self.group, sound).map_err(|_| SoundError::Malformed)?;
        self.group = rest;
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), SoundError> {
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
        match self.place {
            Place::Before => {
                self.matched = match byte {
                    _ if byte == AUDIO_CONTENT[self.matched] => self.matched + 1,
                    b'"' => 1,
                    _ => 0,
                };
                if self.matched == AUDIO_CONTENT.len() {
                    self.place = Place::Colon;
                }
            }
            Place::Colon => match byte {
                b'"' => self.place = Place::Within,
                b':' => {}
                _ if byte.is_ascii_whitespace() => {}
                _ => return Err(SoundError::Malformed),
            },
            Place::Within => self.letter(byte)?,
            Place::After => {}
        }
        Ok(())
    }

    fn letter(&mut self, byte: u8) -> Result<(), SoundError> {
        let Some(mut escape) = self.escape.take() else {
            match byte {
                b'"' => self.place = Place::After,
                b'\\' => self.escape = Some(Vec::new()),
                _ => self.group.push(byte),
            }
            return Ok(());
        };
        escape.push(byte);
        match &escape[..] {
            // Some writers of JSON escape `=` and `/`.
            [b'/'] => self.group.push(b'/'),
            [b'u', digits @ ..] if digits.len() == 4 => {
                let code = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                self.group.push(code.ok_or(SoundError::Malformed)?);
            }
            [b'u', ..] => self.escape = Some(escape),
            _ => return Err(SoundError::Malformed),
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.place == Place::After && self.last == b'}'
    }
}

/// A WAV header in front of the samples, where there is one, and what lies behind them.
#[derive(Debug)]
enum Header {
    Unknown(Vec<u8>),
    /// Bytes of samples that are still to come.
    Known(u64),
}

impl Header {
    fn strip(&mut self, sound: Vec<u8>) -> Result<Vec<u8>, SoundError> {
        let Self::Unknown(held) = self else { return Ok(self.samples(sound)) };
        held.extend(sound);
        let length = held.len().min(4);
        if held[..length] != b"RIFF"[..length] {
            let sound = std::mem::take(held);
            *self = Self::Known(u64::MAX);
            return Ok(sound);
        }
        let Some(at) = wav::data_offset(held) else {
            return if held.len() > HEADER_BYTES { Err(SoundError::Header) } else { Ok(Vec::new()) };
        };
        let size = held.get(at - 4..at).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
        let samples = held.split_off(at);
        // Streams say 0, or as much as there can be.
        *self = Self::Known(if size == 0 { u64::MAX } else { size.into() });
        Ok(self.samples(samples))
    }

    /// A pad byte or a chunk of remarks may lie behind the samples.
    fn samples(&mut self, mut sound: Vec<u8>) -> Vec<u8> {
        if let Self::Known(left) = self {
            sound.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= sound.len() as u64;
        }
        sound
    }

    fn give_up(&mut self) -> Vec<u8> {
        match self {
            // Less than a header is: it was none.
            Self::Unknown(held) if held.len() < 12 => std::mem::take(held),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[u8]) -> Vec<u8> {
        vg_wire::grpc::frame(fields)
    }

    fn heard(mut sound: Sound, encoding: Encoding, answer: &[u8], size: usize) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        for piece in answer.chunks(size) {
            all.extend(sound.hear(encoding, piece).unwrap());
        }
        all.extend(sound.rest_of(encoding));
        (all, sound.is_cut())
    }

    #[test]
    fn sound_comes_out_of_messages_however_they_are_cut() {
        // A number, eight bytes, four bytes and a text of fields nobody knows yet.
        let unknown = [&[0x10, 0xff, 0x01, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x2a, 2, b'h', b'i'][..]].concat();
        let answer = [
            message(&[&[0x0a, 3, 1, 2, 3][..], &unknown].concat()),
            message(&[]),
            message(&[0x0a, 0]),
            message(&[&unknown, &[0x0a, 2, 4, 5][..]].concat()),
        ]
        .concat();
        for size in 1..answer.len() {
            assert_eq!(heard(Sound::grpc(), Encoding::Mulaw, &answer, size), (vec![1, 2, 3, 4, 5], false), "{size}");
        }
        for length in 1..answer.len() {
            let (some, cut) = heard(Sound::grpc(), Encoding::Mulaw, &answer[..length], 7);
            assert!([1, 2, 3, 4, 5].starts_with(&some));
            assert!(cut || [31, 36, 43].contains(&length), "{length}");
        }
    }

    #[test]
    fn what_is_no_message_is_found_out() {
        let wrong = |bytes: &[u8]| Sound::grpc().hear(Encoding::Mulaw, bytes).unwrap_err();
        assert_eq!(wrong(&[1]), SoundError::Compressed);
        assert_eq!(wrong(&message(&[0x0a, 9, 1])), SoundError::Malformed);
        assert_eq!(wrong(&message(&[0x0a])), SoundError::Malformed);
        assert_eq!(wrong(&message(&[0x0b, 1])), SoundError::Malformed);
        assert_eq!(wrong(&message(&[0x00, 1])), SoundError::Malformed);
        assert_eq!(wrong(&message(&[0x80; 12])), SoundError::Malformed);
    }

    #[test]
    fn sound_comes_out_of_json_however_it_is_cut() {
        let samples: Vec<u8> = (0..=200).collect();
        let text = STANDARD.encode(&samples);
        let escaped = text.replace('/', "\\/").replace('=', "\\u003d");
        for json in [
            format!("{{\"audioContent\": \"{text}\"}}"),
            format!("{{\n \"x\": \"audioCon\", \"audioContent\" : \"{escaped}\",\n \"timepoints\": [] }}\n"),
        ] {
            for size in [1, 2, 3, 5, 7, 16, json.len()] {
                assert_eq!(heard(Sound::rest(), Encoding::Mulaw, json.as_bytes(), size), (samples.clone(), false), "{size}");
            }
            let json = json.trim_end();
            for length in 0..json.len() {
                let (some, cut) = heard(Sound::rest(), Encoding::Mulaw, &json.as_bytes()[..length], 11);
                assert!(cut && samples.starts_with(&some), "{length}");
            }
        }
        let wrong = |text: &str| Sound::rest().hear(Encoding::Mulaw, text.as_bytes()).unwrap_err();
        assert_eq!(wrong(r#"{"audioContent": 7"#), SoundError::Malformed);
        assert_eq!(wrong(r#"{"audioContent": "AA!A"#), SoundError::Malformed);
        assert_eq!(wrong(r#"{"audioContent": "\n"#), SoundError::Malformed);
    }

    #[test]
    fn a_header_and_what_follows_the_samples_are_dropped() {
        let mut file =
            [&wav::header(wav::Coding::Mulaw, 8000, 3)[..36], b"fact\x04\0\0\0\x03\0\0\0data\x03\0\0\0abc\0LIST"].concat();
        for size in [1, 7, 100] {
            let fields = [&[0x0a, file.len() as u8][..], &file].concat();
            assert_eq!(heard(Sound::grpc(), Encoding::Mulaw, &message(&fields), size), (b"abc".to_vec(), false));
        }
        file.truncate(20);
        file.resize(6000, 0xff);
        let mut header = Header::Unknown(Vec::new());
        assert_eq!(header.strip(file), Err(SoundError::Header));
        let short = message(&[0x0a, 3, b'R', b'I', b'F']);
        assert_eq!(heard(Sound::grpc(), Encoding::Mulaw, &short, 2), (b"RIF".to_vec(), false));
    }

    #[test]
    fn an_odd_byte_waits_for_its_other_half() {
        let answer = [message(&[0x0a, 3, 1, 2, 3]), message(&[0x0a, 1, 4])].concat();
        assert_eq!(heard(Sound::grpc(), Encoding::PcmS16le, &answer, 100), (vec![1, 2, 3, 4], false));
        assert_eq!(heard(Sound::grpc(), Encoding::PcmS16le, &answer[..10], 100), (vec![1, 2], true));
    }
}
