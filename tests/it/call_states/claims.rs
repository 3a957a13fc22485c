//! Claims whose answer is lost: Redis has carried them out, and whoever claimed does not know.

use super::takeover::{calls_of, id};
use super::*;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::cell::Cell;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The way to a Redis on which the first claim gets through, and no answer by its connection from then on.
struct Way {
    listener: TcpListener,
    port: u16,
    lost: Cell<bool>,
}

impl Way {
    async fn to(server: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, port: server.port(), lost: Cell::new(false) }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Passes on what comes, for ever.
    async fn pass_on(&self) {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                near = self.listener.accept() => connections.push(self.pass(near.unwrap().0)),
                Some(_) = connections.next() => {}
            }
        }
    }

    async fn pass(&self, near: TcpStream) -> std::io::Result<()> {
        let far = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
        let deaf = Cell::new(false);
        let questions = async {
            let mut piece = vec![0; 65_536];
            loop {
                let read = near_in.read(&mut piece).await?;
                if read == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                // Nothing else that a gateway says has that word.
                if piece[..read].windows(9).any(|word| word == b"$3\r\nany\r\n") && !self.lost.replace(true) {
                    deaf.set(true);
                }
                far_out.write_all(&piece[..read]).await?;
            }
        };
        let answers = async {
            let mut piece = vec![0; 65_536];
            loop {
                let read = far_in.read(&mut piece).await?;
                if read == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                if !deaf.get() {
                    near_out.write_all(&piece[..read]).await?;
                }
            }
        };
        tokio::select! {
            over = questions => over,
            over = answers => over,
        }
    }
}

/// Its lease has lapsed.
async fn is_gone(redis: &MultiplexedConnection, instance: &str) {
    let lease = format!("vg:inst:{instance}");
    until("its lease has lapsed", async || !redis.clone().exists::<_, bool>(&lease).await.unwrap()).await;
}

async fn owner(redis: &MultiplexedConnection) -> String {
    redis.clone().get("vg:{call-1}:owner").await.unwrap()
}

/// Its holder of that epoch has written how it stands.
async fn is_served(redis: &MultiplexedConnection, epoch: u64) {
    let claimed = format!("{epoch} 0 ");
    until("it is written", async || !owner(redis).await.starts_with(&claimed)).await;
    assert!(owner(redis).await.starts_with(&format!("{epoch} ")) && !owner(redis).await.contains("from"));
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_answered_when_it_is_made_again_and_never_twice() {
    let server = Redis::start().await.unwrap();
    let way = Way::to(&server).await;
    tokio::select! {
        () = way.pass_on() => unreachable!(),
        () = asks_again(&server, &way) => {}
    }
}

async fn asks_again(server: &Redis, way: &Way) {
    let (a, b, c) = (Gateway::of("a", server), Gateway::at("b", way.port()), Gateway::of("c", server));
    a.states.keep(snapshot("call-1", 3));
    tokio::join!(a.has_its_lease(), b.has_its_lease(), c.has_its_lease());
    a.all_written().await;
    let (dead, heir) = (a.states.holder().clone(), b.states.holder().clone());
    let (call, mut redis) = (id("call-1"), server.connect().await.unwrap());
    a.die();
    is_gone(&redis, "a").await;
    assert_eq!(b.states.claim(&call, &dead).await, Err(ClaimError::Away(StoreAway)));
    assert_eq!(owner(&redis).await, format!("2 0 {} b from {} a", heir.boot, dead.boot));
    assert_eq!(calls_of(&mut redis, &heir).await, ["call-1"], "were it to die now, others would find it there");

    // Who comes meanwhile takes nothing out of the list in which it is found again.
    assert_eq!(c.states.claim(&call, &dead).await, Err(ClaimError::Taken));
    assert_eq!(calls_of(&mut redis, &dead).await, ["call-1"]);
    assert!(calls_of(&mut redis, c.states.holder()).await.is_empty());

    let began = Instant::now();
    let claimed = loop {
        match b.states.claim(&call, &dead).await {
            Err(ClaimError::Away(_)) if began.elapsed() < PATIENCE => sleep(STEP).await,
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(claimed.snapshot, CallSnapshot { epoch: Epoch(2), ..snapshot("call-1", 3) });
    assert_eq!(calls_of(&mut redis, &heir).await, ["call-1"]);
    assert!(calls_of(&mut redis, &dead).await.is_empty());
    assert_eq!(b.states.claim(&call, &dead).await, Err(ClaimError::Taken), "one task goes on with it");

    b.states.keep(claimed.snapshot);
    is_served(&redis, 2).await;
    assert_eq!(b.states.claim(&call, &dead).await, Err(ClaimError::Taken));
    assert_eq!(calls_of(&mut redis, &heir).await, ["call-1"], "it is still this one's");
    b.stop().await;
    c.stop().await;
}

#[tokio::test]
async fn a_call_whose_claimant_died_before_it_knew_is_found_by_the_next_one() {
    let server = Redis::start().await.unwrap();
    let way = Way::to(&server).await;
    tokio::select! {
        () = way.pass_on() => unreachable!(),
        () = is_found_again(&server, &way) => {}
    }
}

async fn is_found_again(server: &Redis, way: &Way) {
    let (a, b, c) = (Gateway::of("a", server), Gateway::at("b", way.port()), Gateway::of("c", server));
    a.states.keep(snapshot("call-1", 3));
    tokio::join!(a.has_its_lease(), b.has_its_lease(), c.settled());
    a.all_written().await;
    let (dead, heir) = (a.states.holder().clone(), b.states.holder().clone());
    let (call, mut redis) = (id("call-1"), server.connect().await.unwrap());
    a.die();
    is_gone(&redis, "a").await;
    assert_eq!(b.states.claim(&call, &dead).await, Err(ClaimError::Away(StoreAway)));
    b.die();
    // This one has looked as well, and too early.
    assert_eq!(c.states.claim(&call, &dead).await, Err(ClaimError::Taken));
    let found = |adoptable: &Arc<Adoptable>| {
        adoptable.lapsed.iter().any(|lapsed| lapsed.holder == heir && lapsed.calls == [id("call-1")])
    };
    let mut adoptable = c.states.adoptable();
    tokio::time::timeout(PATIENCE, adoptable.wait_for(found)).await.expect("nobody finds it").unwrap();
    let claimed = c.states.claim(&call, &heir).await.unwrap();
    assert_eq!(claimed.snapshot, CallSnapshot { epoch: Epoch(3), ..snapshot("call-1", 3) });
    assert_eq!(calls_of(&mut redis, c.states.holder()).await, ["call-1"]);
    assert!(calls_of(&mut redis, &heir).await.is_empty());
    // Once it is served nobody looks for it where it was first.
    c.states.keep(claimed.snapshot);
    is_served(&redis, 3).await;
    assert_eq!(c.states.claim(&call, &dead).await, Err(ClaimError::Taken));
    assert!(calls_of(&mut redis, &dead).await.is_empty());
    assert_eq!(calls_of(&mut redis, c.states.holder()).await, ["call-1"]);
    c.stop().await;
}
