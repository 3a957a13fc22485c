//! Amazon's Signature Version 4: credentials, the key chain, and signatures of the messages of an event stream. What is signed of a request
//! stands in [`request`].

pub(super) mod request;

use super::held::Value;
use ring::hmac::{self, HMAC_SHA256, Key};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// An access key, with a session's token where it is a temporary one.
pub(super) struct Credentials {
    id: String,
    secret: Value,
    token: Option<Value>,
}

/// What a signature is good for.
#[derive(Clone, PartialEq, Eq)]
struct Scope {
    region: String,
    service: String,
}

/// Continues a chain of AWS signatures with a key that nobody sees. Cheap to clone.
#[derive(Clone)]
pub struct ChunkSigner(Arc<Chain>);

struct Chain {
    secret: Value,
    scope: Scope,
    /// `YYYYMMDD` of the request, and the key of that day: nearly all messages are of it.
    day: String,
    key: Key,
}

#[derive(Deserialize)]
struct Json {
    #[serde(alias = "AccessKeyId")]
    access_key_id: String,
    #[serde(alias = "SecretAccessKey")]
    secret_access_key: Zeroizing<String>,
    #[serde(alias = "SessionToken")]
    session_token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// From JSON, in snake case or as the vendor's tools print it, or from a profile of a credentials file.
    pub(super) fn parse(text: &str, profile: &str) -> Option<Self> {
        let json = if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { from_file(text, profile) }?;
        let Json { access_key_id: id, secret_access_key: secret, session_token } = json;
        let token = session_token.filter(|token| !token.is_empty()).map(Arc::new);
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let fit = fits(&id) && fits(&secret) && token.as_ref().is_none_or(|token| fits(token));
        fit.then(|| Self { id, secret: Arc::new(secret), token })
    }

    /// What of it is sent beside the signature.
    pub(super) fn token(&self) -> Option<&Value> {
        self.token.as_ref()
    }
}

fn from_file(text: &str, profile: &str) -> Option<Json> {
    let is_head = |line: &&str| line.starts_with('[');
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) != Some(profile));
    lines.next()?;
    let (mut id, mut secret, mut token) = (None, None, None);
    for (key, value) in lines.take_while(|line| !is_head(line)).filter_map(|line| line.split_once('=')) {
        let value = value.trim().to_owned();
        match key.trim() {
            "aws_access_key_id" => id = Some(value),
            "aws_secret_access_key" => secret = Some(Zeroizing::new(value)),
            "aws_session_token" => token = Some(Zeroizing::new(value)),
            _ => {}
        }
    }
    Some(Json { access_key_id: id?, secret_access_key: secret?, session_token: token })
}

/// Small letters, digits and dashes: what a region or service is made of.
pub(super) fn is_scope_word(word: &str) -> bool {
    (1..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

impl Scope {
    fn on(&self, day: &str) -> String {
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    fn key(&self, secret: &str, day: &str) -> Key {
        let first = Zeroizing::new([b"AWS4", secret.as_bytes()].concat());
        [day, &self.region, &self.service, "aws4_request"]
            .into_iter()
            .fold(Key::new(HMAC_SHA256, &first), |key, part| Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
    }
}

impl ChunkSigner {
    /// The next signature, as the contract's `signing` interface says it; none where an argument has not its form.
    pub fn sign(&self, prior: &str, amz_date: &str, header_hash: &str, payload_hash: &str) -> Option<String> {
        let fit = [prior, header_hash, payload_hash].into_iter().all(is_hash) && is_amz_date(amz_date);
        let chain = &*self.0;
        let day = amz_date.get(..8).filter(|_| fit)?;
        let scope = chain.scope.on(day);
        let text = ["AWS4-HMAC-SHA256-PAYLOAD", amz_date, &scope, prior, header_hash, payload_hash].join("\n");
        let other_day = (day != chain.day).then(|| chain.scope.key(&chain.secret, day));
        Some(hex(hmac::sign(other_day.as_ref().unwrap_or(&chain.key), text.as_bytes()).as_ref()))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_amz_date(text: &str) -> bool {
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    bytes.len() == 16 && digits(&bytes[..8]) && bytes[8] == b'T' && digits(&bytes[9..15]) && bytes[15] == b'Z'
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

// The same chain, not the same key: keys are not compared.
impl PartialEq for ChunkSigner {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ChunkSigner {}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkSigner")
    }
}

#[cfg(test)]
mod tests;
