//! Sound through a real Asterisk, compared sample by sample: what the gateway said in what a SIP caller recorded, and the other way round.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use vg_domain::ids::TenantId;
use vg_media::{Codec, Silence};
use vg_tests::house::recording;
use vg_tests::lab::{Asterisk, CallRecord, Calm, EndedBy, Line, Operator, Sameness, SipCaller, SipLine, Voice, compare};
use voice_gateway::adapters::rtp::{LegConfig, ShardConfig, Shards};
use voice_gateway::application::ports::{TelephonyEvent, TenantHint};

/// A recording at a rate.
fn speech(name: &str, rate_hz: u32) -> Vec<i16> {
    let wide = recording(name).unwrap();
    if rate_hz == 16_000 { wide } else { vg_media::resample::convert(&wide, 16_000, rate_hz).unwrap() }
}

/// A pause in which a line that is not dead carries silence.
const PAUSE: Duration = Duration::from_millis(600);

/// 60 dB below full scale. The least that A-law can say is 8; G.722 wavers a little before it settles.
const QUIET_MAX: u16 = 32;

/// A call as both ends recorded it.
struct Recorded {
    what: &'static str,
    rate_hz: u32,
    /// What the gateway heard.
    heard: Vec<i16>,
    call: CallRecord,
}

/// What the gateway says: alone, and while the caller speaks.
const OURS: [&str; 2] = ["hours.wav", "pizza.wav"];
/// What the caller says: alone, and while the gateway speaks.
const THEIRS: [&str; 2] = ["order.wav", "football.wav"];

/// The gateway speaks, then the caller, then both at once.
async fn talk(what: &'static str, mut line: Line, mut caller: SipCaller) -> Recorded {
    let rate_hz = line.rate_hz();
    assert_eq!(rate_hz, caller.rate_hz(), "a story compares at one rate");
    let ours = OURS.map(|name| speech(name, rate_hz));
    let theirs = THEIRS.map(|name| speech(name, rate_hz));
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
    Recorded { what, rate_hz, heard, call }
}

fn duration(samples: &[i16], rate_hz: u32) -> Duration {
    Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz))
}

impl Recorded {
    /// Both directions, sample by sample; then the pauses.
    fn judge(&self, snr_db_min: f64) -> Result<()> {
        let Self { what, rate_hz, .. } = *self;
        println!("{what}: {:?}", self.call.pacing);
        let find = |name: &str, heard: &[i16]| {
            let found =
                compare(&speech(name, rate_hz), heard, rate_hz).with_context(|| format!("{what}: {name} is not there"))?;
            println!("{what}: {name} {found:?}");
            ensure!(found.pieces >= 4, "{what}: too little of {name} was said to judge");
            ensure!(found.snr_db >= snr_db_min && found.level_db.abs() <= 1.0, "{what}: {name} {found:?}");
            anyhow::Ok(found)
        };
        let down = [find(OURS[0], &self.call.heard)?, find(OURS[1], &self.call.heard)?];
        for name in THEIRS {
            find(name, &self.heard)?;
        }
        ensure!(self.call.pacing.lost == 0, "{what}: packets were lost");
        self.judge_pauses(down)?;
        judge_line(what, &self.call)
    }

    /// Silence is in all packets up to the first word and between the utterances.
    fn judge_pauses(&self, down: [Sameness; 2]) -> Result<()> {
        let (what, rate) = (self.what, self.rate_hz as usize);
        let at = |delay_ms: f64| (delay_ms * rate as f64 / 1000.0).round() as usize;
        let [first, second] = down.map(|found| (at(found.delay_ms[0]), at(found.delay_ms[2])));
        let margin = rate / 50;
        let first_ends = first.1 + speech(OURS[0], self.rate_hz).len();
        for pause in [0..first.0.saturating_sub(margin), first_ends + margin..second.0 - margin] {
            let loudest = self.call.heard[pause.clone()].iter().map(|sample| sample.unsigned_abs()).max();
            println!("{what}: loudest in {pause:?}: {loudest:?}");
            ensure!(loudest.is_some_and(|loudest| loudest <= QUIET_MAX), "{what}: a click of {loudest:?} in {pause:?}");
        }
        Ok(())
    }
}

