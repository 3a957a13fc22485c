//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), as speech vendors use them.

/// A stream that cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event grew beyond what the reader allows.
    #[error("event is too long")]
    TooLong,
    /// The stream is no UTF-8.
    #[error("event is no text")]
    Text,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event:`, empty where there was none.
    pub name: String,
    /// All `data:` lines, joined by line feeds.
    pub data: String,
}

/// Puts events together.
#[derive(Clone, Debug)]
pub struct Events {
    waiting: Vec<u8>,
    event: Event,
    has_data: bool,
    longest: usize,
}

impl Events {
    /// A reader of events of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self { waiting: Vec::new(), event: Event::default(), has_data: false, longest }
    }

    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next whole event that has data; none where more has to come. What the stream's end leaves unfinished is no event.
    ///
    /// # Errors
    /// See [`SseError`].
    pub fn poll(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
            let rest = self.waiting.split_off(end + 1);
            let line = std::mem::replace(&mut self.waiting, rest);
            let line = std::str::from_utf8(&line).map_err(|_| SseError::Text)?.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if std::mem::take(&mut self.has_data) {
                    return Ok(Some(event));
                }
                continue;
            }
            self.take(line);
            if self.event.data.len() > self.longest {
                return Err(SseError::TooLong);
            }
        }
        if self.waiting.len() > self.longest { Err(SseError::TooLong) } else { Ok(None) }
    }

    fn take(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            // A comment, `id`, `retry`: of no use to a session.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let stream = b": hello\r\nevent: error\r\ndata: {\r\ndata: }\r\n\r\ndata:x\n\nid: 3\n\ndata: unfinished\n";
        for size in [1, 2, 7, stream.len()] {
            let mut events = Events::new(100);
            let mut read = Vec::new();
            for piece in stream.chunks(size) {
                events.push(piece);
                while let Some(event) = events.poll().unwrap() {
                    read.push((event.name, event.data));
                }
            }
            let expected = [("error", "{\n}"), ("", "x")].map(|(name, data)| (name.to_owned(), data.to_owned()));
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::new(10);
        events.push(&[b'x'; 11]);
        assert_eq!(events.poll(), Err(SseError::TooLong));
        let mut events = Events::new(10);
        events.push(b"data: 123456\ndata: 123456\n");
        assert_eq!(events.poll(), Err(SseError::TooLong));
        let mut events = Events::new(10);
        events.push(&[0xff, b'\n']);
        assert_eq!(events.poll(), Err(SseError::Text));
    }
}
