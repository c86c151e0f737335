//! PURE. The fold on the made-up cluster.

use super::*;
use crate::alerts::Severity;
use crate::cluster::sample::Sample;

struct Bench {
    sample: Sample,
    monitor: Monitor,
}

impl Bench {
    fn new(masters: usize, replicas: usize) -> Self {
        let mut bench = Self { sample: Sample::new(masters, replicas).rooms(300), monitor: Monitor::new(Thresholds::default()) };
        bench.second();
        bench
    }

    /// A second passes; what is new.
    fn second(&mut self) -> News {
        for observation in self.sample.observations() {
            self.sample.model.apply(&observation);
        }
        self.monitor.conclude(&mut self.sample.model, self.sample.now)
    }

    fn first(&self) -> String {
        self.monitor.headline.first()
    }

    fn firing(&self) -> Vec<(&'static str, Severity)> {
        self.monitor.log.standing().iter().map(|finding| (finding.rule, finding.severity)).collect()
    }
}

#[test]
fn the_verdict_keeps_its_subject_from_a_masters_death_to_its_return() {
    let mut bench = Bench::new(3, 1);
    assert_eq!(bench.monitor.verdict, Verdict::Ok);
    bench.sample.kill(0);
    bench.second();
    assert_eq!(bench.monitor.verdict, Verdict::Critical);
    assert!(bench.first().starts_with("shard A has no master · 5461 slots unserved · "), "{}", bench.first());
    assert!(bench.first().ends_with("players"), "{}", bench.first());
    let second = bench.monitor.headline.second().unwrap();
    assert!(second.starts_with("10.0.0.4:7003 is being elected, expected by "), "{second}");
    assert!(second.contains("nothing to do yet"), "{second}");
    // The others call it failed, and every master refuses everything.
    bench.sample.fail(0);
    bench.second();
    assert!(bench.first().starts_with("shard A has no master · no slot is served · "), "{}", bench.first());
    // A replica has been elected, and the other masters have yet to hear of it.
    bench.sample.promote(3);
    bench.sample.servers[1].uninformed = true;
    bench.sample.servers[2].uninformed = true;
    bench.second();
    assert_eq!(bench.monitor.verdict, Verdict::Critical);
    let told = "shard A has a new master · 2 of 3 living masters answer CLUSTERDOWN · 10923 slots unserved · ";
    assert!(bench.first().starts_with(told), "{}", bench.first());
    bench.sample.servers[1].uninformed = false;
    bench.sample.servers[2].uninformed = false;
    bench.second();
    assert_eq!(bench.monitor.verdict, Verdict::Warning);
    assert_eq!(bench.first(), "shard A has no replica · 10.0.0.1:7000 is refused · all 16384 slots served");
    bench.sample.revive(0);
    for _ in 0..4 {
        bench.second();
    }
    assert_eq!(bench.monitor.verdict, Verdict::Ok);
}

#[test]
fn what_follows_from_a_cause_stands_beneath_it() {
    let mut bench = Bench::new(3, 1);
    bench.sample.kill(0);
    bench.sample.fail(0);
    bench.second();
    let lines: Vec<(&str, Option<&str>)> =
        bench.monitor.findings.iter().map(|finding| (finding.rule, finding.caused_by.as_ref().map(|cause| cause.rule))).collect();
    assert_eq!(lines, [("node.down", None), ("slots.unserved", Some("node.down")), ("cluster.down", Some("node.down"))]);
}

#[test]
fn one_spare_replica_of_two_is_a_warning_everywhere() {
    let mut bench = Bench::new(3, 2);
    bench.sample.kill(6);
    for _ in 0..4 {
        bench.second();
        assert_eq!(bench.firing(), [("node.down", Severity::Warning)]);
        assert_eq!(bench.monitor.verdict, Verdict::Warning);
    }
}

