use super::*;

/// Integers only, so that it is the same everywhere: noise of changing loudness, silence, full-scale squares.
fn signal() -> Vec<i16> {
    let mut state = 1u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as i16
    };
    let square = |n: usize| if (n / 40).is_multiple_of(2) { i16::MAX } else { i16::MIN };
    (0..32_000)
        .map(|n| match n / 4_000 {
            0 => noise(),
            1 => 0,
            2 => square(n),
            loudness => noise() >> (2 * loudness - 5),
        })
        .collect()
}

/// FNV-1a.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn encoded(samples: &[i16]) -> Vec<u8> {
    let mut wire = vec![0; samples.len() / SAMPLES_PER_BYTE];
    Encoder::default().encode(samples, &mut wire);
    wire
}

fn decoded(wire: &[u8]) -> Vec<i16> {
    let mut samples = vec![0; wire.len() * SAMPLES_PER_BYTE];
    Decoder::default().decode(wire, &mut samples);
    samples
}

#[test]
fn bytes_and_samples_are_those_of_another_implementation() {
    // Hashes of what a port of the widely used public-domain codec makes of the same signal, with the recommendation's reset (DETL 32, DETH 8).
    let wire = encoded(&signal());
    assert_eq!(hash(wire.iter().copied()), 0xdc4b_a747_307c_6356);
    assert_eq!(hash(decoded(&wire).into_iter().flat_map(i16::to_le_bytes)), 0x25bc_2f94_293d_6942);
    // No bytes at all that an encoder would make.
    let garbage: Vec<u8> = (0..16_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(hash(decoded(&garbage).into_iter().flat_map(i16::to_le_bytes)), 0x05f9_4a20_d5d5_002f);
}

#[test]
fn frames_are_as_good_as_the_whole() {
    let signal = signal();
    let (mut encoder, mut wire) = (Encoder::default(), Vec::new());
    for frame in signal.chunks(320) {
        let mut bytes = [0; 160];
        encoder.encode(frame, &mut bytes);
        wire.extend(bytes);
    }
    assert_eq!(wire, encoded(&signal));
}

#[test]
fn voice_comes_back_with_its_upper_band() {
    // Tones of 1 and 6 kHz, as loud as a voice.
    let tone = |n: usize, hz: f64| (n as f64 * hz * std::f64::consts::TAU / 16_000.0).sin();
    let voice: Vec<i16> = (0..16_000).map(|n| (8_000.0 * tone(n, 1_000.0) + 3_000.0 * tone(n, 6_000.0)) as i16).collect();
    let heard = decoded(&encoded(&voice));
    // Both filters together delay by 22 samples (ITU-T G.722, section 1.4: 4 ms with framing).
    const DELAY: usize = 22;
    let (mut power, mut error) = (0.0, 0.0);
    for (sent, got) in voice.iter().zip(&heard[DELAY..]).skip(1_600) {
        power += f64::from(*sent).powi(2);
        error += (f64::from(*sent) - f64::from(*got)).powi(2);
    }
    let snr_db = 10.0 * f64::log10(power / error);
    assert!(snr_db > 20.0, "{snr_db} dB");
}

#[test]
fn silence_is_inaudible() {
    assert!(decoded(&encoded(&[0; 3_200])).iter().all(|sample| sample.abs() <= 8));
    assert!(decoded(&[SILENCE; 160]).iter().all(|sample| sample.abs() <= 8));
}
