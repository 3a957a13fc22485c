//! Acts on one call, in the order that was tried.

use super::Core;
use super::calls::Built;
use super::reason::reason;
use super::wire::{Channel, Variable};
use crate::adapters::rtp::{LegConfig, RtpHandle};
use crate::application::ports::{MediaLeg, Telephony, TelephonyError, TelephonyEvent};
use futures_util::future::BoxFuture;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::timeout;
use vg_domain::ids::CallId;
use vg_domain::outcome::EndCause;
use vg_media::Codec;

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
    /// Keeps the events open for a call that parted, so that its leaving is not taken for a hang-up.
    parted: Option<mpsc::Sender<TelephonyEvent>>,
    released: bool,
}

impl AriTelephony {
    pub(super) fn new(core: Arc<Core>, call: CallId, channel: String) -> Self {
        Self { core, call, channel, built: None, replaced: None, wire: None, parted: None, released: false }
    }

    async fn act(&self, act: &'static str, query: &[(&str, &str)]) -> Result<(), TelephonyError> {
        self.core.rest.post(act, &["channels", &self.channel, act], query).await
    }

    async fn build(&mut self) -> Result<MediaLeg, TelephonyError> {
        let core = Arc::clone(&self.core);
        let (media, wire) = self.open_leg()?;
        let built = core.calls.names(&self.call);
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
        media_address(&created?).ok_or(TelephonyError::Refused { act: ACT, status: 200 })
    }

    async fn continue_in_dialplan(&mut self, target: &str) -> Result<(), TelephonyError> {
        const ACT: &str = "transfer";
        let Some((context, extension)) = target.split_once(',') else {
            return Err(TelephonyError::Unsupported { act: ACT });
        };
        // Asterisk says 204 to a place that does not exist, and hangs up.
        let question = format!("DIALPLAN_EXISTS({context},{extension},1)");
        let path = ["channels", &self.channel, "variable"];
        let known: Variable = self.core.rest.get(ACT, &path, &[("variable", &question)]).await?;
        if known.value != "1" {
            return Err(TelephonyError::Refused { act: ACT, status: 404 });
        }
        self.parted = self.core.calls.part(&self.channel);
        if self.parted.is_none() {
            return Err(TelephonyError::Gone);
        }
        let query = [("context", context), ("extension", extension), ("priority", "1")];
        let outcome = self.act("continue", &query).await;
        if outcome.is_err()
            && let Some(events) = self.parted.take()
        {
            self.core.calls.stay(&self.channel, events);
            if let Some(wire) = &self.wire {
                self.core.calls.set_flow(&self.channel, wire.flow());
            }
        }
        outcome
    }
}

impl Telephony for AriTelephony {
    fn ring(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(self.act("ring", &[]))
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

    fn transfer(&mut self, target: &str) -> BoxFuture<'_, Result<(), TelephonyError>> {
        let target = target.to_owned();
        Box::pin(async move { self.continue_in_dialplan(&target).await })
    }

    fn hang_up(&mut self, cause: EndCause) -> BoxFuture<'_, Result<(), TelephonyError>> {
        let reason = reason(cause);
        Box::pin(async move { self.core.rest.delete("hang up", &["channels", &self.channel], &[("reason", reason)]).await })
    }

    fn release(&mut self) -> BoxFuture<'_, Result<(), TelephonyError>> {
        Box::pin(async move {
            // First of all: the end of the media channel is no surprise from now on.
            self.core.calls.released(&self.call);
            self.wire = None;
            if let Some(media) = &self.replaced {
                self.core.rest.delete("release media channel", &["channels", media], &[]).await?;
            }
            if let Some(built) = &self.built {
                self.core.remove(built).await?;
            }
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
        if let Some(built) = self.built.take() {
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
