//! PURE. The fold on the made-up cluster.

use super::*;
use crate::alerts::Severity;
use crate::cluster::sample::Sample;
use crate::cluster::{Address, Fact, Health, Observation};

struct MonitorBench {
    sample: Sample,
    monitor: Monitor,
}

impl MonitorBench {
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
    let mut bench = MonitorBench::new(3, 1);
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
    let mut bench = MonitorBench::new(3, 1);
    bench.sample.kill(0);
    bench.sample.fail(0);
    bench.second();
    let lines: Vec<(&str, Option<&str>)> =
        bench.monitor.findings.iter().map(|finding| (finding.rule, finding.caused_by.as_ref().map(|cause| cause.rule))).collect();
    assert_eq!(lines, [("node.down", None), ("slots.unserved", Some("node.down")), ("cluster.down", Some("node.down"))]);
}

#[test]
fn one_spare_replica_of_two_is_a_warning_everywhere() {
    let mut bench = MonitorBench::new(3, 2);
    bench.sample.kill(6);
    for _ in 0..4 {
        bench.second();
        assert_eq!(bench.firing(), [("node.down", Severity::Warning)]);
        assert_eq!(bench.monitor.verdict, Verdict::Warning);
    }
}

#[test]
fn what_is_pending_is_no_verdict() {
    let mut bench = MonitorBench::new(3, 1);
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
    let mut bench = MonitorBench::new(3, 2);
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
    let mut bench = MonitorBench::new(3, 1);
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
    let mut bench = MonitorBench::new(3, 1);
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
    let mut bench = MonitorBench::new(3, 1);
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

/// Master 2 announces an address where nobody is.
fn misplaced() -> MonitorBench {
    let mut bench = MonitorBench::new(3, 1);
    bench.sample.servers[2].announces = Some(Address::new("10.9.9.9", 7002));
    bench.sample.servers[5].link_up = false;
    bench
}

fn says_misplaced(bench: &MonitorBench) {
    let told =
        "10.9.9.9:7002 announces 10.9.9.9:7002 where nobody reaches it: clients are sent there; master of shard C, 5461 slots, ";
    assert!(bench.first().starts_with(told), "{}", bench.first());
    let second = bench.monitor.headline.second().unwrap();
    assert!(second.contains("cluster-announce-ip ''") && second.contains("no failover"), "{second}");
    let says = format!("{:?}", bench.monitor.findings);
    for wrong in ["--mode", "is being elected", "no_master", "unserved", "start it again"] {
        assert!(!says.contains(wrong), "{wrong}: {says}");
    }
    let below =
        |rule: &str| bench.monitor.findings.iter().find(|finding| finding.rule == rule)?.caused_by.as_ref().map(|cause| cause.rule);
    assert_eq!((below("replica.link_down"), below("shard.no_replica")), (Some("node.announced"), Some("replica.link_down")));
    assert!(bench.sample.model.unserved().0.is_empty());
}

#[test]
fn a_node_that_announces_a_wrong_address_is_not_dead() {
    let mut bench = misplaced();
    let source = bench.sample.address(2);
    for _ in 0..3 {
        bench.second();
        // The watch has tried the announced address, too.
        let fact = Fact::Announced(Some(Health::Refused));
        bench.sample.model.apply(&Observation { source: source.clone(), at: bench.sample.now, fact });
        bench.monitor.conclude(&mut bench.sample.model, bench.sample.now);
        says_misplaced(&bench);
    }
    let found = bench.monitor.findings.iter().find(|finding| finding.rule == "node.announced").unwrap();
    assert!(found.remedy.says.contains("redis-cli -h 10.0.0.3 -p 7002 CONFIG SET"), "{found:?}");
    assert!(found.evidence.iter().any(|line| line == "this console reaches it at 10.0.0.3:7002"), "{found:?}");
    bench.sample.servers[2].announces = None;
    bench.sample.servers[5].link_up = true;
    bench.sample.model.apply(&Observation { source, at: bench.sample.now, fact: Fact::Announced(None) });
    for _ in 0..4 {
        bench.second();
    }
    assert_eq!(bench.monitor.verdict, Verdict::Ok);
}

#[test]
fn a_node_that_only_its_peers_hear_is_not_dead_either() {
    let mut bench = misplaced();
    // This console has never been anywhere else than where it is announced, and its peers have it in their lists of links.
    bench.sample = Sample::unasked(3, 1).rooms(300);
    bench.sample.servers[2].announces = Some(Address::new("10.9.9.9", 7002));
    bench.sample.servers[5].link_up = false;
    bench.sample.kill(2);
    let mut lasting = 0;
    for second in 0..6 {
        for observation in bench.sample.observations() {
            bench.sample.model.apply(&observation);
        }
        for peer in [0, 1, 5] {
            let (source, fact) = (bench.sample.address(peer), Fact::Inbound(std::sync::Arc::new([bench.sample.id(2)].into())));
            bench.sample.model.apply(&Observation { source, at: bench.sample.now, fact });
        }
        bench.monitor.conclude(&mut bench.sample.model, bench.sample.now);
        if second > 2 {
            lasting += 1;
            let first = bench.first();
            assert!(first.starts_with("10.9.9.9:7002 announces 10.9.9.9:7002 where nobody reaches it"), "{first}");
            let says = format!("{:?}", bench.monitor.findings);
            assert!(!says.contains("--mode") && !says.contains("no_master") && says.contains("on its host"), "{says}");
        }
    }
    assert_eq!((lasting, bench.sample.model.unserved().0.len()), (3, 0));
}

#[test]
fn full_copies_again_and_again_are_one_finding_with_their_settings() {
    let mut bench = MonitorBench::new(3, 1);
    bench.sample.servers[3].link_down_seconds = 1;
    let mut fired = Vec::new();
    for second in 0..40 {
        let copying = second % 3 > 0;
        bench.sample.servers[3].link_up = !copying;
        bench.sample.servers[3].syncing = second % 3 == 1;
        bench.sample.servers[0].full_copies += u64::from(second % 3 == 1);
        let news = bench.second();
        fired.extend(news.alerts.iter().map(|event| (event.alert.finding.rule, event.alert.phase)));
    }
    let times = |rule: &str| fired.iter().filter(|(of, _)| *of == rule).count();
    assert_eq!((times("replica.resync"), times("replica.link_down")), (1, 1), "{fired:?}");
    assert_eq!(bench.monitor.verdict, Verdict::Warning);
    let found = &bench.monitor.findings[0];
    assert!(found.message.starts_with("gives everything to 10.0.0.4:7003 again and again: 13 full copies in 36 s"), "{found:?}");
    assert!(found.message.contains("client-output-buffer-limit") && found.message.contains("repl-backlog-size is 1.0 MB"));
    assert!(found.remedy.says.contains("CONFIG SET repl-backlog-size 67108864"), "{found:?}");
    let says = format!("{:?}", bench.monitor.findings);
    assert!(!says.contains("masterauth") && !says.contains("wait for it"), "{says}");
    let roots = bench.monitor.findings.iter().filter(|finding| finding.caused_by.is_none()).count();
    assert_eq!(roots, 1, "{says}");
    // It has caught up.
    bench.sample.servers[3].link_up = true;
    bench.sample.servers[3].syncing = false;
    for _ in 0..60 {
        bench.second();
    }
    assert_eq!(bench.monitor.verdict, Verdict::Ok);
}

#[test]
fn a_replica_that_is_started_thrice_is_no_loop() {
    let mut bench = MonitorBench::new(3, 1);
    for _ in 0..4 {
        bench.sample.restart(3, 0);
        bench.sample.servers[0].full_copies += 1;
        bench.second();
        bench.second();
        assert!(!bench.monitor.findings.iter().any(|finding| finding.rule == "replica.resync"), "{:?}", bench.monitor.findings);
    }
}

#[test]
fn a_partition_leads_and_all_else_stands_beneath_it() {
    let mut bench = MonitorBench::new(3, 1);
    bench.sample.split(&[2]);
    bench.second();
    let phase = |bench: &MonitorBench| bench.monitor.phase(&bench.monitor.findings[0]);
    assert_eq!((bench.monitor.findings[0].rule, phase(&bench)), ("cluster.partition", Phase::Pending));
    bench.sample.doubt_the_other_side();
    for round in 0..12 {
        if round == 6 {
            // The majority has elected its replica, and the other side knows that it is alone.
            let id = bench.sample.id(2);
            bench.sample.servers[2].stuck = bench.sample.model.node(id).unwrap().view.clone();
            bench.sample.servers[2].uninformed = true;
            bench.sample.promote(5);
        }
        bench.second();
        assert_eq!(bench.monitor.verdict, Verdict::Critical);
        let reached = if round < 6 { 2 } else { 3 };
        let told = format!(
            "partition: {{10.0.0.1:7000, 10.0.0.2:7001, 10.0.0.4:7003, 10.0.0.5:7004, 10.0.0.6:7005}} | {{10.0.0.3:7002}}; \
             the first has the majority, {reached} of 3 masters, and serves; 10.0.0.3:7002 "
        );
        assert!(bench.first().starts_with(&told), "{}", bench.first());
        let vain = bench.first().contains("acknowledges writes in vain until its cluster_state turns fail (5461 slots, ");
        assert_eq!(vain, round < 6, "{}", bench.first());
        let says = format!("{:?}", bench.monitor.findings);
        assert!(!says.contains("--mode") && !says.contains("rgc-tui fix"), "{says}");
        let roots: Vec<&str> =
            bench.monitor.findings.iter().filter(|finding| finding.caused_by.is_none()).map(|finding| finding.rule).collect();
        assert_eq!(roots, ["cluster.partition"], "{says}");
    }
}

#[test]
fn slots_that_only_a_replica_has_open_are_found() {
    let mut bench = MonitorBench::new(3, 1);
    let peer = bench.sample.id(1);
    let mark = crate::cluster::Open { slot: 866, direction: crate::cluster::OpenDirection::Migrating, peer };
    bench.sample.servers[3].open.push(mark);
    for _ in 0..7 {
        bench.second();
    }
    assert_eq!(bench.firing(), [("slots.open_on_replica", Severity::Warning)]);
    let found = &bench.monitor.findings[0];
    assert!(found.message.starts_with("1 slot (866) is open on it and not on its master"), "{found:?}");
    assert!(found.remedy.says.contains("rgc-tui fix"), "{found:?}");
    // On its master, too: servers of this kind say it twice, and it is an open slot like any other.
    bench.sample.servers[0].open.push(mark);
    bench.second();
    assert!(bench.monitor.findings.iter().any(|finding| finding.rule == "slots.open"));
    assert!(!bench.monitor.findings.iter().any(|finding| finding.rule == "slots.open_on_replica"));
}

#[test]
fn what_a_cluster_that_joined_takes_stands_beneath_its_joining() {
    let mut bench = MonitorBench::new(3, 1);
    for _ in 0..8 {
        bench.second();
    }
    bench.sample.meet(&[crate::cluster::SlotRange::new(0, 8000)]);
    for _ in 0..12 {
        bench.second();
    }
    let below: Vec<(&str, Option<&str>)> =
        bench.monitor.findings.iter().map(|finding| (finding.rule, finding.caused_by.as_ref().map(|cause| cause.rule))).collect();
    assert!(below.contains(&("cluster.joined", None)), "{below:?}");
    let conflict = below.iter().find(|(rule, _)| *rule == "slots.conflict");
    assert!(conflict.is_none_or(|(_, cause)| *cause == Some("cluster.joined")), "{below:?}");
}

#[test]
fn a_master_that_keeps_no_file_is_not_started_before_the_replica_that_has_its_data() {
    let mut bench = MonitorBench::new(3, 1);
    bench.sample.servers[0].unsaved = 120;
    bench.second();
    for dead in [0, 1] {
        bench.sample.kill(dead);
        bench.sample.fail(dead);
    }
    // Too long without its master to stand by itself; a takeover does not ask for that.
    bench.sample.servers[3].link_up = false;
    bench.sample.servers[3].link_down_seconds = 3600;
    for _ in 0..3 {
        bench.second();
    }
    let says: Vec<&str> = bench.monitor.findings.iter().map(|finding| finding.remedy.says.as_str()).collect();
    let told = "`rgc-tui failover 10.0.0.4:7003 --mode takeover`, one shard at a time, before 10.0.0.1:7000 is started: it keeps no \
                append-only file and comes back without its last 120 writes";
    assert!(says.iter().any(|says| says.contains(told)), "{says:#?}");
    assert!(!says.iter().any(|says| says.contains("only copy") || says.contains("no replica")), "{says:#?}");
}

#[test]
fn no_rule_holds_by_what_a_node_does_not_tell() {
    let mut sample = Sample::unasked(3, 1);
    sample.servers[1].silent_info = true;
    sample.seconds(3);
    let untold = |id: &str| {
        let rule = crate::alerts::RULES.iter().find(|rule| rule.id == id).unwrap();
        rule.untold(&sample.model).map(|(command, node)| (command, node.address.to_string()))
    };
    for id in ["memory.high", "writes.refused", "replica.link_down"] {
        assert_eq!(untold(id), Some(("INFO", "10.0.0.2:7001".to_string())), "{id}");
    }
    assert_eq!((untold("cluster.down"), untold("node.down")), (None, None));
}
