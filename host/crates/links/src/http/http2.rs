//! Streams that share an HTTP/2 connection. Directly on `h2`: a window is released when the session took the bytes, a stream
//! that is dropped is reset, and no task stands between a link and its stream.

use super::Body;
use super::answer::Answer;
use super::end::{Broken, End};
use super::watch::Watch;
use crate::dial::Dialed;
use crate::door::{Link, Links};
use crate::limits::{Deadlines, HEADER_BYTES, STREAM_WINDOW_BYTES, STREAMS_PER_CONNECTION};
use crate::outbox::Outbound;
use bytes::Bytes;
use futures_util::FutureExt;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong, Reason, SendStream};
use http::Request;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// A connection. Dropped, it is closed with all its streams.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    /// Goes round with every byte that any of its streams sent or got.
    moved: Arc<AtomicU32>,
    driver: AbortOnDropHandle<()>,
}

impl Http2 {
    pub(super) async fn open(links: &Links, Dialed { stream, permit }: Dialed) -> Result<Self, h2::Error> {
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .max_header_list_size(HEADER_BYTES as u32)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(STREAM_WINDOW_BYTES * STREAMS_PER_CONNECTION as u32)
            // Streams are closed at every interruption; what was on its way for them is no fault of the peer.
            .max_concurrent_reset_streams(STREAMS_PER_CONNECTION)
            .handshake::<_, Bytes>(stream)
            .await?;
        let moved = Arc::<AtomicU32>::default();
        let pings = connection.ping_pong();
        let (seen, deadlines) = (Arc::clone(&moved), links.deadlines);
        let driver = links.runtime.spawn(links.meter.wrap(async move {
            let _permit = permit;
            let unanswered = async {
                match pings {
                    Some(pings) => unanswered(pings, &seen, deadlines).await,
                    None => pending().await,
                }
            };
            // What goes wrong is told to the streams that it goes wrong for.
            tokio::select! {
                _ = connection => {}
                () = unanswered => {}
            }
        }));
        Ok(Self { sender, moved, driver: AbortOnDropHandle::new(driver) })
    }

    /// Whether a stream more may be opened beside `open` ones.
    pub(super) fn has_room(&self, open: usize) -> bool {
        open < STREAMS_PER_CONNECTION.min(self.sender.current_max_send_streams())
    }

    /// Whether no stream can be opened any more: lost, or the peer is going away.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished() || matches!(self.sender.clone().ready().now_or_never(), Some(Err(_)))
    }

    fn moved(&self) {
        self.moved.fetch_add(1, Relaxed);
    }
}

/// Comes back when the peer did not answer a ping. Asks only after silence.
async fn unanswered(mut pings: PingPong, moved: &AtomicU32, deadlines: Deadlines) {
    loop {
        let before = moved.load(Relaxed);
        sleep(deadlines.ping_http2).await;
        if moved.load(Relaxed) != before {
            continue;
        }
        match timeout(deadlines.pong, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Makes the request and tells its answer, up to its end. Given up, the stream is reset (CANCEL).
pub(super) async fn exchange(
    connection: &Http2,
    link: &Link,
    request: Request<()>,
    body: Body,
    watch: &Watch,
    answer: &mut Answer<'_>,
) -> Result<(), Broken> {
    let bare = matches!(&body, Body::Whole(body) if body.is_empty());
    let (response, stream) =
        connection.sender.clone().send_request(request, bare).map_err(|error| Broken::before_http2_answer(&error))?;
    let receive = async {
        let response = response.await.map_err(|error| Broken::before_http2_answer(&error))?;
        let moved = || {
            connection.moved();
            watch.moved();
        };
        moved();
        let (head, mut body) = response.into_parts();
        answer.head(head.status, &head.headers).await?;
        while let Some(data) = unless_enough(body.data().await)? {
            moved();
            let length = data.len();
            answer.body(data).await?;
            // Only now: while the session takes nothing, the peer's window closes.
            body.flow_control().release_capacity(length).map_err(|error| End::from(&error))?;
        }
        if let Some(trailers) = unless_enough(body.trailers().await.transpose())? {
            answer.trailers(&trailers).await?;
        }
        Ok(answer.end().await?)
    };
    let send = async {
        match send(connection, link, stream, body, watch).await {
            Err(Unsent::Ended(end)) => end,
            // A stream that is lost, or of which the peer wants no more, is told where the answer is awaited.
            Ok(()) | Err(Unsent::Stream) => pending().await,
        }
    };
    tokio::select! {
        biased;
        done = receive => done,
        end = send => Err(end.into()),
        end = watch.expired() => Err(end.into()),
    }
}

/// A peer that has answered resets the stream without error where it wants no more of the request (RFC 9113, section 8.1).
fn unless_enough<T>(read: Option<Result<T, h2::Error>>) -> Result<Option<T>, End> {
    match read {
        Some(Err(error)) if error.is_remote() && error.reason() == Some(Reason::NO_ERROR) => Ok(None),
        read => read.transpose().map_err(|error| End::from(&error)),
    }
}

/// Why a body was not sent to its end.
enum Unsent {
    Stream,
    Ended(End),
}

impl From<h2::Error> for Unsent {
    fn from(_: h2::Error) -> Self {
        Self::Stream
    }
}

async fn send(connection: &Http2, link: &Link, mut stream: SendStream<Bytes>, body: Body, watch: &Watch) -> Result<(), Unsent> {
    if let Body::Whole(body) = body {
        if !body.is_empty() {
            send_piece(&mut stream, body, true, watch).await?;
        }
        watch.sent();
        return Ok(());
    }
    loop {
        // First room, then the piece: what the peer does not take waits in the outbox, where it is counted.
        room(&mut stream, 1).await?;
        let piece = match link.next_out().await {
            Ok(Outbound::Bytes(piece) | Outbound::Text(piece)) => piece,
            Ok(Outbound::Finish) => {
                stream.send_data(Bytes::new(), true)?;
                watch.sent();
                return Ok(());
            }
            Err(gone) => return Err(Unsent::Ended(gone.into())),
        };
        if !link.book_out(piece.len()) {
            return Err(Unsent::Ended(End::OVER_BUDGET));
        }
        connection.moved();
        send_piece(&mut stream, piece, false, watch).await?;
    }
}

async fn send_piece(stream: &mut SendStream<Bytes>, mut piece: Bytes, last: bool, watch: &Watch) -> Result<(), Unsent> {
    while !piece.is_empty() {
        let room = room(stream, piece.len()).await?;
        let part = piece.split_to(room.min(piece.len()));
        stream.send_data(part, last && piece.is_empty())?;
        watch.moved();
    }
    Ok(())
}

/// Waits until the stream takes a byte or more, at best `wanted`.
async fn room(stream: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, Unsent> {
    stream.reserve_capacity(wanted);
    while stream.capacity() == 0 {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(assigned) => assigned?,
            None => return Err(Unsent::Stream),
        };
    }
    Ok(stream.capacity())
}