#[test]
fn what_is_pending_is_no_verdict() {
    let mut bench = Bench::new(3, 1);
    bench.sample.open_slot(866, 0, 1);
    for _ in 0..30 {
        bench.second();
        assert_eq!((bench.monitor.verdict, bench.monitor.findings.len()), (Verdict::Ok, 1));
        assert_eq!(bench.monitor.phase(&bench.monitor.findings[0]), Phase::Pending);
    }
    bench.second();
    assert_eq!(bench.monitor.verdict, Verdict::Warning);
}

#[test]
fn what_servers_date_themselves_counts_at_once() {
    let mut bench = Bench::new(3, 2);
    bench.sample.servers[3].link_up = false;
    bench.sample.servers[3].link_down_seconds = 4;
    bench.second();
    assert_eq!(bench.monitor.verdict, Verdict::Ok);
    bench.sample.servers[3].link_down_seconds = 60;
    bench.second();
    assert_eq!(bench.firing(), [("replica.link_down", Severity::Warning)]);
}

#[test]
fn a_node_that_only_this_console_cannot_reach_is_no_dead_master() {
    let mut bench = Bench::new(3, 1);
    bench.sample.cut_off(0);
    bench.sample.cut_off(1);
    for second in 0..20 {
        bench.second();
        assert_ne!(bench.monitor.verdict, Verdict::Critical, "{}", bench.monitor.headline);
        let says = format!("{:?}", bench.monitor.findings);
        assert!(!says.contains("takeover`"), "{says}");
        // The others have been heard about it by then.
        if second > 0 {
            assert!(!says.contains("no_master") && !says.contains("quorum.lost"), "{says}");
            assert!(bench.sample.model.unserved().0.is_empty());
        }
    }
    let rules: Vec<&str> = bench.firing().iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, ["node.unreached", "console.minority", "node.unreached"]);
    let second = bench.monitor.headline.second().unwrap();
    assert!(bench.first().contains("this console") || bench.first().contains("from here"), "{}", bench.first());
    assert!(second.contains("leave the node alone"), "{second}");
}

#[test]
fn stalls_are_one_line_and_no_change_back_and_forth() {
    let mut bench = Bench::new(3, 1);
    let mut lines = Vec::new();
    for round in 0..6 {
        // 0.7 s in every two.
        if round % 2 == 0 {
            bench.sample.freeze(0);
            for observation in bench.sample.observations() {
                bench.sample.model.apply(&observation);
            }
            let news = bench.monitor.conclude(&mut bench.sample.model, bench.sample.now);
            lines.extend(news.alerts.iter().map(|event| event.alert.finding.rule));
            assert!(news.changes.is_empty(), "{:?}", news.changes);
            bench.sample.now -= chrono::TimeDelta::milliseconds(300);
            bench.sample.revive(0);
        }
        let news = bench.second();
        assert!(news.changes.is_empty(), "{:?}", news.changes);
        lines.extend(news.alerts.iter().map(|event| event.alert.finding.rule));
    }
    assert_eq!(lines, ["node.stalled"]);
    let finding = &bench.monitor.log.standing()[0];
    assert_eq!(finding.message, "stalled 3 times in 10 s");
}

#[test]
fn too_few_replicas_are_unserved_slots() {
    let mut bench = Bench::new(3, 1);
    bench.sample.servers[0].min_replicas = 1;
    bench.second();
    assert_eq!(bench.monitor.verdict, Verdict::Ok);
    bench.sample.kill(3);
    bench.second();
    bench.second();
    assert_eq!(bench.sample.model.unserved().0.len(), 5461);
    assert_eq!(bench.monitor.verdict, Verdict::Critical);
    assert!(bench.first().contains("5461 slots unserved"), "{}", bench.first());
    let refused = bench.monitor.findings.iter().find(|finding| finding.rule == "writes.refused").unwrap();
    assert!(refused.message.contains("NOREPLICAS"), "{refused:?}");
    assert_eq!(refused.caused_by.as_ref().map(|cause| cause.rule), Some("node.down"));
}
