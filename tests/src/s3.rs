//! A bucket of S3 on loopback: it keeps what it is given in mind, holds every request to its signature and checksum, and for tests gets into any
//! [`S3Trouble`].

use crate::tls::{self, Authority};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use ring::digest::{SHA256, digest};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::form_urlencoded;
use vg_sim::aws::admits_s3;

/// The bucket.
pub const BUCKET: &str = "calls";
/// The key that it knows.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// What shows it.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const BODY_MAX: usize = 64 << 20;
/// Of each piece but the last one: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
const PIECE_MIN: usize = 5 << 20;

/// What ails a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Trouble {
    /// 503 SlowDown.
    SlowDown,
    /// The connection breaks in the middle of what is sent.
    Breaks,
    /// It takes what is sent, and never answers.
    Deaf,
    /// It says another tag than that of what it has.
    Lies,
    /// 403 AccessDenied.
    Denies,
    /// It forgets an upload, as a rule of its life cycle would.
    Forgets,
}

/// A running store. It ends when it is dropped; what it has stays in its mind.
pub struct S3Double {
    /// What it knows.
    pub mind: Arc<Mind>,
    address: SocketAddr,
    authority: Option<Arc<Authority>>,
    connections: Arc<AtomicUsize>,
    _servers: JoinSet<()>,
}

/// What a store knows.
#[derive(Default)]
pub struct Mind(Mutex<Known>);

#[derive(Default)]
struct Known {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: HashMap<String, Upload>,
    begun: usize,
    asked: Vec<String>,
    /// Of requests whose line begins so.
    troubles: VecDeque<(String, S3Trouble)>,
}

struct Upload {
    key: String,
    pieces: BTreeMap<usize, Vec<u8>>,
}

impl Mind {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// The next request whose line (as of [`Mind::asked`]) begins so gets into that trouble.
    pub fn trouble(&self, line: &str, trouble: S3Trouble) {
        self.known().troubles.push_back((line.to_owned(), trouble));
    }

    /// No trouble any more.
    pub fn calm(&self) {
        self.known().troubles.clear();
    }

    /// Every request so far that was signed as it has to be: `PUT key`, `BEGIN key`, `PIECE 1 key`, `COMPLETE key`, `ABORT key`, `HEAD key`, `GET key`,
    /// `DELETE key`, `LIST prefix`.
    pub fn asked(&self) -> Vec<String> {
        self.known().asked.clone()
    }

    /// Objects by their names.
    pub fn names(&self) -> Vec<String> {
        self.known().objects.keys().cloned().collect()
    }

    /// An object.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.known().objects.get(key).cloned()
    }

    /// Somebody else puts an object there.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.known().objects.insert(key.to_owned(), bytes.to_owned());
    }

    /// Uploads that are neither complete nor thrown away.
    pub fn uploads(&self) -> usize {
        self.known().uploads.len()
    }
}

impl S3Double {
    /// By TLS, with a certificate for 127.0.0.1 of an authority of its own.
    pub async fn start() -> Self {
        Self::run(Arc::default(), "127.0.0.1:0".parse().unwrap(), Some(Arc::new(Authority::new()))).await
    }

    /// In plain text.
    pub async fn start_plain() -> Self {
        Self::run(Arc::default(), "127.0.0.1:0".parse().unwrap(), None).await
    }

    /// The same store is away, and comes back when what is given runs.
    pub async fn away(self) -> Away {
        let Self { mind, address, authority, mut _servers, .. } = self;
        _servers.shutdown().await;
        Away { mind, address, authority }
    }

    async fn run(mind: Arc<Mind>, address: SocketAddr, authority: Option<Arc<Authority>>) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&mind));
        let mut servers = JoinSet::new();
        let acceptor = authority.as_ref().map(|authority| authority.acceptor());
        servers.spawn(tls::serve(listener, router, acceptor, Arc::clone(&connections)));
        Self { mind, address, authority, connections, _servers: servers }
    }

    /// `[recording.store]` for it, with its authority in this folder. The keys are `STORE_ACCESS_KEY` and `STORE_SECRET_KEY` of the environment.
    pub fn section(&self, folder: &Path) -> String {
        let (scheme, trust) = match &self.authority {
            Some(authority) => {
                let file = folder.join("store-ca.pem");
                std::fs::write(&file, authority.pem()).unwrap();
                ("https", format!("ca = {file:?}"))
            }
            None => ("http", "allow_plain = true".to_owned()),
        };
        format!(
            "[recording.store]\nurl = \"s3://{BUCKET}/deep\"\nendpoint = \"{scheme}://{}\"\n{trust}\n\
             access_key = \"env:STORE_ACCESS_KEY\"\nsecret_key = \"env:STORE_SECRET_KEY\"\n",
            self.address
        )
    }

    /// Connections that were made to it so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A store that is away.
