use super::*;
use std::collections::BTreeSet;

const EXAMPLE: &str = include_str!("../../../voice-gateway.example.toml");
const ENVIRONMENT: &str = include_str!("../../../.env.example");

fn machine() -> Machine {
    Machine {
        name: "Gateway.One".into(),
        cores: 4,
        program_dir: "/opt/voice-gateway/bin".into(),
        cache_home: Some("/home/vg/.cache".into()),
    }
}

fn variables(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match Config::parse(text, variables(environment), &machine()) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
    }
}

#[test]
fn nothing_written_means_the_defaults() {
    assert_eq!(Config::parse("", [], &machine()), Ok(Config::defaults(&machine())));
}

#[test]
fn defaults_follow_the_machine() {
    let config = Config::defaults(&machine());
    assert_eq!(config.instance, "gateway-one");
    assert_eq!(config.plugins.heavy_threads, 2);
    assert_eq!(config.plugins.cache_dir, Path::new("/home/vg/.cache/serphona-voice-gateway/compiled"));
    let homeless = Config::defaults(&Machine { cache_home: None, cores: 1, ..machine() });
    assert_eq!(homeless.plugins.cache_dir, homeless.plugins.dir.join(".compiled"));
    assert_eq!(homeless.plugins.heavy_threads, 1);
}

#[test]
fn the_example_file_equals_the_defaults() {
    assert_eq!(Config::parse(EXAMPLE, [], &machine()), Ok(Config::defaults(&machine())));
}

/// Lines of the example that are commented out only because their default depends on the machine, or there is none.
fn uncommented(text: &str) -> String {
    text.lines().map(|line| line.strip_prefix("#:").unwrap_or(line).trim()).collect::<Vec<_>>().join("\n")
}

fn documented_variables() -> Vec<(String, String)> {
    let lines = ENVIRONMENT.lines().map(|line| line.strip_prefix("#:").unwrap_or(line).trim());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').expect(line)).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn every_line_of_the_examples_is_accepted_and_both_say_the_same() {
    let (gateway, others): (Vec<_>, Vec<_>) = documented_variables().into_iter().partition(|(name, _)| name.starts_with("VG__"));
    let with = |more: &[(String, String)]| [more, &others].concat();
    let from_file = Config::parse(&uncommented(EXAMPLE), with(&[]), &machine()).unwrap();
    let from_environment = Config::parse("", with(&gateway), &machine()).unwrap();
    assert_eq!(from_file, from_environment);
    assert_eq!(from_file.asterisk.len(), 1);
}

