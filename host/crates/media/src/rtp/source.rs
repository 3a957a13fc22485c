use super::Header;

/// Further ahead than this is a restart, not a loss (RFC 3550, appendix A.1).
const DROPOUT_MAX: u16 = 3000;

/// How many numbers back a duplicate is told from a packet out of order.
const WINDOW: u16 = 64;

/// Which packets of which source have been seen.
#[derive(Debug, Default)]
pub(crate) struct Source {
    current: Option<Current>,
    /// Who may take over with its next packet: one forged or stray packet must not.
    candidate: Option<(u32, u16)>,
}

#[derive(Debug)]
struct Current {
    ssrc: u32,
    highest: u16,
    /// Bit n: `highest - n` was seen.
    seen: u64,
}

/// What a packet is to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The first packet of a source: the time line begins anew.
    First,
    /// Ahead of all others, with this many numbers left out.
    Ahead(u16),
    /// Behind another, and not seen before.
    Reordered,
    /// Seen before.
    Duplicate,
    /// Of somebody else, or far out of sequence. The next one in its sequence is [`Verdict::First`].
    Stray,
}

impl Source {
    pub(crate) fn accept(&mut self, header: &Header) -> Verdict {
        let Some(current) = self.current.as_mut().filter(|current| current.ssrc == header.ssrc) else {
            return self.consider(header);
        };
        let ahead = header.sequence.wrapping_sub(current.highest);
        let behind = ahead.wrapping_neg();
        if ahead == 0 {
            return Verdict::Duplicate;
        }
        if ahead <= DROPOUT_MAX {
            current.seen = current.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            current.highest = header.sequence;
            self.candidate = None;
            return Verdict::Ahead(ahead - 1);
        }
        if behind < WINDOW {
            let bit = 1 << behind;
            if current.seen & bit != 0 {
                return Verdict::Duplicate;
            }
            current.seen |= bit;
            return Verdict::Reordered;
        }
        self.consider(header)
    }

    fn consider(&mut self, header: &Header) -> Verdict {
        let expected = self.candidate.replace((header.ssrc, header.sequence.wrapping_add(1)));
        if self.current.is_some() && expected != Some((header.ssrc, header.sequence)) {
            return Verdict::Stray;
        }
        self.candidate = None;
        self.current = Some(Current { ssrc: header.ssrc, highest: header.sequence, seen: 1 });
        Verdict::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(packets: &[(u32, u16)]) -> Vec<Verdict> {
        let mut source = Source::default();
        let header = |&(ssrc, sequence)| Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc };
        packets.iter().map(|packet| source.accept(&header(packet))).collect()
    }

    use Verdict::{Ahead, Duplicate, First, Reordered, Stray};

    #[test]
    fn sequence_goes_on_over_its_wrap() {
        assert_eq!(verdicts(&[(1, 65534), (1, 65535), (1, 0), (1, 1)]), [First, Ahead(0), Ahead(0), Ahead(0)]);
    }

    #[test]
    fn gap_is_counted_and_filled_once() {
        let got = verdicts(&[(1, 10), (1, 13), (1, 12), (1, 12), (1, 13), (1, 11)]);
        assert_eq!(got, [First, Ahead(2), Reordered, Duplicate, Duplicate, Reordered]);
    }

    #[test]
    fn stranger_takes_over_only_with_two_packets_in_sequence() {
        let got = verdicts(&[(1, 10), (2, 500), (1, 11), (2, 700), (2, 701), (2, 702)]);
        assert_eq!(got, [First, Stray, Ahead(0), Stray, First, Ahead(0)]);
    }

    #[test]
    fn restarted_sequence_of_the_same_source_is_followed() {
        assert_eq!(verdicts(&[(1, 10), (1, 3011), (1, 3012)]), [First, Stray, First]);
        assert_eq!(verdicts(&[(1, 10), (1, 3010)]), [First, Ahead(2999)]);
    }

    #[test]
    fn packet_just_inside_the_window_is_reordered_and_just_outside_stray() {
        assert_eq!(verdicts(&[(1, 0), (1, 100), (1, 37)]), [First, Ahead(99), Reordered]);
        assert_eq!(verdicts(&[(1, 0), (1, 100), (1, 36)]), [First, Ahead(99), Stray]);
    }
}