pub struct Away {
    /// What it knows.
    pub mind: Arc<Mind>,
    address: SocketAddr,
    authority: Option<Arc<Authority>>,
}

impl Away {
    /// It is back, at the same address.
    pub async fn back(self) -> S3Double {
        S3Double::run(self.mind, self.address, self.authority).await
    }
}

/// The environment to which [`S3Double::section`] refers.
pub fn environment() -> [(String, String); 2] {
    [("STORE_ACCESS_KEY", ACCESS_KEY), ("STORE_SECRET_KEY", SECRET_KEY)].map(|(name, key)| (name.to_owned(), key.to_owned()))
}

/// What is asked.
struct Asked {
    line: String,
    key: String,
    upload: Option<String>,
    piece: Option<usize>,
}

fn asked(parts: &Parts) -> Option<Asked> {
    let path = parts.uri.path().strip_prefix('/')?;
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query: HashMap<String, String> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    if bucket != BUCKET {
        return None;
    }
    let (upload, piece) = (query.get("uploadId").cloned(), query.get("partNumber").and_then(|number| number.parse().ok()));
    let verb = match (&parts.method, key.is_empty(), upload.is_some(), piece) {
        (&Method::GET, true, ..) => format!("LIST {}", query.get("prefix")?),
        (&Method::PUT, false, true, Some(number)) => format!("PIECE {number} {key}"),
        (&Method::POST, false, false, _) if query.contains_key("uploads") => format!("BEGIN {key}"),
        (&Method::POST, false, true, _) => format!("COMPLETE {key}"),
        (&Method::DELETE, false, true, _) => format!("ABORT {key}"),
        (&(Method::PUT | Method::GET | Method::HEAD | Method::DELETE), false, false, _) => format!("{} {key}", parts.method),
        _ => return None,
    };
    Some(Asked { line: verb, key: key.to_owned(), upload, piece })
}

