//! Every queue and deadline of the application in one place: size, unit, and the rule when it is full or over.
//! The same rows stand in ARCHITECTURE.md.

use std::time::Duration;

/// An act that others see waits so long at most until what led to it outlives a crash.
pub const COMMITTED_WITHIN: Duration = Duration::from_millis(500);

/// Acts on a call's leg that wait for the one before, in acts. Full: the call waits.
pub const LINE_ACTS: usize = 8;

/// Caller audio that waits for a listener, in milliseconds. Full: the oldest is dropped and observed.
pub const HEARING_BACKLOG_MS: u64 = 2_000;

/// Speech whose words are not final and that a new listener hears again, in milliseconds (source design, section 9). Full: the silence behind a speech that
/// is over is forgotten, then the oldest.
pub const HEARING_REPLAY_MS: u64 = 2_000;

/// Sound that a listener is given at once where there is more of it, in milliseconds: as a leg gives it to one who speaks.
pub const HEARING_PIECE_MS: u64 = 100;

/// Sound before the caller is known to speak that a new listener hears again, in milliseconds. Full: the same.
pub const HEARING_PREROLL_MS: u64 = 300;

/// What a second listener has not taken, in inputs; and in sound as much as a listener's. Full: it hears no more of the call.
pub const SHADOW_BACKLOG: usize = 256;

/// What a second listener may say between two pieces of sound. More: it hears no more of the call.
pub const SHADOW_EVENTS: u32 = 64;

/// Sessions that wait for one of a tenant's places with a provider to become free. Full: the next rung serves at once.
pub const SESSIONS_WAITING: usize = 64;

/// Time for that where the tenant says none. Over: the next rung serves.
pub const SESSIONS_WAIT: Duration = Duration::from_millis(300);

/// Sound that waits for the leg's queue, in commands. Full: the speaker is not read (the vendor's connection pushes back).
pub const MOUTH_BACKLOG: usize = 32;

/// Text that waits for a speaker, in inputs. Full: the utterance falls.
pub const SPEAKING_BACKLOG: usize = 256;

/// Utterances that were spoken and of which it may yet be asked how far they were heard. Full: of the oldest only the time is known.
pub const SPOKEN_UTTERANCES: usize = 8;

/// Sessions of a call that were told that nothing follows and may yet say what they have worked, for each part of the work. Full: what the oldest would
/// say is lost.
pub const PARTING_SESSIONS: usize = 4;

/// Time for them to say it, where the call has ended. Over: what they would say is lost.
pub const PARTING: Duration = Duration::from_millis(500);

/// Calls offered by adapters and not yet admitted. Full: the adapter turns the call away.
pub const INCOMING_CALLS: usize = 64;

/// Calls that were dialled and whose task has not begun. Full: the next order to call somebody waits, and nobody is dialled.
pub const OUTGOING_CALLS: usize = 64;

/// Calls of other gateways that are being taken over at the same time; as many may wait for their task. Full: they are taken one after the other.
pub const ADOPTIONS: usize = 256;

/// Nobody is rung longer, whatever the order says.
pub const RING_MAX: Duration = Duration::from_secs(120);

/// Orders to a call that it has not taken yet. Full: the next one fails as `busy`.
pub const CALL_ORDERS: usize = 8;

/// Words that an order may have said, in bytes. More: refused as `bad_text`.
pub const SAY_ORDER_BYTES: usize = 4_096;

/// Keys that an order may send. More: refused as `bad_digits`.
pub const DIGITS_ORDER: usize = 64;

/// Facts on their way to a call's watcher. Full: dropped for that watcher, the call goes on.
pub const WATCHER_FACTS: usize = 256;

/// Refused calls that are told why at the same time, in calls. Full: the next one is refused without words.
pub const REFUSALS_TOLD: usize = 16;

/// Time for a refused call to be answered and told why. Over: hung up.
pub const REFUSAL_MAX: Duration = Duration::from_secs(15);

/// Time for packets to be seen both ways once a call is answered. Over: told and counted; the call goes on.
pub const PATH_WITHIN: Duration = Duration::from_secs(1);

/// Neither side of a call audible for so long is told and counted.
pub const DEAD_AIR: Duration = Duration::from_secs(1);

/// Time for the agent to take a new conversation. Over: the call goes on with the fallback line.
pub const CONVERSATION_BUDGET: Duration = Duration::from_millis(1_500);

/// Time for the vault to keep a card, and never more than half of the agent's own. Over: the agent is told `vault_late`.
pub const VAULT_WITHIN: Duration = Duration::from_secs(5);

/// Pauses between further tries to open a conversation that the agent did not take: doubled from the first to the last, for as long as the call lasts.
pub const CONVERSATION_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));

/// Time for a tenant's settings. Over: the call is refused as `tenant_unavailable`.
pub const SETTINGS_BUDGET: Duration = Duration::from_secs(3);

/// Calls that can be read at all, up or ended. Full: the first of the tenant that has a new one is forgotten; its end was never told, which is a
/// defect of ours.
pub const DESK_CALLS: usize = 32_768;

/// Ended calls that can still be read. Full: the one that ended first is forgotten.
pub const DESK_ENDED_CALLS: usize = 1_000;

/// Bytes of ended calls' transcripts and timelines. Full: as above.
pub const DESK_ENDED_BYTES: usize = 16 << 20;

/// Lines of a call's transcript. Full: the first is dropped, and the transcript says that it is cut.
pub const DESK_TRANSCRIPT_LINES: usize = 1_000;

/// Bytes of a call's transcript. Full: as above.
pub const DESK_TRANSCRIPT_BYTES: usize = 64 << 10;

/// Steps of a call's timeline. Full: the first is dropped and counted; sums and falls stay whole.
pub const DESK_TIMELINE_STEPS: usize = 256;

/// Falls of a call that are told apart by who fell and why. Full: further ones are counted together.
pub const DESK_FALLS: usize = 32;

/// Events of a tenant that can be read again. Full: the oldest is forgotten; who reads from before it is told of the gap.
pub const DESK_EVENTS_PER_TENANT: usize = 4_096;

/// Bytes of all tenants' events. Full: the oldest of the tenant with the most is forgotten.
pub const DESK_EVENT_BYTES: usize = 16 << 20;
