//! What a plugin costs: one `handle` per chunk of audio, one start of a session, heavy and light.
//!
//! Flooded, not paced: caches are warm, so a figure here is a lower bound of what a live call pays. Components that are not
//! built are left out with a note. `cargo bench -p vg-plugin-host`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench stops where it breaks; nobody reads its items")]

use divan::{Bencher, black_box};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use vg_plugin_host::api::{
    AudioFormat, Encoding, MaskSettings, Now, Segment, SessionStart, SpanKind, SttInput, TextSource, TtsInput,
};
use vg_plugin_host::{HostConfig, Plugin, PluginHost, Trust};

const NOW: Now = Now { mono_us: 0, unix_ms: 0 };

struct Shop {
    host: PluginHost,
    _cache: TempDir,
}

fn main() {
    divan::main();
}

fn plugin(name: &str) -> Option<Arc<Plugin>> {
    plugin_of(name, Trust::FirstParty)
}

fn plugin_of(name: &str, trust: Trust) -> Option<Arc<Plugin>> {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    let shop = SHOP.get_or_init(|| {
        let cache = tempfile::tempdir().unwrap();
        Shop { host: PluginHost::new(HostConfig::new(cache.path())).unwrap(), _cache: cache }
    });
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins").join(format!("{name}.wasm"));
    path.is_file().then(|| shop.host.load_as(&path, trust).unwrap())
}

fn start() -> SessionStart {
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
    SessionStart { format, language: "en-US".into(), options: "{}".into(), seed: [0; 32] }
}

/// 20 ms and 100 ms at 16 kHz, called at once and on a stack of its own.
#[divan::bench(args = [(Trust::FirstParty, 640), (Trust::FirstParty, 3200), (Trust::Unknown, 640), (Trust::Unknown, 3200)])]
fn light_handle(bencher: Bencher<'_, '_>, (trust, bytes): (Trust, usize)) {
    let Some(plugin) = plugin_of("test/probe-stt", trust) else { return };
    let mut guest = plugin.instantiate_stt().unwrap();
    guest.handle(NOW, SttInput::Start(Box::new(start()))).unwrap();
    let chunk = vec![0; bytes];
    bencher
        .with_inputs(|| SttInput::Audio(chunk.clone()))
        .bench_local_values(|input| black_box(guest.handle(NOW, input).unwrap()));
}

#[divan::bench(args = [Trust::FirstParty, Trust::Unknown])]
fn light_start(bencher: Bencher<'_, '_>, trust: Trust) {
    let Some(plugin) = plugin_of("test/probe-stt", trust) else { return };
    bencher.bench_local(|| {
        let mut guest = plugin.instantiate_stt().unwrap();
        black_box(guest.handle(NOW, SttInput::Start(Box::new(start()))).unwrap());
    });
}

#[divan::bench(sample_count = 20)]
fn stt_local_start(bencher: Bencher<'_, '_>) {
    let Some(plugin) = plugin("stt-local") else { return };
    bencher.bench_local(|| {
        let mut guest = plugin.instantiate_stt().unwrap();
        black_box(guest.handle(NOW, SttInput::Start(Box::new(start()))).unwrap());
    });
}

#[divan::bench(sample_count = 20)]
fn tts_local_start(bencher: Bencher<'_, '_>) {
    let Some(plugin) = plugin("tts-local") else { return };
    bencher.bench_local(|| {
        let mut guest = plugin.instantiate_tts().unwrap();
        black_box(guest.handle(NOW, TtsInput::Start(Box::new(start()))).unwrap());
    });
}

/// To the first sound of a short greeting, session start included.
#[divan::bench(sample_count = 20)]
fn tts_local_first_audio(bencher: Bencher<'_, '_>) {
    let Some(plugin) = plugin("tts-local") else { return };
    bencher.bench_local(|| {
        let mut guest = plugin.instantiate_tts().unwrap();
        guest.handle(NOW, TtsInput::Start(Box::new(start()))).unwrap();
        black_box(guest.handle(NOW, TtsInput::Text("Thank you for calling.".into())).unwrap());
    });
}

/// One segment with a card number in it.
#[divan::bench]
fn mask(bencher: Bencher<'_, '_>) {
    let Some(plugin) = plugin("test/probe-mask") else { return };
    let settings = MaskSettings { languages: vec![], kinds: vec![SpanKind::CardNumber], last_four: false };
    let mut masker = plugin.instantiate_mask(settings).unwrap();
    let segment = Segment { text: "my card is 4111111111111111".to_owned().into(), source: TextSource::Caller, partial: false };
    bencher.with_inputs(|| segment.clone()).bench_local_values(|segment| black_box(masker.mask(segment).unwrap()));
}