#[test]
fn both_examples_document_the_same_keys() {
    fn leaves(table: &toml::Table, prefix: &str, into: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = format!("{prefix}__{}", key.to_uppercase());
            match value {
                toml::Value::Table(inner) => leaves(inner, &path, into),
                toml::Value::Array(list) if list.iter().all(toml::Value::is_table) => {
                    for (index, entry) in list.iter().enumerate() {
                        leaves(entry.as_table().unwrap(), &format!("{path}__{index}"), into);
                    }
                }
                _ => drop(into.insert(path)),
            }
        }
    }
    let mut keys = BTreeSet::new();
    leaves(&uncommented(EXAMPLE).parse().unwrap(), "VG", &mut keys);
    let documented = documented_variables().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("VG__"));
    assert_eq!(keys, documented.collect());
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = Config::parse(
        "[http]\nbind = '127.0.0.1:1'\n[[asterisk]]\nurl = 'http://10.0.0.1:8088'\nuser = 'a'\npassword = 'env:P'",
        variables(&[
            ("VG__HTTP__BIND", "127.0.0.1:2"),
            ("VG__LIMITS__CALLS_MAX", "7"),
            ("VG__ASTERISK__0__USER", "b"),
            ("VG__ASTERISK__1__URL", "http://10.0.0.2:8088"),
            ("VG__ASTERISK__1__USER", "c"),
            ("VG__ASTERISK__1__PASSWORD", "env:P"),
            ("P", "secret"),
            ("HOME", "/ignored"),
        ]),
        &machine(),
    )
    .unwrap();
    assert_eq!(config.http.bind.port(), 2);
    assert_eq!(config.limits.calls_max, 7);
    assert_eq!(config.asterisk.iter().map(|a| a.user.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(config.asterisk[0].app, "vg-gateway-one");
    assert_eq!(config.asterisk[1].password.reveal(), "secret");
}

#[test]
fn all_faults_come_together_with_their_paths() {
    let text = r#"
        colour = "red"
        [http]
        bind = "everywhere"
        port = 80
        [media]
        bind = "0.0.0.0:0"
        codec = "opus"
        ports = "30000-20000"
        [limits]
        calls_max = "many"
        [plugins]
        heavy_threads = 0
        [[asterisk]]
        url = "ftp://x"
        user = 3
        [[asterisk]]
        url = "http://x"
        user = "u"
        password = "hunter2"
    "#;
    assert_eq!(
        faults(text, &[("VG__DRAIN__GRACE_S", "soon"), ("VG__ASTERISK__5__URL", "http://y")]),
        [
            "VG__ASTERISK__5__URL: asterisk has only 2 entries: count from 0 without a gap",
            "asterisk[0].user: invalid type: integer `3`, expected a string",
            "colour: unknown field `colour`, expected one of `instance`, `http`, `media`, `asterisk`, `agent`, `prompts`, `recording`, `audit`, \
             `events`, `pci`, `privacy`, `vault`, `plugins`, `tenants`, `state`, `kafka`, `log`, `telemetry`, `limits`, `drain`",
            "drain.grace_s: expected a whole number, 0 or more",
            "http.port: unknown field `port`, expected one of `bind`, `admin_bind`, `api`, `auth`, `jwks_url`, `jwt_key`, `jwt_issuer`, \
             `jwt_audience`, `jwt_leeway_s`, `requests_per_s`, `cors_origins`, `tls_cert`, `tls_key`, `webhook_secret`",
            "limits.calls_max: expected a whole number, 0 or more",
            "http.bind: expected ADDRESS:PORT, for example 127.0.0.1:8080",
            "media.codec: expected ulaw, alaw or g722",
            "media.ports: expected FIRST-LAST, for example 20000-20999",
            "media.advertise: is needed: media.bind names no address that Asterisk could send to",
            "plugins.heavy_threads: must be at least 1",
            "asterisk[0].password: is needed",
            "asterisk[0].url: expected a URL such as http://127.0.0.1:8088",
            "asterisk[1].password: is not a reference: write env:NAME or file:PATH, never the secret itself",
        ]
    );
}

#[test]
fn a_secret_is_never_repeated() {
    let text = "[[asterisk]]\nurl = 'http://x'\nuser = 'u'\npassword = 'hunter2'";
    assert!(!faults(text, &[]).concat().contains("hunter2"));
}

#[test]
fn secrets_come_from_the_environment_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "from file\n").unwrap();
    let reference = format!("file:{}", path.display());
    assert_eq!(secret::resolve(&reference, &[]).unwrap().reveal(), "from file");
    assert_eq!(secret::resolve("env:NONE", &[]).unwrap_err(), "environment variable NONE is not set, or no text");
    assert!(secret::resolve("file:/nowhere/at/all", &[]).unwrap_err().starts_with("cannot read /nowhere/at/all"));
}

#[test]
fn a_secret_that_could_be_guessed_opens_no_door() {
    let text = "[http]\nwebhook_secret = 'env:S'";
    let short = faults(text, &[("S", "fifteen-letters")]);
    assert!(short.len() == 1 && short[0].starts_with("http.webhook_secret: is too short"), "{short:?}");
    assert!(!short[0].contains("fifteen"), "{short:?}");
    assert!(Config::parse(text, variables(&[("S", "sixteen-letters-")]), &machine()).is_ok());
}

#[test]
fn one_app_serves_one_entry() {
    let entry = "[[asterisk]]\nurl = 'http://x'\nuser = 'u'\npassword = 'env:P'\n";
    assert_eq!(faults(&[entry, entry].concat(), &[("P", "p")]), ["asterisk[1]: has the url and app of another entry"]);
}

