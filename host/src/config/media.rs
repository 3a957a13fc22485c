//! `[media]`: the sound side.

use super::Faults;
use super::raw::{address, at_least_one, number, set};
use super::state::texts;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;
use vg_media::Silence;
use vg_plugin_host::policy::network;

/// `[media]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where RTP is received. Port 0: any free one.
    pub bind: SocketAddr,
    /// The address that Asterisk is told to send to; none: the address of `bind`.
    pub advertise: Option<IpAddr>,
    /// What is spoken with Asterisk over RTP.
    pub codec: RtpCodec,
    /// Threads that carry sound. The first one listens at `bind`, each other two ports above.
    pub shards: NonZeroUsize,
    /// Whether calls share a thread's socket.
    pub sockets: Sockets,
    /// The ports of calls that have sockets of their own; none: any free ones.
    pub ports: Option<RangeInclusive<u16>>,
    /// What is sent to Asterisk while there is nothing to say. Trunks, and firewalls on the way to them, take a line without packets for a dead one.
    pub silence: Silence,
    /// A call whose packets stand still for so long is counted; none: never.
    pub inactivity: Option<Duration>,
    /// What becomes of a call whose media path stays silent after it was built anew.
    pub on_silent_path: OnSilentPath,
    /// Networks whose every listener is the operator's own: sound of callers whose cards are masked strictly goes there unencrypted, and to this machine.
    pub trusted: Vec<IpNet>,
}

impl Media {
    /// Whether what is received where this gateway listens can come from trusted networks alone.
    pub fn stays_on_trusted_ground(&self) -> bool {
        let ip = self.bind.ip();
        // An address of its own is not named where every one is listened at.
        if ip.is_unspecified() { !self.trusted.is_empty() } else { is_trusted(ip, &self.trusted) }
    }
}

/// Whether sound may go to an address as it is: to this machine, or to one of these networks.
pub fn is_trusted(ip: IpAddr, networks: &[IpNet]) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || networks.iter().any(|network| network.contains(&ip))
}

/// What becomes of a call without sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSilentPath {
    /// It goes on.
    GoOn,
    /// It ends.
    End,
}

/// Sockets of calls. With a shared one few ports need to be open; one for each call gets through networks that change a sender's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// One for each thread.
    Shared,
    /// One for each call.
    PerCall,
}

/// What can be spoken with Asterisk in both directions: it takes back static RTP payload types only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpCodec {
    /// G.711 mu-law.
    Ulaw,
    /// G.711 A-law.
    Alaw,
    /// G.722: 16 kHz, where callers have it, too.
    G722,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMedia {
    bind: Option<String>,
    advertise: Option<String>,
    codec: Option<String>,
    #[serde(deserialize_with = "number")]
    shards: Option<usize>,
    sockets: Option<String>,
    ports: Option<String>,
    silence: Option<String>,
    on_silent_path: Option<String>,
    #[serde(deserialize_with = "number")]
    inactivity_s: Option<usize>,
    #[serde(deserialize_with = "texts")]
    trusted_networks: Vec<String>,
}

impl RawMedia {
    pub(super) fn resolve(self, media: &mut Media, faults: &mut Faults) {
        set(&mut media.bind, "media.bind", self.bind.as_deref(), address, faults);
        let advertise = |text: &str| text.parse::<IpAddr>().map(Some).map_err(|_| "expected an IP address");
        let written = self.advertise.as_deref().filter(|text| !text.is_empty());
        set(&mut media.advertise, "media.advertise", written, advertise, faults);
        let codec = |text: &str| match text {
            "ulaw" => Ok(RtpCodec::Ulaw),
            "alaw" => Ok(RtpCodec::Alaw),
            "g722" => Ok(RtpCodec::G722),
            _ => Err("expected ulaw, alaw or g722"),
        };
        set(&mut media.codec, "media.codec", self.codec.as_deref(), codec, faults);
        let mut shards = media.shards.get();
        at_least_one(&mut shards, "media.shards", self.shards, faults);
        media.shards = NonZeroUsize::new(shards).unwrap_or(media.shards);
        let sockets = |text: &str| match text {
            "shared" => Ok(Sockets::Shared),
            "per-call" => Ok(Sockets::PerCall),
            _ => Err("expected shared or per-call"),
        };
        set(&mut media.sockets, "media.sockets", self.sockets.as_deref(), sockets, faults);
        let ports = |text: &str| port_range(text).map(Some);
        let written = self.ports.as_deref().filter(|text| !text.is_empty());
        set(&mut media.ports, "media.ports", written, ports, faults);
        let silence = |text: &str| match text {
            "comfort" => Ok(Silence::Comfort),
            "nothing" => Ok(Silence::Nothing),
            _ => Err("expected comfort or nothing"),
        };
        set(&mut media.silence, "media.silence", self.silence.as_deref(), silence, faults);
        let on_silent_path = |text: &str| match text {
            "go-on" => Ok(OnSilentPath::GoOn),
            "end" => Ok(OnSilentPath::End),
            _ => Err("expected go-on or end"),
        };
        set(&mut media.on_silent_path, "media.on_silent_path", self.on_silent_path.as_deref(), on_silent_path, faults);
        if let Some(inactivity_s) = self.inactivity_s {
            media.inactivity = (inactivity_s > 0).then(|| Duration::from_secs(inactivity_s as u64));
        }
        for text in &self.trusted_networks {
            match network(text) {
                Ok(network) => media.trusted.push(network),
                Err(what) => faults.add("media.trusted_networks", format_args!("{text}: {what}")),
            }
        }
        if media.bind.ip().is_unspecified() && media.advertise.is_none() {
            faults.add("media.advertise", "is needed: media.bind names no address that Asterisk could send to");
        }
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let ends = text.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    match ends {
        Some((first, last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err("expected FIRST-LAST, for example 20000-20999"),
    }
}
