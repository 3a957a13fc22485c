//! A distribution that is counted elsewhere.

use prometheus::Opts;
use prometheus::core::{Collector, Desc, Describer};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use std::sync::{Arc, Mutex, PoisonError};

/// A distribution at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paced {
    /// Upper bounds in seconds, ascending, and how many values were within.
    pub within: Vec<(f64, u64)>,
    /// All values.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_s: f64,
}

/// Shows what it was told last as a histogram.
#[derive(Clone)]
pub(super) struct Follower {
    desc: Desc,
    last: Arc<Mutex<Paced>>,
}

impl Follower {
    pub(super) fn new(opts: Opts) -> prometheus::Result<Self> {
        Ok(Self { desc: opts.describe()?, last: Arc::default() })
    }

    pub(super) fn follow(&self, paced: &Paced) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(paced);
    }
}

impl Collector for Follower {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bucket = |(bound, count): (f64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(last.within.into_iter().map(bucket).collect());
        histogram.set_sample_count(last.count);
        histogram.set_sample_sum(last.sum_s);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}
