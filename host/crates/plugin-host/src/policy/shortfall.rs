//! What a plugin wishes and is not given, in words that say what to write where.

use crate::api::{Descriptor, SecretKind, SecretWish};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use vg_links::grant::{Grant, HostRule, Refusal, Schemes, SystemResolver, Target};
use vg_links::secrets::SecretSpec;

/// Part of a plugin's wish that is not permitted, or cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// What is lacking.
    pub lacking: Lacking,
    /// What to write where: `add to policy: …`, `add to the tenant: …`, or what is wrong with the plugin.
    pub advice: String,
}

/// Kinds of shortfalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// A host of the wish, as the descriptor or the option `endpoint` has it.
    Host(String),
    /// A secret by the plugin's name for it.
    Secret(String),
    /// Threads for plugins that run a model.
    Heavy,
}

impl Lacking {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Secret(_) => "secret",
            Self::Heavy => "heavy",
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lacking {
            Lacking::Host(host) => write!(f, "may not reach {host}: {}", self.advice),
            Lacking::Secret(name) => write!(f, "cannot use the secret {name}: {}", self.advice),
            Lacking::Heavy => write!(f, "may not run a model: {}", self.advice),
        }
    }
}

impl Shortfall {
    pub(super) fn heavy(plugin: &str) -> Self {
        Self { lacking: Lacking::Heavy, advice: format!("add to policy: [plugin.{plugin:?}] heavy = true") }
    }
}

/// The hosts of a descriptor; one that is no rule is a shortfall that no policy mends.
pub(super) fn wished(descriptor: &Descriptor, shortfalls: &mut Vec<Shortfall>) -> Vec<HostRule> {
    let rule = |host: &String| match host.parse() {
        Ok(rule) => Some(rule),
        Err(fault) => {
            let advice = format!("the plugin's descriptor is wrong: {fault}");
            shortfalls.push(Shortfall { lacking: Lacking::Host(host.clone()), advice });
            None
        }
    };
    descriptor.hosts.iter().filter_map(rule).collect()
}

/// `wish` is the descriptor's; of `pointed`, the forms of the tenant's endpoint, one is enough.
pub(super) fn hosts(grant: &Grant, wish: &[HostRule], pointed: Option<&[HostRule]>, shortfalls: &mut Vec<Shortfall>) {
    let lacks = |rule: &HostRule| Some(Shortfall { lacking: Lacking::Host(rule.to_string()), advice: lack(grant, rule)? });
    // A plugin that is pointed elsewhere does not need its vendor.
    match pointed {
        None => shortfalls.extend(wish.iter().filter_map(lacks)),
        Some([]) => {
            let advice = "the option is no URL such as https://127.0.0.1:8443".to_owned();
            shortfalls.push(Shortfall { lacking: Lacking::Host("the endpoint".to_owned()), advice });
        }
        Some(forms) => {
            let lacking: Vec<Shortfall> = forms.iter().filter_map(lacks).collect();
            if lacking.len() == forms.len() {
                shortfalls.extend(lacking.into_iter().next());
            }
        }
    }
}

/// What the operator or tenant has to write before `rule` is permitted.
fn lack(grant: &Grant, rule: &HostRule) -> Option<String> {
    let covered = |rules: &[HostRule]| rules.iter().any(|own| own.covers(rule));
    if !covered(&grant.reach.policy.hosts) {
        return Some(format!("add to policy: [plugin.{:?}] hosts = [{:?}]", &*grant.plugin, rule.to_string()));
    }
    if grant.reach.tenant.as_ref().is_some_and(|rules| !covered(rules)) {
        return Some(format!("the tenant does not permit {rule}: its hosts lack it"));
    }
    let text = rule.to_string();
    let schemes = if text.starts_with("ws") { Schemes::Websocket } else { Schemes::Http };
    // The names below a suffix are no target; nor has any of them an address of its own to look at.
    let (target, _) = Target::parse(&text, schemes).ok()?;
    address_refused(grant, &target)?.advice().map(str::to_owned)
}

/// Of an address that stands in the rule itself; names are not looked up.
fn address_refused(grant: &Grant, target: &Target) -> Option<Refusal> {
    target.literal()?;
    let resolver = SystemResolver;
    let checked = pin!(grant.addresses(target, &resolver));
    match checked.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(refusal)) => Some(refusal),
        Poll::Ready(Ok(_)) | Poll::Pending => None,
    }
}

/// Secrets that the plugin asks for and does not get, gets in another kind, or gets by way of a host that is not permitted.
pub(super) fn secrets(
    grant: &Grant,
    descriptor: &Descriptor,
    given: &BTreeMap<String, SecretSpec>,
    shortfalls: &mut Vec<Shortfall>,
) {
    for SecretWish { name, kind, why } in &descriptor.secrets {
        let wanted = kind.as_str();
        let advice = match given.get(name) {
            None => format!("add to the tenant: secrets.{name} = {}  # {why}", example(*kind)),
            Some(spec) if kind_of(spec) != *kind => format!("the plugin asks for kind {wanted:?}"),
            Some(spec) => match errand_refused(grant, spec) {
                None => continue,
                Some(advice) => advice,
            },
        };
        shortfalls.push(Shortfall { lacking: Lacking::Secret(name.clone()), advice });
    }
}

/// The least that has to be written for a secret of that kind.
fn example(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Static => r#"{ kind = "static", ref = "env:NAME" }"#,
        SecretKind::AwsCredentials => {
            r#"{ kind = "aws-credentials", ref = "file:PATH", regions = ["REGION"], service = "SERVICE" }"#
        }
        SecretKind::GoogleServiceAccount => {
            r#"{ kind = "google-service-account", ref = "file:KEY.json", audience = "https://SERVICE/" }"#
        }
        SecretKind::Oauth2ClientCredentials => {
            r#"{ kind = "oauth2-client-credentials", token_url = "https://HOST/PATH", client_id = "ID", client_secret = "env:NAME" }"#
        }
    }
}

/// The kind of a secret as a tenant wrote it.
pub fn kind_of(spec: &SecretSpec) -> SecretKind {
    match spec {
        SecretSpec::Static { .. } => SecretKind::Static,
        SecretSpec::AwsCredentials { .. } => SecretKind::AwsCredentials,
        SecretSpec::GoogleServiceAccount { .. } => SecretKind::GoogleServiceAccount,
        SecretSpec::OAuth2ClientCredentials { .. } => SecretKind::Oauth2ClientCredentials,
    }
}

/// The host fetches a token by itself: a matter of the operator alone.
fn errand_refused(grant: &Grant, spec: &SecretSpec) -> Option<String> {
    let SecretSpec::OAuth2ClientCredentials { token_url, .. } = spec else { return None };
    let (target, _) = Target::parse(token_url, Schemes::Http).ok()?;
    if !grant.reach.policy.hosts.iter().any(|rule| rule.permits(&target)) {
        return Some(format!("add to policy: [plugin.{:?}] hosts = [{:?}]", &*grant.plugin, target.origin()));
    }
    address_refused(grant, &target)?.advice().map(str::to_owned)
}
