//! Live sessions with their task, their links and their sockets, against the simulator; a listener's sound comes as it is spoken.

use crate::figures::cpu_of_others;
use crate::{Size, cpu_of, one_thread};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use vg_plugin_host::api::{AudioFormat, Encoding, Kind, SttInput, TtsInput};
use vg_plugin_host::session::{SessionEnd, SttEvent, SttSession, TtsEvent, TtsSession};
use vg_sim::{Coding, Format, Rig, recordings};

pub(crate) const REPLIES: [&str; 2] =
    ["Good morning, how can I help you today?", "One moment please, I am looking for your order."];
const CHUNK: Duration = Duration::from_millis(100);
/// A vendor on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// CPU of all threads but this one and the simulators', in microseconds per second of sound.
pub(crate) fn sessions(vendor: &Runtime, rig: &Rig, size: Size) -> f64 {
    let host = one_thread();
    let _inside = host.enter();
    let (others, simulators) = (cpu_of_others(), cpu_of(vendor));
    let sound_s = match rig.plugin.descriptor().kind {
        Kind::Stt => listen(rig, size),
        _ => speak(rig, size),
    };
    let cpu = (cpu_of_others() - others).saturating_sub(cpu_of(vendor) - simulators);
    cpu.as_secs_f64() * 1e6 / sound_s
}

fn listen(rig: &Rig, size: Size) -> f64 {
    let (options, format) = told(rig);
    let coding = match format.encoding {
        Encoding::PcmS16le => Coding::Pcm,
        Encoding::Mulaw => Coding::Mulaw,
        Encoding::Alaw => Coding::Alaw,
    };
    let wire = Format { coding, rate_hz: format.rate_hz };
    let sound = recordings()[0].bytes(wire).unwrap();
    let mut sessions: Vec<SttSession> =
        (0..size.sessions).map(|_| rig.open_stt(options.clone(), format, "en-US").unwrap()).collect();
    let (began, mut finals) = (Instant::now(), 0);
    for (round, chunk) in sound.chunks(wire.bytes(100)).enumerate() {
        for (place, session) in sessions.iter_mut().enumerate() {
            let due = began + CHUNK * round as u32 + CHUNK / size.sessions as u32 * place as u32;
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            while let Ok(event) = session.events.try_recv() {
                finals += usize::from(matches!(event, SttEvent::Final(_)));
            }
            session.input.blocking_send(SttInput::Audio(chunk.to_vec())).unwrap();
        }
    }
    for session in &sessions {
        session.input.blocking_send(SttInput::Finalize).unwrap();
        session.input.blocking_send(SttInput::End).unwrap();
    }
    for session in &mut sessions {
        let end = until(&mut session.events, |event| match event {
            SttEvent::Ended(end) => Some(*end),
            SttEvent::Final(_) => {
                finals += 1;
                None
            }
            _ => None,
        });
        assert_eq!(end, SessionEnd::Done, "{}", rig.plugin.name());
    }
    assert!(finals >= size.sessions, "{}: {finals} finals", rig.plugin.name());
    wire.ms(sound.len()) as f64 / 1000.0 * size.sessions as f64
}

fn speak(rig: &Rig, size: Size) -> f64 {
    let (options, format) = told(rig);
    let mut sessions: Vec<TtsSession> =
        (0..size.sessions).map(|_| rig.open_tts(options.clone(), format, "en-US").unwrap()).collect();
    for session in &sessions {
        for (nth, reply) in REPLIES.iter().enumerate() {
            session.input.blocking_send(TtsInput::Text((*reply).into())).unwrap();
            session.input.blocking_send(TtsInput::Flush(nth as u32)).unwrap();
        }
        session.input.blocking_send(TtsInput::End).unwrap();
    }
    let mut bytes = 0;
    for session in &mut sessions {
        let end = until(&mut session.events, |event| match event {
            TtsEvent::Ended(end) => Some(*end),
            TtsEvent::Audio(samples) => {
                bytes += samples.len();
                None
            }
            _ => None,
        });
        assert_eq!(end, SessionEnd::Done, "{}", rig.plugin.name());
    }
    bytes as f64 / f64::from(format.rate_hz) / format.encoding.sample_bytes() as f64
}

fn told(rig: &Rig) -> (serde_json::Value, AudioFormat) {
    // The secrets were taken over when the recording was made.
    let options = rig.account_options().unwrap();
    (options, rig.plugin.descriptor().formats[0])
}

fn until<E>(events: &mut tokio::sync::mpsc::Receiver<E>, mut end: impl FnMut(E) -> Option<SessionEnd>) -> SessionEnd {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "a live session does not end");
        let event = events.blocking_recv().expect("a session says how it ended");
        if let Some(end) = end(event) {
            return end;
        }
    }
}
