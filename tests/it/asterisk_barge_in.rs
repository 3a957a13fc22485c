//! A caller speaks over the agent on a real Asterisk: how soon the agent is silent, by a capture of what passes between gateway, Asterisk and caller.
//!
//! All instants are of one clock, the machine's: the kernel's for each packet, the gateway's own for its facts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::{Duration, SystemTime};
use vg_domain::event::Fact;
use vg_domain::outcome::EndCause;
use vg_tests::house::{House, recording};
use vg_tests::lab::wire::{Message, Passed, Wire, is_voiced, messages, save, sockets_of};
use vg_tests::lab::{Asterisk, Calm, SipCaller, fairly};

/// How often the caller speaks over an answer in one call. All of them are told, and all of them count.
const TIMES: usize = 5;
/// From the caller's first voiced sample at the gateway to the agent's last sound; the least that a jitter buffer aims at is on top.
const SILENT_MS: f64 = 300.0 + 20.0;
/// From the gateway's own word that the caller has the floor to the agent's last sound.
const CONFIRMED_MS: f64 = 40.0;
/// What the machine stood still for is the machine's, but no more than this: behind a longer one nobody can tell whose fault it was.
const STALL_MAX: Duration = Duration::from_millis(200);

/// What a story showed, and how long the machine stood still meanwhile.
type Told = (Result<()>, Duration);

/// What the bounds allow the machine, in milliseconds.
fn allowed_ms(stall: Duration) -> f64 {
    stall.min(STALL_MAX).as_secs_f64() * 1000.0
}

/// The caller's sound at the telephone's rate.
fn telephone(name: &str) -> Vec<i16> {
    vg_media::resample::convert(&recording(name).unwrap(), 16_000, 8_000).unwrap()
}

/// The caller speaks over an answer; when it began to, and when the gateway gave it the floor.
async fn interrupt(house: &mut House, caller: &mut SipCaller, nth: usize) -> (SystemTime, SystemTime) {
    let asked = caller.say(&telephone("time.wav")).await.unwrap();
    caller.hears_speech(asked, Duration::from_secs(8)).await.unwrap();
    // The caller listens for a while: an answer that has just begun is taken back, not interrupted. Each time to another part of it.
    tokio::time::sleep(Duration::from_millis(600 + 110 * nth as u64)).await;
    let over = SystemTime::now();
    caller.begin_saying(&telephone("hours.wav")).unwrap();
    let (confirmed, ()) = house
        .fact_at("the interrupted turn", |_, fact| match fact {
            Fact::Turn(record) if record.interrupted => Some(()),
            _ => None,
        })
        .await
        .unwrap();
    // That is answered in its turn, and then it is quiet: the next time is like the first.
    house
        .fact("what becomes of what was said over it", |_, fact| match fact {
            Fact::Turn(_) | Fact::NotUnderstood { .. } => Some(()),
            _ => None,
        })
        .await
        .unwrap();
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    (over, confirmed)
}

/// When somebody was to be heard on each of the three ways.
struct Sounds {
    /// From the caller, where it comes to the gateway.
    caller: Vec<SystemTime>,
    /// From the agent, where it leaves the gateway.
    agent: Vec<SystemTime>,
    /// The same, where it comes to the caller.
    heard: Vec<SystemTime>,
}

/// What became of one interruption, in milliseconds since the caller's first voiced sample was at the gateway.
#[derive(Clone, Copy, Debug)]
struct Silenced {
    /// The gateway said that the caller has the floor.
    confirmed: f64,
    /// The agent's last sound left the gateway.
    agent: f64,
    /// The agent's last sound was at the caller.
    heard: f64,
}

