//! What is kept of a call beyond this gateway: a snapshot at each change that matters to whoever reads it, or goes on with it.

use super::call_leg::ChannelNames;
use super::ports::{CallSnapshot, CallState, CallStates, Epoch};
use bytes::Bytes;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId};
use vg_domain::outcome::EndCause;
use vg_domain::parties::Parties;

/// Keeps one call; does nothing where calls are kept nowhere.
pub struct Keeper(Option<Box<Kept>>);

struct Kept {
    states: Arc<dyn CallStates>,
    snapshot: CallSnapshot,
    lost: Option<CancellationToken>,
}

/// Who does a call's work at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Doing<'a> {
    /// Who listens.
    pub hearing: &'a PluginId,
    /// Who speaks.
    pub speaking: &'a PluginId,
    /// The conversation, once the agent has named it.
    pub conversation: Option<&'a ConversationId>,
}

impl Keeper {
    /// A call of which nothing was told yet, in that epoch.
    pub fn new(
        states: Option<Arc<dyn CallStates>>,
        call: &CallId,
        tenant: &TenantId,
        parties: &Parties,
        names: ChannelNames,
        epoch: Epoch,
    ) -> Self {
        let kept = |states| {
            let snapshot = CallSnapshot {
                call: call.clone(),
                tenant: tenant.clone(),
                channel: names.id,
                channel_name: names.name,
                conversation: None,
                state: CallState::Ringing,
                direction: parties.direction,
                caller: parties.from.clone(),
                callee: parties.to.clone(),
                answered_at: None,
                ended_at: None,
                agent: parties.agent.clone(),
                hearing: None,
                speaking: None,
                trunk: parties.trunk.clone(),
                did: parties.did.clone(),
                epoch,
                updated_at: SystemTime::UNIX_EPOCH,
                resume: None,
            };
            Box::new(Kept { states, snapshot, lost: None })
        };
        Self(states.map(kept))
    }

    /// The same of a call that was claimed: as its last holder kept it.
    pub fn claimed(states: Arc<dyn CallStates>, snapshot: CallSnapshot) -> Self {
        Self(Some(Box::new(Kept { states, snapshot, lost: None })))
    }

    /// Takes a fact of the call, and keeps what has changed by it.
    pub fn note(&mut self, fact: &Fact, doing: Doing<'_>) {
        if let Some(kept) = &mut self.0
            && kept.takes(fact)
        {
            kept.keep(doing);
        }
    }

    /// Keeps the call as it stands.
    pub fn keep(&mut self, doing: Doing<'_>) {
        if let Some(kept) = &mut self.0 {
            kept.keep(doing);
        }
    }

    /// What another gateway would need to go on; kept with the next snapshot.
    pub fn resume(&mut self, resume: Option<Bytes>) {
        if let Some(kept) = &mut self.0 {
            kept.snapshot.resume = resume;
        }
    }

    /// Whether it is of any use to say what another gateway would need.
    pub fn keeps(&self) -> bool {
        self.0.is_some()
    }

    /// Returns once another gateway holds the call. Cancel-safe.
    pub async fn lost(&self) {
        match self.0.as_ref().and_then(|kept| kept.lost.as_ref()) {
            Some(lost) => lost.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

impl Kept {
    /// Whether anything has changed.
    fn takes(&mut self, fact: &Fact) -> bool {
        let snapshot = &mut self.snapshot;
        match fact {
            Fact::Started(_) | Fact::Turn(_) | Fact::Fell { .. } => {}
            Fact::Answered(_) => {
                snapshot.state = CallState::Answered;
                snapshot.answered_at = Some(SystemTime::now());
            }
            Fact::Heard { .. } | Fact::Saying { .. } if snapshot.state == CallState::Answered => {
                snapshot.state = CallState::Active;
            }
            // By its turn everything is told that was heard and said in it.
            Fact::Heard { .. } | Fact::Saying { .. } => return false,
            Fact::Adopted { .. } => snapshot.state = CallState::Active,
            Fact::Agent(profile) => snapshot.agent = Some(profile.id.clone()),
            Fact::Transferred { .. } | Fact::Referred { .. } => snapshot.state = CallState::Transferred,
            Fact::Transferring { .. } | Fact::TransferFailed { .. } | Fact::Escalated { .. } | Fact::LanguageChanged { .. } => {}
            Fact::Ended(outcome) => {
                snapshot.state = match outcome.cause {
                    EndCause::Transferred => CallState::Transferred,
                    _ => CallState::Ended,
                };
                snapshot.ended_at = Some(SystemTime::now());
                snapshot.resume = None;
            }
            Fact::Hearing { .. }
            | Fact::NotUnderstood { .. }
            | Fact::Withheld { .. }
            | Fact::Filler { .. }
            | Fact::Interrupted { .. }
            | Fact::Shadowed(_)
            | Fact::PathSilent(_)
            | Fact::Refused(_)
            // The memory of it goes with what another gateway needs.
            | Fact::Recording(_)
            | Fact::TakenOver
            | Fact::Used { .. } => return false,
        }
        true
    }

    fn keep(&mut self, doing: Doing<'_>) {
        let snapshot = &mut self.snapshot;
        snapshot.hearing = Some(doing.hearing.clone());
        snapshot.speaking = Some(doing.speaking.clone());
        snapshot.conversation = doing.conversation.cloned().or_else(|| snapshot.conversation.take());
        snapshot.updated_at = SystemTime::now();
        self.states.keep(snapshot.clone());
        if self.lost.is_none() {
            self.lost = Some(self.states.lost(&snapshot.call));
        }
    }
}

impl Drop for Kept {
    /// A call whose end was told is not held any more, and one whose task died must not be.
    fn drop(&mut self) {
        if self.snapshot.ended_at.is_none() {
            self.states.let_go(&self.snapshot.call);
        }
    }
}
