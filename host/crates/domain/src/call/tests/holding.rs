//! An agent that asks for more time.

use super::*;

const AGENT: Duration = Duration::from_secs(10);

fn hold(desk: &mut Desk, seconds: u64) {
    let hint = Hint::Hold(Duration::from_secs(seconds));
    assert_eq!(desk.tell(CallInput::AgentHints { turn: TurnId(1), hint }), [""; 0]);
}

fn deadline(desk: &Desk) -> Option<Instant> {
    desk.call.timers.at(CallReason::AgentDeadline)
}

#[test]
fn who_asks_for_more_time_has_it_and_the_caller_hears_meanwhile_that_it_is_waited() {
    let mut desk = Desk::thinking(settings(), "hello");
    let asked = desk.now;
    hold(desk.after(5_000), 20);
    let mut tones = 0;
    while desk.call.poll_timeout().unwrap().1 == CallReason::Filler {
        assert_eq!(desk.wake(CallReason::Filler), [format!("play tone {}", 2 + tones)]);
        assert_eq!(desk.now - asked, Duration::from_secs(5 + 3 * u64::from(tones)), "at once, and two seconds after each");
        assert_eq!(desk.utter(2 + tones), [""; 0]);
        tones += 1;
    }
    assert_eq!(tones, 7);
    // What is not kept falls as ever.
    assert_eq!(desk.wake(CallReason::AgentDeadline)[1..3], ["- thinking fell: deadline", "say 9: Please bear with us."]);
    assert_eq!(desk.now - asked, Duration::from_secs(25));
}

#[test]
fn an_answer_within_that_time_is_spoken_and_its_next_words_have_their_usual_time() {
    let mut desk = Desk::thinking(settings(), "hello");
    hold(&mut desk, 30);
    assert_eq!(desk.after(25_000).text(1, "Well, it")[0], "say 2: Well,");
    assert_eq!(deadline(&desk), Some(desk.now + AGENT));
}

#[test]
fn a_line_of_the_tenants_comes_first_and_where_it_wants_no_tone_there_is_one_all_the_same() {
    let mut desk = Desk::thinking(filler::settings(), "hello");
    hold(&mut desk, 30);
    assert_eq!(desk.wake(CallReason::Filler)[0], "say 2: One moment.");
    desk.utter(2);
    let over = desk.now;
    assert_eq!(desk.wake(CallReason::Filler), ["play tone 3"]);
    assert_eq!(desk.now - over, Duration::from_secs(2));
    // Another language stops it, and not the wait.
    let (plain, portuguese) = (settings(), TenantSettings { language: "pt-BR".into(), ..settings() });
    let mut other = Desk::thinking(TenantSettings { languages: vec![Arc::new(portuguese)], ..plain }, "hello");
    hold(&mut other, 30);
    other.wake(CallReason::Filler);
    let told = other.tell(CallInput::AgentHints { turn: TurnId(1), hint: Hint::Language("pt".into()) });
    assert_eq!((told[0].as_str(), other.wake(CallReason::Filler)), ("hush 2", vec!["play tone 3".to_owned()]));
    // It is no longer than the answer takes.
    desk.audio(3);
    assert_eq!(desk.text(1, "Well, it")[..2], ["hush 3", "say 4: Well,"]);
}

#[test]
fn nobody_has_more_than_a_minute_however_often_it_is_asked_for() {
    let mut desk = Desk::thinking(settings(), "hello");
    let asked = desk.now;
    for _ in 0..10 {
        hold(&mut desk, 40);
        desk.after(3_000);
    }
    assert_eq!(deadline(&desk), Some(asked + AGENT + Duration::from_secs(57)), "each asks for so long from then on");
    hold(&mut desk, 4_000_000);
    assert_eq!(deadline(&desk), Some(asked + AGENT + HOLD_MAX));
    hold(&mut desk, 4_000_000);
    assert_eq!(deadline(&desk), Some(asked + AGENT + HOLD_MAX));
    // The next question is another one.
    desk.tell(CallInput::AgentFell { turn: TurnId(1), code: "unavailable" });
    desk.utter(2);
    desk.ask("hello again");
    assert_eq!(deadline(&desk), Some(desk.now + AGENT));
    let hint = Hint::Hold(Duration::from_secs(30));
    desk.tell(CallInput::AgentHints { turn: TurnId(2), hint });
    assert_eq!(deadline(&desk), Some(desk.now + Duration::from_secs(30)));
}

#[test]
fn less_than_is_left_is_nothing_and_so_is_what_comes_behind_a_word() {
    let mut desk = Desk::thinking(settings(), "hello");
    let usual = deadline(&desk);
    hold(&mut desk, 8);
    assert_eq!((deadline(&desk), desk.call.poll_timeout().unwrap().1), (usual, CallReason::AgentDeadline));
    // One that cannot be spoken yet.
    desk.text(1, "Well");
    hold(&mut desk, 30);
    assert_eq!(deadline(&desk), usual);
    let mut desk = Desk::speaking(settings());
    let usual = deadline(&desk);
    hold(&mut desk, 30);
    assert_eq!(deadline(&desk), usual);
}

#[test]
fn what_was_asked_for_before_the_turn_was_over_counts_from_its_end() {
    let mut desk = speculating::guessed("where is my order");
    hold(&mut desk, 30);
    desk.wake(CallReason::EndOfTurn);
    desk.words("where is my order");
    desk.tell(CallInput::Finalized);
    assert_eq!(deadline(&desk), Some(desk.now + Duration::from_secs(30)));
}

#[test]
fn a_tone_is_over_where_the_agent_falls_and_the_tenant_has_no_line_for_that() {
    let mut settings = settings();
    settings.prompts.agent_unavailable = String::new();
    let mut desk = Desk::thinking(settings, "hello");
    hold(&mut desk, 30);
    desk.wake(CallReason::Filler);
    let fell = desk.tell(CallInput::AgentFell { turn: TurnId(1), code: "unavailable" });
    assert_eq!(fell[..2], ["- thinking fell: unavailable", "hush 2"]);
}
