//! One page per call, from the facts of a whole call to what the command prints.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops at what it did not expect")]

use futures_util::future::{BoxFuture, FutureExt, ready};
use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vg_domain::event::Fact;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::tenant::TenantSettings;
use vg_domain::usage::Usage;
use vg_tests::program;
use vg_tests::rig::{Caller, Rig};
use voice_gateway::adapters::http::auth::Auth;
use voice_gateway::adapters::http::{ApiParts, Operators, Tickets, api, front, serve};
use voice_gateway::adapters::notices::NoticeBoard;
use voice_gateway::application::desk::Desk;
use voice_gateway::application::orders::Directory;
use voice_gateway::application::ports::{Admission, Arrival, Facts, Subject, TenantError, Tenants};

/// Longer than the pause that ends a turn, and than everything else.
const SLOW: Duration = Duration::from_millis(1_900);

struct Nobody;

impl Tenants for Nobody {
    fn settings<'a>(&'a self, _: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        ready(Err(TenantError::Unknown)).boxed()
    }

    fn named<'a>(&'a self, _: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        ready(Err(TenantError::Unknown)).boxed()
    }
}

async fn ask(caller: &mut Caller, words: &str) {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
    caller.listen().await;
    caller.fact(|fact| matches!(fact, Fact::Turn(_)).then_some(())).await;
}

/// A call whose listener falls once and whose agent is slow in the second turn: everything that it told.
fn a_call() -> Vec<(CallId, TenantId, Fact)> {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
        let rig = Rig::start(1);
        rig.script(|script| {
            script.hearing_falls.push_back("trap");
            script.listener_worked = Some(Usage { audio_ms: 61_500, characters: 0, requests: 2 });
        });
        let mut caller = rig.call().await;
        caller.listen().await;
        ask(&mut caller, "what time is it").await;
        rig.script(|script| script.agent_takes = Some(SLOW));
        ask(&mut caller, "and in lisbon").await;
        caller.hang_up().await;
        caller.ended().await;
        rig.published()
    })
}

/// Serves the API over a desk that has heard of these calls.
async fn served(facts: &[(CallId, TenantId, Fact)], close: &CancellationToken, tasks: &mut JoinSet<()>) -> SocketAddr {
    let desk = Arc::new(Desk::new("story"));
    facts.iter().for_each(|(call, tenant, fact)| desk.publish(Subject::only(call, tenant), fact));
    let routes = api(ApiParts {
        notices: Arc::new(NoticeBoard::new("notices")),
        auth: Auth::Off(Some(TenantId::new("virtual"))),
        desk,
        latency: Arc::default(),
        orders: Arc::new(Directory::default()),
        originator: None,
        tenants: Arc::new(Nobody),
        settings: None,
        operators: Operators::Here,
        tickets: Arc::new(Tickets::default()),
        trail: None,
        drain: CancellationToken::new(),
        close: close.clone(),
        requests_per_s: None,
        cors_origins: Vec::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = serve(listener, front(routes.public), None, close.clone());
    tasks.spawn(async move { served.await.unwrap() });
    at
}

async fn explain(words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::from(program::alone(folder.path()));
    command.env_remove("VOICE_GATEWAY_TOKEN").env("TOKEN", "made.of.nothing").arg("explain").args(words).output().await.unwrap()
}

#[test]
fn a_rung_that_fell_and_a_turn_that_waited_for_the_agent_are_what_the_page_says() {
    let facts = a_call();
    let call = facts.first().unwrap().0.to_string();
    Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let (close, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let at = served(&facts, &close, &mut tasks).await;
        let url = format!("http://{at}");

        let told = explain(&[&call, "--url", &url]).await;
        let page = String::from_utf8(told.stdout).unwrap();
        let has = |part: &str| page.lines().any(|line| line.trim().starts_with(part));
        assert!(told.status.success(), "{page}");
        // Two turns of 250 and 500 ms of silence, as their words asked for; the agent took 300 ms and 1900 ms.
        for part in [
            &format!("call {call}"),
            "agent           2.20 s",
            "setting         0.75 s",
            "longest: turn 2, ",
            "hearing (stt-fake): trap, 1 time",
            "hearing (stt-fake): 1 min 01.5 s of sound, 2 requests",
        ] {
            assert!(has(part), "{part} is missing in\n{page}");
        }
        let waited = page.lines().find(|line| line.contains("turn 2 was answered")).unwrap();
        assert!(waited.contains("most of it for agent: endpoint wait 0.50 s") && waited.contains("agent 1.90 s"), "{waited}");
        let happened = page.split_once("what happened").unwrap().1;
        let order = [
            "the call began",
            "answered by gateway",
            "fell: hearing (stt-fake): trap",
            "turn 1 was answered",
            "turn 2 was answered",
        ];
        let places: Vec<usize> =
            order.iter().map(|part| happened.find(part).unwrap_or_else(|| panic!("{part}: {page}"))).collect();
        assert!(places.is_sorted(), "{page}");
        assert!(
            page.contains("the caller hung up (caller_hung_up)") && page.trim_end().ends_with("ended: caller_hung_up"),
            "{page}"
        );
        assert!(!page.contains("lisbon") && !page.contains("time is it"), "{page}");

        let told = explain(&[&call, "--url", &url, "--json"]).await;
        let json: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(json["waits"]["longest"]["waited_for"], "agent");
        assert_eq!(json["call"]["usage"][0]["audio_ms"], 61_500);

        // Another tenant's call is not there; a token is never sent in the clear to another machine.
        let elsewhere = "http://192.0.2.1";
        for (words, why) in [
            (vec![call.as_str(), "--url", &url, "--tenant", "other"], "404 call_unknown (another tenant's"),
            (vec!["nowhere", "--url", &url], "404 call_unknown"),
            (vec![call.as_str(), "--url", elsewhere, "--token", "env:TOKEN"], "by https only"),
            (vec![call.as_str(), "--url", &url, "--token", "made.of.nothing"], "is not a reference"),
        ] {
            let refused = explain(&words).await;
            let error = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && error.contains(why) && !error.contains("made.of.nothing"), "{words:?}: {error}");
        }
        close.cancel();
        while tasks.join_next().await.is_some() {}
    });
}
