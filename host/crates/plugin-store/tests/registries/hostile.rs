//! A registry that says what it likes: each answer is a line of a script, as bytes on the wire.

use crate::component;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use vg_plugin_store::{Artifact, Credentials, Digest, OciReference, Registry, RegistryError, RegistryOptions};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bytes by the beginning of the request (`GET /v2/echo/blobs/`), the longest that fits; 404 where none fits.
type Script = BTreeMap<&'static str, Vec<u8>>;

struct Liar {
    address: String,
    served: JoinSet<()>,
}

impl Liar {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let script = Arc::new(script);
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, Arc::clone(&script)));
            }
        });
        Self { address, served }
    }

    async fn pull(&self, rest: &str) -> Result<Vec<u8>, RegistryError> {
        let reference: OciReference = format!("{}/{rest}", self.address).parse().unwrap();
        Registry::default().pull(&reference).await.map(|pulled| pulled.wasm)
    }

    async fn code(&self, rest: &str) -> &'static str {
        let code = self.pull(rest).await.err().unwrap().code();
        assert!(!self.served.is_empty(), "the registry itself has died");
        code
    }
}

async fn answer(mut stream: TcpStream, script: Arc<Script>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&piece[..length]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    let found = script.iter().rev().find(|(start, _)| request.starts_with(**start));
    let nothing = http("404 Not Found", &[], b"");
    let _gone = stream.write_all(found.map_or(&nothing, |(_, bytes)| bytes)).await;
    let _gone = stream.shutdown().await;
}

fn http(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    http("200 OK", &[("Content-Type", MANIFEST)], body)
}

fn manifest_of(wasm: &[u8]) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{0}","size":2}},
        "layers":[{{"mediaType":"application/wasm","digest":"{0}","size":{1},"urls":["http://127.0.0.1:9/elsewhere"]}}]}}"#,
        Digest::of(wasm),
        wasm.len()
    )
}

/// An artifact that is as it should be, but for what the test changes.
async fn liar(blob: Vec<u8>) -> Liar {
    let manifest = manifest_of(&component("genuine"));
    Liar::start(
        [("GET /v2/ ", ok(b"{}")), ("GET /v2/echo/manifests/", ok(manifest.as_bytes())), ("GET /v2/echo/blobs/", blob)].into(),
    )
    .await
}

#[tokio::test]
async fn an_honest_script_is_pulled() {
    let wasm = component("genuine");
    assert!(liar(ok(&wasm)).await.pull("echo").await.unwrap() == wasm);
}

#[tokio::test]
async fn another_manifest_than_the_pinned_one_is_refused() {
    let liar = liar(ok(&component("genuine"))).await;
    let pin = Digest::of(b"what was agreed on");
    assert_eq!(liar.code(&format!("echo@{pin}")).await, "wrong-digest");
    // Also where its header says that it is the pinned one.
    let manifest = manifest_of(&component("genuine"));
    let header = [("Docker-Content-Digest", pin.to_string())];
    let header: Vec<(&str, &str)> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let liar = Liar::start([("GET /v2/echo/manifests/", http("200 OK", &header, manifest.as_bytes()))].into()).await;
    assert_eq!(liar.code(&format!("echo@{pin}")).await, "wrong-digest");
    assert_eq!(liar.code("echo:tag").await, "wrong-digest");
}

#[tokio::test]
async fn a_component_is_neither_longer_nor_shorter_nor_another_than_its_manifest_says() {
    let wasm = component("genuine");
    let chunked = |body: &[u8], end: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n", body.len());
        [head.as_bytes(), body, b"\r\n", end.as_bytes()].concat()
    };
    let long = [wasm.as_slice(), b"and more"].concat();
    for (blob, code) in [
        (ok(&component("genuinE")), "wrong-digest"),
        (ok(&long), "wrong-size"),
        (ok(&wasm[1..]), "wrong-size"),
        (ok(b""), "wrong-size"),
        (chunked(&component("genuinE"), "0\r\n\r\n"), "wrong-digest"),
        (chunked(&long, "0\r\n\r\n"), "wrong-size"),
        (chunked(&wasm[1..], "0\r\n\r\n"), "cut-off"),
        (chunked(&wasm[1..], ""), "cut-off"),
        (ok(&wasm)[..ok(&wasm).len() - 3].to_vec(), "cut-off"),
        (http("404 Not Found", &[], b"{\"errors\":[{\"code\":\"BLOB_UNKNOWN\"}]}"), "not-found"),
        (http("500 Internal Server Error", &[], b"oh\x1b[2J\nno"), "refused"),
        (b"no http at all\r\n\r\n".to_vec(), "unreachable"),
        (Vec::new(), "unreachable"),
    ] {
        let shown = String::from_utf8_lossy(&blob).into_owned();
        assert_eq!(liar(blob).await.code("echo").await, code, "{shown}");
    }
}

