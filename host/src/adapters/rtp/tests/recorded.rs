//! Calls over real sockets, written to a real disk.

use super::*;
use crate::adapters::recording::{Keeping, Recordings};
use crate::application::recording::{Recorder, Recording, RecordingRequest};
use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;
use vg_media::rtp::{Header, parse, write};
use vg_media::wav;

const FRAME: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;

/// A call of the tenant `acme` at a shard, with its far side.
struct Call {
    media: MediaLeg,
    _wire: RtpHandle,
    peer: UdpSocket,
    gateway: SocketAddr,
    begin: Instant,
    /// What came, with when.
    came: Vec<(Instant, Header, Vec<u8>)>,
}

impl Call {
    fn begin(shards: &Shards) -> Self {
        let peer = peer();
        let (media, wire) = shards.open_rtp(ulaw(peer.local_addr().ok(), None)).unwrap();
        Self { media, gateway: wire.local_addr(), _wire: wire, peer, begin: Instant::now(), came: Vec::new() }
    }

    /// Sends one frame of the caller's and takes what comes until the next is due.
    fn frame(&mut self, n: u32, payload: &[u8]) {
        let header = Header { marker: false, payload_type: 0, sequence: n as u16, timestamp: n * SAMPLES as u32, ssrc: 5 };
        self.peer.send_to(&[&write(header)[..], payload].concat(), self.gateway).unwrap();
        let next = self.begin + FRAME * (n + 1);
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.peer.set_read_timeout(Some(left)).unwrap();
            let mut packet = [0; 500];
            if let Ok(length) = self.peer.recv(&mut packet) {
                let (header, payload) = parse(&packet[..length]).unwrap();
                self.came.push((Instant::now(), header, payload.to_vec()));
            }
        }
    }
}

/// Loud noise, another in each frame, in the codec's own bytes: a voice to any gate, and no two frames are alike.
fn noise(seed: u32) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The loudest codes of either sign.
        (state >> 24) as u8 & 0x9F
    })
}

fn decoded(bytes: &[u8]) -> Vec<i16> {
    let mut samples = vec![0; bytes.len()];
    Codec::Pcmu.decoder().decode(bytes, &mut samples);
    samples
}

fn encoded(samples: &[i16]) -> Vec<u8> {
    let mut bytes = vec![0; samples.len()];
    Codec::Pcmu.encoder().encode(samples, &mut bytes);
    bytes
}

/// Frames of the caller and of the gateway.
fn sides(file: &Path) -> (Vec<Vec<i16>>, Vec<Vec<i16>>) {
    let wav = wav::read(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((wav.rate_hz, wav.channels), (8_000, 2));
    let side = |at: usize| {
        let samples: Vec<i16> = wav.samples.iter().skip(at).step_by(2).copied().collect();
        samples.chunks(SAMPLES).map(<[i16]>::to_vec).collect()
    };
    (side(0), side(1))
}

fn is_silent(frame: &[i16]) -> bool {
    frame.iter().all(|sample| *sample == 0)
}

fn request() -> RecordingRequest {
    let (call, tenant, began) = (CallId::new("call-1"), TenantId::new("acme"), SystemTime::now());
    RecordingRequest {
        call,
        tenant,
        person: Pii::new("+55 11 99999-8888".to_owned()),
        part: 1,
        began,
        first_began: began,
        keep_days: None,
        format: None,
    }
}

#[test]
fn what_both_sides_said_stands_in_the_recording_sample_by_sample() {
    const FRAMES: u32 = 150;
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let shards = shard();
    let mut call = Call::begin(&shards);
    let Recording { tap, .. } = recordings.start(request()).unwrap();
    call.media.mouth.try_send(MouthCommand::Record(Box::new(tap))).unwrap();
    let said: Vec<i16> = decoded(&noise(0).take(FRAMES as usize * SAMPLES).collect::<Vec<_>>());
    let caller: Vec<Vec<u8>> = (1..=FRAMES).map(|n| noise(n).take(SAMPLES).collect()).collect();
    for (n, payload) in caller.iter().enumerate() {
        if n == 25 {
            call.media
                .mouth
                .try_send(MouthCommand::Say { utterance: UtteranceId(1), rate_hz: 8_000, pcm: said.clone() })
                .unwrap();
        }
        call.frame(n as u32, payload);
    }
    let (began, came) = (call.begin, std::mem::take(&mut call.came));
    drop(call);
    until_blocking("the leg is gone", || shards.live_legs() == 0);
    drop(recordings);
    let (left, right) = sides(&folder.path().join("acme/call-1.wav"));

    // The caller: frames as they were sent, in their order and beside each other, but for those that a busy machine made late.
    let places: HashMap<&[i16], usize> = left.iter().enumerate().map(|(at, frame)| (&frame[..], at)).collect();
    let found: Vec<(usize, usize)> =
        caller.iter().enumerate().filter_map(|(n, payload)| Some((n, *places.get(&decoded(payload)[..])?))).collect();
    assert!(found.len() > FRAMES as usize * 8 / 10, "{} of {FRAMES} frames are there", found.len());
    assert!(found.is_sorted_by(|one, other| one.1 < other.1));
    let offset = |(n, at): &(usize, usize)| at.abs_diff(*n);
    let steady = found.windows(2).filter(|pair| offset(&pair[0]) == offset(&pair[1])).count();
    assert!(steady > found.len() * 9 / 10, "{steady} of {}", found.len());

    // The gateway: every packet that left, in its place.
    assert!(came.len() > 100, "{} packets came", came.len());
    let first = right.iter().position(|frame| !is_silent(frame)).unwrap();
    for (_, header, payload) in &came {
        let at = first + (header.timestamp.wrapping_sub(came[0].1.timestamp) / SAMPLES as u32) as usize;
        let near = right[at.saturating_sub(3)..].iter().take(7);
        assert!(near.into_iter().any(|frame| encoded(frame) == *payload), "frame {at}");
    }

    // Beside each other: both by what the far side's clock says.
    let between = came[0].0.saturating_duration_since(began).as_millis() as usize / 20;
    let recorded = first.abs_diff(found[0].1 - found[0].0);
    assert!(recorded.abs_diff(between) <= 5, "{recorded} frames in the recording, {between} by the clock");
}

#[test]
fn while_the_recording_is_paused_neither_side_can_be_heard_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let shards = shard();
    let mut call = Call::begin(&shards);
    let Recording { tap, grip } = recordings.start(request()).unwrap();
    call.media.mouth.try_send(MouthCommand::Record(Box::new(tap))).unwrap();
    let pcm = decoded(&noise(0).take(200 * SAMPLES).collect::<Vec<_>>());
    call.media.mouth.try_send(MouthCommand::Say { utterance: UtteranceId(1), rate_hz: 8_000, pcm }).unwrap();
    let mut secret = Vec::new();
    for n in 0..120 {
        match n {
            40 => grip.pause(),
            80 => grip.resume(),
            _ => {}
        }
        let payload: Vec<u8> = noise(n + 1).take(SAMPLES).collect();
        if (41..79).contains(&n) {
            secret.push(payload.clone());
        }
        call.frame(n, &payload);
    }
    let in_pause = |at: &Instant| (call.begin + FRAME * 41..call.begin + FRAME * 79).contains(at);
    secret.extend(call.came.iter().filter(|(at, ..)| in_pause(at)).map(|(_, _, payload)| payload.clone()));
    drop(call);
    until_blocking("the leg is gone", || shards.live_legs() == 0);
    drop(recordings);
    let (left, right) = sides(&folder.path().join("acme/call-1.wav"));
    assert!(secret.len() > 38 + 30, "{} frames were said in the pause", secret.len());
    for payload in &secret {
        let kept = left.iter().chain(&right).any(|frame| encoded(frame) == *payload);
        assert!(!kept, "a frame of the pause is in the recording");
    }
    let heard = |frames: &[Vec<i16>]| frames.iter().filter(|frame| !is_silent(frame)).count();
    assert!(heard(&left) > 50 && heard(&right) > 50, "{} and {} frames are kept", heard(&left), heard(&right));
    let note: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("acme/call-1.json")).unwrap()).unwrap();
    let pauses = note["pauses"].as_array().unwrap();
    let length_ms = pauses[0][1].as_u64().unwrap() - pauses[0][0].as_u64().unwrap();
    assert!(pauses.len() == 1 && (780..=1_000).contains(&length_ms), "{pauses:?}");
}

