/// Why an [`Ear`](crate::Ear), a [`Mouth`](crate::Mouth) or a [`Resampler`](crate::Resampler) cannot be made as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Not a rate this place works with.
    #[error("use {rate_hz} hz: not a supported sample rate here")]
    Rate {
        /// What was asked for.
        rate_hz: u32,
    },
    /// The codec has no RTP payload type.
    #[error("carry {codec:?} over rtp: it has no payload type")]
    NoPayloadType {
        /// What was asked for.
        codec: crate::Codec,
    },
    /// The jitter delay is longer than the buffer.
    #[error("delay by {delay_ms} ms: at most {delay_ms_max} ms are kept")]
    Delay {
        /// What was asked for.
        delay_ms: u128,
        /// The most there is.
        delay_ms_max: u128,
    },
}

impl MediaError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rate { .. } => "rate",
            Self::NoPayloadType { .. } => "no_payload_type",
            Self::Delay { .. } => "delay",
        }
    }
}
