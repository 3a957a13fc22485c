//! What the own end of turn is worth: callers who pause as people do on the telephone, by published figures (`fixtures/pauses.toml`), talk to
//! whole calls in virtual time, with fixed waits and with adaptive ones. What the words say is read by the guess itself from the labelled ends that
//! it was not written by, so its errors are part of it.

use super::*;
use crate::dice::Dice;
use crate::finish::tests::labelled;
use crate::finish::{Guess, Judge};
use crate::tenant::Bounds;
use toml::{Table, Value};

const CALLS: u64 = 400;
const TURNS: u32 = 12;
/// The voice activity detector reports a pause so late, and shorter ones not at all.
const HANGOVER_MS: u64 = 200;

struct Fixture {
    pauses: PauseTable,
    tempo: TempoTable,
    within: Within,
    words: WordShares,
}

struct PauseTable {
    count: u64,
    bin_ms: f64,
    first_ms: f64,
    bins: Vec<u64>,
    longer: u64,
    median_ms: f64,
    p75_ms: f64,
    p90_ms: f64,
    p95_ms: f64,
}

struct TempoTable {
    percentiles: Vec<f64>,
    median_ms: Vec<f64>,
    pauses_each: f64,
}

struct Within {
    open_question: f64,
    closed_question: f64,
    confirmation: f64,
}

struct WordShares {
    held: f64,
    settled: f64,
}

impl Fixture {
    fn read() -> Self {
        let table: Table = include_str!("../../../fixtures/pauses.toml").parse().unwrap();
        let number = |section: &str, key: &str| number(&table[section][key]);
        let numbers =
            |section: &str, key: &str| table[section][key].as_array().unwrap().iter().map(self::number).collect::<Vec<_>>();
        let counts = |section: &str, key: &str| {
            let counts = table[section][key].as_array().unwrap().iter();
            counts.map(|count| u64::try_from(count.as_integer().unwrap()).unwrap()).collect::<Vec<_>>()
        };
        let count = |section: &str, key: &str| u64::try_from(table[section][key].as_integer().unwrap()).unwrap();
        Self {
            pauses: PauseTable {
                count: count("pauses", "count"),
                bin_ms: number("pauses", "bin_ms"),
                first_ms: number("pauses", "first_ms"),
                bins: counts("pauses", "bins"),
                longer: count("pauses", "longer"),
                median_ms: number("pauses", "median_ms"),
                p75_ms: number("pauses", "p75_ms"),
                p90_ms: number("pauses", "p90_ms"),
                p95_ms: number("pauses", "p95_ms"),
            },
            tempo: TempoTable {
                percentiles: numbers("tempo", "percentiles"),
                median_ms: numbers("tempo", "median_ms"),
                pauses_each: number("tempo", "pauses_each"),
            },
            within: Within {
                open_question: number("within", "open_question"),
                closed_question: number("within", "closed_question"),
                confirmation: number("within", "confirmation"),
            },
            words: WordShares { held: number("words", "held"), settled: number("words", "settled") },
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64)).unwrap()
}

/// Draws callers and their pauses.
struct People {
    fixture: Fixture,
    /// How much less single pauses of one caller spread than those of all callers, and medians of callers than those of conversations.
    own: f64,
    between: f64,
}

impl People {
    fn new() -> Self {
        let fixture = Fixture::read();
        let table = &fixture.pauses;
        assert_eq!(table.bins.iter().sum::<u64>() + table.longer, table.count);
        let middles = |at: usize| (table.first_ms + (at as f64 + 0.5) * table.bin_ms).ln();
        let known = (table.count - table.longer) as f64;
        let mean = table.bins.iter().enumerate().map(|(at, count)| *count as f64 * middles(at)).sum::<f64>() / known;
        let all =
            table.bins.iter().enumerate().map(|(at, count)| *count as f64 * (middles(at) - mean).powi(2)).sum::<f64>() / known;
        // A median of n values spreads by about 1.2533 / sqrt(n) of what one value does.
        let medians = {
            let logs: Vec<f64> = (0..1_000).map(|at| Self::tempo_at(&fixture.tempo, (at as f64 + 0.5) / 10.0)).collect();
            logs.iter().map(|log| log * log).sum::<f64>() / logs.len() as f64
        };
        let noise = 1.2533_f64.powi(2) * all / fixture.tempo.pauses_each;
        let tempo = medians - noise;
        let (own, between) = (((all - tempo) / all).sqrt(), (tempo / medians).sqrt());
        println!("single pauses spread by {:.3}, callers by {:.3} (natural logarithm)", (all - tempo).sqrt(), tempo.sqrt());
        Self { fixture, own, between }
    }

