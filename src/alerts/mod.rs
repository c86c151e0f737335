//! PURE. Rules over the model: what does not hold (findings), and findings over time (alerts).
//!
//! [`check`] looks at the model as it is now; [`AlertLog`] remembers for how long a rule has not held and when that
//! becomes an alert; [`headline()`] says it in one line.

mod causes;
mod finding;
mod headline;
mod log;
mod look;
mod rule;
mod rules;
mod words;

pub use finding::{Cause, Finding, Remedy, Severity, Subject, Thresholds, Verdict, with_commands};
pub use headline::{Headline, headline, leading};
pub use log::{Alert, AlertEvent, AlertLog, Phase};
pub use rule::{Measurement, Rule};
pub use rules::{RULES, is_latched, tells_of, way_back};

use crate::cluster::{Health, Model, SlotSet, Time};
use look::Look;

/// Everything that does not hold right now: the worst cause first, what follows from it beneath. Needs no history: for how
/// long a finding has to stand before it counts is the log's business.
pub fn check(model: &Model, thresholds: &Thresholds, now: Time) -> Vec<Finding> {
    check_during(model, thresholds, now, &SlotSet::default())
}

/// The same while an operation of ours moves slots: open slots among `moving` are its work, not a finding.
pub fn check_during(model: &Model, thresholds: &Thresholds, now: Time, moving: &SlotSet) -> Vec<Finding> {
    let look = Look::new(model, thresholds, now, moving);
    let mut findings = Vec::new();
    for rule in RULES {
        let before = findings.len();
        (rule.find)(rule, &look, &mut findings);
        let found = findings.split_off(before);
        findings.extend(one_a_subject(found));
    }
    causes::link(findings, &look)
}

