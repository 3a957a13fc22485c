//! A call's sound on its way to whoever writes it down.
//!
//! Three ends of one thing: the leg has the [`RecordingTap`], the writer the [`RecordingSource`], the call the [`RecordingGrip`]. Between tap and source
//! a fixed number of blocks goes round: the leg fills an empty one and hands it over, the writer gives it back. Nothing is allocated or locked on the
//! way, and where the writer is slow the leg finds no empty block: that half second is counted and stays silent, and the call goes on.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;
use vg_domain::recording::{DeletionReason, RecordingFormat};

/// Blocks of a recording, half a second each. Full: what is said is left out and counted until the writer comes round.
pub const BLOCKS: usize = 8;

/// A frame of 20 ms.
const FRAME_NS: u128 = 20_000_000;

/// Samples that a block has room for from the beginning: half a second of two sides at 16 kHz.
const BLOCK_SAMPLES: usize = 16_000;

/// Writes calls down.
pub trait Recorder: Send + Sync {
    /// Begins a recording. Must not block. What becomes of it later is counted by the recorder: a call never waits for its recording.
    ///
    /// # Errors
    /// Where it cannot begin.
    fn start(&self, request: RecordingRequest) -> Result<Recording, RecordingError>;

    /// Ends what is recorded of a call, and deletes these parts of it. Must not block.
    fn forget(&self, tenant: &TenantId, call: &CallId, why: DeletionReason, parts: PartsOf);
}

/// Parts of a call's recording that are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartsOf {
    /// Those of this gateway: no other one has served the call.
    ThisGateway,
    /// Those of other gateways as well, where they reach the same store, or will.
    AnyGateway,
}

/// Whose sound.
#[derive(Clone, Debug)]
pub struct RecordingRequest {
    /// Names the file.
    pub call: CallId,
    /// Names the folder.
    pub tenant: TenantId,
    /// The number of whoever is recorded.
    pub person: Pii<String>,
    /// Which part of the call's recording it is, from 1 on. Where there is a file of that part already it is the next one of which there is none.
    pub part: u32,
    /// When it begins.
    pub began: SystemTime,
    /// When the first part began.
    pub first_began: SystemTime,
    /// It is deleted after so many days; none for the gateway's own time.
    pub keep_days: Option<NonZeroU32>,
    /// What it is when it is whole; none for the gateway's own format.
    pub format: Option<RecordingFormat>,
}

/// What is remembered of a call's recording, here or by whoever goes on with the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingMemory {
    /// What was ordered.
    pub wish: RecordingWish,
    /// Parts that have begun.
    pub parts: u32,
    /// When the first one did.
    pub first_began: Option<SystemTime>,
}

/// What was ordered to become of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingWish {
    /// It goes on.
    #[default]
    Kept,
    /// Both sides are silent in it.
    Paused,
    /// It has ended, and none begins.
    Stopped,
}

impl RecordingWish {
    /// As it is kept.
    pub fn code(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// What is kept under that name.
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Kept, Self::Paused, Self::Stopped].into_iter().find(|known| known.code() == code)
    }
}

/// A recording that has begun, from the call's side.
pub struct Recording {
    /// For the leg.
    pub tap: RecordingTap,
    /// For the call.
    pub grip: RecordingGrip,
}

/// Why a call is not recorded, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Too many begin at once.
    #[error("record call: the writer is behind")]
    Busy,
    /// Call or tenant cannot name a file.
    #[error("record call: its name is no file name")]
    Name,
    /// The tenant wants recordings, the operator gave no folder for them.
    #[error("record call: there is no folder for recordings")]
    NoFolder,
    /// It is to be deleted, and was not.
    #[error("delete recording: the writer is behind")]
    NotDeleted,
    /// The disk did not take it.
    #[error("write recording")]
    Disk(#[from] std::io::Error),
}

impl RecordingError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        use std::io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match self {
            Self::Busy => "busy",
            Self::Name => "name",
            Self::NoFolder => "no_folder",
            Self::NotDeleted => "not_deleted",
            Self::Disk(error) => match error.kind() {
                StorageFull | QuotaExceeded | FileTooLarge => "disk_full",
                PermissionDenied | ReadOnlyFilesystem => "denied",
                _ => "io",
            },
        }
    }
}

/// Up to half a second of both sides.
#[derive(Debug)]
pub struct SoundBlock {
    /// What the wire carries; bounded.
    pub codec: &'static str,
    /// Samples a second of each side.
    pub rate_hz: u32,
    /// Frames of 20 ms since the leg began that lie before it.
    pub first: u64,
    /// Its own.
    pub frames: u32,
    /// A bit for each frame in which silence stands in place of what was said, the lowest for the first.
    pub paused: u32,
    /// Interleaved, left the caller, right the gateway.
    pub samples: Vec<i16>,
}

/// What the ends share.
#[derive(Debug, Default)]
struct Shared {
    paused: AtomicBool,
    dropped: AtomicU64,
    /// When the leg's first frame began.
    began: OnceLock<Instant>,
    /// Stretches that were recorded and are to be silent after all, which the writer has not seen yet.
    hidden: Mutex<Vec<(Instant, Instant)>>,
}

/// The leg's end. Dropping it ends the recording.
#[derive(Debug)]
pub struct RecordingTap {
    full: SyncSender<SoundBlock>,
    empty: Receiver<SoundBlock>,
    shared: Arc<Shared>,
}

