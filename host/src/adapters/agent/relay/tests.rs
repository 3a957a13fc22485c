use super::*;
use crate::application::ports::{AgentProfile, ConversationRequest, HandoverAdvice, HandoverRequest};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::mpsc;
use tokio::time::sleep;
use vg_domain::call::{AgentCommand, HOLD_MAX};
use vg_domain::ids::{CallId, ConversationId, TurnId};
use vg_domain::mask::{Heard, Mask};

/// One step of a scripted answer.
#[derive(Clone, Debug)]
enum Step {
    Say(&'static str),
    Ask(u64),
    Wait(u64),
    Done,
    Break(Fault),
    End,
}
use Step::{Ask, Break, Done, End, Say, Wait};

/// Answers the first question by the first script, and so on.
#[derive(Default)]
struct Scripted {
    scripts: Mutex<VecDeque<Result<Vec<Step>, Fault>>>,
    asked: Mutex<Vec<Duration>>,
    aborted: Mutex<Vec<TurnId>>,
}

struct Playing(VecDeque<Step>);

impl Answer for Playing {
    async fn next(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            // Not before the wait is over: `next` is dropped while it waits.
            match self.0.front().cloned() {
                Some(Wait(ms)) => sleep(Duration::from_millis(ms)).await,
                step => {
                    self.0.pop_front();
                    return match step {
                        Some(Say(words)) => Ok(Some(Piece::Text(words.to_owned()))),
                        Some(Ask(ms)) => Ok(Some(Piece::Hint(Hint::Hold(Duration::from_millis(ms))))),
                        Some(Done) => Ok(Some(Piece::Done(Some(AgentCommand::HangUp)))),
                        Some(Break(fault)) => Err(fault),
                        Some(Wait(_) | End) | None => Ok(None),
                    };
                }
            }
            self.0.pop_front();
        }
    }
}

impl Service for Scripted {
    type Answer = Playing;

    async fn ask(&self, _: &Question, left: Duration) -> Result<Playing, Fault> {
        self.asked.lock().unwrap().push(left);
        let script = self.scripts.lock().unwrap().pop_front().expect("asked once too often");
        script.map(|steps| Playing(steps.into()))
    }

    async fn abort(&self, question: &Question) {
        self.aborted.lock().unwrap().push(question.turn);
    }

    async fn open(&self, _: &ConversationRequest, _: Duration) -> Result<ConversationId, Fault> {
        Err(Fault::Unsupported)
    }

    async fn commit(&self, _: &ConversationId, _: TurnId) {}

    async fn who(&self, _: &ConversationId, _: Duration) -> Result<AgentProfile, Fault> {
        Err(Fault::Unsupported)
    }

    async fn hand_over(&self, _: &HandoverRequest, _: Duration) -> Result<HandoverAdvice, Fault> {
        Err(Fault::Unsupported)
    }

    async fn connect(&self) {}
}

const WITHIN: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(60);

fn question() -> Question {
    let text = Mask::new().mask_final(Heard::new("hello".into()));
    Question {
        call: CallId::new("call-1"),
        conversation: ConversationId::new("c"),
        turn: TurnId(3),
        text,
        said: Vec::new(),
        within: WITHIN,
        speculative: false,
        card: None,
    }
}

struct Outcome {
    code: &'static str,
    events: Vec<AgentEvent>,
    asked: Vec<Duration>,
    aborted: Vec<TurnId>,
    took: Duration,
}

async fn play(scripts: impl IntoIterator<Item = Result<Vec<Step>, Fault>>) -> Outcome {
    let service = Scripted { scripts: Mutex::new(scripts.into_iter().collect()), ..Scripted::default() };
    let (events, mut answer) = mpsc::channel(PIECES_MAX);
    let (began, question) = (Instant::now(), question());
    let listening = async {
        let mut heard = Vec::new();
        while let Some(event) = answer.recv().await {
            heard.push(event);
        }
        heard
    };
    let (code, events) = tokio::join!(relay(&service, &question, events, WHOLE), listening);
    Outcome {
        code,
        events,
        asked: service.asked.into_inner().unwrap(),
        aborted: service.aborted.into_inner().unwrap(),
        took: began.elapsed(),
    }
}

fn text(words: &str) -> AgentEvent {
    AgentEvent::Text(words.to_owned())
}

#[tokio::test(start_paused = true)]
async fn pieces_come_as_they_are_and_the_last_one_ends_it() {
    let outcome = play([Ok(vec![Say("It is"), Wait(500), Say(""), Say(" three."), Done, Say("never")])]).await;
    assert_eq!(outcome.events, [text("It is"), text(" three."), AgentEvent::Done(Some(AgentCommand::HangUp))]);
    assert_eq!((outcome.code, outcome.aborted.len()), ("ok", 0));
}