/// Makes a call and judges it. One that fails while the machine stood still is made again: then the fault says nothing about us.
async fn fairly<T, F, J>(call: impl Fn() -> F, judge: J)
where
    T: Send + 'static,
    F: Future<Output = T>,
    J: Fn(&T) -> Result<()> + Clone + Send + 'static,
{
    const ATTEMPTS: usize = 4;
    const STALL: Duration = Duration::from_millis(10);
    for attempt in 1..=ATTEMPTS {
        let calm = Calm::watch().unwrap();
        let made = call().await;
        let stall = calm.longest_stall();
        let judge = judge.clone();
        // Elsewhere: a call beside this one must go on meanwhile.
        let judged = tokio::task::spawn_blocking(move || judge(&made));
        match judged.await.unwrap() {
            Ok(()) => return,
            Err(fault) if attempt < ATTEMPTS && stall > STALL => {
                println!("again, for the machine stood still for {stall:?}: {fault:#}");
            }
            Err(fault) => panic!("{fault:#}; the machine stood still for {stall:?} at most"),
        }
    }
}

/// The caller got a packet for each 20 ms of the call. A stall of the machine may cost some, a pause would cost half of them.
fn judge_line(what: &str, call: &CallRecord) -> Result<()> {
    let frames = call.said.len() * 50 / call.rate_hz as usize;
    ensure!(call.pacing.packets * 20 >= frames * 19, "{what}: {:?} in {frames} frames", call.pacing);
    Ok(())
}

async fn nothing_left(asterisk: &Asterisk) {
    assert_eq!(asterisk.channels().await.unwrap(), Vec::<String>::new());
    assert_eq!(asterisk.bridges().await.unwrap(), Vec::<String>::new());
}