impl Sounds {
    fn of(&self, (over, confirmed): (SystemTime, SystemTime)) -> Silenced {
        let first = *self.caller.iter().find(|at| **at >= over).expect("the caller is heard");
        // What is answered then comes more than half a second later: the caller has not even finished.
        let until = confirmed + Duration::from_millis(500);
        let last = |sounds: &[SystemTime]| *sounds.iter().rfind(|at| **at < until).expect("the agent was heard");
        let ms = |at: SystemTime| match at.duration_since(first) {
            Ok(after) => after.as_secs_f64() * 1000.0,
            Err(before) => -before.duration().as_secs_f64() * 1000.0,
        };
        Silenced { confirmed: ms(confirmed), agent: ms(last(&self.agent)), heard: ms(last(&self.heard)) }
    }
}

/// Reports all of them and holds them to the bounds.
fn judge(way: &str, all: &[Silenced], stall: Duration) -> Result<()> {
    for Silenced { confirmed, agent, heard } in all {
        println!(
            "{way}: the agent's last sound left {agent:.0} ms after the caller's first, and was heard {heard:.0} ms after it; confirmed after {confirmed:.0} ms"
        );
    }
    println!("{way}: the machine stood still for {stall:.0?} at most");
    assert_eq!(all.len(), TIMES);
    let allowed_ms = allowed_ms(stall);
    for silenced in all {
        ensure!(silenced.agent <= SILENT_MS + allowed_ms, "{way}: {silenced:?}");
        ensure!(silenced.agent - silenced.confirmed <= CONFIRMED_MS + allowed_ms, "{way}: {silenced:?}");
        // Asterisk keeps nothing back: a frame or two on their way.
        ensure!(silenced.heard <= SILENT_MS + 40.0 + allowed_ms, "{way}: {silenced:?}");
    }
    Ok(())
}

/// Keeps the capture where somebody wants to look at it.
fn keep(passed: &[Passed], name: &str) {
    if let Ok(folder) = std::env::var("VG_LAB_PCAP") {
        save(passed, &Path::new(&folder).join(format!("{name}.pcap"))).unwrap();
    }
}

/// A call in which the caller speaks over the agent again and again.
struct Call {
    passed: Vec<Passed>,
    caller_port: u16,
    moments: Vec<(SystemTime, SystemTime)>,
    stall: Duration,
}

impl Call {
    async fn make(number: &str, asterisk: &Asterisk, house: &mut House, gateway_ports: Vec<u16>) -> Self {
        let (wire, calm) = (Wire::tap(gateway_ports).unwrap(), Calm::watch().unwrap());
        let mut caller = SipCaller::dial(asterisk, number).await.unwrap();
        let caller_port = caller.audio_port();
        wire.also(caller_port);
        caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
        caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
        let mut moments = Vec::new();
        for nth in 0..TIMES {
            moments.push(interrupt(house, &mut caller, nth).await);
        }
        let stall = calm.longest_stall();
        caller.hang_up().await.unwrap();
        let ended = house.fact("the end", |_, fact| match fact {
            Fact::Ended(outcome) => Some(outcome.cause),
            _ => None,
        });
        assert_eq!(ended.await.unwrap(), EndCause::CallerHungUp);
        Self { passed: wire.finish().unwrap(), caller_port, moments, stall }
    }

    /// Moments of PCMU packets in which somebody is heard.
    fn voiced(&self, way: impl Fn(&Passed) -> bool) -> Vec<SystemTime> {
        self.passed.iter().filter(|packet| way(packet) && packet.voiced() == Some(true)).map(|packet| packet.at).collect()
    }

    fn judge(&self, way: &str, caller: Vec<SystemTime>, agent: Vec<SystemTime>) -> Result<()> {
        let heard = self.voiced(|packet| packet.to == self.caller_port);
        let sounds = Sounds { caller, agent, heard };
        let all: Vec<Silenced> = self.moments.iter().map(|moment| sounds.of(*moment)).collect();
        judge(way, &all, self.stall)
    }

