//! Tokens of Google service accounts: a JWT signed by the account's key (RFC 7519, RS256), as it is or exchanged (RFC 7523).

use super::digest;
use super::held::{Source, Value, refused, unread};
use super::store::SecretStore;
use super::token::{Endpoint, Fresh, TokenCell};
use crate::grant::{Refusal, Schemes, Target};
use crate::wire::LinkErrorKind;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use url::form_urlencoded;
use zeroize::Zeroizing;

/// The longest life that Google allows.
const LIFE: Duration = Duration::from_secs(3600);

/// How an account's key becomes a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The account's signature is the token: nobody is asked. Takes an audience or a scope.
    #[default]
    SelfSigned,
    /// The signature is exchanged for an access token at the key's `token_uri`. Takes a scope.
    Exchange,
}

pub(super) struct Google {
    source: Source,
    mode: Mode,
    audience: Option<String>,
    scope: Option<String>,
    cell: TokenCell,
}

#[derive(Deserialize)]
struct Key {
    client_email: String,
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl Google {
    pub(super) fn new(source: Source, mode: Mode, audience: Option<String>, scope: Option<String>) -> Self {
        Self { source, mode, audience, scope, cell: TokenCell::default() }
    }

    pub(super) async fn token(&self, endpoint: &Endpoint<'_>, store: &dyn SecretStore) -> Result<Value, Refusal> {
        let text = self.source.read(store).await.map_err(|error| unread(endpoint.name, &error))?;
        let made_of = digest(&[text.as_bytes()]);
        self.cell.get(Instant::now(), made_of, self.get(endpoint, &text)).await
    }

    pub(super) fn forget(&self) {
        self.source.forget();
    }

    pub(super) fn invalidate(&self, value: &str) {
        self.cell.invalidate(Instant::now(), value);
    }

    async fn get(&self, endpoint: &Endpoint<'_>, text: &str) -> Result<Fresh, Refusal> {
        let useless = |advice: &str| refused(endpoint.name, LinkErrorKind::Protocol, "is not available", Some(advice.to_owned()));
        let key: Key = serde_json::from_str(text).map_err(|_| useless("is no JSON key of a service account"))?;
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| useless("the clock stands before 1970"))?.as_secs();
        let mut claims = json!({ "iss": key.client_email, "iat": iat, "exp": iat + LIFE.as_secs() });
        if let Some(scope) = &self.scope {
            claims["scope"] = json!(scope);
        }
        let broken = || useless("the private_key of the service account cannot be read");
        match self.mode {
            Mode::SelfSigned => {
                claims["sub"] = json!(key.client_email);
                if let Some(audience) = &self.audience {
                    claims["aud"] = json!(audience);
                }
                let token = sign(&key, &claims).ok_or_else(broken)?;
                Ok(Fresh { token, good_for: LIFE })
            }
            Mode::Exchange => {
                let token_uri = key.token_uri.as_deref().unwrap_or("https://oauth2.googleapis.com/token");
                let (target, url) =
                    Target::parse(token_uri, Schemes::Http).map_err(|_| useless("its token_uri is no proper URL"))?;
                claims["aud"] = json!(token_uri);
                let assertion = sign(&key, &claims).ok_or_else(broken)?;
                let form = form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
                    .append_pair("assertion", &assertion)
                    .finish();
                endpoint.post((&target, &url), None, Zeroizing::new(form.into_bytes())).await
            }
        }
    }
}

fn sign(key: &Key, claims: &serde_json::Value) -> Option<Zeroizing<String>> {
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.private_key_id });
    let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let mut token = Zeroizing::new(format!("{}.{}", encode(&header), encode(claims)));
    let der = PrivatePkcs8KeyDer::from_pem_slice(key.private_key.as_bytes()).ok()?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).ok()?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    // Built with room for both, so that no part of it is left behind.
    token = Zeroizing::new([token.as_str(), &signature].join("."));
    Some(token)
}