impl RecordingTap {
    /// Whether silence is to be kept in place of what is said.
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Relaxed)
    }

    /// The first frame begins at this moment.
    pub fn begins(&self, at: Instant) {
        let _ = self.shared.began.set(at);
    }

    /// A block to be filled; its samples are empty. None where the writer has all of them, or is gone.
    pub fn empty(&self) -> Option<SoundBlock> {
        self.empty.try_recv().ok()
    }

    /// Hands a filled block to the writer.
    pub fn hand_over(&self, block: SoundBlock) {
        // There is a place for every block; only a writer that is gone takes none.
        if self.full.try_send(block).is_err() {
            self.left_out();
        }
    }

    /// A block was left out.
    pub fn left_out(&self) {
        self.shared.dropped.fetch_add(1, Relaxed);
    }
}

/// What a [`RecordingSource`] has.
#[derive(Debug)]
pub enum Sound {
    /// To be given back by [`RecordingSource::give_back`].
    Block(SoundBlock),
    /// Nothing yet.
    Nothing,
    /// The leg ended, and this was all.
    Over,
}

/// The writer's end.
#[derive(Debug)]
pub struct RecordingSource {
    full: Receiver<SoundBlock>,
    empty: SyncSender<SoundBlock>,
    shared: Arc<Shared>,
}

impl RecordingSource {
    /// The next block, if there is one.
    pub fn next(&self) -> Sound {
        match self.full.try_recv() {
            Ok(block) => Sound::Block(block),
            Err(TryRecvError::Empty) => Sound::Nothing,
            Err(TryRecvError::Disconnected) => Sound::Over,
        }
    }

    /// The leg may fill it again.
    pub fn give_back(&self, mut block: SoundBlock) {
        block.samples.clear();
        // A leg that has ended needs none.
        let _ = self.empty.try_send(block);
    }

    /// Frames that are to be silent although they were recorded, since it was asked last: from one, until before another.
    pub fn hidden(&self) -> Vec<(u64, u64)> {
        let Some(began) = self.shared.began.get() else { return Vec::new() };
        let frame = |at: Instant| at.saturating_duration_since(*began).as_nanos() / FRAME_NS;
        let frame = |at| u64::try_from(frame(at)).unwrap_or(u64::MAX);
        let hidden = std::mem::take(&mut *self.shared.hidden.lock().unwrap_or_else(PoisonError::into_inner));
        // A frame that has begun belongs to it.
        hidden.into_iter().map(|(from, until)| (frame(from), frame(until).saturating_add(1))).collect()
    }

    /// Blocks that were left out so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }
}

/// The call's end.
#[derive(Clone, Debug)]
pub struct RecordingGrip(Arc<Shared>);

impl RecordingGrip {
    /// From the frame before this moment on both sides are silent in the recording. A pause shorter than a frame may pass unseen.
    pub fn pause(&self) {
        self.0.paused.store(true, Relaxed);
    }

    /// Both sides are silent in the recording between these moments, though they were kept: what was said then shows only now to be something that
    /// must not be.
    pub fn hide(&self, from: Instant, until: Instant) {
        self.0.hidden.lock().unwrap_or_else(PoisonError::into_inner).push((from, until));
    }

    /// From the frame after this moment on both sides are kept again.
    pub fn resume(&self) {
        self.0.paused.store(false, Relaxed);
    }
}

/// The ends of a new recording.
pub fn ends() -> (Recording, RecordingSource) {
    let shared = Arc::new(Shared::default());
    let (full, filled) = sync_channel(BLOCKS);
    let (back, empty) = sync_channel(BLOCKS);
    let source = RecordingSource { full: filled, empty: back, shared: Arc::clone(&shared) };
    for _ in 0..BLOCKS {
        let samples = Vec::with_capacity(BLOCK_SAMPLES);
        source.give_back(SoundBlock { codec: "", rate_hz: 0, first: 0, frames: 0, paused: 0, samples });
    }
    let tap = RecordingTap { full, empty, shared: Arc::clone(&shared) };
    (Recording { tap, grip: RecordingGrip(shared) }, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn blocks_go_round_and_one_more_than_there_are_is_not_to_be_had() {
        let (Recording { tap, .. }, source) = ends();
        for first in 0..BLOCKS as u64 {
            let block = tap.empty().expect("a block");
            tap.hand_over(SoundBlock { first, ..block });
        }
        assert!(tap.empty().is_none());
        let Sound::Block(mut block) = source.next() else { panic!("no block") };
        assert_eq!(block.first, 0);
        block.samples.push(1);
        source.give_back(block);
        assert!(tap.empty().is_some_and(|block| block.samples.is_empty()));
        assert!(tap.empty().is_none());
    }

    #[test]
    fn what_was_handed_over_outlives_the_leg() {
        let (Recording { tap, .. }, source) = ends();
        assert!(matches!(source.next(), Sound::Nothing));
        tap.hand_over(tap.empty().expect("a block"));
        tap.left_out();
        drop(tap);
        assert!(matches!(source.next(), Sound::Block(_)));
        assert!(matches!(source.next(), Sound::Over));
        assert_eq!(source.dropped(), 1);
    }

    #[test]
    fn writer_that_is_gone_costs_blocks_and_nothing_else() {
        let (Recording { tap, grip }, source) = ends();
        let block = tap.empty().expect("a block");
        drop(source);
        tap.hand_over(block);
        grip.pause();
        assert!(tap.is_paused());
        grip.resume();
        assert!(!tap.is_paused());
    }

    #[test]
    fn every_fault_of_a_disk_has_one_of_three_codes() {
        let code = |kind: ErrorKind| RecordingError::from(Error::from(kind)).code();
        let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::PermissionDenied, ErrorKind::NotFound];
        assert_eq!(kinds.map(code), ["disk_full", "disk_full", "denied", "io"]);
    }
}