#[test]
fn the_api_is_served_to_known_callers_or_to_this_machine_alone() {
    let api = |text: &str| Config::parse(&format!("[http]\n{text}"), [], &machine()).unwrap().http.api;
    assert_eq!(api(""), Api::Off);
    assert_eq!(api("api = true\nauth = 'off'"), Api::Anybody);
    let names = "jwt_issuer = 'https://id.example'\njwt_audience = 'vg'";
    let Api::Tokens(tokens) = api(&format!("api = true\njwt_key = '/k.pem'\njwt_leeway_s = 5\n{names}")) else { panic!() };
    assert_eq!((tokens.key.as_deref(), tokens.leeway), (Some(Path::new("/k.pem")), Duration::from_secs(5)));
    assert_eq!(
        faults("[http]\napi = true\njwt_leeway_s = 301", &[]),
        [
            "http.jwt_leeway_s: must be at most 300",
            "http.api: needs http.jwks_url or http.jwt_key, or http.auth = \"off\" for this machine alone",
            "http.jwt_issuer: is needed",
            "http.jwt_audience: is needed",
        ]
    );
    let open = faults("[http]\nbind = '0.0.0.0:80'\napi = true\nauth = 'off'", &[]);
    assert_eq!(open, ["http.auth: without tokens only this machine is served: http.bind has to be a loopback address"]);
    for url in ["http://id.example/jwks", "ftp://id.example", "jwks"] {
        let fault = faults(&format!("[http]\napi = true\njwks_url = '{url}'\n{names}"), &[]);
        assert_eq!(fault[0], "http.jwks_url: expected a URL with https; http only to this machine", "{url}");
    }
}

#[test]
fn origins_are_named_one_by_one_and_a_certificate_comes_with_its_key() {
    let http = |text: &str| Config::parse(&format!("[http]\n{text}"), [], &machine()).unwrap().http;
    assert_eq!(http("cors_origins = ['https://desk.example']").cors_origins, ["https://desk.example"]);
    for origin in ["*", "https://desk.example/", "desk.example", "null"] {
        let fault = faults(&format!("[http]\ncors_origins = ['{origin}']"), &[]);
        assert!(fault[0].starts_with("http.cors_origins[0]: expected scheme://host"), "{fault:?}");
    }
    assert_eq!(http("requests_per_s = 0").requests_per_s, None);
    assert_eq!(faults("[http]\ntls_cert = '/c.pem'", &[]), ["http.tls_key: is needed beside http.tls_cert"]);
}

#[test]
fn what_is_recorded_is_said_in_full_or_not_at_all() {
    let recorded = "[plugins.record]\ntenant = 'acme'\nplugin = 'stt-x'\ndir = '/r'\nsessions_max = 3";
    let record = Config::parse(recorded, [], &machine()).unwrap().plugins.record.unwrap();
    assert_eq!((record.tenant.as_str(), record.plugin.as_str(), record.sessions_max), ("acme", "stt-x", 3));
    assert_eq!(
        faults("[plugins.record]\nplugin = ''\nsessions_max = 0\nwords = true", &[]),
        [
            "plugins.record.words: unknown field `words`, expected one of `tenant`, `plugin`, `dir`, `sessions_max`",
            "plugins.record.tenant: is needed",
            "plugins.record.plugin: is needed",
            "plugins.record.dir: is needed",
            "plugins.record.sessions_max: must be at least 1",
        ]
    );
}

#[test]
fn where_masking_is_strict_nothing_is_written_down_as_callers_say_it() {
    let (strict, key) = ("[pci]\nmode = 'strict'\n", "0f".repeat(32));
    let record = "[plugins.record]\ntenant = 'acme'\nplugin = 'stt-x'\ndir = '/r'\n";
    let sound = "[state]\nredis = 'redis://localhost'\nsound_key = 'env:K'\n";
    let told = |parts: &[&str]| faults(&parts.concat(), &[("K", key.as_str())]);
    let recorded = "plugins.record: writes down what callers say as it was said: not where pci.mode is strict";
    let kept = "state.sound_key: keeps what callers say as they said it: not where pci.mode is strict";
    assert_eq!(told(&[strict, record]), [recorded]);
    assert_eq!(told(&[strict, sound]), [kept]);
    assert_eq!(told(&[strict, record, sound]), [recorded, kept]);
    assert!(Config::parse(strict, [], &machine()).is_ok());
    assert!(Config::parse(&[record, sound].concat(), variables(&[("K", key.as_str())]), &machine()).is_ok());
}

#[test]
fn the_store_follows_the_cache_unless_it_is_named() {
    let plugins = |text: &str| Config::parse(text, [], &machine()).unwrap().plugins;
    assert_eq!(plugins("[plugins]\ncache_dir = '/c'").store, Path::new("/c/store"));
    assert_eq!(plugins("[plugins]\ncache_dir = '/c'\nstore = '/s'").store, Path::new("/s"));
}

