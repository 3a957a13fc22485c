use super::*;
use crate::config::{State, StateMode, StateTls};

fn state(text: &str) -> Result<Option<State>, Faults> {
    let environment = [("REDIS_PASSWORD".to_owned(), "hush".to_owned())];
    Config::parse(text, environment, &Machine::here()).map(|config| config.state)
}

fn faults(text: &str) -> String {
    state(text).unwrap_err().to_string()
}

#[test]
fn nothing_is_kept_where_nothing_is_said() {
    assert_eq!(state("").unwrap(), None);
    assert_eq!(state("[state]\nredis = \"\"\nmode = \"\"\nuser = \"\"\npassword = \"\"").unwrap(), None);
}

#[test]
fn one_server_needs_its_url_alone() {
    let state = state("[state]\nredis = \"redis://redis.example/3\"").unwrap().unwrap();
    assert_eq!(state.servers, [("redis.example".to_owned(), 6_379)]);
    assert_eq!((state.mode, state.tls, state.database), (StateMode::Standalone, StateTls::Plain, 3));
    assert_eq!((state.user, state.password, state.ended.as_secs()), (None, None, 3_600));
}

#[test]
fn sentinels_know_a_master_and_have_a_password_of_their_own() {
    let text = "[state]\nmode = \"sentinel\"\nmaster_name = \"calls\"\nredis = [\"rediss://a:1\", \"rediss://[::1]:2\"]\n\
        user = \"gateway\"\npassword = \"env:REDIS_PASSWORD\"\nsentinel_password = \"env:REDIS_PASSWORD\"\nca = \"/etc/ca.pem\"";
    let state = state(text).unwrap().unwrap();
    assert_eq!(state.servers, [("a".to_owned(), 1), ("::1".to_owned(), 2)]);
    let hush = || Some(Pii::new("hush".to_owned()));
    assert_eq!(state.mode, StateMode::Sentinel { master: "calls".to_owned(), password: hush() });
    assert_eq!(state.tls, StateTls::Tls { ca: Some("/etc/ca.pem".into()) });
    assert_eq!((state.user.as_deref(), state.password), (Some("gateway"), hush()));
}

#[test]
fn a_cluster_is_written_in_one_variable_too() {
    let environment = [("VG__STATE__REDIS", "redis://a:1, redis://b:2"), ("VG__STATE__MODE", "cluster")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let state = Config::parse("", environment, &Machine::here()).unwrap().state.unwrap();
    assert_eq!((state.servers.len(), state.mode), (2, StateMode::Cluster));
}

#[test]
fn what_is_wrong_with_it_is_told_by_its_key_and_without_a_secret() {
    let secret = faults("[state]\nredis = \"redis://me:tell-nobody@a\"");
    assert!(secret.starts_with("state.redis: holds a name or password") && !secret.contains("tell-nobody"), "{secret}");
    for (text, wrong) in [
        ("redis = \"http://a\"", "state.redis: expected a URL"),
        ("redis = \"redis://a/x\"", "state.redis: the path"),
        ("redis = \"redis://a,redis://b\"", "state.redis: several URLs need"),
        ("redis = \"redis://a,rediss://b\"\nmode = \"cluster\"", "state.redis: all URLs"),
        ("redis = \"redis://a/1\"\nmode = \"cluster\"", "state.redis: a cluster"),
        ("redis = \"redis://a\"\nmode = \"sentinel\"", "state.master_name: is needed"),
        ("redis = \"redis://a\"\nmode = \"many\"", "state.mode: expected"),
        ("redis = \"redis://a\"\nca = \"x\"", "state.ca: is of no use"),
        ("redis = \"redis://a\"\nuser = \"x\"", "state.password: is needed"),
        ("redis = \"redis://a\"\npassword = \"x\"", "state.password: is not a reference"),
        ("mode = \"cluster\"", "state.redis: is needed"),
    ] {
        let told = faults(&format!("[state]\n{text}"));
        assert!(told.starts_with(wrong), "{text}: {told}");
    }
}
