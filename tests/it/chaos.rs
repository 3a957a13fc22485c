//! Several gateways with many calls, of which one after the other is killed, frozen or cut off from Redis: nobody is lost, nobody hears two of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::time::Duration;
use tokio::time::sleep;
use vg_tests::agent::Question;
use vg_tests::lab::{Ledger, Passage};
use vg_tests::load::callers::Diary;
use vg_tests::load::fleet::{Blow, Fleet, noticed, speakers};
use vg_tests::load::outage::{Heard, Spread, heard};
use vg_tests::{Size, program};

/// What every answer says: ten words, two seconds of a simulated voice.
const ANSWER: &str = "Your account is in good order since the month began.";
/// A sentence is four seconds long; with its answer, a wait and a breath.
const PAUSE: Duration = Duration::from_millis(5_500);
/// One sentence, one answer, one breath.
const CYCLE: Duration = Duration::from_millis(9_500);
/// How long each trouble of Redis lasts: more than until a lease has lapsed.
const TROUBLE: Duration = Duration::from_millis(2_500);
/// What a caller may notice of a gateway that dies: no packet, or no sound of who was speaking, for so long.
const GOAL_MS: u32 = 2_000;
/// The same, where a gateway that was not optimised takes fifty calls at once.
const NOTICED_MS: u32 = 4_000;
/// So long until somebody speaks again there who was speaking: fifty voices begin at the same moment.
const SPOKEN_MS: u32 = 8_000;
/// What hardly anybody notices.
const HARDLY_MS: u32 = 200;
/// So much later an answer may come on a machine that has other things to do.
const LATER_MS: u32 = 1_000;

/// So long there may be no packet, and no sound: the goal itself where the whole proof is run, and wherever the build is optimised.
fn bounds_ms() -> (u32, u32) {
    if Size::asked() == Size::Full || !cfg!(debug_assertions) { (GOAL_MS, GOAL_MS) } else { (NOTICED_MS, SPOKEN_MS) }
}

/// Chance that comes again with the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// All go; nothing is left, each had one conversation without a gap in it. The diaries.
async fn all_go(fleet: Fleet, calls: usize, kills: &[Blow]) -> Vec<Diary> {
    fleet.all_hang_up(Duration::from_secs(10)).await.unwrap();
    assert_eq!(fleet.asterisk.given_up(), 0, "callers were hung up or left to the dialplan\n{}", fleet.logs());
    assert_eq!(fleet.agent.brain.seen().opened.len(), calls, "one conversation for each call");
    for turns in fleet.agent.brain.turns_of_each() {
        let last = u32::try_from(turns.len()).unwrap();
        assert!(turns.iter().copied().eq(1..=last), "turns {turns:?} of a conversation");
    }
    let moves = fleet.asterisk.moves();
    let moved = |caller| moves.iter().filter(|moved| moved.caller == caller).count();
    let moves_of_each: Vec<usize> = (0..calls).map(moved).collect();
    match fleet.told().await.unwrap() {
        None => println!("not looked at: what was told to Kafka, for there is none to be had"),
        Some(told) => {
            are_told(&told, &moves_of_each);
            let asked = fleet.agent.brain.questions().into_iter().map(|asked| (fleet.ms_at(asked.at), asked));
            ends_are_told(&told, &asked.collect::<Vec<_>>(), kills);
        }
    }
    let diaries = fleet.finish();
    for (caller, diary) in diaries.iter().enumerate() {
        let moved = moves_of_each[caller];
        assert_eq!(speakers(diary).len(), moved + 1, "caller {caller} was moved {moved} times and heard {:?}", speakers(diary));
    }
    diaries
}

