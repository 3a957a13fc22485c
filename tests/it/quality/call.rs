//! A call through a network: what a Mouth says, and what an Ear makes of it.

use std::time::{Duration, Instant};
use vg_media::link::{Link, Weather};
use vg_media::{
    Codec, DATAGRAM_MAX, Ear, EarConfig, EarSink, EarStats, Edge, Frame, Framing, Mouth, MouthConfig, RtpStart, Silence,
    UtteranceTag,
};

/// How often both ends are asked.
const TICK: Duration = Duration::from_millis(5);
/// What is listened to after the last word.
const AFTER: Duration = Duration::from_millis(600);

/// What came out.
pub(crate) struct Heard {
    /// Evenly spaced frames.
    pub(crate) line: Vec<i16>,
    /// The same, with silence for what was made up: an Ear that conceals nothing.
    pub(crate) holes: Vec<i16>,
    /// Speech edges, each after so many samples were delivered.
    pub(crate) edges: Vec<(usize, Edge)>,
    pub(crate) stats: EarStats,
    /// Packets that the network lost.
    pub(crate) lost: u64,
    /// Packets that were sent.
    pub(crate) sent: u64,
}

impl EarSink for Heard {
    fn frame(&mut self, frame: Frame<'_>) {
        self.line.extend(frame.samples);
        if frame.concealed {
            self.holes.resize(self.line.len(), 0);
        } else {
            self.holes.extend(frame.samples);
        }
    }

    fn edge(&mut self, edge: Edge) {
        self.edges.push((self.line.len(), edge));
    }
}

/// A leg of RTP at the codec's own rate, with packets of silence after the words. It sends all that a phone's microphone hears, and all of it is compared.
pub(crate) fn call(codec: Codec, said: &[i16], weather: Weather, seed: u64) -> Heard {
    say(MouthConfig { breath_max: Duration::ZERO, ..MouthConfig::new(codec, Framing::Rtp) }, said, weather, seed)
}

/// What a caller hears of a voice whose breath before the first word the gateway leaves out.
pub(crate) fn without_breath(said: &[i16]) -> Vec<i16> {
    say(MouthConfig::new(Codec::L16_8k, Framing::Rtp), said, Weather::default(), 0).line
}

fn say(config: MouthConfig, said: &[i16], weather: Weather, seed: u64) -> Heard {
    let (begin, codec) = (Instant::now(), config.codec);
    let rate_hz = codec.rate_hz();
    let config = MouthConfig { silence: Silence::Comfort, ..config };
    let mut mouth = Mouth::new(begin, config, RtpStart { ssrc: 7, sequence: 65_500, timestamp: u32::MAX - 9_000 }).unwrap();
    let mut ear = Ear::new(begin, EarConfig::new(codec, Framing::Rtp)).unwrap();
    let mut link = Link::new(seed, weather);
    let stats = ear.stats();
    let mut heard = Heard { line: Vec::new(), holes: Vec::new(), edges: Vec::new(), stats, lost: 0, sent: 0 };
    mouth.say(UtteranceTag(1), rate_hz, said).unwrap();
    mouth.end(UtteranceTag(1));
    let length = Duration::from_secs_f64(said.len() as f64 / f64::from(rate_hz)) + AFTER;
    let mut datagram = [0; DATAGRAM_MAX];
    for tick in 0..length.as_millis() as u32 / TICK.as_millis() as u32 {
        let now = begin + TICK * tick;
        while mouth.poll_event().is_some() {}
        while let Some(length) = mouth.poll_transmit(now, &mut datagram) {
            link.send(now, &datagram[..length]);
        }
        for (arrival, packet) in link.deliver(now) {
            ear.handle_datagram(arrival, &packet);
        }
        ear.poll(now, &mut heard);
    }
    Heard { stats: ear.stats(), lost: link.lost, sent: mouth.stats().packets, ..heard }
}
