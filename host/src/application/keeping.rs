//! What is kept of a call beyond this gateway: a snapshot at each change that matters to whoever reads it, or goes on with it.

use super::call_leg::ChannelNames;
use super::clock::now;
use super::ports::{CallSnapshot, CallState, CallStates, Epoch};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, ConversationId, PluginId, TenantId};
use vg_domain::outcome::EndCause;
use vg_domain::parties::Parties;

/// So soon after a snapshot what has changed waits for the rest of that time, unless it is [pressing](Keeper::presses): of a turn's many changes some are
/// kept together. Whoever goes on says again what was said in that time.
const PACE: Duration = Duration::from_millis(250);

/// Keeps one call; does nothing where calls are kept nowhere.
pub struct Keeper(Option<Box<Kept>>);

struct Kept {
    states: Arc<dyn CallStates>,
    snapshot: CallSnapshot,
    lost: Option<CancellationToken>,
    change: Change,
    kept_at: Option<Instant>,
    /// Another gateway is to go on with it, at any moment.
    leaves: bool,
}

/// What has happened since the last snapshot that another gateway would need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    #[default]
    Nothing,
    Something,
    Pressing,
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
            Kept::boxed(states, snapshot)
        };
        Self(states.map(kept))
    }

    /// The same of a call that was claimed: as its last holder kept it.
    pub fn claimed(states: Arc<dyn CallStates>, snapshot: CallSnapshot) -> Self {
        Self(Some(Kept::boxed(states, snapshot)))
    }

    /// Takes a fact of the call. Where it changes the call's state, or is its end, others see that at once, each state by itself; all else is kept when
    /// it is [due](Self::due).
    pub fn note(&mut self, fact: &Fact, doing: Doing<'_>) {
        if let Some(kept) = &mut self.0 {
            let before = kept.snapshot.state;
            kept.take(fact);
            if kept.snapshot.state != before || matches!(fact, Fact::Ended(_)) {
                kept.keep(doing);
                kept.change = Change::Pressing;
            }
        }
    }

    /// Something has happened that another gateway would need to know.
    pub fn changes(&mut self) {
        self.change(Change::Something);
    }

    /// The same, and the caller would have to say it again.
    pub fn presses(&mut self) {
        self.change(Change::Pressing);
    }

    /// Another gateway is to go on with the call: from now on nothing waits.
    pub fn leaves(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.leaves = true;
        }
    }

    fn change(&mut self, change: Change) {
        if let Some(kept) = &mut self.0 {
            kept.change = kept.change.max(change);
        }
    }

    /// When the call is to be kept; none where nothing has changed.
    pub fn due(&self) -> Option<Instant> {
        let kept = self.0.as_ref()?;
        match kept.change {
            Change::Nothing => None,
            Change::Something if !kept.leaves => Some(kept.kept_at.map_or_else(now, |at| at + PACE)),
            Change::Something | Change::Pressing => Some(now()),
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

    /// Returns once another gateway holds the call. Cancel-safe.
    pub async fn lost(&self) {
        match self.0.as_ref().and_then(|kept| kept.lost.as_ref()) {
            Some(lost) => lost.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

impl Kept {
    fn boxed(states: Arc<dyn CallStates>, snapshot: CallSnapshot) -> Box<Self> {
        Box::new(Self { states, snapshot, lost: None, change: Change::default(), kept_at: None, leaves: false })
    }

    fn take(&mut self, fact: &Fact) {
        let snapshot = &mut self.snapshot;
        match fact {
            Fact::Answered(_) => {
                snapshot.state = CallState::Answered;
                snapshot.answered_at = Some(SystemTime::now());
            }
            Fact::Heard { .. } | Fact::Saying { .. } if snapshot.state == CallState::Answered => {
                snapshot.state = CallState::Active;
            }
            Fact::Adopted { .. } => snapshot.state = CallState::Active,
            Fact::Agent(profile) => snapshot.agent = Some(profile.id.clone()),
            Fact::Transferred { .. } | Fact::Referred { .. } => snapshot.state = CallState::Transferred,
            Fact::Ended(outcome) => {
                snapshot.state = match outcome.cause {
                    EndCause::Transferred => CallState::Transferred,
                    _ => CallState::Ended,
                };
                snapshot.ended_at = Some(SystemTime::now());
                snapshot.resume = None;
            }
            // Those change what another gateway needs, or nothing.
            Fact::Started(_)
            | Fact::Turn(_)
            | Fact::Fell { .. }
            | Fact::Heard { .. }
            | Fact::Saying { .. }
            | Fact::Transferring { .. }
            | Fact::TransferFailed { .. }
            | Fact::Escalated { .. }
            | Fact::LanguageChanged { .. }
            | Fact::Hearing { .. }
            | Fact::NotUnderstood { .. }
            | Fact::Withheld { .. }
            | Fact::Filler { .. }
            | Fact::Interrupted { .. }
            | Fact::Shadowed(_)
            | Fact::PathSilent(_)
            | Fact::Refused(_)
            | Fact::Recording(_)
            | Fact::TakenOver
            | Fact::Used { .. } => {}
        }
    }

    fn keep(&mut self, doing: Doing<'_>) {
        (self.change, self.kept_at) = (Change::Nothing, Some(now()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::time::advance;
    use vg_domain::outcome::Outcome;
    use vg_domain::pii::Pii;

    #[derive(Default)]
    struct Store(Mutex<Vec<CallState>>);

    impl CallStates for Store {
        fn keep(&self, snapshot: CallSnapshot) {
            self.0.lock().unwrap().push(snapshot.state);
        }
        fn lost(&self, _: &CallId) -> CancellationToken {
            CancellationToken::new()
        }
        fn let_go(&self, _: &CallId) {}
    }

    fn keeper(states: Option<Arc<dyn CallStates>>) -> Keeper {
        let nobody = || Pii::new(String::new());
        let names = ChannelNames { id: "channel".into(), name: None };
        let parties = Parties::inbound(nobody(), nobody());
        Keeper::new(states, &CallId::new("c"), &TenantId::new("t"), &parties, names, Epoch::FIRST)
    }

    fn doing(plugin: &PluginId) -> Doing<'_> {
        Doing { hearing: plugin, speaking: plugin, conversation: None }
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_kept_at_once_where_there_are_few_and_together_where_there_are_many() {
        let (store, plugin) = (Arc::new(Store::default()), PluginId::new("p"));
        let mut keeper = keeper(Some(store));
        assert_eq!(keeper.due(), None, "nothing has happened");
        keeper.changes();
        assert_eq!(keeper.due(), Some(now()));
        keeper.keep(doing(&plugin));
        let kept_at = now();
        advance(PACE / 5).await;
        assert_eq!(keeper.due(), None);
        keeper.changes();
        assert_eq!(keeper.due(), Some(kept_at + PACE));
        keeper.presses();
        keeper.changes();
        assert_eq!(keeper.due(), Some(now()), "the caller would have to say it again");
        keeper.keep(doing(&plugin));
        keeper.leaves();
        keeper.changes();
        assert_eq!(keeper.due(), Some(now()), "another gateway is to go on");
    }

    #[tokio::test(start_paused = true)]
    async fn each_state_is_kept_as_it_comes_and_what_another_gateway_needs_right_after_it() {
        let (store, plugin) = (Arc::new(Store::default()), PluginId::new("p"));
        let mut keeper = keeper(Some(store.clone()));
        let by = vg_domain::dialling::AnsweredBy::Gateway;
        keeper.note(&Fact::Answered(by), doing(&plugin));
        assert_eq!(keeper.due(), Some(now()));
        keeper.note(&Fact::Answered(by), doing(&plugin));
        keeper.note(&Fact::Ended(Outcome { cause: EndCause::CallerHungUp, turns: 0 }), doing(&plugin));
        keeper.note(&Fact::TakenOver, doing(&plugin));
        assert_eq!(*store.0.lock().unwrap(), [CallState::Answered, CallState::Ended]);
    }

    #[tokio::test]
    async fn where_calls_are_kept_nowhere_nothing_is_ever_due() {
        let mut keeper = keeper(None);
        keeper.presses();
        assert_eq!(keeper.due(), None);
    }
}
