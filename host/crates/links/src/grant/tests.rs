use super::*;
use crate::wire::LinkErrorKind;
use std::collections::VecDeque;
use std::sync::Mutex;

fn rules(rules: &[&str]) -> Vec<HostRule> {
    rules.iter().map(|rule| rule.parse().unwrap()).collect()
}

fn grant(wish: &[&str], policy: &[&str], tenant: Option<&[&str]>, networks: &[&str]) -> Grant {
    let policy = Policy { hosts: rules(policy), networks: networks.iter().map(|network| network.parse().unwrap()).collect() };
    Grant {
        tenant: "acme".into(),
        plugin: "stt-x".into(),
        reach: Reach { wish: rules(wish), policy, tenant: tenant.map(rules) },
        secrets: Secrets::default(),
        connections: Arc::new(Semaphore::new(1)),
        budget: Budget::default(),
    }
}

fn open(hosts: &[&str], networks: &[&str]) -> Grant {
    grant(hosts, hosts, None, networks)
}

fn target(url: &str) -> Target {
    let schemes = if url.starts_with("ws") { Schemes::Websocket } else { Schemes::Http };
    Target::parse(url, schemes).unwrap().0
}

fn denied(refusal: Result<(), Refusal>) -> String {
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.kind(), LinkErrorKind::EgressDenied);
    refusal.advice().unwrap().to_owned()
}

/// Answers each question with the next list.
struct Answers(Mutex<VecDeque<Vec<IpAddr>>>);

impl Answers {
    fn new(lists: &[&[&str]]) -> Self {
        let list = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Self(Mutex::new(lists.iter().map(list).collect()))
    }
}

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let answer = self.0.lock().unwrap().pop_front().unwrap();
        Box::pin(async { Ok(answer) })
    }
}

async fn reached(grant: &Grant, url: &str, answers: &Answers) -> Result<Vec<String>, Refusal> {
    let addresses = grant.addresses(&target(url), answers).await?;
    Ok(addresses.iter().map(ToString::to_string).collect())
}

#[test]
fn a_rule_permits_its_scheme_host_and_port_and_nothing_beside() {
    let permits = |rule: &str, url: &str| rule.parse::<HostRule>().unwrap().permits(&target(url));
    assert!(permits("https://api.example.com", "https://API.Example.com/v1?x=y"));
    assert!(permits("https://api.example.com", "https://api.example.com:443/"));
    assert!(permits("wss://api.example.com:8443", "wss://api.example.com:8443/"));
    assert!(permits("https://*.example.com", "https://a.b.example.com/"));
    assert!(permits("https://BÜCHER.example", "https://xn--bcher-kva.example/"));
    assert!(permits("https://api.example.com", "https://\u{ff41}pi.example.com/"), "wide letters are the same name");
    assert!(permits("http://[::1]:80", "http://[0:0::1]/"));
    for (rule, url) in [
        ("https://api.example.com", "http://api.example.com/"),
        ("https://api.example.com", "wss://api.example.com/"),
        ("https://api.example.com", "https://api.example.com:8443/"),
        ("https://api.example.com", "https://xapi.example.com/"),
        ("https://api.example.com", "https://api.example.com.evil.example/"),
        ("https://api.example.com", "https://api.ex\u{430}mple.com/"),
        ("https://*.example.com", "https://example.com/"),
        ("https://*.example.com", "https://badexample.com/"),
        ("https://*.example.com", "https://127.0.0.1/"),
        ("http://127.0.0.1", "http://[::ffff:127.0.0.1]/"),
    ] {
        assert!(!permits(rule, url), "{rule} permits {url}");
    }
}

#[test]
fn every_spelling_of_an_address_is_that_address() {
    let rule: HostRule = "http://127.0.0.1".parse().unwrap();
    for url in [
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1/",
        "http://\u{ff11}27.0.0.1/",
    ] {
        assert!(rule.permits(&target(url)), "{url}");
    }
}

