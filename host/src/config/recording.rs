//! `[recording]`: where calls are written down, and where they go from there.

use super::raw::{flag, number};
use super::{Faults, secret};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::PathBuf;
use url::Url;
use vg_domain::pii::Pii;
use vg_domain::recording::RecordingFormat;

const URL_EXPECTED: &str = "expected s3://BUCKET or s3://BUCKET/PREFIX, of letters, digits, '-', '_' and '.'";
const ENDPOINT_EXPECTED: &str = "expected a URL such as https://s3.example:9000, without a path";
/// Names of buckets: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
const BUCKET_LENGTHS: std::ops::RangeInclusive<usize> = 3..=63;
const PREFIX_MAX: usize = 256;
/// Where the operator names an endpoint and no region: most that speak like S3 know no others.
const REGION: &str = "us-east-1";

/// `[recording]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Folder of recordings, one folder in it for each tenant; made private to the gateway's user. None: no call is recorded.
    pub dir: Option<PathBuf>,
    /// What they are when they are whole.
    pub format: RecordingFormat,
    /// The public key of age (`age1...`) that they are sealed to; none: they lie as they are.
    pub seal_to: Option<String>,
    /// They are deleted after so many days, where their tenant says nothing else; none: never.
    pub keep_days: Option<NonZeroU32>,
    /// Where they go when they are whole; none: they stay in the folder.
    pub store: Option<RecordingStore>,
}

/// `[recording.store]`: a bucket of S3, or of something that speaks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingStore {
    /// The bucket.
    pub bucket: String,
    /// What the names of objects begin with; empty, or without a slash at either end.
    pub prefix: String,
    /// Where it is; none: Amazon's own of the region.
    pub endpoint: Option<Url>,
    /// Its region: part of every signature.
    pub region: String,
    /// Who asks.
    pub access_key: Pii<String>,
    /// What shows it.
    pub secret_key: Pii<String>,
    /// Of credentials that were lent.
    pub session_token: Option<Pii<String>>,
    /// File of the authorities (PEM) that its certificate must come from; none: the system's.
    pub ca: Option<PathBuf>,
    /// Recordings stay in the folder as well.
    pub keep_local: bool,
}

impl RecordingStore {
    /// Whether what is sent there can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|url| url.scheme() == "http")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecording {
    dir: Option<PathBuf>,
    format: Option<String>,
    #[serde(deserialize_with = "number")]
    keep_days: Option<usize>,
    seal_to: Option<String>,
    store: RawStore,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawStore {
    url: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
    ca: Option<PathBuf>,
    #[serde(deserialize_with = "flag")]
    allow_plain: Option<bool>,
    #[serde(deserialize_with = "flag")]
    keep_local: Option<bool>,
}

impl RawRecording {
    pub(super) fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Recording {
        let dir = self.dir.filter(|dir| !dir.as_os_str().is_empty());
        let format = match self.format.as_deref().unwrap_or_default() {
            "" => RecordingFormat::default(),
            name => RecordingFormat::parse(name).unwrap_or_else(|| {
                faults.add("recording.format", "expected wav or opus");
                RecordingFormat::default()
            }),
        };
        if self.keep_days == Some(0) {
            faults.add("recording.keep_days", "must be at least 1");
        }
        let keep_days = self.keep_days.and_then(|days| NonZeroU32::new(u32::try_from(days).unwrap_or(u32::MAX)));
        let seal_to = self.seal_to.filter(|key| !key.trim().is_empty());
        let store = self.store.resolve(environment, faults);
        if store.is_some() && dir.is_none() {
            faults.add("recording.dir", "is needed: a recording lies there until it is in recording.store");
        }
        Recording { dir, format, seal_to, keep_days, store }
    }
}

impl RawStore {
    fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Option<RecordingStore> {
        let written = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (endpoint, region) = (written(self.endpoint), written(self.region));
        let [access_key, secret_key, session_token] =
            [("access_key", self.access_key), ("secret_key", self.secret_key), ("session_token", self.session_token)]
                .map(|(name, reference)| (name, written(reference)));
        let ca = self.ca.filter(|file| !file.as_os_str().is_empty());
        let Some(url) = written(self.url) else {
            let other = endpoint.is_some() || region.is_some() || ca.is_some() || self.allow_plain == Some(true);
            if other || access_key.1.is_some() || secret_key.1.is_some() || session_token.1.is_some() {
                faults.add("recording.store.url", "is needed where another key of the section is set");
            }
            return None;
        };
        let mut put = |at: &str, what: &dyn std::fmt::Display| faults.add(format_args!("recording.store.{at}"), what);
        let place = place(&url).map_err(|what| put("url", &what)).ok();
        let allow_plain = self.allow_plain == Some(true);
        let endpoint = endpoint.map(|url| self::endpoint(&url, allow_plain)).transpose().map_err(|what| put("endpoint", &what));
        let region = match (region, &endpoint) {
            (Some(region), _) if region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => Some(region),
            (Some(_), _) => {
                put("region", &"expected letters, digits and '-'");
                None
            }
            (None, Ok(None)) => {
                put("region", &"is needed where there is no endpoint");
                None
            }
            (None, _) => Some(REGION.to_owned()),
        };
        let mut key = |(name, reference): (&str, Option<String>), needed: bool| match reference {
            None if needed => {
                put(name, &"is needed");
                Err(())
            }
            None => Ok(None),
            Some(reference) => key(&reference, environment).map(Some).map_err(|what| put(name, &what)),
        };
        let keys = (key(access_key, true), key(secret_key, true), key(session_token, false));
        let (bucket, prefix) = place?;
        let (Ok(access_key), Ok(secret_key), Ok(session_token)) = keys else { return None };
        Some(RecordingStore {
            bucket,
            prefix,
            endpoint: endpoint.ok()?,
            region: region?,
            access_key: access_key?,
            secret_key: secret_key?,
            session_token,
            ca,
            keep_local: self.keep_local == Some(true),
        })
    }
}

/// Bucket and prefix.
fn place(url: &str) -> Result<(String, String), &'static str> {
    let rest = url.strip_prefix("s3://").ok_or(URL_EXPECTED)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let of_bucket = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    if !BUCKET_LENGTHS.contains(&bucket.len()) || !bucket.bytes().all(of_bucket) || bucket.starts_with(['.', '-']) {
        return Err(URL_EXPECTED);
    }
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if prefix.len() > PREFIX_MAX || !(prefix.is_empty() || prefix.split('/').all(is_plain)) {
        return Err(URL_EXPECTED);
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

fn endpoint(text: &str, allow_plain: bool) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| ENDPOINT_EXPECTED)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !bare {
        return Err(ENDPOINT_EXPECTED);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a name or password: secrets stand in access_key and secret_key");
    }
    if url.scheme() == "http" && !allow_plain {
        return Err("recordings go by https; by http, to be read on the way, with recording.store.allow_plain alone");
    }
    Ok(url)
}

fn key(reference: &str, environment: &[(String, String)]) -> Result<Pii<String>, String> {
    let key = secret::resolve(reference, environment)?;
    match key.reveal().bytes().all(|byte| byte.is_ascii_graphic()) && !key.reveal().is_empty() {
        true => Ok(key),
        false => Err(format!("{reference} is empty or holds what no header can")),
    }
}
