//! What an operator or tenant writes about a secret.

use super::google::{Google, Mode};
use super::held::{Held, Kind, Source, Told};
use super::oauth::{ClientAuth, ClientId, OAuth};
use super::store::SecretRef;
use super::{Secrets, aws, template};
use crate::grant::{HostRule, Schemes, Target};
use crate::secrets::store::SecretStore;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use url::Url;

/// One secret as it stands in a configuration: its kind, where it lies, and what it is bound to. Prints its kind only, since a secret may
/// stand by mistake where a reference should.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretSpec {
    /// One opaque value.
    Static {
        /// `env:NAME` or `file:PATH`.
        #[serde(rename = "ref")]
        reference: String,
        /// `scheme://host[:port]` it may be sent to; all that the grant permits where nothing is written.
        hosts: Option<Vec<String>>,
    },
    /// A key of Amazon Web Services, used to sign.
    AwsCredentials {
        /// To JSON `{access_key_id, secret_access_key, session_token}` or a credentials file.
        #[serde(rename = "ref")]
        reference: String,
        /// Profile of a credentials file; `default` where nothing is written.
        profile: Option<String>,
        /// As for `static`.
        hosts: Option<Vec<String>>,
        /// Regions it may sign for, for example `eu-central-1`. At least one.
        regions: Vec<String>,
        /// Service it may sign for, for example `transcribe`.
        service: String,
    },
    /// A key file of a Google service account; `{secret:NAME}` stands for a token made of it.
    GoogleServiceAccount {
        /// To the JSON key.
        #[serde(rename = "ref")]
        reference: String,
        /// As for `static`.
        hosts: Option<Vec<String>>,
        /// Whether the account's own signature is the token, or is exchanged for one.
        #[serde(default)]
        mode: Mode,
        /// The service, for example `https://speech.googleapis.com/`.
        audience: Option<String>,
        /// For example `https://www.googleapis.com/auth/cloud-platform`.
        scope: Option<String>,
    },
    /// OAuth 2.0 client credentials (RFC 6749 4.4); `{secret:NAME}` stands for the access token.
    #[serde(rename = "oauth2-client-credentials")]
    OAuth2ClientCredentials {
        /// Where tokens are given out. The operator's policy must permit it.
        token_url: String,
        /// The client's name itself, or a reference to it.
        client_id: String,
        /// Reference to its password.
        client_secret: String,
        /// How the client shows its password.
        #[serde(default)]
        client_auth: ClientAuth,
        /// Asked for where written.
        scope: Option<String>,
        /// Asked for where written.
        audience: Option<String>,
        /// As for `static`.
        hosts: Option<Vec<String>>,
    },
}

/// Something in a [`SecretSpec`] that cannot stand. Never repeats what may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SpecFault {
    /// For example `api-key.hosts[0]`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl SecretSpec {
    /// As it is written in a configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Static { .. } => "static",
            Self::AwsCredentials { .. } => "aws-credentials",
            Self::GoogleServiceAccount { .. } => "google-service-account",
            Self::OAuth2ClientCredentials { .. } => "oauth2-client-credentials",
        }
    }

    /// What it refers to. What is no reference is no part of it.
    pub fn references(&self) -> Vec<SecretRef> {
        let written: &[&String] = match self {
            Self::Static { reference, .. }
            | Self::AwsCredentials { reference, .. }
            | Self::GoogleServiceAccount { reference, .. } => &[reference],
            Self::OAuth2ClientCredentials { client_id, client_secret, .. } => &[client_id, client_secret],
        };
        written.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

impl Secrets {
    /// Reads what is written about secrets, each by the name that the plugin uses. The secrets themselves are read when they are used.
    ///
    /// # Errors
    /// All faults, each with its path.
    pub fn resolve(specs: &BTreeMap<String, SecretSpec>, store: Arc<dyn SecretStore>) -> Result<Self, Vec<SpecFault>> {
        let mut faults = Vec::new();
        let held = specs.iter().filter_map(|(name, spec)| {
            if !template::is_name(name) {
                let message = "a secret's name has 1 to 64 letters, digits, dots, dashes and underscores".to_owned();
                faults.push(SpecFault { path: format!("{name:?}"), message });
                return None;
            }
            Reader { path: name, faults: &mut faults }.held(spec).map(|held| (name.clone(), held))
        });
        let held = held.collect();
        if faults.is_empty() { Ok(Self::new(held, store)) } else { Err(faults) }
    }
}

struct Reader<'a> {
    path: &'a str,
    faults: &'a mut Vec<SpecFault>,
}

