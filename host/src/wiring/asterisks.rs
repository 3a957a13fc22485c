//! From what the operator says of Asterisks to the adapters that speak with them.

use crate::adapters::ami::{self, Ami, AmiConfig};
use crate::adapters::ari::{self, Ari, AriConfig, REQUEST_DEADLINE};
use crate::adapters::rtp::Shards;
use crate::application::ports::IncomingCall;
use crate::config::{self, AmiLogin, AmiTransport, AsteriskMode, Config, RtpCodec};
use anyhow::{Context, Result};
use ipnet::IpNet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use vg_media::Codec;

/// For each Asterisk its manager interface, where one is configured.
pub(super) fn amis(config: &Config) -> Result<Vec<Option<Arc<Ami>>>> {
    let ami = |access: &config::AmiAccess| {
        let login = match access.login {
            AmiLogin::Challenge => ami::Login::Challenge,
            AmiLogin::Plain => ami::Login::Plain,
        };
        let transport = match &access.transport {
            AmiTransport::Plain => ami::Transport::Plain,
            AmiTransport::Tls { ca } => ami::Transport::Tls { ca: ca.as_deref().map(read).transpose()? },
        };
        let (address, user, password) = (access.address.clone(), access.user.clone(), access.password.clone());
        Ok(Arc::new(Ami::new(AmiConfig { address, user, password, login, transport, deadline: REQUEST_DEADLINE })?))
    };
    config.asterisk.iter().map(|asterisk| asterisk.ami.as_ref().map(ami).transpose()).collect()
}

/// The Asterisks of the configuration, in its order. Nothing is connected yet.
pub(super) fn asterisks(
    config: &Config,
    amis: &[Option<Arc<Ami>>],
    shard: &Arc<Shards>,
    incoming: &mpsc::Sender<IncomingCall>,
) -> Result<Vec<Arc<Ari>>> {
    let codec = match config.media.codec {
        RtpCodec::Ulaw => Codec::Pcmu,
        RtpCodec::Alaw => Codec::Pcma,
        RtpCodec::G722 => Codec::G722,
    };
    let silence = config.media.silence;
    let inactivity = config.media.inactivity;
    let trusted: Arc<[IpNet]> = config.media.trusted.clone().into();
    let shared = config.state.is_some().then(|| config.instance.clone());
    let ari = |(asterisk, ami): (&config::Asterisk, &Option<Arc<Ami>>)| {
        let config = AriConfig {
            mode: ari_mode(&asterisk.mode)?,
            app: asterisk.app.clone(),
            user: asterisk.user.clone(),
            password: asterisk.password.clone(),
            codec,
            silence,
            inactivity,
            deadline: REQUEST_DEADLINE,
            trusted: Arc::clone(&trusted),
            shared: shared.clone(),
        };
        Ok(Arc::new(Ari::new(config, ami.clone(), Arc::clone(shard), incoming.clone())?))
    };
    config.asterisk.iter().zip(amis).map(ari).collect()
}

/// With the operator's authorities read.
pub(crate) fn ari_mode(mode: &AsteriskMode) -> Result<ari::Mode> {
    let AsteriskMode::Dial { url, ca } = mode else { return Ok(ari::Mode::Accept) };
    Ok(ari::Mode::Dial { url: url.clone(), ca: ca.as_deref().map(read).transpose()? })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))
}
