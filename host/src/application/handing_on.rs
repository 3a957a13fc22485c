//! A gateway that stops lets others go on with its calls.

use super::orders::Directory;
use super::ports::{Takeover, Ways};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use vg_domain::ids::CallId;

/// Calls that are offered, or no longer, at the same time.
const AT_A_TIME: usize = 16;

/// Offers calls to whoever else lives.
#[derive(Clone)]
pub struct HandingOn {
    pub(super) takeover: Arc<dyn Takeover>,
    pub(super) ways: Arc<dyn Ways>,
    /// So long the others have to take them.
    pub(super) within: Duration,
}

impl HandingOn {
    /// `within`: so long the others have to take them; each takes a fraction of a second, and only where there is anybody.
    pub fn new(takeover: Arc<dyn Takeover>, ways: Arc<dyn Ways>, within: Duration) -> Self {
        Self { takeover, ways, within }
    }

    /// Offers all calls that live; gives those that are offered.
    pub(super) async fn offer(&self, directory: &Directory) -> Vec<CallId> {
        let (calls, mut offered) = (directory.calls(), Vec::new());
        for some in calls.chunks(AT_A_TIME) {
            let answers = join_all(some.iter().map(|call| self.takeover.offer(call))).await;
            for (call, answer) in some.iter().zip(answers) {
                match answer {
                    Ok(()) => {
                        // Where nobody is, a way that is let go of would lead nowhere.
                        if self.takeover.others_live() {
                            self.ways.offered(call, true);
                        }
                        offered.push(call.clone());
                    }
                    Err(error) => tracing::info!(%call, code = error.code(), "call is not offered to another gateway"),
                }
            }
        }
        offered
    }

    /// Those that nobody has taken are nobody else's any more.
    pub(super) async fn withdraw(&self, offered: &[CallId], directory: &Directory) {
        let left = directory.calls();
        let left: Vec<&CallId> = offered.iter().filter(|call| left.contains(call)).collect();
        left.iter().for_each(|call| self.ways.offered(call, false));
        for some in left.chunks(AT_A_TIME) {
            // Where it fails, a call is taken over while it is told goodbye: it then goes on elsewhere.
            let _ = join_all(some.iter().map(|call| self.takeover.withdraw(call))).await;
        }
    }
}
