//! Asks providers whose breaker is open whether they serve again.

use super::{Breakers, Sample};
use crate::application::clock::{now, until};
use crate::application::ports::{Hearing, HearingEvent, HearingInput, Listen, Speak, Speaking, SpeakingEvent, SpeakingInput};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::TenantId;
use vg_domain::tenant::Provider;

/// A probe that has no answer by then has fallen: a caller would not have waited as long.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Probes at a time.
const PROBES: usize = 8;
/// What a listener hears: silence, in milliseconds.
const SILENCE_MS: u32 = 300;
/// What a speaker says to nobody; understood in any language.
const WORD: &str = "OK.";

impl Breakers {
    /// Probes until `close`; a breaker whose probe is served closes.
    pub async fn run(&self, hearing: Arc<dyn Hearing>, speaking: Arc<dyn Speaking>, close: CancellationToken) {
        let mut probes = JoinSet::new();
        loop {
            while probes.len() < PROBES
                && let Some(sample) = self.take_due(now())
            {
                let (hearing, speaking) = (Arc::clone(&hearing), Arc::clone(&speaking));
                let (mut asked, seats) = (sample.clone(), Arc::clone(&self.seats));
                probes.spawn(async move {
                    let probe = async {
                        // Who is served already is not turned away for a probe.
                        asked.take_seat(&seats).is_some() && probe(&*hearing, &*speaking, asked).await
                    };
                    let served = timeout(PROBE_MAX, probe).await.unwrap_or(false);
                    (sample, served)
                });
            }
            let next = self.next_probe().filter(|_| probes.len() < PROBES);
            tokio::select! {
                () = close.cancelled() => return,
                () = self.opened.notified() => {}
                () = until(next) => {}
                Some(done) = probes.join_next(), if !probes.is_empty() => {
                    // A probe that panicked has fallen; its breaker stays as it is until the process ends, and the panic is told.
                    if let Ok((sample, served)) = done {
                        self.probed(sample.tenant(), sample.provider(), served);
                    }
                }
            }
        }
    }

    fn take_due(&self, now: Instant) -> Option<Sample> {
        let mut entries = self.lock();
        let mut all = entries.values_mut().flat_map(HashMap::values_mut);
        let due = all.find(|entry| !entry.probing && entry.breaker.probe_at().is_some_and(|at| at <= now))?;
        due.probing = true;
        Some(due.sample.clone())
    }

    fn next_probe(&self) -> Option<Instant> {
        let entries = self.lock();
        let all = entries.values().flat_map(HashMap::values);
        all.filter(|entry| !entry.probing).filter_map(|entry| entry.breaker.probe_at()).min()
    }

    fn probed(&self, tenant: &TenantId, provider: &Provider, served: bool) {
        if let Some(entry) = self.lock().get_mut(tenant).and_then(|of| of.get_mut(provider)) {
            entry.probing = false;
            if !served {
                entry.breaker.probe_fell(now());
            }
        }
        if served {
            self.served(tenant, provider, now());
        }
    }
}

/// Whether the provider does once what it is for.
async fn probe(hearing: &dyn Hearing, speaking: &dyn Speaking, sample: Sample) -> bool {
    match sample {
        Sample::Hearing(request) | Sample::Shadow(request) => {
            let silence = vec![0; (request.rate_hz * SILENCE_MS / 1_000) as usize];
            let Ok(session) = hearing.open(request) else { return false };
            hears(session, silence).await
        }
        Sample::Speaking(request) => {
            let Ok(session) = speaking.open(request) else { return false };
            speaks(session).await
        }
    }
}

async fn hears(mut session: Box<dyn Listen>, silence: Vec<i16>) -> bool {
    // A mailbox that has no room for its first inputs is none of a session that serves.
    let told = [HearingInput::Audio(silence), HearingInput::Finalize].map(|input| session.try_tell(input).is_ok());
    if told.contains(&false) {
        return false;
    }
    loop {
        match poll_fn(|cx| session.poll_event(cx)).await {
            Some(HearingEvent::Finalized) => return true,
            Some(HearingEvent::Partial { .. } | HearingEvent::Usage(_) | HearingEvent::Final(_)) => {}
            Some(HearingEvent::Fell(_)) | None => return false,
        }
    }
}

async fn speaks(mut session: Box<dyn Speak>) -> bool {
    let told = [SpeakingInput::Text(WORD.to_owned()), SpeakingInput::Flush(0)].map(|input| session.try_tell(input).is_ok());
    if told.contains(&false) {
        return false;
    }
    let mut sounded = false;
    loop {
        match poll_fn(|cx| session.poll_event(cx)).await {
            Some(SpeakingEvent::Audio { pcm, .. }) => sounded |= !pcm.is_empty(),
            Some(SpeakingEvent::Flushed(_)) => return sounded,
            Some(SpeakingEvent::Word(_) | SpeakingEvent::Usage(_) | SpeakingEvent::Cancelled) => {}
            Some(SpeakingEvent::Fell(_)) | None => return false,
        }
    }
}
