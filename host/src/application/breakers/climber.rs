//! Where a call stands on a ladder, and its way to the next session.

use super::seats::Seat;
use super::{Breakers, Sample, Standing};
use crate::application::clock::{now, until};
use crate::application::limits;
use crate::application::ports::{Fall, Observation};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::{Ladder, Provider};

/// All places of the tenant with this provider are taken.
const CONCURRENCY: &str = "concurrency";
/// The provider does not want to be asked yet.
const QUOTA: &str = "quota";

/// Where a call stands on a ladder.
pub(in crate::application) struct Climber {
    role: Role,
    tenant: TenantId,
    ladder: Ladder,
    at: usize,
    breakers: Arc<Breakers>,
    /// What a session may be waited for at most: the next rung has to serve within the same deadline.
    patience: Duration,
    attempt: Attempt,
    /// Who was passed over for want of a place, on the way to who serves.
    passed: VecDeque<Fall>,
    /// The first of them: the call goes back there when there is a place.
    missed: Option<usize>,
}

/// The way to one session.
#[derive(Default)]
struct Attempt {
    /// Rungs that were not tried yet, in their order.
    left: VecDeque<usize>,
    falls: Vec<(usize, Fall)>,
    /// One was waited for: all others are taken as they are.
    waited: bool,
    waits: Option<Waiting>,
    /// The place that the first of `left` has come to.
    granted: Option<Seat>,
}

/// What becomes of a rung.
enum Place {
    Free(Seat),
    Awaited,
    None(&'static str),
}

/// Something that comes, or does not come in time.
struct Waiting {
    rung: usize,
    /// None: a provider that wants to be left alone until then.
    seat: Option<oneshot::Receiver<Seat>>,
    until: Instant,
    tally: Tally,
}

/// Counts one wait when it is over.
struct Tally {
    breakers: Arc<Breakers>,
    role: Role,
    plugin: PluginId,
    outcome: &'static str,
}

impl Drop for Tally {
    fn drop(&mut self) {
        let (role, plugin, outcome) = (self.role.code(), self.plugin.clone(), self.outcome);
        self.breakers.observe.observe(&Observation::SessionAwaited { role, plugin, outcome });
    }
}

impl Climber {
    /// On the first rung. Sessions are waited for within half of `deadline`, that of the call for what they are to do.
    pub(in crate::application) fn new(
        breakers: Arc<Breakers>,
        role: Role,
        tenant: TenantId,
        ladder: Ladder,
        deadline: Duration,
    ) -> Self {
        let (attempt, passed) = (Attempt::default(), VecDeque::new());
        Self { role, tenant, ladder, at: 0, breakers, patience: deadline / 2, attempt, passed, missed: None }
    }

    /// Who serves, or was tried first where nobody does.
    pub(in crate::application) fn provider(&self) -> &Provider {
        &self.ladder.rungs()[self.at]
    }

    /// Another ladder, from its first rung on.
    pub(in crate::application) fn go_over_to(&mut self, ladder: Ladder) {
        self.leave();
        self.passed.clear();
        (self.ladder, self.at, self.missed) = (ladder, 0, None);
    }

    /// The next one is to be tried first.
    pub(in crate::application) fn climb(&mut self) {
        self.at = (self.at + 1) % self.ladder.rungs().len();
    }

    /// Whether its budget of the day is used up. That of the last one does not count: somebody has to serve.
    fn is_spent(&self, rung: usize) -> bool {
        let rungs = self.ladder.rungs();
        rung + 1 < rungs.len() && self.breakers.budgets.is_spent(&self.tenant, &rungs[rung])
    }

    /// The first that opens, beginning where the call stands; those with an open breaker after all others, and those whose budget of the day is used
    /// up not at all. None where one is waited for:
    /// [`seated`](Self::seated), then [`go_on`](Self::go_on). Where none opens, the fall of the one that was to be first is told.
    pub(in crate::application) fn open<T>(
        &mut self,
        open: impl Fn(&Provider, Seat) -> Result<T, Fall>,
    ) -> Result<Option<(T, Seat)>, Fall> {
        let now = now();
        let rungs = self.ladder.rungs();
        let in_turn = (self.at..rungs.len()).chain(0..self.at);
        let (spent, in_turn): (Vec<usize>, Vec<usize>) = in_turn.partition(|rung| self.is_spent(*rung));
        for _ in spent {
            self.breakers.observe.observe(&Observation::RungFell { role: self.role.code(), code: "budget" });
        }
        let (first, last): (Vec<usize>, Vec<usize>) =
            in_turn.into_iter().partition(|rung| match self.breakers.standing(&self.tenant, &rungs[*rung], now) {
                Standing::Closed => true,
                Standing::Open => false,
                Standing::Resting(until) => until <= now + self.wait_for(&rungs[*rung]),
            });
        self.missed = None;
        self.attempt = Attempt { left: first.into_iter().chain(last).collect(), ..Attempt::default() };
        self.go_on(open)
    }

    /// Goes on with what [`open`](Self::open) began.
    pub(in crate::application) fn go_on<T>(
        &mut self,
        open: impl Fn(&Provider, Seat) -> Result<T, Fall>,
    ) -> Result<Option<(T, Seat)>, Fall> {
        while let Some(rung) = self.attempt.left.pop_front() {
            let fall = match self.place(rung) {
                Place::Awaited => return Ok(None),
                Place::None(code) => Fall::new(self.ladder.rungs()[rung].plugin.clone(), code),
                Place::Free(seat) => match open(&self.ladder.rungs()[rung], seat.clone()) {
                    Ok(session) => {
                        self.settle(rung);
                        return Ok(Some((session, seat)));
                    }
                    Err(fall) => fall,
                },
            };
            self.attempt.falls.push((rung, fall));
        }
        let mut falls = std::mem::take(&mut self.attempt).falls;
        let first = falls.iter().position(|(rung, _)| *rung == self.at).unwrap_or(0);
        Err(falls.swap_remove(first).1)
    }