    /// How far a percentile of the conversations' medians lies from the middle one, natural logarithm.
    fn tempo_at(tempo: &TempoTable, percentile: f64) -> f64 {
        let TempoTable { percentiles, median_ms, .. } = tempo;
        let middle = median_ms[median_ms.len() / 2];
        let above = percentiles.iter().position(|known| *known >= percentile).unwrap_or(percentiles.len() - 1).max(1);
        let (low, high) = (above - 1, above);
        let part = ((percentile - percentiles[low]) / (percentiles[high] - percentiles[low])).clamp(0.0, 1.0);
        (median_ms[low] + part * (median_ms[high] - median_ms[low])).ln() - middle.ln()
    }

    fn caller(&self, dice: &mut Dice) -> f64 {
        Self::tempo_at(&self.fixture.tempo, dice.part() * 100.0) * self.between
    }

    /// Any pause of a caller, in milliseconds.
    fn pause_ms(&self, caller: f64, dice: &mut Dice) -> u64 {
        let table = &self.fixture.pauses;
        let mut left = dice.below(table.count);
        let bin = table.bins.iter().position(|count| {
            let here = left < *count;
            left = left.saturating_sub(*count);
            here
        });
        let ms = match bin {
            Some(bin) => table.first_ms + (bin as f64 + dice.part()) * table.bin_ms,
            // The source counts them and says no more; no wait is as long.
            None => table.first_ms + table.bins.len() as f64 * table.bin_ms + dice.part() * 1_000.0,
        };
        (((ms / table.median_ms).ln() * self.own + caller).exp() * table.median_ms).round() as u64
    }

    /// One that is noticed.
    fn noticed_pause_ms(&self, caller: f64, dice: &mut Dice) -> u64 {
        loop {
            let ms = self.pause_ms(caller, dice);
            if ms >= HANGOVER_MS {
                return ms;
            }
        }
    }
}

/// What callers say, in one language: the labelled ends by which no rule was written.
struct Words {
    language: String,
    whole: Vec<String>,
    settled: Vec<String>,
    open: Vec<String>,
    on: Vec<String>,
}

impl Words {
    fn all() -> Vec<Self> {
        let unseen = |words: Vec<String>| words.into_iter().skip(1).step_by(2).collect::<Vec<_>>();
        let words = labelled().into_iter().map(|(language, labelled)| {
            let whole = unseen(labelled.whole);
            let judge = Judge::of(&language);
            let settled = whole.iter().filter(|words| judge.guess(words) == Guess::Settled).cloned().collect();
            Self { language, whole, settled, open: unseen(labelled.open), on: unseen(labelled.on) }
        });
        words.collect()
    }
}

/// How often a pause is within the turn, and whether the agent says what it expects.
#[derive(Clone, Copy)]
struct Question {
    within: f64,
    expect: Expect,
}

/// A crowd of callers, and what they are asked.
struct Crowd<'a> {
    people: &'a People,
    words: &'a [Words],
    questions: &'a [Question],
    /// So often the words at a pause are of the wrong kind: a listener that lags or mishears, a caller who trails off.
    astray: f64,
}

#[derive(Debug, Default)]
struct Tally {
    pauses: Vec<u64>,
    cuts: usize,
    waits_ms: Vec<u64>,
    /// As the call itself counted them.
    judged: usize,
}

impl Tally {
    fn cut_share(&self) -> f64 {
        self.cuts as f64 / self.pauses.len() as f64
    }

    fn wait_ms(&self) -> f64 {
        self.waits_ms.iter().sum::<u64>() as f64 / self.waits_ms.len() as f64
    }

    /// The fixed wait that cuts as many of the same pauses.
    fn fixed_of_same_cuts_ms(&self) -> f64 {
        let mut pauses = self.pauses.clone();
        pauses.sort_unstable();
        pauses[pauses.len() - self.cuts.max(1)] as f64
    }

    fn gain(&self) -> f64 {
        1.0 - self.wait_ms() / self.fixed_of_same_cuts_ms()
    }
}

fn adaptive(wait_ms: u64) -> Timing {
    let bounds = Bounds { ceiling: Duration::from_millis(wait_ms * 3), ..Bounds::default() };
    Timing { endpoint_wait: Duration::from_millis(wait_ms), endpoint_bounds: Some(bounds), ..Timing::default() }
}

fn fixed(wait_ms: u64) -> Timing {
    Timing { endpoint_wait: Duration::from_millis(wait_ms), endpoint_bounds: None, ..Timing::default() }
}