#[tokio::test(start_paused = true)]
async fn before_the_first_word_an_error_is_forgiven_once() {
    for broken in [Err(Fault::Unavailable), Ok(vec![Break(Fault::Cut)]), Ok(vec![End])] {
        let outcome = play([broken.clone(), Ok(vec![Say("Yes."), Done])]).await;
        assert_eq!((outcome.code, outcome.asked.len()), ("ok", 2), "{broken:?}");
        assert_eq!(outcome.asked[1], WITHIN - Duration::from_millis(100), "the deadline stays where it was");
        let outcome = play([broken.clone(), broken.clone()]).await;
        assert_eq!((outcome.events.len(), outcome.asked.len()), (1, 2), "{broken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_word_nothing_is_asked_again() {
    for (fault, code) in [
        (Fault::Unavailable, "cut"),
        (Fault::Cut, "cut"),
        (Fault::RateLimited(None), "rate_limited"),
        (Fault::Garbage, "garbage"),
    ] {
        let outcome = play([Ok(vec![Say("It is"), Break(fault)])]).await;
        assert_eq!(outcome.events, [text("It is"), AgentEvent::Fell(code)]);
        assert_eq!(outcome.asked.len(), 1);
    }
    let outcome = play([Ok(vec![Say("It is"), End])]).await;
    assert_eq!(outcome.events, [text("It is"), AgentEvent::Fell("cut")]);
}

#[tokio::test(start_paused = true)]
async fn a_wished_pause_is_kept_within_the_turns_time() {
    let pause = Duration::from_secs(3);
    let outcome = play([Err(Fault::RateLimited(Some(pause))), Ok(vec![Say("Yes."), Done])]).await;
    assert_eq!((outcome.code, outcome.took), ("ok", pause));
    let outcome = play([Err(Fault::RateLimited(Some(Duration::from_secs(30))))]).await;
    assert_eq!((outcome.events, outcome.took), (vec![AgentEvent::Fell("rate_limited")], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn each_word_has_its_deadline_and_so_has_the_whole() {
    let outcome = play([Ok(vec![Wait(10_500), Say("late"), Done])]).await;
    assert_eq!((outcome.events, outcome.took), (vec![AgentEvent::Fell("deadline")], WITHIN));
    assert_eq!(outcome.aborted, [TurnId(3)], "the service is told");

    let silent = std::iter::repeat_n([Wait(900), Say("")], 20).flatten().collect();
    let outcome = play([Ok(silent)]).await;
    assert_eq!((outcome.code, outcome.took), ("deadline", WITHIN), "what holds no word is no sign of life");

    let slow: Vec<Step> = std::iter::repeat_n([Wait(9_000), Say("word ")], 20).flatten().collect();
    let outcome = play([Ok(slow)]).await;
    assert_eq!((outcome.events.len(), outcome.took), (6 + 1, WHOLE));
    assert_eq!(outcome.events[6], AgentEvent::Fell("deadline"));
}

#[tokio::test(start_paused = true)]
async fn more_time_is_given_before_the_first_word_to_who_asks_for_it_and_never_more_than_a_minute() {
    let seconds = Duration::from_secs;
    let outcome = play([Ok(vec![Wait(9_000), Ask(20_000), Wait(15_000), Say("Yes."), Done])]).await;
    assert_eq!((outcome.code, outcome.took), ("ok", seconds(24)));
    let outcome = play([Ok(vec![Wait(9_000), Ask(20_000), Wait(25_000), Say("Yes."), Done])]).await;
    assert_eq!((outcome.code, outcome.took, outcome.aborted.len()), ("deadline", seconds(29), 1));
    let outcome = play([Ok(vec![Ask(5_000), Wait(10_500), Say("Yes."), Done])]).await;
    assert_eq!((outcome.code, outcome.took), ("deadline", WITHIN), "less than is left is nothing");
    let outcome = play([Ok(vec![Say("It"), Ask(50_000), Wait(10_500), Say("is"), Done])]).await;
    assert_eq!((outcome.code, outcome.took), ("deadline", WITHIN), "behind a word as well");
    let greedy = std::iter::repeat_n([Ask(50_000), Wait(1_000)], 100).flatten().collect();
    let outcome = play([Ok(greedy)]).await;
    assert_eq!((outcome.code, outcome.took), ("deadline", WITHIN + HOLD_MAX));
    // What was said late may take as long as ever.
    let late = [Ask(60_000), Wait(55_000)].into_iter().chain(std::iter::repeat_n([Say("word "), Wait(9_000)], 5).flatten());
    assert_eq!(play([Ok(late.chain([Done]).collect())]).await.code, "ok");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_cut_off() {
    let endless: Vec<Step> = std::iter::repeat_n(Say("blah blah "), 10_000).collect();
    let outcome = play([Ok(endless)]).await;
    let words: usize = outcome.events.iter().map(|event| if let AgentEvent::Text(text) = event { text.len() } else { 0 }).sum();
    assert_eq!(words, WORDS_MAX / 10 * 10);
    assert_eq!(outcome.events.last(), Some(&AgentEvent::Fell("too_long")));
    assert_eq!(outcome.aborted, [TurnId(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receiver_ends_the_request_and_the_service_is_told() {
    let service = Scripted::default();
    service.scripts.lock().unwrap().push_back(Ok(vec![Say("It"), Wait(5_000), Say("is"), Done]));
    let (events, mut answer) = mpsc::channel(PIECES_MAX);
    let (began, question) = (Instant::now(), question());
    let hang_up = async {
        assert_eq!(answer.recv().await, Some(text("It")));
        drop(answer);
    };
    let (code, ()) = tokio::join!(relay(&service, &question, events, WHOLE), hang_up);
    assert_eq!((code, began.elapsed()), ("cancelled", Duration::ZERO));
    assert_eq!(*service.aborted.lock().unwrap(), [TurnId(3)]);
}
