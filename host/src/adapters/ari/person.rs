//! A person who is called for the caller: rung, told, brought together with the caller, or let go.
//!
//! There is one media leg. It moves from the caller's bridge to the person's, where the person is told what it is about; then the caller follows, and
//! the media leg goes. While the person is called and told the caller hears Asterisk's music on hold.

use super::calls::Built;
use super::telephony::{AriTelephony, TRANSFER, variables};
use super::wire::Channel;
use crate::application::ports::TelephonyError;
use serde_json::{Map, json};
use vg_domain::transfer::Handover;

/// Beyond the dialplan's own time, so that its word for what happened comes first.
const GRACE_S: u64 = 3;

/// See the module.
pub(super) struct Person {
    /// The person's channel, and the bridge in which they are met.
    pub(super) built: Built,
    /// The media leg may be with the person.
    met: bool,
}

impl AriTelephony {
    pub(super) async fn call_person(&mut self, handover: &Handover) -> Result<(), TelephonyError> {
        let Some(bridge) = self.built.as_ref().map(|built| built.bridge.clone()) else {
            return Err(TelephonyError::Unsupported { act: TRANSFER });
        };
        let (context, extension) = self.require_place(handover).await?;
        let number = self.variable("CALLERID(num)").await?;
        let built = self.core.calls.begin_person(&self.call);
        // From here on something may exist, even if no answer comes.
        self.person = Some(Person { built: built.clone(), met: false });
        let core = &*self.core;
        let mut told: Map<_, _> =
            variables(&core.config.app, handover).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        // Who is not reached this way goes nowhere: [vg-back] hangs up with the reason.
        told.insert("VG_ATTENDED".to_owned(), "1".into());
        // All of it in the body: variables can be given there only, and a number in a URL ends in logs.
        let body = json!({
            "endpoint": format!("Local/{extension}@{context}/n"),
            "app": core.config.app,
            "appArgs": "person",
            "channelId": built.media,
            "callerId": number,
            // In the caller's own formats: without them Asterisk gives a Local channel 192 kHz, and on the way there and back half the loudness is lost.
            "originator": self.channel,
            "timeout": handover.ring.as_secs() + GRACE_S,
            "variables": told,
        });
        let _: Channel = core.rest.create_from("call person", &["channels"], &body).await?;
        // A caller who hears nothing meanwhile is no reason not to call anybody.
        let _ = core.rest.post("begin music", &["bridges", &bridge, "moh"], &[]).await;
        Ok(())
    }

    pub(super) async fn meet_person(&mut self) -> Result<(), TelephonyError> {
        let (Some(person), Some(ours)) = (&mut self.person, &self.built) else { return Err(TelephonyError::Gone) };
        let (core, built) = (&*self.core, person.built.clone());
        person.met = true;
        let query = [("type", "mixing"), ("bridgeId", built.bridge.as_str()), ("name", &built.bridge)];
        core.rest.post("create bridge", &["bridges"], &query).await?;
        let both = format!("{},{}", built.media, ours.media);
        core.rest.post("meet person", &["bridges", &built.bridge, "addChannel"], &[("channel", &both)]).await
    }

    pub(super) async fn join_person(&mut self) -> Result<(), TelephonyError> {
        let (Some(person), Some(ours)) = (&self.person, &self.built) else { return Err(TelephonyError::Gone) };
        let (core, bridge) = (&*self.core, person.built.bridge.as_str());
        // One after the other: with three in it Asterisk would mix.
        core.rest.post("leave person", &["bridges", bridge, "removeChannel"], &[("channel", &ours.media)]).await?;
        core.rest.post("join person", &["bridges", bridge, "addChannel"], &[("channel", &self.channel)]).await?;
        // Without a packet of ours there is nothing to be asked about: the caller's sound goes to the person.
        self.core.calls.without_flow(&self.channel);
        // They talk: what cannot be removed now is removed later.
        let _ = self.leave().await;
        Ok(())
    }

    pub(super) async fn let_person_go(&mut self) -> Result<(), TelephonyError> {
        self.core.calls.forget_person(&self.call);
        let Some(ours) = self.built.clone() else { return Err(TelephonyError::Gone) };
        let core = &*self.core;
        if let Some(Person { built, met }) = self.person.take() {
            if met {
                // The caller may have been on the way as well.
                let both = format!("{},{}", self.channel, ours.media);
                core.rest.post("come back", &["bridges", &ours.bridge, "addChannel"], &[("channel", &both)]).await?;
            }
            if core.remove(&built).await.is_err() {
                // Full, or nobody there: the resynchronisation after the call's end finds it.
                let _ = core.abandon.try_send(built);
            }
        }
        core.rest.delete("end music", &["bridges", &ours.bridge, "moh"], &[]).await
    }
}
