//! A gateway without its conversation: the real adapters and the real media threads, and the story itself says and hears, sample by sample.

use super::asterisk::Asterisk;
use anyhow::{Context, Result, anyhow, bail};
use axum::serve;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::UtteranceId;
use vg_domain::outcome::EndCause;
use vg_domain::pii::Pii;
use vg_media::{Codec, Silence};
use voice_gateway::adapters::ami::{Ami, AmiConfig, Login, Transport};
use voice_gateway::adapters::ari::{Ari, AriConfig, Mode, REQUEST_DEADLINE};
use voice_gateway::adapters::media_ws;
use voice_gateway::adapters::rtp::{ShardConfig, ShardStats, Shards};
use voice_gateway::application::ports::{
    IncomingCall, LegEvent, MediaLeg, MouthCommand, Observation, Observe, Telephony, TelephonyEvent, TenantHint,
};

const PATIENCE: Duration = Duration::from_secs(10);
const CALLS_MAX: usize = 8;

/// Takes calls. Dropping it leaves its Asterisk alone.
pub struct Operator {
    incoming: mpsc::Receiver<IncomingCall>,
    shards: Arc<Shards>,
    stop: CancellationToken,
    serving: JoinHandle<Result<()>>,
}

/// The story looks at the sound itself.
struct Unobserved;

impl Observe for Unobserved {
    fn observe(&self, _: &Observation) {}
}

impl Operator {
    /// Takes the calls of extension 100: RTP in this codec, packets of silence between utterances.
    pub async fn by_rtp(asterisk: &Asterisk, codec: Codec) -> Result<Self> {
        Self::dialling(asterisk, asterisk.http_port(), codec, None).await.map(|(operator, _)| operator)
    }

    /// The same by whatever port leads to Asterisk's HTTP server, with AMI beside. The second tells who tells what happens.
    pub async fn with_ami(asterisk: &Asterisk, http_port: u16) -> Result<(Self, Arc<Ari>)> {
        let config = AmiConfig {
            address: format!("127.0.0.1:{}", asterisk.ami_port()),
            user: "gateway".to_owned(),
            password: Pii::new("gateway-ami".to_owned()),
            login: Login::Challenge,
            transport: Transport::Plain,
            deadline: REQUEST_DEADLINE,
        };
        Self::dialling(asterisk, http_port, Codec::Pcmu, Some(Arc::new(Ami::new(config)?))).await
    }

    async fn dialling(asterisk: &Asterisk, http_port: u16, codec: Codec, ami: Option<Arc<Ami>>) -> Result<(Self, Arc<Ari>)> {
        let (shards, tell, incoming) = parts()?;
        let ari = asterisk.ari();
        let config = AriConfig {
            mode: Mode::Dial { url: format!("http://127.0.0.1:{http_port}").parse()?, ca: None },
            app: ari.app,
            user: ari.user,
            password: Pii::new(ari.password),
            codec,
            silence: Silence::Comfort,
            inactivity: Some(Duration::from_secs(10)),
            deadline: REQUEST_DEADLINE,
            trusted: Arc::default(),
            shared: None,
        };
        let ari = Arc::new(Ari::new(config, ami.clone(), Arc::clone(&shards), tell)?);
        let (stop, running) = (CancellationToken::new(), Arc::clone(&ari));
        let until = stop.clone();
        let work = async move {
            let ami = async {
                if let Some(ami) = ami {
                    ami.run(until.clone()).await;
                }
            };
            tokio::join!(running.run(until.clone()), ami);
            Ok(())
        };
        let operator = Self::working(incoming, shards, stop, work);
        let up = async {
            while !ari.is_up() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.context("the event socket does not come up")?;
        Ok((operator, ari))
    }

    /// Takes the calls of extensions 120 to 129, which Asterisk brings by chan_websocket.
    pub async fn by_websocket(asterisk: &Asterisk) -> Result<Self> {
        let (shards, tell, incoming) = parts()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        asterisk.dials_media_at(listener.local_addr()?).await?;
        let router = media_ws::router(Arc::clone(&shards), tell, Silence::Comfort, Arc::default(), Arc::new(Unobserved))
            .into_make_service_with_connect_info::<SocketAddr>();
        let stop = CancellationToken::new();
        let until = stop.clone().cancelled_owned();
        let work = async move { Ok(serve(listener, router).with_graceful_shutdown(until).await?) };
        Ok(Self::working(incoming, shards, stop, work))
    }

    fn working(
        incoming: mpsc::Receiver<IncomingCall>,
        shards: Arc<Shards>,
        stop: CancellationToken,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Self {
        #[expect(clippy::disallowed_methods, reason = "joined by `stop`")]
        let serving = tokio::spawn(work);
        Self { incoming, shards, stop, serving }
    }

    /// Takes the next call: connects its sound and answers.
    pub async fn takes(&mut self) -> Result<Line> {
        let call = tokio::time::timeout(PATIENCE, self.incoming.recv()).await.context("nobody calls")?;
        let IncomingCall { call, channel, mut telephony, events, tenant, .. } = call.context("no more calls come")?;
        let media = telephony.connect_media().await?;
        telephony.answer().await?;
        let media_channel = format!("vg-test.media.{call}");
        Ok(Line {
            telephony,
            events,
            media,
            channel,
            media_channel,
            tenant,
            heard: Vec::new(),
            digits: Vec::new(),
            digits_in_sound: Vec::new(),
            utterances: 0,
        })
    }

    /// What the media threads count.
    pub fn stats(&self) -> ShardStats {
        self.shards.stats()
    }

    /// Ends; an error where it did not end well.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.serving.await?
    }
}

type Parts = (Arc<Shards>, mpsc::Sender<IncomingCall>, mpsc::Receiver<IncomingCall>);

fn parts() -> Result<Parts> {
    let shards = Arc::new(Shards::start(ShardConfig::new("127.0.0.1:0".parse()?))?);
    let (tell, incoming) = mpsc::channel(CALLS_MAX);
    Ok((shards, tell, incoming))
}

/// A call that was taken.
pub struct Line {
    telephony: Box<dyn Telephony>,
    events: mpsc::Receiver<TelephonyEvent>,
    media: MediaLeg,
    /// The caller's channel in Asterisk.
    pub channel: String,
    /// The gateway's own channel in Asterisk; not there where the call came by a WebSocket.
    pub media_channel: String,
    /// How the tenant was named.
    pub tenant: TenantHint,
    /// What was heard from the first packet on, at [`rate_hz`](Self::rate_hz).
    pub heard: Vec<i16>,
    /// Keys as the signalling told them.
    pub digits: Vec<char>,
    /// Keys that came as packets of RFC 4733.
    pub digits_in_sound: Vec<char>,
    utterances: u32,
}

/// What a call brings.
enum News {
    Leg(Option<LegEvent>),
    Call(Option<TelephonyEvent>),
}

impl Line {
    /// Samples per second of what is heard.
    pub fn rate_hz(&self) -> u32 {
        self.media.rate_hz
    }

