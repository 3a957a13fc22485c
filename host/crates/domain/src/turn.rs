//! One turn and where its time went.

use crate::ids::TurnId;
use crate::mask::MaskedText;

/// Where the time of a turn went, in whole milliseconds that sum to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyParts {
    /// From the caller's last voiced sample to the decision that the turn is over (owner: setting).
    pub endpoint_wait_ms: u32,
    /// From that decision to the words that were sent on (owner: provider).
    pub stt_ms: u32,
    /// From the question to the agent's first words (owner: agent).
    pub agent_ms: u32,
    /// From its first words to the first clause that can be spoken (owner: agent).
    pub clause_ms: u32,
    /// From that clause to its first audio (owner: provider).
    pub tts_ms: u32,
    /// From the first audio to its first audible sample on the wire (owner: gateway).
    pub playout_ms: u32,
    /// Everything between the other parts (owner: gateway).
    pub gateway_ms: u32,
    /// From the caller's last voiced sample to the first audible sample of the answer.
    pub total_ms: u32,
}

/// A turn that got an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRecord {
    /// Which turn.
    pub turn: TurnId,
    /// What the caller said.
    pub heard: MaskedText,
    /// What was answered, as far as it was given to be spoken.
    pub said: MaskedText,
    /// None where a part has no anchor (the caller typed, or was already silent).
    pub latency: Option<LatencyParts>,
    /// The caller spoke over the answer.
    pub interrupted: bool,
}
