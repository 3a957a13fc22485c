//! A session's door to the outside: what it asks goes out under its grant, what came is handed in one at a time.

mod line;
mod link;

pub use line::AudioLine;
pub(crate) use link::{Gone, Link};

use crate::counters::{Counters, LinkCounts, count};
use crate::dial::Dialer;
use crate::grant::{Advised, Grant, Resolve};
use crate::limits::{Deadlines, IN_PIECES, LINKS_OPEN};
use crate::meter::Meter;
use crate::outbox::{Outbound, Outbox, Overrun, Pressure};
use crate::wire::{LinkEffect, LinkErrorKind, LinkId, LinkInput, Payload};
use crate::{http, websocket};
use link::Told;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// How links are made.
#[derive(Default)]
pub struct LinksConfig {
    /// Certificates (PEM) of the operator's own authorities, trusted beside the system's.
    pub operator_cas: Vec<Vec<u8>>,
    /// Looks names up; the system's way where none is given.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// How long what may take.
    pub deadlines: Deadlines,
}

/// Why links cannot be made here.
#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    /// A certificate of the operator cannot be read.
    #[error("certificate of an operator's authority cannot be read")]
    OperatorCa(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no runtime with sockets and time around the call.
    #[error("no tokio runtime")]
    Runtime(#[source] tokio::runtime::TryCurrentError),
}

impl LinksError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OperatorCa(_) => "operator-ca",
            Self::Runtime(_) => "runtime",
        }
    }
}

/// What all links of a process share: roots of trust, connections kept for reuse, writers, counts.
pub struct Links {
    pub(crate) dialer: Dialer,
    pub(crate) pool: http::Pool,
    pub(crate) writers: websocket::Writers,
    pub(crate) counters: Counters,
    pub(crate) meter: Arc<Meter>,
    pub(crate) deadlines: Deadlines,
    pub(crate) advised: Advised,
    pub(crate) runtime: Handle,
}

impl Links {
    /// Reads the roots of trust. Links live on the tokio runtime around this call.
    ///
    /// # Errors
    /// See [`LinksError`].
    pub fn new(config: LinksConfig) -> Result<Arc<Self>, LinksError> {
        let runtime = Handle::try_current().map_err(LinksError::Runtime)?;
        let meter = Arc::<Meter>::default();
        Ok(Arc::new(Self {
            dialer: Dialer::new(&config.operator_cas, config.resolver, config.deadlines.pong)?,
            pool: http::Pool::start(&runtime, config.deadlines.keep_unused),
            writers: websocket::Writers::start(&runtime, &meter),
            meter,
            counters: Counters::default(),
            deadlines: config.deadlines,
            advised: Advised::default(),
            runtime,
        }))
    }

