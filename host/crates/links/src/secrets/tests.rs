mod hostile;
mod peer;
mod tokens;

use super::*;
use crate::door::LinksConfig;
use crate::grant::{Budget, Policy, Reach, Resolve};
use crate::wire::AwsPayload;
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// A store of what stands here; counts how often it was asked.
#[derive(Default)]
struct Drawer {
    lies: Mutex<BTreeMap<String, String>>,
    asked: AtomicU32,
}

impl Drawer {
    fn put(&self, name: &str, value: &str) {
        self.lies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}

impl SecretStore for Drawer {
    fn read<'a>(&'a self, reference: &'a SecretRef) -> BoxFuture<'a, Result<Zeroizing<String>, StoreError>> {
        self.asked.fetch_add(1, Relaxed);
        let SecretRef::Env(name) = reference else { panic!("{reference} is not in the drawer") };
        let lies = self.lies.lock().unwrap().get(name).cloned();
        Box::pin(async { lies.map(Zeroizing::new).ok_or_else(|| StoreError::Missing(reference.clone())) })
    }
}

const KEY: &str = "sk-live/0123+456789";

/// A tenant's house: what may be reached, and secrets in a drawer.
struct House {
    links: Arc<Links>,
    grant: Arc<Grant>,
    drawer: Arc<Drawer>,
}

impl House {
    fn new(hosts: &[&str], secrets: &str) -> Self {
        Self::with_policy(hosts, hosts, secrets)
    }

    fn with_policy(wish: &[&str], policy: &[&str], secrets: &str) -> Self {
        let drawer = Arc::new(Drawer::default());
        drawer.put("KEY", KEY);
        let specs: BTreeMap<String, SecretSpec> = serde_json::from_str(secrets).unwrap();
        let rules = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let policy = Policy { hosts: rules(policy), networks: vec!["127.0.0.0/8".parse().unwrap()] };
        let grant = Arc::new(Grant {
            tenant: "acme".into(),
            plugin: "stt-x".into(),
            reach: Reach { wish: rules(wish), policy, tenant: None },
            secrets: Secrets::resolve(&specs, Arc::clone(&drawer) as Arc<dyn SecretStore>).unwrap(),
            connections: Arc::new(Semaphore::new(8)),
            budget: Budget::default(),
        });
        Self { links: Links::new(LinksConfig::default()).unwrap(), grant, drawer }
    }

    fn resolving(self, resolver: impl Resolve + 'static) -> Self {
        let config = LinksConfig { resolver: Some(Arc::new(resolver)), ..LinksConfig::default() };
        Self { links: Links::new(config).unwrap(), ..self }
    }

    /// As a link does it: first the egress check, then this.
    async fn authorize(&self, url: &str, headers: &[(&str, &str)], auth: &Authentication) -> Result<(Head, Authorized), Refusal> {
        let schemes = if url.starts_with("ws") { Schemes::Websocket } else { Schemes::Http };
        let (target, url) = Target::parse(url, schemes)?;
        self.grant.permit(&target)?;
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut head = Head { method: "GET".into(), url, headers };
        let authorized = authorize(&self.links, &self.grant, &target, &mut head, auth, Some(&[])).await?;
        Ok((head, authorized))
    }