/// What has happened to one subject more than once is one finding: the first time, with how often it happened again.
fn one_a_subject(found: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<(Finding, usize)> = Vec::with_capacity(found.len());
    for finding in found {
        match kept.iter_mut().find(|(first, _)| first.subject == finding.subject) {
            Some((first, again)) => {
                first.severity = first.severity.max(finding.severity);
                *again += 1;
            }
            None => kept.push((finding, 0)),
        }
    }
    let told = |(mut finding, again): (Finding, usize)| {
        if again > 0 {
            finding.message +=
                &format!("; {} since", if again == 1 { "once more".to_string() } else { format!("{again} times more") });
        }
        finding
    };
    kept.into_iter().map(told).collect()
}

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// One answer to "is it well?". A cluster of which something has not been heard yet is not well: it is unknown.
pub fn verdict(model: &Model, findings: &[Finding]) -> Verdict {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Critical) => Verdict::Critical,
        Some(Severity::Warning) => Verdict::Warning,
        _ if model.nodes().next().is_none() => Verdict::Unknown,
        _ if model.nodes().any(|node| node.health == Health::Unknown && !node.flags.noaddr) => Verdict::Unknown,
        _ => Verdict::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;
    use crate::cluster::{Address, Fact, Observation, SlotRange, Trouble};

    /// `rule severity label message`, in order.
    fn found(sample: &Sample) -> Vec<String> {
        let line =
            |finding: &Finding| format!("{} {} {} {}", finding.rule, finding.severity.word(), finding.label, finding.message);
        findings(sample).iter().map(line).collect()
    }

    fn findings(sample: &Sample) -> Vec<Finding> {
        check(&sample.model, &Thresholds::default(), sample.now)
    }

    fn judge(sample: &Sample) -> (Verdict, String) {
        let findings = findings(sample);
        (verdict(&sample.model, &findings), headline(&sample.model, &findings, None).first())
    }

    #[test]
    fn a_healthy_cluster_has_no_finding() {
        for (masters, replicas) in [(3, 1), (3, 2), (20, 1)] {
            let mut sample = Sample::new(masters, replicas);
            sample.seconds(20);
            assert_eq!(found(&sample), Vec::<String>::new());
            assert_eq!(judge(&sample).0, Verdict::Ok);
        }
        for masters in [1, 2] {
            let mut small = Sample::new(masters, 1);
            small.seconds(20);
            let rules: Vec<_> = findings(&small).iter().map(|finding| (finding.rule, finding.severity)).collect();
            assert_eq!((rules, judge(&small).0), (vec![("quorum.thin", Severity::Info)], Verdict::Ok));
        }
        assert_eq!(judge(&Sample::new(3, 1)).1, "all 16384 slots served · 3 shards, every one with a replica");
    }

    #[test]
    fn before_anybody_has_answered_nothing_is_ok() {
        let mut sample = Sample::unasked(3, 1);
        assert_eq!(judge(&sample), (Verdict::Unknown, "no node has been asked yet".into()));
        for seen in sample.observations().iter().take(4) {
            sample.model.apply(seen);
        }
        sample.model.settle(sample.now);
        let (verdict, line) = judge(&sample);
        assert_eq!(verdict, Verdict::Unknown);
        assert_eq!(line, "asking 10.0.0.2:7001, 10.0.0.3:7002 and 3 more …");
    }

    #[test]
    fn the_life_of_a_crash() {
        let mut sample = Sample::new(3, 1).rooms(600);
        sample.kill(2);
        sample.poll();
        let lines = found(&sample);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert_eq!(lines[0], "node.down critical 10.0.0.3:7002 refused: no process listens there; master of shard C, 5461 slots");
        assert!(lines[1].starts_with("slots.unserved critical shard C 5461 slots unserved (10923-16383): "), "{}", lines[1]);
        assert!(lines[1].ends_with("players, 10.0.0.3:7002 is refused"), "{}", lines[1]);
        let (verdict, line) = judge(&sample);
        assert_eq!(verdict, Verdict::Critical);
        assert!(line.starts_with("shard C has no master · 5461 slots unserved · "), "{line}");
        assert!(findings(&sample)[0].remedy.says.contains("rgc-tui failover 10.0.0.6:7005 --mode force"));

        sample.promote(5);
        sample.poll();
        let lines = found(&sample);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].starts_with("node.down warning 10.0.0.3:7002 refused for 1 s"), "{lines:#?}");
        assert!(lines[0].ends_with("owns no slots, was master of shard C"), "{lines:#?}");
        assert_eq!(
            lines[1],
            "shard.no_replica warning shard C 10.0.0.6:7005 has no replica to take over 5461 slots: 10.0.0.3:7002 is refused"
        );

        assert_eq!(judge(&sample).1, "shard C has no replica · 10.0.0.3:7002 is refused · all 16384 slots served");

        sample.revive(2);
        sample.poll();
        assert_eq!(found(&sample), Vec::<String>::new());
    }

    #[test]
    fn a_second_cause_is_named_and_what_the_first_line_names_is_not_said_twice() {
        let also = |sample: &Sample| headline(&sample.model, &findings(sample), None).also().unwrap_or_default();
        let mut sample = Sample::new(3, 1);
        sample.kill(2);
        sample.poll();
        assert_eq!(also(&sample), "");
        sample.servers[3].link_up = false;
        sample.open_slot(866, 0, 1);
        sample.poll();
        let others = also(&sample);
        let both = ["10.0.0.4:7003 its link to 10.0.0.1:7000 is down for 1 min 10 s", "slots 866: 1 slot is open"];
        assert!(both.iter().all(|other| others.contains(other)) && others.matches(" · ").count() == 1, "{others}");
        let mut sample = Sample::new(3, 1);
        sample.kill(0);
        sample.kill(1);
        sample.poll();
        assert_eq!(also(&sample), "", "no majority, and which shards have no master, is the first line");
        let mut sample = Sample::new(3, 1);
        sample.kill(3);
        sample.kill(4);
        sample.poll();
        assert_eq!(
            (judge(&sample).1.as_str(), also(&sample).as_str()),
            ("shards A B have no replica · 2 nodes are down · all 16384 slots served", "")
        );
    }

    #[test]
    fn the_ways_of_being_down_are_told_apart_and_long_ones_escalate() {
        let mut sample = Sample::new(3, 1);
        sample.freeze(0);
        sample.silence(4);
        sample.poll();
        let lines = found(&sample);
        assert!(lines[0].contains("10.0.0.1:7000 frozen: accepts connections and does not answer"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("node.down warning 10.0.0.5:7004 silent")), "a replica may miss a poll");
        assert!(findings(&sample)[0].remedy.says.contains("kill -CONT 4000"));
        sample.seconds(121);
        let lines = found(&sample);
        assert!(lines.iter().any(|line| line.starts_with("node.down warning 10.0.0.5:7004 silent for 2 min 1 s")), "{lines:#?}");
        assert!(lines[0].ends_with("escalated after 2 min"), "{lines:#?}");
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("shard.no_master critical shard A 10.0.0.4:7003 was expected to be elected by"))
        );
    }

    #[test]
    fn being_kept_out_is_not_being_down() {
        for (code, word) in [("NOAUTH", "noauth"), ("WRONGPASS", "wrongpass"), ("NOPERM", "noperm")] {
            let mut sample = Sample::new(3, 1);
            sample.refuse(1, code);
            sample.poll();
            let lines = found(&sample);
            assert_eq!(lines.len(), 1, "{lines:#?}");
            assert!(lines[0].starts_with(&format!("node.auth warning 10.0.0.2:7001 {word}: ")), "{lines:#?}");
            assert_eq!(judge(&sample).0, Verdict::Warning);
        }
    }

    #[test]
    fn a_node_that_only_we_cannot_reach_is_not_down() {
        let mut sample = Sample::unasked(3, 1);
        for seen in sample.observations() {
            let far = seen.source == sample.address(1);
            let fact = if far { Fact::Trouble(Trouble::new(Health::Silent, "")) } else { seen.fact.clone() };
            if !far || matches!(seen.fact, Fact::Pong(_)) {
                sample.model.apply(&Observation { fact, ..seen });
            }
        }
        sample.model.settle(sample.now);
        let lines = found(&sample);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].starts_with("node.unreached warning 10.0.0.2:7001 silent from here"), "{lines:#?}");
        assert!(sample.model.unserved().0.is_empty());
    }

    #[test]
    fn loading_and_busy_masters_serve_nobody() {
        for (code, rule) in [("LOADING", "node.loading"), ("BUSY", "node.busy")] {
            let mut sample = Sample::new(3, 1);
            sample.refuse(0, code);
            sample.poll();
            let rules: Vec<&str> = findings(&sample).iter().map(|finding| finding.rule).collect();
            assert!(rules.contains(&rule) && rules.contains(&"slots.unserved") && !rules.contains(&"node.down"), "{rules:?}");
            let line = judge(&sample).1;
            assert!(line.starts_with("10.0.0.1:7000 ") && line.ends_with(" · 5461 slots unserved"), "{line}");
        }
    }

    #[test]
    fn a_shard_without_a_replica_is_never_ok() {
        let sample = Sample::new(3, 0);
        let lines = found(&sample);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("shard.no_replica warning shard A") && lines[0].ends_with("it never had one"), "{lines:#?}");
        assert_eq!(judge(&sample).1, "shards A B C have no replica · all 16384 slots served");

        let mut sample = Sample::new(3, 1);
        sample.servers[3].link_up = false;
        sample.poll();
        let lines = found(&sample);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert_eq!(lines[0], "replica.link_down warning 10.0.0.4:7003 its link to 10.0.0.1:7000 is down for 1 min 10 s");
        assert!(lines[1].starts_with("shard.no_replica warning shard A"), "{lines:#?}");

        // A cluster that was made a moment ago: the first copy is under way.
        sample.servers[3].syncing = true;
        sample.poll();
        let lines = found(&sample);
        assert!(lines[0].starts_with("replica.link_down info"), "{lines:#?}");
        assert!(lines[1].starts_with("shard.no_replica warning") && lines[1].ends_with("is still copying"), "{lines:#?}");
    }

    #[test]
    fn a_shard_that_cannot_heal_by_itself_says_so() {
        let mut sample = Sample::new(3, 1);
        sample.kill(0);
        sample.kill(3);
        sample.poll();
        let lines = found(&sample);
        let expected = "shard.no_master critical shard A 10.0.0.1:7000 is refused and no replica is left to take over";
        assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("shard.no_replica")), "{lines:#?}");

        let mut sample = Sample::new(3, 1);
        sample.kill(0);
        sample.kill(1);
        sample.poll();
        let lines = found(&sample);
        assert_eq!(lines[0], "quorum.lost critical prod 1 of 3 masters answer, 2 are needed to elect a new one");
        assert!(
            lines
                .iter()
                .any(|line| line == "shard.no_master critical shard A nobody can be elected: 1 of 3 masters can vote, 2 must")
        );
        assert!(
            judge(&sample).1.starts_with("no majority · shards A B have no master · 10923 slots unserved"),
            "{}",
            judge(&sample).1
        );
    }

    #[test]
    fn when_nobody_answers_the_last_picture_stays() {
        let mut sample = Sample::new(3, 1);
        (0..6).for_each(|number| sample.kill(number));
        sample.poll();
        let lines = found(&sample);
        let first = "cluster.unreachable critical prod none of 6 known nodes answers: 10.0.0.1:7000 refused, 10.0.0.2:7001 refused and 4 more";
        assert_eq!(lines[0], first);
        assert!(!lines.iter().any(|line| line.starts_with("quorum.lost")));
        assert_eq!(judge(&sample).1, first.replace("cluster.unreachable critical prod ", ""));
        assert_eq!(sample.model.topology().shards.len(), 3);
    }

    #[test]
    fn a_seed_that_refuses_is_unreachable_not_unserved() {
        let mut sample = Sample::unasked(3, 1);
        let trouble = Fact::Trouble(Trouble::new(Health::Refused, "connection refused"));
        sample.model.apply(&Observation { source: Address::new("redis-1", 7000), at: sample.now, fact: trouble });
        sample.model.settle(sample.now);
        let lines = found(&sample);
        assert_eq!(lines[0], "cluster.unreachable critical prod the only known node does not answer: redis-1:7000 refused");
        assert!(!lines.iter().any(|line| line.starts_with("slots.")), "{lines:#?}");
    }

    #[test]
    fn open_slots_are_found_unless_we_move_them() {
        let mut sample = Sample::new(3, 1);
        sample.open_slot(866, 0, 1);
        sample.poll();
        let expected = "slots.open warning slots 866 1 slot is open: 10.0.0.1:7000 is migrating to 10.0.0.2:7001 and 10.0.0.2:7001 is importing from 10.0.0.1:7000";
        assert_eq!(found(&sample), [expected]);
        let ours: SlotSet = [866u16].into_iter().collect();
        assert!(check_during(&sample.model, &Thresholds::default(), sample.now, &ours).is_empty());
    }

    #[test]
    fn nodes_that_disagree_are_told_apart_by_what_they_say() {
        let mut sample = Sample::new(3, 1);
        sample.seconds(5);
        sample.stick(4);
        sample.move_slots(SlotRange::new(100, 199), 0, 1);
        sample.poll();
        assert_eq!(found(&sample), Vec::<String>::new(), "views that are only older are no other opinion");
        sample.seconds(2);
        let lines = found(&sample);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].starts_with("views.differ critical prod nodes disagree, 2 views: "), "{lines:#?}");
        assert!(lines[0].ends_with("10.0.0.5:7004 says to 10.0.0.1:7000"), "{lines:#?}");
        assert!(lines[0].contains("say 100-199 belong to 10.0.0.2:7001"), "{lines:#?}");
    }

    #[test]
    fn two_owners_of_a_slot_are_a_conflict() {
        let mut sample = Sample::new(3, 1);
        sample.servers[1].slots.insert(7);
        sample.poll();
        let lines = found(&sample);
        let expected = "slots.conflict critical slots 7 7 is claimed by 10.0.0.1:7000 and 10.0.0.2:7001";
        assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
    }

    #[test]
    fn slots_without_owner_are_named() {
        let mut sample = Sample::new(3, 1).rooms(500);
        sample.servers[0].slots.remove(5);
        sample.servers[0].slots.remove(9);
        sample.poll();
        let lines = found(&sample);
        assert_eq!(lines[0], "slots.unserved critical slots 5 9 2 slots unserved (5 9), nobody owns them");
        let down =
            "cluster.down critical prod 3 of 3 living masters answer CLUSTERDOWN: 10.0.0.1:7000, 10.0.0.2:7001 and 10.0.0.3:7002; ";
        assert!(lines[1].starts_with(down) && lines[1].contains("16382 slots unserved"), "{lines:#?}");
    }

    #[test]
    fn load_is_held_against_the_thresholds() {
        let mut sample = Sample::new(3, 1);
        sample.servers[0].latency = std::time::Duration::from_millis(150);
        sample.servers[1].latency = std::time::Duration::from_millis(500);
        sample.servers[2].memory_bytes = 900 << 20;
        sample.servers[3].memory_bytes = 15 << 30;
        sample.servers[3].maxmemory = 0;
        sample.servers[4].cpu_percent = 81.0;
        sample.servers[5].errors_per_sec = 400.0;
        sample.servers[5].evicted_per_sec = 12.0;
        sample.seconds(2);
        let expected = [
            "latency.high critical 10.0.0.2:7001 500 ms > 100 ms",
            "memory.high warning 10.0.0.3:7002 88 % > 85 % of maxmemory, 1.0 GB",
            "memory.high warning 10.0.0.4:7003 94 % > 85 % of the host's RAM (no maxmemory is set), 16 GB",
            "memory.evicting warning 10.0.0.6:7005 evicts 12 keys a second (noeviction)",
            "latency.high warning 10.0.0.1:7000 150 ms > 100 ms",
            "cpu.high warning 10.0.0.5:7004 81 % > 80 % of one core",
            "errors.high warning 10.0.0.6:7005 10 % > 5 % of its commands fail",
        ];
        assert_eq!(found(&sample), expected);
        // A node that is down has no figures.
        sample.freeze(0);
        sample.kill(3);
        sample.poll();
        let lines = found(&sample);
        assert!(!lines.iter().any(|line| line.contains("10.0.0.1:7000 150 ms") || line.contains("the host's RAM")), "{lines:#?}");
    }

    #[test]
    fn clients_that_go_by_an_old_map_are_no_errors_and_a_finding() {
        let mut sample = Sample::new(3, 1);
        sample.servers[1].moved_per_sec = 6000.0;
        sample.seconds(2);
        let lines = found(&sample);
        let expected = "clients.redirected warning 10.0.0.2:7001 50 % of its commands are answered with MOVED: clients go by an old map of slots";
        assert_eq!(lines, [expected]);
        sample.servers[1].moved_per_sec = 1000.0;
        sample.seconds(2);
        assert_eq!(found(&sample), Vec::<String>::new(), "a few follow every change");
    }

    #[test]
    fn lag_and_doubt_are_found() {
        let mut sample = Sample::new(3, 1);
        sample.lag(4, 40 << 20);
        sample.servers[5].suspected = true;
        sample.seconds(1);
        let lines = found(&sample);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].starts_with("node.suspected warning 10.0.0.6:7005 called fail? by "), "{lines:#?}");
        assert!(lines[1].starts_with("replica.lag warning 10.0.0.5:7004 is 40 MB behind 10.0.0.2:7001"), "{lines:#?}");
    }

    #[test]
    fn silence_is_not_health() {
        let mut sample = Sample::new(3, 1);
        sample.now += chrono::TimeDelta::seconds(20);
        sample.model.settle(sample.now);
        let lines = found(&sample);
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert!(lines[0].starts_with("node.stale warning 10.0.0.") && lines[0].contains("has said nothing for 20 s"), "{lines:#?}");
    }

    #[test]
    fn every_finding_names_its_subject_and_a_way_out() {
        let mut sample = Sample::new(4, 1).rooms(50);
        sample.kill(0);
        sample.kill(4);
        sample.refuse(1, "NOAUTH");
        sample.open_slot(9000, 2, 3);
        sample.lag(6, 1 << 30);
        sample.seconds(3);
        for finding in findings(&sample) {
            assert!(!finding.label.is_empty() && !finding.message.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
            assert!(rule(finding.rule).is_some(), "{finding:?}");
            assert!(!finding.message.ends_with('.') && !finding.message.contains('\n'), "{finding:?}");
        }
    }
}
