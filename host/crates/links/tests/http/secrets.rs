//! Keys on their way.

use crate::rig::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use vg_links::secrets::{LocalStore, SecretSpec, Secrets};
use vg_links::wire::{HttpVersion, LinkErrorKind, RequestBody};

const KEY: &str = "sk-5f3a9c0de1b2";

/// The folder in which the key lies, and a session's right to use it as `k`.
pub(crate) fn keys(names: &[(&str, &str)]) -> (tempfile::TempDir, Secrets) {
    let folder = tempfile::tempdir().unwrap();
    let spec = |(name, value): &(&str, &str)| {
        let path = folder.path().join(name);
        std::fs::write(&path, value).unwrap();
        ((*name).to_owned(), SecretSpec::Static { reference: format!("file:{}", path.display()), hosts: None })
    };
    let specs: BTreeMap<_, _> = names.iter().map(spec).collect();
    let secrets = Secrets::resolve(&specs, Arc::new(LocalStore::within(None, Some(folder.path().to_owned())))).unwrap();
    (folder, secrets)
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_key_is_printed_whoever_traces() {
    let printed = Printed::default();
    let writer = printed.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let (_folder, secrets) = keys(&[("k", KEY)]);
    let (listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms { secrets, ..Terms::default() });
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let mut open = request(1, version, "GET", format!("{origin}/listen?key={{secret:k}}"), RequestBody::None);
        open.headers = fields(&[("authorization", "Bearer {secret:k}"), ("x-key", "{secret:k}")]);
        guest.open(open);
        let mut tcp = accept(&listener).await;
        if version == HttpVersion::Http1 {
            let asked = head(&mut tcp).await;
            assert!(asked.contains(&format!("?key={KEY} ")) && asked.contains(&format!("Bearer {KEY}\r\n")), "{asked}");
            tcp.write_all(OK.as_bytes()).await.unwrap();
            guest.answer().await;
        } else {
            // Not traced itself: a task of another thread.
            let served = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async move {
                    let tcp = tokio::net::TcpStream::from_std(tcp.into_std().unwrap()).unwrap();
                    let mut connection = h2::server::handshake(tcp).await.unwrap();
                    let (request, mut respond) = connection.accept().await.unwrap().unwrap();
                    respond.send_response(http::Response::new(()), true).unwrap();
                    connection.graceful_shutdown();
                    while connection.accept().await.is_some() {}
                    request
                })
            });
            guest.answer().await;
            let asked = served.join().unwrap();
            assert_eq!(asked.uri().query(), Some(&*format!("key={KEY}")));
            assert_eq!(asked.headers()["x-key"], KEY);
        }
    }
    let printed = String::from_utf8_lossy(&printed.0.lock().unwrap()).into_owned();
    assert!(printed.contains("h2::"), "something was traced");
    let shown = printed.lines().find(|line| line.contains(KEY));
    assert_eq!(shown, None);
}

#[tokio::test]
async fn a_key_is_not_sent_where_it_is_not_bound_to() {
    let (_folder, secrets) = keys(&[("k", KEY)]);
    let (_listener, origin) = listener().await;
    let mut guest = Guest::new(&[&origin], Terms { secrets, ..Terms::default() });
    let mut elsewhere = get("http://127.0.0.2:80/{secret:k}");
    elsewhere.headers = fields(&[("x-key", "{secret:k}")]);
    guest.open(elsewhere);
    assert_eq!(guest.failure().await, (LinkErrorKind::EgressDenied, None));
    let mut unknown = get(&origin);
    unknown.headers = fields(&[("x-key", "{secret:other}")]);
    guest.open(unknown);
    assert_eq!(guest.failure().await.1, None);
    assert_eq!(guest.links.counts().connected, 0);
}

/// How a server of gRPC ends a call: by its status alone, or behind a message.
fn end_call(mut respond: h2::server::SendResponse<bytes::Bytes>, status: &str, alone: bool) {
    let response = http::Response::builder();
    if alone {
        respond.send_response(response.header("grpc-status", status).body(()).unwrap(), true).unwrap();
        return;
    }
    let mut out = respond.send_response(response.body(()).unwrap(), false).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    out.send_trailers(trailers).unwrap();
}

#[tokio::test]
async fn a_changed_key_is_in_use_after_grpc_refused_the_old_one() {
    for alone in [true, false] {
        let (folder, secrets) = keys(&[("k", KEY)]);
        let (listener, origin) = listener().await;
        let mut guest = Guest::new(&[&origin], Terms { secrets, ..Terms::default() });
        // What each call is answered with, and the key that comes with it.
        let calls = [("0", KEY), ("7", KEY), ("16", KEY), ("0", "another key")];
        let (tell, mut seen) = tokio::sync::mpsc::channel(calls.len());
        let served = tokio::spawn(async move {
            // A call with another key may take another connection.
            loop {
                let (mut connection, tell) = (http2(&listener).await, tell.clone());
                tokio::spawn(async move {
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tell.try_send((request.headers()["x-key"].to_str().unwrap().to_owned(), respond)).unwrap();
                    }
                });
            }
        });
        for (status, key) in calls {
            let mut open = request(1, HttpVersion::Http2, "POST", origin.clone(), RequestBody::None);
            open.headers = fields(&[("x-key", "{secret:k}")]);
            guest.open(open);
            let (came, respond) = seen.recv().await.unwrap();
            assert_eq!(came, key);
            end_call(respond, status, alone);
            guest.answer().await;
            std::fs::write(folder.path().join("k"), "another key").unwrap();
        }
        served.abort();
    }
}
