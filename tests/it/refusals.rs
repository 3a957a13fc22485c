//! Stories of calls that are not taken in, in the virtual house.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::event::Fact;
use vg_domain::ids::TenantId;
use vg_domain::outcome::EndCause;
use vg_domain::refusal::Refusal;
use vg_tests::rig::{Caller, LIMITED, Order, Rig};
use voice_gateway::application::ports::{Observation, TelephonyEvent, TenantError, TenantHint};
use voice_gateway::application::prompt::Prompt;
use voice_gateway::application::refusing::RefusalWords;

fn limited() -> TenantHint {
    TenantHint::Named(TenantId::new(LIMITED))
}

fn words() -> RefusalWords {
    let prompt = |(n, refusal): (usize, Refusal)| (refusal, Prompt::new(16_000, vec![5; 1_600 * (n + 1)]));
    Refusal::ALL.into_iter().enumerate().map(prompt).collect()
}

/// The call's only fact, its acts, and the code in the metrics.
async fn refused(rig: &Rig, caller: &mut Caller, refusal: Refusal) {
    let told = caller.fact(|fact| Some(fact.clone())).await;
    assert_eq!(told, Fact::Refused(refusal));
    assert!(rig.observations().contains(&Observation::CallRefused(refusal.code())), "{}", refusal.code());
    assert!(rig.published().iter().any(|(_, _, fact)| *fact == Fact::Refused(refusal)), "{}", refusal.code());
}

async fn until_released(caller: &Caller) {
    let released = async {
        while caller.acts().last().map(String::as_str) != Some("release") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), released).await.expect("the call is not released");
}

async fn until_live(rig: &Rig, calls: usize) {
    let reached = async {
        while rig.live() != calls {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap_or_else(|_| panic!("{} calls are live", rig.live()));
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_tenant_is_told_by_its_own_code_and_without_an_answer() {
    for (fault, refusal) in [
        (TenantError::Unknown, Refusal::TenantUnknown),
        (TenantError::Unavailable, Refusal::TenantUnavailable),
        (TenantError::DidUnknown, Refusal::DidUnknown),
        (TenantError::TrunkMismatch, Refusal::TrunkMismatch),
    ] {
        let rig = Rig::start(4);
        rig.script(|script| script.tenant_fault = Some(fault));
        let mut caller = rig.call_as(limited()).await;
        refused(&rig, &mut caller, refusal).await;
        until_released(&caller).await;
        assert_eq!(caller.acts(), [format!("hang-up {}", refusal.code()), "release".to_owned()]);
        let (_, tenant, _) = rig.published().pop().unwrap();
        assert_eq!(tenant.as_str(), LIMITED, "told under the name that the call came with");
        until_live(&rig, 0).await;
        // Nothing was taken in, so nothing may be missed when it ends.
        assert!(!rig.observations().contains(&Observation::CallStarted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenants_limit_holds_for_that_tenant_and_a_call_that_ended_makes_room() {
    let rig = Rig::start(4);
    let mut first = rig.call_as(limited()).await;
    first.listen().await;
    let mut second = rig.call_as(limited()).await;
    refused(&rig, &mut second, Refusal::TenantOverLimit).await;
    until_released(&second).await;
    // Others are served meanwhile, and the refused call holds no seat.
    let mut other = rig.call().await;
    other.listen().await;
    assert_eq!(rig.live(), 2);
    first.hang_up().await;
    assert_eq!(first.ended().await, EndCause::CallerHungUp);
    until_live(&rig, 1).await;
    let mut third = rig.call_as(limited()).await;
    third.listen().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_caller_hears_why_where_the_operator_pays_for_it() {
    let rig = Rig::telling(1, words());
    let mut first = rig.call().await;
    first.listen().await;
    let mut second = rig.call().await;
    refused(&rig, &mut second, Refusal::OverLimit).await;
    let (_, heard) = second.listen().await;
    let index = Refusal::ALL.iter().position(|refusal| *refusal == Refusal::OverLimit).unwrap();
    assert_eq!(heard, 1_600 * (index + 1), "the words of this refusal, whole");
    until_released(&second).await;
    assert_eq!(second.acts(), ["connect-media", "answer", "hang-up over_limit", "release"]);
    assert_eq!(rig.live(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_caller_who_hangs_up_or_whose_leg_plays_nothing_holds_nobody() {
    for hangs_up in [true, false] {
        let rig = Rig::telling(4, words());
        rig.script(|script| script.tenant_fault = Some(TenantError::Unknown));
        let mut caller = rig.call().await;
        let telephony = caller.telephony.clone().unwrap();
        assert!(matches!(caller.command().await, Order::Say { .. }));
        let began = tokio::time::Instant::now();
        if hangs_up {
            telephony.send(TelephonyEvent::CallerGone).await.unwrap();
        }
        until_released(&caller).await;
        let within = if hangs_up { 1 } else { 20 };
        assert!(began.elapsed() < Duration::from_secs(within), "{:?}", began.elapsed());
        until_live(&rig, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_calls_while_the_gateway_drains_is_told_so() {
    let rig = Rig::start(4);
    let mut up = rig.call().await;
    up.listen().await;
    rig.begin_stop();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut late = rig.call().await;
    refused(&rig, &mut late, Refusal::Draining).await;
    until_released(&late).await;
    assert_eq!(late.acts(), ["hang-up draining", "release"]);
    let (_, farewell) = up.listen().await;
    assert!(farewell > 0);
    assert_eq!(up.ended().await, EndCause::Drained);
    let drained = rig.stop().await;
    assert_eq!((drained.calls, drained.cut), (1, 0), "who was refused was not up");
}
