//! Legs of the virtual house: of callers, and of people who are called.

use super::{Caller, FarLeg, Shared};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use vg_domain::outcome::EndCause;
use vg_domain::transfer::Handover;
use voice_gateway::application::ports::{
    DialError, DialOrder, Dialled, Dialler, MediaLeg, MouthFloor, Telephony, TelephonyError,
};

pub(super) struct FakeLine {
    pub(super) acts: Arc<Mutex<Vec<String>>>,
    pub(super) legs: mpsc::Sender<FarLeg>,
    pub(super) reconnect_fault: Option<TelephonyError>,
}

impl FakeLine {
    fn act(&self, act: &str) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.acts.lock().unwrap().push(act.to_owned());
        // A round trip to Asterisk.
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(())
        })
    }
}

impl Telephony for FakeLine {
    fn ring(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("ring")
    }

    fn require_trusted_path(&mut self) {
        self.acts.lock().unwrap().push("require-trusted-path".to_owned());
    }

    fn connect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        self.acts.lock().unwrap().push("connect-media".to_owned());
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (mouth_tx, mouth) = mpsc::channel(8);
            let (floor_tx, floor) = watch::channel(MouthFloor::default());
            let (events, events_rx) = mpsc::channel(64);
            let _ = self.legs.send(FarLeg::new(mouth, floor, events)).await;
            Ok(MediaLeg { mouth: mouth_tx, floor: floor_tx, events: events_rx, rate_hz: 16_000 })
        })
    }

    fn reconnect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        self.acts.lock().unwrap().push("reconnect-media".to_owned());
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (mouth_tx, mouth) = mpsc::channel(8);
            let (floor_tx, floor) = watch::channel(MouthFloor::default());
            let (events, events_rx) = mpsc::channel(64);
            let (fault, legs) = (self.reconnect_fault.clone(), &self.legs);
            if let Some(fault) = fault {
                return Err(fault);
            }
            let _ = legs.send(FarLeg::new(mouth, floor, events)).await;
            Ok(MediaLeg { mouth: mouth_tx, floor: floor_tx, events: events_rx, rate_hz: 16_000 })
        })
    }

    fn answer(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("answer")
    }

    fn transfer<'a>(&'a mut self, handover: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>> {
        let Some(place) = handover.place() else { return self.act("refer") };
        let (missing, place) = (place.extension() == "nobody", format!("{},{}", place.context(), place.extension()));
        let act = self.act(&format!("transfer {place}"));
        Box::pin(async move {
            act.await?;
            if missing { Err(TelephonyError::Refused { act: "transfer", status: 404 }) } else { Ok(()) }
        })
    }

    fn consult<'a>(&'a mut self, handover: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>> {
        self.act(&format!("consult {}", handover.place().map_or("nobody", |place| place.extension())))
    }

    fn meet(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("meet")
    }

    fn join(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("join")
    }

    fn resume(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("resume")
    }

    fn leave_media(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("leave-media")
    }

    fn send_digits<'a>(&'a mut self, digits: &'a str) -> BoxFuture<'a, Result<(), TelephonyError>> {
        self.act(&format!("digits {digits}"))
    }

    fn hang_up(&mut self, cause: EndCause) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act(&format!("hang-up {}", cause.code()))
    }

    fn release(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        self.act("release")
    }
}

/// Everybody who is dialled rings.
pub(super) struct FakeDialler {
    pub(super) shared: Arc<Shared>,
    pub(super) called: mpsc::Sender<(DialOrder, Caller)>,
}

impl Dialler for FakeDialler {
    fn dial(&self, order: DialOrder) -> BoxFuture<'_, Result<Dialled, DialError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let fault = self.shared.script.lock().unwrap().dial_fault;
            if let Some(fault) = fault {
                return Err(fault);
            }
            let (telephony, events) = mpsc::channel(8);
            let (_, facts) = mpsc::channel(1);
            let (legs_tx, legs) = mpsc::channel(1);
            let acts = Arc::new(Mutex::new(Vec::new()));
            let line = FakeLine { acts: Arc::clone(&acts), legs: legs_tx, reconnect_fault: None };
            let shared = Arc::clone(&self.shared);
            let person = Caller { acts, telephony: Some(telephony), facts, told: Vec::new(), legs, leg: None, shared };
            let channel = format!("out-{}", order.call);
            self.called.try_send((order, person)).expect("a rig rings few people at once");
            Ok(Dialled { channel, telephony: Box::new(line), events })
        })
    }
}
