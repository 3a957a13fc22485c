//! `[[events.webhooks]]` of a tenant as it is written.

use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeSet;
use vg_domain::tenant::Webhook;
use vg_plugin_host::links::grant::{Schemes, Target};
use vg_plugin_host::links::secrets::SecretRef;

/// Webhooks of a tenant.
const WEBHOOKS_MAX: usize = 8;
/// What a webhook is told that does not say: how calls go, and no words.
const TYPES: &str = "call.*";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEvents {
    webhooks: Vec<RawWebhook>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawWebhook {
    name: String,
    url: String,
    types: Option<Vec<String>>,
    secret: String,
}

impl RawEvents {
    pub(super) fn resolve(self, faults: &mut Faults) -> Vec<Webhook> {
        if self.webhooks.len() > WEBHOOKS_MAX {
            faults.add("events.webhooks", format_args!("has more than {WEBHOOKS_MAX}"));
        }
        let mut names = BTreeSet::new();
        for (at, webhook) in self.webhooks.iter().enumerate() {
            let path = |key: &str| format!("events.webhooks[{at}].{key}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !(1..=64).contains(&webhook.name.len()) || !webhook.name.chars().all(plain) {
                faults.add(path("name"), "must be lower-case letters, digits and '-'");
            } else if !names.insert(&webhook.name) {
                faults.add(path("name"), "is another's, too");
            }
            // A secret does not stand in a URL; what signs is `secret`.
            match Target::parse(&webhook.url, Schemes::Http) {
                Err(error) => faults.add(path("url"), error),
                Ok(_) if webhook.url.contains(['{', '#']) => faults.add(path("url"), "holds what no URL may hold here"),
                Ok(_) => {}
            }
            if webhook.secret.parse::<SecretRef>().is_err() {
                faults.add(path("secret"), "is not a reference: write env:NAME or file:PATH, never the secret itself");
            }
            if webhook.types.as_ref().is_some_and(Vec::is_empty) {
                faults.add(path("types"), "is empty: it would be told nothing");
            }
            for (of, wanted) in webhook.types.iter().flatten().enumerate() {
                let named = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
                let beginning = wanted.strip_suffix('*').unwrap_or(wanted);
                if wanted.is_empty() || !beginning.chars().all(named) {
                    faults
                        .add(path(&format!("types[{of}]")), "expected a type such as call.ended, or a beginning such as call.*");
                }
            }
        }
        let webhook = |raw: RawWebhook| {
            let types = raw.types.unwrap_or_else(|| vec![TYPES.to_owned()]);
            Webhook { name: raw.name, url: raw.url, types, secret: raw.secret }
        };
        self.webhooks.into_iter().map(webhook).collect()
    }
}
