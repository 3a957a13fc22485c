//! What our masker costs in steps of its own code: the same on every machine, however busy it is. What that is in time is for the benches
//! (`cargo xtask bench plugins`).

use crate::built;
use wasmtime::component::{Component, ComponentExportIndex, Func, Linker, Val};
use wasmtime::{Config, Engine, Store};

/// A segment's budget is 20 us; a processor that does ten of these steps in a nanosecond would use it up with 200 000, and we know of none.
const STEPS_MAX: u64 = 150_000;

const PROSE: &str = "I would like to change the delivery address of my last order, please, since I have moved to another town";
/// Those of the masker's own bench.
const TEXTS: [&str; 4] = [
    PROSE,
    "my card is 4111 1111 1111 1111, it expires 12/27 and the security code is 123",
    "it's four one one one uh one one one one um one one one one and then one one one one",
    "my phone number is 415-555-0134 and the order number is 4400912345, from the 12/05/2024",
];

/// Compiled so that its steps are counted.
struct Counted {
    engine: Engine,
    component: Component,
}

impl Counted {
    fn new() -> Self {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_file(&engine, built("pci-mask")).unwrap();
        Self { engine, component }
    }

    fn export(&self, name: &str) -> ComponentExportIndex {
        let interface = self.component.get_export_index(None, "serphona:speech/mask@0.1.0").unwrap();
        self.component.get_export_index(Some(&interface), name).unwrap()
    }

    /// The masker of a call in these languages.
    fn masker(&self, languages: &[&str]) -> Masker {
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(u64::MAX).unwrap();
        let instance = Linker::new(&self.engine).instantiate(&mut store, &self.component).unwrap();
        let text = |text: &&str| Val::String((*text).to_owned());
        let kinds = ["card-number", "security-code", "expiry-date", "document-number"].map(|kind| Val::Enum(kind.to_owned()));
        let settings = record([
            ("languages", Val::List(languages.iter().map(text).collect())),
            ("kinds", Val::List(kinds.to_vec())),
            ("last-four", Val::Bool(false)),
        ]);
        let constructor = instance.get_func(&mut store, self.export("[constructor]masker")).unwrap();
        let mut made = [Val::Bool(false)];
        constructor.call(&mut store, &[settings], &mut made).unwrap();
        let mask = instance.get_func(&mut store, self.export("[method]masker.mask")).unwrap();
        let [masker] = made;
        Masker { store, masker, mask }
    }
}

struct Masker {
    store: Store<()>,
    masker: Val,
    mask: Func,
}

impl Masker {
    /// What the next segment costs, and what is shown of it.
    fn steps(&mut self, text: &str, partial: bool) -> (u64, String) {
        self.steps_from("caller", text, partial)
    }

    fn steps_from(&mut self, source: &str, text: &str, partial: bool) -> (u64, String) {
        let source = Val::Enum(source.to_owned());
        let segment = record([("text", Val::String(text.to_owned())), ("source", source), ("partial", Val::Bool(partial))]);
        let before = self.store.get_fuel().unwrap();
        let mut masked = [Val::Bool(false)];
        self.mask.call(&mut self.store, &[self.masker.clone(), segment], &mut masked).unwrap();
        let steps = before - self.store.get_fuel().unwrap();
        let [Val::Record(fields)] = masked else { panic!("{masked:?}") };
        let Some(Val::String(shown)) = fields.into_iter().find_map(|(name, value)| (name == "text").then_some(value)) else {
            panic!("no text")
        };
        (steps, shown)
    }
}

fn record<const N: usize>(fields: [(&str, Val); N]) -> Val {
    Val::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[test]
fn a_segment_is_masked_in_few_steps() {
    let counted = Counted::new();
    for languages in [&["en-US"][..], &[]] {
        for text in TEXTS {
            let mut masker = counted.masker(languages);
            let ((growing, _), (whole, shown)) = (masker.steps(text, true), masker.steps(text, false));
            println!("{growing} steps while it grows, {whole} when it is said: {shown}");
            assert_eq!(shown == text, !text.contains("one one") && !text.contains("1111"), "{shown}");
            assert!(growing <= STEPS_MAX && whole <= STEPS_MAX, "{growing}, {whole}: {shown}");
        }
    }
}

/// From the first key on a text is read by itself and behind what was keyed in, and with an "um" in it each of these in two ways.
#[test]
fn a_segment_after_keys_is_masked_in_few_steps() {
    let counted = Counted::new();
    for languages in [&["en-US"][..], &[]] {
        for text in TEXTS {
            let mut masker = counted.masker(languages);
            masker.steps("it's four one one one uh", false);
            let (keyed, _) = masker.steps_from("dtmf", "1111", false);
            let (growing, (whole, _)) = (masker.steps(text, true).0, masker.steps(text, false));
            println!("{keyed} steps for keys, then {growing} while it grows, {whole} when it is said");
            assert!(keyed.max(growing).max(whole) <= STEPS_MAX, "{keyed}, {growing}, {whole}: {text}");
        }
    }
}

#[test]
fn steps_grow_with_the_text_and_not_with_the_call() {
    let counted = Counted::new();
    let mut masker = counted.masker(&[]);
    // The first call finds memory to be asked for.
    masker.steps(PROSE, false);
    let (once, _) = masker.steps(PROSE, false);
    let (eight, _) = masker.steps(&format!("{PROSE}. ").repeat(8), false);
    assert!(eight <= 10 * once, "a text takes {once} steps, eight of them {eight}");
    let mut masker = counted.masker(&[]);
    let mut round = || TEXTS.iter().map(|text| masker.steps(text, false).0).sum::<u64>();
    let first = round();
    let mut last = first;
    for _ in 0..100 {
        last = round();
    }
    assert!(last <= 2 * first, "the first of a call took {first} steps, the last {last}");
}