/// Kafka has of each call what became of it: each event once, none missing between two others, one beginning, one end, and one adoption for each time it
/// went on with another gateway.
fn are_told(told: &Ledger, moves_of_each: &[usize]) {
    told.is_whole().unwrap();
    for kind in ["state.lost", "state.back"] {
        assert!(told.notices.iter().any(|told| told == kind), "nobody has told of {kind}");
    }
    let mut moves_of_each = moves_of_each.to_vec();
    moves_of_each.sort_unstable();
    let mut adoptions = told.count("call.adopted");
    adoptions.sort_unstable();
    assert_eq!(adoptions, moves_of_each, "adoptions of each call, and how often it was moved");
    for kind in ["call.started", "call.answered", "call.ended"] {
        told.has_of_each(kind, 1).unwrap();
    }
    println!(
        "kafka: {} events of {} calls with {} adoptions, each there once ({} doubles by the same id)",
        told.ids.len(),
        told.calls.len(),
        adoptions.iter().sum::<usize>(),
        told.doubles
    );
}

/// So long a gateway gathers events before they are on its disk, with what the disk takes.
const UNTOLD_MS: u32 = 150;

/// A gateway that dies leaves no gap where it stops: what is missing at the end of its events only others know. What the agent was asked, and how many answers
/// the last gateway of a call has counted, is told as well; but for what was asked in the last moment before a kill, of which whoever goes on knows as little.
fn ends_are_told(told: &Ledger, asked: &[(u32, Question)], kills: &[Blow]) {
    let (in_last_moment, lost): (Vec<_>, Vec<_>) = asked
        .iter()
        .filter(|(_, asked)| !told.has_question(asked))
        .partition(|(at_ms, lost)| lost.times == 1 && kills.iter().any(|kill| (*at_ms..at_ms + UNTOLD_MS).contains(&kill.at_ms)));
    let untold = |call: &String| told.counted(call).unwrap_or_default().saturating_sub(told.answered(call));
    let unanswered: u64 = told.calls.keys().map(untold).sum();
    println!(
        "kafka: of {} questions that the agent was asked {} are not told, and {} of the last moment, of their answers {unanswered}; {} kills",
        asked.len(),
        lost.len(),
        in_last_moment.len(),
        kills.len()
    );
    assert!(lost.is_empty() && unanswered == 0, "whoever went on knew what was not told: {lost:?}, {kills:?}");
}

/// What those noticed to whom it happened: how long no packet came, and how long nothing was heard where somebody was speaking.
fn report(name: &str, blows: &[Blow], diaries: &[Diary], sentence_ms: u32) -> (Spread, Spread) {
    let words = ANSWER.split_whitespace().count();
    let mut all = Vec::new();
    for (nth, Blow { at_ms, callers }) in blows.iter().enumerate() {
        for caller in callers {
            let noticed = noticed(&diaries[*caller], *at_ms, words, sentence_ms);
            let mut noticed = noticed.unwrap_or_else(|| panic!("nobody speaks to caller {caller} after {at_ms} ms"));
            // Who is hit again before anything was heard is silent for both reasons: the second blow counts the rest.
            let next = blows[nth + 1..].iter().find(|blow| blow.callers.contains(caller)).map(|blow| blow.at_ms - at_ms);
            noticed.silence_ms = noticed.silence_ms.map(|silence| silence.min(next.unwrap_or(u32::MAX)));
            if let Some(silence) = noticed.silence_ms.filter(|silence| *silence > GOAL_MS) {
                println!("{name}: caller {caller} heard nothing for {silence} ms after {at_ms} ms");
            }
            all.push(noticed);
        }
    }
    let gaps = Spread::of(all.iter().map(|noticed| noticed.gap_ms));
    let silences = Spread::of(all.iter().filter_map(|noticed| noticed.silence_ms));
    let (gap_ms, silence_ms) = bounds_ms();
    println!(
        "{name}: without a packet {gaps}, {gap_ms} ms asserted; without a sound, of those who were spoken to, {silences}, {silence_ms} ms asserted; the goal is {GOAL_MS} ms"
    );
    (gaps, silences)
}

