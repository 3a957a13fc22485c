use super::*;
use crate::DATAGRAM_MAX;
use crate::frame::FRAME;

const MS: Duration = Duration::from_millis(1);
const A: UtteranceTag = UtteranceTag(1);
const B: UtteranceTag = UtteranceTag(2);
const LOUD: i16 = 8_000;

/// A mouth on a virtual clock that is asked every 5 ms, like on its shard.
struct Stage {
    mouth: Mouth,
    begin: Instant,
    now: Instant,
    sent: Vec<Sent>,
    events: Vec<MouthEvent>,
}

#[derive(Clone)]
struct Sent {
    ms: u128,
    header: Header,
    samples: Vec<i16>,
}

impl Stage {
    fn new(silence: Silence) -> Self {
        let begin = Instant::now();
        let config = MouthConfig { silence, ..MouthConfig::new(Codec::L16_8k, Framing::Rtp) };
        let start = RtpStart { ssrc: 7, sequence: 65_534, timestamp: u32::MAX - 100 };
        let mouth = Mouth::new(begin, config, start).unwrap();
        Self { mouth, begin, now: begin, sent: Vec::new(), events: Vec::new() }
    }

    fn run(&mut self, ms: u32) {
        for _ in 0..ms / 5 {
            self.tick();
            self.now += 5 * MS;
        }
    }

    fn tick(&mut self) {
        let mut datagram = [0; DATAGRAM_MAX];
        while let Some(length) = self.mouth.poll_transmit(self.now, &mut datagram) {
            let (header, payload) = rtp::parse(&datagram[..length]).unwrap();
            let mut samples = vec![0; 160];
            Codec::L16_8k.decoder().decode(payload, &mut samples);
            self.sent.push(Sent { ms: (self.now - self.begin).as_millis(), header, samples });
        }
        while let Some(event) = self.mouth.poll_event() {
            self.events.push(event);
        }
    }

    fn times(&self) -> Vec<u128> {
        self.sent.iter().map(|sent| sent.ms).collect()
    }
}

#[test]
fn first_packet_leaves_at_once_and_the_others_every_20_ms() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.run(35);
    stage.mouth.say(A, 8_000, &[LOUD; 400]).unwrap();
    stage.mouth.end(A);
    stage.run(200);
    assert_eq!(stage.times(), [35, 55, 75]);
    let (said, rest) = stage.sent[2].samples.split_at(80);
    assert_eq!((said, &rest[40..]), (&[LOUD; 80][..], &[0; 40][..]));
    assert!(rest[..40].is_sorted_by(|a, b| a >= b), "it fades out");
    let at = stage.begin + 35 * MS;
    assert_eq!(stage.events, [MouthEvent::Audible { tag: A, at }, MouthEvent::Ended { tag: A, samples: 400 }]);
    assert_eq!(stage.mouth.poll_timeout(), None);
}

#[test]
fn headers_count_on_over_their_wrap_and_over_pauses() {
    let mut stage = Stage::new(Silence::Nothing);
    for tag in [A, B] {
        stage.mouth.say(tag, 8_000, &[LOUD; 320]).unwrap();
        stage.mouth.end(tag);
        stage.run(1_000);
    }
    let headers: Vec<_> = stage.sent.iter().map(|sent| sent.header).collect();
    assert_eq!(headers.iter().map(|header| header.sequence).collect::<Vec<_>>(), [65_534, 65_535, 0, 1]);
    assert_eq!(headers.iter().map(|header| header.marker).collect::<Vec<_>>(), [true, false, true, false]);
    let first = headers[0].timestamp;
    let since: Vec<_> = headers.iter().map(|header| header.timestamp.wrapping_sub(first)).collect();
    assert_eq!(since, [0, 160, 8_000, 8_160]);
}

#[test]
fn utterances_follow_each_other_without_a_gap() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 320]).unwrap();
    // Saying the next one ends the one before.
    stage.mouth.say(B, 8_000, &[-LOUD; 160]).unwrap();
    stage.mouth.end(B);
    stage.run(200);
    assert_eq!(stage.times(), [0, 20, 40]);
    let ended: Vec<_> = stage.events.iter().filter(|event| matches!(event, MouthEvent::Ended { .. })).collect();
    assert_eq!(ended, [&MouthEvent::Ended { tag: A, samples: 320 }, &MouthEvent::Ended { tag: B, samples: 160 }]);
}

#[test]
fn utterance_without_samples_is_over_at_once() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[]).unwrap();
    stage.mouth.end(A);
    stage.run(5);
    assert_eq!(stage.events, [MouthEvent::Ended { tag: A, samples: 0 }]);
}

