//! What callers said last, in a real Redis: sealed, for moments, and for whoever goes on with the call.

use super::*;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn keeping(instance: &str, redis: &Redis, key: &str) -> Gateway {
    let toml = format!("[state]\nredis = \"redis://127.0.0.1:{}\"\nsound_key = \"env:SOUND_KEY\"", redis.port());
    Gateway::start(instance, &toml, &[("SOUND_KEY", key)])
}

/// A second at 16 kHz, as loud as that.
fn second(loud: i16) -> Sound {
    Sound { rate_hz: 16_000, pcm: vec![loud; 16_000] }
}

async fn pieces(redis: &mut MultiplexedConnection, call: &str) -> usize {
    redis::cmd("XLEN").arg(format!("vg:{{{call}}}:audio")).query_async(redis).await.unwrap()
}

async fn there_are(redis: &MultiplexedConnection, call: &str, wanted: usize) {
    until("so much sound is there", async || pieces(&mut redis.clone(), call).await == wanted).await;
}

#[tokio::test]
async fn the_last_three_seconds_of_what_a_caller_said_go_to_whoever_takes_the_call() {
    let server = Redis::start().await.unwrap();
    let (dead, heir) = (keeping("a", &server, KEY), keeping("b", &server, KEY));
    let (call, mut redis) = (CallId::new("call-1"), server.connect().await.unwrap());
    dead.states.keep(snapshot("call-1", 1));
    tokio::join!(dead.has_its_lease(), heir.settled());
    dead.all_written().await;
    assert_eq!(document(&mut redis, "call-1").await.unwrap()["audio_buffer"], "vg:{call-1}:audio");
    for loud in [1_000, 2_000, 3_000, 4_000] {
        dead.states.keep_sound(&call, Epoch::FIRST, second(loud));
    }
    there_are(&redis, "call-1", 3).await;
    let lasts_ms: i64 = redis::cmd("PTTL").arg("vg:{call-1}:audio").query_async(&mut redis).await.unwrap();
    assert!((1..=10_000).contains(&lasts_ms), "{lasts_ms}");
    let stored: Vec<(String, Vec<Vec<u8>>)> =
        redis::cmd("XRANGE").arg("vg:{call-1}:audio").arg("-").arg("+").query_async(&mut redis).await.unwrap();
    for (_, fields) in &stored {
        let most = (0..=255).map(|byte| fields[1].iter().filter(|other| **other == byte).count()).max().unwrap();
        assert!(fields[1].len() == 8_000 + 28 && most < 100, "a steady sound lies there as noise");
    }
    let holder = dead.states.holder().clone();
    dead.die();
    until("its lease has lapsed", async || !heir.states.adoptable().borrow().lapsed.is_empty()).await;
    let Claimed { sound, .. } = heir.states.claim(&call, &holder).await.unwrap();
    let sound = sound.expect("the caller's sound");
    assert_eq!((sound.rate_hz, sound.pcm.len()), (8_000, 24_000));
    // In the middle of each second, as loud as it was: the oldest has given way.
    for (at, loud) in [(4_000, 2_000), (12_000, 3_000), (20_000, 4_000)] {
        let heard = i32::from(sound.pcm[at]);
        assert!((heard - loud).abs() < loud / 10, "{heard}, not {loud}");
    }
    there_are(&redis, "call-1", 0).await;
    heir.stop().await;
}

#[tokio::test]
async fn sound_is_forgotten_and_opens_by_no_other_key() {
    let server = Redis::start().await.unwrap();
    let (dead, heir) = (keeping("a", &server, KEY), keeping("b", &server, &KEY.replace('0', "f")));
    let (call, redis) = (CallId::new("call-1"), server.connect().await.unwrap());
    dead.states.keep(snapshot("call-1", 1));
    tokio::join!(dead.has_its_lease(), heir.settled());
    dead.all_written().await;
    dead.states.keep_sound(&call, Epoch::FIRST, second(1_000));
    there_are(&redis, "call-1", 1).await;
    dead.states.forget_sound(&call);
    there_are(&redis, "call-1", 0).await;
    dead.states.keep_sound(&call, Epoch::FIRST, second(1_000));
    there_are(&redis, "call-1", 1).await;
    let holder = dead.states.holder().clone();
    dead.die();
    until("its lease has lapsed", async || !heir.states.adoptable().borrow().lapsed.is_empty()).await;
    let claimed = heir.states.claim(&call, &holder).await.unwrap();
    assert_eq!(claimed.sound, None, "the call goes on without it");
    heir.stop().await;
}

#[tokio::test]
async fn without_a_key_no_sound_is_kept() {
    let server = Redis::start().await.unwrap();
    let gateway = Gateway::of("a", &server);
    let (call, mut redis) = (CallId::new("call-1"), server.connect().await.unwrap());
    gateway.is_up().await;
    gateway.states.keep(snapshot("call-1", 1));
    gateway.states.keep_sound(&call, Epoch::FIRST, second(1_000));
    gateway.all_written().await;
    assert!(!gateway.states.keeps_sound());
    assert_eq!(document(&mut redis, "call-1").await.unwrap()["audio_buffer"], serde_json::Value::Null);
    assert_eq!(pieces(&mut redis, "call-1").await, 0);
    gateway.stop().await;
}
