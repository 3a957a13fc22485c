//! The time of a turn on a real Asterisk: what the gateway tells of it is what passed on the wire.
//!
//! All instants are of one clock, the machine's: the kernel's for each packet, the gateway's own for the moments of its turns.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::time::{Duration, Instant, SystemTime};
use vg_domain::event::Fact;
use vg_domain::turn::TurnRecord;
use vg_tests::house::{House, recording};
use vg_tests::lab::wire::{Passed, Wire};
use vg_tests::lab::{Asterisk, Calm, SipCaller};

/// Turns of one call; each of them counts.
const TURNS: usize = 4;
/// A packet holds 20 ms; the gateway's moment is that of a sample in it.
const PACKET: Duration = Duration::from_millis(20);
/// The end of a voice fades: the gateway's detector and the story's measure of loudness may part by so much.
const FADES: Duration = Duration::from_millis(80);

/// A turn's two ends by the machine's clock.
struct Told {
    from: SystemTime,
    to: SystemTime,
    total: Duration,
}

fn told(turn: &TurnRecord) -> Told {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let at = |moment: Instant| wall - now.duration_since(moment);
    let latency = turn.latency.expect("both ends are known");
    let (first, last) = (turn.spans.first().unwrap(), turn.spans.last().unwrap());
    let parts: u32 = latency.parts().iter().map(|part| part.ms).sum();
    assert_eq!(parts, latency.total_ms, "parts are the whole");
    Told { from: at(first.from), to: at(last.to), total: Duration::from_millis(latency.total_ms.into()) }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turns_time_runs_from_the_callers_last_sound_to_the_agents_first_one_on_the_wire() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut house = House::serving(&[asterisk.ari()]).await.unwrap();
    let ports: Vec<u16> = house.running().media_addrs().iter().map(|address| address.port()).collect();
    let (wire, calm) = (Wire::tap(ports.clone()).unwrap(), Calm::watch().unwrap());
    let mut caller = SipCaller::dial(&asterisk, "100").await.unwrap();
    caller.hears_speech(caller.answered_at(), Duration::from_secs(5)).await.unwrap();
    caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    let question = vg_media::resample::convert(&recording("time.wav").unwrap(), 16_000, 8_000).unwrap();
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        caller.say(&question).await.unwrap();
        let turn = house.fact("a turn", |_, fact| if let Fact::Turn(turn) = fact { Some(turn.clone()) } else { None });
        turns.push(told(&turn.await.unwrap()));
        caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(15)).await.unwrap();
    }
    let stall = calm.longest_stall();
    caller.hang_up().await.unwrap();
    let passed = wire.finish().unwrap();

    let gateway = |port: u16| ports.contains(&port);
    let voiced = |way: &dyn Fn(&Passed) -> bool| -> Vec<SystemTime> {
        passed.iter().filter(|packet| way(packet) && packet.voiced() == Some(true)).map(|packet| packet.at).collect()
    };
    let (said, answered) = (voiced(&|packet| gateway(packet.to)), voiced(&|packet| gateway(packet.from)));
    println!("the machine stood still for {stall:?} at most");
    for Told { from, to, total } in turns {
        // The voice is over between: what is said last is before the middle of the turn, what is answered first behind it.
        let middle = from + to.duration_since(from).unwrap() / 2;
        let last = *said.iter().rfind(|at| **at < middle).expect("the caller was heard");
        let first = *answered.iter().find(|at| **at >= middle).expect("the agent was heard");
        let on_wire = first.duration_since(last).unwrap();
        println!(
            "told {total:.0?}, on the wire {on_wire:.0?}; the ends apart by {:.1?} and {:.1?}",
            apart(from, last),
            apart(to, first)
        );
        assert!(apart(from, last) <= FADES + PACKET + stall, "the caller's last sound");
        assert!(apart(to, first) <= PACKET + stall, "the agent's first sound");
        assert!(apart(from + total, to) <= Duration::from_millis(1), "its time is what lies between its ends");
    }
    house.holds_nothing(Duration::from_secs(5)).await.unwrap();
    house.stop().await;
}
