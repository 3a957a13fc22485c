//! Acts on one call, in the order that was tried.

use super::Core;
use super::adopt::Remains;
use super::calls::Built;
use super::person::Person;
use super::reason::reason;
use super::wire::{Channel, Variable};
use crate::adapters::rtp::{LegConfig, RtpHandle};
use crate::application::ports::{MediaLeg, Telephony, TelephonyError, TelephonyEvent};
use crate::config::is_trusted;
use futures_util::future::{BoxFuture, try_join_all};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::timeout;
use vg_domain::ids::CallId;
use vg_domain::outcome::EndCause;
use vg_domain::transfer::{Handover, Way};
use vg_media::Codec;

/// The act, in errors and the log.
pub(super) const TRANSFER: &str = "transfer";
/// Where the dialplan tells the caller's telephone to call somebody else. Asterisk's own way for it by ARI never says what came of it.
const REFER_CONTEXT: &str = "vg-refer";
/// What a human reads at a glance, and a SIP message has room for.
const SUMMARY_CHARS_MAX: usize = 200;

/// A caller in our Stasis application.
pub(super) struct AriTelephony {
    pub(super) core: Arc<Core>,
    pub(super) call: CallId,
    pub(super) channel: String,
    /// Names of what may exist in Asterisk; none before anything was asked for.
    pub(super) built: Option<Built>,
    /// A media channel beside the one of `built`, which may exist as well: the leg was built anew.
    pub(super) replaced: Option<String>,
    pub(super) wire: Option<RtpHandle>,
    /// What another gateway built for the call, which goes once this one's own is there.
    remains: Option<Remains>,
    /// The person who is called, or talks to the caller.
    pub(super) person: Option<Person>,
    /// Its sound goes to networks that the operator trusts, or nowhere.
    on_trusted_path: bool,
    released: bool,
}

impl AriTelephony {
    pub(super) fn new(core: Arc<Core>, call: CallId, channel: String) -> Self {
        Self {
            core,
            call,
            channel,
            built: None,
            replaced: None,
            wire: None,
            remains: None,
            person: None,
            on_trusted_path: false,
            released: false,
        }
    }

    /// A caller who was another gateway's.
    pub(super) fn adopting(core: Arc<Core>, call: CallId, channel: String, remains: Remains) -> Self {
        let mut telephony = Self::new(core, call, channel);
        telephony.remains = Some(remains);
        telephony
    }

    /// Nothing is done to a caller whom another gateway holds: this one may have stood still, and not know it yet.
    pub(super) async fn require_held(&self) -> Result<(), TelephonyError> {
        if self.core.shared && self.core.is_taken(&self.channel).await {
            self.core.calls.end(&self.channel, TelephonyEvent::Taken);
            return Err(TelephonyError::Gone);
        }
        Ok(())
    }

    async fn act(&self, act: &'static str, query: &[(&str, &str)]) -> Result<(), TelephonyError> {
        self.core.rest.post(act, &["channels", &self.channel, act], query).await
    }

    async fn build(&mut self) -> Result<MediaLeg, TelephonyError> {
        let core = Arc::clone(&self.core);
        let (media, wire) = self.open_leg()?;
        let built = core.calls.begin_leg(&self.call);
        // From here on something may exist, even if no answer comes.
        self.built = Some(built.clone());
        let query = [("type", "mixing"), ("bridgeId", &built.bridge), ("name", &built.bridge)];
        core.rest.post("create bridge", &["bridges"], &query).await?;
        let remote = self.create_media_channel(&built.media, wire.local_addr()).await?;
        wire.set_remote(remote).map_err(|_| TelephonyError::Unsupported { act: "open media leg" })?;
        core.calls.set_flow(&self.channel, wire.flow());
        self.wire = Some(wire);
        let both = format!("{},{}", self.channel, built.media);
        // The list is understood in the query only, not in a body.
        core.rest.post("join bridge", &["bridges", &built.bridge, "addChannel"], &[("channel", &both)]).await?;
        if let Some(remains) = self.remains.take() {
            core.remove_remains(&remains).await;
        }
        Ok(media)
    }

    /// A leg on this side.
    pub(super) fn open_leg(&self) -> Result<(MediaLeg, RtpHandle), TelephonyError> {
        let core = &self.core;
        let codec = core.config.codec;
        // Silence is told and asked about, not taken for the end: a caller may send nothing for a while.
        let (silence, still) = (core.config.silence, core.config.inactivity);
        let leg = LegConfig { codec, rate_hz: codec.rate_hz(), remote: None, events: None, still, silence };
        core.shard.open_rtp(leg).map_err(|error| {
            tracing::error!(code = error.code(), "media leg could not be opened");
            TelephonyError::Unsupported { act: "open media leg" }
        })
    }

