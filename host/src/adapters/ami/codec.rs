//! The manager interface's lines, made into messages. Pure: it knows no socket and no clock.
//!
//! After one line of greeting come messages: lines `Name: value`, ended by an empty one.

use std::collections::VecDeque;

/// Bytes of a line. Longer: the message is refused.
pub const LINE_MAX: usize = 16 << 10;
/// Bytes of a message. Longer: it is refused.
pub const MESSAGE_MAX: usize = 64 << 10;
/// Fields of a message. More: it is refused.
pub const FIELDS_MAX: usize = 512;

/// What Asterisk said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// The first line, for example `Asterisk Call Manager/11.0.0`.
    Greeting(String),
    /// An answer or an event.
    Message(Message),
}

/// Fields in their order; names may come more than once. May hold personal data: it prints its names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    fields: Vec<(String, String)>,
}

/// What a message is, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// The answer to an action that was taken.
    Answer,
    /// An action was refused: its channel is not there.
    Gone,
    /// An action was refused for another reason.
    Refusal,
    /// A channel is gone.
    Hangup {
        /// Its id, as ARI calls it.
        channel: &'a str,
    },
    /// A key was pressed at the far side of a channel.
    Digit {
        /// Its id.
        channel: &'a str,
        /// The key.
        digit: char,
    },
    /// Another event, or nothing.
    Unused,
}

/// Why a message is refused. What follows it is read as if nothing had been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line, or the whole.
    TooLong,
    /// A line without a colon.
    NotAField,
}

impl Fault {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotAField => "not_a_field",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "message is too long",
            Self::NotAField => "line is no field",
        })
    }
}

impl std::error::Error for Fault {}

impl Message {
    /// The first field of this name, which may be written in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What it is.
    pub fn meaning(&self) -> Meaning<'_> {
        let channel = self.get("Uniqueid").filter(|id| !id.is_empty());
        match (self.get("Event"), self.get("Response"), channel) {
            (Some("Hangup"), _, Some(channel)) => Meaning::Hangup { channel },
            // The far side of a bridge is told of the same key as one that is sent.
            (Some("DTMFEnd"), _, Some(channel)) if self.get("Direction") == Some("Received") => {
                let digit = self.get("Digit").and_then(|digit| digit.chars().next());
                digit.map_or(Meaning::Unused, |digit| Meaning::Digit { channel, digit })
            }
            (Some(_), ..) | (None, None, _) => Meaning::Unused,
            (None, Some("Error"), _) => {
                // Each action has a wording of its own for a channel that is not there.
                let why = self.get("Message").unwrap_or_default().to_ascii_lowercase();
                let gone = ["no such channel", "not exist", "not found"].iter().any(|part| why.contains(part));
                if gone { Meaning::Gone } else { Meaning::Refusal }
            }
            (None, Some(_), _) => Meaning::Answer,
        }
    }

    /// All fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(name, _)| name)).finish()
    }
}

/// Bytes in, messages out.
#[derive(Debug, Default)]
pub struct Decoder {
    greeted: bool,
    line: Vec<u8>,
    message: Message,
    /// Of the message so far.
    bytes: usize,
    fault: Option<Fault>,
    said: VecDeque<Result<Said, Fault>>,
}

impl Decoder {
    /// A connection that has said nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes as they come, in pieces of any size. What is kept of an unfinished message is bounded by [`MESSAGE_MAX`] and [`LINE_MAX`].
    pub fn handle(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_MAX - self.line.len();
            // As much of an overlong line as there is room for, so that it is not taken for an empty one.
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() > room {
                self.fault = Some(Fault::TooLong);
            }
            if ends {
                self.end_line();
            }
        }
    }

    /// What is complete.
    pub fn poll(&mut self) -> Option<Result<Said, Fault>> {
        self.said.pop_front()
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.strip_suffix('\r').unwrap_or(&line).to_owned();
        let was_empty = line.is_empty();
        self.line.clear();
        if !self.greeted {
            self.greeted = true;
            let said = self.fault.take().map_or(Ok(Said::Greeting(line)), Err);
            return self.said.push_back(said);
        }
        if was_empty {
            return self.end_message();
        }
        self.bytes += line.len();
        if self.bytes > MESSAGE_MAX || self.message.fields.len() == FIELDS_MAX {
            self.fault = Some(Fault::TooLong);
        }
        match line.split_once(':') {
            _ if self.fault.is_some() => self.message.fields.clear(),
            Some((name, value)) => {
                let value = value.strip_prefix(' ').unwrap_or(value);
                self.message.fields.push((name.to_owned(), value.to_owned()));
            }
            None => self.fault = Some(Fault::NotAField),
        }
    }

    fn end_message(&mut self) {
        self.bytes = 0;
        let message = std::mem::take(&mut self.message);
        match self.fault.take() {
            Some(fault) => self.said.push_back(Err(fault)),
            // An empty line too many is none.
            None if message.fields.is_empty() => {}
            None => self.said.push_back(Ok(Said::Message(message))),
        }
    }
}

