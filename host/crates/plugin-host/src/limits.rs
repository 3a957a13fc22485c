//! Every limit on foreign code: its value, its unit, and what happens at it.

use crate::api::{Compute, Kind};
use crate::load::Trust;
use crate::pace::Calls;
use crate::policy::Limits;
use std::time::Duration;

/// Period of the epoch clock: the grain of every CPU limit below.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(2);
/// CPU of one call into a light session of a first-party plugin, which holds its worker meanwhile: trap, `cpu-limit`.
pub(crate) const FIRST_PARTY_HANDLE_MAX: Duration = Duration::from_millis(8);
/// The same for every other light plugin, which lets others run at each tick: trap, `cpu-limit`.
pub(crate) const UNKNOWN_HANDLE_MAX: Duration = Duration::from_millis(50);
/// The same for a masker, whose caller waits for it: trap, `cpu-limit`.
pub(crate) const MASK_MAX: Duration = Duration::from_millis(20);
/// The same for constructor and `start` of a heavy session, which may compile a grammar: trap, `cpu-limit`.
pub(crate) const HEAVY_START_MAX: Duration = Duration::from_secs(2);
/// The same for every other call into a heavy session: trap, `cpu-limit`.
pub(crate) const HEAVY_HANDLE_MAX: Duration = Duration::from_millis(500);
/// The same for `describe` at load: the plugin is refused.
pub(crate) const DESCRIBE_MAX: Duration = Duration::from_millis(500);
/// Linear memory of a light session, in bytes: trap, `memory-limit`.
pub(crate) const LIGHT_MEMORY_BYTES: usize = 16 << 20;
/// The same for a guest that brings its language's runtime along (it imports WASI).
pub(crate) const RUNTIME_MEMORY_BYTES: usize = 64 << 20;
/// Linear memory of a heavy session, in bytes: trap, `memory-limit`.
pub(crate) const HEAVY_MEMORY_BYTES: usize = 256 << 20;
/// Elements of all tables of a session: trap, `memory-limit`.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Handles to resources in all tables of a session, its own and the host's: trap, `handle-limit`.
pub(crate) const HANDLES: usize = 1024;
/// WebAssembly stack, in bytes: trap.
pub(crate) const STACK_BYTES: usize = 512 << 10;
/// What the host's functions may need above it, where a call has a stack of its own.
pub(crate) const HOST_STACK_BYTES: usize = 512 << 10;
/// Random bytes of one WASI call: trap.
pub(crate) const RANDOM_BYTES: u64 = 64 << 10;
/// Effects of one `handle`: session dropped, `output-limit`.
pub(crate) const EFFECTS_PER_HANDLE: usize = 256;
/// Bytes copied out of a guest by one `handle` or one import call: session dropped, `output-limit`.
pub(crate) const OUTPUT_BYTES_PER_CALL: usize = 1 << 20;
/// Effects a session may owe while its events are not taken (a timer or `cancel` may add some): session dropped, `output-limit`.
pub(crate) const OWED_EVENTS: usize = 1024;
/// Timers a session has at a time: session dropped, `timer-limit`.
pub(crate) const TIMERS: usize = 16;
/// A timer of 0 ms that follows a `handle` without output waits this long, so that an idle guest cannot spin.
pub(crate) const IDLE_TIMER: Duration = Duration::from_millis(10);
/// Links a session may try to open in [`LINKS_TRIED_IN`]: session dropped, `link-limit`. Links open at a time are the links' own limit.
pub(crate) const LINKS_TRIED: u32 = 64;
/// The stretch over which tries are counted.
pub(crate) const LINKS_TRIED_IN: Duration = Duration::from_secs(10);
/// Chains of signatures kept for a session: the one of the lowest link is forgotten.
pub(crate) const SIGNERS: usize = 8;
/// Life of a session, unless its descriptor says less: session dropped, `expired`.
pub(crate) const SESSION_LIFE: Duration = Duration::from_secs(4 * 3600);
/// Inputs in a session's mailbox: the sender waits or, for audio, drops the oldest.
pub(crate) const MAILBOX: usize = 64;
/// Events not yet taken from a session: it gets no further input but `cancel` and `end`.
pub(crate) const EVENTS: usize = 32;
/// Bytes of audio in one event; longer audio is cut, so that [`EVENTS`] bounds bytes too (256 KiB).
pub(crate) const AUDIO_EVENT_BYTES: usize = 8 << 10;
/// Bytes a session may log in one second: more is dropped and counted.
pub(crate) const LOG_BYTES_PER_S: usize = 4 << 10;
/// Bytes of one log line: cut.
pub(crate) const LOG_LINE_BYTES: usize = 512;
/// Bytes of a fault's detail: cut.
pub(crate) const FAULT_DETAIL_BYTES: usize = 512;
/// Bytes of a foreign name in a message of ours: cut.
pub(crate) const NAME_BYTES: usize = 256;
/// Bytes of one `asset.read`: shorter answer, as at the end of the asset.
pub(crate) const ASSET_READ_BYTES: usize = 1 << 20;
/// Bytes of all assets of a plugin: refused at load.
pub(crate) const ASSET_BYTES: u64 = 512 << 20;
/// Bytes of a component: refused at load.
pub(crate) const COMPONENT_BYTES: u64 = 128 << 20;

