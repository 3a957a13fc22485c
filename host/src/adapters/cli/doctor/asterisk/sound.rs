//! Whether sound from Asterisk reaches the address that the gateway would tell it. A channel is made for the test, and taken away.

use super::super::report::Row;
use super::questions::Questions;
use crate::config::{Media, RtpCodec};
use hyper::Method;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use uuid::Uuid;

/// A packet is waited for so long.
const PACKET: Duration = Duration::from_secs(2);
const NAME: &str = "sound";

pub(super) async fn row(questions: Questions<'_>, media: &Media) -> Row {
    match reached(questions, media).await {
        Ok(Reached { at, from, took }) => {
            let ms = took.as_millis();
            Row::fine(NAME, format_args!("{at}, which Asterisk is told, is reached by it (from {}, {ms} ms)", from.ip()))
        }
        Err(why) => Row::fault(NAME, why),
    }
}

struct Reached {
    at: SocketAddr,
    from: SocketAddr,
    took: Duration,
}

async fn reached(questions: Questions<'_>, media: &Media) -> Result<Reached, String> {
    // The port of a gateway that is running is taken: then another one, which a firewall may treat otherwise.
    let socket = match UdpSocket::bind(media.bind).await {
        Ok(socket) => socket,
        Err(_) => UdpSocket::bind((media.bind.ip(), 0)).await.map_err(|error| format!("{}: {error}", media.bind.ip()))?,
    };
    let port = socket.local_addr().map_err(|error| error.to_string())?.port();
    let at = SocketAddr::new(advertised(media), port);
    let id = Uuid::now_v7().simple().to_string();
    let (app, channel) = (format!("vg-doctor-{id}"), format!("vg-doctor.media.{id}"));
    let mut events = questions.listen(&app).await?;
    let host = at.to_string();
    let query = [
        ("app", app.as_str()),
        ("channelId", &channel),
        ("external_host", &host),
        ("format", format(media.codec)),
        ("encapsulation", "rtp"),
        ("transport", "udp"),
    ];
    let made = questions.act(Method::POST, "channels/externalMedia", &query).await;
    made.map_err(|why| format!("a channel for sound cannot be made: {why}"))?;
    let heard = async {
        events.started(&channel).await?;
        let begun = Instant::now();
        questions.act(Method::POST, &format!("channels/{channel}/silence"), &[]).await?;
        let mut packet = [0; 2048];
        match timeout(PACKET, socket.recv_from(&mut packet)).await {
            Ok(Ok((_, from))) => Ok(Reached { at, from, took: begun.elapsed() }),
            Ok(Err(error)) => Err(format!("{at}: {error}")),
            Err(_) => Err(format!(
                "{at}, which Asterisk is told, gets no sound from it: is it reachable from there (media.advertise, firewall)?"
            )),
        }
    };
    let heard = heard.await;
    // Whatever was heard, nothing is left behind.
    let removed = questions.act(Method::DELETE, &format!("channels/{channel}"), &[]).await;
    let heard = heard?;
    removed.map(|()| heard).map_err(|why| format!("the channel of the test is left behind: {why}"))
}

fn advertised(media: &Media) -> IpAddr {
    media.advertise.unwrap_or(media.bind.ip())
}

fn format(codec: RtpCodec) -> &'static str {
    match codec {
        RtpCodec::Ulaw => "ulaw",
        RtpCodec::Alaw => "alaw",
        RtpCodec::G722 => "g722",
    }
}
