use super::*;
use std::f64::consts::TAU;

fn file(rate_hz: u32, samples: &[i16]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), rate_hz, 7).unwrap();
    // In pieces that fit no frame.
    samples.chunks(2 * 333).for_each(|piece| writer.push(piece).unwrap());
    writer.finish().unwrap()
}

/// A voice-like sound: harmonics of a gliding pitch in syllables.
fn voice(rate_hz: u32, pitch_hz: f64, samples: usize) -> Vec<i16> {
    let mut phase = 0.0;
    let sound = |n: usize| {
        let time = n as f64 / f64::from(rate_hz);
        phase += TAU * (pitch_hz + 20.0 * (TAU * 1.7 * time).sin()) / f64::from(rate_hz);
        let harmonics: f64 = (1..=12).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
        ((0.2 + 0.8 * (TAU * 2.0 * time).sin().abs()) * 6_000.0 * harmonics) as i16
    };
    (0..samples).map(sound).collect()
}

fn both(left: &[i16], right: &[i16]) -> Vec<i16> {
    left.iter().zip(right).flat_map(|(left, right)| [*left, *right]).collect()
}

/// One side at `rate_hz`, by taking each so manieth sample: what is heard lies far below.
fn side(wav: &crate::wav::Wav, side: usize, rate_hz: u32) -> Vec<i16> {
    wav.samples.iter().skip(side).step_by(2 * (GRANULE_HZ / rate_hz) as usize).copied().collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64
}

/// How much louder the sound is than what was made of it differs, in dB.
fn snr_db(sound: &[i16], made: &[i16]) -> f64 {
    let error: Vec<i16> = sound.iter().zip(made).map(|(one, other)| one.saturating_sub(*other)).collect();
    10.0 * (power(sound) / power(&error)).log10()
}

struct Page {
    flags: u8,
    granule: u64,
    serial: u32,
    number: u32,
    packets: usize,
    bytes: Vec<u8>,
}

/// Pages by RFC 3533, section 6, with their checksums computed anew.
fn pages(mut file: &[u8]) -> Vec<Page> {
    let mut pages = Vec::new();
    while !file.is_empty() {
        assert_eq!((&file[..4], file[4]), (&b"OggS"[..], 0));
        let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let segments = &file[27..27 + usize::from(file[26])];
        let length = 27 + segments.len() + segments.iter().map(|segment| usize::from(*segment)).sum::<usize>();
        let mut unsummed = file[..length].to_vec();
        unsummed[22..26].fill(0);
        assert_eq!(u32_at(22), crc(&unsummed), "page {}", pages.len());
        pages.push(Page {
            flags: file[5],
            granule: u64_at(6),
            serial: u32_at(14),
            number: u32_at(18),
            packets: segments.iter().filter(|segment| **segment < 255).count(),
            bytes: file[27 + segments.len()..length].to_vec(),
        });
        file = &file[length..];
    }
    pages
}

/// The generator 0x04c11db7, from nought, not reflected.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        let crc = crc ^ u32::from(*byte) << 24;
        (0..8).fold(crc, |crc, _| if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 })
    })
}