impl Reader<'_> {
    fn held(mut self, spec: &SecretSpec) -> Option<Held> {
        let (kind, hosts) = match spec {
            SecretSpec::Static { reference, hosts } => (self.source("ref", reference).map(Kind::Static), hosts),
            SecretSpec::AwsCredentials { reference, profile, hosts, regions, service } => {
                let words = self.regions(regions) & self.scope_word("service", service);
                let source = self.source("ref", reference);
                let (profile, regions) = (profile.clone().unwrap_or_else(|| "default".to_owned()), regions.clone());
                let kind =
                    source.filter(|_| words).map(|source| Kind::Aws { source, profile, regions, service: service.clone() });
                (kind, hosts)
            }
            SecretSpec::GoogleServiceAccount { reference, hosts, mode, audience, scope } => {
                let source = self.source("ref", reference);
                let complete = self.google(*mode, audience.is_some(), scope.is_some());
                let google = source.map(|source| Google::new(source, *mode, audience.clone(), scope.clone()));
                (google.filter(|_| complete).map(Kind::Google), hosts)
            }
            SecretSpec::OAuth2ClientCredentials { token_url, client_id, client_secret, client_auth, scope, audience, hosts } => {
                let endpoint = self.token_url(token_url);
                let client_id = self.client_id(client_id);
                let secret = self.source("client_secret", client_secret);
                let oauth = endpoint.zip(client_id).zip(secret).map(|((endpoint, client_id), secret)| {
                    OAuth::new(endpoint, client_id, secret, *client_auth, scope.clone(), audience.clone())
                });
                (oauth.map(Kind::OAuth), hosts)
            }
        };
        let hosts = self.hosts(hosts.as_deref());
        Some(Held { hosts: hosts?, kind: kind?, told: Told::default() })
    }

    fn google(&mut self, mode: Mode, audience: bool, scope: bool) -> bool {
        match (mode, audience, scope) {
            (Mode::SelfSigned, true, false) | (Mode::SelfSigned | Mode::Exchange, false, true) => return true,
            (Mode::SelfSigned, ..) => self.fault("scope", "a self-signed token takes either a scope or an audience"),
            (Mode::Exchange, true, _) => self.fault("audience", "belongs to a self-signed token"),
            (Mode::Exchange, ..) => self.fault("scope", "is needed for an exchange"),
        }
        false
    }

    fn fault(&mut self, field: &str, message: impl fmt::Display) {
        self.faults.push(SpecFault { path: format!("{}.{field}", self.path), message: message.to_string() });
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error| self.fault(field, error)).ok()
    }

    fn source(&mut self, field: &str, reference: &str) -> Option<Source> {
        self.parsed::<SecretRef>(field, reference).map(Source::new)
    }

    fn hosts(&mut self, hosts: Option<&[String]>) -> Option<Option<Vec<HostRule>>> {
        let Some(hosts) = hosts else { return Some(None) };
        if hosts.is_empty() {
            self.fault("hosts", "binds the secret to nothing: leave it out, or name a host");
        }
        let rules: Vec<_> =
            hosts.iter().enumerate().filter_map(|(at, host)| self.parsed(&format!("hosts[{at}]"), host)).collect();
        (!hosts.is_empty() && rules.len() == hosts.len()).then_some(Some(rules))
    }

    fn regions(&mut self, regions: &[String]) -> bool {
        if regions.is_empty() {
            self.fault("regions", "at least one is needed");
        }
        let fit = regions.iter().enumerate().filter(|(at, region)| self.scope_word(&format!("regions[{at}]"), region)).count();
        fit == regions.len() && fit > 0
    }

    fn scope_word(&mut self, field: &str, word: &str) -> bool {
        let fits = aws::is_scope_word(word);
        if !fits {
            self.fault(field, "has only small letters, digits and dashes");
        }
        fits
    }

    fn token_url(&mut self, url: &str) -> Option<(Target, Url)> {
        let parsed = Target::parse(url, Schemes::Http);
        parsed.map_err(|refusal| self.fault("token_url", refusal)).ok()
    }

    fn client_id(&mut self, text: &str) -> Option<ClientId> {
        if text.starts_with("env:") || text.starts_with("file:") {
            return self.source("client_id", text).map(ClientId::There);
        }
        if text.is_empty() {
            self.fault("client_id", "is empty");
            return None;
        }
        Some(ClientId::Plain(text.to_owned()))
    }
}

impl fmt::Debug for SecretSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}
