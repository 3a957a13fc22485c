//! A scripted Asterisk that connects by itself.

use super::super::listen::HELD;
use super::super::*;
use super::*;
use crate::adapters::rtp::ShardConfig;
use crate::application::ports::{TelephonyEvent, TenantHint, Ways};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message as Said};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::outcome::EndCause;

const SOON: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_millis(300);

struct House {
    ari: Arc<Ari>,
    http: SocketAddr,
    calls: mpsc::Receiver<IncomingCall>,
    stop: CancellationToken,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn house() -> House {
    house_of(None).await
}

/// `shared`: its name among others that may take its callers.
#[expect(clippy::disallowed_methods, reason = "ended by the token, and with the runtime")]
async fn house_of(shared: Option<&str>) -> House {
    let shard = Arc::new(Shards::start(ShardConfig::new("127.0.0.1:0".parse().unwrap())).unwrap());
    let (incoming, calls) = mpsc::channel(8);
    let config = AriConfig {
        mode: Mode::Accept,
        app: "vg".into(),
        user: "user".into(),
        password: Pii::new("secret".into()),
        codec: Codec::Pcmu,
        silence: Silence::Comfort,
        inactivity: None,
        deadline: DEADLINE,
        trusted: Arc::default(),
        shared: shared.map(str::to_owned),
    };
    let ari = Arc::new(Ari::new(config, None, shard, incoming).unwrap());
    let (stop, listener) = (CancellationToken::new(), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (http, served) = (listener.local_addr().unwrap(), router(&[Arc::clone(&ari)]));
    tokio::spawn(async move { axum::serve(listener, served).await });
    let (running, token) = (Arc::clone(&ari), stop.clone());
    tokio::spawn(async move { running.run(token).await });
    House { ari, http, calls, stop }
}

impl House {
    async fn connect(&self, user: &str, protocol: Option<&str>) -> Result<Asterisk, Error> {
        let mut request = format!("ws://{}{PATH}", self.http).into_client_request().unwrap();
        let shown = basic_authorization(user, "secret").unwrap();
        request.headers_mut().insert(hyper::header::AUTHORIZATION, shown);
        if let Some(protocol) = protocol {
            request.headers_mut().insert(hyper::header::SEC_WEBSOCKET_PROTOCOL, protocol.parse().unwrap());
        }
        Ok(Asterisk(connect_async(request).await?.0))
    }

    /// A socket of an application.
    async fn asterisk(&self, app: &str) -> Asterisk {
        let mut asterisk = self.connect("user", Some("ari")).await.unwrap();
        asterisk.say(json!({"type": "ApplicationRegistered", "application": app})).await;
        asterisk
    }

    async fn call(&mut self) -> IncomingCall {
        timeout(SOON, self.calls.recv()).await.unwrap().unwrap()
    }
}

struct Asterisk(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Asterisk {
    async fn say(&mut self, what: Value) {
        self.0.send(Said::Text(what.to_string().into())).await.unwrap();
    }

    async fn caller_comes(&mut self, app: &str, id: &str) {
        let channel = json!({"id": id, "name": format!("PJSIP/{id}"), "dialplan": {"exten": "100"}});
        self.say(json!({"type": "StasisStart", "application": app, "args": ["demo"], "channel": channel})).await;
    }

    /// The next request that is not about the state of the whole.
    async fn asked(&mut self, wanted: &str) -> Value {
        let asked = async {
            loop {
                if let Said::Text(text) = self.0.next().await.unwrap().unwrap() {
                    let request: Value = serde_json::from_str(&text).unwrap();
                    if request["uri"].as_str().unwrap().contains(wanted) {
                        return request;
                    }
                }
            }
        };
        timeout(SOON, asked).await.unwrap_or_else(|_| panic!("{wanted} was not asked"))
    }

    async fn answer(&mut self, request: &Value, status: u16, body: &str) {
        let id = &request["request_id"];
        self.say(
            json!({"type": "RESTResponse", "request_id": id, "status_code": status, "message_body": body, "application": "vg"}),
        )
        .await;
    }

    async fn is_closed(&mut self) {
        let closed = async { while let Some(Ok(Said::Text(_) | Said::Ping(_))) = self.0.next().await {} };
        timeout(SOON, closed).await.expect("closed");
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            look.tick().await;
        }
    };
    assert!(timeout(SOON, held).await.is_ok(), "{what}");
}

fn status(refused: Result<Asterisk, Error>) -> u16 {
    match refused {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{:?}", other.map(drop)),
    }
}

#[tokio::test]
async fn only_who_shows_the_password_and_speaks_ari_is_let_in() {
    let house = house().await;
    assert_eq!(status(house.connect("nobody", Some("ari")).await), 401);
    assert_eq!(status(house.connect("user", None).await), 400);
    assert_eq!(status(house.connect("user", Some("media")).await), 400);
    for word in ["", "{}", r#"{"application":"other"}"#, r#"{"application":"vg2:PJSIP/x"}"#] {
        let mut asterisk = house.connect("user", Some("media, ari")).await.unwrap();
        asterisk.0.send(Said::Text(word.into())).await.unwrap();
        asterisk.is_closed().await;
    }
    assert_eq!(house.ari.stats().sockets, 0);
    assert!(house.ari.is_up(), "it waits for calls");
}

#[tokio::test]
async fn acts_of_a_call_go_over_the_socket_that_stays_and_late_answers_are_counted() {
    let mut house = house().await;
    let mut asterisk = house.asterisk("vg").await;
    asterisk.caller_comes("vg", "c1").await;
    let mut call = house.call().await;
    assert_eq!(call.tenant, TenantHint::Named(TenantId::new("demo")));
    let (answered, request) = tokio::join!(call.telephony.answer(), async {
        let request = asterisk.asked("channels/c1/answer").await;
        asterisk.answer(&request, 204, "").await;
        request
    });
    assert_eq!((answered, request["method"].as_str()), (Ok(()), Some("POST")));
    // Nobody answers; then somebody does.
    let (hung_up, request) = tokio::join!(call.telephony.hang_up(EndCause::AgentHungUp), asterisk.asked("channels/c1"));
    assert_eq!(hung_up, Err(TelephonyError::Deadline { act: "hang up" }));
    let late = house.ari.stats().answers_late;
    asterisk.answer(&request, 204, "").await;
    until("the late answer is counted", || house.ari.stats().answers_late == late + 1).await;
    // The socket breaks while an answer is waited for.
    let (gone, ()) = tokio::join!(call.telephony.answer(), async {
        asterisk.asked("channels/c1/answer").await;
        asterisk.0.close(None).await.unwrap();
    });
    assert_eq!(gone, Err(TelephonyError::Unreachable));
    until("it is away", || house.ari.source() == Source::None).await;
    let mut again = house.asterisk("vg").await;
    let (answered, ()) = tokio::join!(
        async {
            until("it is back", || house.ari.source() == Source::Ari).await;
            call.telephony.answer().await
        },
        async {
            let request = again.asked("channels/c1/answer").await;
            again.answer(&request, 404, "{}").await;
        }
    );
    assert_eq!(answered, Err(TelephonyError::Gone));
}

#[tokio::test]
async fn a_call_with_a_socket_of_its_own_acts_there_under_its_own_application() {
    let mut house = house().await;
    let (one, two) = ("vg:PJSIP/c1", "vg:PJSIP/c2");
    let mut first = house.asterisk(one).await;
    let mut second = house.connect("user", Some("ari")).await.unwrap();
    // Where the call waited its coming is told first.
    first.caller_comes(one, "c1").await;
    let mut call = house.call().await;
    second.caller_comes(two, "c2").await;
    let mut other = house.call().await;
    assert_eq!((call.channel.as_str(), other.channel.as_str(), house.ari.stats().sockets), ("c1", "c2", 2));
    let (media, ()) = tokio::join!(call.telephony.connect_media(), async {
        let bridge = first.asked("bridges").await;
        first.answer(&bridge, 200, "{}").await;
        let media = first.asked("externalMedia").await;
        let query = media["query_strings"].as_array().unwrap();
        assert!(query.contains(&json!({"name": "app", "value": one})), "{query:?}");
        first.answer(&media, 500, "{}").await;
    });
    assert!(matches!(media, Err(TelephonyError::Refused { status: 500, .. })));
    let (answered, ()) = tokio::join!(other.telephony.answer(), async {
        let request = second.asked("channels/c2/answer").await;
        second.answer(&request, 204, "").await;
    });
    assert_eq!(answered, Ok(()));
    // The socket of a call comes back, and is that call's again.
    second.0.close(None).await.unwrap();
    until("one is left", || house.ari.stats().sockets == 1).await;
    let mut back = house.asterisk(two).await;
    until("it is back", || house.ari.stats().sockets == 2).await;
    back.say(json!({"type": "ChannelDtmfReceived", "application": two, "digit": "7", "channel": {"id": "c2"}})).await;
    // Keys may have been missed since it went, and until it was back.
    for told in [TelephonyEvent::KeysMissed, TelephonyEvent::KeysMissed, TelephonyEvent::Digit('7')] {
        assert_eq!(timeout(SOON, other.events.recv()).await.unwrap(), Some(told));
    }
    let calls = house.ari.stats().calls_live;
    drop((call, other));
    assert_eq!((calls, house.ari.stats().calls_live), (2, 0));
    drop((first, back));
    until("nothing is kept of calls that are over", || house.ari.of_calls().is_empty()).await;
}

/// Refused, Asterisk would give up its caller after a few attempts; closed, it connects again at once.
#[tokio::test]
async fn the_socket_of_a_call_that_is_offered_is_let_go_of_each_time_that_it_comes() {
    let mut house = house_of(Some("a")).await;
    let app = "vg:PJSIP/c1";
    let mut asterisk = house.asterisk(app).await;
    asterisk.caller_comes(app, "c1").await;
    let call = house.call().await;
    let ways = Adopters::new(vec![Arc::clone(&house.ari)]);
    ways.offered(&CallId::new("another"), true);
    ways.offered(&call.call, true);
    asterisk.is_closed().await;
    let mut again = house.asterisk(app).await;
    again.is_closed().await;
    // Nobody has taken it, and nobody is to any more.
    ways.offered(&call.call, false);
    let mut stays = house.asterisk(app).await;
    until("it is there", || house.ari.stats().sockets == 1).await;
    assert!(timeout(2 * HELD, stays.0.next()).await.is_ok(), "it is asked what was missed");
    let closed = async { while let Some(Ok(Said::Text(_) | Said::Ping(_))) = stays.0.next().await {} };
    assert!(timeout(2 * HELD, closed).await.is_err(), "a call that is not offered has lost its socket");
    assert_eq!(house.ari.stats().calls_live, 1);
}

/// A balancer knows nothing of calls.
#[tokio::test]
async fn the_socket_of_a_caller_whom_another_gateway_speaks_to_is_given_back() {
    let house = house_of(Some("b")).await;
    let app = "vg:PJSIP/c1";
    for speaks in [true, false] {
        let mut asterisk = house.asterisk(app).await;
        let mut sent = 0;
        let served = async {
            while let Some(Ok(said)) = asterisk.0.next().await {
                let Said::Text(text) = said else { continue };
                let request: Value = serde_json::from_str(&text).unwrap();
                let uri = request["uri"].as_str().unwrap();
                if uri.ends_with("rtp_statistics") {
                    sent += u64::from(speaks);
                }
                let dialplan = json!({"app_name": "Stasis", "app_data": "vg,demo"});
                let answer = match uri {
                    "channels" => json!([{"id": "c1", "name": "PJSIP/c1", "dialplan": dialplan}]),
                    "channels/c1/rtp_statistics" => json!({ "txcount": sent }),
                    _ => json!([]),
                };
                asterisk.answer(&request, 200, &answer.to_string()).await;
            }
        };
        assert_eq!(timeout(SOON, served).await.is_ok(), speaks, "somebody speaks to the caller: {speaks}");
    }
}