#[test]
fn silent_beginning_is_not_audible() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[[30; 200], [LOUD; 200]].concat()).unwrap();
    stage.run(100);
    assert_eq!(stage.events[0], MouthEvent::Audible { tag: A, at: stage.begin + 20 * MS });
}

/// What synthesizers put before their first word.
const BREATH: i16 = 60;

#[test]
fn a_breath_before_the_first_word_is_left_out_and_counts_as_said() {
    for silence in [Silence::Nothing, Silence::Comfort] {
        let mut stage = Stage::new(silence);
        // It comes in pieces: nobody knows yet what follows.
        for _ in 0..20 {
            stage.mouth.say(A, 8_000, &[BREATH; 80]).unwrap();
            stage.run(5);
        }
        assert!(stage.events.is_empty() && stage.sent.iter().all(|sent| sent.samples == [0; 160]));
        let heard = stage.sent.len();
        stage.mouth.say(A, 8_000, &[LOUD; 320]).unwrap();
        stage.mouth.end(A);
        let said = stage.begin + 100 * MS;
        stage.run(100);
        assert_eq!(stage.sent[heard].samples, [BREATH; 160], "a soft sound may begin in it");
        assert_eq!(
            stage.events,
            [MouthEvent::Audible { tag: A, at: said + 20 * MS }, MouthEvent::Ended { tag: A, samples: 1_920 }]
        );
    }
}

#[test]
fn silence_between_two_utterances_that_follow_each_other_is_a_pause_and_stays() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 320]).unwrap();
    stage.mouth.end(A);
    stage.mouth.say(B, 8_000, &[[BREATH; 800].as_slice(), &[LOUD; 160]].concat()).unwrap();
    stage.mouth.end(B);
    stage.run(300);
    assert_eq!(stage.events.last(), Some(&MouthEvent::Ended { tag: B, samples: 960 }));
    assert!(stage.events.contains(&MouthEvent::Audible { tag: B, at: stage.begin + 140 * MS }));
}

#[test]
fn longer_silence_than_a_breath_is_meant_and_one_without_a_word_is_over_at_its_end() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[[BREATH; 8_000].as_slice(), &[LOUD; 160]].concat()).unwrap();
    stage.mouth.end(A);
    stage.run(1_000);
    assert!(
        stage.events.contains(&MouthEvent::Audible { tag: A, at: stage.begin + 600 * MS }),
        "of a second 400 ms are left out"
    );
    stage.events.clear();
    stage.mouth.say(B, 8_000, &[BREATH; 800]).unwrap();
    stage.mouth.end(B);
    stage.run(100);
    assert_eq!(stage.events, [MouthEvent::Ended { tag: B, samples: 800 }]);
}

#[test]
fn no_breath_is_left_out_where_none_may_be() {
    let mut stage = Stage::new(Silence::Nothing);
    let config = MouthConfig { breath_max: Duration::ZERO, ..MouthConfig::new(Codec::L16_8k, Framing::Rtp) };
    stage.mouth = Mouth::new(stage.begin, config, RtpStart::default()).unwrap();
    stage.mouth.say(A, 8_000, &[[BREATH; 800].as_slice(), &[LOUD; 160]].concat()).unwrap();
    stage.mouth.end(A);
    stage.run(200);
    assert_eq!(stage.events[0], MouthEvent::Audible { tag: A, at: stage.begin + 100 * MS });
}

#[test]
fn a_breath_at_another_rate_is_left_out_as_well() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 24_000, &[[BREATH; 4_800].as_slice(), &[LOUD; 2_400]].concat()).unwrap();
    stage.mouth.end(A);
    stage.run(300);
    let [MouthEvent::Audible { tag: A, at }, MouthEvent::Ended { tag: A, samples: 2_400 }] = stage.events[..] else {
        panic!("{:?}", stage.events)
    };
    assert!(at <= stage.begin + 40 * MS, "a frame, and the resampler's delay");
}

#[test]
fn hush_takes_effect_within_one_frame_and_does_not_click() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 8_000]).unwrap();
    stage.mouth.end(A);
    stage.mouth.say(B, 8_000, &[LOUD; 8_000]).unwrap();
    stage.run(110);
    // Six packets were sent, at 0 to 100 ms; of the last one 10 ms were heard.
    let spoken = stage.mouth.hush(stage.now);
    assert_eq!(spoken, Some(Spoken { tag: A, samples: 880, rate_hz: 8_000 }));
    stage.run(500);
    assert_eq!(stage.times(), [0, 20, 40, 60, 80, 100, 120]);
    let fade = &stage.sent[6].samples;
    assert_eq!((fade[0], fade[40]), (LOUD, 0));
    assert!(fade.windows(2).all(|pair| pair[0] >= pair[1] && pair[0] - pair[1] <= LOUD / 40));
    assert!(!stage.events.iter().any(|event| matches!(event, MouthEvent::Ended { .. })));
    assert_eq!((stage.mouth.queued(), stage.mouth.hush(stage.now)), (Duration::ZERO, None));
}

