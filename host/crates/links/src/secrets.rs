//! Keys that foreign code uses by name and never sees.
//!
//! A guest writes `{secret:NAME}` into a header value, path or query, or asks for a signature. [`authorize`] comes after the egress check: it holds
//! the target against the hosts that the secret is bound to, reads or gets the value, and writes it into what is sent. What is not the head of
//! a request is never filled. Values are wiped when dropped, printed by nothing, and painted over where a peer echoes them.

mod aws;
mod echo;
mod google;
mod held;
mod oauth;
mod spec;
mod store;
mod template;
mod token;

pub use aws::ChunkSigner;
pub use google::Mode;
pub use oauth::ClientAuth;
pub use spec::{SecretSpec, SpecFault};
pub use store::{LocalStore, NoReference, SecretRef, SecretStore, StoreError};

use crate::door::Links;
use crate::grant::{Grant, Refusal, Schemes, Target};
use crate::limits::{CREDENTIALS, HEADER_BYTES};
use crate::wire::{Authentication, AwsSigV4, Fields, LinkErrorKind, Signed};
use aws::Credentials;
pub(crate) use echo::EchoSearch;
use echo::Echoes;
use held::{Held, Kind, Told, Value, refused, unread};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use template::Part;
use token::Endpoint;
use url::Url;

/// What of a value may stand in a path or query as it is (RFC 3986 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Secrets by the names that the plugin uses.
pub struct Secrets {
    held: BTreeMap<String, Held>,
    store: Arc<dyn SecretStore>,
    echoes: Echoes,
    /// What was handed out of late.
    used: Mutex<VecDeque<(CredentialId, Credential)>>,
    /// Of names that no secret has.
    told: Told,
}

/// The head of a request before it is sent. The URL leads to a permitted target and keeps leading there.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) url: Url,
    pub(crate) headers: Fields,
}

/// Which credential a request carries, for the pool's key: connections are not shared between credentials. Tells nothing of the value.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct CredentialId([u8; 16]);

/// The secrets in a request, each by its name.
type Credential = Vec<(String, Value)>;

/// What came of [`authorize`].
pub(crate) struct Authorized {
    /// To be told before `opened`, where an event stream was asked for.
    pub(crate) signed: Option<Signed>,
    /// The default where the request carries no credential.
    pub(crate) credential: CredentialId,
}

/// Fills `{secret:NAME}` in header values, path and query, then signs where that is asked for. To be called after the target was
/// permitted and before a connection is taken: a token may have to be got first. `body` is what will be sent (empty for no body), none
/// where it is streamed.
///
/// # Errors
/// [`Refusal`]; the head is then to be thrown away.
pub(crate) async fn authorize(
    links: &Arc<Links>,
    grant: &Arc<Grant>,
    target: &Target,
    head: &mut Head,
    auth: &Authentication,
    body: Option<&[u8]>,
) -> Result<Authorized, Refusal> {
    let secrets = &grant.secrets;
    let mut used = Vec::new();
    for name in names(head)? {
        let endpoint = Endpoint { links, grant, name: &name };
        let value = secrets.value(&endpoint, target).await?;
        used.push((name, value));
    }
    fill(head, target, &used)?;
    let signed = match auth {
        Authentication::Templates => None,
        Authentication::AwsSigV4(asked) => {
            let (credentials, text) = secrets.credentials(asked, target).await?;
            let signed = aws::request::sign(&credentials, asked, Timestamp::now(), target, head, body)?;
            if let Some(token) = credentials.token() {
                secrets.echoes.watch(token);
            }
            used.push((asked.secret.clone(), text));
            signed
        }
    };
    Ok(Authorized { signed, credential: secrets.remember(used) })
}

impl Secrets {
    fn new(held: BTreeMap<String, Held>, store: Arc<dyn SecretStore>) -> Self {
        Self { held, store, echoes: Echoes::default(), used: Mutex::default(), told: Told::default() }
    }

