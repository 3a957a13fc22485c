use super::*;
use crate::application::ports::{Endpoint, TenantHint};
use crate::config::Line;
use std::time::Duration;
use vg_domain::pii::Pii;
use vg_domain::recording::RecordingPolicy;
use vg_domain::tenant::{Bounds, Coding, Sound};
use vg_domain::transfer::{OutsideWay, ReferPattern};

const WHOLE: &str = r#"
    language = "pt-BR"
    greeting = "Olá."
    recording = true
    [hearing]
    plugin = "stt-local"
    options = { deep = { words = { file = "words.txt" } }, fast = true }
    [speaking]
    plugin = "tts-local"
    [prompts]
    not_understood = "Como?"
    agent_unavailable = "Um momento."
    farewell = "Tchau."
    [limits]
    call_max_s = 120
    [timing]
    barge_in_ms = 300
    filler_ms = 0
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The settings of a tenant that is written so.
pub(super) fn settings_of(text: &str) -> Arc<TenantSettings> {
    let folder = folder(&[("a.toml", text)]);
    let tenants = taken(Some(folder.path()), Some("a"));
    let named = tenants.named(&TenantId::new("a")).now_or_never().expect("nothing is waited for");
    named.unwrap()
}

pub(super) fn faults(files: &[(&str, &str)], default: &str) -> Vec<String> {
    let folder = folder(files);
    told(&folder, &FolderTenants::new(Some(folder.path()), Some(TenantId::new(default))))
}

