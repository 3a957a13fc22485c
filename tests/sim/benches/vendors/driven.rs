//! Guest and session's task together: a recorded session told to many live sessions, turn by turn, each in a wake-up of its own. Their links
//! say what they said then, so that no socket is in it.

use crate::figures::own_cpu;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use vg_plugin_host::api::{Kind, SttInput};
use vg_plugin_host::links::TooMuch;
use vg_plugin_host::links::wire::{LinkEffect, LinkId, LinkInput};
use vg_plugin_host::recording::{Recording, Told};
use vg_plugin_host::session::{Opening, SessionEnd, SttEvent, SttSession, TtsEvent, TtsSession, Way};
use vg_plugin_host::{HostConfig, Plugin, PluginHost, Trust};

/// News that wait for a session; never more than one here.
const NEWS: usize = 8;

/// CPU of a round per second of sound, for each round.
pub(crate) fn sessions(component: &Path, recording: &Recording, sessions: usize, rounds: usize) -> Vec<Duration> {
    let cache = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(cache.path());
    config.light.sessions_max = sessions as u32 + 8;
    let host = PluginHost::new(config).unwrap();
    let plugin = host.load_as(component, Trust::FirstParty).unwrap();
    let stage = Stage { host, plugin, recording };
    // This thread, and sockets to look at when it has nothing to do, though none is open.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut found = Vec::new();
        for _ in 0..rounds {
            found.push(stage.round(sessions).await);
        }
        found
    })
}

/// A plugin in a host of its own, and what its sessions are told.
struct Stage<'a> {
    host: PluginHost,
    plugin: Arc<Plugin>,
    recording: &'a Recording,
}

impl Stage<'_> {
    fn open(&self) -> Live {
        let (news, told) = mpsc::channel(NEWS);
        let routed = Arc::<AtomicUsize>::default();
        let way = Played { told, open: BTreeSet::new(), route: None, routed: Arc::clone(&routed) };
        let opening = Opening { door: Some(Box::new(way)), ..Opening::default() };
        let start = self.recording.header.start.clone();
        let ends = match self.recording.header.kind {
            Kind::Stt => Ends::Stt(self.host.open_stt(&self.plugin, start, opening).unwrap()),
            _ => Ends::Tts(self.host.open_tts(&self.plugin, start, opening).unwrap()),
        };
        Live { ends, news, routed, sound: 0, end: None }
    }

    async fn round(&self, sessions: usize) -> Duration {
        let mut lives: Vec<Live> = (0..sessions).map(|_| self.open()).collect();
        // Each starts.
        settled().await;
        let (mut cpu, mut sound_bytes) = (Duration::ZERO, 0);
        for turn in self.recording.turns.iter().skip(1) {
            let began = own_cpu();
            for live in &lives {
                // Copied here, so that it is as fresh as what a socket gives: copies for all at once would have left the caches.
                live.tell(turn.told.clone());
                settled().await;
            }
            cpu += own_cpu() - began;
            lives.iter_mut().for_each(Live::take);
        }
        let mut routed = 0;
        for turn in &self.recording.turns {
            match &turn.told {
                Told::Audio(samples) => sound_bytes += samples.len(),
                Told::Routed(_, samples) => (sound_bytes, routed) = (sound_bytes + samples.len(), routed + 1),
                _ => {}
            }
        }
        sound_bytes *= sessions;
        for live in &lives {
            assert_eq!(live.end, Some(SessionEnd::Done), "a driven session of {}", self.plugin.name());
            assert_eq!(live.routed.load(Relaxed), routed, "chunks that passed the guest by");
            sound_bytes += live.sound;
        }
        let format = self.recording.header.start.format;
        cpu.div_f64(sound_bytes as f64 / f64::from(format.rate_hz) / format.encoding.sample_bytes() as f64)
    }
}

/// Until every task has done what there was to do.
async fn settled() {
    tokio::task::yield_now().await;
}

enum Ends {
    Stt(SttSession),
    Tts(TtsSession),
}

/// A session and all that it knows.
struct Live {
    ends: Ends,
    news: mpsc::Sender<LinkInput>,
    routed: Arc<AtomicUsize>,
    /// Bytes that it said.
    sound: usize,
    end: Option<SessionEnd>,
}

impl Live {
    fn tell(&self, told: Told) {
        match (told, &self.ends) {
            (Told::Link(news), _) => self.news.try_send(news).unwrap(),
            (Told::Routed(_, samples), Ends::Stt(session)) => session.input.try_send(SttInput::Audio(samples)).unwrap(),
            (told, Ends::Stt(session)) => session.input.try_send(told.for_listener().unwrap()).unwrap(),
            (told, Ends::Tts(session)) => session.input.try_send(told.for_speaker().unwrap()).unwrap(),
        }
    }

    /// Takes what it has said, which comes after whatever it was told.
    fn take(&mut self) {
        match &mut self.ends {
            Ends::Stt(session) => {
                assert!(self.end.is_some() || session.input.capacity() == session.input.max_capacity(), "it was not heard");
                while let Ok(event) = session.events.try_recv() {
                    if let SttEvent::Ended(end) = event {
                        self.end = Some(*end);
                    }
                }
            }
            Ends::Tts(session) => {
                assert!(self.end.is_some() || session.input.capacity() == session.input.max_capacity(), "it was not heard");
                while let Ok(event) = session.events.try_recv() {
                    match event {
                        TtsEvent::Audio(samples) => self.sound += samples.len(),
                        TtsEvent::Ended(end) => self.end = Some(*end),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Links as they were: what is sent on them goes nowhere.
struct Played {
    told: mpsc::Receiver<LinkInput>,
    open: BTreeSet<LinkId>,
    route: Option<(LinkId, Vec<u8>)>,
    routed: Arc<AtomicUsize>,
}

impl Way for Played {
    fn apply(&mut self, effect: LinkEffect) -> Result<(), TooMuch> {
        match effect {
            LinkEffect::Http(open) => drop(self.open.insert(open.id)),
            LinkEffect::Websocket(open) => drop(self.open.insert(open.id)),
            LinkEffect::Close(id) => self.forget(id),
            LinkEffect::Preconnect(_) | LinkEffect::SendBytes(..) | LinkEffect::SendText(..) | LinkEffect::Finish(_) => {}
        }
        Ok(())
    }

    fn route(&mut self, link: LinkId, prefix: Vec<u8>) -> bool {
        let open = self.open.contains(&link);
        self.route = open.then_some((link, prefix));
        open
    }

    fn take_audio(&mut self, chunk: &[u8]) -> Option<LinkId> {
        let (link, prefix) = self.route.as_ref()?;
        std::hint::black_box([prefix, chunk].concat());
        self.routed.fetch_add(1, Relaxed);
        Some(*link)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LinkInput> {
        let Poll::Ready(Some(news)) = self.told.poll_recv(cx) else { return Poll::Pending };
        if news.is_last() {
            self.forget(news.id());
        }
        Poll::Ready(news)
    }
}

impl Played {
    fn forget(&mut self, link: LinkId) {
        self.open.remove(&link);
        self.route.take_if(|(to, _)| *to == link);
    }
}
