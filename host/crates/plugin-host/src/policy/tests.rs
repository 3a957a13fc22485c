use super::*;
use crate::api::{Features, Kind, SecretKind, SecretWish};
use vg_links::secrets::LocalStore;

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fn descriptor(hosts: &[&str], secrets: &[(&str, SecretKind)]) -> Descriptor {
    let wish =
        |(name, kind): &(&str, SecretKind)| SecretWish { name: (*name).into(), kind: *kind, why: "the vendor's key".into() };
    Descriptor {
        id: "stt-x".into(),
        version: "1.0.0".into(),
        kind: Kind::Stt,
        formats: Vec::new(),
        languages: Vec::new(),
        features: Features::default(),
        options_schema: "{}".into(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        secrets: secrets.iter().map(wish).collect(),
        session_max_s: None,
        compute: Compute::Light,
    }
}

fn wish(secrets: &BTreeMap<String, SecretSpec>) -> TenantWish<'_> {
    let store = Arc::new(LocalStore::default());
    TenantWish { tenant: "acme".into(), hosts: None, endpoint: None, secrets, store, connections: None }
}

fn granted(policy: &str, descriptor: &Descriptor, change: impl FnOnce(&mut TenantWish<'_>)) -> (Arc<Grant>, Vec<String>) {
    let none = BTreeMap::new();
    let mut tenant = wish(&none);
    change(&mut tenant);
    let granted = Policy::parse(policy).unwrap().grant("stt-x", descriptor, tenant).unwrap();
    (granted.grant, granted.shortfalls.iter().map(Shortfall::to_string).collect())
}

fn may(grant: &Grant, url: &str) -> bool {
    let schemes = if url.starts_with("ws") { Schemes::Websocket } else { Schemes::Http };
    grant.permit(&Target::parse(url, schemes).unwrap().0).is_ok()
}

fn faults(text: &str) -> Vec<String> {
    Policy::parse(text).unwrap_err().iter().map(PolicyFault::to_string).collect()
}

#[test]
fn all_faults_of_a_policy_come_together_with_their_paths() {
    let text = r#"
        colour = "red"
        [defaults]
        hosts = ["https://ok.example", "ftp://x", 7]
        first_party = true
        memory_mib_max = 0
        [plugin."stt-x"]
        networks = ["10.0.0.1/8", "10.0.0.0/8", "::1", "lan"]
        digests = ["abc"]
        keys = ["untrusted"]
        heavy = "yes"
        hots = []
        connections_max = 4294967296
        [plugin.tts-x]
        first_party = true
        [plugin]
        odd = 3
    "#;
    let text = text.replace("[plugin]\n        odd = 3", "");
    assert_eq!(
        faults(&text),
        [
            "colour: unknown section, expected defaults or plugin.NAME",
            "defaults.first_party: is said of a plugin by name",
            "defaults.hosts[1]: a rule begins with https://, http://, wss:// or ws://",
            "defaults.hosts[2]: expected a text",
            "defaults.memory_mib_max: expected a whole number between 1 and 256",
            "plugin.stt-x.connections_max: expected a whole number between 1 and 4294967295",
            "plugin.stt-x.digests[0]: expected a SHA-256 of 64 digits 0-9 and a-f",
            "plugin.stt-x.heavy: expected true or false",
            "plugin.stt-x.hots: unknown, expected one of hosts, networks, connections_max, bytes_out_max, bytes_in_max, heavy, \
             memory_mib_max, handle_ms_max, require_signature, keys, digests, first_party",
            "plugin.stt-x.keys[0]: expected a public key of minisign: 56 characters that begin with RW",
            "plugin.stt-x.networks[0]: has bits behind the prefix: a network begins at its first address",
            "plugin.stt-x.networks[3]: expected a network as 10.0.0.0/8, or an address",
            "plugin.tts-x.first_party: needs digests: only that very component is ours",
        ]
    );
    assert!(faults("x")[0].starts_with("toml: "));
    assert_eq!(faults("plugin = 3"), ["plugin: expected a section per plugin, as [plugin.\"stt-x\"]"]);
    assert_eq!(faults("plugin.odd = 3"), ["plugin.odd: expected a section"]);
}

#[test]
fn without_a_file_nothing_is_reached_and_plugins_run_as_they_are() {
    let terms = Policy::default().terms("stt-x");
    assert_eq!(terms.reach, grant::Policy::default());
    assert!(terms.heavy && !terms.require_signature && !terms.first_party && terms.digests.is_empty());
    assert_eq!(terms.limits, Limits::default());
    assert_eq!(Policy::parse("").unwrap(), Policy::default());
    let (grant, shortfalls) = granted("", &descriptor(&["https://api.example.com"], &[]), |_| {});
    assert!(!may(&grant, "https://api.example.com"));
    assert_eq!(
        shortfalls,
        [r#"may not reach https://api.example.com: add to policy: [plugin."stt-x"] hosts = ["https://api.example.com"]"#]
    );
}

#[test]
fn lists_add_to_the_defaults_and_single_values_replace_them() {
    let digest = "ab".repeat(32);
    let text = format!(
        "[defaults]\nhosts = ['https://a.example']\nnetworks = ['10.0.0.0/8']\nconnections_max = 9\nheavy = false\n\
         memory_mib_max = 8\nrequire_signature = true\nkeys = ['{KEY}']\n\
         [plugin.stt-x]\nhosts = ['https://b.example']\nnetworks = ['127.0.0.1']\nconnections_max = 3\nbytes_in_max = 5\n\
         memory_mib_max = 64\nhandle_ms_max = 20\ndigests = ['sha256:{digest}']\nfirst_party = true"
    );
    let policy = Policy::parse(&text).unwrap();
    let terms = policy.terms("stt-x");
    assert_eq!(format!("{:?}", terms.reach.hosts), "[https://a.example, https://b.example]");
    assert_eq!(format!("{:?}", terms.reach.networks), "[10.0.0.0/8, 127.0.0.1/32]");
    assert_eq!((terms.connections_max, terms.heavy, terms.first_party), (3, false, true));
    assert_eq!((terms.budget.bytes_in_max, terms.budget.bytes_out_max), (5, Budget::default().bytes_out_max));
    assert!(terms.require_signature && terms.keys.contains(KEY) && terms.digests.contains(&digest));
    assert_eq!(terms.limits.memory_bytes, Limit::Exactly(64 << 20));
    assert_eq!(terms.limits.handle, Limit::Exactly(Duration::from_millis(20)));
    let other = policy.terms("tts-y");
    assert_eq!((other.connections_max, other.limits.memory_bytes), (9, Limit::AtMost(8 << 20)));
    assert!(!other.first_party && other.digests.is_empty());
}

#[test]
fn what_is_said_of_all_only_tightens_and_what_is_said_by_name_stays_within_the_engine() {
    assert_eq!(Limit::OfClass.over(16, 256), 16);
    assert_eq!(Limit::AtMost(8).over(16, 256), 8);
    assert_eq!(Limit::AtMost(64).over(16, 256), 16);
    assert_eq!(Limit::Exactly(64).over(16, 256), 64);
    assert_eq!(Limit::Exactly(512).over(16, 256), 256);
}

#[test]
fn a_grant_is_what_plugin_operator_and_tenant_agree_on() {
    let descriptor = descriptor(&["https://*.example.com", "wss://api.other.example"], &[]);
    let policy = "[plugin.stt-x]\nhosts = ['https://*.eu.example.com', 'wss://api.other.example', 'https://unasked.example']";
    let (grant, shortfalls) = granted(policy, &descriptor, |_| {});
    assert!(may(&grant, "https://x.eu.example.com") && may(&grant, "wss://api.other.example"));
    assert!(!may(&grant, "https://x.us.example.com") && !may(&grant, "https://unasked.example"));
    // Part of a suffix is not the suffix.
    assert_eq!(
        shortfalls,
        [r#"may not reach https://*.example.com: add to policy: [plugin."stt-x"] hosts = ["https://*.example.com"]"#]
    );

    let (grant, shortfalls) =
        granted("[plugin.stt-x]\nhosts = ['https://*.example.com', 'wss://api.other.example']", &descriptor, |tenant| {
            tenant.hosts = Some(vec!["https://*.example.com".parse().unwrap()]);
        });
    assert!(may(&grant, "https://a.example.com") && !may(&grant, "wss://api.other.example"));
    assert_eq!(
        shortfalls,
        ["may not reach wss://api.other.example: the tenant does not permit wss://api.other.example: its hosts lack it"]
    );
}

#[test]
fn a_wish_that_is_no_rule_and_a_model_that_is_not_wanted_are_told() {
    let mut heavy = descriptor(&["example.com"], &[]);
    heavy.compute = Compute::Heavy;
    let (_, shortfalls) = granted("[defaults]\nheavy = false", &heavy, |_| {});
    assert_eq!(
        shortfalls,
        [
            "may not reach example.com: the plugin's descriptor is wrong: a rule begins with https://, http://, wss:// or ws://",
            r#"may not run a model: add to policy: [plugin."stt-x"] heavy = true"#,
        ]
    );
}

#[test]
fn an_endpoint_joins_the_wish_and_needs_the_operators_word() {
    let descriptor = descriptor(&["wss://api.example.com"], &[]);
    let endpoint = |tenant: &mut TenantWish<'_>| tenant.endpoint = Some("http://127.0.0.1:9000/v1");
    let (grant, shortfalls) = granted("", &descriptor, endpoint);
    assert!(!may(&grant, "ws://127.0.0.1:9000"));
    assert_eq!(
        shortfalls,
        [r#"may not reach http://127.0.0.1:9000: add to policy: [plugin."stt-x"] hosts = ["http://127.0.0.1:9000"]"#]
    );
    // The network is the operator's word for an address that has no name.
    let (grant, shortfalls) = granted("[defaults]\nnetworks = ['127.0.0.0/8']", &descriptor, endpoint);
    assert!(may(&grant, "ws://127.0.0.1:9000") && may(&grant, "http://127.0.0.1:9000"));
    assert!(!may(&grant, "http://127.0.0.1:9001") && !may(&grant, "wss://127.0.0.1:9000"));
    assert_eq!(shortfalls, [""; 0]);
    // A permitted name does not permit the house behind it.
    let (_, shortfalls) =
        granted("[plugin.stt-x]\nhosts = ['ws://127.0.0.1:9000', 'http://127.0.0.1:9000']", &descriptor, endpoint);
    assert!(shortfalls[0].contains(r#"networks = ["127.0.0.0/8"]"#), "{shortfalls:?}");
    let (_, shortfalls) = granted("", &descriptor, |tenant| tenant.endpoint = Some("nowhere"));
    assert_eq!(shortfalls.len(), 1);
}

#[test]
fn secrets_that_lack_or_cannot_be_used_are_told_with_what_to_write() {
    let descriptor = descriptor(
        &[],
        &[("api_key", SecretKind::Static), ("aws", SecretKind::AwsCredentials), ("token", SecretKind::Oauth2ClientCredentials)],
    );
    let secrets: BTreeMap<String, SecretSpec> = toml::from_str(
        r#"
        aws = { kind = "static", ref = "env:AWS" }
        token = { kind = "oauth2-client-credentials", token_url = "https://login.example/t", client_id = "id", client_secret = "env:S" }
        "#,
    )
    .unwrap();
    let granted = Policy::default().grant("stt-x", &descriptor, wish(&secrets)).unwrap();
    let shortfalls: Vec<String> = granted.shortfalls.iter().map(Shortfall::to_string).collect();
    assert_eq!(
        shortfalls,
        [
            r#"cannot use the secret api_key: add to the tenant: secrets.api_key = { kind = "static", ref = "env:NAME" }  # the vendor's key"#,
            r#"cannot use the secret aws: the plugin asks for kind "aws-credentials""#,
            r#"cannot use the secret token: add to policy: [plugin."stt-x"] hosts = ["https://login.example"]"#,
        ]
    );
    let written: BTreeMap<String, SecretSpec> = toml::from_str(r#"api_key = { kind = "static", ref = "sk-12345" }"#).unwrap();
    let faults = Policy::default().grant("stt-x", &descriptor, wish(&written)).err().unwrap();
    assert_eq!(faults[0].path, "api_key.ref");
    assert!(!faults[0].to_string().contains("sk-12345"));
}

#[test]
fn the_example_permits_what_no_file_permits_until_its_lines_are_taken_in() {
    let example = include_str!("../../../../../policy.example.toml");
    let (none, written) = (Policy::default().terms("stt-example"), Policy::parse(example).unwrap().terms("stt-example"));
    assert_eq!(written, none);
    let lines: Vec<&str> = example.lines().map(|line| line.strip_prefix("#:").unwrap_or(line)).collect();
    let terms = Policy::parse(&lines.join("\n")).unwrap().terms("stt-example");
    assert!(terms.first_party && terms.digests.len() == 1 && terms.keys.len() == 1 && terms.reach.networks.len() == 2);
}