#[test]
fn a_url_that_could_be_read_in_two_ways_is_refused() {
    for url in [
        "https://user@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://:pass@api.example.com/",
        "https://api.example.com./",
        "https://127.0.0.1./",
        "https://a..example.com/",
        "https://{secret:key}.evil.example/",
        "https://{secret}.evil.example/",
        "https://api.example.com/#x",
        "https://api.example.com:0/",
        "https://api.example.com:65536/",
        "https://%00.example.com/",
        "https:///",
        "wss://api.example.com/",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "data:,x",
        "//api.example.com/",
        "api.example.com",
        "",
    ] {
        let parsed = Target::parse(url, Schemes::Http);
        // "127.0.0.1." is read as an address; that is one way to read it.
        let one_way = parsed.as_ref().is_ok_and(|(target, _)| target.literal().is_some());
        assert!(one_way || matches!(parsed, Err(Refusal::Invalid(_))), "{url}: {parsed:?}");
    }
    let long = format!("https://{}example.com/", "a.".repeat(130));
    assert!(Target::parse(&long, Schemes::Http).is_err());
}

#[test]
fn a_rule_that_says_too_much_is_no_rule() {
    for (text, fault) in [
        ("api.example.com", RuleFault::Scheme),
        ("ftp://api.example.com", RuleFault::Scheme),
        ("*", RuleFault::Scheme),
        ("https://*", RuleFault::Star),
        ("https://*.*.com", RuleFault::Star),
        ("https://a*.example.com", RuleFault::Star),
        ("https://*example.com", RuleFault::Star),
        ("https://*.10.0.0.1", RuleFault::Star),
        ("https://api.example.com/", RuleFault::Rest),
        ("https://api.example.com/v1", RuleFault::Rest),
        ("https://user@api.example.com", RuleFault::Rest),
        ("https://api.example.com?x", RuleFault::Rest),
        ("https://api.example.com:*", RuleFault::Port),
        ("https://api.example.com:", RuleFault::Port),
        ("https://api.example.com:+80", RuleFault::Port),
        ("https://api.example.com:0", RuleFault::Port),
        ("https://", RuleFault::Host),
        ("https://api.example.com.", RuleFault::Host),
        ("https://a b.example", RuleFault::Host),
    ] {
        assert_eq!(text.parse::<HostRule>(), Err(fault), "{text}");
    }
    for text in ["https://api.example.com", "wss://*.example.com:8443", "http://[::1]:8080", "ws://127.0.0.1:1"] {
        assert_eq!(text.parse::<HostRule>().unwrap().to_string(), text);
    }
}

#[test]
fn a_wish_is_covered_where_all_of_it_is_permitted() {
    let covers = |policy: &str, wish: &str| policy.parse::<HostRule>().unwrap().covers(&wish.parse().unwrap());
    for (policy, wish) in [
        ("https://a.example.com", "https://a.example.com:443"),
        ("https://*.example.com", "https://a.b.example.com"),
        ("https://*.example.com", "https://*.example.com"),
        ("https://*.example.com", "https://*.b.example.com"),
        ("http://[::1]", "http://[0::1]"),
    ] {
        assert!(covers(policy, wish), "{policy} {wish}");
    }
    for (policy, wish) in [
        ("https://a.example.com", "https://*.example.com"),
        ("https://*.b.example.com", "https://*.example.com"),
        ("https://*.example.com", "https://example.com"),
        ("https://*.example.com", "https://*.badexample.com"),
        ("https://*.example.com", "wss://a.example.com"),
        ("https://*.example.com", "https://a.example.com:8443"),
    ] {
        assert!(!covers(policy, wish), "{policy} {wish}");
    }
}