    /// Where Asterisk sends from. The answer comes before the channel is in our application, and a channel that is not
    /// cannot be bridged: its StasisStart is waited for.
    pub(super) async fn create_media_channel(&self, media: &str, local: SocketAddr) -> Result<SocketAddr, TelephonyError> {
        const ACT: &str = "create media channel";
        let core = &*self.core;
        let format = match core.config.codec {
            Codec::Pcmu => "ulaw",
            Codec::Pcma => "alaw",
            Codec::G722 => "g722",
            _ => return Err(TelephonyError::Unsupported { act: ACT }),
        };
        let started = core.calls.await_start(media);
        let host = local.to_string();
        let query = [
            ("app", core.config.app.as_str()),
            ("channelId", media),
            ("external_host", &host),
            ("format", format),
            ("encapsulation", "rtp"),
            ("transport", "udp"),
        ];
        let created = async {
            let channel: Channel = core.rest.create(ACT, &["channels", "externalMedia"], &query).await?;
            match timeout(core.config.deadline, started).await {
                Ok(Ok(())) => Ok(channel),
                _ => Err(TelephonyError::Deadline { act: "start media channel" }),
            }
        };
        let created = created.await;
        core.calls.forget_start(media);
        let address = media_address(&created?).ok_or(TelephonyError::Refused { act: ACT, status: 200 })?;
        if self.on_trusted_path && !is_trusted(address.ip(), &core.config.trusted) {
            tracing::error!(asterisk = %address.ip(), "a call's sound must not go there unencrypted: see media.trusted_networks");
            return Err(TelephonyError::UntrustedPath);
        }
        Ok(address)
    }

    /// Sends the leg to the dialplan, watched, and with what the dialplan needs to know.
    async fn go_to(&self, handover: &Handover) -> Result<(), TelephonyError> {
        self.require_held().await?;
        let core = &*self.core;
        let (context, extension) = self.require_place(handover).await?;
        let variables = variables(&core.config.app, handover);
        let settings = variables.iter().map(|(name, value)| {
            let path = ["channels", self.channel.as_str(), "variable"];
            async move { core.rest.post(TRANSFER, &path, &[("variable", *name), ("value", value)]).await }
        });
        try_join_all(settings).await?;
        // Without it nobody would tell us of the end of a channel that left our application.
        let source = format!("channel:{}", self.channel);
        let path = ["applications", &core.config.app, "subscription"];
        // AMI tells of every end in any case.
        if !core.rest.is_by_ami() {
            core.rest.post(TRANSFER, &path, &[("eventSource", &source)]).await?;
        }
        if !core.calls.part(&self.channel) {
            return Err(TelephonyError::Gone);
        }
        let parted = self.act("continue", &[("context", context), ("extension", extension), ("priority", "1")]).await;
        if parted.is_err() {
            core.calls.stay(&self.channel);
            if let Some(wire) = &self.wire {
                core.calls.set_flow(&self.channel, wire.flow());
            }
        }
        parted
    }

    /// What is not to be removed now is removed later.
    pub(super) async fn leave(&mut self) -> Result<(), TelephonyError> {
        // First of all: the end of the media channel is no surprise from now on.
        self.core.calls.leave_leg(&self.call);
        self.wire = None;
        let Some(built) = self.built.take() else { return Ok(()) };
        let removed = self.core.remove(&built).await;
        if removed.is_err() {
            // Full, or nobody there: a leg of a former name is found by the resynchronisation after the call's end.
            let _ = self.core.abandon.try_send(built);
        }
        removed
    }
}

impl AriTelephony {
    /// Context and extension. Asterisk says 204 to a place that does not exist, and hangs up.
    pub(super) async fn require_place<'a>(&self, handover: &'a Handover) -> Result<(&'a str, &'a str), TelephonyError> {
        let (context, extension) = match &handover.way {
            Way::Dialplan { place, .. } => (place.context(), place.extension()),
            Way::Refer(_) => (REFER_CONTEXT, "s"),
        };
        let known = self.variable(&format!("DIALPLAN_EXISTS({context},{extension},1)")).await?;
        if known == "1" { Ok((context, extension)) } else { Err(TelephonyError::Refused { act: TRANSFER, status: 404 }) }
    }

    pub(super) async fn variable(&self, name: &str) -> Result<String, TelephonyError> {
        let path = ["channels", self.channel.as_str(), "variable"];
        let known: Variable = self.core.rest.get(TRANSFER, &path, &[("variable", name)]).await?;
        Ok(known.value)
    }
}