#[test]
fn text_that_is_no_toml_is_one_fault_with_its_line() {
    let faults = faults("[http\nbind = 1", &[]);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("line 1"), "{faults:?}");
}

#[test]
fn a_section_that_is_no_section_is_a_fault() {
    assert_eq!(faults("http = 3", &[]), ["http: invalid type: integer `3`, expected struct RawHttp"]);
    assert_eq!(faults("asterisk = [1]", &[])[0], "asterisk[0]: invalid type: integer `1`, expected struct RawAsterisk");
    assert_eq!(faults("http = 3", &[("VG__HTTP__BIND", "127.0.0.1:1")])[0], "VG__HTTP__BIND: http is not a section");
}

#[test]
fn an_asterisk_dials_or_is_dialled_and_each_has_its_keys() {
    let entry = |more: &str| format!("[[asterisk]]\nuser = 'u'\npassword = 'env:P'\n{more}\n");
    let parsed = |more: &str| Config::parse(&entry(more), variables(&[("P", "p")]), &machine()).unwrap().asterisk.remove(0);
    let dialled = parsed("url = 'https://pbx:8089'\nca = '/ca.pem'");
    let url = "https://pbx:8089".parse().unwrap();
    assert_eq!(dialled.mode, AsteriskMode::Dial { url, ca: Some("/ca.pem".into()) });
    assert_eq!((parsed("mode = 'accept'").mode, dialled.ami), (AsteriskMode::Accept, None));
    let ami =
        parsed("mode = 'accept'\nami = 'pbx:5038'\nami_transport = 'plain'\nami_user = 'm'\nami_password = 'env:P'").ami.unwrap();
    assert_eq!((ami.address.as_str(), ami.password.reveal().as_str(), ami.login), ("pbx:5038", "p", AmiLogin::Challenge));
    assert_eq!(ami.transport, AmiTransport::Plain);
    let sealed = |more: &str| {
        let ami = "url = 'http://pbx'\nami = 'pbx:5039'\nami_user = 'm'\nami_password = 'env:P'\nami_transport = 'tls'";
        parsed(&format!("{ami}\n{more}")).ami.unwrap().transport
    };
    assert_eq!(sealed(""), AmiTransport::Tls { ca: None });
    assert_eq!(sealed("ami_ca = '/ca.pem'"), AmiTransport::Tls { ca: Some("/ca.pem".into()) });
    let faulty = |more: &str| faults(&entry(more), &[("P", "p")]);
    assert_eq!(
        faulty("mode = 'accept'\nami_ca = '/ca.pem'"),
        ["asterisk[0].ami_ca: is of no use: the manager interface is not dialled by tls"]
    );
    assert_eq!(faulty("mode = 'accept'\nami_transport = 'ssl'"), ["asterisk[0].ami_transport: expected plain or tls"]);
    assert_eq!(faulty("mode = 'both'"), ["asterisk[0].mode: expected dial or accept"]);
    assert_eq!(faulty("url = 'http://pbx'\nca = '/ca.pem'"), ["asterisk[0].ca: is of no use: the url is not https"]);
    let no_use = "is of no use: with mode = \"accept\" asterisk connects to this gateway";
    assert_eq!(faulty("mode = 'accept'\nurl = 'http://pbx'"), [format!("asterisk[0].url: {no_use}")]);
    assert_eq!(
        faulty("mode = 'accept'\nami = 'pbx'\nami_login = 'sha1'"),
        [
            "asterisk[0].ami_user: is needed",
            "asterisk[0].ami_password: is needed",
            "asterisk[0].ami_login: expected md5 or plain",
            "asterisk[0].ami: expected HOST:PORT, for example 127.0.0.1:5038",
        ]
    );
    assert_eq!(
        faulty("mode = 'accept'\nami = 'pbx:5038'\nami_user = 'm'\nami_password = 'env:P'"),
        ["asterisk[0].ami_transport: is needed, tls or plain: the manager interface is on another machine"]
    );
    let twice = [entry("mode = 'accept'"), entry("mode = 'accept'")].concat();
    assert_eq!(faults(&twice, &[("P", "p")]), ["asterisk[1]: has the user and app of another entry"]);
}
mod agent;
mod state;
mod kafka;
mod plain;
mod telemetry;
mod vault;
mod recording;
