//! Which version serves, as a pure value.

use crate::api::FaultKind;
use crate::instance::SessionError;
use crate::session::SessionEnd;
use std::collections::VecDeque;

/// Digests that are remembered as refused; the oldest is forgotten.
const REFUSED: usize = 16;

/// A version in its slot. Never used twice.
pub(super) type Id = u64;

/// What a version does under its slot's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sessions get it, except those that try another.
    Serving,
    /// A few sessions get it.
    Tried {
        /// Sessions that have ended well.
        good: u32,
        /// How many must.
        wanted: u32,
    },
    /// No further session gets it; it goes with its last.
    Leaving,
}

/// What putting a version in led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// A few sessions try it first.
    OnTrial,
    /// It serves all sessions from now on.
    AtOnce,
    /// It was there already.
    Already,
}

/// What the end of a session says about its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    Fell,
    /// Neither for nor against it.
    Open,
}

impl Verdict {
    /// A refused credential or a vendor out of reach says nothing about the code; nor does a host that is full.
    pub(super) fn of(end: &SessionEnd) -> Self {
        match end {
            SessionEnd::Done | SessionEnd::Fell(SessionError::Expired) => Self::Well,
            SessionEnd::Fell(SessionError::SessionLimit | SessionError::WrongKind) => Self::Open,
            SessionEnd::Fell(_) => Self::Fell,
            SessionEnd::Fault(fault) => match fault.kind {
                FaultKind::Internal | FaultKind::Protocol => Self::Fell,
                _ => Self::Open,
            },
        }
    }
}

/// What the end of a session changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Promoted { digest: String },
    RolledBack { digest: String },
}

#[derive(Debug)]
pub(super) struct Version<P> {
    id: Id,
    digest: String,
    pub(super) plugin: P,
    pub(super) live: u32,
}

#[derive(Debug)]
struct Tried<P> {
    version: Version<P>,
    good: u32,
    wanted: u32,
}

/// The versions of a slot. *Invariant:* `leaving` holds only versions with live sessions.
#[derive(Debug)]
pub(super) struct Trial<P> {
    serving: Version<P>,
    tried: Option<Tried<P>>,
    leaving: Vec<Version<P>>,
    refused: VecDeque<String>,
    next: Id,
}

impl<P> Trial<P> {
    pub(super) fn new(digest: &str, plugin: P) -> Self {
        let serving = Version { id: 0, digest: digest.to_owned(), plugin, live: 0 };
        Self { serving, tried: None, leaving: Vec::new(), refused: VecDeque::new(), next: 1 }
    }

    /// Puts a version in; none where it was refused before.
    pub(super) fn swap(&mut self, digest: &str, plugin: P, wanted: u32) -> Option<Swapped> {
        if self.tried.as_ref().is_some_and(|tried| tried.version.digest == digest) {
            return Some(Swapped::Already);
        }
        if self.refused.iter().any(|refused| refused == digest) {
            return None;
        }
        if let Some(withdrawn) = self.tried.take() {
            self.leave(withdrawn.version);
        }
        if self.serving.digest == digest {
            return Some(Swapped::Already);
        }
        let version = Version { id: self.next, digest: digest.to_owned(), plugin, live: 0 };
        self.next += 1;
        if wanted == 0 {
            self.serve(version);
            return Some(Swapped::AtOnce);
        }
        self.tried = Some(Tried { version, good: 0, wanted });
        Some(Swapped::OnTrial)
    }

    /// A session begins: with this version.
    pub(super) fn begin(&mut self) -> (Id, &P) {
        let version = match &mut self.tried {
            Some(tried) if tried.version.live < tried.wanted => &mut tried.version,
            _ => &mut self.serving,
        };
        version.live += 1;
        (version.id, &version.plugin)
    }

    /// A session of version `id` has ended.
    pub(super) fn end(&mut self, id: Id, verdict: Verdict) -> Option<Change> {
        if let Some(version) = self.all().find(|version| version.id == id) {
            version.live = version.live.saturating_sub(1);
        }
        self.leaving.retain(|version| version.live > 0);
        let mut tried = self.tried.take_if(|tried| tried.version.id == id)?;
        let digest = tried.version.digest.clone();
        match verdict {
            Verdict::Fell => {
                if self.refused.len() == REFUSED {
                    self.refused.pop_front();
                }
                self.refused.push_back(digest.clone());
                self.leave(tried.version);
                return Some(Change::RolledBack { digest });
            }
            Verdict::Well => tried.good += 1,
            Verdict::Open => {}
        }
        if tried.good < tried.wanted {
            self.tried = Some(tried);
            return None;
        }
        self.serve(tried.version);
        Some(Change::Promoted { digest })
    }

