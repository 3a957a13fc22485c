//! Sound between a leg, which has linear samples at its own rate, and a plugin, which has what it declared.

use vg_domain::tenant::{Coding, Sound};
use vg_media::codec::g711;
use vg_media::resample::{RATES_HZ, Resampler};
use vg_plugin_host::api::{AudioFormat, Encoding};

/// What a listener is told a leg's sound in: what the tenant wishes; else what is the plugin's first choice at the leg's rate; else linear
/// samples at the next higher rate, or the next lower one.
pub(super) fn heard_in(formats: &[AudioFormat], leg_hz: u32, wish: Option<Sound>) -> Option<AudioFormat> {
    choose(formats, wish, |format| match (format.rate_hz, format.encoding) {
        (rate_hz, encoding) if rate_hz == leg_hz => (0, u32::from(loses(encoding, rate_hz))),
        (rate_hz, Encoding::PcmS16le) if rate_hz > leg_hz => (1, rate_hz),
        (rate_hz, Encoding::PcmS16le) => (2, u32::MAX - rate_hz),
        (rate_hz, _) => (3, rate_hz),
    })
}

/// What a speaker is asked for: what the tenant wishes; else its first choice at the leg's rate; else its first choice of linear samples, and
/// the Mouth resamples.
pub(super) fn spoken_in(formats: &[AudioFormat], leg_hz: u32, wish: Option<Sound>) -> Option<AudioFormat> {
    choose(formats, wish, |format| match format {
        format if format.rate_hz == leg_hz && !loses(format.encoding, leg_hz) => 0,
        format if format.encoding == Encoding::PcmS16le => 1,
        _ => 2,
    })
}

/// The wish where it can be had; without one the first of the lowest rank.
fn choose<K: Ord>(formats: &[AudioFormat], wish: Option<Sound>, rank: impl Fn(&AudioFormat) -> K) -> Option<AudioFormat> {
    let mut usable = formats.iter().copied().filter(|format| RATES_HZ.contains(&format.rate_hz));
    match wish.map(named) {
        Some(wish) => usable.find(|format| *format == wish),
        None => usable.min_by_key(rank),
    }
}

/// Why none of these serves, for people.
pub(super) fn unsuited(formats: &[AudioFormat]) -> String {
    let names: Vec<String> = formats.iter().map(|format| format!("{}-{}", coding(format.encoding), format.rate_hz)).collect();
    format!("the plugin has {}", names.join(", "))
}

/// G.711 is what a telephone's sound already went through; what is wider did not.
fn loses(encoding: Encoding, rate_hz: u32) -> bool {
    encoding != Encoding::PcmS16le && rate_hz > 8000
}

fn named(Sound { coding, rate_hz }: Sound) -> AudioFormat {
    let encoding = match coding {
        Coding::Linear => Encoding::PcmS16le,
        Coding::Mulaw => Encoding::Mulaw,
        Coding::Alaw => Encoding::Alaw,
    };
    AudioFormat { encoding, rate_hz }
}

fn coding(encoding: Encoding) -> Coding {
    match encoding {
        Encoding::PcmS16le => Coding::Linear,
        Encoding::Mulaw => Coding::Mulaw,
        Encoding::Alaw => Coding::Alaw,
    }
}

/// A leg's samples as a listener wants them.
pub(super) struct ToPlugin {
    encoding: Encoding,
    rates: Option<Rates>,
}

struct Rates {
    resampler: Resampler,
    /// Less than a block of the resampler.
    waiting: Vec<i16>,
}

impl ToPlugin {
    /// None for a rate that cannot be made.
    pub(super) fn new(leg_hz: u32, format: AudioFormat) -> Option<Self> {
        let rates = match leg_hz == format.rate_hz {
            true => None,
            false => Some(Rates { resampler: Resampler::new(leg_hz, format.rate_hz).ok()?, waiting: Vec::new() }),
        };
        Some(Self { encoding: format.encoding, rates })
    }

    /// More of the stream. What is less than 20 ms waits for the next.
    pub(super) fn bytes(&mut self, pcm: &[i16]) -> Vec<u8> {
        match &mut self.rates {
            None => written(self.encoding, pcm),
            Some(rates) => written(self.encoding, &rates.change(pcm)),
        }
    }
}

impl Rates {
    fn change(&mut self, pcm: &[i16]) -> Vec<i16> {
        let (block, made) = (self.resampler.input_samples(), self.resampler.output_samples());
        self.waiting.extend_from_slice(pcm);
        let blocks = self.waiting.len() / block;
        let mut changed = vec![0; blocks * made];
        for (input, output) in self.waiting.chunks_exact(block).zip(changed.chunks_exact_mut(made)) {
            self.resampler.process(input, output);
        }
        self.waiting.drain(..blocks * block);
        changed
    }
}

fn written(encoding: Encoding, pcm: &[i16]) -> Vec<u8> {
    let encode = match encoding {
        Encoding::PcmS16le => return pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
        Encoding::Mulaw => g711::encode_ulaw,
        Encoding::Alaw => g711::encode_alaw,
    };
    let mut bytes = vec![0; pcm.len()];
    encode(pcm, &mut bytes);
    bytes
}

