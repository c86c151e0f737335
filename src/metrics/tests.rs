//! PURE. Metrics of sample clusters, line by line.

use std::collections::BTreeSet;

use super::*;
use crate::alerts::Thresholds;
use crate::cluster::sample::Sample as Cluster;

/// The text of a sample cluster.
fn text(cluster: &mut Cluster, scans: bool) -> String {
    let mut monitor = Monitor::new(Thresholds::default());
    monitor.conclude(&mut cluster.model, cluster.now);
    let reading = Reading {
        model: &cluster.model,
        monitor: &monitor,
        now: cluster.now,
        scans,
        watches: false,
        cost: WatchCost { cpu: Some(Duration::from_millis(1500)), resident_bytes: None, observations: 7 },
    };
    prometheus(&read(&reading), "prod \"eu\"")
}

fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find(|line| line.starts_with(start))
}

#[test]
fn names_keep_the_conventions_and_are_there_once() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for metric in METRICS {
        assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
        assert!(metric.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
}

#[test]
fn a_healthy_cluster_has_its_figures_and_what_is_not_counted_has_none() {
    let mut cluster = Cluster::new(3, 1).rooms(600);
    cluster.seconds(20);
    let said = text(&mut cluster, false);
    assert_eq!(line(&said, "rgc_slots_served"), Some("rgc_slots_served{cluster=\"prod \\\"eu\\\"\"} 16384"));
    assert_eq!(line(&said, "rgc_slots_refused"), Some("rgc_slots_refused{cluster=\"prod \\\"eu\\\"\"} 0"));
    assert!(said.contains("rgc_verdict{cluster=\"prod \\\"eu\\\"\",verdict=\"ok\"} 1"), "{said}");
    assert!(said.contains("# TYPE rgc_node_commands_total counter"));
    assert!(line(&said, "rgc_shard_failover_possible").is_some_and(|line| line.ends_with(" 1")), "{said}");
    assert!(said.contains("process_cpu_seconds_total{cluster=\"prod \\\"eu\\\"\"} 1.5"), "{said}");
    for absent in ["rgc_rooms", "rgc_players", "process_resident_memory_bytes"] {
        assert_eq!(line(&said, absent), None);
    }
    // A rule that nothing has measured is not said to hold.
    let rule = |id: &str| said.contains(&format!("rgc_findings{{cluster=\"prod \\\"eu\\\"\",rule=\"{id}\"}} 0"));
    assert!(rule("node.down") && !rule("errors.high") && !rule("slots.astray"), "{said}");
    let counted = text(&mut cluster, true);
    assert!(line(&counted, "rgc_rooms{").is_some_and(|line| line.ends_with(" 600")), "{counted}");
}

#[test]
fn a_dead_master_is_in_the_figures() {
    let mut cluster = Cluster::new(3, 1);
    cluster.seconds(20);
    cluster.kill(2);
    cluster.poll();
    let said = text(&mut cluster, false);
    let node = "node=\"10.0.0.3:7002\",shard=\"C\"";
    assert!(line(&said, "rgc_slots_refused").is_some_and(|line| line.ends_with(" 5461")), "{said}");
    assert!(said.contains(&format!("rgc_node_up{{cluster=\"prod \\\"eu\\\"\",{node}}} 0")), "{said}");
    assert!(said.contains("verdict=\"critical\"} 1"), "{said}");
    // What it said last is not what is.
    assert!(!said.lines().any(|line| line.starts_with("rgc_node_memory_bytes") && line.contains(node)), "{said}");
    assert!(said.contains("rule=\"node.down\",severity=\"critical\""), "{said}");
}

#[test]
fn json_and_csv_say_the_same() {
    let mut cluster = Cluster::new(3, 1);
    cluster.seconds(20);
    let mut monitor = Monitor::new(Thresholds::default());
    monitor.conclude(&mut cluster.model, cluster.now);
    let (model, now) = (&cluster.model, cluster.now);
    let reading = Reading { model, monitor: &monitor, now, scans: false, watches: false, cost: WatchCost::default() };
    let families = read(&reading);
    let samples: usize = families.iter().map(|family| family.samples.len()).sum();
    let rows = csv(&families, "prod", now, true);
    assert_eq!(rows.lines().count(), samples + 1);
    assert!(rows.starts_with("at,cluster,metric,labels,value\n"));
    let document = json(&families, "prod", now);
    assert_eq!(document["metrics"].as_array().map(Vec::len), Some(families.len()));
    assert!(document.to_string().contains("\"name\":\"rgc_slots_served\",\"kind\":\"gauge\""), "{document}");
}