    /// Each interruption empties Asterisk's buffer at once, and Asterisk answers the mark behind the order as soon.
    fn judge_flushes(&self, flushed: &[SystemTime], done: &[SystemTime]) -> Result<()> {
        let soon = Duration::from_millis(40) + self.stall.min(STALL_MAX);
        for (_, confirmed) in &self.moments {
            // The order may be on its way before the word of it is.
            let (at, flushed) =
                flushed.iter().enumerate().find(|(_, at)| **at + soon >= *confirmed).context("no flush for an interruption")?;
            let late = flushed.duration_since(*confirmed).unwrap_or_default();
            let took = done[at].duration_since(*flushed).unwrap();
            println!(
                "FLUSH_MEDIA left {late:.0?} after the gateway's word, and Asterisk's answer to the mark behind it came {took:.0?} later"
            );
            ensure!(late <= soon && took <= soon, "{late:?}, {took:?}");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_is_silent_within_a_third_of_a_second_of_a_voice_over_it_by_rtp() {
    fairly(STALL_MAX, |line| println!("{line}"), by_rtp).await;
}

async fn by_rtp() -> Told {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let ports: Vec<u16> = house.running().media_addrs().iter().map(|address| address.port()).collect();
    let call = Call::make("100", &asterisk, &mut house, ports.clone()).await;
    keep(&call.passed, "barge-in-rtp");
    let gateway = |port: u16| ports.contains(&port);
    let shown = call.judge("RTP", call.voiced(|packet| gateway(packet.to)), call.voiced(|packet| gateway(packet.from)));
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
    (shown, call.stall)
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_is_silent_within_a_third_of_a_second_of_a_voice_over_it_by_websocket() {
    fairly(STALL_MAX, |line| println!("{line}"), by_websocket).await;
}

async fn by_websocket() -> Told {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::start().await.unwrap();
    asterisk.dials_media_at(house.http()).await.unwrap();
    let gateway = house.http().port();
    let call = Call::make("120", &asterisk, &mut house, vec![gateway]).await;
    keep(&call.passed, "barge-in-websocket");
    let sockets = sockets_of(&call.passed, gateway);
    let [socket] = sockets.as_slice() else { panic!("one call is one socket: {sockets:?}") };
    let (from, to) = (messages(&call.passed, gateway, *socket).unwrap(), messages(&call.passed, *socket, gateway).unwrap());
    let silent = call.judge("WebSocket", voiced_messages(&to), voiced_messages(&from));

    // What waited in Asterisk was thrown away, and Asterisk said so.
    let (flushed, marked) = (told(&from, "FLUSH_MEDIA"), told(&from, "MARK_MEDIA"));
    let done = told(&to, "MEDIA_MARK_PROCESSED");
    assert!(flushed.len() >= TIMES, "{} flushes of {TIMES} interruptions", flushed.len());
    assert_eq!((marked.len(), done.len()), (flushed.len(), flushed.len()), "every mark is answered");
    let counted = house.metric("vg_media_flush_seconds_count").await.unwrap();
    assert_eq!(counted, flushed.len() as f64, "each is measured");
    let shown = silent.and_then(|()| call.judge_flushes(&flushed, &done));
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
    (shown, call.stall)
}

/// When messages that hold this word passed.
fn told(messages: &[(SystemTime, Message)], word: &str) -> Vec<SystemTime> {
    let text = |message: &Message| matches!(message, Message::Text(text) if text.contains(word));
    messages.iter().filter(|(_, message)| text(message)).map(|(at, _)| *at).collect()
}

/// Moments of messages of linear sound in which somebody is heard.
fn voiced_messages(messages: &[(SystemTime, Message)]) -> Vec<SystemTime> {
    let voiced = |message: &Message| match message {
        Message::Binary(sound) => {
            let samples: Vec<i16> = sound.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
            is_voiced(&samples)
        }
        Message::Text(_) | Message::Control => false,
    };
    messages.iter().filter(|(_, message)| voiced(message)).map(|(at, _)| *at).collect()
}
