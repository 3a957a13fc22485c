use super::*;

const ELSEWHERE: &str = "
[[asterisk]]
url = 'http://10.0.0.7:8088'
user = 'u'
password = 'env:P'
ami = 'pbx:5038'
ami_user = 'm'
ami_password = 'env:P'
ami_transport = 'plain'
[agent]
kind = 'http'
url = 'http://agent.example'
[tenants]
source = 'manager'
url = 'http://tenants.example'
[telemetry]
otlp_endpoint = 'http://collector.example:4318'
[state]
redis = ['redis://a.example:6379', 'redis://localhost:6380']
mode = 'cluster'
[events]
dir = '/e'
[kafka]
brokers = 'k:9092,[::1]:9092'
transport = 'plain'
";

fn plain(text: &str) -> Vec<String> {
    let config = Config::parse(text, variables(&[("P", "p")]), &machine()).unwrap();
    config.plain().into_iter().map(|plain| format!("{} {}", plain.setting, plain.to)).collect()
}

#[test]
fn what_leaves_this_machine_unencrypted_is_named() {
    let named = [
        "asterisk[0].url 10.0.0.7",
        "asterisk[0].ami pbx:5038",
        "agent.url agent.example",
        "tenants.url tenants.example",
        "telemetry.otlp_endpoint collector.example",
        "state.redis a.example:6379",
        "kafka.brokers k:9092",
    ];
    assert_eq!(plain(ELSEWHERE), named);
}

#[test]
fn what_stays_here_or_is_encrypted_is_not() {
    let here = ["10.0.0.7", "pbx", "agent.example", "tenants.example", "collector.example", "a.example", "k:"];
    let here = here.iter().fold(ELSEWHERE.to_owned(), |text, host| {
        text.replace(host, if host.ends_with(':') { "localhost:" } else { "127.0.0.1" })
    });
    assert_eq!(plain(&here), [""; 0]);
    let sealed = ELSEWHERE.replace("http://", "https://").replace("redis://", "rediss://").replace("'plain'", "'tls'");
    assert_eq!(plain(&sealed), [""; 0]);
}

#[test]
fn strictly_masked_calls_need_trusted_networks_for_sound_that_leaves_this_machine() {
    let media = |bind: &str, networks: &str| {
        format!(
            "[pci]\nmode = 'strict'\n[media]\nbind = '{bind}'\nadvertise = '10.0.0.1'\ntrusted_networks = [{networks}]\n\
             [[asterisk]]\nmode = 'accept'\nuser = 'u'\npassword = 'env:P'\n"
        )
    };
    let told = |bind, networks| {
        Config::parse(&media(bind, networks), variables(&[("P", "p")]), &machine()).map(|config| config.media.trusted)
    };
    assert_eq!(told("127.0.0.1:0", ""), Ok(Vec::new()));
    assert_eq!(told("10.0.0.1:0", "'10.0.0.0/8', '::1'").unwrap().len(), 2);
    assert_eq!(told("0.0.0.0:0", "'10.0.0.9'").unwrap(), ["10.0.0.9/32".parse().unwrap()]);
    let needed = "media.trusted_networks: is needed: where pci.mode is strict, sound that is not encrypted goes to this machine or to networks that \
                  are named here";
    for (bind, networks) in [("10.0.0.1:0", ""), ("0.0.0.0:0", ""), ("10.0.0.1:0", "'192.168.0.0/16'")] {
        assert_eq!(faults(&media(bind, networks), &[("P", "p")]), [needed], "{bind} {networks}");
    }
    for (network, what) in [
        ("ten", "expected a network as 10.0.0.0/8, or an address"),
        ("10.0.0.9/8", "has bits behind the prefix: a network begins at its first address"),
    ] {
        let text = format!("media.trusted_networks: {network}: {what}");
        assert_eq!(faults(&format!("[media]\ntrusted_networks = ['{network}']"), &[]), [text]);
    }
}
