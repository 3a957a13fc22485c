//! OAuth 2.0 client credentials (RFC 6749 4.4).

use super::digest;
use super::held::{Source, Value, unread};
use super::store::SecretStore;
use super::token::{Endpoint, Fresh, TokenCell};
use crate::grant::{Refusal, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

/// How a client shows its password to the token endpoint (RFC 6749 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// In the header `authorization`, which every endpoint must take.
    #[default]
    Basic,
    /// In the form, for endpoints that take nothing else.
    Form,
}

/// A client's name, which is no secret, or where it lies.
pub(super) enum ClientId {
    Plain(String),
    There(Source),
}

pub(super) struct OAuth {
    endpoint: (Target, Url),
    client_id: ClientId,
    client_secret: Source,
    client_auth: ClientAuth,
    scope: Option<String>,
    audience: Option<String>,
    cell: TokenCell,
}

impl OAuth {
    pub(super) fn new(
        endpoint: (Target, Url),
        client_id: ClientId,
        client_secret: Source,
        client_auth: ClientAuth,
        scope: Option<String>,
        audience: Option<String>,
    ) -> Self {
        Self { endpoint, client_id, client_secret, client_auth, scope, audience, cell: TokenCell::default() }
    }

    pub(super) async fn token(&self, endpoint: &Endpoint<'_>, store: &dyn SecretStore) -> Result<Value, Refusal> {
        let unread = |error| unread(endpoint.name, &error);
        let id = match &self.client_id {
            ClientId::Plain(id) => Arc::new(Zeroizing::new(id.clone())),
            ClientId::There(source) => source.read(store).await.map_err(unread)?,
        };
        let secret = self.client_secret.read(store).await.map_err(unread)?;
        let made_of = digest(&[id.as_bytes(), secret.as_bytes()]);
        self.cell.get(Instant::now(), made_of, self.get(endpoint, &id, &secret)).await
    }

    pub(super) fn forget(&self) {
        self.client_secret.forget();
        if let ClientId::There(source) = &self.client_id {
            source.forget();
        }
    }

    pub(super) fn invalidate(&self, value: &str) {
        self.cell.invalidate(Instant::now(), value);
    }

    async fn get(&self, endpoint: &Endpoint<'_>, id: &str, secret: &str) -> Result<Fresh, Refusal> {
        let authorization = match self.client_auth {
            // Both are form-encoded before they are joined (RFC 6749 2.3.1).
            ClientAuth::Basic => {
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = Zeroizing::new(format!("{}:{}", encoded(id), encoded(secret)));
                Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))))
            }
            ClientAuth::Form => None,
        };
        let form = Zeroizing::new(self.form(id, secret).into_bytes());
        let (target, url) = &self.endpoint;
        endpoint.post((target, url), authorization.as_ref().map(|value| value.as_str()), form).await
    }

    fn form(&self, id: &str, secret: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if self.client_auth == ClientAuth::Form {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
        }
        for (name, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        form.finish()
    }
}
