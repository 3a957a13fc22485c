//! Stories of the virtual house about providers that fall: who takes over, what the caller hears, and who is asked in the next call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::event::{Fact, Role, Worker};
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::outcome::EndCause;
use vg_domain::turn::TurnRecord;
use vg_domain::usage::Usage;
use vg_tests::rig::{Beside, CROWDED, Caller, HESITANT, LADDER, Order, Rig, SHADOWED, now};
use voice_gateway::application::desk;
use voice_gateway::application::ports::{AudioChunk, Fall, HearingEvent, LegEvent, Observation, TenantHint};

async fn call(rig: &Rig) -> Caller {
    rig.call_as(TenantHint::Named(TenantId::new(LADDER))).await
}

async fn fell(caller: &mut Caller, role: Role) -> (String, &'static str) {
    caller
        .fact(|fact| match fact {
            Fact::Fell { who, plugin, code } if *who == role => Some((plugin.as_ref().unwrap().to_string(), *code)),
            _ => None,
        })
        .await
}

/// All falls so far, as others learn of them: the event, its code, and the role under which the same code is counted.
fn falls(rig: &Rig) -> Vec<(&'static str, &'static str, &'static str)> {
    let told = rig.published().into_iter().filter_map(|(.., fact)| match fact {
        Fact::Fell { code, .. } => Some((desk::event(&fact)?.0, code)),
        _ => None,
    });
    let counted = rig.observations().into_iter().filter_map(|seen| match seen {
        Observation::RungFell { role, code } => Some((role, code)),
        _ => None,
    });
    let (told, counted): (Vec<_>, Vec<_>) = (told.collect(), counted.collect());
    assert_eq!(told.len(), counted.len(), "{told:?}, {counted:?}");
    let both = told.into_iter().zip(counted);
    both.map(|((event, code), (role, counted))| {
        assert_eq!(code, counted, "{event} as {role}");
        (event, code, role)
    })
    .collect()
}

fn turned(rig: &Rig) -> Vec<String> {
    let turned = |seen: Observation| match seen {
        Observation::BreakerTurned { role, plugin, open, .. } => Some(format!("{role} {plugin} {open}")),
        _ => None,
    };
    rig.observations().into_iter().filter_map(turned).collect()
}

#[tokio::test(start_paused = true)]
async fn another_voice_goes_on_where_one_fell_and_is_asked_first_until_that_one_is_back() {
    let rig = Rig::start(8);
    rig.script(|script| script.falling = vec!["tts-fake"]);
    let mut calls = Vec::new();
    for _ in 0..3 {
        let mut caller = call(&rig).await;
        let (_, samples) = caller.listen().await;
        assert_eq!(fell(&mut caller, Role::Speaking).await, ("tts-fake".to_owned(), "trap"));
        assert_eq!(samples, 16_000 + 3_200, "a second by the one, the rest by the other, no gap and no recording between");
        calls.push(caller);
    }
    assert_eq!(falls(&rig), [("error.tts_failed", "trap", "speaking"); 3]);
    // 15 characters had been spoken; the word in which it fell is said whole.
    assert_eq!(rig.spoken(), ["virtual house."; 3]);
    assert_eq!(turned(&rig), ["speaking tts-fake true"]);
    let mut caller = call(&rig).await;
    assert_eq!(caller.listen().await.1, 3_200, "nobody waits for it any more");
    assert_eq!(rig.spoken()[3], "Welcome to the virtual house.");
    rig.script(|script| script.falling.clear());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(turned(&rig), ["speaking tts-fake true", "speaking tts-fake false"]);
}

#[tokio::test(start_paused = true)]
async fn another_listener_takes_over_after_three_tries_and_the_turn_goes_on() {
    let rig = Rig::start(8);
    rig.script(|script| script.falling = vec!["stt-fake"]);
    let mut caller = call(&rig).await;
    caller.listen().await;
    for _ in 0..3 {
        assert_eq!(fell(&mut caller, Role::Hearing).await, ("stt-fake".to_owned(), "trap"));
    }
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    caller.listen().await;
    assert_eq!(turned(&rig), ["hearing stt-fake true"]);
    let mut next = call(&rig).await;
    next.listen().await;
    assert_eq!(falls(&rig), [("error.stt_failed", "trap", "hearing"); 3], "the next call begins with the other");
}

