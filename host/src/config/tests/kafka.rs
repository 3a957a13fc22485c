use super::*;
use crate::config::{KafkaCompression, KafkaMechanism, KafkaTransport};

#[test]
fn brokers_a_user_and_how_they_are_reached_are_read() {
    let kafka = |text: &str| {
        Config::parse(&format!("[events]\ndir = '/e'\n{text}"), variables(&[("KEY", "s3cret")]), &machine()).unwrap()
    };
    assert_eq!(kafka("").kafka, None);
    assert_eq!(kafka("[kafka]\nbrokers = ''").kafka, None);
    let plain = kafka("[kafka]\nbrokers = 'kafka-1:9092, [::1]:9092'\ntransport = 'plain'").kafka.unwrap();
    assert_eq!((plain.brokers.as_str(), plain.topic.as_str()), ("kafka-1:9092,[::1]:9092", "voice-gateway.events"));
    assert_eq!((plain.transport, plain.login, plain.compression), (KafkaTransport::Plain, None, KafkaCompression::Lz4));
    let config = kafka(
        "[kafka]\nbrokers = 'kafka-1:9093'\ntransport = 'tls'\nca = '/etc/ca.pem'\nuser = 'gateway'\npassword = 'env:KEY'\n\
         topic = 'calls'\ncompression = 'none'",
    );
    assert!(!format!("{config:?}").contains("s3cret"));
    let secure = config.kafka.unwrap();
    assert_eq!(secure.transport, KafkaTransport::Tls { ca: Some("/etc/ca.pem".into()) });
    let login = secure.login.unwrap();
    assert_eq!(
        (login.mechanism, login.user.as_str(), login.password.reveal().as_str()),
        (KafkaMechanism::ScramSha512, "gateway", "s3cret")
    );
}

#[test]
fn what_no_kafka_can_be_is_told_by_its_place() {
    let fault = |lines: &str| faults(&format!("[events]\ndir = '/e'\n[kafka]\n{lines}"), &[("KEY", "s3cret")]);
    let expected = "kafka.brokers: expected HOST:PORT, several with , between, for example kafka-1:9092";
    for bad in ["kafka-1", "kafka-1:", "http://kafka-1:9092", "::1:9092", ",", "kafka-1:9092,kafka-2"] {
        assert_eq!(fault(&format!("brokers = '{bad}'")), [expected], "{bad}");
    }
    assert_eq!(
        fault("brokers = '[::1]:1'\ntopic = 'a b'"),
        ["kafka.topic: expected up to 249 letters, digits, `.`, `_` and `-`"]
    );
    assert_eq!(fault("brokers = '[::1]:1'\nca = '/ca'"), ["kafka.ca: is of no use without kafka.transport = tls"]);
    assert_eq!(fault("brokers = '[::1]:1'\nuser = 'u'"), ["kafka.password: is needed where kafka.user is set"]);
    assert_eq!(fault("brokers = '[::1]:1'\ncompression = 'rar'"), ["kafka.compression: expected lz4, snappy or none"]);
    assert_eq!(fault("transport = 'tls'"), ["kafka.brokers: is needed where another key of the section is set"]);
    let login = "user = 'u'\npassword = 'env:KEY'\nmechanism = 'plain'";
    let open = ["kafka.password: goes by kafka.transport = tls only, or to this machine"];
    assert_eq!(fault(&format!("brokers = '127.0.0.1:1,10.0.0.7:1'\ntransport = 'plain'\n{login}")), open);
    let silent = ["kafka.transport: is needed, tls or plain: brokers are on other machines"];
    assert_eq!(fault("brokers = '127.0.0.1:1,10.0.0.7:1'"), silent);
    assert!(
        Config::parse(
            &format!("[events]\ndir = '/e'\n[kafka]\nbrokers = 'localhost:1'\n{login}"),
            variables(&[("KEY", "x")]),
            &machine()
        )
        .is_ok()
    );
}

#[test]
fn events_have_a_place_and_a_bound_and_kafka_needs_the_place() {
    let events = |text: &str| Config::parse(text, variables(&[]), &machine()).unwrap().events;
    assert_eq!((events("").dir, events("").bytes_max, events("").keep.as_secs()), (None, 1 << 30, 7 * 86_400));
    let own = events("[events]\ndir = '/e'\nmib_max = 2\nkeep_days = 1");
    assert_eq!((own.dir, own.bytes_max, own.keep.as_secs()), (Some("/e".into()), 2 << 20, 86_400));
    assert_eq!(faults("[events]\nmib_max = 0", &[]), ["events.mib_max: must be at least 1"]);
    let needed = "events.dir: is needed: without a folder of its own for events one would be lost with each outage of kafka";
    assert_eq!(faults("[kafka]\nbrokers = 'localhost:1'", &[]), [needed]);
}
