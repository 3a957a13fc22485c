//! One request at a time over an HTTP/1.1 connection.

mod attentive;

use super::Body;
use super::answer::Answer;
use super::end::{Broken, End};
use super::watch::Watch;
use crate::dial::Dialed;
use crate::door::{Link, Links};
use crate::limits::{HEADER_BYTES, SETTLE};
use crate::outbox::Outbound;
use attentive::Attentive;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// A connection. Dropped, it is closed.
pub(super) struct Http1 {
    sender: SendRequest<Sending>,
    _driver: AbortOnDropHandle<()>,
}

impl Http1 {
    pub(super) async fn open(links: &Links, Dialed { stream, permit }: Dialed) -> hyper::Result<Self> {
        let (mut sender, connection) =
            Builder::new().max_header_size(HEADER_BYTES).handshake(TokioIo::new(Attentive::new(stream))).await?;
        let driver = links.runtime.spawn(links.meter.wrap(async move {
            let _permit = permit;
            // What goes wrong is told to the request that it goes wrong for.
            let _ = connection.await;
        }));
        let driver = AbortOnDropHandle::new(driver);
        sender.ready().await?;
        Ok(Self { sender, _driver: driver })
    }

    /// Whether another request can be made, which shows at once after an answer that was the peer's last word.
    pub(super) async fn is_reusable(&mut self) -> bool {
        matches!(timeout(SETTLE, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Whether no request can be made any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// The answer to a request of the host's own.
    pub(super) async fn ask(&mut self, request: Request<Bytes>) -> hyper::Result<http::Response<hyper::body::Incoming>> {
        self.sender.send_request(request.map(Sending::Whole)).await
    }
}

/// Makes the request and tells its answer, up to its end.
pub(super) async fn exchange(
    connection: &mut Http1,
    link: &Link,
    request: Request<()>,
    body: Body,
    watch: &Watch,
    answer: &mut Answer<'_>,
) -> Result<(), Broken> {
    let (sending, feed) = match body {
        Body::Whole(body) => (Sending::Whole(body), None),
        Body::Streaming => {
            let (feed, pieces) = mpsc::channel(1);
            (Sending::Pieces(pieces), Some(feed))
        }
    };
    let response = connection.sender.send_request(request.map(|()| sending));
    let receive = async {
        let response = response.await.map_err(|error| Broken::before_http1_answer(&error))?;
        watch.moved();
        let (head, mut body) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(End::protocol("the peer switches to a protocol that nobody asked for").into());
        }
        answer.head(head.status, &head.headers).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| End::from(&error))?;
            watch.moved();
            match frame.into_data() {
                Ok(data) => answer.body(data).await?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        answer.trailers(&trailers).await?;
                    }
                }
            }
        }
        Ok(answer.end().await?)
    };
    tokio::select! {
        biased;
        done = receive => done,
        end = send(link, feed, watch) => Err(end.into()),
        end = watch.expired() => Err(end.into()),
    }
}

/// Hands on what the session sends. Only comes back to end the link.
async fn send(link: &Link, feed: Option<mpsc::Sender<Piece>>, watch: &Watch) -> End {
    let Some(feed) = feed else {
        watch.sent();
        return pending().await;
    };
    // A closed feed is a connection that is lost: that is told where the answer is awaited.
    while let Ok(place) = feed.reserve().await {
        let piece = match link.next_out().await {
            Ok(Outbound::Bytes(piece) | Outbound::Text(piece)) => piece,
            Ok(Outbound::Finish) => {
                place.send(Piece::End);
                watch.sent();
                break;
            }
            Err(gone) => return gone.into(),
        };
        if !link.book_out(piece.len()) {
            return End::OVER_BUDGET;
        }
        watch.moved();
        place.send(Piece::Data(piece));
    }
    pending().await
}

/// A part of a streaming body.
enum Piece {
    Data(Bytes),
    End,
}

/// A request's body as hyper takes it.
enum Sending {
    Whole(Bytes),
    Pieces(mpsc::Receiver<Piece>),
}

/// The link ended before its body did: the peer must not take what it got for all of it.
#[derive(Debug, thiserror::Error)]
#[error("the body ended early")]
struct Unfinished;

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        match &mut *self {
            Self::Whole(body) if body.is_empty() => Poll::Ready(None),
            Self::Whole(body) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
            Self::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| match piece {
                // hyper skips empty pieces: a zero chunk would end the body.
                Some(Piece::Data(data)) => Some(Ok(Frame::data(data))),
                Some(Piece::End) => None,
                None => Some(Err(Unfinished)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
