//! A session whose way to the outside is played: no link, no socket.

use crate::{DEADLINE, rig, start, tag};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::time::timeout;
use vg_plugin_host::api::SttInput;
use vg_plugin_host::links::wire::{LinkEffect, LinkId, LinkInput};
use vg_plugin_host::links::{AudioLine, TooMuch};
use vg_plugin_host::session::{Opening, SessionEnd, SttEvent, Way};

/// Says what it is told to say; keeps what it was asked for.
struct Stage {
    news: mpsc::Receiver<LinkInput>,
    route: Option<LinkId>,
    asked: Arc<Mutex<Vec<String>>>,
    /// How often it was asked for news.
    polls: Arc<AtomicUsize>,
    line: AudioLine,
}

impl Stage {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Way for Stage {
    fn apply(&mut self, effect: LinkEffect) -> Result<(), TooMuch> {
        match effect {
            LinkEffect::Websocket(open) => self.note(format!("open {}", open.id)),
            LinkEffect::Finish(id) => self.note(format!("finish {id}")),
            LinkEffect::SendText(..) => {}
            other => self.note(format!("{other:?}")),
        }
        Ok(())
    }

    fn route(&mut self, link: LinkId, _: Vec<u8>) -> bool {
        self.note(format!("route {link}"));
        self.route = Some(link);
        true
    }

    fn take_audio(&mut self, chunk: &[u8]) -> Option<LinkId> {
        self.route.inspect(|link| self.note(format!("{} bytes past the guest to {link}", chunk.len())))
    }

    fn line(&self) -> AudioLine {
        self.line.clone()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LinkInput> {
        self.polls.fetch_add(1, Relaxed);
        match self.news.poll_recv(cx) {
            Poll::Ready(Some(news)) => Poll::Ready(news),
            _ => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn a_session_goes_whatever_way_it_is_given() {
    let rig = rig();
    let (tell, news) = mpsc::channel(4);
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let stage = Stage { news, route: None, asked: Arc::clone(&asked), polls: Arc::default(), line: AudioLine::default() };
    let opening = Opening { door: Some(Box::new(stage)), ..Opening::from(tag()) };
    let mut session = rig.host.open_stt(&rig.load("test/probe-vendor-stt"), start(r#"{"route":true}"#), opening).unwrap();
    tell.send(LinkInput::Opened { id: 1, status: 101, headers: vec![] }).await.unwrap();
    crate::until("the sound has a way of its own", || asked.lock().unwrap().iter().any(|what| what == "route 1")).await;
    assert_eq!(session.line.settled(), 0);
    session.input.send(SttInput::Audio(vec![0; 320])).await.unwrap();
    crate::until("what it was told is dealt with", || session.line.settled() == 1).await;
    session.input.send(SttInput::End).await.unwrap();
    crate::until("the guest has finished", || asked.lock().unwrap().iter().any(|what| what == "finish 1")).await;
    tell.send(LinkInput::Finished(1, Some(1000))).await.unwrap();
    let end = loop {
        match timeout(DEADLINE, session.events.recv()).await.unwrap().unwrap() {
            SttEvent::Ended(end) => break end,
            _ => continue,
        }
    };
    assert_eq!(*end, SessionEnd::Done);
    assert_eq!(*asked.lock().unwrap(), ["open 1", "route 1", "320 bytes past the guest to 1", "finish 1"]);
}

#[tokio::test]
async fn a_session_whose_timer_rang_sleeps_until_there_is_something() {
    let rig = rig();
    let (_tell, news) = mpsc::channel(1);
    let polls = Arc::<AtomicUsize>::default();
    let stage = Stage { news, route: None, asked: Arc::default(), polls: Arc::clone(&polls), line: AudioLine::default() };
    let opening = Opening { door: Some(Box::new(stage)), ..Opening::from(tag()) };
    let plugin = rig.load("test/probe-stt");
    let mut session = rig.host.open_stt(&plugin, start(r#"{"behave":"timer","at":0}"#), opening).unwrap();
    let rung = timeout(DEADLINE, session.events.recv()).await.unwrap().unwrap();
    assert!(matches!(rung, SttEvent::Final(_)), "{rung:?}");
    let before = polls.load(Relaxed);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let woken = polls.load(Relaxed) - before;
    assert!(woken < 10, "woken {woken} times for nothing");
}