/// What the shipped dialplan knows of a hand-over. Two underscores: whoever is dialled inherits it.
pub(super) fn variables(app: &str, handover: &Handover) -> Vec<(&'static str, String)> {
    let summary = handover.summary.as_ref().map(|summary| plain_text(summary.as_str())).unwrap_or_default();
    let mut variables = vec![
        ("VG_APP", app.to_owned()),
        ("VG_RING", handover.ring.as_secs().to_string()),
        ("VG_KIND", handover.kind.to_owned()),
        ("__VG_SUMMARY", summary),
    ];
    match &handover.way {
        Way::Dialplan { trunk: Some(trunk), caller_id, .. } => {
            let caller_id = caller_id.as_ref().map(|number| number.reveal().clone());
            variables.extend([("VG_TRUNK", trunk.clone()), ("VG_CALLER_ID", caller_id.unwrap_or_default())]);
        }
        Way::Dialplan { trunk: None, .. } => {}
        Way::Refer(address) => variables.push(("VG_REFER", address.reveal().clone())),
    }
    variables
}

/// A SIP header's worth of words: one line, and nothing in it that says something to a dialplan.
fn plain_text(text: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || ".:!?'-+".contains(c) { c } else { ' ' };
    let words: String = text.chars().map(plain).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SUMMARY_CHARS_MAX).collect()
}

impl Telephony for AriTelephony {
    fn ring(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.act("ring", &[]))
    }

    fn require_trusted_path(&mut self) {
        self.on_trusted_path = true;
    }

    fn connect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        Box::pin(self.build())
    }

    fn reconnect_media(&mut self) -> BoxFuture<'_, Result<MediaLeg, TelephonyError>> {
        Box::pin(self.rebuild())
    }

    fn answer(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.act("answer", &[]))
    }

    fn transfer<'a>(&'a mut self, handover: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(self.go_to(handover))
    }

    fn leave_media(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.leave())
    }

    fn consult<'a>(&'a mut self, handover: &'a Handover) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(self.call_person(handover))
    }

    fn meet(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.meet_person())
    }

    fn join(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.join_person())
    }

    fn resume(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.let_person_go())
    }

    fn send_digits<'a>(&'a mut self, digits: &'a str) -> BoxFuture<'a, Result<(), TelephonyError>> {
        Box::pin(async move {
            self.require_held().await?;
            let path = ["channels", self.channel.as_str(), "dtmf"];
            self.core.rest.post("send digits", &path, &[("dtmf", digits)]).await
        })
    }

    fn forsake(&mut self) {
        self.core.calls.released(&self.call);
        self.core.calls.forget(&self.channel);
        self.wire = None;
        self.released = true;
    }

    fn hang_up(&mut self, cause: EndCause) -> BoxFuture<'_, Result<(), TelephonyError>> {
        let reason = reason(cause);
        Box::pin(async move {
            self.require_held().await?;
            self.core.rest.delete("hang up", &["channels", &self.channel], &[("reason", reason)]).await
        })
    }

    fn release(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(async move {
            // First of all: the end of the media channel is no surprise from now on.
            self.core.calls.released(&self.call);
            self.wire = None;
            let person = match &self.person {
                Some(person) => self.core.remove(&person.built).await,
                None => Ok(()),
            };
            if let Some(media) = &self.replaced {
                self.core.rest.delete("release media channel", &["channels", media], &[]).await?;
            }
            if let Some(built) = &self.built {
                self.core.remove(built).await?;
            }
            if let Some(remains) = self.remains.take() {
                self.core.remove_remains(&remains).await;
            }
            person?;
            self.released = true;
            Ok(())
        })
    }
}

impl Drop for AriTelephony {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        self.core.calls.released(&self.call);
        if let (Some(media), Some(built)) = (self.replaced.take(), &self.built) {
            let _ = self.core.abandon.try_send(Built { media, bridge: built.bridge.clone() });
        }
        let person = self.person.take().map(|person| person.built);
        for built in self.built.take().into_iter().chain(person) {
            // Full, or nobody there: what is no longer a live call's is found at the next resynchronisation.
            let _ = self.core.abandon.try_send(built);
        }
    }
}

fn media_address(channel: &Channel) -> Option<SocketAddr> {
    let variable = |name: &str| channel.channelvars.get(name);
    let ip: IpAddr = variable("UNICASTRTP_LOCAL_ADDRESS")?.parse().ok()?;
    let port: u16 = variable("UNICASTRTP_LOCAL_PORT")?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}