    /// The names that the plugin may use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.held.keys().map(String::as_str)
    }

    /// Whether the operator is to be told now what is wrong with the secret of this name; it then counts as told. Names that no secret has count as
    /// one, since a guest invents them without end.
    pub(crate) fn tell(&self, name: &str) -> bool {
        self.held.get(name).map_or(&self.told, |held| &held.told).tell(Instant::now())
    }

    /// Replaces secret values that a peer echoes by as many stars; how many. The caller counts them. Values under 8 bytes are not searched.
    pub(crate) fn mask_fields(&self, fields: &mut Fields) -> usize {
        let masked = |(_, value): &mut (String, String)| {
            let mut bytes = std::mem::take(value).into_bytes();
            let found = self.echoes.paint(&mut bytes);
            // Text was painted over in text: it stays text.
            *value = String::from_utf8(bytes).unwrap_or_default();
            found
        };
        fields.iter_mut().map(masked).sum()
    }

    /// The same in a body, or a message, that is whole; see [`EchoSearch`] for one that comes in pieces.
    pub(crate) fn mask_body(&self, body: &mut [u8]) -> usize {
        self.echoes.paint(body)
    }

    /// Reads again, or gets a new token for, what a permitted host refused (401), when it is next used.
    pub(crate) fn invalidate(&self, credential: CredentialId) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, used)) = used.iter().find(|(known, _)| *known == credential) else { return };
        for (name, value) in used {
            if let Some(held) = self.held.get(name) {
                held.kind.invalidate(value);
            }
        }
    }

    async fn value(&self, endpoint: &Endpoint<'_>, target: &Target) -> Result<Value, Refusal> {
        let name = endpoint.name;
        let value = match &self.bound(name, target)?.kind {
            Kind::Static(source) => source.read(&*self.store).await.map_err(|error| unread(name, &error))?,
            Kind::Google(google) => google.token(endpoint, &*self.store).await?,
            Kind::OAuth(oauth) => oauth.token(endpoint, &*self.store).await?,
            Kind::Aws { .. } => return Err(refused(name, LinkErrorKind::Protocol, "only signs", None)),
        };
        // A line break would begin a header of its own, or a request.
        if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let advice = "it holds bytes that no header may hold".to_owned();
            return Err(refused(name, LinkErrorKind::Protocol, "is not available", Some(advice)));
        }
        self.echoes.watch(&value);
        Ok(value)
    }

    async fn credentials(&self, asked: &AwsSigV4, target: &Target) -> Result<(Credentials, Value), Refusal> {
        let name = &asked.secret;
        if !template::is_name(name) {
            return Err(Refusal::Invalid("the secret's name is no name"));
        }
        let refused = |why, advice: Option<&str>| refused(name, LinkErrorKind::Protocol, why, advice.map(str::to_owned));
        let Kind::Aws { source, profile, regions, service } = &self.bound(name, target)?.kind else {
            return Err(refused("does not sign", None));
        };
        if *service != asked.service || !regions.contains(&asked.region) {
            return Err(refused("is not for this region and service", None));
        }
        let text = source.read(&*self.store).await.map_err(|error| unread(name, &error))?;
        let unreadable = || refused("is not available", Some("is neither JSON nor a credentials file with that profile"));
        Ok((Credentials::parse(&text, profile).ok_or_else(unreadable)?, text))
    }

    fn bound(&self, name: &str, target: &Target) -> Result<&Held, Refusal> {
        // The same words for both: which secrets a tenant has is not the guest's business.
        let known = self.held.get(name).filter(|held| held.is_bound_to(target));
        known.ok_or_else(|| {
            let origin = target.origin();
            let advice = match self.held.get(name) {
                Some(_) => format!("its hosts lack {origin}"),
                None => "the tenant's settings have no secret of this name".to_owned(),
            };
            refused(name, LinkErrorKind::Protocol, "is not available for this host", Some(advice))
        })
    }

    fn remember(&self, credential: Credential) -> CredentialId {
        if credential.is_empty() {
            return CredentialId::default();
        }
        let parts: Vec<_> = credential.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        let mut id = CredentialId::default();
        id.0.copy_from_slice(&digest(&parts)[..16]);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.iter().any(|(known, _)| *known == id) {
            used.push_front((id, credential));
            used.truncate(CREDENTIALS);
        }
        id
    }
}

/// The secrets that a head asks for, each once.
fn names(head: &Head) -> Result<Vec<String>, Refusal> {
    if head.headers.iter().any(|(name, _)| template::has(name)) {
        return Err(Refusal::Invalid("a header's name holds a template"));
    }
    let texts = head.headers.iter().map(|(_, value)| value.as_str()).chain([head.url.path()]).chain(head.url.query());
    let mut names = Vec::new();
    for text in texts {
        for part in template::parts(text)? {
            if let Part::Secret(name) = part
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}

fn fill(head: &mut Head, target: &Target, values: &[(String, Value)]) -> Result<(), Refusal> {
    // A short head may name a long secret a thousand times.
    let mut room = HEADER_BYTES;
    let mut filled = |text: &str, encode: &dyn Fn(&str) -> String| -> Result<String, Refusal> {
        let parts = template::parts(text)?;
        let mut filled = String::new();
        for part in parts {
            let part = match part {
                Part::Text(text) => text.to_owned(),
                Part::Secret(name) => {
                    values.iter().find(|(known, _)| known == name).map(|(_, value)| encode(value)).unwrap_or_default()
                }
            };
            room = room.checked_sub(part.len()).ok_or(Refusal::Invalid("the head is too long with its secrets"))?;
            filled += &part;
        }
        Ok(filled)
    };
    for (_, value) in &mut head.headers {
        if template::has(value) {
            *value = filled(value, &str::to_owned)?;
        }
    }
    let encode = |value: &str| utf8_percent_encode(value, UNRESERVED).to_string();
    if template::has(head.url.path()) {
        let path = filled(head.url.path(), &encode)?;
        head.url.set_path(&path);
        // A value of dots would lead elsewhere.
        if head.url.path() != path {
            return Err(Refusal::Invalid("a secret in the path leads to another path"));
        }
    }
    if let Some(query) = head.url.query().filter(|query| template::has(query)) {
        let query = filled(query, &encode)?;
        head.url.set_query(Some(&query));
    }
    let schemes = if head.url.scheme().starts_with("ws") { Schemes::Websocket } else { Schemes::Http };
    if Target::of(&head.url, schemes)? == *target { Ok(()) } else { Err(Refusal::Invalid("the URL leads elsewhere")) }
}

/// SHA-256 of parts whose borders count.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

impl Default for Secrets {
    /// None at all.
    fn default() -> Self {
        Self::new(BTreeMap::new(), Arc::new(LocalStore::default()))
    }
}

// Not even the names' number is of use to anybody: nothing else is printed.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialId")
    }
}

#[cfg(test)]
mod tests;
