//! PURE. Figures for other programs: one table of metrics, read from model and monitor, written as Prometheus text, JSON or
//! CSV. What is not known has no sample: absence is not zero.

mod cluster;
mod node;
mod shard;
mod table;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alerts::{Measurement, Rule};
use crate::cluster::{Model, Time};
use crate::monitor::Monitor;

pub use table::{METRICS, MetricKind, MetricRow, markdown};
pub use text::{csv, json, prometheus};

/// What metrics are read from.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub model: &'a Model,
    pub monitor: &'a Monitor,
    pub now: Time,
    /// Masters are gone through for rooms.
    pub scans: bool,
    /// Nodes are polled again and again: rates are known.
    pub watches: bool,
    pub cost: WatchCost,
}

/// What watching costs this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchCost {
    /// CPU time of this process since its start; None where the system does not tell.
    pub cpu: Option<Duration>,
    pub resident_bytes: Option<u64>,
    /// Facts that came in.
    pub observations: u64,
}

/// One figure with what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSample {
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// All samples of one metric.
#[derive(Clone, Debug)]
pub struct Family {
    pub metric: &'static MetricRow,
    pub samples: Vec<MetricSample>,
}

/// Every metric that has a sample.
pub fn read(reading: &Reading<'_>) -> Vec<Family> {
    let forecasts = shard::forecasts(reading);
    let families = METRICS.iter().map(|metric| Family { metric, samples: metric.samples(reading, &forecasts) });
    families.filter(|family| !family.samples.is_empty()).collect()
}

/// By shard, what its master's death would come to now.
type Forecasts = BTreeMap<crate::cluster::ShardName, crate::plan::LostShard>;

impl Reading<'_> {
    /// Rooms are counted, all of them.
    fn counted(&self) -> bool {
        let owning = self.model.nodes().filter(|node| node.is_master() && node.slot_count > 0).map(|node| &node.address);
        self.scans && self.model.rooms().complete(owning)
    }

    /// What this rule asks for is measured.
    fn covers(&self, rule: &Rule) -> bool {
        match rule.needs() {
            None => true,
            Some(Measurement::Rates) => self.watches,
            Some(Measurement::Rooms) => self.counted(),
        }
    }
}