/// Redis is cut off from one of them, stuck and slow, flushed for all of them, stands still, and dies: they all keep their calls.
async fn redis_is_troubled(fleet: &mut Fleet) {
    for passage in [Passage::Cut, Passage::Stuck, Passage::Slow(Duration::from_millis(150))] {
        fleet.members[0].proxy.set(passage);
        sleep(TROUBLE).await;
        assert!(fleet.asterisk.moves().is_empty(), "{passage:?}: {:?}\n{}", fleet.asterisk.moves(), fleet.logs());
        fleet.members[0].proxy.mend();
    }
    let () = redis::cmd("FLUSHALL").query_async(&mut fleet.redis.connect().await.unwrap()).await.unwrap();
    sleep(TROUBLE).await;
    fleet.redis.pause().unwrap();
    sleep(TROUBLE).await;
    fleet.redis.resume().unwrap();
    sleep(TROUBLE).await;
    assert!(fleet.asterisk.moves().is_empty(), "{:?}\n{}", fleet.asterisk.moves(), fleet.logs());
    // It comes back with all that it had but leases, which have lapsed meanwhile, and the next time with nothing. Whoever looked dead by that would be taken
    // for dead as soon as everybody may judge again.
    for forgets in [false, true] {
        fleet.redis.kill9().unwrap();
        sleep(TROUBLE).await;
        if forgets {
            fleet.redis.forget().unwrap();
        }
        fleet.redis.restart().await.unwrap();
        fleet.settles_anew().await.unwrap();
        assert!(fleet.asterisk.moves().is_empty(), "forgets: {forgets}: {:?}\n{}", fleet.asterisk.moves(), fleet.logs());
    }
    let lapsed = fleet.total("vg_adoptions_total{outcome=\"attended\"}").await.unwrap();
    assert!(lapsed > 0.0, "nobody was tempted: the lease of one that was cut off did not lapse");
}

/// One of them stands still for ten seconds. When it goes on nobody hears it.
async fn one_is_frozen(fleet: &mut Fleet) -> Blow {
    let (blow, moves) = (fleet.blow(1), fleet.asterisk.moves().len());
    assert!(!blow.callers.is_empty());
    fleet.members[1].gateway.freeze(true).unwrap();
    fleet.is_relieved_of_all(1).await.unwrap();
    println!("frozen: with another gateway after {}", Spread::of(fleet.taken_after(&blow, moves).into_iter()));
    let left = Duration::from_secs(10).saturating_sub(Duration::from_millis(u64::from(fleet.now_ms() - blow.at_ms)));
    sleep(left).await;
    let (before, woke_ms) = (fleet.asterisk.said_to_nobody(), fleet.now_ms());
    fleet.members[1].gateway.freeze(false).unwrap();
    let taken_over = async || fleet.members[1].gateway.metric("vg_calls_taken_over_total").await.unwrap_or(0.0);
    while taken_over().await < blow.callers.len() as f64 {
        assert!(fleet.now_ms() - woke_ms < 10_000, "it does not let go of its calls\n{}", fleet.logs());
        sleep(Duration::from_millis(10)).await;
    }
    println!("frozen: {} calls were let go {} ms after it woke", blow.callers.len(), fleet.now_ms() - woke_ms);
    sleep(Duration::from_secs(1)).await;
    // What it said until it knew has reached nobody: see who spoke to whom in `all_go`.
    println!("frozen: the one that woke said {} packets to nobody", fleet.asterisk.said_to_nobody() - before);
    blow
}

