//! Signature Version 4, from the service's side: nothing here is shared with what signs in the host.

use super::Refusal;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ring::hmac;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::form_urlencoded;
use vg_wire::event_stream::{Message, Value, amz_date, hex};

/// Keys that the service knows: that of the stories, and that of the drivers of the official clients.
const KEYS: [(&str, &str); 2] = [
    ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AKIAFAKEFAKEFAKEFAKE", "fakeSECRET/0123456789+abcdefghijklmnopqr"),
];
/// Session tokens that are good; one more is good no longer.
const TOKENS: [&str; 3] = ["FwoGZXIvYXdzEXAMPLETOKEN==", "FAKEsessionTOKEN", "FAKEsessionTOKEN/with+special=="];
const EXPIRED_TOKEN: &str = "FwoGZXIvYXdzEXPIREDTOKEN==";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const EVENTS: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";
/// A client's clock may go wrong by so much.
const SKEW: Duration = Duration::from_secs(300);
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. \
    Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// What of a request's body is signed.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    Whole(&'a [u8]),
    Events,
}

/// The signatures of a stream's messages, one after another.
pub(super) struct Chain {
    scope: Scope,
    prior: String,
}

struct Scope {
    secret: &'static str,
    day: String,
    region: String,
    service: &'static str,
}

impl Scope {
    /// `key/day/region/service/aws4_request`
    fn read(credential: &str, service: &'static str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [key, day, region, asked, "aws4_request"] = parts[..] else {
            return Err(Refusal::forbidden("IncompleteSignatureException", "Credential must have a scope of five elements"));
        };
        let Some((_, secret)) = KEYS.iter().find(|(known, _)| *known == key) else { return Err(unknown()) };
        if asked != service {
            return Err(mismatch(format!("Credential should be scoped to correct service: '{service}'.")));
        }
        if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(mismatch("Credential should be scoped to a valid region."));
        }
        Ok(Self { secret, day: day.to_owned(), region: region.to_owned(), service })
    }

    fn on(&self, day: &str) -> String {
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    fn sign(&self, day: &str, text: &str) -> String {
        let parts = [day, &self.region, self.service, "aws4_request"];
        let first = format!("AWS4{}", self.secret).into_bytes();
        let key = parts.iter().fold(first, |key, part| hmac_sha256(&key, part.as_bytes()));
        hex(&hmac_sha256(&key, text.as_bytes()))
    }

    fn request(&self, date: &str, canonical: &str) -> String {
        let text = [ALGORITHM, date, &self.on(&self.day), &sha256(canonical.as_bytes())].join("\n");
        self.sign(&self.day, &text)
    }
}

impl Chain {
    /// What lies in a signed message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(&mut self, message: &Message) -> Result<Vec<u8>, &'static str> {
        let [(date_name, Value::Timestamp(date_ms)), (signature_name, Value::Bytes(signature))] = &message.headers[..] else {
            return Err("a message has not exactly a :date and a :chunk-signature");
        };
        if (date_name.as_str(), signature_name.as_str()) != (":date", ":chunk-signature") {
            return Err("a message has not exactly a :date and a :chunk-signature");
        }
        let date_ms = u64::try_from(*date_ms).map_err(|_| "a message is from before 1970")?;
        if !is_near(UNIX_EPOCH + Duration::from_millis(date_ms), SystemTime::now()) {
            return Err("a message's date is too far from now");
        }
        let date = amz_date(date_ms);
        let encoded = [&b"\x05:date\x08"[..], &date_ms.to_be_bytes()].concat();
        let (scope, headers, payload) = (self.scope.on(&date[..8]), sha256(&encoded), sha256(&message.payload));
        let text = ["AWS4-HMAC-SHA256-PAYLOAD", &date, &scope, &self.prior, &headers, &payload].join("\n");
        let expected = self.scope.sign(&date[..8], &text);
        if expected != hex(signature) {
            return Err("a message's signature does not continue the chain");
        }
        self.prior = expected;
        Ok(message.payload.clone())
    }
}

