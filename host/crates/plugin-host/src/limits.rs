//! Every limit on foreign code: its value, its unit, and what happens at it.

use crate::api::Compute;
use std::time::Duration;

/// Period of the epoch clock: the grain of every CPU limit below.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(2);
/// CPU of one call into a light session, as wall-clock time of a call that never waits: trap, `cpu-limit`.
pub(crate) const LIGHT_HANDLE_MAX: Duration = Duration::from_millis(50);
/// The same for constructor and `start` of a heavy session, which may compile a grammar: trap, `cpu-limit`.
pub(crate) const HEAVY_START_MAX: Duration = Duration::from_secs(2);
/// The same for every other call into a heavy session: trap, `cpu-limit`.
pub(crate) const HEAVY_HANDLE_MAX: Duration = Duration::from_millis(500);
/// The same for `describe` at load: the plugin is refused.
pub(crate) const DESCRIBE_MAX: Duration = Duration::from_secs(2);
/// Linear memory of a light session, in bytes: trap, `memory-limit`.
pub(crate) const LIGHT_MEMORY_BYTES: usize = 16 << 20;
/// Linear memory of a heavy session, in bytes: trap, `memory-limit`.
pub(crate) const HEAVY_MEMORY_BYTES: usize = 256 << 20;
/// Elements of all tables of a session: trap, `memory-limit`.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// WebAssembly stack, in bytes: trap.
pub(crate) const STACK_BYTES: usize = 512 << 10;
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
/// Bytes of one `asset.read`: shorter answer, as at the end of the asset.
pub(crate) const ASSET_READ_BYTES: usize = 1 << 20;
/// Bytes of all assets of a plugin: refused at load.
pub(crate) const ASSET_BYTES: u64 = 512 << 20;
/// Bytes of a component: refused at load.
pub(crate) const COMPONENT_BYTES: u64 = 256 << 20;

/// The limits that depend on the compute class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) start: Duration,
    pub(crate) handle: Duration,
    pub(crate) memory_bytes: usize,
}

impl Budget {
    pub(crate) fn of(compute: Compute) -> Self {
        match compute {
            Compute::Light => Self { start: LIGHT_HANDLE_MAX, handle: LIGHT_HANDLE_MAX, memory_bytes: LIGHT_MEMORY_BYTES },
            Compute::Heavy => Self { start: HEAVY_START_MAX, handle: HEAVY_HANDLE_MAX, memory_bytes: HEAVY_MEMORY_BYTES },
        }
    }
}

/// Epoch ticks that let `limit` pass: one more, since the first tick may come at once.
pub(crate) fn ticks(limit: Duration) -> u64 {
    limit.as_millis().div_ceil(EPOCH_TICK.as_millis()) as u64 + 1
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
    fn a_limit_is_never_cut_short_by_the_first_tick() {
        assert_eq!(ticks(Duration::from_millis(50)), 26);
        assert_eq!(ticks(Duration::from_millis(1)), 2);
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut("aé".into(), 2), "a");
        assert_eq!(cut("aé".into(), 3), "aé");
    }
}