    /// A session's door. Dropping it closes its links.
    pub fn door(self: &Arc<Self>, grant: Arc<Grant>) -> Door {
        let (tell, told) = mpsc::channel(IN_PIECES);
        Door {
            links: Arc::clone(self),
            grant,
            open: BTreeMap::new(),
            line: AudioLine::default(),
            at_once: VecDeque::new(),
            tell,
            told,
            births: 0,
            tasks: JoinSet::new(),
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> LinkCounts {
        self.counters.read()
    }

    /// CPU of links and their connections so far, encryption included.
    pub fn busy(&self) -> Duration {
        self.meter.busy()
    }
}

/// The session let too much wait on a link that told it to stop, or opens links again and again: it is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more waits to be sent than may")]
pub struct TooMuch;

struct Open {
    birth: u64,
    outbox: Arc<Outbox>,
    task: AbortHandle,
}

/// One session's links.
pub struct Door {
    links: Arc<Links>,
    grant: Arc<Grant>,
    open: BTreeMap<LinkId, Open>,
    line: AudioLine,
    /// Told without a task's doing.
    at_once: VecDeque<LinkInput>,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    /// Tells a link from an earlier one of the same id.
    births: u64,
    tasks: JoinSet<()>,
}

impl Door {
    /// Carries out what the session said. What is said of links that are not open is ignored: their end may be on its way.
    ///
    /// # Errors
    /// [`TooMuch`], after which the session is to be dropped.
    pub fn apply(&mut self, effect: LinkEffect) -> Result<(), TooMuch> {
        match effect {
            LinkEffect::Http(open) => {
                self.start(open.id, |link| http::run(link, open));
                Ok(())
            }
            LinkEffect::Websocket(open) => {
                self.start(open.id, |link| websocket::run(link, open));
                Ok(())
            }
            LinkEffect::Preconnect(wish) => {
                // Never answered: a session that wishes without end is not given more tasks than links.
                if self.tasks.len() >= 2 * LINKS_OPEN {
                    return Ok(());
                }
                let preconnect = http::preconnect(Arc::clone(&self.links), Arc::clone(&self.grant), wish);
                self.tasks.spawn_on(self.links.meter.wrap(preconnect), &self.links.runtime);
                Ok(())
            }
            LinkEffect::SendBytes(id, Payload(data)) => self.put(id, Outbound::Bytes(data.into())),
            LinkEffect::SendText(id, Payload(data)) => self.put(id, Outbound::Text(data.into())),
            LinkEffect::Finish(id) => self.put(id, Outbound::Finish),
            LinkEffect::Close(id) => {
                self.forget(id);
                Ok(())
            }
        }
    }

    /// From now on audio goes to this link, each chunk behind `prefix`, until the link ends. False where it is not open.
    pub fn route(&mut self, id: LinkId, prefix: Vec<u8>) -> bool {
        let Some(open) = self.open.get(&id) else {
            self.line.cut_all();
            return false;
        };
        self.line.lay(id, prefix, Arc::clone(&open.outbox), Arc::clone(&self.links));
        true
    }

    /// For who has the audio: the way past this door's session.
    pub fn line(&self) -> AudioLine {
        self.line.clone()
    }

    /// Sends a chunk of audio where it is routed to, and says where that was; none where it is for the guest.
    pub fn take_audio(&mut self, chunk: &[u8]) -> Option<LinkId> {
        let (id, put) = self.line.pass(chunk)?;
        if self.pressed(id, put).is_err() {
            // Not the guest's doing: its link is stuck, and that is what it learns.
            self.forget(id);
            let detail = "the peer takes no more audio".to_owned();
            self.at_once.push_back(LinkInput::Failed { id, kind: LinkErrorKind::Limit, detail });
        }
        Some(id)
    }

    /// The next news, in order for each link. Where nobody asks, the vendor's window closes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LinkInput> {
        // Outcomes of tasks: they told all they had to tell; a panic there has told nothing and is a lost link.
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
        loop {
            if let Some(input) = self.at_once.pop_front() {
                return Poll::Ready(input);
            }
            // The door holds a sender of its own: this never ends.
            let Poll::Ready(Some(Told { birth, input })) = self.told.poll_recv(cx) else { return Poll::Pending };
            let id = input.id();
            let Some(open) = self.open.get(&id).filter(|open| open.birth == birth) else { continue };
            // It became full again behind this: another `writable` will come.
            if matches!(input, LinkInput::Writable(_)) && open.outbox.is_full() {
                continue;
            }
            if input.is_last() {
                self.forget(id);
            }
            return Poll::Ready(input);
        }
    }

    /// As [`poll_next`](Self::poll_next).
    pub async fn next(&mut self) -> LinkInput {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Links that are open or opening.
    pub fn links_open(&self) -> usize {
        self.open.len()
    }

    fn start<F>(&mut self, id: LinkId, run: impl FnOnce(Link) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        count(&self.links.counters.asked);
        let refused = if self.open.contains_key(&id) {
            Some((LinkErrorKind::Protocol, "a link of this id is open"))
        } else if self.open.len() == LINKS_OPEN {
            Some((LinkErrorKind::Limit, "too many links are open"))
        } else {
            None
        };
        if let Some((kind, detail)) = refused {
            return self.at_once.push_back(LinkInput::Failed { id, kind, detail: detail.to_owned() });
        }
        self.births += 1;
        let outbox = Arc::<Outbox>::default();
        let link =
            Link::new(id, self.births, Arc::clone(&self.links), Arc::clone(&self.grant), Arc::clone(&outbox), self.tell.clone());
        let task = self.tasks.spawn_on(self.links.meter.wrap(run(link)), &self.links.runtime);
        self.open.insert(id, Open { birth: self.births, outbox, task });
    }

    fn put(&mut self, id: LinkId, outbound: Outbound) -> Result<(), TooMuch> {
        let Some(open) = self.open.get(&id) else { return Ok(()) };
        let put = open.outbox.put(outbound);
        self.pressed(id, put)
    }

    fn pressed(&mut self, id: LinkId, put: Result<Pressure, Overrun>) -> Result<(), TooMuch> {
        match put {
            Ok(Pressure::Room) => Ok(()),
            Ok(Pressure::BecameFull) => {
                self.at_once.push_back(LinkInput::Full(id));
                Ok(())
            }
            Err(_) => Err(TooMuch),
        }
    }

    fn forget(&mut self, id: LinkId) {
        if let Some(open) = self.open.remove(&id) {
            open.task.abort();
        }
        self.line.cut(id);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Its links go with it: what would be sent to them now is lost, and must not wait for ever.
        self.line.cut_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::OUT_HIGH_BYTES;
    use std::time::Duration;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn a_link_that_is_full_again_is_not_said_to_be_writable() {
        let links = Links::new(LinksConfig::default()).unwrap();
        let grant = Grant {
            tenant: "tenant".into(),
            plugin: "plugin".into(),
            reach: crate::grant::Reach::default(),
            secrets: crate::secrets::Secrets::default(),
            connections: Arc::new(tokio::sync::Semaphore::new(1)),
            budget: crate::grant::Budget::default(),
        };
        let mut door = links.door(Arc::new(grant));
        let (take, taken) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (asked, done) = (Arc::clone(&take), Arc::clone(&taken));
        door.start(1, |link| async move {
            loop {
                asked.notified().await;
                link.next_out().await.unwrap();
                done.notify_one();
            }
        });
        let fill = || LinkEffect::SendBytes(1, Payload(vec![0; OUT_HIGH_BYTES + 1]));
        door.apply(fill()).unwrap();
        assert_eq!(door.next().await, LinkInput::Full(1));
        take.notify_one();
        taken.notified().await;
        door.apply(fill()).unwrap();
        assert_eq!(door.next().await, LinkInput::Full(1));
        let stale = tokio::time::timeout(Duration::ZERO, door.next()).await;
        assert!(stale.is_err(), "{stale:?}");
        take.notify_one();
        assert_eq!(door.next().await, LinkInput::Writable(1));
    }
}
