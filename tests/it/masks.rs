//! Masks of calls by real components: what they find, what they cost, and what becomes of a call whose mask is missing or falls.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::mask::{Engine, Heard, Kind, Mask, Mode, Source};
use vg_domain::tenant::{Ladder, PciSettings, Provider, TenantSettings};
use vg_plugin_host::{HostConfig, PluginHost};
use vg_tests::house::plugins_dir;
use voice_gateway::adapters::plugins::{PluginMasks, Plugins};
use voice_gateway::application::ports::{Masking, Masks};
use voice_gateway::config::{Config, Machine, Pci};

/// What a segment may cost, of the call's thread.
const BUDGET: Duration = Duration::from_micros(20);
/// This build is not optimised, the component is.
const UNOPTIMISED: u32 = 6;

struct House {
    plugins: Arc<Plugins>,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("plugins");
        fs::create_dir(&dir).unwrap();
        for name in ["pci-mask.wasm", "test/probe-mask.wasm", "test/probe-tts.wasm"] {
            fs::copy(plugins_dir().join(name), dir.join(Path::new(name).file_name().unwrap())).unwrap();
        }
        fs::write(dir.join("no-plugin.wasm"), "nothing").unwrap();
        fs::write(dir.join("other-contract.wasm"), of_another_contract(fs::read(dir.join("pci-mask.wasm")).unwrap())).unwrap();
        let mut config = Config::defaults(&Machine::here());
        (config.plugins.dir, config.plugins.store) = (dir, folder.path().join("store"));
        let host = HostConfig::new(config.plugins.cache_dir.clone());
        let plugins = Plugins::new(PluginHost::new(host).unwrap(), None, &config.plugins).unwrap();
        plugins.stock(&BTreeSet::new()).unwrap();
        Self { plugins: Arc::new(plugins), _folder: folder }
    }

    fn open(&self, usual: Pci, own: PciSettings) -> Masking {
        let provider = |name: &str| Ladder::from(Provider::new(PluginId::new(name), "{}"));
        let settings = TenantSettings::new(TenantId::new("t"), "en-US", provider("stt-a"), provider("tts-a"));
        PluginMasks::new(Arc::clone(&self.plugins), usual).open(&TenantSettings { pci: own, ..settings })
    }

    /// The probe, told how to behave by its first language.
    fn probe(&self, behave: &str) -> Result<Box<dyn Engine>, &'static str> {
        let own = PciSettings {
            plugin: Some(Some(PluginId::new("probe-mask"))),
            languages: Some(vec![behave.to_owned()]),
            ..PciSettings::default()
        };
        self.open(Pci::default(), own).outside.unwrap().engine
    }

    fn counted(&self, plugin: &str, code: &str) -> u64 {
        let ends = self.plugins.session_ends();
        ends.iter().find(|(name, what, _)| name == plugin && *what == code).map_or(0, |(_, _, count)| *count)
    }
}

/// The same component, of a contract that nobody knows; its names stay as long as they were, so that the format stays whole.
fn of_another_contract(mut wasm: Vec<u8>) -> Vec<u8> {
    let (known, other) = (b"@0.1.0", b"@0.9.0");
    for at in 0..wasm.len() - known.len() {
        if wasm[at..].starts_with(known) {
            wasm[at..at + other.len()].copy_from_slice(other);
        }
    }
    wasm
}

fn last(mask: &mut Mask, words: &str) -> String {
    mask.mask_final(Heard::new(words.to_owned())).as_str().to_owned()
}

