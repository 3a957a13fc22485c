//! A call's sound on its way to whoever writes it down.
//!
//! Three ends of one thing: the leg has the [`RecordingTap`], the writer the [`RecordingSource`], the call the [`RecordingGrip`]. Between tap and source
//! a fixed number of blocks goes round: the leg fills an empty one and hands it over, the writer gives it back. Nothing is allocated or locked on the
//! way, and where the writer is slow the leg finds no empty block: that half second is counted and stays silent, and the call goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use vg_domain::ids::{CallId, TenantId};

/// Blocks of a recording, half a second each. Full: what is said is left out and counted until the writer comes round.
pub const BLOCKS: usize = 8;

/// Samples that a block has room for from the beginning: half a second of two sides at 16 kHz.
const BLOCK_SAMPLES: usize = 16_000;

/// Writes calls down.
pub trait Recorder: Send + Sync {
    /// Begins a recording. Must not block. What becomes of it later is counted by the recorder: a call never waits for its recording.
    ///
    /// # Errors
    /// Where it cannot begin.
    fn start(&self, request: RecordingRequest) -> Result<Recording, RecordingError>;
}

/// Whose sound.
#[derive(Clone, Debug)]
pub struct RecordingRequest {
    /// Names the file.
    pub call: CallId,
    /// Names the folder.
    pub tenant: TenantId,
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