#[test]
fn a_refusal_tells_the_operator_which_of_the_three_lacks_it_and_the_guest_nothing_of_it() {
    let api = target("wss://api.example.com/listen?phrase=words");
    let hosts: &[&str] = &["wss://api.example.com"];
    assert_eq!(open(hosts, &[]).permit(&api), Ok(()));
    let policy = grant(hosts, &[], None, &[]).permit(&api);
    assert_eq!(policy.as_ref().unwrap_err().to_string(), "wss://api.example.com is not permitted");
    assert_eq!(denied(policy), r#"add to policy: [plugin."stt-x"] hosts = ["wss://api.example.com"]"#);
    assert!(denied(grant(&[], hosts, None, &[]).permit(&api)).contains("descriptor does not ask for wss://api.example.com"));
    assert!(denied(grant(hosts, hosts, Some(&[]), &[]).permit(&api)).contains("tenant does not permit wss://api.example.com"));
    assert_eq!(grant(hosts, hosts, Some(hosts), &[]).permit(&api), Ok(()));
}

#[tokio::test]
async fn an_address_inside_the_house_is_refused_in_every_dress() {
    let grant = open(&["https://api.example.com"], &[]);
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.1.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:0:100::",
        "2002:a00:1::",
        "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "2001:db8::1",
        "2001:2::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "4000::1",
        "2001:470::5efe:10.0.0.1",
    ] {
        let refused = reached(&grant, "https://api.example.com/", &Answers::new(&[&[address]])).await;
        let refusal = refused.expect_err(address);
        assert_eq!(refusal.to_string(), "https://api.example.com is not permitted", "{address}");
        assert!(refusal.advice().unwrap().contains("networks = ["), "{address}");
    }
    for address in [
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "198.17.0.1",
        "223.255.255.255",
        "2001:4860::8888",
        "2620:fe::fe",
    ] {
        reached(&grant, "https://api.example.com/", &Answers::new(&[&[address]])).await.expect(address);
    }
}

#[tokio::test]
async fn the_operator_opens_a_network_and_only_that() {
    let grant = open(&["https://api.example.com"], &["10.0.0.0/8", "fd00::/8", "64:ff9b::/96", "169.254.0.0/16"]);
    let answer = async |address: &str| reached(&grant, "https://api.example.com/", &Answers::new(&[&[address]])).await;
    for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "64:ff9b::8.8.8.8", "64:ff9b::10.1.2.3", "169.254.1.1"] {
        assert!(answer(address).await.is_ok(), "{address}");
    }
    for address in
        ["192.168.0.1", "::ffff:192.168.0.1", "::ffff:8.8.8.8", "64:ff9b::127.0.0.1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::"]
    {
        assert!(answer(address).await.is_err(), "{address}");
    }
    for metadata in
        ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "fd00:ec2::254", "64:ff9b::168.63.129.16"]
    {
        let advice = answer(metadata).await.expect_err(metadata).advice().unwrap().to_owned();
        assert!(advice.contains("metadata"), "{advice}");
    }
    let told = open(&["http://169.254.169.254"], &["169.254.169.254/32"]);
    assert!(reached(&told, "http://169.254.169.254/", &Answers::new(&[])).await.is_ok());
}

#[tokio::test]
async fn one_bad_address_among_good_ones_is_not_dialled() {
    let grant = open(&["https://api.example.com"], &[]);
    let answers = Answers::new(&[&["10.0.0.1", "8.8.4.4", "::1", "2620:fe::fe"], &[]]);
    let url = "https://api.example.com/";
    assert_eq!(reached(&grant, url, &answers).await.unwrap(), ["8.8.4.4:443", "[2620:fe::fe]:443"]);
    assert_eq!(reached(&grant, url, &answers).await, Err(Refusal::Dns), "a name without addresses does not resolve");
}

#[tokio::test]
async fn a_name_that_is_bound_anew_to_the_house_is_refused_at_its_next_connection() {
    let grant = open(&["https://api.example.com"], &[]);
    let answers = Answers::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let url = "https://api.example.com/";
    assert_eq!(reached(&grant, url, &answers).await.unwrap(), ["8.8.8.8:443"]);
    let advice = reached(&grant, url, &answers).await.unwrap_err().advice().unwrap().to_owned();
    assert_eq!(
        advice,
        r#"https://api.example.com leads to an address that is loopback; add to policy: [plugin."stt-x"] networks = ["127.0.0.0/8"]"#
    );
}

#[tokio::test]
async fn an_address_in_the_url_is_checked_like_one_that_was_looked_up() {
    let hosts: &[&str] = &["http://127.0.0.1:9000", "http://[::ffff:7f00:1]:9000"];
    for url in ["http://127.0.0.1:9000/", "http://0x7f.1:9000/", "http://[::ffff:127.0.0.1]:9000/"] {
        let (closed, opened) = (open(hosts, &[]), open(hosts, &["127.0.0.0/8"]));
        assert_eq!(closed.permit(&target(url)), Ok(()));
        assert!(reached(&closed, url, &Answers::new(&[])).await.is_err(), "{url}");
        assert!(reached(&opened, url, &Answers::new(&[])).await.is_ok(), "{url}");
    }
}