fn codes(engine: Result<Box<dyn Engine>, &'static str>) -> &'static str {
    engine.err().unwrap_or("opened")
}

#[test]
fn a_tenant_is_masked_as_it_wishes_and_else_as_the_gateway_does() {
    let house = House::new();
    let shown = |usual: Pci, own: PciSettings| {
        let Masking { mode, outside } = house.open(usual, own);
        let mut mask = Mask::new();
        if let Some(outside) = outside {
            mask = mask.with(outside.engine, mode);
        }
        last(&mut mask, "my card 5555 5555 5555 4444 expires 09/29, CPF 529.982.247-25")
    };
    let strict = || Pci { mode: Mode::Strict, ..Pci::default() };
    let own = PciSettings::default;
    assert_eq!(shown(Pci::default(), own()), "my card [card] expires [expiry], CPF [document]");
    assert_eq!(
        shown(Pci::default(), PciSettings { kinds: Some(vec![Kind::CardNumber]), last_four: Some(true), ..own() }),
        "my card [card ending 4444] expires 09/29, CPF 529.982.247-25"
    );
    let builtin = PciSettings { plugin: Some(None), ..own() };
    assert_eq!(shown(Pci::default(), builtin.clone()), "my card [card] expires 09/29, CPF 529.982.247-25");
    assert_eq!(shown(Pci { plugin: None, ..Pci::default() }, own()), "my card [card] expires 09/29, CPF 529.982.247-25");
    let lax = PciSettings { mode: Some(Mode::Standard), ..own() };
    assert_eq!(house.open(strict(), lax.clone()).mode, Mode::Strict, "a tenant is not less strict than its gateway");
    assert_eq!(house.open(Pci::default(), lax).mode, Mode::Standard);
    assert_eq!(house.open(Pci::default(), PciSettings { mode: Some(Mode::Strict), ..own() }).mode, Mode::Strict);
}

#[test]
fn a_masker_that_cannot_serve_is_told_and_counted() {
    let house = House::new();
    for (plugin, code) in
        [("nobody", "plugin-missing"), ("probe-tts", "wrong-kind"), ("no-plugin", "not-wasm"), ("other-contract", "version")]
    {
        let own = PciSettings { plugin: Some(Some(PluginId::new(plugin))), ..PciSettings::default() };
        let mut mask = Mask::new().with(house.open(Pci::default(), own).outside.unwrap().engine, Mode::Standard);
        assert_eq!(last(&mut mask, "it is 4111 1111 1111 1111"), "it is [card]", "{plugin}: the built-in mask goes on");
        assert_eq!(mask.take_fall(), Some(code), "{plugin}");
        assert_eq!(house.counted(plugin, code), 1, "{plugin}");
    }
    let stopped = codes(house.probe("constructor-loop"));
    assert!(["cpu-limit", "slow"].contains(&stopped), "{stopped}");
    for (behave, code) in [("trap", "trap"), ("beyond", "contract"), ("overlap", "contract")] {
        let before = house.counted("probe-mask", code);
        let mut mask = Mask::new().with(house.probe(behave), Mode::Standard);
        assert_eq!(last(&mut mask, "it is 4111 1111 1111 1111"), "it is [card]", "{behave}");
        assert_eq!(mask.take_fall(), Some(code), "{behave}");
        assert_eq!(house.counted("probe-mask", code), before + 1, "{behave}");
        assert_eq!(last(&mut mask, "4111 1111 1111 1111"), "[card]", "{behave}: nobody asks it again");
    }
    drop(house.probe("").unwrap());
    assert_eq!(house.counted("probe-mask", "done"), 1);
}

#[test]
fn a_masker_that_does_not_answer_holds_the_call_for_twenty_milliseconds() {
    let house = House::new();
    let mut engine = house.probe("loop").unwrap();
    let began = thread_cpu();
    let code = engine.mask("hello", Source::Caller, false).unwrap_err();
    let held = thread_cpu() - began;
    assert!(["cpu-limit", "slow"].contains(&code), "{code}");
    println!("a masker that loops is stopped after {held:.1?} of the call's thread");
    assert!(held < Duration::from_millis(40), "{held:?}");
    assert_eq!(engine.mask("hello", Source::Caller, false), Err("dead"));
}

/// Of many tries the best: what else the machine does makes a segment dearer, never cheaper. That it takes few steps is shown where these are counted
/// (`plugin-host`, `tests/wire/steps.rs`), and that it keeps to its budget by `cargo xtask bench plugins`.
#[test]
fn masking_a_segment_is_cheap() {
    const TRIES: u32 = 40;
    const SEGMENTS: u32 = 100;
    let house = House::new();
    let Masking { mode, outside } = house.open(Pci::default(), PciSettings::default());
    let mut mask = Mask::new().with(outside.unwrap().engine, mode);
    let texts = [
        "hello, I would like to know where my order is, please",
        "yes it is four one one one",
        "my number is 415 555 0132 and I live at number 12",
        "no that is all, thank you very much for your help",
    ];
    let tries = (0..TRIES).map(|_| {
        let began = thread_cpu();
        for text in texts.iter().cycle().take(SEGMENTS as usize) {
            let _ = mask.mask_partial(Heard::new((*text).to_owned()));
            let _ = mask.mask_final(Heard::new((*text).to_owned()));
        }
        (thread_cpu() - began) / (2 * SEGMENTS)
    });
    let each = tries.min().unwrap();
    assert_eq!(mask.take_fall(), None);
    println!("a segment costs {each:.1?} of the call's thread, the built-in mask beside it");
    let budget = if cfg!(debug_assertions) { BUDGET * UNOPTIMISED } else { BUDGET };
    assert!(each <= budget, "{each:?}");
    let opened = thread_cpu();
    for _ in 0..200 {
        drop(house.open(Pci::default(), PciSettings::default()));
    }
    println!("a call's masker is opened and done with in {:.1?}", (thread_cpu() - opened) / 200);
}

fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}
