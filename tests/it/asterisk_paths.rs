//! The self-test of the media path and the time of set-ups, through a real Asterisk.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::interval;
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_tests::house::House;
use vg_tests::lab::{Asterisk, SipCaller, SipLine};

/// The caller's sound: silence in PCMU, from when it is wished for.
struct Telephone {
    socket: Arc<UdpSocket>,
    sending: JoinSet<()>,
}

impl Telephone {
    fn new() -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        Self { socket, sending: JoinSet::new() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    fn begins_to_send(&mut self, to: SocketAddr) {
        let socket = Arc::clone(&self.socket);
        self.sending.spawn(async move {
            let mut frames = interval(Duration::from_millis(20));
            for n in 0u16.. {
                frames.tick().await;
                let mut packet = [0xFF; 172];
                packet[..2].copy_from_slice(&[0x80, 0]);
                packet[2..4].copy_from_slice(&n.to_be_bytes());
                packet[4..8].copy_from_slice(&(u32::from(n) * 160).to_be_bytes());
                packet[8..12].copy_from_slice(&[0, 0, 0, 7]);
                let _ = socket.send_to(&packet, to);
            }
        });
    }

    /// Packets that come within a second.
    fn hears(&self) -> usize {
        self.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let until = Instant::now() + Duration::from_secs(1);
        let mut packets = 0;
        while Instant::now() < until {
            packets += usize::from(self.socket.recv(&mut [0; 1_500]).is_ok());
        }
        packets
    }
}

async fn counted(house: &House, metric: &str, value: f64) {
    let reached = async {
        while house.metric(metric).await.ok() != Some(value) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(8), reached).await;
    if waited.is_err() {
        panic!("{metric} is {:?}, not {value}", house.metric(metric).await.ok());
    }
}

async fn nothing_left(house: &House, asterisk: &Asterisk) {
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    assert_eq!(asterisk.bridges().await.unwrap(), Vec::<String>::new());
}

fn media_channels(channels: &[String]) -> Vec<String> {
    channels.iter().filter(|name| name.starts_with("UnicastRTP/")).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_packets_is_built_anew_and_carries_sound_when_the_caller_sends() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let mut telephone = Telephone::new();
    let line = SipLine::dial(&asterisk, "100", telephone.port()).await.unwrap();
    let first = media_channels(&asterisk.channels().await.unwrap());
    counted(&house, "vg_media_paths_tested_total{outcome=\"nothing_heard\"}", 1.0).await;
    telephone.begins_to_send(line.remote());
    counted(&house, "vg_media_paths_rebuilt_total{outcome=\"proven\"}", 1.0).await;
    let second = media_channels(&asterisk.channels().await.unwrap());
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second, "another channel, and the old one gone");
    let heard = telephone.hears();
    assert!(heard > 30, "{heard} packets in a second");
    line.hang_up().await.unwrap();
    let cause = house.fact("the end", |_, fact| match fact {
        Fact::Ended(outcome) => Some(outcome.cause),
        _ => None,
    });
    assert_eq!(cause.await.unwrap(), EndCause::CallerHungUp);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_stays_silent_ends_the_call_where_the_operator_says_so() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving_with(&[asterisk.ari()], "media = { on_silent_path = 'end' }").await.unwrap();
    let telephone = Telephone::new();
    let _line = SipLine::dial(&asterisk, "100", telephone.port()).await.unwrap();
    let told = house.fact("the silence", |_, fact| match fact {
        Fact::PathSilent(code) => Some(*code),
        _ => None,
    });
    assert_eq!(told.await.unwrap(), "nothing_heard");
    let cause = house.fact("the end", |_, fact| match fact {
        Fact::Ended(outcome) => Some(outcome.cause),
        _ => None,
    });
    assert_eq!(cause.await.unwrap(), EndCause::NoSound);
    counted(&house, "vg_media_paths_rebuilt_total{outcome=\"silent\"}", 1.0).await;
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_set_up_is_accounted_for_by_its_parts() {
    const CALLS: usize = 5;
    let asterisk = Asterisk::start().await.unwrap();
    let house = House::serving(&[asterisk.ari()]).await.unwrap();
    for _ in 0..CALLS {
        let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
        caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
        caller.hang_up().await.unwrap();
    }
    let mut sum = 0.0;
    for part in ["settings", "conversation", "media", "answer", "greeting"] {
        let took = house.metric(&format!("vg_call_setup_seconds_sum{{part=\"{part}\"}}")).await.unwrap();
        println!("{part}: {:.1} ms on average", took * 1_000.0 / CALLS as f64);
        sum += took;
    }
    for part in ["over_asterisk", "total"] {
        let took = house.metric(&format!("vg_call_setup_seconds_sum{{part=\"{part}\"}}")).await.unwrap();
        println!("{part}: {:.1} ms on average", took * 1_000.0 / CALLS as f64);
    }
    let total = house.metric("vg_call_setup_seconds_sum{part=\"total\"}").await.unwrap();
    assert!((total - sum).abs() < 1e-6, "{total} is not {sum}");
    assert_eq!(house.metric("vg_call_setup_seconds_count{part=\"total\"}").await.unwrap(), CALLS as f64);
    nothing_left(&house, &asterisk).await;
    house.stop().await;
}
