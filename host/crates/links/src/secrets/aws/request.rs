//! What is signed of a request, and where the signature goes: into headers, or into the URL.
//!
//! Our own, since `aws-sigv4` brings two dozen crates for these two pages (a second `sha2` among them) and signs an event stream's messages only
//! whole, where a guest sends us their hashes.

use super::{Chain, ChunkSigner, Credentials, Scope, hex};
use crate::grant::{Refusal, Target};
use crate::secrets::{Head, UNRESERVED};
use crate::wire::{AwsPayload, AwsSigV4, Signed};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use ring::{digest, hmac};
use std::sync::Arc;
use url::form_urlencoded;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const EVENTS: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";
/// Seconds.
const PRESIGNED_FOR: &str = "60";
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
/// Written by the host alone.
const OURS: [&str; 5] = ["authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];
const OURS_IN_QUERY: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Signs `head` as it stands, and writes the signature into it. The query is put in the canonical order and spelling: what is sent is what was
/// signed. `body` is none where it is streamed.
///
/// # Errors
/// [`Refusal::Invalid`] where the request cannot be signed so.
pub(in crate::secrets) fn sign(
    credentials: &Credentials,
    asked: &AwsSigV4,
    at: Timestamp,
    target: &Target,
    head: &mut Head,
    body: Option<&[u8]>,
) -> Result<Option<Signed>, Refusal> {
    if head.headers.iter().any(|(name, _)| OURS.contains(&name.to_ascii_lowercase().as_str())) {
        return Err(Refusal::Invalid("a header of the signature is given"));
    }
    let amz_date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = Scope { region: asked.region.clone(), service: asked.service.clone() };
    let signing = Signing { credentials, scope, day: &amz_date[..8], amz_date: &amz_date, target };
    match (asked.payload, body) {
        (AwsPayload::Hashed, Some(body)) => signing.headers(head, &sha256(body), false).map(|_| None),
        (AwsPayload::EventStream, None) => signing.headers(head, EVENTS, true).map(Some),
        (AwsPayload::Presigned, Some([])) => signing.query(head).map(|()| None),
        (AwsPayload::Hashed, None) => Err(Refusal::Invalid("a streaming body has no hash")),
        (AwsPayload::EventStream, Some(_)) => Err(Refusal::Invalid("an event stream has a streaming body")),
        (AwsPayload::Presigned, _) => Err(Refusal::Invalid("a presigned request has no body")),
    }
}

struct Signing<'a> {
    credentials: &'a Credentials,
    scope: Scope,
    day: &'a str,
    amz_date: &'a str,
    target: &'a Target,
}

impl Signing<'_> {
    fn headers(&self, head: &mut Head, payload_hash: &str, tell_hash: bool) -> Result<Signed, Refusal> {
        let mut add = |name: &str, value: &str| head.headers.push((name.to_owned(), value.to_owned()));
        add("x-amz-date", self.amz_date);
        if let Some(token) = self.credentials.token() {
            add("x-amz-security-token", token);
        }
        if tell_hash {
            add("x-amz-content-sha256", payload_hash);
        }
        let query = canonical_query(pairs(head));
        head.url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
        let (names, lines) = canonical_headers(&head.headers, self.target);
        let (scope, key, signature) = self.signature(&[&head.method, &path(head), &query, &lines, &names, payload_hash]);
        let id = &self.credentials.id;
        let authorization = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        head.headers.push(("authorization".to_owned(), authorization));
        let chain =
            Chain { secret: Arc::clone(&self.credentials.secret), scope: self.scope.clone(), day: self.day.to_owned(), key };
        Ok(Signed { signature, amz_date: self.amz_date.to_owned(), scope, signer: Some(ChunkSigner(Arc::new(chain))) })
    }

    fn query(&self, head: &mut Head) -> Result<(), Refusal> {
        let mut pairs = pairs(head);
        if pairs.iter().any(|(name, _)| OURS_IN_QUERY.contains(&name.to_ascii_lowercase().as_str())) {
            return Err(Refusal::Invalid("a parameter of the signature is given"));
        }
        let credential = format!("{}/{}", self.credentials.id, self.scope.on(self.day));
        let ours = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", self.amz_date),
            ("X-Amz-Expires", PRESIGNED_FOR),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let token = self.credentials.token().map(|token| ("X-Amz-Security-Token", token.as_str()));
        pairs.extend(ours.into_iter().chain(token).map(|(name, value)| (name.to_owned(), value.to_owned())));
        let query = canonical_query(pairs);
        let (names, lines) = canonical_headers(&[], self.target);
        let (_, _, signature) = self.signature(&[&head.method, &path(head), &query, &lines, &names, &sha256(b"")]);
        head.url.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
        Ok(())
    }

    fn signature(&self, canonical: &[&str; 6]) -> (String, hmac::Key, String) {
        let scope = self.scope.on(self.day);
        let text = [ALGORITHM, self.amz_date, &scope, &sha256(canonical.join("\n").as_bytes())].join("\n");
        let key = self.scope.key(&self.credentials.secret, self.day);
        let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
        (scope, key, signature)
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Encoded once more than it is sent, as every service but S3 wants it.
fn path(head: &Head) -> String {
    utf8_percent_encode(head.url.path(), PATH).to_string()
}

fn pairs(head: &Head) -> Vec<(String, String)> {
    form_urlencoded::parse(head.url.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn canonical_query(pairs: Vec<(String, String)>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// `SignedHeaders`, and a line each: the host, the content's type and Amazon's own. Others may be changed on the way.
fn canonical_headers(headers: &[(String, String)], target: &Target) -> (String, String) {
    let mut signed = vec![("host".to_owned(), target.authority())];
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if name == "content-type" || name.starts_with("x-amz") {
            signed.push((name, value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    // Stable: several of one name keep their order, and count as one with commas.
    signed.sort_by(|(one, _), (other, _)| one.cmp(other));
    signed.dedup_by(|(name, value), (before, joined)| {
        let same = name == before;
        if same {
            joined.push(',');
            joined.push_str(value);
        }
        same
    });
    let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (names, lines)
}
