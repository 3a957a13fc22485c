//! A gateway that is told to end gives Kafka what its calls have told before it is gone.

use super::{GREETING, Gateway, PATIENCE, QUIET, TOPIC, config, exported};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::{interval, sleep, timeout};
use vg_tests::lab::{Kafka, Ledger};

/// So long Kafka stands still while the gateway ends: it has more time than that.
const STILL: Duration = Duration::from_secs(2);

impl Gateway {
    /// As an operator ends it.
    fn terminate(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
    }

    async fn ended(mut self) -> ExitStatus {
        let gone = async {
            let mut look = interval(Duration::from_millis(20));
            loop {
                look.tick().await;
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
            }
        };
        timeout(PATIENCE, gone).await.expect("the gateway never ends")
    }

    /// Waits until Kafka owes it a report.
    async fn lags(&self) {
        let lags = async {
            let mut look = interval(Duration::from_millis(50));
            let lag = |line: &str| line.strip_prefix("vg_kafka_lag_events ")?.trim().parse::<f64>().ok();
            while !self.metrics().lines().filter_map(lag).any(|lag| lag > 0.0) {
                look.tick().await;
            }
        };
        timeout(PATIENCE, lags).await.expect("no event waits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_ends_leaves_nothing_behind_that_kafka_takes_in_time() {
    let kafka = match Kafka::start().await.unwrap() {
        Ok(kafka) => kafka,
        Err(reason) => return println!("not run: there is no Kafka to be had ({reason})"),
    };
    kafka.topic(TOPIC, 6, &[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &kafka.brokers()).replace("[kafka]\n", "[kafka]\ndrain_s = 60\n");

    // A call is up, and ends with the gateway: its last event is told in the last moment.
    let gateway = Gateway::start(folder.path(), &config);
    let phone = gateway.phone().await;
    assert!(phone.until_answer_ended(QUIET, GREETING).await, "no greeting");
    gateway.terminate();
    assert!(gateway.ended().await.success());
    drop(phone);
    let on_disk = exported(folder.path());
    let ledger = Ledger::read(&kafka.brokers(), TOPIC, on_disk.len(), PATIENCE).await.unwrap();
    assert_eq!(ledger.ids, on_disk.iter().cloned().collect());
    assert_eq!(ledger.count("call.ended"), [1]);

    // Kafka stands still when a call ends, and after it the gateway.
    let mut gateway = Gateway::start(folder.path(), &config);
    let phone = gateway.phone().await;
    assert!(phone.until_answer_ended(QUIET, GREETING).await, "no greeting");
    // It has begun to send.
    Ledger::read(&kafka.brokers(), TOPIC, on_disk.len() + 1, PATIENCE).await.unwrap();
    kafka.pause().unwrap();
    phone.hang_up().await.1.unwrap();
    gateway.lags().await;
    gateway.terminate();
    sleep(STILL).await;
    assert!(gateway.child.try_wait().unwrap().is_none(), "it waits for kafka");
    kafka.resume().unwrap();
    assert!(gateway.ended().await.success());
    let on_disk = exported(folder.path());
    let ledger = Ledger::read(&kafka.brokers(), TOPIC, on_disk.len(), PATIENCE).await.unwrap();
    ledger.is_whole().unwrap();
    assert_eq!(ledger.ids, on_disk.iter().cloned().collect());
    assert_eq!(ledger.count("call.ended"), [1, 1]);
    println!("{} events on the disk of a gateway that ended twice, each in kafka ({} doubles)", on_disk.len(), ledger.doubles);
}
