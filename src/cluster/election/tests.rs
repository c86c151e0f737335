//! PURE. Elections on the made-up cluster.

use super::*;
use crate::cluster::sample::Sample;

fn of(sample: &Sample, shard: usize) -> Election {
    election(&sample.model, &sample.model.topology().shards[shard], sample.now)
}

#[test]
fn the_only_replica_wins_within_a_deadline_that_expires() {
    let mut sample = Sample::new(3, 1);
    assert_eq!(of(&sample, 0).outlook(sample.now), None, "its master lives");
    assert_eq!(of(&sample, 0).winner_address(), Some(&sample.address(3)));
    sample.kill(0);
    sample.poll();
    let run = of(&sample, 0);
    let (_, to) = run.gap.unwrap();
    match run.outlook(sample.now) {
        Some(Outlook::Expected { winner, by }) => {
            assert_eq!((&winner.address, by), (&sample.address(3), sample.now + chrono::TimeDelta::from_std(to).unwrap()));
        }
        other => panic!("{other:?}"),
    }
    sample.now += chrono::TimeDelta::from_std(to * 2).unwrap();
    assert!(matches!(of(&sample, 0).outlook(sample.now), Some(Outlook::Overdue { .. })));
}

#[test]
fn replica_priority_is_not_looked_at() {
    let mut sample = Sample::new(3, 1);
    sample.servers[3].priority = 0;
    sample.kill(0);
    sample.poll();
    assert_eq!(of(&sample, 0).winner_address(), Some(&sample.address(3)));
}

#[test]
fn a_replica_that_was_never_linked_does_not_stand() {
    let mut sample = Sample::new(3, 1);
    sample.kill(0);
    sample.servers[3].link_up = false;
    sample.servers[3].link_down_seconds = -1;
    sample.poll();
    let run = of(&sample, 0);
    assert_eq!((run.winner(), run.candidates[0].obstacle.clone()), (None, Some(CandidateObstacle::NeverLinked)));
    let says = run.hopeless().unwrap().to_string();
    assert_eq!(says, "10.0.0.4:7003 has not reached its master since it was started, and may not stand");
    assert!(run.candidates[0].obstacle.as_ref().unwrap().yields_to_force());
}

#[test]
fn a_link_that_is_down_for_too_long_bars_and_counts_on() {
    let mut sample = Sample::new(3, 1);
    sample.kill(0);
    sample.servers[3].link_up = false;
    // Node timeout 15 s: 10 s + 150 s + 15 s.
    sample.servers[3].link_down_seconds = 174;
    sample.poll();
    assert!(of(&sample, 0).winner().is_some());
    sample.now += chrono::TimeDelta::seconds(2);
    assert!(matches!(of(&sample, 0).candidates[0].obstacle, Some(CandidateObstacle::Outdated { .. })));
}

#[test]
fn what_is_lost_is_told_from_when_the_link_broke() {
    let mut sample = Sample::new(3, 1);
    sample.servers[3].link_up = false;
    sample.servers[3].link_down_seconds = 15;
    sample.lag(3, 22 << 20);
    sample.poll();
    let alive = of(&sample, 0).deficit().unwrap();
    assert_eq!((alive.bytes, alive.link_down), (Some(22 << 20), Some(Duration::from_secs(15))));
    sample.kill(0);
    sample.servers[3].link_down_seconds = 16;
    sample.poll();
    sample.servers[3].link_down_seconds = 19;
    sample.seconds(3);
    let dead = of(&sample, 0).deficit().unwrap();
    assert_eq!(dead.link_down, Some(Duration::from_secs(16)), "the time since its master died does not count");
    assert!(dead.bytes.is_some_and(|bytes| bytes >= 22 << 20), "{dead:?}");
    assert!(dead.says().starts_with("22 MB written in the last 16 s"), "{}", dead.says());
}

#[test]
fn without_votes_or_replica_nobody_wins() {
    let mut sample = Sample::new(3, 1);
    sample.kill(0);
    sample.kill(1);
    sample.poll();
    let run = of(&sample, 0);
    assert_eq!((run.winner(), run.votes), (None, Votes { alive: 1, needed: 2, voters: 3 }));
    assert_eq!(run.hopeless().unwrap().to_string(), "1 of the 2 votes needed");
    let alone = Sample::new(3, 0);
    assert_eq!(of(&alone, 0).hopeless(), Some(Hopeless::NoReplica));
}

#[test]
fn who_has_not_told_how_far_it_is_ranks_last() {
    let mut sample = Sample::new(3, 2);
    sample.servers[3].silent_info = true;
    let mut fresh = Sample::unasked(3, 2);
    fresh.servers[3].silent_info = true;
    fresh.seconds(3);
    let run = of(&fresh, 0);
    assert_eq!(run.winner_address(), Some(&fresh.address(6)));
    assert_eq!(run.candidates[1].deficit, Deficit::default());
}