/// A speaker's samples, linear.
pub(super) fn read(encoding: Encoding, bytes: &[u8]) -> Vec<i16> {
    let decode = match encoding {
        Encoding::PcmS16le => return bytes.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect(),
        Encoding::Mulaw => g711::decode_ulaw,
        Encoding::Alaw => g711::decode_alaw,
    };
    let mut pcm = vec![0; bytes.len()];
    decode(bytes, &mut pcm);
    pcm
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn format(encoding: Encoding, rate_hz: u32) -> AudioFormat {
        AudioFormat { encoding, rate_hz }
    }

    const MULAW: AudioFormat = format(Encoding::Mulaw, 8000);
    const NARROW: AudioFormat = format(Encoding::PcmS16le, 8000);
    const WIDE: AudioFormat = format(Encoding::PcmS16le, 16_000);
    const WIDER: AudioFormat = format(Encoding::PcmS16le, 24_000);
    const STRANGE: AudioFormat = format(Encoding::PcmS16le, 22_050);

    #[test]
    fn a_listener_hears_its_first_choice_at_the_rate_of_the_leg_else_what_is_nearest() {
        assert_eq!(heard_in(&[WIDE, MULAW, NARROW], 8000, None), Some(MULAW));
        assert_eq!(heard_in(&[WIDE, NARROW, MULAW], 8000, None), Some(NARROW));
        assert_eq!(heard_in(&[MULAW, NARROW, WIDE], 16_000, None), Some(WIDE));
        assert_eq!(heard_in(&[format(Encoding::Mulaw, 16_000), WIDE], 16_000, None), Some(WIDE));
        assert_eq!(heard_in(&[WIDER, WIDE], 8000, None), Some(WIDE));
        assert_eq!(heard_in(&[MULAW, NARROW], 16_000, None), Some(NARROW));
        assert_eq!(heard_in(&[MULAW], 16_000, None), Some(MULAW));
        assert_eq!(heard_in(&[STRANGE], 8000, None), None);
        assert_eq!(heard_in(&[], 8000, None), None);
    }

    #[test]
    fn a_speaker_is_asked_for_its_first_choice_at_the_rate_of_the_leg_else_of_linear_samples() {
        assert_eq!(spoken_in(&[WIDER, MULAW, NARROW], 8000, None), Some(MULAW));
        assert_eq!(spoken_in(&[MULAW, WIDER, WIDE], 16_000, None), Some(WIDE));
        assert_eq!(spoken_in(&[MULAW, WIDER], 16_000, None), Some(WIDER));
        assert_eq!(spoken_in(&[format(Encoding::Mulaw, 16_000), WIDER], 16_000, None), Some(WIDER));
        assert_eq!(spoken_in(&[STRANGE, MULAW], 16_000, None), Some(MULAW));
        assert_eq!(spoken_in(&[STRANGE], 8000, None), None);
    }

    #[test]
    fn a_tenants_wish_is_law() {
        let wish = |coding, rate_hz| Some(Sound { coding, rate_hz });
        for choose in [heard_in, spoken_in] {
            assert_eq!(choose(&[MULAW, WIDE], 8000, wish(Coding::Linear, 16_000)), Some(WIDE));
            assert_eq!(choose(&[MULAW, WIDE], 8000, wish(Coding::Linear, 8000)), None);
        }
    }

    #[test]
    fn sound_is_as_long_as_before_however_it_is_cut() {
        let tone: Vec<i16> = (0..8000).map(|n| ((f64::from(n) * 0.4).sin() * 9000.0) as i16).collect();
        for (wanted, bytes) in [(MULAW, 8000), (NARROW, 16_000), (WIDE, 32_000), (WIDER, 48_000)] {
            let whole = ToPlugin::new(8000, wanted).unwrap().bytes(&tone);
            assert_eq!(whole.len(), bytes);
            let mut pieces = ToPlugin::new(8000, wanted).unwrap();
            let joined: Vec<u8> = tone.chunks(333).flat_map(|piece| pieces.bytes(piece)).collect();
            assert_eq!(joined, whole, "{wanted:?}");
        }
    }

    #[test]
    fn the_wire_s_own_bytes_come_through_unchanged() {
        let bytes: Vec<u8> = (0..=255).collect();
        for encoding in [Encoding::Mulaw, Encoding::Alaw] {
            let again = ToPlugin::new(8000, format(encoding, 8000)).unwrap().bytes(&read(encoding, &bytes));
            // Two bytes of mu-law mean zero.
            let differ = again.iter().zip(&bytes).filter(|(again, byte)| again != byte).count();
            assert_eq!(differ, usize::from(encoding == Encoding::Mulaw), "{encoding:?}");
        }
        let pcm: Vec<i16> = (-300..300).collect();
        assert_eq!(read(Encoding::PcmS16le, &written(Encoding::PcmS16le, &pcm)), pcm);
    }
}