#[test]
fn hush_before_the_first_packet_tells_that_nothing_was_heard() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 800]).unwrap();
    assert_eq!(stage.mouth.hush(stage.now), Some(Spoken { tag: A, samples: 0, rate_hz: 8_000 }));
    stage.run(100);
    assert!(stage.sent.is_empty());
}

#[test]
fn open_utterance_that_runs_dry_is_one_underrun_and_goes_on() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 320]).unwrap();
    stage.run(100);
    stage.mouth.say(A, 8_000, &[LOUD; 160]).unwrap();
    stage.mouth.end(A);
    stage.run(100);
    assert_eq!(stage.times(), [0, 20, 40, 60, 80, 100]);
    assert_eq!(stage.sent[4].samples, [0; 160]);
    // The hole has soft edges.
    let line: Vec<i16> = stage.sent.iter().flat_map(|sent| sent.samples.clone()).collect();
    let steepest = line.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
    assert!(steepest <= Some(LOUD / 20), "{steepest:?}");
    assert_eq!(stage.mouth.stats().underrun_slots, 3);
    let tail = &stage.events[1..];
    assert_eq!(tail, [MouthEvent::Underrun { tag: A }, MouthEvent::Ended { tag: A, samples: 480 }]);
}

#[test]
fn ended_utterance_and_one_that_has_not_begun_are_no_underrun() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 100]).unwrap();
    stage.run(100);
    assert!(stage.sent.is_empty(), "less than a frame waits for more");
    stage.mouth.end(A);
    stage.run(100);
    assert_eq!((stage.sent.len(), stage.mouth.stats().underrun_slots), (1, 0));
}

#[test]
fn comfort_silence_keeps_the_line_alive_between_utterances() {
    let mut stage = Stage::new(Silence::Comfort);
    stage.run(40);
    stage.mouth.say(A, 8_000, &[LOUD; 160]).unwrap();
    stage.mouth.end(A);
    stage.run(60);
    assert_eq!(stage.times(), [0, 20, 40, 60, 80]);
    let loud: Vec<_> = stage.sent.iter().map(|sent| sent.samples[0]).collect();
    assert_eq!(loud, [0, 0, LOUD, 0, 0]);
    assert_eq!(stage.sent.iter().filter(|sent| sent.header.marker).count(), 1);
    assert_eq!(stage.mouth.spoken_samples(), [0; 160], "what was said before is not what was sent last");
}

#[test]
fn stall_delays_what_is_said_and_is_not_followed_by_a_burst() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 1_600]).unwrap();
    stage.mouth.end(A);
    stage.run(25);
    stage.now += 100 * MS;
    stage.run(300);
    assert_eq!(stage.times()[..4], [0, 20, 125, 140]);
    assert_eq!((stage.sent.len(), stage.mouth.stats().missed_slots), (10, 4));
    // Sent at 125, but of the slot at 120.
    let since = stage.sent[2].header.timestamp.wrapping_sub(stage.sent[1].header.timestamp);
    assert_eq!(since, 800);
}

#[test]
fn hour_of_speech_ends_on_the_millisecond() {
    let mut stage = Stage::new(Silence::Nothing);
    let (hour, minute) = (180_000u64, vec![LOUD; 8_000 * 30]);
    let mut datagram = [0; DATAGRAM_MAX];
    let (mut packets, mut now) = (0u64, stage.begin);
    while packets < hour {
        if stage.mouth.queued() < Duration::from_secs(1) {
            stage.mouth.say(A, 8_000, &minute).unwrap();
        }
        // An owner that is always up to 7 ms late, but never shifts the schedule by it.
        let (due, _) = stage.mouth.poll_timeout().unwrap();
        assert_eq!(due, stage.begin + FRAME * packets as u32);
        now = due + Duration::from_micros(packets * 7_919 % 7_000);
        assert!(stage.mouth.poll_transmit(now, &mut datagram).is_some());
        assert!(stage.mouth.poll_transmit(now, &mut datagram).is_none(), "never two at once");
        packets += 1;
    }
    assert!(now - stage.begin < Duration::from_secs(3_600));
    assert_eq!(*stage.mouth.stats(), MouthStats { packets: hour, ..MouthStats::default() });
}

