//! The documents of an answer: one, one a line (NDJSON), or one an event (SSE). What comes is cut anywhere, and nothing is kept without bound.

use super::WHOLE_MAX;
use crate::adapters::agent::service::Fault;
use vg_wire::sse::{Events, SseError};

/// A line or event is no longer.
const DOCUMENT_MAX: usize = 64 << 10;

/// Puts documents together.
#[derive(Debug)]
pub(crate) enum Documents {
    /// The answer is one document.
    One(One),
    /// One a line; empty lines are none.
    Lines(Lines),
    /// One an event.
    Events(Events),
}

#[derive(Debug, Default)]
pub(crate) struct One {
    waiting: Vec<u8>,
    ended: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Lines {
    waiting: Vec<u8>,
    /// So much of it holds no line feed.
    searched: usize,
    ended: bool,
}

impl Documents {
    /// None where the content type is none of the three.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" => Some(Self::One(One::default())),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Lines(Lines::default())),
            "text/event-stream" => Some(Self::Events(Events::new(DOCUMENT_MAX))),
            _ => None,
        }
    }

    /// The answer is one document.
    pub(crate) fn is_one(&self) -> bool {
        matches!(self, Self::One(_))
    }

    /// More of the answer.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::One(one) => one.waiting.extend_from_slice(bytes),
            Self::Lines(lines) => lines.waiting.extend_from_slice(bytes),
            Self::Events(events) => events.push(bytes),
        }
    }

    /// Nothing more comes. An event that is not whole is none; a last line needs no line feed.
    pub(crate) fn end(&mut self) {
        match self {
            Self::One(one) => one.ended = true,
            Self::Lines(lines) => lines.ended = true,
            Self::Events(_) => {}
        }
    }

    /// The next whole document.
    pub(crate) fn poll(&mut self) -> Result<Option<String>, Fault> {
        match self {
            Self::One(one) => one.poll(),
            Self::Lines(lines) => lines.poll(),
            Self::Events(events) => match events.poll() {
                Ok(event) => Ok(event.map(|event| event.data)),
                Err(SseError::TooLong) => Err(Fault::TooLong),
                Err(SseError::Text) => Err(Fault::Garbage),
            },
        }
    }
}

impl One {
    fn poll(&mut self) -> Result<Option<String>, Fault> {
        if self.waiting.len() > WHOLE_MAX {
            return Err(Fault::TooLong);
        }
        match std::mem::take(&mut self.ended) {
            true => text(std::mem::take(&mut self.waiting)).map(Some),
            false => Ok(None),
        }
    }
}

impl Lines {
    fn poll(&mut self) -> Result<Option<String>, Fault> {
        loop {
            let found = self.waiting[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| self.searched + at + 1);
            let end = match found {
                Some(end) => end,
                None if self.ended && !self.waiting.is_empty() => self.waiting.len(),
                None => {
                    self.searched = self.waiting.len();
                    return if self.searched > DOCUMENT_MAX { Err(Fault::TooLong) } else { Ok(None) };
                }
            };
            self.searched = 0;
            let rest = self.waiting.split_off(end);
            let line = std::mem::replace(&mut self.waiting, rest);
            if line.len() > DOCUMENT_MAX {
                return Err(Fault::TooLong);
            }
            let line = text(line)?;
            if !line.trim().is_empty() {
                return Ok(Some(line.trim().to_owned()));
            }
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| Fault::Garbage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, stream: &[u8], size: usize) -> Result<Vec<String>, Fault> {
        let mut documents = Documents::of(kind).unwrap();
        let mut read = Vec::new();
        for piece in stream.chunks(size) {
            documents.push(piece);
            while let Some(document) = documents.poll()? {
                read.push(document);
            }
        }
        documents.end();
        while let Some(document) = documents.poll()? {
            read.push(document);
        }
        Ok(read)
    }

    #[test]
    fn documents_come_whole_however_they_are_cut() {
        let cases: [(&str, &str, &[&str]); 4] = [
            ("application/json; charset=utf-8", "{\"text\":\n\"é\"}", &["{\"text\":\n\"é\"}"]),
            ("application/x-ndjson", "{\"a\":1}\r\n\n  \n{\"é\":2}\n{\"c\":3}", &["{\"a\":1}", "{\"é\":2}", "{\"c\":3}"]),
            (
                "Text/Event-Stream",
                ": hi\n\nevent: x\ndata: {\"a\":\ndata: 1}\n\ndata: é\n\ndata: unfinished",
                &["{\"a\":\n1}", "é"],
            ),
            ("application/x-ndjson", "", &[]),
        ];
        for (kind, stream, expected) in cases {
            for size in [1, 2, 5, 1_000] {
                assert_eq!(read(kind, stream.as_bytes(), size).unwrap(), expected, "{kind} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_has_no_end_is_too_long_and_what_is_no_text_is_garbage() {
        for (kind, max) in
            [("application/json", WHOLE_MAX), ("application/x-ndjson", DOCUMENT_MAX), ("text/event-stream", DOCUMENT_MAX)]
        {
            assert_eq!(read(kind, &vec![b'x'; max + 1], 1_000), Err(Fault::TooLong), "{kind}");
            assert_eq!(read(kind, b"\xff\xfe\n\n", 1_000), Err(Fault::Garbage), "{kind}");
        }
        assert_eq!(read("application/x-ndjson", &vec![b'x'; DOCUMENT_MAX], 1_000).unwrap().len(), 1);
    }

    #[test]
    fn another_content_type_is_no_answer() {
        for kind in ["", "text/html", "text/plain; charset=utf-8", "application/octet-stream", "application/jsonish"] {
            assert!(Documents::of(kind).is_none(), "{kind}");
        }
    }
}