#[tokio::test(start_paused = true)]
async fn a_new_listener_hears_again_what_was_said_and_is_not_final() {
    let rig = Rig::start(1);
    let mut caller = call(&rig).await;
    caller.listen().await;
    caller.report(LegEvent::SpeechStarted { at: now(), position_ms: 5_000 }).await;
    for _ in 0..30 {
        caller.report(LegEvent::Audio(AudioChunk { pcm: vec![0; 1_600] })).await;
    }
    caller.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 8_000 }).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let before = rig.listener_inputs().len();
    let fall = Fall::new(PluginId::new("stt-fake"), "trap");
    caller.listener().send(HearingEvent::Fell(fall)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let again = rig.listener_inputs().split_off(before);
    let mut expected = vec!["speech-started"];
    expected.extend(["audio"; 20]);
    expected.push("speech-ended");
    assert_eq!(again, expected, "two seconds of it");
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    caller.listen().await;
    // What is final is not heard again.
    let before = rig.listener_inputs().len();
    caller.listener().send(HearingEvent::Fell(Fall::new(PluginId::new("stt-fake"), "trap"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(rig.listener_inputs().split_off(before), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_stands_still_is_taken_for_fallen() {
    let rig = Rig::start(1);
    rig.script(|script| script.stalling = vec!["tts-fake"]);
    let mut caller = call(&rig).await;
    caller.hear_some().await;
    // The first words came, and then nothing: the leg notices that neither side is heard.
    tokio::time::sleep(Duration::from_secs(2)).await;
    caller.report(LegEvent::DeadAir { heard_ago_ms: 3_000, said_ago_ms: 1_000 }).await;
    assert_eq!(fell(&mut caller, Role::Speaking).await, ("tts-fake".to_owned(), "stalled"));
    caller.listen().await;
    assert_eq!(rig.spoken(), ["virtual house."]);
    assert_eq!(falls(&rig), [("error.tts_failed", "stalled", "speaking")]);
}

#[tokio::test(start_paused = true)]
async fn falls_with_a_service_between_them_open_no_breaker() {
    let rig = Rig::start(8);
    let mut caller = call(&rig).await;
    caller.listen().await;
    for words in ["what time is it", "and now"] {
        for _ in 0..2 {
            caller.listener().send(HearingEvent::Fell(Fall::new(PluginId::new("stt-fake"), "trap"))).await.unwrap();
            assert_eq!(fell(&mut caller, Role::Hearing).await.0, "stt-fake");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        caller.say(words).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        caller.understood(words).await;
        caller.listen().await;
    }
    for falling in [true, true, false, true, true] {
        rig.script(|script| script.falling = if falling { vec!["tts-fake"] } else { Vec::new() });
        call(&rig).await.listen().await;
    }
    assert_eq!(turned(&rig), [""; 0]);
}

/// How many sessions of its first listener and its first voice a tenant has now.
fn held(rig: &Rig) -> [u32; 2] {
    ["stt-fake", "tts-fake"].map(|name| {
        let of_one = |seen: &Observation| match seen {
            Observation::SessionsHeld { plugin, sessions, .. } if plugin.as_str() == name => Some(*sessions),
            _ => None,
        };
        rig.observations().iter().rev().find_map(of_one).unwrap_or(0)
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_too_many_is_served_by_the_next_after_a_moment_and_goes_back_when_there_is_room() {
    let rig = Rig::start(8);
    let crowded = || TenantHint::Named(TenantId::new(CROWDED));
    let mut first = rig.call_as(crowded()).await;
    first.listen().await;
    let came = now();
    let mut second = rig.call_as(crowded()).await;
    second.hear_some().await;
    let waited = now() - came;
    assert!((300..400).contains(&waited.as_millis()), "{waited:?}");
    let mut passed = vec![fell(&mut second, Role::Hearing).await, fell(&mut second, Role::Speaking).await];
    passed.sort();
    assert_eq!(passed, [("stt-fake".to_owned(), "concurrency"), ("tts-fake".to_owned(), "concurrency")]);
    second.listen().await;
    assert_eq!((held(&rig), turned(&rig)), ([1, 1], vec![]), "and no breaker minds");
    first.hang_up().await;
    first.ended().await;
    assert_eq!(held(&rig), [0, 0], "nobody holds a place any more");
    ask(&mut second, "what time is it").await;
    second.listen().await;
    assert_eq!(held(&rig), [1, 1], "the call is where it was to be served first");
    ask(&mut second, "and now").await;
    second.listen().await;
    assert_eq!(rig.questions().len(), 2);
    second.hang_up().await;
    second.ended().await;
    assert_eq!(held(&rig), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_speaks_while_a_listener_is_waited_for_is_heard_by_it() {
    let rig = Rig::start(8);
    let crowded = || TenantHint::Named(TenantId::new(CROWDED));
    let mut first = rig.call_as(crowded()).await;
    first.listen().await;
    let mut second = rig.call_as(crowded()).await;
    second.until_act("answer").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let before = rig.listener_inputs().len();
    second.report(LegEvent::SpeechStarted { at: now(), position_ms: 0 }).await;
    for _ in 0..2 {
        second.report(LegEvent::Audio(AudioChunk { pcm: vec![0; 1_600] })).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.listener_inputs().len(), before, "nobody listens yet");
    first.hang_up().await;
    first.ended().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(rig.listener_inputs()[before..], ["speech-started", "audio", "audio"]);
    assert_eq!(held(&rig), [1, 1]);
    let seated = |seen: &Observation| matches!(seen, Observation::SessionAwaited { outcome: "seated", .. });
    assert_eq!(rig.observations().iter().filter(|seen| seated(seen)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_when_it_has_time_again_is_not_asked_before() {
    let rig = Rig::start(8);
    let mut caller = call(&rig).await;
    caller.listen().await;
    let fall = Fall { retry_after: Some(Duration::from_secs(30)), ..Fall::new(PluginId::new("stt-fake"), "quota") };
    caller.listener().send(HearingEvent::Fell(fall)).await.unwrap();
    assert_eq!(fell(&mut caller, Role::Hearing).await, ("stt-fake".to_owned(), "quota"));
    tokio::time::sleep(Duration::from_millis(10)).await;
    ask(&mut caller, "what time is it").await;
    caller.listen().await;
    assert_eq!(falls(&rig), [("error.stt_failed", "quota", "hearing")], "one fall, and the next serves");
    assert_eq!(turned(&rig), ["hearing stt-fake true"]);
    let mut next = call(&rig).await;
    next.listen().await;
    // It is asked in the background when its time has come, and serves again.
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(turned(&rig).len(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    caller.hang_up().await;
    next.hang_up().await;
}

/// A call of two turns: all that was asked, said and told of it, but for what a second listener does.
async fn two_turns(rig: &Rig, tenant: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (asked, said, told) = (rig.questions().len(), rig.spoken().len(), rig.published().len());
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(tenant))).await;
    caller.listen().await;
    for words in ["what time is it", "and now"] {
        caller.report(LegEvent::SpeechStarted { at: now(), position_ms: 0 }).await;
        for _ in 0..30 {
            caller.report(LegEvent::Audio(AudioChunk { pcm: vec![0; 1_600] })).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        caller.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 3_000 }).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        caller.understood(words).await;
        caller.listen().await;
    }
    caller.hang_up().await;
    caller.ended().await;
    let questions = rig.questions().split_off(asked).into_iter().map(|question| question.text.as_str().to_owned());
    let facts = rig.published().split_off(told).into_iter().map(|(.., fact)| fact);
    let facts = facts.filter(|fact| !matches!(fact, Fact::Shadowed(_) | Fact::Started(_))).map(|fact| match fact {
        // Moments are of the one call and the other.
        Fact::Turn(record) => Fact::Turn(TurnRecord { spans: Vec::new(), ..record }),
        fact => fact,
    });
    (questions.collect(), rig.spoken().split_off(said), facts.map(|fact| format!("{fact:?}")).collect())
}

#[tokio::test(start_paused = true)]
async fn a_second_listener_changes_nothing_whatever_it_does() {
    for beside in [Beside::Understands("what dime is it"), Beside::Traps, Beside::Blocks, Beside::Floods] {
        let rig = Rig::start(1);
        rig.script(|script| script.beside = beside);
        let began = now();
        let alone = two_turns(&rig, LADDER).await;
        let took = now() - began;
        assert_eq!(two_turns(&rig, SHADOWED).await, alone, "{beside:?}");
        assert_eq!(now() - began, 2 * took, "{beside:?}: as quick");
        let dropped: Vec<&str> = rig
            .observations()
            .iter()
            .filter_map(|seen| if let Observation::ShadowDropped { code, .. } = seen { Some(*code) } else { None })
            .collect();
        let expected: &[&str] = match beside {
            Beside::Understands(_) => &[],
            Beside::Traps => &["trap"],
            Beside::Blocks => &["slow"],
            Beside::Floods => &["flood"],
        };
        assert_eq!(dropped, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_second_listener_understood_is_told_in_numbers() {
    let rig = Rig::start(1);
    rig.script(|script| script.beside = Beside::Understands("what DIME is it"));
    two_turns(&rig, SHADOWED).await;
    let told: Vec<(&str, u32, u32)> = rig
        .published()
        .iter()
        .filter_map(|(.., fact)| match fact {
            Fact::Shadowed(turn) => {
                assert_eq!((turn.plugin.as_str(), &turn.kept), ("stt-beside", &None));
                Some((turn.agreement.code(), turn.likeness.words, turn.likeness.edited))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [("differs", 4, 1), ("differs", 2, 4)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_second_listener_worked_is_counted_for_the_tenant_and_marked_as_its_own() {
    let rig = Rig::start(1);
    let usage = Usage { audio_ms: 4_000, characters: 0, requests: 1 };
    rig.script(|script| (script.listener_worked, script.beside) = (Some(usage), Beside::Understands("what time is it")));
    two_turns(&rig, SHADOWED).await;
    let told: Vec<(Worker, String, Usage)> = rig
        .published()
        .into_iter()
        .filter_map(|(.., fact)| match fact {
            Fact::Used { who, plugin, usage } => Some((who, plugin.to_string(), usage)),
            _ => None,
        })
        .collect();
    let expected = [(Worker::Hearing, "stt-fake".to_owned(), usage), (Worker::Shadow, "stt-beside".to_owned(), usage)];
    assert_eq!(told, expected);
    let observed = rig.observations().into_iter().filter_map(|seen| match seen {
        Observation::Used { tenant, who, plugin, usage } => {
            assert_eq!(tenant.as_str(), SHADOWED);
            Some((who, plugin.to_string(), usage))
        }
        _ => None,
    });
    assert_eq!(observed.collect::<Vec<_>>(), expected);
}

/// Asks something of a tenant who says something while an answer is late.
async fn ask_of_hesitant(rig: &Rig) -> Caller {
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(HESITANT))).await;
    caller.listen().await;
    ask(&mut caller, "what time is it").await;
    caller
}

async fn ask(caller: &mut Caller, words: &str) {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
}

fn fillers(rig: &Rig) -> usize {
    rig.observations().iter().filter(|seen| **seen == Observation::FillerSaid).count()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_is_announced_and_follows_without_being_mixed_up_with_that() {
    let rig = Rig::start(1);
    rig.script(|script| script.agent_takes = Some(Duration::from_millis(900)));
    let mut caller = ask_of_hesitant(&rig).await;
    let said = caller.fact(|fact| if let Fact::Filler { text, .. } = fact { Some(text.as_str().to_owned()) } else { None });
    assert_eq!(said.await, "One moment.");
    let (filler, _) = caller.listen().await;
    // The answer came while that sounded, and is next in the Mouth's queue.
    let Order::Say { utterance: answer, .. } = caller.command().await else { panic!("no answer") };
    assert_ne!(filler, answer);
    caller.report(LegEvent::Audible { utterance: answer, at: now() }).await;
    caller.listen().await;
    let turn = caller.fact(|fact| if let Fact::Turn(record) = fact { Some(record.clone()) } else { None }).await;
    assert_eq!(turn.said.as_str(), "You said: what time is it.");
    assert_eq!(turn.latency.map(|parts| parts.agent_ms), Some(900), "what was said meanwhile makes no answer quicker");
    assert_eq!(rig.spoken()[1..], ["One moment.", "You said:", "what time is it."]);

    ask(&mut caller, "and now").await;
    caller.listen().await;
    caller.listen().await;
    assert_eq!(rig.spoken()[4], "Let me see.", "another one");
    let told: Vec<String> = rig.questions()[1].said.iter().map(|said| said.text.as_str().to_owned()).collect();
    assert_eq!(told, ["You said: what time is it."], "the agent is told what it said itself");
    assert_eq!(fillers(&rig), 2);
}

#[tokio::test(start_paused = true)]
async fn who_speaks_over_the_filler_is_listened_to() {
    let rig = Rig::start(1);
    rig.script(|script| script.agent_takes = Some(Duration::from_secs(3)));
    let mut caller = ask_of_hesitant(&rig).await;
    caller.hear_some().await;
    ask(&mut caller, "in Lisbon").await;
    let heard = caller.fact(|fact| match fact {
        Fact::Heard { text, .. } if text.as_str() != "what time is it" => Some(text.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(heard.await, "what time is it in Lisbon");
    while !matches!(caller.command().await, Order::Hush) {}
    caller.listen().await;
    assert_eq!(rig.spoken().last().map(String::as_str), Some("what time is it in Lisbon."));
    assert_eq!(fillers(&rig), 1, "once in a turn");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_answer_gives_way_to_a_line_on_the_matter_and_then_to_a_person() {
    let rig = Rig::start(1);
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(HESITANT))).await;
    caller.listen().await;
    ask(&mut caller, "where is my parcel").await;
    caller.listen().await;
    rig.script(|script| script.agent_falls.extend(["unavailable", "cut"]));
    ask(&mut caller, "and when does it come").await;
    caller.listen().await;
    assert_eq!(rig.spoken().last().map(String::as_str), Some("Parcels come within three days."));
    caller.say("are you there").await;
    let target = caller.fact(|fact| if let Fact::Escalated { target, .. } = fact { Some(target.clone()) } else { None }).await;
    assert_eq!(target, "people,s");
    let fell = [("error.llm_timeout", "unavailable", "thinking"), ("error.llm_timeout", "cut", "thinking")];
    assert_eq!(falls(&rig), fell);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_who_is_not_understood_or_silent_is_counted_by_its_line() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.say("").await;
    // However long the pause has to be: the listener is asked for last words by then.
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    caller.understood("").await;
    for _ in 0..4 {
        caller.listen().await;
    }
    assert_eq!(caller.ended().await, EndCause::CallerSilent);
    assert_eq!(rig.spoken()[1..], ["Pardon?", "Are you still there?", "Are you still there?", "Goodbye."]);
    let said = |seen: Observation| if let Observation::PromptSaid(line) = seen { Some(line) } else { None };
    let said: Vec<&str> = rig.observations().into_iter().filter_map(said).collect();
    assert_eq!(said, ["not_understood", "still_there", "still_there", "farewell"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_counted_for_those_who_gave_its_words_and_its_sound() {
    let rig = Rig::start(2);
    rig.script(|script| script.falling = vec!["stt-fake"]);
    let mut caller = call(&rig).await;
    caller.listen().await;
    for _ in 0..3 {
        fell(&mut caller, Role::Hearing).await;
    }
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    caller.listen().await;
    caller.fact(|fact| matches!(fact, Fact::Turn(_)).then_some(())).await;
    let seen = rig.observations();
    let turn = seen.iter().find_map(|seen| if let Observation::TurnEnded(turn) = seen { Some(turn) } else { None }).unwrap();
    assert_eq!((turn.tenant.as_str(), turn.hearing.as_str()), (LADDER, "stt-second"));
    assert_eq!(turn.speaking.as_ref().map(PluginId::as_str), Some("tts-fake"));
    assert_eq!(rig.published().last().map(|(call, ..)| call), Some(&turn.call));
    let parts = turn.record.latency.unwrap();
    let (first, last) = (turn.record.spans.first().unwrap(), turn.record.spans.last().unwrap());
    assert_eq!((first.name, last.name), ("endpoint_wait", "playout"));
    assert_eq!((last.to - first.from).as_millis(), parts.total_ms.into());
    let first_words = seen.iter().filter_map(|seen| match seen {
        Observation::FirstWords { tenant, plugin, .. } => Some((tenant.as_str(), plugin.as_str())),
        _ => None,
    });
    assert_eq!(first_words.collect::<Vec<_>>(), [(LADDER, "stt-second")]);
}