#[tokio::test]
async fn a_component_of_gigabytes_is_refused_before_it_is_fetched() {
    let manifest = manifest_of(&component("genuine")).replace("\"size\":", "\"size\":9999");
    let liar = Liar::start([("GET /v2/echo/manifests/", ok(manifest.as_bytes()))].into()).await;
    assert!(["too-large", "wrong-size", "not-found"].contains(&liar.code("echo").await));
    let manifest = manifest_of(&component("genuine"));
    let (head, tail) = manifest.rsplit_once("\"size\":").unwrap();
    let huge = format!("{head}\"size\":99999999999{}", &tail[tail.find(',').unwrap()..]);
    let liar = Liar::start([("GET /v2/echo/manifests/", ok(huge.as_bytes()))].into()).await;
    assert_eq!(liar.code("echo").await, "too-large");
    let padded = format!("{}{}", " ".repeat(5 << 20), manifest_of(&component("genuine")));
    let liar = Liar::start([("GET /v2/echo/manifests/", ok(padded.as_bytes()))].into()).await;
    assert_eq!(liar.code("echo").await, "too-large");
}

#[tokio::test]
async fn nonsense_is_an_error_whatever_it_is() {
    for manifest in [&b""[..], b"{", b"<html>", b"null", b"[]", b"{\"schemaVersion\":2}", b"\xff\xfe"] {
        let liar = Liar::start([("GET /v2/echo/manifests/", ok(manifest))].into()).await;
        assert_eq!(liar.code("echo").await, "malformed", "{}", String::from_utf8_lossy(manifest));
    }
    let liar =
        Liar::start([("GET /v2/echo/manifests/", http("302 Found", &[("Location", "/v2/echo/manifests/latest")], b""))].into())
            .await;
    assert_eq!(liar.code("echo").await, "unreachable");
}

#[tokio::test]
async fn a_token_that_would_break_a_header_does_not_break_the_process() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let realm = format!("http://{}/token", listener.local_addr().unwrap());
    let mut issuer = JoinSet::new();
    issuer.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = [("GET /token", http("200 OK", &[], br#"{"token": "a\nb"}"#))].into();
            answer(stream, Arc::new(script)).await;
        }
    });
    let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
    let login = http("401 Unauthorized", &[("WWW-Authenticate", &challenge)], b"");
    let liar = Liar::start([("GET /v2/", login)].into()).await;
    assert_eq!(liar.code("echo").await, "malformed");
}

#[tokio::test]
async fn a_push_to_a_registry_that_keeps_something_else_is_noticed() {
    let created = |place: &str| http("201 Created", &[("Location", place)], b"");
    let other = Digest::of(b"something else").to_string();
    let script: Script = [
        ("GET /v2/ ", ok(b"{}")),
        ("HEAD /v2/echo/blobs/", http("200 OK", &[], b"")),
        ("PUT /v2/echo/manifests/", created("/v2/echo/manifests/x")),
        ("HEAD /v2/echo/manifests/", http("200 OK", &[("Docker-Content-Digest", &other)], b"")),
    ]
    .into();
    let liar = Liar::start(script).await;
    let (plugin, wasm) = ("echo".parse().unwrap(), component("genuine"));
    let reference = format!("{}/echo:1", liar.address).parse().unwrap();
    let artifact = Artifact { wasm: &wasm, plugin: &plugin, signature: None };
    assert_eq!(Registry::default().push(&reference, &artifact).await.err().unwrap().code(), "wrong-digest");
}

#[tokio::test]
async fn a_password_does_not_follow_an_upload_to_another_host() {
    // The place for uploads is on another port: another host to whoever holds passwords.
    let thief = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}/upload", thief.local_addr().unwrap());
    let script: Script = [
        ("GET /v2/ ", http("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"x\"")], b"")),
        ("POST /v2/echo/blobs/uploads/", http("202 Accepted", &[("Location", &elsewhere)], b"")),
    ]
    .into();
    let liar = Liar::start(script).await;
    let credentials = Credentials::default().with(&liar.address, "tester", "password");
    let client = Registry::new(RegistryOptions { credentials, ..RegistryOptions::default() });
    let (plugin, wasm) = ("echo".parse().unwrap(), component("genuine"));
    let reference = format!("{}/echo:1", liar.address).parse().unwrap();
    let artifact = Artifact { wasm: &wasm, plugin: &plugin, signature: None };
    let stolen = async {
        let (mut stream, _) = thief.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        String::from_utf8_lossy(&request[..length]).to_lowercase()
    };
    let (pushed, stolen) =
        tokio::join!(client.push(&reference, &artifact), tokio::time::timeout(Duration::from_secs(10), stolen));
    assert!(pushed.is_err());
    let stolen = stolen.unwrap();
    assert!(stolen.starts_with("patch /upload") && !stolen.contains("authorization"), "{stolen}");
}