/// The limits that depend on what a plugin is and who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) start: Duration,
    pub(crate) handle: Duration,
    pub(crate) memory_bytes: usize,
    pub(crate) calls: Calls,
}

impl Budget {
    /// `runtime`: whether the guest brings its language's runtime along.
    pub(crate) fn of(kind: Kind, compute: Compute, trust: Trust, runtime: bool) -> Self {
        let memory_bytes = match compute {
            Compute::Heavy => HEAVY_MEMORY_BYTES,
            Compute::Light if runtime => RUNTIME_MEMORY_BYTES,
            Compute::Light => LIGHT_MEMORY_BYTES,
        };
        let (calls, start, handle) = match (kind, compute, trust) {
            (Kind::Mask, ..) => (Calls::AtOnce, MASK_MAX, MASK_MAX),
            // Some functions of WASI are asynchronous.
            (_, Compute::Heavy, _) if runtime => (Calls::InSlices, HEAVY_START_MAX, HEAVY_HANDLE_MAX),
            (_, Compute::Heavy, _) => (Calls::AtOnce, HEAVY_START_MAX, HEAVY_HANDLE_MAX),
            (_, Compute::Light, Trust::FirstParty) if !runtime => (Calls::AtOnce, FIRST_PARTY_HANDLE_MAX, FIRST_PARTY_HANDLE_MAX),
            (_, Compute::Light, _) => (Calls::InSlices, UNKNOWN_HANDLE_MAX, UNKNOWN_HANDLE_MAX),
        };
        Self { start, handle, memory_bytes, calls }
    }

    /// Cut down, or widened within what the engines bear, by the operator's word.
    pub(crate) fn under(self, limits: Limits, compute: Compute) -> Self {
        let memory_bound = match compute {
            Compute::Heavy => HEAVY_MEMORY_BYTES,
            Compute::Light => RUNTIME_MEMORY_BYTES,
        };
        let handle = limits.handle.over(self.handle, HEAVY_HANDLE_MAX);
        Self {
            start: if self.start == self.handle { handle } else { self.start },
            handle,
            memory_bytes: limits.memory_bytes.over(self.memory_bytes, memory_bound),
            ..self
        }
    }

    /// For the one question at load, before anything is known. The thread that loads has time.
    pub(crate) fn describe() -> Self {
        Self { start: DESCRIBE_MAX, handle: DESCRIBE_MAX, memory_bytes: HEAVY_MEMORY_BYTES, calls: Calls::InSlices }
    }
}

/// At most `bytes` of `text`, cut at a character.
pub(crate) fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_known_lets_others_run_and_a_model_has_time() {
        let of = |compute, trust| Budget::of(Kind::Stt, compute, trust, false);
        assert_eq!(of(Compute::Light, Trust::Unknown).calls, Calls::InSlices);
        assert_eq!(of(Compute::Light, Trust::FirstParty).calls, Calls::AtOnce);
        assert_eq!(of(Compute::Heavy, Trust::Unknown).handle, HEAVY_HANDLE_MAX);
        assert_eq!(Budget::of(Kind::Mask, Compute::Light, Trust::Unknown, false).handle, MASK_MAX);
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut("aé".into(), 2), "a");
        assert_eq!(cut("aé".into(), 3), "aé");
    }
}