#[test]
fn path_that_carries_packets_both_ways_is_proven_and_one_that_does_not_is_told() {
    let shards = shard();
    let mut call = Call::begin(&shards);
    let (within, dead_air) = (Duration::from_millis(300), Duration::from_millis(400));
    call.media.mouth.try_send(MouthCommand::Watch { path_within: within, dead_air }).unwrap();
    let silent = blocking_event(&mut call.media, |event| matches!(event, LegEvent::PathSilent { .. }));
    // Nothing leaves while there is nothing to say: that is no fault of the path.
    assert!(matches!(silent, LegEvent::PathSilent { heard: false, sent: true }), "{silent:?}");
    let dead = blocking_event(&mut call.media, |event| matches!(event, LegEvent::DeadAir { .. }));
    let LegEvent::DeadAir { heard_ago_ms, said_ago_ms } = dead else { unreachable!() };
    assert!(heard_ago_ms >= 400 && said_ago_ms >= 400, "{dead:?}");
    call.begin = Instant::now();
    (0..30).for_each(|n| call.frame(n, &noise(n).take(SAMPLES).collect::<Vec<_>>()));
    let proven = blocking_event(&mut call.media, |event| matches!(event, LegEvent::PathProven { .. }));
    assert!(matches!(proven, LegEvent::PathProven { after_ms } if after_ms >= 300), "{proven:?}");
    // Alive again by the caller's voice; and dead once more when that ends.
    blocking_event(&mut call.media, |event| matches!(event, LegEvent::DeadAir { .. }));
}

#[test]
fn line_that_ought_to_be_sent_silence_and_has_no_address_is_silent_both_ways() {
    let shards = shard();
    let config = LegConfig { silence: Silence::Comfort, ..ulaw(None, None) };
    let (mut media, _wire) = shards.open_rtp(config).unwrap();
    let (path_within, dead_air) = (Duration::from_millis(100), SOON);
    media.mouth.try_send(MouthCommand::Watch { path_within, dead_air }).unwrap();
    let silent = blocking_event(&mut media, |event| matches!(event, LegEvent::PathSilent { .. }));
    assert!(matches!(silent, LegEvent::PathSilent { heard: false, sent: false }), "{silent:?}");
}

fn until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "never: {what}");
        std::thread::yield_now();
    }
}

fn blocking_event(media: &mut MediaLeg, wanted: impl Fn(&LegEvent) -> bool) -> LegEvent {
    let begin = Instant::now();
    loop {
        match media.events.try_recv() {
            Ok(event) if wanted(&event) => return event,
            Ok(_) => {}
            Err(_) => std::thread::yield_now(),
        }
        assert!(begin.elapsed() < SOON, "the event never came");
    }
}
