//! An agent elsewhere as the application knows it: patience, deadlines and tasks around a [`Service`].

use super::patience::Patience;
use super::relay::{PIECES_MAX, relay};
use super::service::Service;
use crate::adapters::tally::Tally;
use crate::application::limits::CONVERSATION_BUDGET;
use crate::application::ports::{
    Agent, AgentError, AgentEvent, AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest, PastTurn, Question,
};
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vg_domain::ids::{ConversationId, TurnId};

/// Time for a lookup or the word on a handover: a caller waits meanwhile.
const LOOKUP_WITHIN: Duration = Duration::from_secs(2);
/// A connection is looked after so often: well below the minute after which middleboxes forget an idle one.
const CONNECT_EVERY: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Time for answers that are under way when the gateway ends; nobody listens to them any more.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// See the module. Answers are tasks of its own; [`run`](Self::run) joins them.
pub(super) struct Remote<S> {
    service: Arc<S>,
    answers: TaskTracker,
    whole_within: Duration,
    ends: Tally,
}

impl<S: Service> Remote<S> {
    /// `whole_within`: the time for a whole answer; `ends`: where answers are counted.
    pub(super) fn new(service: S, whole_within: Duration, ends: Tally) -> Self {
        Self { service: Arc::new(service), answers: TaskTracker::new(), whole_within, ends }
    }

    /// Keeps a connection open until `close`, then waits for the answers that are under way.
    pub(super) async fn run(self: Arc<Self>, close: CancellationToken) {
        let mut ticks = interval(CONNECT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let keep = async {
            loop {
                ticks.tick().await;
                let _ = timeout(CONNECT_WITHIN, self.service.connect()).await;
            }
        };
        let _ = close.run_until_cancelled(keep).await;
        self.answers.close();
        if timeout(CLOSE_WITHIN, self.answers.wait()).await.is_err() {
            tracing::warn!(left = self.answers.len(), "answers of the agent are still under way");
        }
    }
}

impl<S: Service> Agent for Remote<S> {
    fn open(&self, request: ConversationRequest) -> BoxFuture<'_, Result<ConversationId, AgentError>> {
        let service = Arc::clone(&self.service);
        async move {
            let patience = Patience::until(Instant::now() + CONVERSATION_BUDGET);
            let opened = patience.try_for(|left| service.open(&request, left)).await;
            opened.map_err(|fault| {
                tracing::warn!(code = fault.code(), "agent did not take a conversation");
                AgentError::from(fault)
            })
        }
        .boxed()
    }

    fn ask(&self, question: Question) -> BoxFuture<'_, Result<mpsc::Receiver<AgentEvent>, AgentError>> {
        let (events, answer) = mpsc::channel(PIECES_MAX);
        let (service, whole_within, ends) = (Arc::clone(&self.service), self.whole_within, self.ends.clone());
        self.answers.spawn(async move { ends.count(relay(&*service, &question, events, whole_within).await) });
        ready(Ok(answer)).boxed()
    }

    fn commit(&self, conversation: &ConversationId, turn: TurnId) -> BoxFuture<'_, ()> {
        let conversation = conversation.clone();
        async move {
            let _ = timeout(LOOKUP_WITHIN, self.service.commit(&conversation, turn)).await;
        }
        .boxed()
    }

    fn who(&self, conversation: &ConversationId) -> BoxFuture<'_, Result<AgentProfile, AgentError>> {
        let conversation = conversation.clone();
        async move {
            let patience = Patience::until(Instant::now() + LOOKUP_WITHIN);
            let found = patience.try_for(|left| self.service.who(&conversation, left)).await;
            Ok(found.inspect_err(|fault| tracing::debug!(code = fault.code(), "agent does not say who answers"))?)
        }
        .boxed()
    }

    fn hand_over(&self, request: HandoverRequest) -> BoxFuture<'_, Result<HandoverAdvice, AgentError>> {
        async move {
            let patience = Patience::until(Instant::now() + LOOKUP_WITHIN);
            Ok(patience.try_for(|left| self.service.hand_over(&request, left)).await?)
        }
        .boxed()
    }

    fn remember(&self, request: &ConversationRequest, conversation: &ConversationId, past: &[PastTurn]) {
        self.service.remember(request, conversation, past);
    }

    fn close(&self, conversation: &ConversationId) {
        self.service.close(conversation);
    }
}
