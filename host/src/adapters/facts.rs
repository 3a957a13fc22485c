//! Where facts of calls go. So far: to the log, without a word of what was said.

use crate::application::ports::{Facts, Subject};
use vg_domain::event::Fact;

/// One log line per fact: kinds, ids, codes and durations. Words, even masked ones, and transfer targets stay out.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogFacts;

impl Facts for LogFacts {
    fn publish(&self, Subject { call, tenant, .. }: Subject<'_>, fact: &Fact) {
        match fact {
            Fact::Started(parties) => tracing::info!(%call, %tenant, direction = parties.direction.code(), "call started"),
            Fact::Answered(by) => tracing::info!(%call, %tenant, by = by.code(), "call answered"),
            Fact::TakenOver => tracing::warn!(%call, %tenant, "call taken over by another gateway"),
            Fact::Adopted { silent, .. } => {
                let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(%call, %tenant, silent_ms, "call adopted: another gateway held it");
            }
            Fact::Agent(profile) => tracing::info!(%call, %tenant, agent = profile.id, "agent known"),
            Fact::Hearing { turn, .. } => tracing::trace!(%call, %tenant, %turn, "hearing"),
            Fact::Heard { turn, .. } => tracing::info!(%call, %tenant, %turn, "heard"),
            Fact::Withheld { turn } => tracing::warn!(%call, %tenant, %turn, "words withheld: they could not be masked"),
            Fact::NotUnderstood { turn } => tracing::info!(%call, %tenant, %turn, "not understood"),
            Fact::Saying { utterance, .. } => tracing::debug!(%call, %tenant, %utterance, "saying"),
            Fact::Filler { turn, .. } => tracing::info!(%call, %tenant, %turn, "filler"),
            Fact::Interrupted { utterance, spoken_ms, extent } => {
                tracing::info!(%call, %tenant, %utterance, spoken_ms, precision = extent.code(), "interrupted");
            }
            Fact::LanguageChanged { language } => tracing::info!(%call, %tenant, language, "language changed"),
            Fact::Turn(record) => {
                let total_ms = record.latency.map(|latency| latency.total_ms);
                tracing::info!(%call, %tenant, turn = %record.turn, total_ms, interrupted = record.interrupted, "turn ended");
            }
            Fact::Fell { who, plugin, code } => {
                let plugin = plugin.as_ref().map(tracing::field::display);
                tracing::warn!(%call, %tenant, role = who.code(), plugin, code, "provider fell");
            }
            Fact::Shadowed(turn) => {
                let (plugin, outcome, edited) = (&turn.plugin, turn.agreement.code(), turn.likeness.edited);
                tracing::info!(%call, %tenant, %plugin, outcome, words = turn.likeness.words, edited, "shadow turn");
            }
            Fact::Escalated { reason, .. } => tracing::info!(%call, %tenant, reason, "call escalated"),
            Fact::PathSilent(code) => tracing::warn!(%call, %tenant, code, "media path is silent"),
            Fact::Refused(refusal) => tracing::info!(%call, %tenant, code = refusal.code(), "call refused"),
            Fact::Transferring { kind, mode } => tracing::info!(%call, %tenant, kind, mode = mode.code(), "handing over"),
            Fact::Transferred { kind, mode } => tracing::info!(%call, %tenant, kind, mode = mode.code(), "handed over"),
            Fact::Referred { kind } => tracing::info!(%call, %tenant, kind, "referred elsewhere"),
            Fact::TransferFailed { kind, mode, code } => {
                tracing::warn!(%call, %tenant, kind, mode = mode.code(), code, "not handed over");
            }
            Fact::Used { who, plugin, usage } => {
                let (audio_ms, characters, requests) = (usage.audio_ms, usage.characters, usage.requests);
                tracing::info!(%call, %tenant, role = who.code(), %plugin, audio_ms, characters, requests, "provider worked");
            }
            Fact::Recording(fact) => tracing::info!(%call, %tenant, ?fact, "recording"),
            Fact::Ended(outcome) => {
                tracing::info!(%call, %tenant, cause = outcome.cause.code(), turns = outcome.turns, "call ended");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use vg_domain::event::Role;
    use vg_domain::ids::{CallId, PluginId, TenantId, TurnId};
    use vg_domain::outcome::{EndCause, Outcome};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_fact_is_one_line_with_its_ids_and_without_its_target() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let (call, tenant) = (CallId::new("c-1"), TenantId::new("demo"));
            let plugin = Some(PluginId::new("stt-local"));
            for fact in [
                Fact::NotUnderstood { turn: TurnId(2) },
                Fact::Fell { who: Role::Hearing, plugin, code: "trap" },
                Fact::Escalated { target: "internal,4711".into(), reason: "trouble" },
                Fact::Ended(Outcome { cause: EndCause::Transferred, turns: 3 }),
            ] {
                LogFacts.publish(Subject::only(&call, &tenant), &fact);
            }
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert!(text.lines().all(|line| line.contains("\"call\":\"c-1\"") && line.contains("\"tenant\":\"demo\"")), "{text}");
        assert!(text.contains("\"plugin\":\"stt-local\"") && text.contains("\"cause\":\"transferred\""), "{text}");
        assert!(!text.contains("4711"), "{text}");
    }
}
