//! What was counted. Plain numbers since the start of the call, for whoever makes metrics of them.

/// What happened to the packets and frames of an [`Ear`](crate::Ear).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarStats {
    /// Packets whose sound went into the jitter buffer.
    pub packets: u64,
    /// Datagrams that are not RTP (RFC 3550, appendix A.1), or empty.
    pub garbage: u64,
    /// RTP of another payload type than the codec's and that of telephone events.
    pub foreign_payload: u64,
    /// Packets of telephone events.
    pub events: u64,
    /// Packets of another source, or far out of sequence, that were not followed by a second one.
    pub stray: u64,
    /// Sequence numbers that never came; may fall again while packets arrive out of order.
    pub lost: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after their sound was due.
    pub late: u64,
    /// Packets for which the buffer had no room.
    pub overflow: u64,
    /// New beginnings of the time line: another source, a jump, or a buffer that ran dry.
    pub resyncs: u64,
    /// Interarrival jitter in microseconds (RFC 3550, section 6.4.1).
    pub jitter_us: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Of these, frames made up by concealment.
    pub concealed: u64,
    /// Of these, frames of comfort noise: nothing came for longer than is concealed, or the delay was made longer.
    pub silent: u64,
    /// Of these, frames that came and were voiced.
    pub voiced: u64,
    /// Of the voiced ones, frames that reach the end of the scale.
    pub clipped: u64,
    /// Frames left out in silence to bring the delay down.
    pub trimmed: u64,
    /// Frames put in in silence to make the delay longer.
    pub stretched: u64,
    /// What sound is held back by now, and what its packets need, in milliseconds.
    pub delay_ms: u64,
    /// See `delay_ms`.
    pub delay_target_ms: u64,
    /// By how many millionths the sender's clock is faster than ours; `None` before half a minute was heard.
    pub drift_ppm: Option<i32>,
}

/// What happened to the packets and utterances of a [`Mouth`](crate::Mouth).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MouthStats {
    /// Packets made.
    pub packets: u64,
    /// Slots of 20 ms that passed without the owner asking for the packet: its stalls.
    pub missed_slots: u64,
    /// Slots filled with silence because an open utterance had no samples.
    pub underrun_slots: u64,
    /// Utterances of which all samples were sent.
    pub utterances: u64,
    /// Utterances cut short by `hush`.
    pub hushed: u64,
}