async fn rtp_story(what: &'static str, codec: Codec, voice: Voice) -> Recorded {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_rtp(&asterisk, codec).await.unwrap();
    let (caller, line) = tokio::join!(SipCaller::dial_in(&asterisk, "100", voice), operator.takes());
    let recorded = talk(what, line.unwrap(), caller.unwrap()).await;
    let stats = operator.stats();
    assert_eq!(stats.packets_garbage, 0, "{stats:?}");
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
    recorded
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_by_rtp_is_the_same_at_both_ends_in_pcmu_pcma_and_g722() {
    tokio::join!(
        fairly(|| rtp_story("pcmu", Codec::Pcmu, Voice::Pcmu), |made| made.judge(36.0)),
        fairly(|| rtp_story("pcma", Codec::Pcma, Voice::Pcma), |made| made.judge(36.0)),
        // Asterisk's own G.722 judges ours, each way.
        fairly(|| rtp_story("g722", Codec::G722, Voice::Wide), |made| made.judge(27.0)),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_by_chan_websocket_is_the_same_at_both_ends_in_slin16_and_opus() {
    tokio::join!(
        // No bit of linear samples is changed on the way.
        fairly(|| socket_story("slin16", "120"), |made| made.judge(99.0)),
        // Opus keeps what is heard, not the wave.
        fairly(|| socket_story("opus", "121"), |made| made.judge(6.0)),
    );
}

async fn socket_story(what: &'static str, number: &str) -> Recorded {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_websocket(&asterisk).await.unwrap();
    let (caller, line) = tokio::join!(SipCaller::dial_in(&asterisk, number, Voice::Wide), operator.takes());
    let line = line.unwrap();
    assert_eq!(line.tenant, TenantHint::Named(TenantId::new("demo")));
    let recorded = talk(what, line, caller.unwrap()).await;
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
    recorded
}

/// What became of the keys of a call.
struct Keys {
    told: String,
    in_sound: usize,
    /// What Asterisk noted of them, to tell whose fault it is.
    asterisk: String,
}

impl Keys {
    fn judge(&self) -> Result<()> {
        println!("{} keys told, {} in the sound", self.told, self.in_sound);
        ensure!(
            self.told == "15590*#D77#A0" && self.in_sound == 0,
            "{} was told, {} in the sound\n{}",
            self.told,
            self.in_sound,
            self.asterisk
        );
        Ok(())
    }
}

fn dtmf_log(asterisk: &Asterisk) -> String {
    asterisk.log().lines().filter(|line| line.contains("] DTMF[")).collect::<Vec<_>>().join("\n")
}

/// Everything a keypad has and more than once, by both ways; each comes once and in order.
async fn keys_story(operator: &mut Operator, asterisk: &Asterisk, number: &str) -> Keys {
    let (caller, line) = tokio::join!(SipCaller::dial(asterisk, number), operator.takes());
    let (mut caller, mut line) = (caller.unwrap(), line.unwrap());
    let keys = [('1', 60), ('5', 160), ('5', 160), ('9', 800), ('0', 100), ('*', 100), ('#', 100), ('D', 100)];
    for (key, ms) in keys {
        let held = Duration::from_millis(ms);
        caller.press(key, held).unwrap();
        line.listen(held + Duration::from_millis(120)).await.unwrap();
    }
    line.until_digits(keys.len()).await.unwrap();
    for (nth, key) in ['7', '7', '#', 'A', '0'].into_iter().enumerate() {
        caller.press_by_info(key).await.unwrap();
        line.until_digits(keys.len() + nth + 1).await.unwrap_or_else(|error| panic!("{error:#}: {}", asterisk.log()));
        // A key that comes in the very moment another ends was seen to get lost before Asterisk's channel; no finger is so quick.
        line.listen(Duration::from_millis(200)).await.unwrap();
    }
    // A key that comes twice comes soon.
    line.listen(Duration::from_millis(700)).await.unwrap();
    let keys = Keys { told: line.digits.iter().collect(), in_sound: line.digits_in_sound.len(), asterisk: dtmf_log(asterisk) };
    let (record, over) = tokio::join!(caller.hang_up(), line.until_over(Duration::from_secs(5)));
    record.unwrap();
    over.unwrap();
    line.release().await.unwrap();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_by_rfc_4733_and_by_sip_info_come_once_each_whatever_carries_the_sound() {
    tokio::join!(fairly(keys_beside_rtp, Keys::judge), fairly(keys_beside_a_socket, Keys::judge));
}

async fn keys_beside_rtp() -> Keys {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_rtp(&asterisk, Codec::Pcmu).await.unwrap();
    let keys = keys_story(&mut operator, &asterisk, "100").await;
    // No packet of a key, or of anything else, came with the sound.
    assert_eq!(operator.stats().packets_garbage, 0);
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
    keys
}

async fn keys_beside_a_socket() -> Keys {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_websocket(&asterisk).await.unwrap();
    let keys = keys_story(&mut operator, &asterisk, "120").await;
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_pass_both_ways_but_for_external_media_which_speaks_no_rtcp() {
    tokio::join!(external_media_is_not_harmed_by_reports(), reports_pass_where_asterisk_speaks_rtcp());
}

async fn external_media_is_not_harmed_by_reports() {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_rtp(&asterisk, Codec::Pcmu).await.unwrap();
    let (caller, line) = tokio::join!(SipCaller::dial(&asterisk, "100"), operator.takes());
    let (caller, mut line) = (caller.unwrap(), line.unwrap());
    // Twice Asterisk's interval, which is 5 s.
    line.listen(Duration::from_secs(10)).await.unwrap();
    let stats = operator.stats();
    println!("external media: {} reports sent, {} came", stats.reports_out, stats.reports_in);
    assert!(stats.reports_out > 0);
    // The day this fails round trips can be told of these legs too.
    assert_eq!(stats.reports_in, 0);
    let (record, over) = tokio::join!(caller.hang_up(), line.until_over(Duration::from_secs(5)));
    // Half of them: what sound is worth is judged elsewhere.
    assert!(record.unwrap().pacing.packets > 250);
    over.unwrap();
    line.release().await.unwrap();
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
}

async fn reports_pass_where_asterisk_speaks_rtcp() {
    let asterisk = Asterisk::start().await.unwrap();
    // Our media thread is the telephone here: a SIP call's RTP is where Asterisk makes reports.
    let shards = Shards::start(ShardConfig::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let codec = Codec::Pcmu;
    let config = LegConfig { codec, rate_hz: 8_000, remote: None, events: None, still: None, silence: Silence::Comfort };
    let (mut leg, wire) = shards.open_rtp(config).unwrap();
    let call = SipLine::dial(&asterisk, "200", wire.local_addr().port()).await.unwrap();
    wire.set_remote(call.remote()).unwrap();
    let channels = asterisk.cli("core show channels concise").await.unwrap();
    let channel = channels.lines().find_map(|line| line.rsplit('!').next()).unwrap().trim().to_owned();

    // Asterisk tells a round trip when our report has answered its own.
    let mut measured = serde_json::Value::Null;
    for _ in 0..200 {
        let pause = tokio::time::sleep(Duration::from_millis(100));
        tokio::pin!(pause);
        while tokio::select! { _ = leg.events.recv() => true, () = &mut pause => false } {}
        measured = asterisk.rtp_statistics(&channel).await.unwrap();
        // A leg tells what it counts three times a second.
        if measured["rtt"].as_f64().is_some_and(|rtt| rtt > 0.0) && shards.stats().reports_in > 0 {
            break;
        }
    }
    let stats = shards.stats();
    println!("{} reports sent, {} came; asterisk: {measured}", stats.reports_out, stats.reports_in);
    assert!(stats.reports_out >= 2 && stats.reports_in >= 1, "{stats:?}");
    let told = |name: &str| measured[name].as_f64().unwrap_or_else(|| panic!("no {name} in {measured}"));
    // What Asterisk got of us, what we told it that we got, and how long the way is: on loopback our own tick of 5 ms, most of it.
    assert_eq!((told("rxploss"), told("txploss"), told("remote_maxrxploss")), (0.0, 0.0, 0.0));
    assert!(told("rtt") > 0.0 && told("rtt") < 0.2, "{measured}");
    call.hang_up().await.unwrap();
    nothing_left(&asterisk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_packets_pause_is_heard_again_and_never_stops_hearing() {
    fairly(packets_pause, |[up, down]| {
        println!("after the pause: {up:?}, during it: {down:?}");
        let snr_db = |found: &Option<Sameness>| found.map_or(0.0, |found| found.snr_db);
        ensure!(snr_db(up) > 36.0, "the caller is not heard again: {up:?}");
        ensure!(snr_db(down) > 36.0, "the caller stopped hearing: {down:?}");
        Ok(())
    })
    .await;
}

/// The caller at the gateway after a pause, and the gateway at the caller during it.
async fn packets_pause() -> [Option<Sameness>; 2] {
    let asterisk = Asterisk::start().await.unwrap();
    let mut operator = Operator::by_rtp(&asterisk, Codec::Pcmu).await.unwrap();
    let (caller, line) = tokio::join!(SipCaller::dial(&asterisk, "100"), operator.takes());
    let (mut caller, mut line) = (caller.unwrap(), line.unwrap());
    line.listen(PAUSE).await.unwrap();
    caller.fall_silent();
    let (rate_hz, before) = (line.rate_hz(), operator.stats().packets_in);
    let (answer, question) = (speech("pizza.wav", rate_hz), speech("order.wav", rate_hz));
    line.say(rate_hz, &answer).await.unwrap();
    let silent = operator.stats().packets_in - before;
    assert!(silent < 10, "{silent} packets came of a caller who sends none");
    caller.speak_up();
    let (said, heard) = tokio::join!(caller.say(&question), line.listen(duration(&question, rate_hz) + PAUSE));
    said.unwrap();
    heard.unwrap();
    let (record, over) = tokio::join!(caller.hang_up(), line.until_over(Duration::from_secs(5)));
    over.unwrap();
    let found = [compare(&question, &line.heard, rate_hz), compare(&answer, &record.unwrap().heard, rate_hz)];
    line.release().await.unwrap();
    operator.stop().await.unwrap();
    nothing_left(&asterisk).await;
    found
}
