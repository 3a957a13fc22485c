//! What a service can get into. Each is taken by one request for an answer, in the order in which they were asked for.

use std::time::Duration;

/// See the module. The names are what the tables of tests print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Too much to do (429, RESOURCE_EXHAUSTED); comes with the seconds after which to ask again, or without.
    RateLimited(Option<u64>),
    /// 503, UNAVAILABLE.
    Unavailable,
    /// 400, INVALID_ARGUMENT.
    Refused,
    /// 401, UNAUTHENTICATED.
    Unauthorized,
    /// 404, NOT_FOUND.
    Forgotten,
    /// 302 to another host. By gRPC as [`Refused`](Self::Refused).
    Redirect,
    /// An answer of another kind: a web page. By gRPC: bytes that are no message.
    Page,
    /// A stream whose events make no sense. By gRPC: a command that makes none.
    Garbage,
    /// Takes the question and says nothing, not even a status.
    Deaf,
    /// Sends signs of life, never a word.
    Drip,
    /// Breaks off before the first word.
    CutEarly,
    /// Breaks off after the first words.
    Cut,
    /// Ends in good order after the first words, without `done`.
    Unfinished,
    /// Never stops talking.
    Endless,
    /// One event that is longer than anybody can keep.
    LongEvent,
    /// Says that it failed, after the first words.
    Failed,
    /// Talks a word each 100 ms and never stops.
    Slow,
}

/// Between two signs of life or words.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