#[test]
fn headers_and_pages_are_those_of_the_rfcs() {
    let samples = vec![0; 2 * (8_000 * 2 + 37)];
    let pages = pages(&file(8_000, &samples));
    // 20 ms of which 2.5 ms are ahead: 120 of 48 000 a second.
    let pre_skip = 120u16;
    let head = [&b"OpusHead\x01\x02"[..], &pre_skip.to_le_bytes(), &8_000u32.to_le_bytes(), &[0, 0, 0]].concat();
    assert_eq!((pages[0].bytes.as_slice(), pages[0].flags, pages[0].granule, pages[0].packets), (&head[..], 0x02, 0, 1));
    let (tags, vendor) = (&pages[1].bytes, opus::version());
    assert_eq!((&tags[..8], pages[1].flags, pages[1].granule, pages[1].packets), (&b"OpusTags"[..], 0, 0, 1));
    let length = |at: usize| u32::from_le_bytes(tags[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&tags[12..12 + length(8)], vendor.as_bytes());
    let at = 12 + vendor.len();
    assert_eq!((length(at), &tags[at + 8..at + 22]), (1, &b"ENCODER=voice-"[..]));
    assert_eq!(at + 8 + length(at + 4), tags.len());
    assert!(pages.iter().all(|page| page.serial == 7));
    assert!((0..).zip(&pages).all(|(n, page)| page.number == n));
    // A second each, and the rest, which ends to the sample.
    let sound: Vec<(u8, u64, usize)> = pages[2..].iter().map(|page| (page.flags, page.granule, page.packets)).collect();
    assert_eq!(sound, [(0, 48_000, 50), (0, 96_000, 50), (0x04, 120 + 96_000 + 37 * 6, 1)]);
}

#[test]
fn sound_is_as_long_as_it_was_whatever_its_length_and_rate() {
    for rate_hz in RATES_HZ {
        let frame = rate_hz as usize / 50;
        for samples in [0, 1, frame - 1, frame, frame + 1, frame * 7 / 8, 50 * frame, 61 * frame + 11] {
            let wav = read(&file(rate_hz, &vec![5; 2 * samples])).unwrap();
            assert_eq!(wav.samples.len(), 2 * samples * (GRANULE_HZ / rate_hz) as usize, "{samples} at {rate_hz}");
        }
    }
}

#[test]
fn both_sides_sound_as_they_did_at_their_place_and_not_on_the_other() {
    for rate_hz in [8_000, 16_000] {
        let length = rate_hz as usize * 4;
        let (left, right) = (voice(rate_hz, 110.0, length), voice(rate_hz, 190.0, length));
        let wav = read(&file(rate_hz, &both(&left, &right))).unwrap();
        for (which, sound) in [(0, &left), (1, &right)] {
            let snr = snr_db(sound, &side(&wav, which, rate_hz));
            assert!(snr > 12.0, "{snr:.1} dB of side {which} at {rate_hz}");
        }
        // While one speaks the other is silent, as people mostly are.
        let silent = vec![0; length];
        let wav = read(&file(rate_hz, &both(&left, &silent))).unwrap();
        let across = 10.0 * (power(&left) / power(&side(&wav, 1, rate_hz)).max(1e-3)).log10();
        assert!(across > 40.0, "{across:.1} dB across at {rate_hz}");
    }
}

#[test]
fn silence_in_place_of_something_stays_silence() {
    for rate_hz in [8_000, 16_000] {
        let second = rate_hz as usize;
        let mut sound = both(&voice(rate_hz, 110.0, 4 * second), &voice(rate_hz, 190.0, 4 * second));
        sound[2 * second..2 * 3 * second].fill(0);
        let wav = read(&file(rate_hz, &sound)).unwrap();
        let at = |ms: usize| 2 * 48 * ms;
        let loudest = |samples: &[i16]| samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(loudest(&wav.samples[at(500)..at(980)]) > 5_000 && loudest(&wav.samples[at(3_020)..at(3_500)]) > 5_000);
        // A frame at either edge, and what overlaps it, holds what was said beside the pause.
        let inside = loudest(&wav.samples[at(1_025)..at(2_980)]);
        assert!(inside <= 2, "{inside} at {rate_hz}");
    }
}

#[test]
fn a_rate_that_the_codec_has_not_is_refused() {
    let refused = Writer::new(Vec::new(), 11_025, 1).err().unwrap();
    assert_eq!(refused.code(), "opus_rate");
}

#[test]
fn a_sink_that_is_full_is_an_error() {
    let mut room = [0; 200];
    let mut writer = Writer::new(&mut room[..], 8_000, 1).unwrap();
    let outcome = writer.push(&vec![0; 2 * 8_000 * 60]);
    assert_eq!(outcome.unwrap_err().code(), "opus_write");
}

#[test]
fn what_is_no_such_file_or_was_cut_is_refused() {
    let whole = file(8_000, &voice(8_000, 110.0, 8_000));
    assert!(read(&whole).is_ok());
    assert!(matches!(read(b""), Err(OggOpusError::Malformed)));
    assert!(matches!(read(b"RIFF....WAVE"), Err(OggOpusError::Malformed)));
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "{length} of {}", whole.len());
    }
    // What was touched is found by the page's checksum.
    for at in (0..whole.len()).step_by(97) {
        let mut touched = whole.clone();
        touched[at] ^= 0x10;
        assert!(read(&touched).is_err(), "{at}");
    }
}