/// The faults of taking the folder over as it is now.
fn told(folder: &tempfile::TempDir, tenants: &FolderTenants) -> Vec<String> {
    let prefix = format!("{}/", folder.path().display());
    let faults = tenants.take(tenants.read(), &anything).err().unwrap_or_default();
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

/// A judge without a plugin to ask.
fn anything(_: &Rung) -> Vec<Fault> {
    Vec::new()
}

fn taken(dir: Option<&Path>, default: Option<&str>) -> FolderTenants {
    let tenants = FolderTenants::new(dir, default.map(TenantId::new));
    tenants.take(tenants.read(), &anything).unwrap();
    tenants
}

/// Settings for a call that came by no Asterisk.
async fn of_hint(tenants: &FolderTenants, hint: TenantHint) -> Result<Arc<TenantSettings>, TenantError> {
    let arrival = Arrival { hint, dialled: Pii::new(String::new()), endpoint: None };
    tenants.settings(&arrival).await.map(|admission| admission.settings)
}

#[tokio::test]
async fn without_a_folder_there_is_the_demo_tenant() {
    let tenants = taken(None, Some("demo"));
    let settings = of_hint(&tenants, TenantHint::Default).await.unwrap();
    assert_eq!(settings.tenant.as_str(), "demo");
    assert_eq!(settings.hearing.first().plugin.as_str(), "stt-local");
    let options: serde_json::Value = serde_json::from_str(&settings.hearing.first().options).unwrap();
    assert!(options["grammar"].as_str().unwrap().starts_with("#JSGF"));
}

#[tokio::test]
async fn a_tenant_is_found_by_name_only() {
    let folder = folder(&[("acme.toml", WHOLE), ("words.txt", "sim não"), ("notes.md", "ignored")]);
    let tenants = taken(Some(folder.path()), None);
    let settings = of_hint(&tenants, TenantHint::Named(TenantId::new("acme"))).await.unwrap();
    assert_eq!(settings.hearing.first().options, r#"{"deep":{"words":"sim não"},"fast":true}"#);
    assert_eq!(settings.speaking.first().options, "{}");
    assert_eq!(settings.timing.barge_in, Duration::from_millis(300));
    assert_eq!(settings.timing.silence, Duration::from_secs(5));
    assert_eq!((settings.call_max, demo().call_max), (Some(Duration::from_secs(120)), None));
    assert_eq!((settings.timing.filler, demo().timing.filler), (None, Some(Duration::from_millis(800))));
    let policies = (settings.recording.policy, demo().recording.policy);
    assert_eq!(policies, (RecordingPolicy::On, RecordingPolicy::Off));
    for hint in [TenantHint::Named(TenantId::new("demo")), TenantHint::Default] {
        assert_eq!(of_hint(&tenants, hint).await.unwrap_err(), TenantError::Unknown);
    }
}

#[test]
fn faults_of_all_files_come_together_with_file_and_path() {
    let wrong = "greetings = 'Hi'\nlanguage = 3\nhuman = 'nobody'\n[timing]\nsilence_ms = 0\n[limits]\ncall_max_s = 119";
    assert_eq!(
        faults(&[("a.toml", wrong), ("b c.toml", WHOLE), ("d.toml", "x"), ("acme.toml", WHOLE)], "demo"),
        [
            "a.toml: greetings: unknown field `greetings`, expected one of `language`, `greeting`, `greeting_interruptible`, `human`, \
             `transfer`, `menu`, `pci`, `recording`, `hearing`, `speaking`, `shadow`, `prompts`, `timing`, `fallback`, `limits`, `outbound`, `events`, `trunk`, `did`, \
             `languages`",
            "a.toml: language: invalid type: integer `3`, expected a string",
            "a.toml: human: expected CONTEXT,EXTENSION",
            "a.toml: greeting: is needed",
            "a.toml: hearing.plugin: is needed",
            "a.toml: speaking.plugin: is needed",
            "a.toml: prompts.not_understood: is needed",
            "a.toml: prompts.agent_unavailable: is needed",
            "a.toml: prompts.farewell: is needed",
            "a.toml: timing.silence_ms: must be at least 1",
            "a.toml: limits.call_max_s: must be at least 120",
            "acme.toml: hearing.options.deep.words: cannot read words.txt: No such file or directory (os error 2)",
            "b c.toml: file: a tenant's file is named by its uuid or slug: letters, digits, '-' and '_'",
            "d.toml: toml: TOML parse error at line 1, column 2\n  |\n1 | x\n  |  ^\nkey with no value, expected `=`",
            "tenants.default: there is no tenant demo",
        ]
    );
}

#[test]
fn webhooks_are_read_whole_or_say_what_is_wrong_with_them() {
    let head = "[[events.webhooks]]\nname = 'crm'\nurl = 'https://hooks.example/in'\nsecret = 'env:KEY'";
    let hook = |lines: &str| format!("{WHOLE}\n{head}\n{lines}");
    let folder = folder(&[("acme.toml", &hook("")), ("words.txt", "")]);
    let settings = taken(Some(folder.path()), None).all().pop().unwrap();
    let [webhook] = &settings.webhooks[..] else { panic!("{:?}", settings.webhooks) };
    assert_eq!((webhook.name.as_str(), &webhook.types[..]), ("crm", &["call.*".to_owned()][..]));
    let other = "[[events.webhooks]]\nname = 'crm'\nurl = 'ftp://x'\nsecret = 'sk-12345'\ntypes = []";
    let wrong = format!("types = ['Call*', '', '*.ended']\n{other}");
    let found = faults(&[("acme.toml", &hook(&wrong)), ("words.txt", "")], "acme");
    let [of_hooks @ .., absent] = &found[..] else { panic!("no fault") };
    assert_eq!(absent, "tenants.default: there is no tenant acme");
    let paths: Vec<&str> = of_hooks.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
    let keys = ["[0].types[0]", "[0].types[1]", "[0].types[2]", "[1].name", "[1].url", "[1].secret", "[1].types"];
    assert_eq!(paths, keys.map(|key| format!("events.webhooks{key}")));
    assert!(!found.concat().contains("sk-12345"), "{found:?}");
}

#[test]
fn the_wait_for_the_end_of_a_turn_adapts_within_bounds_or_is_always_the_same() {
    let ms = Duration::from_millis;
    let bounds = |floor, ceiling| Some(Bounds { floor: ms(floor), ceiling: ms(ceiling) });
    for (written, wait, expected) in [
        ("", 500, bounds(250, 1_500)),
        ("endpoint_wait_ms = 700", 700, bounds(250, 2_100)),
        ("endpoint_wait_ms = 200", 200, bounds(200, 600)),
        ("endpoint_floor_ms = 400\nendpoint_ceiling_ms = 500", 500, bounds(400, 500)),
        ("endpoint_wait_ms = 640\nendpoint_adaptive = false", 640, None),
    ] {
        let folder = folder(&[("acme.toml", &format!("{WHOLE}\n{written}")), ("words.txt", "")]);
        let timing = taken(Some(folder.path()), None).all().pop().unwrap().timing.clone();
        assert_eq!((timing.endpoint_wait, timing.endpoint_bounds), (ms(wait), expected), "{written}");
    }
    let outside = "endpoint_wait_ms: must lie between endpoint_floor_ms and endpoint_ceiling_ms";
    for (written, fault) in [
        ("endpoint_floor_ms = 501", outside),
        ("endpoint_ceiling_ms = 499", outside),
        ("endpoint_floor_ms = 0", "endpoint_floor_ms: must be at least 1"),
        ("endpoint_adaptive = false\nendpoint_ceiling_ms = 900", "endpoint_ceiling_ms: a wait that does not adapt has no bounds"),
    ] {
        let text = format!("{WHOLE}\n{written}");
        assert_eq!(faults(&[("acme.toml", &text), ("words.txt", "")], "acme")[0], format!("acme.toml: timing.{fault}"));
    }
}

#[test]
fn options_never_reach_outside_of_the_folder() {
    for file in ["/etc/passwd", "../secret", "a/../../b", ""] {
        let text = WHOLE.replace("words.txt", file);
        let faults = faults(&[("acme.toml", &text)], "acme");
        assert!(faults[0].contains("outside of the tenants' folder") || faults[0].contains("cannot read"), "{faults:?}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let tenants = FolderTenants::new(Some(Path::new("/nowhere/at/all")), None);
    let faults = tenants.take(tenants.read(), &anything).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().path, "tenants.dir");
}

const LADDER: &str = r#"
    language = "pt-BR"
    greeting = "Olá."
    [[hearing]]
    plugin = "stt-a@1.2.0"
    languages = ["pt-BR", "es"]
    sound = "mulaw-8000"
    hosts = ["wss://eu.example.com"]
    limits = { sessions_max = 3, sessions_wait_ms = 500, connections_max = 2, audio_s_per_day = 3600 }
    [hearing.options]
    endpoint = "http://127.0.0.1:9"
    [hearing.secrets.api_key]
    kind = "static"
    ref = "env:ACME_KEY"
    [[hearing]]
    plugin = "stt-local"
    [speaking]
    plugin = "tts-local"
    [prompts]
    not_understood = "Como?"
    agent_unavailable = "Um momento."
    farewell = "Tchau."
"#;

#[tokio::test]
async fn a_ladder_is_read_with_all_that_belongs_to_a_rung() {
    let folder = folder(&[("acme.toml", LADDER)]);
    let tenants = taken(Some(folder.path()), Some("acme"));
    let settings = of_hint(&tenants, TenantHint::Default).await.unwrap();
    let [first, second] = settings.hearing.rungs() else { panic!("two rungs are written") };
    assert_eq!((first.plugin.as_str(), second.plugin.as_str()), ("stt-a@1.2.0", "stt-local"));
    assert_eq!(first.options, r#"{"endpoint":"http://127.0.0.1:9"}"#);
    assert_eq!(first.languages, ["pt-BR", "es"]);
    assert_eq!(first.access.hosts.as_deref(), Some(&["wss://eu.example.com".to_owned()][..]));
    assert_eq!(first.sound, Some(Sound { coding: Coding::Mulaw, rate_hz: 8000 }));
    assert_eq!((first.share.sessions_max, first.share.connections_max), (Some(3), Some(2)));
    assert_eq!(first.share.sessions_wait, Some(Duration::from_millis(500)));
    assert_eq!((first.share.audio_s_per_day, first.share.characters_per_day), (Some(3_600), None));
    let secrets: serde_json::Value = serde_json::from_str(&first.access.secrets).unwrap();
    assert_eq!(secrets["api_key"]["ref"], "env:ACME_KEY");
    assert_eq!(*second, Provider::new(PluginId::new("stt-local"), "{}"));
    assert_eq!(settings.speaking.rungs().len(), 1);
}

#[test]
fn faults_of_rungs_come_with_their_rung_and_never_repeat_a_secret() {
    let wrong = LADDER
        .replace("env:ACME_KEY", "sk-12345")
        .replace("wss://eu.example.com", "eu.example.com")
        .replace("sessions_max = 3", "sessions_max = 0")
        .replace("mulaw-8000", "mp3")
        .replace(r#"plugin = "stt-local""#, "plugins = 'stt-local'");
    let faults = faults(&[("a.toml", &wrong)], "a");
    assert_eq!(
        faults[..7],
        [
            "a.toml: hearing[1].plugins: unknown field `plugins`, expected one of `plugin`, `options`, `secrets`, `hosts`, \
             `languages`, `limits`, `sound`",
            "a.toml: hearing[0].secrets.api_key.ref: is not a reference: write env:NAME or file:PATH, never the secret itself",
            "a.toml: hearing[0].hosts[0]: a rule begins with https://, http://, wss:// or ws://",
            "a.toml: hearing[0].limits.sessions_max: must be at least 1",
            "a.toml: hearing[0].sound: expected pcm, mulaw or alaw, a hyphen and the rate in Hz, for example pcm-16000",
            "a.toml: hearing[1].plugin: is needed",
            "tenants.default: there is no tenant a",
        ],
        "{faults:?}"
    );
    assert!(!faults.concat().contains("sk-12345"));
}

#[tokio::test]
async fn a_faulty_change_costs_its_own_tenant_nothing_but_the_change() {
    let folder = folder(&[("a.toml", LADDER), ("b.toml", LADDER)]);
    let tenants = taken(Some(folder.path()), Some("a"));
    let greeting = async |name: &str| {
        let found = of_hint(&tenants, TenantHint::Named(TenantId::new(name))).await;
        found.map(|settings| settings.greeting.clone())
    };
    let unchanged = of_hint(&tenants, TenantHint::Default).await.unwrap();
    std::fs::write(folder.path().join("a.toml"), LADDER.replace("[prompts]", "[prompt]")).unwrap();
    std::fs::write(folder.path().join("b.toml"), LADDER.replace("Olá.", "Oi.")).unwrap();
    assert_eq!(told(&folder, &tenants).len(), 1);
    assert_eq!(greeting("a").await.as_deref(), Ok("Olá."));
    assert_eq!(greeting("b").await.as_deref(), Ok("Oi."));
    // A call that is up holds what it began with; what did not change is the very same.
    assert!(Arc::ptr_eq(&unchanged, &of_hint(&tenants, TenantHint::Default).await.unwrap()));

    std::fs::write(folder.path().join("a.toml"), LADDER.replace("Olá.", "Alô.")).unwrap();
    std::fs::remove_file(folder.path().join("b.toml")).unwrap();
    assert_eq!(told(&folder, &tenants), [""; 0]);
    assert_eq!(greeting("a").await.as_deref(), Ok("Alô."));
    assert_eq!(greeting("b").await, Err(TenantError::Unknown));
    assert_eq!(unchanged.greeting, "Olá.");
}

#[test]
fn what_a_plugin_says_of_a_rung_is_a_fault_of_the_tenant() {
    let folder = folder(&[("a.toml", LADDER)]);
    let tenants = FolderTenants::new(Some(folder.path()), None);
    let judge = |rung: &Rung| match rung.provider.plugin.as_str() {
        "stt-a@1.2.0" => vec![Fault { path: ".options.voice".into(), what: "is needed".into() }],
        _ => Vec::new(),
    };
    let faults = tenants.take(tenants.read(), &judge).unwrap_err();
    assert!(faults.to_string().ends_with("a.toml: hearing[0].options.voice: is needed"), "{faults}");
    assert!(tenants.all().is_empty());
}

const CONTROL: &str = r##"
    human = "people,human"
    [transfer]
    queue = "queues,{name}"
    ring_s = 20
    [[transfer.external]]
    trunk = "carrier"
    numbers = ["+4930.", "+491701234567"]
    caller_id = "+49 30 555 0100"
    [[transfer.external]]
    refer = "sip:{name}@sbc.example"
    numbers = ["+331."]
    [menu]
    prompt = "Press a key."
    starts = ["call", "hearing_lost"]
    [menu.keys]
    1 = { say = "Hello." }
    2 = { queue = "sales" }
    3 = { number = "+4930123456" }
    "#" = "human"
"##;

fn with_control(control: &str) -> String {
    // Keys of the tenant itself stand before its first section.
    let (human, sections) = control.split_once("[transfer]").unwrap();
    format!("{human}{WHOLE}[transfer]{sections}")
}

#[tokio::test]
async fn transfers_and_menu_are_read_as_they_are_written() {
    let folder = folder(&[("acme.toml", &with_control(CONTROL)), ("words.txt", "x")]);
    let tenants = taken(Some(folder.path()), Some("acme"));
    let settings = of_hint(&tenants, TenantHint::Default).await.unwrap();
    assert_eq!(settings.transfer.ring, Duration::from_secs(20));
    let outside = &settings.transfer.external[0];
    let OutsideWay::Trunk { trunk, caller_id, .. } = &outside.way else { panic!("{outside:?}") };
    assert_eq!((trunk.as_str(), outside.numbers.len()), ("carrier", 2));
    assert_eq!(caller_id.as_ref().unwrap().reveal(), "+49305550100");
    let refer = ReferPattern::parse("sip:{name}@sbc.example").unwrap();
    assert_eq!(settings.transfer.external[1].way, OutsideWay::Refer(refer));
    let menu = settings.menu.as_ref().unwrap();
    assert_eq!((menu.keys.len(), menu.starts.len(), menu.wait, menu.tries), (4, 2, Duration::from_secs(5), 3));
    assert_eq!(settings.prompts.transfer_failed, "Desculpe, ninguém está disponível agora.", "ours where the tenant has none");
}

#[test]
fn transfers_and_keys_that_lead_nowhere_are_faults_with_their_path() {
    let faulty = CONTROL
        .replace("queues,{name}", "queues,sales")
        .replace("ring_s = 20", "ring_s = 0")
        .replace("\"carrier\"", "\"car/rier\"")
        .replace("+491701234567", "0170")
        .replace("+49 30 555 0100", "555")
        .replace("refer = \"sip:", "trunk = \"x\"\nrefer = \"tel:")
        .replace("Press a key.", " ")
        .replace("    \"#\" =", "    x =");
    let found = faults(&[("acme.toml", &with_control(&faulty)), ("words.txt", "x")], "acme");
    let expected = [
        "acme.toml: transfer.queue: expected CONTEXT,EXTENSION with {name} in it",
        "acme.toml: transfer.external[0].numbers[1]: expected + and a country's code: numbers outside have one",
        "acme.toml: transfer.external[0].trunk: expected the name of an endpoint",
        "acme.toml: transfer.external[0].caller_id: expected a number such as +493012345",
        "acme.toml: transfer.external[1].refer: expected a SIP address with {name} in it",
        "acme.toml: transfer.external[1]: refer goes without place, trunk and caller_id: the caller's telephone calls",
        "acme.toml: transfer.ring_s: must be between 1 and 600",
        "acme.toml: menu.prompt: is needed",
        "acme.toml: menu.keys.2: tenant has no target of that kind",
        "acme.toml: menu.keys.3: tenant has no target of that kind",
        "acme.toml: menu.keys.x: expected one of 0 to 9, * and #",
        "tenants.default: there is no tenant acme",
    ];
    assert_eq!(found, expected);
}

/// What stands behind `#:` in the shipped tenant, taken as it stands.
#[test]
fn what_the_shipped_tenant_shows_in_its_comments_can_be_written() {
    let shown = DEMO.replace("\ntransfer = ", "\n# transfer = ").replace("\n#: ", "\n");
    assert_ne!(shown, DEMO);
    let folder = folder(&[("demo.toml", &shown), ("demo.jsgf", DEMO_GRAMMAR)]);
    let settings = taken(Some(folder.path()), Some("demo")).all().pop().unwrap();
    assert_eq!(settings.menu.as_ref().map(|menu| menu.keys.len()), Some(5));
    assert_eq!(settings.transfer.external.len(), 1);
}

const OWN_LINES: &str = r#"
    [[trunk]]
    id = "trunk-1"
    endpoint = "PJSIP/one"
    [[did]]
    id = "did-1"
    number = "+551140028922"
    trunk = "trunk-1"
"#;

#[tokio::test]
async fn a_call_is_admitted_with_the_ids_that_confirmed_it_or_refused() {
    let folder = folder(&[("acme.toml", &format!("{LADDER}{OWN_LINES}")), ("other.toml", LADDER)]);
    let map = [(Line::parse("+551140028922").unwrap(), TenantId::new("acme"))].into_iter().collect();
    let tenants = FolderTenants::mapped(Some(folder.path()), map, Some(TenantId::new("other")));
    tenants.take(tenants.read(), &anything).unwrap();
    let admitted = async |hint: TenantHint, dialled: &str, channel: &str| {
        let endpoint = Some(Endpoint::of_channel(channel));
        let arrival = Arrival { hint, dialled: Pii::new(dialled.to_owned()), endpoint };
        let Admission { settings, did, trunk } = tenants.settings(&arrival).await?;
        Ok((settings.tenant.to_string(), did, trunk))
    };
    let acme = ("acme".to_owned(), Some(DidId::new("did-1")), Some(TrunkId::new("trunk-1")));
    assert_eq!(admitted(TenantHint::Default, "551140028922", "PJSIP/one-00000001").await, Ok(acme));
    // Who lists nothing is asked nothing.
    let other = ("other".to_owned(), None, None);
    assert_eq!(admitted(TenantHint::Default, "1", "PJSIP/x-00000001").await, Ok(other));
    let acme = || TenantHint::Named(TenantId::new("acme"));
    assert_eq!(admitted(acme(), "551140028923", "PJSIP/one-00000001").await, Err(TenantError::DidUnknown));
    assert_eq!(admitted(acme(), "551140028922", "PJSIP/two-00000001").await, Err(TenantError::TrunkMismatch));
    // By name alone nothing is confirmed: that is for calls of our own.
    assert_eq!(tenants.named(&TenantId::new("acme")).await.unwrap().tenant.as_str(), "acme");
}

#[test]
fn a_wait_for_a_place_means_nothing_where_places_are_not_counted() {
    let faults = faults(&[("a.toml", &LADDER.replace("sessions_max = 3, ", ""))], "a");
    assert_eq!(faults[0], "a.toml: hearing[0].limits.sessions_wait_ms: means nothing without sessions_max");
}

#[tokio::test]
async fn a_second_listener_is_read_and_what_makes_no_sense_of_it_is_a_fault() {
    let beside = "[shadow]\nplugin = 'stt-b'\nshare = 0.25\nkeep_words = true\nlimits = { sessions_max = 2 }\n";
    let folder = folder(&[("acme.toml", &format!("{LADDER}{beside}"))]);
    let settings = of_hint(&taken(Some(folder.path()), Some("acme")), TenantHint::Default).await.unwrap();
    let shadow = settings.shadow.as_ref().unwrap();
    assert_eq!((shadow.provider.plugin.as_str(), shadow.share_per_mille, shadow.keep_words), ("stt-b", 250, true));
    assert_eq!(shadow.provider.share.sessions_max, Some(2));
    for (wrong, fault) in [
        ("share = 1.1", "shadow.share: must lie between 0.0 and 1.0"),
        ("share = nan", "shadow.share: must lie between 0.0 and 1.0"),
        ("limits = { sessions_wait_ms = 1 }", "shadow.limits.sessions_wait_ms: nobody waits for a second listener"),
        ("languages = ['en']", "shadow.languages: unknown field"),
    ] {
        let text = format!("{LADDER}[shadow]\nplugin = 'stt-b'\n{wrong}\n");
        let faults = faults(&[("a.toml", &text)], "a");
        assert!(faults[0].starts_with(&format!("a.toml: {fault}")), "{faults:?}");
    }
    let same = faults(&[("a.toml", &format!("{LADDER}[shadow]\nplugin = 'stt-local'\n"))], "a");
    assert_eq!(same[0], "a.toml: shadow.plugin: is a rung of hearing: it would be compared with itself");
}

#[test]
fn a_budget_is_counted_in_what_the_rung_does_and_is_not_nothing() {
    let wrong = LADDER.replace(
        "sessions_max = 3, sessions_wait_ms = 500, connections_max = 2, audio_s_per_day = 3600",
        "audio_s_per_day = 0, characters_per_day = 5",
    );
    let faults = faults(&[("a.toml", &wrong)], "a");
    assert_eq!(
        faults[..2],
        [
            "a.toml: hearing[0].limits.audio_s_per_day: must be at least 1",
            "a.toml: hearing[0].limits.characters_per_day: is not what this part of the work is counted in",
        ],
        "{faults:?}"
    );
}