    /// Whether a session that was to be opened waits for something.
    pub(in crate::application) fn is_waiting(&self) -> bool {
        self.attempt.waits.is_some()
    }

    /// Waits until [`go_on`](Self::go_on) has something to do. Cancel-safe; pending where nothing is waited for.
    pub(in crate::application) async fn seated(&mut self) {
        let Some(waiting) = &mut self.attempt.waits else { return std::future::pending().await };
        let seat = waiting.over().await;
        let (rung, awaits_seat) = (waiting.rung, waiting.seat.is_some());
        if awaits_seat && seat.is_none() {
            waiting.tally.outcome = "late";
            let fall = Fall::new(self.ladder.rungs()[rung].plugin.clone(), CONCURRENCY);
            self.attempt.falls.push((rung, fall));
        } else {
            waiting.tally.outcome = "seated";
            self.attempt.granted = seat;
            self.attempt.left.push_front(rung);
        }
        self.attempt.waits = None;
    }

    /// No session is wanted any more.
    pub(in crate::application) fn leave(&mut self) {
        self.attempt = Attempt::default();
    }

    /// The next one who was passed over for want of a place, since somebody else serves.
    pub(in crate::application) fn take_passed(&mut self) -> Option<Fall> {
        self.passed.pop_front()
    }

    /// A session where the call was not served for want of a place, if there is one by now. It goes on as it is where there is none.
    pub(in crate::application) fn climb_back<T>(
        &mut self,
        open: impl Fn(&Provider, Seat) -> Result<T, Fall>,
    ) -> Option<(T, Seat)> {
        let rung = self.missed?;
        let provider = &self.ladder.rungs()[rung];
        if self.breakers.standing(&self.tenant, provider, now()) != Standing::Closed {
            return None;
        }
        let seat = self.breakers.seats.take(self.role.code(), &self.tenant, provider)?;
        let session = open(provider, seat.clone()).ok()?;
        (self.at, self.missed) = (rung, None);
        Some((session, seat))
    }

    /// Who serves has fallen, and may have said when it is to be asked again.
    pub(in crate::application) fn fell(&self, sample: Sample, retry_after: Option<Duration>) {
        self.breakers.fell(sample, retry_after, now());
    }

    /// Who serves has done what it is for.
    pub(in crate::application) fn served(&self) {
        self.breakers.served(&self.tenant, self.provider(), now());
    }

    fn wait_for(&self, provider: &Provider) -> Duration {
        provider.share.sessions_wait.unwrap_or(limits::SESSIONS_WAIT).min(self.patience)
    }

    fn place(&mut self, rung: usize) -> Place {
        let provider = &self.ladder.rungs()[rung];
        let (now, wait) = (now(), self.wait_for(provider));
        if let Standing::Resting(until) = self.breakers.standing(&self.tenant, provider, now) {
            // Where nobody else is left the whole patience is worth it.
            let wait = if self.attempt.left.is_empty() { self.patience } else { wait };
            let in_time = !self.attempt.waited && until <= now + wait;
            return if in_time { self.wait(rung, None, until) } else { Place::None(QUOTA) };
        }
        if let Some(seat) = self.attempt.granted.take() {
            return Place::Free(seat);
        }
        if let Some(seat) = self.breakers.seats.take(self.role.code(), &self.tenant, provider) {
            return Place::Free(seat);
        }
        let awaited = !self.attempt.waited && !wait.is_zero();
        let queued = awaited.then(|| self.breakers.seats.queue(self.role.code(), &self.tenant, provider));
        match queued {
            Some(Some(seat)) => return self.wait(rung, Some(seat), now + wait),
            Some(None) => drop(self.tally(rung, "full")),
            None => drop(self.tally(rung, "passed")),
        }
        Place::None(CONCURRENCY)
    }

    fn wait(&mut self, rung: usize, seat: Option<oneshot::Receiver<Seat>>, until: Instant) -> Place {
        let tally = self.tally(rung, "left");
        self.attempt.waits = Some(Waiting { rung, seat, until, tally });
        self.attempt.waited = true;
        Place::Awaited
    }

    fn tally(&self, rung: usize, outcome: &'static str) -> Tally {
        let plugin = PluginId::new(self.ladder.rungs()[rung].plugin.plain());
        Tally { breakers: Arc::clone(&self.breakers), role: self.role, plugin, outcome }
    }

    fn settle(&mut self, rung: usize) {
        let falls = std::mem::take(&mut self.attempt).falls;
        self.missed = falls.iter().find(|(_, fall)| fall.code == CONCURRENCY).map(|(rung, _)| *rung);
        // Why others did not open is the plugin host's to tell.
        let passed = falls.into_iter().map(|(_, fall)| fall).filter(|fall| matches!(fall.code, CONCURRENCY | QUOTA));
        self.passed.extend(passed);
        self.at = rung;
    }
}

impl Waiting {
    /// The place, or none where the time is over.
    async fn over(&mut self) -> Option<Seat> {
        let over = until(Some(self.until));
        match &mut self.seat {
            Some(seat) => tokio::select! {
                biased;
                Ok(seat) = seat => Some(seat),
                () = over => None,
            },
            None => {
                over.await;
                None
            }
        }
    }
}