/// Lets many callers talk to calls of that timing.
fn simulate(crowd: &Crowd, timing: &Timing) -> Tally {
    let Crowd { people, words, questions, .. } = crowd;
    let mut tally = Tally::default();
    for seed in 0..CALLS {
        let mut dice = Dice::new(seed);
        let caller = people.caller(&mut dice);
        let words = &words[usize::try_from(seed).unwrap() % words.len()];
        let settings = TenantSettings { language: words.language.clone(), timing: timing.clone(), ..settings() };
        let mut desk = Desk::listening(settings);
        let mut question = Question { within: people.fixture.within.open_question, expect: Expect::Free };
        for turn in 1..=TURNS {
            let next = *dice.pick(questions);
            talk(&mut desk, crowd, words, caller, question, &mut dice, &mut tally);
            desk.tell(CallInput::AgentHints { turn: TurnId(turn), hint: Hint::Expect(next.expect) });
            desk.text(turn, "Well. ");
            desk.done(turn, None);
            desk.utter(turn + 1);
            question = next;
        }
        tally.judged += desk.ends.iter().filter(|end| **end == "false_cut").count();
    }
    tally
}

/// One turn of a caller, to its end.
fn talk(desk: &mut Desk, crowd: &Crowd, words: &Words, caller: f64, question: Question, dice: &mut Dice, tally: &mut Tally) {
    let people = crowd.people;
    let shares = &people.fixture.words;
    // So often the listener was asked for its last words, which it gives at the end of the turn.
    let mut asked = 0;
    loop {
        let within = dice.part() < question.within;
        let astray = dice.part() < crowd.astray;
        let kind = match dice.part() {
            _ if within == astray => &words.whole,
            part if part < shares.held => &words.open,
            part if part < shares.held + shares.settled => &words.settled,
            _ => &words.on,
        };
        desk.speech();
        let said = dice.pick::<String>(kind);
        desk.after(400).partial(said);
        let last_voiced = desk.after(600).now;
        desk.after(HANGOVER_MS).tell(CallInput::SpeechEnded { last_voiced });
        let (due, reason) = desk.call.poll_timeout().unwrap();
        assert_eq!(reason, CallReason::EndOfTurn);
        let pause = within.then(|| people.noticed_pause_ms(caller, dice));
        let resumes = pause.map(|ms| last_voiced + Duration::from_millis(ms));
        tally.pauses.extend(pause);
        if resumes.is_none_or(|resumes| due < resumes) {
            desk.now = due;
            // As those of most vendors; one that gives its last words at once is waited for.
            desk.call.last_words_took = Some(Duration::from_secs(1));
            desk.call.handle_timeout(due);
            desk.actions();
            assert_eq!(desk.phase(), "thinking", "what has stood for 200 ms is asked at once");
        }
        asked += u32::from(resumes.is_none_or(|resumes| due < resumes));
        let Some(resumes) = resumes else {
            tally.waits_ms.push(u64::try_from((due - last_voiced).as_millis()).unwrap());
            desk.words(said);
            (0..asked).for_each(|_| drop(desk.tell(CallInput::Finalized)));
            return;
        };
        tally.cuts += usize::from(due < resumes);
        desk.now = resumes;
    }
}

#[test]
fn simulated_callers_pause_as_the_source_says() {
    let people = People::new();
    let mut dice = Dice::new(1);
    let mut pauses: Vec<u64> = (0..100_000)
        .map(|_| {
            let caller = people.caller(&mut dice);
            people.pause_ms(caller, &mut dice)
        })
        .collect();
    pauses.sort_unstable();
    let table = &people.fixture.pauses;
    for (part, published) in [(0.5, table.median_ms), (0.75, table.p75_ms), (0.9, table.p90_ms), (0.95, table.p95_ms)] {
        let simulated = pauses[(part * pauses.len() as f64) as usize] as f64;
        println!("{part}: {simulated} ms, published {published} ms");
        assert!((simulated / published - 1.0).abs() < 0.05, "{part}: {simulated}, published {published}");
    }
}