#[test]
fn queue_takes_all_or_nothing_and_tells_its_room() {
    let mut stage = Stage::new(Silence::Nothing);
    // 512 KiB are 262 144 samples.
    stage.mouth.say(A, 16_000, &vec![0; 262_144 - 24_000]).unwrap();
    let room = Duration::from_secs(1);
    assert_eq!(stage.mouth.say(A, 24_000, &vec![0; 24_001]), Err(SayError::QueueFull { room }));
    assert_eq!(stage.mouth.room(), 3 * room);
    assert_eq!(stage.mouth.say(A, 24_000, &vec![0; 24_000]), Ok(()));
    assert_eq!(stage.mouth.room(), Duration::ZERO);
    assert_eq!(stage.mouth.say(A, 11_025, &[0]), Err(SayError::Rate { rate_hz: 11_025 }));
}

#[test]
fn queue_is_bounded_by_time_and_by_memory_whichever_is_less() {
    let (now, base) = (Instant::now(), MouthConfig::new(Codec::Pcmu, Framing::Rtp));
    let seconds = |config: MouthConfig, rate_hz: u32| {
        let mut mouth = Mouth::new(now, config, RtpStart::default()).unwrap();
        (0..100).take_while(|_| mouth.say(A, rate_hz, &vec![0; rate_hz as usize]).is_ok()).count()
    };
    assert_eq!((seconds(base, 8_000), seconds(base, 24_000)), (32, 10));
    assert_eq!(seconds(MouthConfig { queue_max: Duration::from_secs(5), ..base }, 8_000), 5);
}

#[test]
fn bed_lies_under_speech_and_fills_what_is_between() {
    let mut stage = Stage::new(Silence::Nothing);
    let bed = |sample| Some(Bed { samples: vec![sample; 1_000].into(), gain_db: 0.0, ducked_db: -20.0 });
    stage.mouth.set_bed(bed(1_000));
    stage.run(500);
    stage.mouth.say(A, 8_000, &[LOUD; 8_000]).unwrap();
    stage.mouth.end(A);
    stage.run(1_500);
    stage.mouth.set_bed(None);
    stage.run(500);
    let middle = |packet: usize| stage.sent[packet].samples[80];
    assert_eq!((middle(20), middle(60)), (1_000, LOUD + 99), "full alone, a tenth under speech");
    assert_eq!((middle(99), middle(109)), (1_000, 49));
    assert_eq!((stage.sent.len(), stage.mouth.poll_timeout()), (110, None), "faded out, and nothing is sent any more");
    let line: Vec<i16> = stage.sent.iter().flat_map(|sent| sent.samples.clone()).collect();
    // But for the voice's own beginning and end.
    let steps = line.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 20).count();
    assert!(steps <= 41, "{steps}");
}

#[test]
fn bed_is_at_its_full_volume_where_silence_would_be_sent() {
    let mut stage = Stage::new(Silence::Comfort);
    stage.mouth.set_bed(Some(Bed { samples: vec![1_000; 1_000].into(), gain_db: 0.0, ducked_db: -20.0 }));
    stage.run(500);
    assert_eq!(stage.sent.last().unwrap().samples[80], 1_000);
}

#[test]
fn bed_of_nothing_is_none() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.set_bed(Some(Bed { samples: vec![].into(), gain_db: 0.0, ducked_db: -20.0 }));
    stage.run(100);
    assert_eq!(stage.mouth.poll_timeout(), None);
}

#[test]
fn every_rate_is_played_at_its_own_speed_to_its_last_sample() {
    for rate_hz in [8_000, 16_000, 24_000, 48_000] {
        let mut stage = Stage::new(Silence::Nothing);
        let tone = |n: u32| (f64::from(n) / f64::from(rate_hz) * 1_000.0 * std::f64::consts::TAU).sin() * 8_000.0;
        let second: Vec<i16> = (0..rate_hz).map(|n| tone(n) as i16).collect();
        // In chunks that fit no frame.
        second.chunks(777).for_each(|chunk| stage.mouth.say(A, rate_hz, chunk).unwrap());
        stage.mouth.end(A);
        stage.run(1_500);
        let line: Vec<i16> = stage.sent.iter().flat_map(|sent| sent.samples.clone()).collect();
        let loud = line.iter().filter(|sample| sample.unsigned_abs() > 100).count();
        // A tone of 1 kHz at 8 kHz is silent at two samples of eight, less where the resampler shifts it.
        assert!((5_900..8_100).contains(&loud), "{rate_hz}: {loud} loud samples");
        let last = line.iter().rposition(|sample| sample.unsigned_abs() > 1_000).unwrap();
        let delay = crate::Resampler::new(rate_hz, 8_000).unwrap().delay_samples();
        assert!(last.abs_diff(8_000 + delay) < 12, "{rate_hz}: ends at {last}");
        assert_eq!(stage.events.last(), Some(&MouthEvent::Ended { tag: A, samples: 8_000 }));
    }
}