/// For fuzzing: what was seen in these bytes. Pieces of different sizes must be read alike.
pub fn fuzz(bytes: &[u8]) -> Vec<&'static str> {
    let read = |size: usize| {
        let mut decoder = Decoder::new();
        let mut said = Vec::new();
        for piece in bytes.chunks(size) {
            decoder.handle(piece);
            said.extend(std::iter::from_fn(|| decoder.poll()));
            assert!(decoder.line.len() <= LINE_MAX && decoder.message.fields.len() <= FIELDS_MAX, "bounded");
        }
        said
    };
    let said = read(bytes.len().max(1));
    assert_eq!(said, read(7), "pieces do not matter");
    let name = |said: &Result<Said, Fault>| match said {
        Ok(Said::Greeting(_)) => "greeting",
        Ok(Said::Message(message)) => match message.meaning() {
            Meaning::Answer => "answer",
            Meaning::Gone => "gone",
            Meaning::Refusal => "refusal",
            Meaning::Hangup { .. } => "hangup",
            Meaning::Digit { .. } => "digit",
            Meaning::Unused => "unused",
        },
        Err(fault) => fault.code(),
    };
    said.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Said, Fault>> {
        let mut decoder = Decoder::new();
        decoder.handle(b"Asterisk Call Manager/11.0.0\r\n");
        decoder.handle(text.as_bytes());
        let mut said: Vec<_> = std::iter::from_fn(|| decoder.poll()).collect();
        assert_eq!(said.remove(0), Ok(Said::Greeting("Asterisk Call Manager/11.0.0".into())));
        said
    }

    fn message(said: &Result<Said, Fault>) -> &Message {
        match said {
            Ok(Said::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_are_found_by_name_in_any_case() {
        let said = read("Event: Hangup\r\nUniqueid: 17.1\r\nCause-txt: a: b\r\nEmpty:\r\n\r\n");
        let message = message(&said[0]);
        assert_eq!((message.get("uniqueid"), message.get("CAUSE-TXT")), (Some("17.1"), Some("a: b")));
        assert_eq!((message.get("Empty"), message.get("None")), (Some(""), None));
        assert_eq!(message.fields().count(), 4);
    }

    #[test]
    fn no_value_is_printed() {
        let said = read("Event: DTMFEnd\r\nCallerIDNum: 5551234\r\n\r\n");
        assert_eq!(format!("{:?}", said[0]), "Ok(Message([\"Event\", \"CallerIDNum\"]))");
    }

    #[test]
    fn a_message_that_makes_no_sense_is_refused_and_the_next_one_read() {
        let good = "Response: Success\r\n\r\n";
        assert_eq!(read(&format!("Event: x\r\nno field\r\n\r\n{good}"))[0], Err(Fault::NotAField));
        for wrong in [
            format!("Long: {}\r\n\r\n", "x".repeat(LINE_MAX)),
            format!("{}\r\nSecond: line\r\n\r\n", "x".repeat(LINE_MAX + 1)),
            format!("{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1)),
            format!("{}\r\n", format!("a: {}\r\n", "x".repeat(LINE_MAX / 2)).repeat(9)),
        ] {
            let said = read(&format!("{wrong}{good}"));
            assert_eq!((said.len(), &said[0]), (2, &Err(Fault::TooLong)));
            assert_eq!(message(&said[1]).get("Response"), Some("Success"));
        }
        // Just as long as allowed.
        let said = read(&format!("L: {}\r\n{}\r\n", "x".repeat(LINE_MAX - 4), "a: b\r\n".repeat(FIELDS_MAX - 1)));
        assert_eq!(message(&said[0]).fields().count(), FIELDS_MAX);
    }

    /// Recorded from Asterisk 22.10.1: a message of each kind.
    const RECORDED: &str = include_str!("fixtures/recorded.txt");

    #[test]
    fn every_recorded_message_is_read() {
        let said = read(RECORDED);
        assert!(said.iter().all(Result::is_ok), "{said:?}");
        let count = |wanted: fn(Meaning<'_>) -> bool| said.iter().filter(|said| wanted(message(said).meaning())).count();
        assert!(said.len() > 60, "{}", said.len());
        assert!(count(|meaning| matches!(meaning, Meaning::Hangup { channel: "1795364428.35" })) >= 1);
        assert!(count(|meaning| meaning == Meaning::Answer) >= 10);
        assert!(count(|meaning| meaning == Meaning::Refusal) >= 2);
    }

    #[test]
    fn empty_lines_between_messages_are_nothing() {
        assert_eq!(read("\r\n\r\na: b\r\n\r\n\r\n\n").len(), 1);
    }
}
