//! Sound through a real Asterisk, compared sample by sample: what the gateway said in what a SIP caller recorded, and the other way round.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::time::Duration;
use vg_media::Codec;
use vg_tests::house::recording;
use vg_tests::lab::{Asterisk, CallRecord, EndedBy, Line, Operator, Sameness, SipCaller, Voice, compare};
use voice_gateway::application::ports::TelephonyEvent;

/// A recording at a rate.
fn speech(name: &str, rate_hz: u32) -> Vec<i16> {
    let wide = recording(name).unwrap();
    if rate_hz == 16_000 { wide } else { vg_media::resample::convert(&wide, 16_000, rate_hz).unwrap() }
}

/// A pause in which a line that is not dead carries silence.
const PAUSE: Duration = Duration::from_millis(600);

/// What the two ends made of a call.
struct Compared {
    /// The gateway's words at the caller: alone, and while the caller spoke.
    down: [Sameness; 2],
    /// The caller's words at the gateway: alone, and while the gateway spoke.
    up: [Sameness; 2],
    call: CallRecord,
}

/// The gateway speaks, then the caller, then both at once.
async fn talk(mut line: Line, mut caller: SipCaller) -> Compared {
    let rate_hz = line.rate_hz();
    assert_eq!(rate_hz, caller.rate_hz(), "a story compares at one rate");
    let ours = ["hours.wav", "pizza.wav"].map(|name| speech(name, rate_hz));
    let theirs = ["order.wav", "football.wav"].map(|name| speech(name, rate_hz));
    line.listen(PAUSE).await.unwrap();
    line.say(rate_hz, &ours[0]).await.unwrap();
    line.listen(PAUSE).await.unwrap();
    let (said, heard) = tokio::join!(caller.say(&theirs[0]), line.listen(duration(&theirs[0], rate_hz) + PAUSE));
    said.unwrap();
    heard.unwrap();
    let (said, heard) = tokio::join!(caller.say(&theirs[1]), line.say(rate_hz, &ours[1]));
    said.unwrap();
    heard.unwrap();
    line.listen(PAUSE).await.unwrap();
    let (record, over) = tokio::join!(caller.hang_up(), line.until_over(Duration::from_secs(5)));
    assert_eq!(over.unwrap(), TelephonyEvent::CallerGone);
    let heard = std::mem::take(&mut line.heard);
    line.release().await.unwrap();
    let call = record.unwrap();
    assert_eq!(call.ended_by, EndedBy::Caller);
    let down = ours.map(|ours| compare(&ours, &call.heard, rate_hz).expect("the gateway's words are not at the caller's"));
    let up = theirs.map(|theirs| compare(&theirs, &heard, rate_hz).expect("the caller's words are not at the gateway's"));
    Compared { down, up, call }
}

fn duration(samples: &[i16], rate_hz: u32) -> Duration {
    Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz))
}

impl Compared {
    fn assert_same(&self, what: &str, snr_db_min: f64) {
        println!("{what}: {:?}", self.call.pacing);
        for (way, found) in [("to the caller", self.down), ("to the gateway", self.up)] {
            for found in found {
                println!("{what} {way}: {found:?}");
                assert!(found.pieces >= 4, "{what} {way}: too little was said to judge");
                assert!(found.snr_db >= snr_db_min, "{what} {way}: {found:?}");
                assert!(found.level_db.abs() <= 1.0, "{what} {way}: {found:?}");
            }
        }
        assert_eq!(self.call.pacing.lost, 0);
    }
}

async fn nothing_left(asterisk: &Asterisk) {
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    assert_eq!(asterisk.bridges().await.unwrap(), Vec::<String>::new());
}

async fn rtp_story(codec: Codec, voice: Voice, snr_db_min: f64) -> Compared {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_rtp(&asterisk, codec).await.unwrap();
    let (caller, line) = tokio::join!(SipCaller::dial_in(&asterisk, "100", voice), operator.takes());
    let compared = talk(line.unwrap(), caller.unwrap()).await;
    compared.assert_same(&format!("{codec:?}"), snr_db_min);
    let stats = operator.stats();
    assert_eq!((stats.packets_garbage, stats.packets_unsent), (0, 0), "{stats:?}");
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn pcmu_is_the_same_sound_at_both_ends() {
    rtp_story(Codec::Pcmu, Voice::Pcmu, 30.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pcma_is_the_same_sound_at_both_ends() {
    rtp_story(Codec::Pcma, Voice::Pcma, 30.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g722_is_the_same_sound_at_both_ends() {
    rtp_story(Codec::G722, Voice::Wide, 12.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slin16_by_chan_websocket_is_the_same_sound_at_both_ends() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_websocket(&asterisk).await.unwrap();
    let (caller, line) = tokio::join!(SipCaller::dial_in(&asterisk, "120", Voice::Wide), operator.takes());
    let compared = talk(line.unwrap(), caller.unwrap()).await;
    compared.assert_same("slin16", 30.0);
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
}
