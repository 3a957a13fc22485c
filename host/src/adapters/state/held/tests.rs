use super::*;
use crate::application::ports::{CallState, Epoch};
use std::time::SystemTime;
use vg_domain::ids::TenantId;
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;

fn snapshot(call: &str, turn: &str) -> CallSnapshot {
    CallSnapshot {
        call: CallId::new(call),
        tenant: TenantId::new("acme"),
        channel: "chan".into(),
        channel_name: None,
        conversation: None,
        state: CallState::Active,
        direction: Direction::Inbound,
        caller: Pii::new(String::new()),
        callee: Pii::new(String::new()),
        answered_at: None,
        ended_at: None,
        agent: Some(turn.to_owned()),
        hearing: None,
        speaking: None,
        trunk: None,
        did: None,
        epoch: Epoch::FIRST,
        updated_at: SystemTime::UNIX_EPOCH,
        resume: None,
    }
}

fn ended(call: &str) -> CallSnapshot {
    let at = Some(SystemTime::UNIX_EPOCH);
    CallSnapshot { ended_at: at, state: CallState::Ended, ..snapshot(call, "end") }
}

fn told(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| format!("{} {}", job.call(), job.snapshot.agent.as_deref().unwrap_or_default())).collect()
}

fn settle(held: &Held, jobs: &[Job]) {
    jobs.iter().for_each(|job| held.settle(job, Verdict::Written, Instant::now()));
}

#[test]
fn the_newest_of_each_call_is_written_in_the_order_in_which_calls_told_something() {
    let held = Held::new();
    for (call, turn) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("a", "3")] {
        held.keep(snapshot(call, turn));
    }
    assert_eq!((held.unwritten(), held.replaced()), (3, 2));
    assert_eq!(told(&held.take(2)), ["a 3", "b 1"]);
    assert_eq!(told(&held.take(2)), ["c 1"]);
    assert!(held.take(2).is_empty());
}

#[test]
fn what_could_not_be_written_is_first_the_next_time_unless_something_newer_was_told() {
    let held = Held::new();
    for call in ["a", "b", "c", "d"] {
        held.keep(snapshot(call, "1"));
    }
    let jobs = held.take(3);
    held.keep(snapshot("b", "2"));
    held.keep(ended("c"));
    held.give_back(&jobs);
    assert_eq!(told(&held.take(9)), ["a 1", "d 1", "b 2", "c end"]);
}

#[test]
fn each_write_of_a_call_has_a_higher_number_than_the_one_before() {
    let held = Held::new();
    held.keep(snapshot("a", "1"));
    let first = held.take(1);
    held.keep(snapshot("a", "2"));
    settle(&held, &first);
    let second = held.take(1);
    settle(&held, &second);
    held.all_anew();
    let third = held.take(1);
    assert!(first[0].number < second[0].number && second[0].number < third[0].number);
    assert_eq!((first[0].begins, second[0].begins, third[0].begins), (true, false, true));
}

#[test]
fn a_call_whose_end_is_written_is_held_no_longer() {
    let held = Held::new();
    held.keep(snapshot("a", "1"));
    settle(&held, &held.take(1));
    held.keep(ended("a"));
    let end = held.take(1);
    assert!(end[0].is_over());
    held.give_back(&end);
    settle(&held, &held.take(1));
    held.all_anew();
    assert_eq!((held.unwritten(), held.dropped()), (0, 0));
}

#[test]
fn a_call_that_another_gateway_holds_is_told_and_written_no_more() {
    let held = Held::new();
    held.keep(snapshot("a", "1"));
    let lost = held.lost(&CallId::new("a"));
    held.settle(&held.take(1)[0], Verdict::Fenced, Instant::now());
    assert!(lost.is_cancelled());
    held.keep(snapshot("a", "2"));
    held.keep(ended("a"));
    held.all_anew();
    assert!(held.take(1).is_empty());
    held.let_go(&CallId::new("a"));
    held.keep(CallSnapshot { epoch: Epoch(3), ..snapshot("a", "4") });
    assert_eq!(told(&held.take(1)), ["a 4"], "it came back");
    assert!(!held.lost(&CallId::new("a")).is_cancelled());
}

#[test]
fn a_call_that_was_let_go_is_not_written() {
    let held = Held::new();
    held.keep(snapshot("a", "1"));
    held.let_go(&CallId::new("a"));
    assert!(held.take(1).is_empty());
}

