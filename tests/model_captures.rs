//! What real servers said while they were killed, frozen, failed over and resharded, told to the model again.
//!
//! The captures were read from six nodes of Redis 7.0.15 with a node timeout of two seconds, five times a second; a reply
//! is written down when it differs from the one before. `@ms port kind` heads each, `# words` says what was done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rgc_tui::alerts::{Thresholds, check};
use rgc_tui::cluster::sample::noon;
use rgc_tui::cluster::{Address, Fact, Health, Model, Observation, Time, Trouble, parse};

/// The model at the end of every poll, with what had been done by then, what changed and which rules did not hold.
struct Replay {
    model: Model,
    now: Time,
    standing: BTreeMap<(u16, String), Fact>,
    lines: Vec<String>,
}

impl Replay {
    fn new() -> Self {
        Self { model: Model::new("captured"), now: noon(), standing: BTreeMap::new(), lines: Vec::new() }
    }

    fn run(text: &str) -> Self {
        let mut replay = Self::new();
        let mut head: Option<(i64, u16, String)> = None;
        let mut body = String::new();
        for line in text.lines().chain(["# end"]) {
            if let Some(words) = line.strip_prefix("# ").or_else(|| line.strip_prefix('@')) {
                if let Some((at, port, kind)) = head.take() {
                    replay.until(at);
                    replay.hear(port, &kind, &std::mem::take(&mut body));
                }
                if line.starts_with('#') {
                    replay.settle();
                    replay.lines.push(line.to_string());
                    continue;
                }
                let mut words = words.splitn(4, ' ');
                let at = words.next().unwrap().parse().unwrap();
                let port = words.next().unwrap().parse().unwrap();
                head = Some((at, port, words.next().unwrap().to_string()));
            } else {
                body.push_str(line);
                body.push('\n');
            }
        }
        replay
    }

    /// Every poll in between found what was there before: it is told again.
    fn until(&mut self, at: i64) {
        let at = noon() + TimeDelta::milliseconds(at);
        if at > self.now {
            self.settle();
        }
        while at > self.now + TimeDelta::milliseconds(400) {
            self.now += TimeDelta::milliseconds(200);
            self.settle();
        }
        self.now = self.now.max(at);
    }

    fn hear(&mut self, port: u16, kind: &str, text: &str) {
        let address = Address::new("127.0.0.1", port);
        let fact = match kind {
            "pong" => Fact::Pong(Duration::from_micros(700)),
            "nodes" => Fact::View(Arc::new(parse::nodes(text, &address).unwrap())),
            "info" => Fact::Info(Arc::new(parse::info(text).unwrap())),
            "cluster_info" => Fact::ClusterInfo(Arc::new(parse::cluster_info(text).unwrap())),
            "trouble" => {
                let word = text.split_whitespace().next().unwrap();
                let health = Health::ALL.iter().find(|health| health.word() == word).copied();
                let code = text.split_whitespace().nth(1).unwrap_or_default();
                Fact::Trouble(Trouble::new(
                    health.filter(|health| *health != Health::Error).unwrap_or(Health::from_error_code(code)),
                    "",
                ))
            }
            other => panic!("unknown kind {other}"),
        };
        if kind == "trouble" {
            self.standing.retain(|(of, _), _| *of != port);
        } else {
            self.standing.remove(&(port, "trouble".to_string()));
        }
        self.standing.insert((port, kind.to_string()), fact);
    }

    fn settle(&mut self) {
        for ((port, _), fact) in &self.standing {
            let source = Address::new("127.0.0.1", *port);
            self.model.apply(&Observation { source, at: self.now, fact: fact.clone() });
        }
        let changes = self.model.settle(self.now);
        self.lines.extend(changes.iter().map(|change| format!("{} {}", change.address.port, change.kind)));
        let topology = self.model.topology();
        assert!(topology.shards.len() <= 3, "{:?}", self.lines);
        let mut rules: Vec<String> =
            check(&self.model, &Thresholds::default(), self.now).iter().map(|finding| finding.rule.to_string()).collect();
        rules.dedup();
        let line = format!("= {}", if rules.is_empty() { "well".into() } else { rules.join(" ") });
        if self.lines.iter().rev().find(|line| line.starts_with('=')) != Some(&line) {
            self.lines.push(line);
        }
    }

    fn names(&self) -> Vec<String> {
        self.model.topology().shards.iter().map(|shard| format!("{} {}", shard.name, shard.slot_count)).collect()
    }
}

fn told(text: &str) -> Replay {
    let replay = Replay::run(text);
    assert_eq!(replay.names(), ["A 5461", "B 5461", "C 5462"]);
    replay
}

#[test]
fn a_master_is_killed_and_started_again() {
    let replay = told(include_str!("captures/kill.txt"));
    insta::assert_snapshot!(replay.lines.join("\n"));
}

#[test]
fn a_master_is_frozen_and_thawed() {
    let replay = told(include_str!("captures/freeze.txt"));
    insta::assert_snapshot!(replay.lines.join("\n"));
}

#[test]
fn a_replica_is_promoted_by_hand() {
    let replay = told(include_str!("captures/failover.txt"));
    insta::assert_snapshot!(replay.lines.join("\n"));
}

#[test]
fn a_slot_is_moved() {
    let replay = Replay::run(include_str!("captures/reshard.txt"));
    assert_eq!(replay.names(), ["A 5460", "B 5462", "C 5462"]);
    insta::assert_snapshot!(replay.lines.join("\n"));
}

#[test]
fn the_majority_is_killed() {
    let replay = told(include_str!("captures/minority.txt"));
    insta::assert_snapshot!(replay.lines.join("\n"));
}
