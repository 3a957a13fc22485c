//! The rows of Kafka.

use super::report::Row;
use crate::adapters::events::kafka::{TopicError, look};
use crate::config::Kafka;
use std::time::Duration;

/// Brokers that are there answer in milliseconds.
const WITHIN: Duration = Duration::from_secs(5);

/// Whether it can be reached, and whether the topic is as it should be.
pub(super) async fn rows(kafka: Option<&Kafka>) -> Vec<Row> {
    let Some(kafka) = kafka else {
        return vec![Row::fine("kafka", "none is configured ([kafka]): events stay in the spool")];
    };
    let topic = match look(kafka, WITHIN).await {
        Ok(topic) => topic,
        // The brokers are there; what is missing is told with the way to make it.
        Err(error @ (TopicError::Missing(_) | TopicError::NotPermitted(_))) => {
            return vec![Row::fault("topic", format_args!("cannot {error}"))];
        }
        Err(error) => return vec![Row::fault("kafka", format_args!("{}: cannot {error}", kafka.brokers))],
    };
    let found = format!("{}: {} partitions, {} copies of each", kafka.topic, topic.partitions, topic.replicas);
    let mut rows = vec![Row::fine("kafka", &kafka.brokers), Row::fine("topic", found)];
    rows.extend(topic.advice(kafka).into_iter().map(|advice| Row::warning("topic", advice)));
    if topic.settings.is_none() {
        rows.push(Row::warning("topic", "its settings may not be read (DescribeConfigs): they are not looked at"));
    }
    rows
}