async fn serve(State(mind): State<Arc<Mind>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Some(asked) = asked(&parts) else { return error(StatusCode::NOT_FOUND, "NoSuchBucket") };
    let trouble = {
        let mut known = mind.known();
        let at = known.troubles.iter().position(|(line, _)| asked.line.starts_with(line));
        at.and_then(|at| known.troubles.remove(at)).map(|(_, trouble)| trouble)
    };
    if trouble == Some(S3Trouble::Breaks) {
        let _some = body.into_data_stream().next().await;
        // A task that ends badly takes its connection with it.
        std::panic::resume_unwind(Box::new("breaks on purpose"))
    }
    let Ok(body) = to_bytes(body, BODY_MAX).await else { return error(StatusCode::BAD_REQUEST, "IncompleteBody") };
    if admits_s3(&parts, &body).is_err() {
        return error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    mind.known().asked.push(asked.line.clone());
    if matches!(parts.method, Method::PUT) && checksum(&parts.headers) != Some(sha256(&body)) {
        return error(StatusCode::BAD_REQUEST, "BadDigest");
    }
    match trouble {
        Some(S3Trouble::SlowDown) => return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        Some(S3Trouble::Denies) => return error(StatusCode::FORBIDDEN, "AccessDenied"),
        Some(S3Trouble::Deaf) => std::future::pending().await,
        Some(S3Trouble::Forgets) => mind.known().uploads.clear(),
        Some(S3Trouble::Lies | S3Trouble::Breaks) | None => {}
    }
    let mut response = answer(&mut mind.known(), &asked, &parts, &body);
    if trouble == Some(S3Trouble::Lies) {
        response.headers_mut().insert("etag", "\"00000000000000000000000000000000\"".parse().unwrap());
    }
    response
}

fn answer(known: &mut Known, asked: &Asked, parts: &Parts, body: &[u8]) -> Response {
    let Asked { key, upload, piece, line } = asked;
    match (line.split(' ').next().unwrap_or_default(), upload.as_ref()) {
        ("PUT", _) => {
            known.objects.insert(key.clone(), body.to_vec());
            tagged(StatusCode::OK, &tag(body))
        }
        ("HEAD" | "GET", _) => match known.objects.get(key) {
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            Some(object) => {
                let body = if parts.method == Method::HEAD { Body::empty() } else { Body::from(object.clone()) };
                let head = [
                    ("etag", tag(object)),
                    ("content-length", object.len().to_string()),
                    ("last-modified", "Sun, 29 Nov 2026 10:00:00 GMT".to_owned()),
                ];
                (head, body).into_response()
            }
        },
        ("DELETE", _) => {
            known.objects.remove(key);
            StatusCode::NO_CONTENT.into_response()
        }
        ("LIST", _) => list(known, line.strip_prefix("LIST ").unwrap_or_default()),
        ("BEGIN", _) => {
            known.begun += 1;
            let id = format!("upload-{}", known.begun);
            known.uploads.insert(id.clone(), Upload { key: key.clone(), pieces: BTreeMap::new() });
            let named = format!("<Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>");
            xml(&format!("<InitiateMultipartUploadResult>{named}</InitiateMultipartUploadResult>"))
        }
        (verb, Some(id)) => {
            let Some(upload) = known.uploads.get_mut(id).filter(|upload| upload.key == *key) else {
                return error(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            match (verb, piece) {
                ("PIECE", Some(number)) => {
                    upload.pieces.insert(*number, body.to_vec());
                    let mut response = tagged(StatusCode::OK, &tag(body));
                    response.headers_mut().insert("x-amz-checksum-sha256", sha256(body).parse().unwrap());
                    response
                }
                ("COMPLETE", _) => complete(known, id, &String::from_utf8_lossy(body)),
                _ => {
                    known.uploads.remove(id);
                    StatusCode::NO_CONTENT.into_response()
                }
            }
        }
        _ => error(StatusCode::BAD_REQUEST, "InvalidRequest"),
    }
}

/// Every piece that it has is named with its tag and its checksum, in order, and none but the last is small.
fn complete(known: &mut Known, id: &str, told: &str) -> Response {
    let upload = known.uploads.get(id).unwrap();
    let told = told.replace("&quot;", "\"");
    let parts: Vec<&str> = told.split("<Part>").skip(1).collect();
    let field = |part: &str, name: &str| {
        let (_, rest) = part.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(value, _)| value.to_owned())
    };
    let pieces: Vec<&Vec<u8>> = upload.pieces.values().collect();
    let is_told = |(n, part): (usize, &&str)| {
        upload.pieces.get(&(n + 1)).is_some_and(|piece| {
            field(part, "PartNumber") == Some((n + 1).to_string())
                && field(part, "ETag").as_ref() == Some(&tag(piece))
                && field(part, "ChecksumSHA256") == Some(sha256(piece))
        })
    };
    if parts.len() != pieces.len() || !parts.iter().enumerate().all(is_told) {
        return error(StatusCode::BAD_REQUEST, "InvalidPart");
    }
    if pieces.iter().rev().skip(1).any(|piece| piece.len() < PIECE_MIN) {
        return error(StatusCode::BAD_REQUEST, "EntityTooSmall");
    }
    let (key, object) = (upload.key.clone(), pieces.into_iter().flatten().copied().collect::<Vec<u8>>());
    let answer = format!("<Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>{}</ETag>", tag(&object));
    known.uploads.remove(id);
    known.objects.insert(key, object);
    xml(&format!("<CompleteMultipartUploadResult>{answer}</CompleteMultipartUploadResult>"))
}

fn list(known: &Known, prefix: &str) -> Response {
    let found = known.objects.iter().filter(|(key, _)| key.starts_with(prefix));
    let contents = found.map(|(key, object)| {
        format!(
            "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-11-29T10:00:00.000Z</LastModified><ETag>{}</ETag></Contents>",
            object.len(),
            tag(object)
        )
    });
    xml(&format!("<ListBucketResult>{}</ListBucketResult>", contents.collect::<String>()))
}

fn tag(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(digest(&SHA256, bytes))
}

fn checksum(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-amz-checksum-sha256")?.to_str().ok()?.to_owned())
}

fn tagged(status: StatusCode, tag: &str) -> Response {
    (status, [("etag", tag)]).into_response()
}

fn xml(text: &str) -> Response {
    ([("content-type", "application/xml")], format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}")).into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    let mut response =
        xml(&format!("<Error><Code>{code}</Code><Message>no</Message><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId></Error>"));
    *response.status_mut() = status;
    response
}
