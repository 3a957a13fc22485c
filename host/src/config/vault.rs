//! `[vault]`: who keeps the cards that callers key in.

use super::here::is_trustworthy;
use super::raw::flag;
use super::{Faults, secret};
use serde::Deserialize;
use std::path::PathBuf;
use url::Url;
use vg_domain::pii::Pii;

const EXPECTED: &str = "expected a URL such as https://vault.example/v1/cards";

/// `[vault]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// Where cards are posted to.
    pub url: Url,
    /// Bearer token; none where the vault asks for none.
    pub token: Option<Pii<String>>,
    /// File of the authorities (PEM) that its certificate must come from; none: the system's.
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawVault {
    url: Option<String>,
    token: Option<String>,
    ca: Option<PathBuf>,
    #[serde(deserialize_with = "flag")]
    allow_plain: Option<bool>,
}

impl RawVault {
    pub(super) fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Option<Vault> {
        let allow_plain = self.allow_plain == Some(true);
        let token = match self.token.filter(|token| !token.is_empty()) {
            None => Ok(None),
            Some(reference) => token(&reference, environment).map(Some),
        };
        let token = token.map_err(|what| faults.add("vault.token", what)).ok();
        let ca = self.ca.filter(|file| !file.as_os_str().is_empty());
        let Some(text) = self.url.filter(|url| !url.is_empty()) else {
            if allow_plain || ca.is_some() || token != Some(None) {
                faults.add("vault.url", "is needed where another key of the section is set");
            }
            return None;
        };
        let url = url(&text, allow_plain).map_err(|what| faults.add("vault.url", what)).ok();
        Some(Vault { url: url?, token: token?, ca })
    }
}

fn url(text: &str, allow_plain: bool) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(EXPECTED);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a name or password: a secret stands in vault.token");
    }
    if url.fragment().is_some() {
        return Err("must end with the path or the query");
    }
    if url.scheme() == "http" && !(allow_plain && is_trustworthy(&url)) {
        return Err("cards go by https alone; for tries by http to this machine, with vault.allow_plain");
    }
    Ok(url)
}

fn token(reference: &str, environment: &[(String, String)]) -> Result<Pii<String>, String> {
    let token = secret::resolve(reference, environment)?;
    match token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) && !token.reveal().is_empty() {
        true => Ok(token),
        false => Err(format!("{reference} is empty or holds what no header can")),
    }
}