    async fn fill(&self, url: &str, header: &str) -> Result<(String, String), Refusal> {
        let (head, _) = self.authorize(url, &[("authorization", header)], &Authentication::Templates).await?;
        Ok((head.url.into(), head.headers[0].1.clone()))
    }
}

const STATIC: &str = r#"{"key": {"kind": "static", "ref": "env:KEY"}}"#;

#[tokio::test]
async fn a_template_is_filled_in_header_path_and_query() {
    let house = House::new(&["https://api.example.com"], STATIC);
    let filled =
        house.fill("https://api.example.com/v1/{secret:key}/x?k={secret:key}&y=%7Bsecret%3Akey%7D", "Token {secret:key}!").await;
    let encoded = "sk-live%2F0123%2B456789";
    let url = format!("https://api.example.com/v1/{encoded}/x?k={encoded}&y={encoded}");
    assert_eq!(filled, Ok((url, format!("Token {KEY}!"))));
    let plain = house.fill("https://api.example.com/{x}?y={z}", "{secrets}").await;
    assert_eq!(plain, Ok(("https://api.example.com/%7Bx%7D?y={z}".to_owned(), "{secrets}".to_owned())));
}

#[tokio::test]
async fn a_secret_goes_only_where_it_is_bound_and_the_guest_learns_not_why() {
    let house = House::new(
        &["https://api.example.com", "https://other.example.com", "wss://api.example.com"],
        r#"{"key": {"kind": "static", "ref": "env:KEY", "hosts": ["https://api.example.com"]},
            "aws": {"kind": "aws-credentials", "ref": "env:KEY", "regions": ["eu-central-1"], "service": "polly"}}"#,
    );
    assert!(house.fill("https://api.example.com/", "{secret:key}").await.is_ok());
    for url in ["https://other.example.com/", "wss://api.example.com/", "https://other.example.com/?k={secret:key}"] {
        let refusal = house.fill(url, "{secret:key}").await.unwrap_err();
        assert_eq!(refusal.to_string(), "secret key: is not available for this host", "{url}");
        assert!(refusal.advice().unwrap().starts_with("its hosts lack "), "{url}");
    }
    let unknown = house.fill("https://api.example.com/", "{secret:nokey}").await.unwrap_err();
    assert_eq!(unknown.to_string(), "secret nokey: is not available for this host");
    let signing = house.fill("https://api.example.com/", "{secret:aws}").await.unwrap_err();
    assert_eq!(signing.to_string(), "secret aws: only signs");
}

#[tokio::test]
async fn a_value_that_would_write_more_than_a_value_is_refused() {
    let house = House::new(&["https://api.example.com"], STATIC);
    for value in ["key\r\nhost: evil.example", "key\nx", "key\0", "k\u{e9}y", "key\x7f"] {
        house.drawer.put("KEY", value);
        house.grant.secrets.held["key"].kind.forget();
        for (url, header) in [("https://api.example.com/", "{secret:key}"), ("https://api.example.com/?k={secret:key}", "")] {
            let refusal = house.fill(url, header).await.unwrap_err();
            assert_eq!(refusal.to_string(), "secret key: is not available", "{value:?}");
        }
    }
    for dots in [".", ".."] {
        house.drawer.put("KEY", dots);
        house.grant.secrets.held["key"].kind.forget();
        assert!(house.fill("https://api.example.com/v1/{secret:key}/x", "").await.is_err(), "{dots}");
    }
    house.drawer.put("KEY", "{secret:key}");
    house.grant.secrets.held["key"].kind.forget();
    assert_eq!(house.fill("https://api.example.com/", "{secret:key}").await.unwrap().1, "{secret:key}");
}

#[tokio::test]
async fn a_short_head_does_not_grow_without_end_by_a_long_secret() {
    let house = House::new(&["https://api.example.com"], STATIC);
    house.drawer.put("KEY", &"k".repeat(16 << 10));
    let fill = async |times: usize| house.fill("https://api.example.com/", &"{secret:key}".repeat(times)).await;
    assert!(fill(4).await.is_ok());
    assert!(matches!(fill(5).await, Err(Refusal::Invalid(_))));
}

