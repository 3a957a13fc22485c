//! A store of call states that remembers what it was told.

use super::{Rig, Shared};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::CallId;
use voice_gateway::application::ports::{CallSnapshot, CallStates, Epoch, Sound};

/// What the store was told of a caller's newest sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundTold {
    /// To keep a stretch of it.
    Kept,
    /// To delete what it has.
    Forgotten,
}

impl Rig {
    /// How calls were kept, one snapshot after the other.
    pub fn snapshots(&self) -> Vec<CallSnapshot> {
        self.shared.snapshots.lock().unwrap().clone()
    }

    /// Calls that were let go without an end.
    pub fn let_go(&self) -> Vec<CallId> {
        self.shared.let_go.lock().unwrap().clone()
    }

    /// What was told of callers' sound so far; nothing unless the [`Script`](super::Script) has it kept.
    pub fn sounds(&self) -> Vec<SoundTold> {
        self.shared.sounds.lock().unwrap().clone()
    }
}

pub(super) struct FakeStates(pub(super) Arc<Shared>);

impl CallStates for FakeStates {
    fn keep(&self, snapshot: CallSnapshot) {
        self.0.snapshots.lock().unwrap().push(snapshot);
    }

    fn lost(&self, _call: &CallId) -> CancellationToken {
        CancellationToken::new()
    }

    fn let_go(&self, call: &CallId) {
        self.0.let_go.lock().unwrap().push(call.clone());
    }

    fn keeps_sound(&self) -> bool {
        self.0.script.lock().unwrap().sound_is_kept
    }

    fn keep_sound(&self, _call: &CallId, _epoch: Epoch, _sound: Sound) {
        self.0.sounds.lock().unwrap().push(SoundTold::Kept);
    }

    fn forget_sound(&self, _call: &CallId) {
        self.0.sounds.lock().unwrap().push(SoundTold::Forgotten);
    }
}
