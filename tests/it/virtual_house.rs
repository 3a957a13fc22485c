//! Stories of the virtual house: the real application and domain, fake ports, paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::call::TurnEnd;
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::{Fact, Role, Worker};
use vg_domain::ids::{DidId, PluginId, TenantId, TrunkId};
use vg_domain::outcome::EndCause;
use vg_domain::parties::Direction;
use vg_domain::speech::Extent;
use vg_domain::turn::TurnRecord;
use vg_domain::usage::Usage;
use vg_tests::rig::{CONFIRMED, Caller, GUARDED, LADDER, LIMITED, Order, Rig};
use voice_gateway::application::desk::{Desk, Value};
use voice_gateway::application::ports::{
    AudioChunk, CallState, Epoch, Facts, LegEvent, Observation, Reach, Subject, TelephonyEvent, TenantHint,
};

/// Asks and listens to the answer; gives the turn's record.
async fn ask(caller: &mut Caller, words: &str) -> TurnRecord {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
    caller.listen().await;
    caller
        .fact(|fact| match fact {
            Fact::Turn(record) => Some(record.clone()),
            _ => None,
        })
        .await
}

/// Waits, in virtual time, until nothing of any call is left.
async fn nothing_left(rig: &Rig) {
    let empty = async {
        while rig.live() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), empty).await.expect("a call is still held");
    let leaked = rig.observations().into_iter().find(|o| matches!(o, Observation::CallLeaked(_)));
    assert_eq!(leaked, None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_masked_strictly_wants_a_path_that_nobody_listens_at_before_it_has_any() {
    let rig = Rig::start(2);
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(GUARDED))).await;
    caller.listen().await;
    assert_eq!(caller.acts()[..3], ["require-trusted-path", "ring", "connect-media"]);
    let mut other = rig.call().await;
    other.listen().await;
    assert!(!other.acts().contains(&"require-trusted-path".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn caller_is_greeted_asks_and_is_answered() {
    let rig = Rig::start(4);
    let mut caller = rig.call().await;
    let (_, greeting) = caller.listen().await;
    assert!(greeting > 0);

    let turn = ask(&mut caller, "what time is it").await;
    assert_eq!(turn.heard.as_str(), "what time is it");
    assert_eq!(turn.said.as_str(), "You said: what time is it.");

    let parts = turn.latency.expect("a spoken turn has an anchor");
    let sum = parts.endpoint_wait_ms + parts.stt_ms + parts.agent_ms + parts.clause_ms + parts.tts_ms + parts.playout_ms;
    assert_eq!(sum + parts.gateway_ms, parts.total_ms);
    assert_eq!(parts.endpoint_wait_ms, 250, "a whole question is answered after the shortest wait");
    assert_eq!(parts.agent_ms, 300);

    let last = ask(&mut caller, "goodbye").await;
    assert_eq!(last.said.as_str(), "You said: goodbye.");
    assert_eq!(caller.ended().await, EndCause::AgentHungUp);
    assert_eq!(caller.acts(), ["ring", "connect-media", "answer", "hang-up agent_hung_up", "release"]);
    nothing_left(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn what_confirmed_a_call_is_told_with_its_begin_and_stands_on_its_card() {
    let rig = Rig::start(2);
    let desk = Desk::new("story");
    for (name, line) in [(CONFIRMED, Some(("did-1", "trunk-1"))), (LIMITED, None)] {
        let tenant = TenantId::new(name);
        let mut caller = rig.call_as(TenantHint::Named(tenant.clone())).await;
        caller.listen().await;
        let (call, _, started) = rig.published().into_iter().rfind(|(_, _, fact)| matches!(fact, Fact::Started(_))).unwrap();
        desk.publish(Subject::only(&call, &tenant), &started);
        let card = desk.call(&tenant, &call).unwrap();
        let ids = card.did.as_ref().zip(card.trunk.as_ref()).map(|(did, trunk)| (did.as_str(), trunk.as_str()));
        assert_eq!(ids, line, "{name}");
        let reading = desk.read(&tenant, &desk.newest(&tenant).at(0), 1);
        let told = ["did_id", "trunk_id"].map(|name| reading.events[0].data.get(name).cloned());
        assert_eq!(told, [line.map(|ids| Value::Text(ids.0.into())), line.map(|ids| Value::Text(ids.1.into()))], "{name}");
        caller.hang_up().await;
        caller.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_asked_before_the_last_words_and_again_where_they_say_something_else() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    // The listener's last words take 1.9 seconds, as those of slow vendors do.
    caller.say("where is my order").await;
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(rig.questions().last().map(|question| question.text.as_str().to_owned()).as_deref(), Some("where is my order"));
    caller.understood("where is my order from monday").await;
    // What the Mouth was told of the first answer, and then of the second.
    caller.listen().await;
    caller.listen().await;
    let turn = caller.fact(|fact| if let Fact::Turn(record) = fact { Some(record.clone()) } else { None }).await;
    assert_eq!(turn.heard.as_str(), "where is my order from monday");
    assert_eq!(turn.said.as_str(), "You said: where is my order from monday.");
    let asked: Vec<(u32, String)> =
        rig.questions().iter().map(|question| (question.turn.0, question.text.as_str().to_owned())).collect();
    assert_eq!(asked, [(1, "where is my order".to_owned()), (1, "where is my order from monday".to_owned())]);

    // Nothing of the first answer was heard, and the agent is told so.
    let said: Vec<(String, String)> =
        rig.questions()[1].said.iter().map(|said| (said.text.as_str().to_owned(), said.heard().to_owned())).collect();
    assert_eq!(said.last(), Some(&("You said: where is my order.".to_owned(), String::new())));

    // Last words that say the same cost nothing: the answer was heard before they came.
    caller.say("thank you").await;
    let said = caller.listen().await;
    assert!(said.1 > 0);
    caller.understood("Thank you.").await;
    let turn = caller.fact(|fact| if let Fact::Turn(record) = fact { Some(record.clone()) } else { None }).await;
    assert_eq!((turn.heard.as_str(), turn.latency.map(|parts| parts.stt_ms)), ("thank you", Some(0)));
    drop(caller);
    nothing_left(&rig).await;
    let ends = rig
        .observations()
        .into_iter()
        .filter_map(|seen| if let Observation::EndJudged { end, .. } = seen { Some(end) } else { None });
    assert_eq!(ends.collect::<Vec<_>>(), [TurnEnd::Corrected, TurnEnd::InTime, TurnEnd::InTime]);
}

#[tokio::test(start_paused = true)]
async fn a_card_number_never_reaches_agent_or_watcher() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let turn = ask(&mut caller, "my card is 4111 1111 1111 1111 thanks").await;
    assert!(!turn.heard.as_str().contains("1111"), "{turn:?}");
    assert!(!turn.said.as_str().contains("1111"), "{turn:?}");
}

#[tokio::test(start_paused = true)]
async fn caller_who_interrupts_hushes_the_agent() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.say("tell me everything").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("tell me everything").await;
    let utterance = match caller.command().await {
        Order::Say { utterance, .. } => utterance,
        other => panic!("{other:?}"),
    };
    caller.report(LegEvent::Audible { utterance, at: vg_tests::rig::now() }).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    caller.report(LegEvent::SpeechStarted { at: vg_tests::rig::now(), position_ms: 3_000 }).await;
    loop {
        if matches!(caller.command().await, Order::Hush) {
            break;
        }
    }
    caller.report(LegEvent::Hushed { utterance: Some(utterance), spoken_ms: 300 }).await;
    let spoken_ms = caller
        .fact(|fact| match fact {
            Fact::Interrupted { spoken_ms, .. } => Some(*spoken_ms),
            _ => None,
        })
        .await;
    assert_eq!(spoken_ms, 300);
}

#[tokio::test(start_paused = true)]
async fn caller_who_hangs_up_at_any_moment_leaves_nothing() {
    // 5 ms steps through ringing, media, answer, greeting; then in a question and in its answer.
    for delay_ms in (0..=60).step_by(5).chain([500, 1_200, 2_000, 2_500]) {
        let rig = Rig::start(1);
        let mut caller = rig.call().await;
        let telephony = caller.telephony.clone().unwrap();
        let script = async {
            caller.listen().await;
            ask(&mut caller, "what time is it").await;
        };
        let _ = tokio::time::timeout(Duration::from_millis(delay_ms), script).await;
        telephony.send(TelephonyEvent::CallerGone).await.unwrap();
        assert_eq!(caller.ended().await, EndCause::CallerHungUp, "after {delay_ms} ms");
        assert_eq!(caller.acts().last().map(String::as_str), Some("release"), "after {delay_ms} ms");
        nothing_left(&rig).await;
    }
}

#[tokio::test(start_paused = true)]
async fn leg_that_vanishes_ends_the_call_as_lost() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.report(LegEvent::Lost).await;
    assert_eq!(caller.ended().await, EndCause::AsteriskLost);
    nothing_left(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn deaf_agent_costs_its_budget_and_the_caller_hears_the_fallback_line() {
    let rig = Rig::start(1);
    rig.script(|script| script.agent_is_deaf = true);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.say("what time is it").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("what time is it").await;
    let (_, samples) = caller.listen().await;
    assert!(samples > 0);
    let said = caller.fact(|fact| match fact {
        Fact::Saying { text, .. } if text.as_str() != "Welcome to the virtual house." => Some(text.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(said.await, "Nobody can answer now.");

    // It is asked on, in the background: the call is not lost for good.
    rig.script(|script| script.agent_is_deaf = false);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(ask(&mut caller, "goodbye").await.said.as_str(), "You said: goodbye.");
    assert_eq!(caller.ended().await, EndCause::AgentHungUp);
}

#[tokio::test(start_paused = true)]
async fn speaker_that_cannot_start_is_replaced_by_the_recording() {
    let rig = Rig::start(1);
    rig.script(|script| script.speaking_falls.extend(["session-limit", "session-limit"]));
    let mut caller = rig.call().await;
    let (_, samples) = caller.listen().await;
    assert_eq!(samples, 800, "the emergency recording");
}

#[tokio::test(start_paused = true)]
async fn listener_that_falls_once_is_opened_again() {
    let rig = Rig::start(1);
    rig.script(|script| script.hearing_falls.push_back("trap"));
    let mut caller = rig.call().await;
    caller.listen().await;
    let turn = ask(&mut caller, "are you there").await;
    assert_eq!(turn.heard.as_str(), "are you there");
    assert!(rig.observations().contains(&Observation::RungFell { role: "hearing", code: "trap" }));
}

#[tokio::test(start_paused = true)]
async fn listener_that_cannot_be_had_hands_the_caller_to_a_person() {
    let rig = Rig::start(1);
    rig.script(|script| script.hearing_falls.extend(["trap"; 8]));
    let mut caller = rig.call().await;
    let target = caller
        .fact(|fact| match fact {
            Fact::Escalated { target, .. } => Some(target.clone()),
            _ => None,
        })
        .await;
    assert_eq!(target, "people,s");
    caller.until_act("leave-media").await;
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::Transferred);
    nothing_left(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn slow_listener_loses_the_oldest_sound_and_that_is_observed() {
    let rig = Rig::start(1);
    rig.script(|script| script.listener_is_stuck = true);
    let mut caller = rig.call().await;
    caller.listen().await;
    for _ in 0..30 {
        caller.report(LegEvent::Audio(AudioChunk { pcm: vec![0; 1_600] })).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let dropped: u64 = rig.observations().iter().filter_map(dropped_ms).sum();
    assert_eq!(dropped, 1_000, "3 s came, 2 s are kept");
}

fn dropped_ms(observation: &Observation) -> Option<u64> {
    match observation {
        Observation::AudioDropped { ms } => Some(*ms),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_tenant_and_one_call_too_many_are_refused() {
    let rig = Rig::start(1);
    let stranger = rig.call_as(TenantHint::Named(TenantId::new("stranger"))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stranger.acts(), ["hang-up tenant_unknown", "release"]);
    nothing_left(&rig).await;

    let mut first = rig.call().await;
    first.listen().await;
    let second = rig.call().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(second.acts(), ["hang-up over_limit", "release"]);
    let refused = |code| rig.observations().contains(&Observation::CallRefused(code));
    assert!(refused("tenant_unknown") && refused("over_limit"));
    assert_eq!(rig.live(), 1);
}

#[tokio::test(start_paused = true)]
async fn drain_says_goodbye_and_leaves_nothing() {
    let rig = Rig::start(2);
    let mut caller = rig.call().await;
    caller.listen().await;
    rig.begin_stop();
    let (_, farewell) = caller.listen().await;
    assert!(farewell > 0);
    assert_eq!(caller.ended().await, EndCause::Drained);
    let drained = rig.stop().await;
    assert_eq!((drained.calls, drained.cut), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn call_whose_goodbye_never_ends_is_cut_after_the_grace() {
    let rig = Rig::start(2);
    let mut caller = rig.call().await;
    caller.listen().await;
    rig.begin_stop();
    // The Mouth plays nothing, so the goodbye never ends.
    assert_eq!(caller.ended().await, EndCause::Drained);
    let drained = rig.stop().await;
    assert_eq!(drained.calls, 1);
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_told_what_the_caller_heard_and_when_the_call_is_over() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.say("tell me everything").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("tell me everything").await;
    let Order::Say { utterance, .. } = caller.command().await else { panic!("no answer") };
    caller.report(LegEvent::Audible { utterance, at: vg_tests::rig::now() }).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let interruption = vg_tests::rig::now();
    caller.report(LegEvent::SpeechStarted { at: interruption, position_ms: 3_000 }).await;
    while !matches!(caller.command().await, Order::Hush) {}
    caller.report(LegEvent::Hushed { utterance: Some(utterance), spoken_ms: 600 }).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    caller.report(LegEvent::SpeechEnded { last_voiced: vg_tests::rig::now(), position_ms: 4_000 }).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("goodbye").await;
    caller.listen().await;
    assert_eq!(caller.ended().await, EndCause::AgentHungUp);
    nothing_left(&rig).await;

    let questions = rig.questions();
    let told = |n: usize| -> Vec<(Option<u32>, &str, Reach)> {
        questions[n].said.iter().map(|said| (said.turn.map(|turn| turn.0), said.text.as_str(), said.reach)).collect()
    };
    assert_eq!(told(0), [(None, "Welcome to the virtual house.", Reach::Whole)]);
    let interrupted = Reach::Interrupted { spoken_ms: Some(600), extent: Extent::Interpolated };
    assert_eq!(told(1), [(Some(1), "You said: tell me everything.", interrupted)]);
    assert_eq!(questions[1].said[0].heard(), "You said:");
    assert_eq!(questions[1].within, Duration::from_secs(10), "the tenant's deadline");
    assert_eq!(rig.closed(), [questions[0].conversation.clone()]);
}

#[tokio::test(start_paused = true)]
async fn what_providers_have_worked_is_told_once_and_before_the_end() {
    let rig = Rig::start(1);
    let usage = Usage { audio_ms: 4_000, characters: 0, requests: 1 };
    rig.script(|script| script.listener_worked = Some(usage));
    let mut caller = rig.call().await;
    caller.listen().await;
    caller.hang_up().await;
    caller.ended().await;
    nothing_left(&rig).await;
    let facts: Vec<Fact> = rig.published().into_iter().map(|(.., fact)| fact).collect();
    let used = facts.iter().filter(|fact| matches!(fact, Fact::Used { .. })).count();
    let [.., Fact::Used { who: Worker::Hearing, usage: told, .. }, Fact::Ended(_)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((used, *told), (1, usage));
    let observed = rig.observations();
    let worked = observed.iter().filter(|seen| matches!(seen, Observation::Used { usage: told, .. } if *told == usage)).count();
    assert_eq!(worked, 1);
}

#[tokio::test(start_paused = true)]
async fn how_a_call_stands_is_kept_whenever_that_changes() {
    let rig = Rig::start(4);
    let mut caller = rig.call().await;
    caller.listen().await;
    ask(&mut caller, "what time is it").await;
    ask(&mut caller, "goodbye").await;
    caller.ended().await;
    nothing_left(&rig).await;
    let snapshots = rig.snapshots();
    let mut states: Vec<_> = snapshots.iter().map(|snapshot| snapshot.state).collect();
    states.dedup();
    assert_eq!(states, [CallState::Ringing, CallState::Answered, CallState::Active, CallState::Ended]);
    let (first, last) = (snapshots.first().unwrap(), snapshots.last().unwrap());
    assert_eq!((&*first.channel, first.channel_name.as_deref()), ("chan-0", Some("PJSIP/rig-00000000")));
    assert_eq!((first.caller.reveal().as_str(), first.callee.reveal().as_str(), first.epoch), ("caller", "100", Epoch::FIRST));
    assert_eq!((first.answered_at, first.conversation.as_ref()), (None, None));
    assert!(last.answered_at.is_some() && last.ended_at.is_some() && last.conversation.is_some());
    let providers = (Some(PluginId::new("stt-fake")), Some(PluginId::new("tts-fake")));
    assert!(snapshots.iter().all(|kept| (&kept.hearing, &kept.speaking) == (&providers.0, &providers.1)), "who works for it");
    assert_eq!((first.direction, &first.agent, &first.trunk, &first.did), (Direction::Inbound, &None, &None, &None));
    assert!(snapshots.iter().rev().skip(1).all(|snapshot| snapshot.ended_at.is_none()), "the end is the last");
    let turns = rig.published().into_iter().filter(|(_, _, fact)| matches!(fact, Fact::Turn(_))).count();
    assert!(snapshots.len() <= 12 + 8 * turns, "{} snapshots: words that may change are not written each time", snapshots.len());
    assert!(rig.let_go().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_line_by_which_a_call_came_and_the_agent_it_was_made_for_are_kept() {
    let rig = Rig::start(4);
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(CONFIRMED))).await;
    caller.listen().await;
    caller.hang_up().await;
    caller.ended().await;
    nothing_left(&rig).await;
    let came = rig.snapshots();
    let line = (Some(TrunkId::new("trunk-1")), Some(DidId::new("did-1")));
    assert!(came.iter().all(|kept| (&kept.trunk, &kept.did) == (&line.0, &line.1)), "from the first on");
    assert_eq!(came.last().unwrap().tenant.as_str(), CONFIRMED);

    let (call, _, mut person) = rig.originate(LIMITED, "(11) 99999-8888").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    person.happens(TelephonyEvent::Up(AnsweredBy::CalledSide)).await;
    person.listen().await;
    person.hang_up().await;
    nothing_left(&rig).await;
    let made = rig.snapshots().split_off(came.len());
    assert!(!made.is_empty() && made.iter().all(|kept| kept.call == call && kept.direction == Direction::Outbound));
    assert!(made.iter().all(|kept| kept.agent.as_deref() == Some("sales")));
    let last = made.last().unwrap();
    assert_eq!((last.caller.reveal().as_str(), last.callee.reveal().as_str()), ("+551130000000", "+5511999998888"));
    assert_eq!((last.state, last.answered_at.is_some(), &last.trunk), (CallState::Ended, true, &None));
}

#[tokio::test(start_paused = true)]
async fn another_voice_and_a_person_show_in_what_is_kept() {
    let rig = Rig::start(4);
    rig.script(|script| script.falling = vec!["tts-fake"]);
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(LADDER))).await;
    caller.listen().await;
    let speaking = |rig: &Rig| rig.snapshots().last().unwrap().speaking.clone().unwrap();
    caller.fact(|fact| matches!(fact, Fact::Fell { who: Role::Speaking, .. }).then_some(())).await;
    ask(&mut caller, "what time is it").await;
    assert_ne!(speaking(&rig).as_str(), "tts-fake");
    caller.hang_up().await;
    caller.ended().await;
    assert_eq!(rig.snapshots().last().unwrap().state, CallState::Ended);

    rig.script(|script| script.hearing_falls.extend(["trap"; 8]));
    let mut caller = rig.call().await;
    caller.until_act("leave-media").await;
    caller.hang_up().await;
    assert_eq!(caller.ended().await, EndCause::Transferred);
    let last = rig.snapshots().pop().unwrap();
    assert_eq!((last.state, last.ended_at.is_some()), (CallState::Transferred, true));
}