#[test]
fn what_nothing_was_written_of_for_long_is_written_again() {
    let (held, hour) = (Held::new(), Duration::from_secs(3_600));
    held.keep(snapshot("a", "1"));
    let now = Instant::now();
    held.settle(&held.take(1)[0], Verdict::Written, now);
    held.refresh(now + hour - Duration::from_millis(1), hour);
    assert!(held.take(1).is_empty());
    held.refresh(now + hour, hour);
    assert_eq!(told(&held.take(1)), ["a 1"]);
}

#[test]
fn ends_that_cannot_be_written_cost_a_bounded_amount_of_memory_and_are_counted() {
    let held = Held::new();
    let more = 1_000;
    for n in 0..OVER_MAX + more {
        held.keep(ended(&n.to_string()));
    }
    assert_eq!(held.dropped(), more);
    assert!(held.unwritten() <= NAMES + 1);
    let mut written = 0;
    loop {
        let jobs = held.take(256);
        if jobs.is_empty() {
            break;
        }
        written += jobs.len() as u64;
        settle(&held, &jobs);
    }
    assert_eq!(written, OVER_MAX);
}

#[test]
fn an_end_that_cannot_be_written_is_held_for_its_time_then_it_goes_and_is_counted() {
    assert_eq!(Held::new().over.policy().time_to_live(), Some(Duration::from_secs(5 * 60)));
    // The cache has a clock of its own.
    let held = Held::holding_ends_for(Duration::from_millis(20));
    held.keep(ended("a"));
    held.keep(snapshot("b", "1"));
    let patience = Instant::now() + Duration::from_secs(20);
    while held.dropped() == 0 {
        assert!(Instant::now() < patience, "never: it goes");
        std::thread::yield_now();
    }
    assert_eq!(told(&held.take(9)), ["b 1"], "a call that lives is held as long as it does");
    assert_eq!((held.dropped(), held.unwritten()), (1, 0));
}

#[test]
fn what_is_to_be_written_anew_is_not_taken_for_written_by_what_was_under_way() {
    let held = Held::new();
    held.keep(snapshot("a", "1"));
    let first = held.take(1);
    assert!(first[0].begins);
    settle(&held, &first);
    held.keep(snapshot("a", "2"));
    let under_way = held.take(1);
    assert!(!under_way[0].begins);
    // The store has forgotten everything, its list of calls too.
    held.all_anew();
    settle(&held, &under_way);
    let anew = held.take(1);
    assert!(anew[0].begins, "it would be in no list, and nobody would go on with it");
    settle(&held, &anew);
    held.keep(snapshot("a", "3"));
    assert!(!held.take(1)[0].begins);
}

#[test]
fn that_a_call_is_this_gateways_is_news_once() {
    let (held, call) = (Held::new(), CallId::new("a"));
    let second = |held: &Held| held.claim(&call).is_news(Epoch(2));
    assert!(second(&held));
    assert!(!second(&held), "its task is about to begin");
    held.keep(CallSnapshot { epoch: Epoch(2), ..snapshot("a", "1") });
    assert!(!second(&held), "it is served");
    held.keep(CallSnapshot { epoch: Epoch(2), ..ended("a") });
    assert!(!second(&held), "it is over, and that is not written");
    assert!(held.claim(&call).is_news(Epoch(4)), "another gateway had it meanwhile");
    held.let_go(&call);
    assert!(held.claim(&call).is_news(Epoch(4)), "its task died");
    // One that this gateway lost, and takes back before its task has noticed.
    held.keep(snapshot("b", "1"));
    assert!(held.claim(&CallId::new("b")).is_news(Epoch(3)));
    assert!(!held.claim(&CallId::new("b")).is_news(Epoch(3)));
}

#[test]
fn a_claim_that_failed_leaves_a_call_in_the_list_that_this_gateway_has_or_still_claims() {
    let (held, call) = (Held::new(), CallId::new("a"));
    let one = held.claim(&call);
    assert!(one.leaves_nothing());
    let other = held.claim(&call);
    assert!(!one.leaves_nothing(), "the other one may have it");
    drop(one);
    assert!(other.leaves_nothing());
    assert!(other.is_news(Epoch(2)) && !other.leaves_nothing());
    held.keep(CallSnapshot { epoch: Epoch(2), ..snapshot("a", "1") });
    assert!(!other.leaves_nothing());
    drop(other);
    held.let_go(&call);
    assert!(held.claim(&call).leaves_nothing());
    assert!(held.lock().claiming.is_empty(), "nothing is left of claims");
}
