//! Stories of calls that the gateway makes, in the virtual house.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::dialling::{AnsweredBy, DialFailure};
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::outcome::EndCause;
use vg_domain::parties::Direction;
use vg_domain::pii::Pii;
use vg_tests::rig::{Caller, LIMITED, Rig};
use voice_gateway::application::ports::{
    CallOrder, DialError, Observation, OrderError, Originate, OriginateError, TelephonyEvent, TenantError,
};

const PERSON: &str = "(11) 99999-8888";

async fn told<T>(rig: &Rig, call: &CallId, fit: impl Fn(&Fact) -> Option<T>) -> T {
    let waiting = async {
        loop {
            let found = rig.published().iter().filter(|(of, ..)| of == call).find_map(|(_, _, fact)| fit(fact));
            match found {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(300), waiting).await.expect("the fact never came")
}

async fn ended(rig: &Rig, call: &CallId) -> EndCause {
    let cause = told(rig, call, |fact| match fact {
        Fact::Ended(outcome) => Some(outcome.cause),
        _ => None,
    })
    .await;
    let gone = async {
        while rig.live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("a call is still held");
    cause
}

async fn happens(person: &Caller, event: TelephonyEvent) {
    person.telephony.as_ref().unwrap().send(event).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn somebody_is_called_and_greeted_only_after_the_answer() {
    let rig = Rig::start(4);
    let (call, order, mut person) = rig.originate(LIMITED, PERSON).await.unwrap();
    assert_eq!(order.endpoint.reveal(), "PJSIP/+5511999998888@trunk");
    assert_eq!((order.caller_id.reveal().as_str(), order.ring), ("+551130000000", Duration::from_secs(30)));
    let parties = told(&rig, &call, |fact| match fact {
        Fact::Started(parties) => Some(parties.clone()),
        _ => None,
    })
    .await;
    assert_eq!((parties.direction, parties.to.reveal().as_str()), (Direction::Outbound, "+5511999998888"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    // The agent knows, and nothing was done to the line: no sound, no act.
    assert_eq!(person.acts(), [""; 0]);
    let conversation = rig.conversations().remove(0);
    assert_eq!((conversation.direction, conversation.agent.as_deref()), (Direction::Outbound, Some("sales")));
    assert_eq!(
        (conversation.caller.reveal().as_str(), conversation.dialled.reveal().as_str()),
        ("+5511999998888", "+551130000000")
    );
    assert_eq!(conversation.metadata["campaign"], "spring");

    happens(&person, TelephonyEvent::Up(AnsweredBy::CalledSide)).await;
    let (_, greeting) = person.listen().await;
    assert!(greeting > 0);
    assert!(person.told.iter().any(|order| matches!(order, voice_gateway::application::ports::MouthCommand::Watch { .. })));
    assert!(rig.observations().contains(&Observation::CallAnswered(AnsweredBy::CalledSide)));
    happens(&person, TelephonyEvent::CallerGone).await;
    assert_eq!(ended(&rig, &call).await, EndCause::CallerHungUp);
    assert_eq!(person.acts(), ["connect-media", "release"], "what was answered is not answered again");
}

#[tokio::test(start_paused = true)]
async fn who_is_not_reached_ends_the_call_by_the_reason() {
    for failure in DialFailure::ALL {
        let rig = Rig::start(4);
        let (call, _, person) = rig.originate(LIMITED, PERSON).await.unwrap();
        happens(&person, TelephonyEvent::NotReached(failure)).await;
        assert_eq!(ended(&rig, &call).await, EndCause::NotReached(failure));
        assert!(rig.observations().contains(&Observation::CallEnded(EndCause::NotReached(failure))));
        assert_eq!(person.acts(), ["release"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_hung_up_by_its_tenant_while_it_rings() {
    let rig = Rig::start(4);
    let (call, _, person) = rig.originate(LIMITED, PERSON).await.unwrap();
    assert_eq!(rig.order_as("other", &call, CallOrder::HangUp).await, Err(OrderError::UnknownCall));
    assert_eq!(rig.order_as(LIMITED, &call, CallOrder::HangUp).await, Ok(()));
    assert_eq!(ended(&rig, &call).await, EndCause::Stopped);
    assert_eq!(person.acts(), ["hang-up stopped", "release"]);
    assert_eq!(rig.order_as(LIMITED, &call, CallOrder::HangUp).await, Err(OrderError::UnknownCall));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_not_dialled_and_takes_no_seat() {
    let rig = Rig::start(2);
    let refused = async |tenant: &str, to: &str| rig.originate(tenant, to).await.err();
    assert_eq!(refused(LIMITED, "+4930123456").await, Some(OriginateError::Forbidden));
    assert_eq!(refused(LIMITED, "police").await, Some(OriginateError::Forbidden));
    assert_eq!(refused("nobody", PERSON).await, Some(OriginateError::UnknownTenant));
    assert_eq!(refused("recorded", PERSON).await, Some(OriginateError::Forbidden), "a tenant without rules");
    for (fault, error) in [(DialError::Unreachable, OriginateError::Unreachable), (DialError::Refused, OriginateError::Refused)] {
        rig.script(|script| script.dial_fault = Some(fault));
        assert_eq!(refused(LIMITED, PERSON).await, Some(error));
    }
    rig.script(|script| {
        script.dial_fault = None;
        script.tenant_fault = Some(TenantError::Unavailable);
    });
    assert_eq!(refused(LIMITED, PERSON).await, Some(OriginateError::TenantUnavailable));
    rig.script(|script| script.tenant_fault = None);
    assert_eq!(rig.live(), 0);
    let codes = rig.observations().iter().filter(|seen| matches!(seen, Observation::CallRefused(_))).count();
    assert_eq!(codes, 7, "each is counted");
    // The tenant's limit is one call, whoever began it; the gateway's is two.
    let (_, _, person) = rig.originate(LIMITED, PERSON).await.unwrap();
    assert_eq!(refused(LIMITED, PERSON).await, Some(OriginateError::OverLimit));
    let _inbound = rig.call().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    happens(&person, TelephonyEvent::NotReached(DialFailure::Busy)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(rig.originate(LIMITED, PERSON).await.is_ok());
    assert_eq!(refused(LIMITED, PERSON).await, Some(OriginateError::OverLimit));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_drains_hangs_up_what_rings_and_dials_nobody() {
    let rig = Rig::start(4);
    let (call, _, person) = rig.originate(LIMITED, PERSON).await.unwrap();
    let originator = rig.originator();
    rig.begin_stop();
    assert_eq!(ended(&rig, &call).await, EndCause::Drained);
    assert_eq!(person.acts(), ["hang-up drained", "release"]);
    let order = Originate {
        tenant: TenantId::new(LIMITED),
        to: Pii::new(PERSON.to_owned()),
        from: None,
        agent: None,
        metadata: Default::default(),
        timeout: Duration::from_secs(30),
    };
    assert_eq!(originator.originate(order).await, Err(OriginateError::Draining));
    assert_eq!(rig.stop().await.calls, 1);
}

#[tokio::test(start_paused = true)]
async fn orders_that_come_together_share_the_tenants_seats_exactly() {
    let rig = Rig::start(8);
    let originator = rig.originator();
    let order = || Originate {
        tenant: TenantId::new(LIMITED),
        to: Pii::new(PERSON.to_owned()),
        from: None,
        agent: None,
        metadata: Default::default(),
        timeout: Duration::from_secs(30),
    };
    let made = futures_util::future::join_all((0..20).map(|_| originator.originate(order()))).await;
    let calls: Vec<&CallId> = made.iter().flatten().collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(made.iter().filter(|made| **made == Err(OriginateError::OverLimit)).count(), 19);
    assert_eq!(rig.order_as(LIMITED, calls[0], CallOrder::HangUp).await, Ok(()));
    assert_eq!(ended(&rig, calls[0]).await, EndCause::Stopped);
    // Who no longer waits for the answer takes nothing with him.
    let impatient = tokio::time::timeout(Duration::from_millis(1), originator.originate(order())).await;
    assert!(impatient.is_err());
    assert_eq!(rig.live(), 0);
    assert!(originator.originate(order()).await.is_ok());
}
