//! PURE. When a node is asked next: heartbeats, full rounds, and how often views are worth their lines.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Lines of CLUSTER NODES a second that all nodes together may be made to write.
const LINES_PER_SECOND: u64 = 20_000;
/// No heartbeat of a cluster of usual size is later than this.
const BEAT: Duration = Duration::from_millis(250);
/// What each node adds to the time between heartbeats of all, when there are many.
const BEAT_SHARE: Duration = Duration::from_millis(1);

/// Between two heartbeats of one node: a killed one is noticed well within the interval. Of more than 250 nodes the
/// heartbeats are spread, up to one an interval.
pub(super) fn heartbeat(nodes: usize, interval: Duration) -> Duration {
    let often = BEAT.min(interval / 4);
    let many = BEAT_SHARE * u32::try_from(nodes).unwrap_or(u32::MAX);
    often.max(many.min(interval)).max(Duration::from_millis(10))
}

/// Between two full views of one node, in a cluster of that many: each view has a line for each node.
pub(super) fn between_views(nodes: usize, interval: Duration) -> Duration {
    let nodes = nodes as u64;
    interval.max(Duration::from_millis(nodes.saturating_mul(nodes).saturating_mul(1000) / LINES_PER_SECOND))
}

/// How many nodes may be asked for their views at once when there is news.
pub(super) fn views_at_once(nodes: usize) -> usize {
    match nodes {
        0..=100 => nodes,
        more => (LINES_PER_SECOND as usize / more).max(8),
    }
}

/// A fraction in 0..1 that differs between nodes and is always the same for one: spreads their rounds over the interval.
pub(super) fn phase(name: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    f64::from((hasher.finish() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_large_clusters_are_asked_less_often() {
        let second = Duration::from_secs(1);
        for (nodes, expected) in [(6, 1000), (100, 1000), (200, 2000), (1000, 50_000)] {
            let every = between_views(nodes, second);
            assert_eq!(every, Duration::from_millis(expected), "{nodes}");
            assert!((nodes * nodes) as f64 / every.as_secs_f64() <= LINES_PER_SECOND as f64);
        }
        assert_eq!((views_at_once(6), views_at_once(1000), views_at_once(10_000)), (6, 20, 8));
    }

    #[test]
    fn heartbeats_keep_up_with_short_intervals() {
        let beat = |nodes, millis| heartbeat(nodes, Duration::from_millis(millis)).as_millis();
        assert_eq!([beat(6, 1000), beat(6, 200), beat(6, 30_000)], [250, 50, 250]);
        assert_eq!([beat(250, 1000), beat(600, 1000), beat(5000, 1000)], [250, 600, 1000]);
    }

    #[test]
    fn phases_are_spread() {
        let phases: Vec<f64> = (7000..7200).map(|port| phase(&format!("127.0.0.1:{port}"))).collect();
        assert!(phases.iter().all(|phase| (0.0..1.0).contains(phase)));
        for quarter in 0..4 {
            let low = f64::from(quarter) / 4.0;
            let count = phases.iter().filter(|&&phase| phase >= low && phase < low + 0.25).count();
            assert!((20..=80).contains(&count), "{count} of 200 in quarter {quarter}");
        }
    }
}
