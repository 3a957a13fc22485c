use super::*;
use crate::load::callers::Callers;
use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Message as Said;
use vg_media::rtp;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

struct Desk {
    asterisk: Asterisk,
    port: u16,
}

impl Desk {
    async fn new(callers: &Callers) -> Self {
        let asterisk = Asterisk::start(callers.switch()).await.unwrap();
        let port = asterisk.url.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { asterisk, port }
    }

    async fn listen(&self, app: &str) -> Socket {
        let url = format!("ws://127.0.0.1:{}/ari/events?app={app}", self.port);
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        while !self.asterisk.house.lock().apps.contains_key(app) {
            tokio::task::yield_now().await;
        }
        socket
    }

    /// A request as a gateway makes it; the status, and the answer where there is one.
    async fn ask(&self, method: Method, path: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("/ari/{path}")).body(axum::body::Body::empty()).unwrap();
        let response = super::request(State(Arc::clone(&self.asterisk.house)), request).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// Type and channel of the next event.
async fn next(socket: &mut Socket) -> (String, String) {
    let Some(Ok(Said::Text(text))) = socket.next().await else { panic!("the socket ended") };
    let event: Value = serde_json::from_str(&text).unwrap();
    (event["type"].as_str().unwrap().to_owned(), event["channel"]["id"].as_str().unwrap_or_default().to_owned())
}

fn is(kind: &str, channel: &str) -> (String, String) {
    (kind.to_owned(), channel.to_owned())
}

/// A gateway's end of a line.
fn mouth() -> (std::net::UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_caller_who_is_moved_hears_whoever_is_in_the_same_bridge_and_nobody_else() {
    let callers = Callers::with_diaries(1, vec![0xFF; 160 * 50], 20);
    let desk = Desk::new(&callers).await;
    let (mut a, mut b) = (desk.listen("vg-a").await, desk.listen("vg-b").await);
    desk.asterisk.ring(0);
    assert_eq!(next(&mut a).await, is("StasisStart", "caller-0"));
    let mouths = [mouth(), mouth()];
    for (app, (_, address)) in ["vg-a", "vg-b"].into_iter().zip(&mouths) {
        let media = format!("channels/externalMedia?channelId={app}.media.1&app={app}&external_host={address}");
        assert_eq!(desk.ask(Method::POST, &media).await.0, 200);
        assert_eq!(desk.ask(Method::POST, &format!("bridges?bridgeId={app}.bridge.1")).await.0, 200);
    }
    let join = "bridges/vg-a.bridge.1/addChannel?channel=caller-0,vg-a.media.1";
    assert_eq!(desk.ask(Method::POST, join).await.0, 204);
    let mut packet = [0; 2048];
    let (length, from) = mouths[0].0.recv_from(&mut packet).unwrap();
    assert_eq!(length, rtp::HEADER_LEN + 160, "the caller speaks to the first one");
    mouths[0].0.send_to(&packet[..length], from).unwrap();
    let sent = async || desk.ask(Method::GET, "channels/caller-0/rtp_statistics").await.1["txcount"].as_u64().unwrap();
    while sent().await != 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.ask(Method::GET, "channels/vg-a.media.1/rtp_statistics").await.0, 404);
    assert_eq!(desk.ask(Method::GET, "channels/caller-0/variable?variable=VG_HOLDER").await.0, 404);

    assert_eq!(desk.ask(Method::POST, "channels/caller-0/move?app=vg-b&appArgs=adopted").await.0, 204);
    assert_eq!(next(&mut a).await, is("StasisStart", "vg-a.media.1"));
    assert_eq!(next(&mut a).await, is("StasisEnd", "caller-0"));
    assert_eq!(next(&mut b).await, is("StasisStart", "vg-b.media.1"));
    assert_eq!(next(&mut b).await, is("StasisStart", "caller-0"));
    let listed = desk.ask(Method::GET, "applications/vg-b").await.1;
    assert_eq!(listed["channel_ids"], json!(["caller-0", "vg-b.media.1"]));
    let bridges = desk.ask(Method::GET, "bridges").await.1;
    assert_eq!(bridges[0]["channels"], json!(["caller-0", "vg-a.media.1"]), "it stays in its bridge");
    assert_eq!(desk.ask(Method::GET, "channels/caller-0").await.1["dialplan"]["app_data"], "vg-a,tenant=load");

    assert_eq!(desk.ask(Method::POST, "bridges/vg-b.bridge.1/addChannel?channel=caller-0,vg-b.media.1").await.0, 204);
    let (length, to) = mouths[1].0.recv_from(&mut packet).unwrap();
    mouths[1].0.send_to(&packet[..length], to).unwrap();
    // Whoever spoke before speaks to nobody, before its media channel is removed and after.
    mouths[0].0.send_to(&packet[..length], from).unwrap();
    while sent().await != 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.ask(Method::DELETE, "channels/vg-a.media.1").await.0, 204);
    assert_eq!(desk.asterisk.said_to_nobody(), 0, "that one lived still");
    mouths[0].0.send_to(&packet[..length], from).unwrap();
    while desk.asterisk.said_to_nobody() == 0 {
        tokio::task::yield_now().await;
    }
    let moves = desk.asterisk.moves();
    let [Move { caller: 0, from, to, .. }] = &moves[..] else { panic!("{moves:?}") };
    assert_eq!((from.as_str(), to.as_str(), desk.asterisk.given_up()), ("vg-a", "vg-b", 0));
    let diary = callers.finish().remove(0);
    let from: Vec<u16> = diary.heard.iter().map(|packet| packet.from).collect();
    assert_eq!(from, [mouths[0].1.port(), mouths[1].1.port()]);
}

#[tokio::test]
async fn callers_come_to_applications_that_somebody_listens_to_and_the_last_socket_counts() {
    let callers = Callers::start(3, vec![0xFF; 160]);
    let desk = Desk::new(&callers).await;
    desk.asterisk.ring(0);
    assert_eq!(desk.asterisk.left(), Left::default(), "nobody is there");
    let (mut first, mut b) = (desk.listen("vg-a").await, desk.listen("vg-b").await);
    let mut second = desk.listen("vg-a").await;
    assert_eq!(next(&mut first).await.0, "ApplicationReplaced");
    drop(b.close(None).await);
    while desk.asterisk.house.lock().apps["vg-b"].is_some() {
        tokio::task::yield_now().await;
    }
    desk.asterisk.ring(1);
    desk.asterisk.ring(2);
    assert_eq!(next(&mut second).await, is("StasisStart", "caller-1"));
    assert_eq!(next(&mut second).await, is("StasisStart", "caller-2"));
    desk.asterisk.hang_up(1);
    assert_eq!(next(&mut second).await, is("ChannelHangupRequest", "caller-1"));
    assert_eq!(next(&mut second).await, is("StasisEnd", "caller-1"));
    assert_eq!(desk.asterisk.callers_of("vg-a"), BTreeSet::from([2]));
}