    /// Each version and what it does; the one that serves is the first.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&Version<P>, Role)> {
        let tried =
            self.tried.iter().map(|Tried { version, good, wanted }| (version, Role::Tried { good: *good, wanted: *wanted }));
        let leaving = self.leaving.iter().map(|version| (version, Role::Leaving));
        std::iter::once((&self.serving, Role::Serving)).chain(tried).chain(leaving)
    }

    pub(super) fn serving(&self) -> &P {
        &self.serving.plugin
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = &str> {
        self.refused.iter().map(String::as_str)
    }

    fn serve(&mut self, version: Version<P>) {
        let before = std::mem::replace(&mut self.serving, version);
        self.leave(before);
    }

    fn leave(&mut self, version: Version<P>) {
        if version.live > 0 {
            self.leaving.push(version);
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Version<P>> {
        let tried = self.tried.iter_mut().map(|tried| &mut tried.version);
        std::iter::once(&mut self.serving).chain(tried).chain(&mut self.leaving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Fell, Open, Well};

    const OLD: Id = 0;
    const NEW: Id = 1;
    const THIRD: Id = 2;

    fn trial(wanted: u32) -> Trial<()> {
        let mut trial = Trial::new("old", ());
        assert_eq!(trial.swap("new", (), wanted), Some(Swapped::OnTrial));
        trial
    }

    fn begin(trial: &mut Trial<()>) -> Id {
        trial.begin().0
    }

    fn states(trial: &Trial<()>) -> Vec<(Id, u32, Role)> {
        trial.versions().map(|(version, role)| (version.id, version.live, role)).collect()
    }

    #[test]
    fn a_new_version_serves_all_once_enough_sessions_ended_well() {
        let mut trial = trial(2);
        assert_eq!([begin(&mut trial), begin(&mut trial), begin(&mut trial)], [NEW, NEW, OLD], "only so many at a time");
        assert_eq!(trial.end(NEW, Well), None);
        assert_eq!(begin(&mut trial), NEW, "the place is free again");
        assert_eq!(trial.end(NEW, Well), Some(Change::Promoted { digest: "new".into() }));
        assert_eq!(begin(&mut trial), NEW);
        assert_eq!(states(&trial), [(NEW, 2, Role::Serving), (OLD, 1, Role::Leaving)]);
        assert_eq!(trial.end(OLD, Fell), None, "what the old one does is of no consequence");
        assert_eq!(trial.versions().count(), 1, "the old one went with its last session");
    }

    #[test]
    fn one_that_falls_is_rolled_back_and_not_tried_again() {
        let mut trial = trial(3);
        assert_eq!([begin(&mut trial), begin(&mut trial)], [NEW, NEW]);
        assert_eq!(trial.end(NEW, Fell), Some(Change::RolledBack { digest: "new".into() }));
        assert_eq!(begin(&mut trial), OLD);
        assert_eq!(trial.swap("new", (), 3), None);
        assert_eq!(trial.refused().collect::<Vec<_>>(), ["new"]);
        assert_eq!(trial.end(NEW, Fell), None, "its other session may fall, too");
        assert_eq!(states(&trial), [(OLD, 1, Role::Serving)]);
    }

    #[test]
    fn an_end_without_a_verdict_only_frees_the_place() {
        let mut trial = trial(1);
        for _ in 0..5 {
            assert_eq!(begin(&mut trial), NEW);
            assert_eq!(trial.end(NEW, Open), None);
        }
        assert_eq!(begin(&mut trial), NEW);
        assert!(trial.end(NEW, Well).is_some());
    }

    #[test]
    fn without_probes_a_version_serves_at_once() {
        let mut trial = Trial::new("old", ());
        assert_eq!(begin(&mut trial), OLD);
        assert_eq!(trial.swap("new", (), 0), Some(Swapped::AtOnce));
        assert_eq!(begin(&mut trial), NEW);
        assert_eq!(trial.versions().count(), 2);
    }

    #[test]
    fn putting_the_serving_version_again_ends_the_trial() {
        let mut trial = trial(2);
        assert_eq!(trial.swap("new", (), 2), Some(Swapped::Already));
        assert_eq!(begin(&mut trial), NEW);
        assert_eq!(trial.swap("old", (), 2), Some(Swapped::Already));
        assert_eq!(begin(&mut trial), OLD);
        assert_eq!(trial.end(NEW, Fell), None, "it was withdrawn before it fell");
        assert_eq!(trial.refused().count(), 0);
    }

    #[test]
    fn a_third_version_takes_the_place_of_the_second() {
        let mut trial = trial(1);
        assert_eq!(begin(&mut trial), NEW);
        assert_eq!(trial.swap("third", (), 1), Some(Swapped::OnTrial));
        assert_eq!(begin(&mut trial), THIRD);
        assert_eq!(trial.end(NEW, Well), None);
        assert!(trial.end(THIRD, Well).is_some());
    }

    #[test]
    fn only_what_speaks_of_the_code_is_held_against_it() {
        use crate::api::{Fault, Remedy};
        let fault = |kind| SessionEnd::Fault(Fault { kind, remedy: Remedy::Retry, detail: String::new() });
        assert_eq!(Verdict::of(&SessionEnd::Done), Well);
        assert_eq!(Verdict::of(&SessionEnd::Fell(SessionError::CpuLimit)), Fell);
        assert_eq!(Verdict::of(&SessionEnd::Fell(SessionError::SessionLimit)), Open);
        assert_eq!(Verdict::of(&fault(FaultKind::Internal)), Fell);
        assert_eq!(Verdict::of(&fault(FaultKind::Auth)), Open);
    }
}
