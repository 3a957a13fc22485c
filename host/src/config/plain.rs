//! What leaves this machine as it is, for whoever is on the way to read.

use super::here::{host_of, is_here, leads_here};
use super::{Agent, AmiTransport, AsteriskMode, Config, KafkaTransport, StateTls};
use url::Url;

/// A connection to another machine that the operator has chosen not to encrypt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Where that is written, for example `kafka.brokers`.
    pub setting: String,
    /// Whom it leads to.
    pub to: String,
}

impl Config {
    /// Every connection of the gateway's own that is not encrypted and leaves this machine. What plugins and tenants' webhooks may reach stands in the policy
    /// and in tenants' settings (`doctor` reads them beside this), and RTP has a setting of its own (`media.trusted_networks`).
    pub fn plain(&self) -> Vec<Plain> {
        let mut plain = Vec::new();
        let mut add = |setting: String, to: String| plain.push(Plain { setting, to });
        for (index, asterisk) in self.asterisk.iter().enumerate() {
            if let AsteriskMode::Dial { url, .. } = &asterisk.mode
                && let Some(host) = readable(url)
            {
                add(format!("asterisk[{index}].url"), host);
            }
            if let Some(ami) = &asterisk.ami
                && ami.transport == AmiTransport::Plain
                && !is_here(host_of(&ami.address))
            {
                add(format!("asterisk[{index}].ami"), ami.address.clone());
            }
        }
        let agent = match &self.agent {
            Agent::Builtin => None,
            Agent::Http(remote) | Agent::Grpc(remote) => Some(&remote.url),
            Agent::Chat(chat) => Some(&chat.remote.url),
        };
        let urls = [
            ("agent.url", agent),
            ("tenants.url", self.tenants.manager.as_ref().map(|manager| &manager.url)),
            ("telemetry.otlp_endpoint", self.telemetry.otlp.as_ref().map(|otlp| &otlp.endpoint)),
            ("recording.store.endpoint", self.recording.store.as_ref().and_then(|store| store.endpoint.as_ref())),
        ];
        for (setting, url) in urls {
            if let Some(host) = url.and_then(readable) {
                add(setting.into(), host);
            }
        }
        if let Some(state) = self.state.as_ref().filter(|state| state.tls == StateTls::Plain) {
            let elsewhere = state.servers.iter().filter(|(host, _)| !is_here(host));
            elsewhere.for_each(|(host, port)| add("state.redis".into(), format!("{host}:{port}")));
        }
        if let Some(kafka) = self.kafka.as_ref().filter(|kafka| kafka.transport == KafkaTransport::Plain) {
            let elsewhere = kafka.brokers.split(',').filter(|broker| !is_here(host_of(broker)));
            elsewhere.for_each(|broker| add("kafka.brokers".into(), broker.into()));
        }
        plain
    }
}

/// Whom a URL leads to, where that is another machine and others can read along.
pub(crate) fn readable(url: &Url) -> Option<String> {
    (matches!(url.scheme(), "http" | "ws") && !leads_here(url)).then(|| url.host_str().unwrap_or_default().to_owned())
}