/// One after the other dies at a random moment, and is started again.
async fn many_are_killed(fleet: &mut Fleet, kills: u32, chance: &mut Chance) -> Vec<Blow> {
    let (mut blows, mut taken) = (Vec::new(), Vec::new());
    for kill in 1..=kills {
        sleep(Duration::from_millis(chance.below(2_500))).await;
        let victim = loop {
            let all = 0..fleet.members.len();
            let survives = |victim: usize| all.clone().any(|other| other != victim && fleet.members[other].is_settled());
            let busy: Vec<usize> =
                all.clone().filter(|member| survives(*member) && !fleet.callers_of(*member).is_empty()).collect();
            if !busy.is_empty() {
                break busy[chance.below(busy.len() as u64) as usize];
            }
            sleep(Duration::from_millis(50)).await;
        };
        let before = fleet.asterisk.moves().len();
        let blow = fleet.kill9(victim).unwrap();
        fleet.is_relieved_of_all(victim).await.unwrap();
        let moves = fleet.asterisk.moves().split_off(before);
        let mut moved: Vec<usize> = moves.iter().map(|moved| moved.caller).collect();
        moved.sort_unstable();
        assert!(moved.iter().eq(&blow.callers), "each of its callers is taken once, and nobody else's: {moves:?}");
        println!("{kill}. {}: {} calls in {} ms", fleet.members[victim].app, moved.len(), fleet.now_ms() - blow.at_ms);
        taken.extend(fleet.taken_after(&blow, before));
        blows.push(blow);
        fleet.restart(victim).await.unwrap();
    }
    println!("killed: with another gateway after {}", Spread::of(taken.into_iter()));
    blows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_outlive_their_gateways_and_whatever_becomes_of_redis() {
    let (calls, kills) = match Size::asked() {
        Size::Ci => (50, 5),
        Size::Full => (50, 50),
    };
    let seed = std::env::var("VG_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(8);
    println!("seed {seed}");
    let mut fleet = Fleet::prepare(&program::path(), &["a", "b", "c"], calls, PAUSE, ANSWER).await.unwrap();
    fleet.settles().await;
    fleet.ring(0..calls).await.unwrap();
    sleep(CYCLE).await;
    let troubled_ms = fleet.now_ms();
    redis_is_troubled(&mut fleet).await;
    let calm_ms = fleet.now_ms();
    let frozen = one_is_frozen(&mut fleet).await;
    let killed = many_are_killed(&mut fleet, kills, &mut Chance(seed)).await;
    sleep(CYCLE + Duration::from_secs(2)).await;

    let (stall_ms, logs, sentence_ms, end_ms) = (fleet.longest_stall_ms(), fleet.logs(), fleet.sentence_ms, fleet.now_ms());
    let diaries = all_go(fleet, calls, &killed).await;
    println!("the callers themselves stood still for {stall_ms} ms at most");
    let (gap_ms, silence_ms) = bounds_ms();
    for (name, blows) in [("frozen", &[frozen][..]), ("killed", &killed[..])] {
        let (gaps, silences) = report(name, blows, &diaries, sentence_ms);
        assert!(gaps.max <= gap_ms + stall_ms, "{name}: {gaps}\n{logs}");
        assert!(silences.max <= silence_ms + stall_ms, "{name}: {silences}\n{logs}");
    }
    // Whatever becomes of Redis, packets come and answers are as quick as ever.
    let during = |diary: &Diary| {
        // The one that is frozen then stands still at once.
        let pairs = diary.heard.windows(2).filter(|pair| troubled_ms <= pair[0].at_ms && pair[1].at_ms < calm_ms);
        pairs.map(|pair| pair[1].at_ms - pair[0].at_ms).max().unwrap_or(u32::MAX)
    };
    let gaps = Spread::of(diaries.iter().map(during));
    let answers: Vec<Heard> = diaries.iter().flat_map(|diary| heard(diary, sentence_ms)).collect();
    let waits = |from, until| {
        let in_time = answers.iter().filter(move |heard| (from..until).contains(&heard.said_ms));
        Spread::of(in_time.map(|heard| heard.wait_ms.unwrap_or(u32::MAX)))
    };
    let (before, troubled) = (waits(0, troubled_ms - sentence_ms), waits(troubled_ms, calm_ms - sentence_ms));
    println!("redis in trouble: without a packet {gaps}; answers after {troubled}, before it after {before}");
    assert!(gaps.max <= HARDLY_MS + stall_ms, "{gaps}\n{logs}");
    assert!(troubled.max <= before.p50 + LATER_MS + stall_ms, "{troubled}, before {before}\n{logs}");
    let last_ms = killed.last().unwrap().at_ms + NOTICED_MS;
    for (caller, diary) in diaries.iter().enumerate() {
        let answered = diary.heard.iter().any(|packet| packet.loud && (last_ms..end_ms).contains(&packet.at_ms));
        assert!(answered, "nobody answered caller {caller} after the last of them died");
    }
}
