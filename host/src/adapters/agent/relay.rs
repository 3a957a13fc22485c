//! From a service's answer to the call: deadlines, repetition, bounds. No word is said twice: once a word is out, nothing is asked again.

use super::patience::Patience;
use super::service::{Answer, Fault, Piece, Service};
use crate::application::ports::{AgentEvent, Question};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout, timeout_at};
use vg_domain::call::{Hint, Holds};

/// Pieces of an answer that wait for the call. Full: the service is not read; its deadline stays.
pub(super) const PIECES_MAX: usize = 64;
/// Bytes of an answer's words: some twenty minutes of speech.
const WORDS_MAX: usize = 16 << 10;
/// The time in which a service is told that an answer is no longer wanted.
const ABORT_WITHIN: Duration = Duration::from_secs(2);

/// Asks, and gives the answer to the call until it is complete, has fallen, or is no longer wanted. `whole_within` bounds the answer as a whole.
pub(super) async fn relay<S: Service>(
    service: &S,
    question: &Question,
    events: Sender<AgentEvent>,
    whole_within: Duration,
) -> &'static str {
    let relayed = tokio::select! {
        biased;
        () = events.closed() => None,
        relayed = persist(service, question, &events, whole_within) => Some(relayed),
    };
    let (code, unwanted) = match relayed {
        None => ("cancelled", true),
        Some(Ok(())) => ("ok", false),
        Some(Err(fault)) => {
            tracing::debug!(code = fault.code(), "agent's answer fell");
            // Whoever gave up asking is not there to be told.
            let _ = events.send(AgentEvent::Fell(fault.code())).await;
            (fault.code(), matches!(fault, Fault::Deadline | Fault::TooLong | Fault::Garbage))
        }
    };
    drop(events);
    if unwanted {
        let _ = timeout(ABORT_WITHIN, service.abort(question)).await;
    }
    code
}

async fn persist<S: Service>(
    service: &S,
    question: &Question,
    events: &Sender<AgentEvent>,
    whole_within: Duration,
) -> Result<(), Fault> {
    let began = Instant::now();
    let first_words_by = began + question.within;
    let mut patience = Patience::until(first_words_by);
    let mut holds = Holds::default();
    loop {
        let whole_by = began + whole_within;
        let mut attempt = Attempt { words: 0, within: question.within, words_by: first_words_by, whole_by, holds };
        let outcome = attempt.run(service, question, patience.left(), events).await;
        holds = attempt.holds;
        match outcome {
            Ok(()) => return Ok(()),
            Err(fault) if attempt.words == 0 => patience.wait_after(fault).await?,
            Err(Fault::Unavailable) => return Err(Fault::Cut),
            Err(fault) => return Err(fault),
        }
    }
}

struct Attempt {
    /// Bytes of words that are out.
    words: usize,
    within: Duration,
    words_by: Instant,
    whole_by: Instant,
    /// What the service has asked for beyond its time, and been granted.
    holds: Holds,
}

impl Attempt {
    async fn run<S: Service>(
        &mut self,
        service: &S,
        question: &Question,
        left: Duration,
        events: &Sender<AgentEvent>,
    ) -> Result<(), Fault> {
        let asked = timeout_at(self.deadline(), service.ask(question, left)).await;
        let mut answer = asked.map_err(|_| Fault::Deadline)??;
        loop {
            let piece = timeout_at(self.deadline(), answer.next()).await;
            let event = match piece.map_err(|_| Fault::Deadline)??.ok_or(Fault::Cut)? {
                // Words alone keep an answer alive: a service that sends something and says nothing is silent.
                Piece::Text(text) if text.is_empty() => continue,
                Piece::Text(text) => {
                    if self.words + text.len() > WORDS_MAX {
                        return Err(Fault::TooLong);
                    }
                    self.words += text.len();
                    AgentEvent::Text(text)
                }
                // No words: they keep nothing alive, but for time that is asked for before the first.
                Piece::Hint(hint) => {
                    if let Hint::Hold(wish) = hint {
                        self.hold(wish);
                    }
                    let _ = events.send(AgentEvent::Hint(hint)).await;
                    continue;
                }
                Piece::Done(command) => AgentEvent::Done(command),
            };
            let complete = matches!(event, AgentEvent::Done(_));
            // Where nobody listens any more, `relay` ends this.
            let _ = events.send(event).await;
            if complete {
                return Ok(());
            }
            self.words_by = Instant::now() + self.within;
        }
    }

    /// As the call reckons. The time for the whole is as much longer.
    fn hold(&mut self, wish: Duration) {
        if self.words == 0 {
            let more = self.holds.beyond(self.words_by.saturating_duration_since(Instant::now()), wish);
            self.words_by += more;
            self.whole_by += more;
        }
    }

    fn deadline(&self) -> Instant {
        self.words_by.min(self.whole_by)
    }
}

#[cfg(test)]
mod tests;
