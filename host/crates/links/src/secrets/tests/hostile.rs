//! A plugin that wants its key.

use super::peer::Peer;
use super::*;
use crate::wire::{HttpOpen, HttpVersion, LinkEffect, LinkInput, Payload, RequestBody, WebsocketOpen};
use std::io;
use std::net::IpAddr;
use tracing_subscriber::fmt::MakeWriter;

/// All that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn get(id: u32, url: String, headers: &[(&str, &str)], body: RequestBody) -> LinkEffect {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (method, version, auth) = ("POST".to_owned(), HttpVersion::Http1, Authentication::Templates);
    LinkEffect::Http(HttpOpen { id, method, url, headers, body, version, auth })
}

/// Everything that the guest is told about a link, until its end; bodies as text.
async fn told(house: &House, effect: LinkEffect) -> String {
    let mut door = house.links.door(Arc::clone(&house.grant));
    door.apply(effect).unwrap();
    let mut told = String::new();
    loop {
        let input = door.next().await;
        told += &format!("{input:?}\n");
        if let LinkInput::Bytes(_, Payload(bytes)) | LinkInput::Text(_, Payload(bytes)) = &input {
            told += &String::from_utf8_lossy(bytes);
        }
        if input.is_last() {
            return told;
        }
    }
}

#[tokio::test]
async fn a_key_is_sent_nowhere_but_to_the_host_it_is_bound_to() {
    let bound = Peer::new(|_| (204, String::new(), String::new())).await;
    let other = Peer::new(|_| (204, String::new(), String::new())).await;
    let (here, there) = (bound.origin(), other.origin());
    let spec = format!(r#"{{"key": {{"kind": "static", "ref": "env:KEY", "hosts": ["{here}"]}}}}"#);
    let house = House::new(&[&here, &there], &spec);
    let authority = there.strip_prefix("http://").unwrap();
    let (key, encoded) = ("{secret:key}", "%7Bsecret:key%7D");
    let tricks = [
        (format!("{there}/"), vec![("authorization", key)]),
        (format!("{there}/{key}"), vec![]),
        (format!("{there}/?{key}"), vec![]),
        (format!("{there}/{encoded}"), vec![]),
        (format!("{there}/#{key}"), vec![]),
        (format!("http://{key}@{authority}/"), vec![]),
        (format!("http://user:{key}@{authority}/"), vec![]),
        (format!("http://{here}@{authority}/?{key}"), vec![]),
        (format!("http://{key}.example/"), vec![]),
        (format!("http://{key}/"), vec![]),
        (format!("{key}://{authority}/"), vec![]),
        (format!("http:\\\\{authority}\\{key}"), vec![]),
        (format!("{here}\\@{authority}/{key}"), vec![("host", authority)]),
        (format!("{here}/"), vec![("host", authority), ("authorization", key)]),
        (format!("{here}/"), vec![("Host", authority), ("authorization", key)]),
        (format!("{here}/"), vec![(key, "value")]),
        (format!("{here}/"), vec![("connection", "authorization"), ("proxy-authorization", key)]),
        (format!("{here}/"), vec![("x", "a\r\nhost: x\r\nb: {secret:key}")]),
    ];
    for (url, headers) in tricks {
        let told = told(&house, get(1, url.clone(), &headers, RequestBody::None)).await;
        assert!(!told.contains(KEY), "{url}: {told}");
    }
    let seen = other.asked().concat();
    assert!(!seen.contains("sk-live"), "{seen}");
    let astray = bound.asked().into_iter().find(|asked| asked.to_ascii_lowercase().contains(&format!("host: {authority}")));
    assert_eq!(astray, None);
    assert!(told(&house, get(1, format!("{here}/"), &[("authorization", key)], RequestBody::None)).await.contains("204"));
    assert!(bound.asked().last().unwrap().contains(KEY), "where it belongs it is sent");
}

#[tokio::test]
async fn a_body_is_sent_as_the_guest_wrote_it() {
    let peer = Peer::new(|_| (204, String::new(), String::new())).await;
    let house = House::new(&[&peer.origin()], STATIC);
    told(&house, get(1, peer.origin(), &[], RequestBody::Whole(b"key={secret:key}".to_vec()))).await;
    assert!(peer.asked()[0].ends_with("key={secret:key}"));
}

#[tokio::test]
async fn a_permitted_host_that_echoes_the_key_gives_the_guest_stars_and_is_counted() {
    let echo = |asked: &str| {
        let key = asked.split("authorization: Bearer ").nth(1).unwrap().split("\r\n").next().unwrap();
        (401, format!("www-authenticate: Bearer realm=\"{key}\"\r\n"), format!("no such key: {key}. You asked: {asked}"))
    };
    let peer = Peer::new(echo).await;
    let house = House::new(&[&peer.origin()], STATIC);
    let headers = [("authorization", "Bearer {secret:key}")];
    let told = told(&house, get(1, format!("{}/?k={{secret:key}}", peer.origin()), &headers, RequestBody::None)).await;
    assert!(peer.asked()[0].contains(KEY) && peer.asked()[0].contains("k=sk-live%2F0123%2B456789"));
    assert!(told.contains("401") && told.contains("no such key: *******************. You asked: POST /?k=***"), "{told}");
    assert!(!told.contains("sk-live") && !told.contains("0123"), "{told}");
    assert_eq!(house.links.counts().echoes_masked, 4);
}

#[tokio::test]
async fn an_echo_that_comes_in_two_pieces_is_found() {
    let cut = |asked: &str| {
        let key = asked.split("authorization: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let (one, other) = key.split_at(9);
        let chunk = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
        let body = chunk(format!("no such key: {one}")) + &chunk(format!("{other}, sk-l"));
        format!(
            "HTTP/1.1 401 X\r\ntransfer-encoding: chunked\r\nconnection: close\r\ntrailer: x\r\n\r\n{body}0\r\nx: {key}\r\n\r\n"
        )
    };
    let peer = Peer::saying(cut).await;
    let house = House::new(&[&peer.origin()], STATIC);
    let told = told(&house, get(1, peer.origin(), &[("authorization", "{secret:key}")], RequestBody::None)).await;
    assert!(told.contains("*******************, ") && told.contains("sk-l"), "{told}");
    assert!(!told.contains("live") && !told.contains("456789"), "{told}");
    assert_eq!(house.links.counts().echoes_masked, 2);
}

#[tokio::test]
async fn a_host_that_refuses_a_key_makes_the_next_request_read_it_again() {
    let peer = Peer::new(|_| (401, String::new(), String::new())).await;
    let house = House::new(&[&peer.origin()], STATIC);
    let headers = [("authorization", "{secret:key}")];
    told(&house, get(1, peer.origin(), &headers, RequestBody::None)).await;
    house.drawer.put("KEY", "changed-key");
    told(&house, get(1, peer.origin(), &headers, RequestBody::None)).await;
    assert!(peer.asked()[1].contains("changed-key"));
}

#[tokio::test]
async fn an_event_stream_is_begun_with_its_first_signature_and_continued_without_the_key() {
    let peer = Peer::new(|_| (200, String::new(), String::new())).await;
    let spec = r#"{"aws": {"kind": "aws-credentials", "ref": "env:KEY", "regions": ["us-east-1"], "service": "transcribe"}}"#;
    let house = House::new(&[&peer.origin()], spec);
    house.drawer.put("KEY", r#"{"access_key_id": "AKIA", "secret_access_key": "sk-live", "session_token": "session-token"}"#);
    let payload = AwsPayload::EventStream;
    let asked = AwsSigV4 { secret: "aws".into(), region: "us-east-1".into(), service: "transcribe".into(), payload };
    let LinkEffect::Http(open) = get(1, peer.origin(), &[], RequestBody::Streaming) else { panic!("an http effect") };
    let mut door = house.links.door(Arc::clone(&house.grant));
    door.apply(LinkEffect::Http(HttpOpen { auth: Authentication::AwsSigV4(asked), ..open })).unwrap();
    let first = door.next().await;
    assert!(!format!("{first:?}").contains("sk-live"), "{first:?}");
    let LinkInput::Signed(1, signed) = first else { panic!("{first:?}") };
    let hash = "0".repeat(64);
    let next = signed.signer.unwrap().sign(&signed.signature, &signed.amz_date, &hash, &hash);
    assert!(next.is_some_and(|next| next.len() == 64 && next != signed.signature));
    assert!(matches!(door.next().await, LinkInput::Opened { status: 200, .. }));
    let asked = peer.asked().concat();
    assert!(
        asked.contains(&format!("Signature={}", signed.signature)) && asked.contains("x-amz-security-token: session-token"),
        "{asked}"
    );
    assert!(asked.contains("x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-EVENTS") && !asked.contains("sk-live"), "{asked}");
}

/// Answers the first question with this machine, all later ones with the operator's network.
struct Rebinding(AtomicU32);

impl Resolve for Rebinding {
    fn resolve<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let inside = self.0.fetch_add(1, Relaxed) > 0;
        let address = if inside { [10, 0, 0, 1] } else { [127, 0, 0, 1] };
        Box::pin(async move { Ok(vec![address.into()]) })
    }
}

#[tokio::test]
async fn a_name_that_is_bound_anew_leads_no_connection_into_the_house() {
    let peer = Peer::new(|_| (204, String::new(), String::new())).await;
    let origin = peer.origin().replace("127.0.0.1", "vendor.example");
    let house = House::new(&[&origin], STATIC).resolving(Rebinding(AtomicU32::new(0)));
    let ask = async || told(&house, get(1, origin.clone(), &[], RequestBody::None)).await;
    assert!(ask().await.contains("status: 204"));
    let second = ask().await;
    assert!(second.contains("EgressDenied") && !second.contains("10.0.0"), "{second}");
    assert_eq!((house.links.counts().connected, house.links.counts().egress_denied), (1, 1));
}

#[tokio::test]
async fn the_operator_is_told_once_which_line_to_add_and_not_flooded() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::with_policy(&["https://*.example"], &["https://there.example"], STATIC);
    let ask = async |url: &str, header: &str| told(&house, get(1, url.to_owned(), &[("x", header)], RequestBody::None)).await;
    for _ in 0..3 {
        ask("https://a.example/", "").await;
        ask("https://there.example/", "{secret:nokey}").await;
    }
    for at in 0..100 {
        ask(&format!("https://h{at}.example/"), "").await;
        ask("https://there.example/", &format!("{{secret:no{at}}}")).await;
    }
    let log = log.text();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines(r#"add to policy: [plugin."stt-x"] hosts = ["https://a.example"]"#), 1, "{log}");
    assert_eq!(lines("add to policy"), 32, "{log}");
    assert_eq!(lines("further refusals of this plugin are only counted"), 1, "{log}");
    assert_eq!(lines("the tenant's settings have no secret of this name"), 1, "{log}");
    assert!(lines(r#"plugin="stt-x" tenant="acme""#) == 34, "{log}");
    assert_eq!(house.links.counts().egress_denied, 103);
}

#[tokio::test]
async fn no_key_is_printed_or_logged_whatever_goes_wrong() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let peer = Peer::new(|asked| (500, "x-broken: yes\r\n".into(), asked.to_owned())).await;
    let spec = format!(
        r#"{{"key": {{"kind": "static", "ref": "env:KEY"}},
            "oauth": {{"kind": "oauth2-client-credentials", "token_url": "{}/t", "client_id": "i", "client_secret": "env:KEY"}},
            "denied": {{"kind": "oauth2-client-credentials", "token_url": "https://denied.example/t", "client_id": "i", "client_secret": "env:KEY"}}}}"#,
        peer.origin()
    );
    let gone = "http://127.0.0.1:1";
    let secure = peer.origin().replace("http:", "https:");
    let socket = peer.origin().replace("http:", "ws:");
    let house = House::new(&[&peer.origin(), gone, &secure, &socket], &spec);
    let mut seen = String::new();
    for origin in [&*peer.origin(), gone, &secure, "http://denied.example"] {
        for secret in ["key", "oauth", "denied"] {
            let (url, header) = (format!("{origin}/{{secret:{secret}}}?k={{secret:{secret}}}"), format!("{{secret:{secret}}}"));
            seen += &told(&house, get(1, url, &[("authorization", &header)], RequestBody::None)).await;
        }
    }
    let open = WebsocketOpen {
        id: 1,
        url: format!("{socket}/?k={{secret:key}}"),
        headers: vec![("authorization".into(), "{secret:key}".into())],
        subprotocols: vec![],
        auth: Authentication::Templates,
    };
    seen += &told(&house, LinkEffect::Websocket(open)).await;
    for kind in ["EgressDenied", "Connect", "Tls", "status: 500"] {
        assert!(seen.contains(kind), "{kind} is missing in {seen}");
    }
    seen += &format!("{:?} {:?}", house.grant.secrets, house.grant.secrets.remember(vec![]));
    let logged = log.text();
    assert!(logged.contains("add to policy"), "{logged}");
    for text in [&seen, &logged] {
        assert!(!text.contains("sk-live") && !text.contains("456789"), "{text}");
    }
}