#[tokio::test]
async fn a_changed_secret_is_in_use_after_its_host_refused_the_old_one() {
    let house = House::new(&["https://api.example.com"], STATIC);
    let use_it =
        async || house.authorize("https://api.example.com/", &[("x", "{secret:key}")], &Authentication::Templates).await.unwrap();
    let (_, first) = use_it().await;
    let (_, again) = use_it().await;
    assert_eq!(house.drawer.asked.load(Relaxed), 1, "what was read is used for some seconds");
    assert!(first.credential == again.credential && first.credential != CredentialId::default());
    house.drawer.put("KEY", "another");
    house.grant.secrets.invalidate(CredentialId::default());
    assert_eq!(use_it().await.0.headers[0].1, KEY);
    house.grant.secrets.invalidate(first.credential);
    let (head, changed) = use_it().await;
    assert_eq!(head.headers[0].1, "another");
    assert!(changed.credential != first.credential);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_the_operators_matter() {
    let house = House::new(&["https://api.example.com"], r#"{"key": {"kind": "static", "ref": "env:GONE"}}"#);
    let refusal = house.fill("https://api.example.com/", "{secret:key}").await.unwrap_err();
    assert_eq!(refusal.to_string(), "secret key: is not available");
    assert_eq!(refusal.advice(), Some("env:GONE is not there, or empty"));
}

#[tokio::test]
async fn a_key_signs_only_for_its_region_service_and_hosts() {
    let house = House::new(
        &["https://polly.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"],
        r#"{"aws": {"kind": "aws-credentials", "ref": "env:KEY", "regions": ["eu-central-1", "us-east-1"], "service": "polly",
                    "hosts": ["https://polly.eu-central-1.amazonaws.com"]},
            "key": {"kind": "static", "ref": "env:KEY"}}"#,
    );
    house.drawer.put("KEY", r#"{"access_key_id": "AKIA", "secret_access_key": "very-secret", "session_token": "session-token"}"#);
    let sign = async |host: &str, secret: &str, region: &str, service: &str| {
        let asked =
            AwsSigV4 { secret: secret.into(), region: region.into(), service: service.into(), payload: AwsPayload::Hashed };
        let signed = house.authorize(&format!("https://{host}/v1/voices"), &[], &Authentication::AwsSigV4(asked)).await;
        signed.map(|(head, _)| head.headers)
    };
    let polly = "polly.eu-central-1.amazonaws.com";
    let headers = sign(polly, "aws", "eu-central-1", "polly").await.unwrap();
    assert!(headers.iter().any(|(name, value)| name == "authorization" && value.contains("/eu-central-1/polly/aws4_request")));
    assert!(headers.contains(&("x-amz-security-token".into(), "session-token".into())));
    for (host, secret, region, service) in [
        (polly, "aws", "eu-west-1", "polly"),
        (polly, "aws", "eu-central-1", "s3"),
        (polly, "aws", "eu-central-1\n", "polly"),
        (polly, "key", "eu-central-1", "polly"),
        (polly, "none", "eu-central-1", "polly"),
        (polly, "a{b}", "eu-central-1", "polly"),
        ("s3.eu-central-1.amazonaws.com", "aws", "eu-central-1", "polly"),
    ] {
        assert!(sign(host, secret, region, service).await.is_err(), "{host} {secret} {region} {service}");
    }
    let mut echo = vec![("x".to_owned(), "session-token".to_owned())];
    assert_eq!(house.grant.secrets.mask_fields(&mut echo), 1);
    assert_eq!(echo[0].1, "*".repeat(13));
}

#[test]
fn every_fault_of_what_is_written_about_secrets_is_told_with_its_path_and_without_the_secret() {
    let specs: BTreeMap<String, SecretSpec> = serde_json::from_str(
        r#"{"a b": {"kind": "static", "ref": "env:KEY"},
            "a": {"kind": "static", "ref": "sk_live_in_the_open", "hosts": ["https://ok.example", "ok.example"]},
            "b": {"kind": "static", "ref": "env:KEY", "hosts": []},
            "c": {"kind": "aws-credentials", "ref": "file:/x", "regions": ["eu/1", "us-east-1"], "service": ""},
            "d": {"kind": "aws-credentials", "ref": "file:/x", "regions": [], "service": "polly"},
            "e": {"kind": "google-service-account", "ref": "file:/x"},
            "f": {"kind": "google-service-account", "ref": "file:/x", "mode": "exchange", "audience": "x"},
            "g": {"kind": "oauth2-client-credentials", "token_url": "wss://x", "client_id": "", "client_secret": "in_the_open"},
            "ok": {"kind": "oauth2-client-credentials", "token_url": "https://x/t", "client_id": "i", "client_secret": "env:KEY"}}"#,
    )
    .unwrap();
    let faults = Secrets::resolve(&specs, Arc::new(Drawer::default())).unwrap_err();
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "a.ref",
            "a.hosts[1]",
            "\"a b\"",
            "b.hosts",
            "c.regions[0]",
            "c.service",
            "d.regions",
            "e.scope",
            "f.audience",
            "g.token_url",
            "g.client_id",
            "g.client_secret"
        ]
    );
    let told = format!("{faults:?} {specs:?}");
    assert!(!told.contains("in_the_open"), "{told}");
    let unknown = r#"{"a": {"kind": "static", "ref": "env:KEY", "host": ["https://x"]}}"#;
    assert!(
        serde_json::from_str::<BTreeMap<String, SecretSpec>>(unknown).unwrap_err().to_string().contains("unknown field `host`")
    );
}
