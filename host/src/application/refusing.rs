//! How a call is refused: by a reason before the answer, or in words where the operator pays for an answer.

use super::limits;
use super::line;
use super::ports::{Facts, IncomingCall, LegEvent, MediaLeg, MouthCommand, TelephonyEvent};
use super::prompt::Prompt;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::UtteranceId;
use vg_domain::outcome::EndCause;
use vg_domain::refusal::Refusal;

/// What refused callers hear; empty where no refused call is answered.
pub type RefusalWords = BTreeMap<Refusal, Prompt>;

/// Refuses calls.
#[derive(Clone)]
pub(super) struct Refuser {
    words: Arc<RefusalWords>,
    told: Arc<Semaphore>,
    facts: Arc<dyn Facts>,
    stop: CancellationToken,
}

impl Refuser {
    /// `stop` ends what is being said.
    pub(super) fn new(words: RefusalWords, facts: Arc<dyn Facts>, stop: CancellationToken) -> Self {
        Self { words: Arc::new(words), told: Arc::new(Semaphore::new(limits::REFUSALS_TOLD)), facts, stop }
    }

    /// Ends the leg of a call that is not served. Every act has its own deadline, and an error means that the leg is gone.
    pub(super) async fn turn_away(&self, mut call: IncomingCall, refusal: Refusal) {
        line::told(&*self.facts).await;
        if let Some((words, _turn)) = self.words_for(refusal) {
            tokio::select! {
                () = self.stop.cancelled() => {}
                told = tokio::time::timeout(limits::REFUSAL_MAX, tell(&mut call, words)) => {
                    if !matches!(told, Ok(Told::All)) {
                        tracing::debug!(code = refusal.code(), "a refused caller did not hear why");
                    }
                }
            }
        }
        let _ = call.telephony.hang_up(EndCause::Refused(refusal)).await;
        let _ = call.telephony.release().await;
    }

    fn words_for(&self, refusal: Refusal) -> Option<(&Prompt, OwnedSemaphorePermit)> {
        let words = self.words.get(&refusal)?;
        Some((words, Arc::clone(&self.told).try_acquire_owned().ok()?))
    }
}

/// What a refused caller heard.
enum Told {
    All,
    NotAll,
}

async fn tell(call: &mut IncomingCall, words: &Prompt) -> Told {
    let Ok(mut leg) = call.telephony.connect_media().await else { return Told::NotAll };
    if call.telephony.answer().await.is_err() {
        return Told::NotAll;
    }
    let utterance = UtteranceId(1);
    let (rate_hz, pcm) = words.at(leg.rate_hz);
    for order in [MouthCommand::Say { utterance, rate_hz, pcm: pcm.to_vec() }, MouthCommand::End { utterance }] {
        if leg.mouth.send(order).await.is_err() {
            return Told::NotAll;
        }
    }
    said(call, &mut leg).await
}

async fn said(call: &mut IncomingCall, leg: &mut MediaLeg) -> Told {
    loop {
        tokio::select! {
            event = leg.events.recv() => match event {
                Some(LegEvent::Ended { .. }) => return Told::All,
                Some(LegEvent::Lost) | None => return Told::NotAll,
                Some(_) => {}
            },
            event = call.events.recv() => match event {
                Some(TelephonyEvent::Digit(_) | TelephonyEvent::KeysMissed) => {}
                _ => return Told::NotAll,
            },
        }
    }
}