#[test]
fn rate_may_change_within_an_utterance() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 160]).unwrap();
    stage.mouth.say(A, 16_000, &[LOUD; 640]).unwrap();
    stage.mouth.end(A);
    stage.run(200);
    let ended: Vec<_> = stage.events.iter().filter(|event| matches!(event, MouthEvent::Ended { .. })).collect();
    assert_eq!(ended, [&MouthEvent::Ended { tag: A, samples: 480 }]);
}

#[test]
fn raw_framing_is_the_codec_alone() {
    let now = Instant::now();
    let config = MouthConfig::new(Codec::Slin16, Framing::Raw);
    let mut mouth = Mouth::new(now, config, RtpStart::default()).unwrap();
    mouth.say(A, 16_000, &[0x0102; 320]).unwrap();
    let mut datagram = [0; 640];
    assert_eq!(mouth.poll_transmit(now, &mut datagram[..639]), None, "too short a buffer");
    assert_eq!(mouth.poll_transmit(now, &mut datagram), Some(640));
    assert_eq!(datagram[..4], [2, 1, 2, 1]);
    let refused = Mouth::new(now, MouthConfig::new(Codec::Slin, Framing::Rtp), RtpStart::default()).err();
    assert_eq!(refused, Some(MediaError::NoPayloadType { codec: Codec::Slin }));
}

#[test]
fn paused_mouth_keeps_every_sample_and_goes_on_without_a_click() {
    let mut stage = Stage::new(Silence::Comfort);
    let samples: Vec<i16> =
        (0..8_000).map(|n| (f32::from(LOUD) * (n as f32 * std::f32::consts::TAU / 160.0).sin()) as i16).collect();
    stage.mouth.say(A, 8_000, &samples).unwrap();
    stage.mouth.end(A);
    stage.run(400);
    stage.mouth.pause();
    stage.run(300);
    let at_pause = stage.mouth.queued();
    stage.run(300);
    assert_eq!(stage.mouth.queued(), at_pause, "nothing of it is lost meanwhile");
    stage.mouth.go_on();
    stage.run(1_000);
    let sent: Vec<i16> = stage.sent.iter().flat_map(|sent| sent.samples.clone()).collect();
    let silent = sent.iter().filter(|sample| **sample == 0).count();
    assert!((4_700..4_800 + 8_000).contains(&silent), "600 ms of silence stand in the middle: {silent}");
    let step = sent.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap();
    assert!(step < 700, "a cut would step by thousands: {step}");
    assert_eq!(stage.events.last(), Some(&MouthEvent::Ended { tag: A, samples: 8_000 }));
    assert_eq!(stage.mouth.stats().underrun_slots, 0);
    assert!(stage.times().windows(2).all(|pair| pair[1] - pair[0] == 20), "the far side hears packets all the while");
}

#[test]
fn paused_mouth_that_is_hushed_tells_what_was_heard_before_the_pause() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.say(A, 8_000, &[LOUD; 8_000]).unwrap();
    stage.run(200);
    stage.mouth.pause();
    stage.run(500);
    let spoken = stage.mouth.hush(stage.now).unwrap();
    assert_eq!((spoken.tag, spoken.samples), (A, 1_600));
    stage.sent.clear();
    stage.run(100);
    assert!(stage.sent.iter().all(|sent| sent.samples.iter().all(|sample| *sample == 0)), "it was silent already");
    stage.mouth.say(B, 8_000, &[LOUD; 160]).unwrap();
    stage.mouth.end(B);
    stage.run(100);
    assert!(stage.events.contains(&MouthEvent::Ended { tag: B, samples: 160 }), "what is said next does not wait");
}

#[test]
fn paused_mouth_with_nothing_to_say_rests_and_holds_what_comes() {
    let mut stage = Stage::new(Silence::Nothing);
    stage.mouth.pause();
    stage.mouth.say(A, 8_000, &[LOUD; 800]).unwrap();
    stage.run(100);
    assert!(stage.sent.is_empty());
    assert_eq!(stage.mouth.poll_timeout(), None, "nobody need ask");
    stage.mouth.go_on();
    stage.run(100);
    assert!(stage.events.contains(&MouthEvent::Audible { tag: A, at: stage.begin + 100 * MS }));
}