/// A request with an `authorization`.
///
/// # Errors
/// As the service's front end refuses.
pub(super) fn request(parts: &Parts, service: &'static str, payload: Payload<'_>) -> Result<Chain, Refusal> {
    let headers = &parts.headers;
    let Some(authorization) = text(headers, "authorization") else {
        return Err(Refusal::forbidden("MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    let incomplete = || Refusal::forbidden("IncompleteSignatureException", "Authorization header is malformed");
    let fields = authorization.strip_prefix(ALGORITHM).ok_or_else(incomplete)?;
    let field = |name: &str| {
        let pairs = fields.split(',').filter_map(|field| field.trim().split_once('='));
        pairs.clone().find(|(other, _)| *other == name).map(|(_, value)| value).ok_or_else(incomplete)
    };
    let scope = Scope::read(field("Credential")?, service)?;
    admit_token(text(headers, "x-amz-security-token"))?;
    let date = text(headers, "x-amz-date").ok_or_else(incomplete)?;
    admit_date(date, &scope.day, SKEW)?;
    let signed: Vec<&str> = field("SignedHeaders")?.split(';').collect();
    must_be_signed(headers, &signed)?;
    let lines = canonical_headers(parts, &signed)?;
    let hash = payload_hash(headers, payload)?;
    let query: Vec<_> = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let names = signed.join(";");
    let canonical = [parts.method.as_str(), parts.uri.path(), &canonical_query(query), &lines, &names, &hash].join("\n");
    let signature = scope.request(date, &canonical);
    if signature != field("Signature")? {
        return Err(mismatch(MISMATCH));
    }
    Ok(Chain { scope, prior: signature })
}

/// A request whose address is signed.
///
/// # Errors
/// As the service's front end refuses.
pub(super) fn presigned(parts: &Parts, service: &'static str) -> Result<Chain, Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let incomplete = || Refusal::forbidden("IncompleteSignatureException", "a parameter of the signature is missing");
    let field = |name: &str| pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).ok_or_else(incomplete);
    if field("X-Amz-Algorithm")? != ALGORITHM {
        return Err(incomplete());
    }
    let scope = Scope::read(&field("X-Amz-Credential")?, service)?;
    admit_token(field("X-Amz-Security-Token").ok().as_deref())?;
    let (date, signature) = (field("X-Amz-Date")?, field("X-Amz-Signature")?);
    let expires: u64 =
        field("X-Amz-Expires")?.parse().ok().filter(|expires| (1..=300).contains(expires)).ok_or_else(incomplete)?;
    admit_date(&date, &scope.day, Duration::from_secs(expires))?;
    let names = field("X-Amz-SignedHeaders")?;
    let signed: Vec<&str> = names.split(';').collect();
    if !signed.contains(&"host") {
        return Err(mismatch("'Host' must be a 'SignedHeader' in the AWS Authorization."));
    }
    let lines = canonical_headers(parts, &signed)?;
    pairs.retain(|(name, _)| name != "X-Amz-Signature");
    let query = canonical_query(pairs);
    let canonical = [parts.method.as_str(), parts.uri.path(), &query, &lines, &names, &sha256(b"")].join("\n");
    if scope.request(&date, &canonical) != signature {
        return Err(mismatch(MISMATCH));
    }
    Ok(Chain { scope, prior: signature })
}

fn unknown() -> Refusal {
    Refusal::forbidden("UnrecognizedClientException", "The security token included in the request is invalid.")
}

fn mismatch(why: impl Into<String>) -> Refusal {
    Refusal::forbidden("InvalidSignatureException", why)
}

fn admit_token(token: Option<&str>) -> Result<(), Refusal> {
    match token {
        None => Ok(()),
        Some(EXPIRED_TOKEN) => {
            Err(Refusal::forbidden("ExpiredTokenException", "The security token included in the request is expired"))
        }
        Some(token) if TOKENS.contains(&token) => Ok(()),
        Some(_) => Err(unknown()),
    }
}

/// `YYYYMMDDTHHMMSSZ` of the scope's day, at most `age` old.
fn admit_date(date: &str, day: &str, age: Duration) -> Result<(), Refusal> {
    if !date.starts_with(day) {
        return Err(mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"));
    }
    // Neighbours are compared as texts: it need not be read.
    let now = SystemTime::now();
    let unix_ms = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let (earliest, latest) = (amz_date(unix_ms(now - age)), amz_date(unix_ms(now + SKEW)));
    if !(earliest.as_str()..=latest.as_str()).contains(&date) {
        return Err(mismatch(format!("Signature expired: {date} is now earlier than {earliest}")));
    }
    Ok(())
}

fn is_near(one: SystemTime, other: SystemTime) -> bool {
    one.duration_since(other).or_else(|_| other.duration_since(one)).is_ok_and(|apart| apart <= SKEW)
}

fn must_be_signed(headers: &HeaderMap, signed: &[&str]) -> Result<(), Refusal> {
    if !signed.contains(&"host") && !signed.contains(&":authority") {
        return Err(mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
    }
    let is_amazons = |name: &&str| name.starts_with("x-amz");
    match headers.keys().map(axum::http::HeaderName::as_str).filter(is_amazons).find(|name| !signed.contains(name)) {
        Some(name) => Err(mismatch(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
        None => Ok(()),
    }
}

/// A line for each signed header, in the order in which they are named: that must be the alphabet's.
fn canonical_headers(parts: &Parts, signed: &[&str]) -> Result<String, Refusal> {
    if !signed.is_sorted() {
        return Err(mismatch("SignedHeaders are not sorted."));
    }
    let authority = || parts.uri.authority().map(|authority| authority.as_str().to_owned());
    let mut lines = String::new();
    for name in signed {
        let values: Vec<String> = match *name {
            ":authority" => authority().into_iter().collect(),
            "host" => text(&parts.headers, "host").map(str::to_owned).or_else(authority).into_iter().collect(),
            name => {
                let trimmed = |value: &str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
                parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(trimmed).collect()
            }
        };
        if values.is_empty() {
            return Err(mismatch(format!("'{name}' is signed and not there.")));
        }
        lines.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    Ok(lines)
}

fn payload_hash(headers: &HeaderMap, payload: Payload<'_>) -> Result<String, Refusal> {
    let told = text(headers, "x-amz-content-sha256");
    match (payload, told) {
        (Payload::Events, Some(EVENTS)) => Ok(EVENTS.to_owned()),
        // As the older Python client does.
        (Payload::Events, None) => Ok(sha256(b"")),
        (Payload::Whole(body), Some(told)) if told != sha256(body) => {
            Err(mismatch("The provided 'x-amz-content-sha256' header does not match what was computed."))
        }
        (Payload::Whole(body), _) => Ok(sha256(body)),
        (Payload::Events, Some(_)) => Err(mismatch("The 'x-amz-content-sha256' of an event stream is its literal.")),
    }
}

fn canonical_query(pairs: Vec<(String, String)>) -> String {
    let mut pairs: Vec<(String, String)> = pairs.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// RFC 3986: unreserved characters stay.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

#[cfg(test)]
mod tests;