    /// Says something to its end, and hears meanwhile.
    pub async fn say(&mut self, rate_hz: u32, pcm: &[i16]) -> Result<()> {
        let utterance = UtteranceId(self.utterances);
        self.utterances += 1;
        for command in [MouthCommand::Say { utterance, rate_hz, pcm: pcm.to_vec() }, MouthCommand::End { utterance }] {
            self.media.mouth.send(command).await.map_err(|_| anyhow!("the leg is gone"))?;
        }
        let spoken = Duration::from_secs_f64(pcm.len() as f64 / f64::from(rate_hz));
        let ended = |event: &News| matches!(event, News::Leg(Some(LegEvent::Ended { utterance: ended })) if *ended == utterance);
        tokio::time::timeout(spoken + PATIENCE, self.until(ended)).await.context("what was said does not end")?
    }

    /// Hears for so long.
    pub async fn listen(&mut self, time: Duration) -> Result<()> {
        match tokio::time::timeout(time, self.until(|_| false)).await {
            Ok(ended) => ended.and_then(|()| bail!("the call ended")),
            Err(_) => Ok(()),
        }
    }

    /// Hears until so many keys were told since the beginning.
    pub async fn until_digits(&mut self, count: usize) -> Result<()> {
        while self.digits.len() < count {
            let digit = |news: &News| matches!(news, News::Call(Some(TelephonyEvent::Digit(_))));
            let waited = tokio::time::timeout(PATIENCE, self.until(digit)).await;
            waited.with_context(|| format!("of {count} keys came {:?}", self.digits))??;
        }
        Ok(())
    }

    /// Hears until the call is over; what was told last.
    pub async fn until_over(&mut self, within: Duration) -> Result<TelephonyEvent> {
        let mut last = None;
        let over = |news: &News| match news {
            News::Call(Some(event @ (TelephonyEvent::CallerGone | TelephonyEvent::Lost))) => {
                last = Some(event.clone());
                true
            }
            _ => false,
        };
        tokio::time::timeout(within, self.until(over)).await.context("the call does not end")??;
        last.context("the call ended without a word")
    }

    /// Hangs up and releases what was built.
    pub async fn hang_up(mut self) -> Result<()> {
        self.telephony.hang_up(EndCause::AgentHungUp).await?;
        Ok(self.telephony.release().await?)
    }

    /// The caller has hung up: releases what was built.
    pub async fn release(mut self) -> Result<()> {
        Ok(self.telephony.release().await?)
    }

    async fn until(&mut self, mut enough: impl FnMut(&News) -> bool) -> Result<()> {
        loop {
            let news = tokio::select! {
                event = self.media.events.recv() => News::Leg(event),
                event = self.events.recv() => News::Call(event),
            };
            match &news {
                News::Leg(Some(LegEvent::Audio(chunk))) => self.heard.extend_from_slice(&chunk.pcm),
                News::Leg(Some(LegEvent::Digit(digit))) => self.digits_in_sound.push(*digit),
                News::Call(Some(TelephonyEvent::Digit(digit))) => self.digits.push(*digit),
                _ => {}
            }
            if enough(&news) {
                return Ok(());
            }
            if matches!(news, News::Leg(None) | News::Call(None)) {
                bail!("the call is gone");
            }
        }
    }
}
