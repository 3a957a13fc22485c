use super::*;
use std::f64::consts::TAU;

/// Seeded noise between -1 and 1.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn next(&mut self) -> f64 {
        f64::from(self.bits() as i32) / f64::from(1u32 << 31)
    }

    fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }
}

/// A resonance of the throat: two poles at this frequency and bandwidth.
struct Formant {
    feedback: [f64; 2],
    past: [f64; 2],
}

impl Formant {
    fn new(hz: f64, width_hz: f64) -> Self {
        let radius = (-std::f64::consts::PI * width_hz / f64::from(RATE_HZ)).exp();
        let angle = TAU * hz / f64::from(RATE_HZ);
        Self { feedback: [2.0 * radius * angle.cos(), -radius * radius], past: [0.0; 2] }
    }

    fn pass(&mut self, input: f64) -> f64 {
        let output = input + self.feedback[0] * self.past[0] + self.feedback[1] * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

/// Pulses of a gliding pitch and some breath through four formants, in syllables of 250 ms.
fn voice(frames: usize) -> Vec<i16> {
    let mut noise = Noise(5);
    let mut formants =
        [(650.0, 80.0), (1_150.0, 90.0), (2_500.0, 140.0), (3_600.0, 250.0)].map(|(hz, width)| Formant::new(hz, width));
    let mut phase = 0.0;
    let throat = |n: usize| {
        let time = n as f64 / f64::from(RATE_HZ);
        phase += (130.0 + 25.0 * (TAU * 1.3 * time).sin()) / f64::from(RATE_HZ);
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase -= pulse;
        let source = pulse + 0.01 * noise.next();
        let loudness = 0.15 + 0.85 * (TAU * 2.0 * time).sin().abs();
        loudness * formants.iter_mut().fold(source, |sound, formant| formant.pass(sound))
    };
    let sound: Vec<f64> = (0..frames * FRAME_SAMPLES).map(throat).collect();
    let peak = sound.iter().fold(0.0f64, |peak, sample| peak.max(sample.abs()));
    sound.into_iter().map(|sample| (sample / peak * 16_000.0) as i16).collect()
}

fn encoded(samples: &[i16], config: EncoderConfig) -> Vec<Vec<u8>> {
    let (mut encoder, mut packet) = (Encoder::new(config).unwrap(), [0; PACKET_BYTES_MAX]);
    let (frames, _) = samples.as_chunks();
    frames.iter().map(|frame| encoder.encode(frame, &mut packet).map(|length| packet[..length].to_vec()).unwrap()).collect()
}

/// What to do with a frame's packet.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Heard,
    Recovered,
    Concealed,
}

fn decoded(packets: &[Vec<u8>], fate: impl Fn(usize) -> Fate) -> Vec<i16> {
    let mut decoder = Decoder::new().unwrap();
    let mut line = vec![0; packets.len() * FRAME_SAMPLES];
    for (n, samples) in line.chunks_mut(FRAME_SAMPLES).enumerate() {
        match fate(n) {
            Fate::Heard => assert_eq!(decoder.decode(&packets[n], samples), Ok(FRAME_SAMPLES)),
            Fate::Recovered => decoder.recover(&packets[n + 1], samples).unwrap(),
            Fate::Concealed => decoder.conceal(samples).unwrap(),
        }
    }
    line
}

/// Mean of the ratios in dB of 20 ms each that are not silence, each limited to -10 to 35 dB as is the custom.
fn segmental_snr_db(truth: &[i16], heard: &[i16]) -> f64 {
    let ratios: Vec<f64> = truth
        .chunks_exact(FRAME_SAMPLES)
        .zip(heard.chunks_exact(FRAME_SAMPLES))
        .filter_map(|(truth, heard)| {
            let power: f64 = truth.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            let error: f64 = truth.iter().zip(heard).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            (power > 1e6).then(|| (10.0 * (power / error.max(1.0)).log10()).clamp(-10.0, 35.0))
        })
        .collect();
    ratios.iter().sum::<f64>() / ratios.len() as f64
}

fn steepest(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
}

/// Of every fifth frame only: those that are lost below.
fn lost(line: &[i16]) -> Vec<i16> {
    line.chunks_exact(FRAME_SAMPLES).skip(3).step_by(5).flatten().copied().collect()
}

fn every_fifth(fate: Fate) -> impl Fn(usize) -> Fate {
    move |n| if n % 5 == 3 { fate } else { Fate::Heard }
}

#[test]
fn voice_comes_back() {
    let voice = voice(200);
    let config = EncoderConfig::default();
    let packets = encoded(&voice, config);
    let heard = decoded(&packets, |_| Fate::Heard);
    let delay = Encoder::new(config).unwrap().delay_samples().unwrap();
    assert_eq!(delay, 104, "6.5 ms");
    let snr_db = segmental_snr_db(&voice, &heard[delay..]);
    assert!(snr_db > 13.0, "{snr_db} dB");
    // Each shift the other way is worse: the delay is right to the sample.
    assert!(snr_db > segmental_snr_db(&voice, &heard[delay - 1..]) && snr_db > segmental_snr_db(&voice, &heard[delay + 1..]));
    let bits_per_s = packets.iter().map(Vec::len).sum::<usize>() * 8 / 4;
    assert!(bits_per_s < config.bitrate_bps as usize, "{bits_per_s} bits per second");
}

#[test]
fn up_to_three_lost_frames_are_made_up_without_a_click() {
    let voice = voice(80);
    let packets = encoded(&voice, EncoderConfig::default());
    let whole = steepest(&decoded(&packets, |_| Fate::Heard));
    for count in 1..=3 {
        for first in 20..60 {
            let fate = |n| if (first..first + count).contains(&n) { Fate::Concealed } else { Fate::Heard };
            let line = decoded(&packets, fate);
            // No step is much steeper than those of the voice itself.
            assert!(steepest(&line) < whole * 3 / 2, "{count} lost from {first}: {} of {whole}", steepest(&line));
            let guess = &line[first * FRAME_SAMPLES..][..FRAME_SAMPLES];
            assert!(guess.iter().any(|&sample| sample.abs() > 100), "{count} lost from {first}: a guess is not silence");
        }
    }
}

#[test]
fn what_is_lost_for_long_fades_to_silence() {
    let packets = encoded(&voice(50), EncoderConfig::default());
    let line = decoded(&packets, |n| if n < 20 { Fate::Heard } else { Fate::Concealed });
    assert!(line[45 * FRAME_SAMPLES..].iter().all(|sample| sample.abs() < 200));
}

#[test]
fn copy_in_the_next_packet_is_nearer_to_the_truth_than_a_guess() {
    let packets = encoded(&voice(200), EncoderConfig::default());
    let whole = lost(&decoded(&packets, |_| Fate::Heard));
    let with_copies = segmental_snr_db(&whole, &lost(&decoded(&packets, every_fifth(Fate::Recovered))));
    let with_guesses = segmental_snr_db(&whole, &lost(&decoded(&packets, every_fifth(Fate::Concealed))));
    assert!(with_copies > with_guesses + 5.0, "{with_copies} dB with copies, {with_guesses} dB with guesses");
}

#[test]
fn copies_are_made_where_loss_is_expected() {
    let copies = |loss_percent| {
        let packets = encoded(&voice(100), EncoderConfig { loss_percent, ..EncoderConfig::default() });
        packets.iter().filter(|packet| carries_fec(packet)).count()
    };
    assert_eq!(copies(0), 0);
    assert!(copies(10) > 50, "{} of 100", copies(10));
    let (mut encoder, mut packet) = (Encoder::new(EncoderConfig { loss_percent: 0, ..Default::default() }).unwrap(), [0; 1_276]);
    let voice = voice(100);
    let (frames, _) = voice.as_chunks();
    let mut copies = [0, 0];
    for (n, frame) in frames.iter().enumerate() {
        if n == 50 {
            encoder.expect_loss(10).unwrap();
        }
        let length = encoder.encode(frame, &mut packet).unwrap();
        copies[n / 50] += usize::from(carries_fec(&packet[..length]));
    }
    assert!(copies[0] == 0 && copies[1] > 20, "{copies:?}");
}

#[test]
fn a_longer_loss_is_a_guess_first_and_a_copy_at_its_end() {
    let packets = encoded(&voice(60), EncoderConfig::default());
    let heard = |count: usize, one_by_one: bool| {
        let (mut decoder, mut line) = (Decoder::new().unwrap(), vec![0; 30 * FRAME_SAMPLES]);
        for (packet, samples) in packets[..30].iter().zip(line.chunks_mut(FRAME_SAMPLES)) {
            decoder.decode(packet, samples).unwrap();
        }
        let mut lost = vec![0; count * FRAME_SAMPLES];
        let (guess, copy) = lost.split_at_mut((count - 1) * FRAME_SAMPLES);
        if one_by_one {
            guess.chunks_mut(FRAME_SAMPLES).for_each(|guess| decoder.conceal(guess).unwrap());
            decoder.recover(&packets[30 + count], copy).unwrap();
        } else {
            decoder.recover(&packets[30 + count], &mut lost).unwrap();
        }
        lost
    };
    for count in [1, 2, 3, 6, 7, 13] {
        assert_eq!(heard(count, true), heard(count, false), "{count} frames");
    }
}

#[test]
fn packets_of_2_5_to_120_ms_are_decoded() {
    let voice = voice(60);
    for samples in [40, 80, 160, 320, 640, 960, 1_280, 1_600, 1_920] {
        let mut encoder = opus::Encoder::new(RATE_HZ, Channels::Mono, Application::Audio).unwrap();
        let (mut decoder, mut line) = (Decoder::new().unwrap(), Vec::new());
        for frame in voice.chunks_exact(samples) {
            let packet = encoder.encode_vec(frame, 4_000).unwrap();
            assert_eq!(packet_samples(&packet), Ok(samples));
            let mut heard = [0; PACKET_SAMPLES_MAX];
            assert_eq!(decoder.decode(&packet, &mut heard[..samples - 1]), Err(OpusError::Room), "{samples} samples");
            assert_eq!(decoder.decode(&packet, &mut heard), Ok(samples));
            line.extend_from_slice(&heard[..samples]);
        }
        let delay = encoder.get_lookahead().unwrap() as usize;
        let snr_db = segmental_snr_db(&voice, &line[delay..]);
        assert!(snr_db > 6.0, "{samples} samples: {snr_db} dB");
    }
}

#[test]
fn a_packet_longer_than_120_ms_is_malformed() {
    // 20 ms of SILK each, of equal size: six and seven of them.
    let packet = |frames: usize| [&[9 << 3 | 3, frames as u8][..], &[0x55; 10].repeat(frames)].concat();
    let (mut decoder, mut samples) = (Decoder::new().unwrap(), [0; 2 * PACKET_SAMPLES_MAX]);
    assert_eq!(packet_samples(&packet(6)), Ok(PACKET_SAMPLES_MAX));
    assert_eq!(decoder.decode(&packet(6), &mut samples), Ok(PACKET_SAMPLES_MAX));
    assert_eq!(packet_samples(&packet(7)), Err(OpusError::Packet));
    assert_eq!(decoder.decode(&packet(7), &mut samples), Err(OpusError::Packet));
    assert_eq!(packet_samples(&[]), Err(OpusError::Packet));
    assert_eq!(decoder.decode(&[], &mut samples), Err(OpusError::Packet));
    assert_eq!(decoder.recover(&[], &mut samples), Err(OpusError::Packet));
}

#[test]
fn two_channels_become_one() {
    let voice = voice(50);
    let mut encoder = opus::Encoder::new(RATE_HZ, Channels::Stereo, Application::Voip).unwrap();
    encoder.set_force_channels(Some(Channels::Stereo)).unwrap();
    let (mut decoder, mut line) = (Decoder::new().unwrap(), vec![0; voice.len()]);
    for (frame, heard) in voice.chunks(FRAME_SAMPLES).zip(line.chunks_mut(FRAME_SAMPLES)) {
        // On one side only: the mixture is half as loud.
        let both: Vec<i16> = frame.iter().flat_map(|&sample| [sample, 0]).collect();
        let packet = encoder.encode_vec(&both, 4_000).unwrap();
        assert_eq!(decoder.decode(&packet, heard), Ok(FRAME_SAMPLES));
    }
    let half: Vec<i16> = voice.iter().map(|sample| sample / 2).collect();
    let snr_db = segmental_snr_db(&half, &line[encoder.get_lookahead().unwrap() as usize..]);
    assert!(snr_db > 6.0, "{snr_db} dB");
}

#[test]
fn garbage_is_refused_or_heard_but_never_more_than_that() {
    let mut noise = Noise(0x6f70);
    let (mut decoder, mut samples) = (Decoder::new().unwrap(), [0; PACKET_SAMPLES_MAX]);
    let packets = encoded(&voice(50), EncoderConfig::default());
    let (mut refused, mut heard) = (0, 0);
    for round in 0..20_000 {
        let mut packet: Vec<u8> = match round % 3 {
            0 => (0..noise.below(300)).map(|_| noise.bits() as u8).collect(),
            _ => packets[noise.below(packets.len())].clone(),
        };
        if round % 3 == 2 && !packet.is_empty() {
            packet.truncate(1 + noise.below(packet.len()));
        }
        for _ in 0..noise.below(4).min(packet.len()) {
            let at = noise.below(packet.len());
            packet[at] = noise.bits() as u8;
        }
        carries_fec(&packet);
        let room = noise.below(PACKET_SAMPLES_MAX + 1);
        match decoder.decode(&packet, &mut samples[..room]) {
            Ok(count) => {
                assert_eq!(packet_samples(&packet), Ok(count));
                assert!(count <= room);
                heard += 1;
            }
            Err(OpusError::Packet | OpusError::Room | OpusError::Argument) => refused += 1,
            Err(error) => panic!("{error} by {packet:?}"),
        }
        let gap = room / STEP_SAMPLES * STEP_SAMPLES;
        if decoder.recover(&packet, &mut samples[..gap]).is_err() {
            decoder.conceal(&mut samples[..gap]).unwrap();
        }
    }
    assert!(refused > 1_000 && heard > 1_000, "{refused} refused, {heard} heard");
    // After all that a packet is heard as before.
    decoder.reset().unwrap();
    let mut fresh = Decoder::new().unwrap();
    for packet in &packets {
        let mut expected = [0; FRAME_SAMPLES];
        fresh.decode(packet, &mut expected).unwrap();
        decoder.decode(packet, &mut samples).unwrap();
        assert_eq!(samples[..FRAME_SAMPLES], expected);
    }
}

#[test]
fn a_refused_packet_leaves_no_trace() {
    let packets = encoded(&voice(50), EncoderConfig::default());
    let (mut disturbed, mut samples) = (Decoder::new().unwrap(), [0; FRAME_SAMPLES]);
    let expected = decoded(&packets, |_| Fate::Heard);
    for (packet, expected) in packets.iter().zip(expected.chunks(FRAME_SAMPLES)) {
        assert_eq!(disturbed.decode(&[0xFF, 0xFF], &mut samples), Err(OpusError::Packet));
        assert_eq!(disturbed.decode(packet, &mut samples[1..]), Err(OpusError::Room));
        disturbed.decode(packet, &mut samples).unwrap();
        assert_eq!(samples, expected);
    }
}

#[test]
fn gaps_come_in_steps_of_2_5_ms() {
    let (mut decoder, mut samples) = (Decoder::new().unwrap(), [0; 6_000]);
    let packet = encoded(&voice(1), EncoderConfig::default()).remove(0);
    decoder.decode(&packet, &mut samples).unwrap();
    for count in [0, 40, 80, 120, 320, 360, 1_920, 1_960, 6_000] {
        assert_eq!(decoder.conceal(&mut samples[..count]), Ok(()), "{count}");
        assert_eq!(decoder.recover(&packet, &mut samples[..count]), Ok(()), "{count}");
    }
    for count in [1, 39, 41, 319, 321] {
        assert_eq!(decoder.conceal(&mut samples[..count]), Err(OpusError::Argument), "{count}");
        assert_eq!(decoder.recover(&packet, &mut samples[..count]), Err(OpusError::Argument), "{count}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let made = |bitrate_bps, complexity, loss_percent| {
        Encoder::new(EncoderConfig { bitrate_bps, complexity, loss_percent }).map(|_| ()).err()
    };
    assert_eq!([made(6_000, 0, 0), made(510_000, 10, 100)], [None, None]);
    for refused in [made(5_999, 0, 0), made(510_001, 0, 0), made(24_000, 11, 0), made(24_000, 0, 101)] {
        assert_eq!(refused, Some(OpusError::Argument));
    }
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    assert_eq!([encoder.expect_loss(100), encoder.expect_loss(101)], [Ok(()), Err(OpusError::Argument)]);
}

#[test]
fn silence_is_sent_too_and_stays_silence() {
    let packets = encoded(&[0; 50 * FRAME_SAMPLES], EncoderConfig::default());
    // Without sound a sender with discontinuous transmission makes packets of one or two bytes, which are not to be sent.
    assert!(packets.iter().all(|packet| packet.len() > 2));
    assert!(decoded(&packets, |_| Fate::Heard).iter().all(|sample| sample.abs() <= 1));
}

#[test]
fn loudest_sound_at_the_highest_rate_fits_a_packet() {
    let mut noise = Noise(3);
    let loud: Vec<i16> = (0..20 * FRAME_SAMPLES).map(|_| if noise.next() > 0.0 { i16::MAX } else { i16::MIN }).collect();
    let packets = encoded(&loud, EncoderConfig { bitrate_bps: 510_000, complexity: 10, loss_percent: 100 });
    assert!(packets.iter().all(|packet| packet.len() <= PACKET_BYTES_MAX));
    assert_eq!(decoded(&packets, |_| Fate::Heard).len(), loud.len());
}

#[test]
fn codecs_may_move_to_another_thread() {
    const fn sendable<T: Send>() {}
    const { sendable::<Decoder>() };
    const { sendable::<Encoder>() };
}