#[test]
fn adaptive_waits_are_a_quarter_shorter_than_fixed_ones_that_cut_as_many_callers() {
    let (people, words) = (People::new(), Words::all());
    let within = &people.fixture.within;
    let open = Question { within: within.open_question, expect: Expect::Free };
    let closed = Question { within: within.closed_question, expect: Expect::Free };
    // The agent says where it wants a yes or a no, and nothing else.
    let yes_or_no = Question { within: within.confirmation, expect: Expect::YesNo };
    for (name, questions, astray, at_least) in [
        ("open questions, no hints", vec![open], 0.0, 0.33),
        ("open and closed questions, yes or no", vec![open, closed, yes_or_no], 0.0, 0.33),
        // Nobody has measured how often a listener lags or mishears at the end; this is what is left if it were so often.
        ("open questions, one reading in seven astray", vec![open], 1.0 / 7.0, 0.2),
    ] {
        let crowd = Crowd { people: &people, words: &words, questions: &questions, astray };
        println!("{name}\n           wait   mean  cut of pauses  of turns");
        let row = |kind: &str, wait_ms: u64, tally: &Tally| {
            let of_turns = tally.cuts as f64 / tally.waits_ms.len() as f64;
            format!("  {kind:<8} {wait_ms:>4} {:>6.0} {:>14.3} {of_turns:>9.3}", tally.wait_ms(), tally.cut_share())
        };
        for wait_ms in [300, 500, 700, 1_000, 1_400] {
            let tally = simulate(&crowd, &fixed(wait_ms));
            println!("{}", row("fixed", wait_ms, &tally));
            assert_eq!(tally.waits_ms.iter().max(), Some(&wait_ms));
            assert!((tally.fixed_of_same_cuts_ms() / wait_ms as f64 - 1.0).abs() < 0.02);
        }
        for wait_ms in [400, 500, 700, 1_000] {
            let tally = simulate(&crowd, &adaptive(wait_ms));
            let (fixed_ms, less) = (tally.fixed_of_same_cuts_ms(), 100.0 * tally.gain());
            println!("{}   the best fixed: {fixed_ms:>4.0}, {less:.1} % less", row("adaptive", wait_ms, &tally));
            assert!(tally.gain() >= at_least, "{name}, {wait_ms}: {:.3}", tally.gain());
            // A caller who is cut and then says nothing new is not counted.
            assert!(tally.judged <= tally.cuts && tally.judged * 100 >= tally.cuts * 97, "{} of {}", tally.judged, tally.cuts);
        }
    }
}

#[test]
fn slow_callers_are_cut_less_by_calls_that_learn_from_them() {
    let (people, words) = (People::new(), Words::all());
    // Nine callers in ten are quicker.
    let slow = People::tempo_at(&people.fixture.tempo, 90.0) * people.between;
    let shares = |learning: bool| {
        let mut dice = Dice::new(7);
        let (mut cuts, mut pauses) = (0, 0);
        for seed in 0..2_000_usize {
            let caller = people.caller(&mut dice);
            let mut learned = crate::pause::Pauses::default();
            for at in 0..15 {
                let words = &words[seed % words.len()];
                let guess = Judge::of(&words.language).guess(dice.pick::<String>(&words.on));
                let pause = Duration::from_millis(people.noticed_pause_ms(caller, &mut dice));
                if caller > slow && at >= 5 {
                    pauses += 1;
                    cuts += usize::from(pause > learned.wait(&adaptive(700), Expect::Free, guess));
                }
                if learning {
                    learned.learn(pause);
                }
            }
        }
        f64::from(u32::try_from(cuts).unwrap()) / f64::from(pauses)
    };
    let (without, with) = (shares(false), shares(true));
    println!("cut of the pauses of the slowest tenth of callers: {without:.3}, after five pauses {with:.3}");
    assert!(with < without * 0.9, "{with:.3} {without:.3}");
}

#[test]
fn words_weigh_no_more_than_what_was_measured_of_them() {
    let fixture = People::new().fixture;
    // Of the readings at an end, and at a pause within a turn: settled, whole, held.
    let mut ends = [0.0; 3];
    for words in Words::all() {
        let judge = Judge::of(&words.language);
        for words in &words.whole {
            match judge.guess(words) {
                Guess::Settled => ends[0] += 1.0,
                Guess::Whole | Guess::Unknown => ends[1] += 1.0,
                Guess::Listing | Guess::Number | Guess::Open => ends[2] += 1.0,
            }
        }
    }
    let all: f64 = ends.iter().sum();
    let WordShares { held, settled } = fixture.words;
    let within = [settled, 1.0 - settled - held, held];
    // One more of each: none of a few dozen does not mean never.
    let [settled, whole, held] = [0, 1, 2].map(|at| within[at] / ((ends[at] + 1.0) / (all + 3.0)));
    println!("so much more often within a turn: settled {settled:.2}, whole {whole:.2}, held {held:.1}");
    assert!((settled..=1.0).contains(&Guess::Settled.weight()));
    assert!((0.75..=1.33).contains(&(whole / Guess::Whole.weight())));
    for guess in [Guess::Listing, Guess::Number, Guess::Open] {
        assert!((1.0..=held).contains(&guess.weight()), "{guess:?}");
    }
}
