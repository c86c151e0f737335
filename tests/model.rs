//! The model under random scripts: whatever is observed, in whatever order, the picture stays a picture.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use rgc_tui::alerts::{AlertLog, Thresholds, check, headline, verdict};
use rgc_tui::cluster::sample::{Sample, noon};
use rgc_tui::cluster::{
    Address, ChangeKind, Fact, Health, Model, NodeId, NodeRole, Observation, SLOTS, ShardName, SlotRange, SlotSet, Time, Trouble,
    View,
};

/// One thing that happens to a cluster of six to eight servers.
#[derive(Clone, Debug)]
enum Happening {
    Kill(usize),
    Freeze(usize),
    Silence(usize),
    Refuse(usize, &'static str),
    Revive(usize),
    Fail(usize),
    Promote(usize),
    Open(u16, usize, usize),
    Close(usize),
    Move(u16, u16, usize, usize),
    Stick(usize),
    Forget(usize),
    Join(Option<usize>),
    Restart(usize),
    Renumber(usize, u16),
    /// Only some of the answers arrive, in an order that depends on the number.
    Partly(u64),
    Poll,
    Later(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let node = 0..8usize;
    let code = prop::sample::select(vec!["LOADING", "NOAUTH", "BUSY", "MISCONF", "MASTERDOWN", "ODD"]);
    prop_oneof![
        1 => node.clone().prop_map(Happening::Kill),
        1 => node.clone().prop_map(Happening::Freeze),
        1 => node.clone().prop_map(Happening::Silence),
        1 => (node.clone(), code).prop_map(|(n, code)| Happening::Refuse(n, code)),
        3 => node.clone().prop_map(Happening::Revive),
        1 => node.clone().prop_map(Happening::Fail),
        2 => node.clone().prop_map(Happening::Promote),
        1 => (0..SLOTS, node.clone(), node.clone()).prop_map(|(s, a, b)| Happening::Open(s, a, b)),
        1 => node.clone().prop_map(Happening::Close),
        1 => (0..SLOTS, 0..2000u16, node.clone(), node.clone()).prop_map(|(s, n, a, b)| Happening::Move(s, n, a, b)),
        1 => node.clone().prop_map(Happening::Stick),
        1 => node.clone().prop_map(Happening::Forget),
        1 => prop::option::of(0..6usize).prop_map(Happening::Join),
        1 => node.clone().prop_map(Happening::Restart),
        1 => (node, 1..9u16).prop_map(|(n, port)| Happening::Renumber(n, port)),
        4 => any::<u64>().prop_map(Happening::Partly),
        6 => Just(Happening::Poll),
        1 => (1..30i64).prop_map(Happening::Later),
    ]
}

fn happen(sample: &mut Sample, happening: &Happening) {
    let count = sample.servers.len();
    let at = |n: usize| n % count;
    match *happening {
        Happening::Kill(n) => sample.kill(at(n)),
        Happening::Freeze(n) => sample.freeze(at(n)),
        Happening::Silence(n) => sample.silence(at(n)),
        Happening::Refuse(n, code) => sample.refuse(at(n), code),
        Happening::Revive(n) => sample.revive(at(n)),
        Happening::Fail(n) => sample.fail(at(n)),
        Happening::Promote(n) => sample.promote(at(n)),
        Happening::Open(slot, a, b) => sample.open_slot(slot, at(a), at(b)),
        Happening::Close(n) => sample.close_slots(at(n)),
        Happening::Move(start, len, a, b) => sample.move_slots(SlotRange::new(start, (start + len).min(SLOTS - 1)), at(a), at(b)),
        Happening::Stick(n) => sample.stick(at(n)),
        Happening::Forget(n) => sample.forget(at(n)),
        Happening::Join(master) if count < 8 => drop(sample.join(master)),
        Happening::Join(_) => {}
        Happening::Restart(n) => sample.servers[at(n)].run += 100,
        Happening::Renumber(n, port) => sample.servers[at(n)].address.port = 9000 + port * 10 + at(n) as u16,
        Happening::Partly(seed) => {
            let mut answers = sample.observations();
            let key = |at: usize| (seed ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut order: Vec<usize> = (0..answers.len()).filter(|at| !key(*at).is_multiple_of(3)).collect();
            order.sort_by_key(|at| key(*at).rotate_left(17));
            for at in order {
                sample.model.apply(&answers[at]);
            }
            answers.clear();
            sample.model.settle(sample.now);
        }
        Happening::Poll => sample.poll(),
        Happening::Later(seconds) => {
            sample.now += chrono::TimeDelta::seconds(seconds);
            sample.model.settle(sample.now);
        }
    }
}

/// What holds after any settle.
fn holds(model: &Model) {
    let topology = model.topology();
    let members: BTreeSet<NodeId> = model.nodes().map(|node| node.id).filter(NodeId::is_member).collect();

    let owned: SlotSet = (0..SLOTS).filter(|&slot| topology.owner(slot).is_some()).collect();
    assert_eq!(owned, topology.assigned);
    assert!(topology.assigned.contains_all(&topology.served));
    assert_eq!(topology.unserved().len() + topology.served.len(), usize::from(SLOTS));
    for slot in 0..SLOTS {
        if let Some(owner) = topology.owner(slot) {
            assert!(members.contains(&owner), "slot {slot} belongs to somebody who is not there");
        }
    }

    let names: Vec<ShardName> = topology.shards.iter().map(|shard| shard.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted, "names are in order and used once");

    let mut seen = BTreeSet::new();
    for shard in &topology.shards {
        for id in shard.nodes() {
            assert!(seen.insert(id), "{} is in two shards", model.label(id));
            assert_eq!(model.node(id).and_then(|node| node.shard), Some(shard.name));
        }
        if let Some(master) = shard.master.and_then(|id| model.node(id)) {
            assert_eq!(master.role, NodeRole::Master);
            assert_eq!(master.slots, shard.slots);
        }
    }
    if !members.is_empty() {
        assert_eq!(seen, members, "every member is in a shard, and nobody else is");
    }
    for conflict in &topology.conflicts {
        assert!(conflict.claimants.len() > 1 && topology.owner(conflict.slot) == conflict.claimants.first().copied());
    }
    for node in model.nodes() {
        let elsewhere = model.nodes().filter(|other| other.address == node.address && other.id != node.id);
        assert!(node.id.is_member() || elsewhere.count() == 0, "{} is there twice", node.address);
    }
}

fn same_picture(a: &Model, b: &Model) {
    let (a, b) = (a.topology(), b.topology());
    assert_eq!((&a.shards, &a.owners, &a.conflicts, &a.open), (&b.shards, &b.owners, &b.conflicts, &b.open));
    assert_eq!((&a.served, &a.assigned), (&b.served, &b.assigned));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_script_leaves_a_picture(masters in 1..4usize, replicas in 0..2usize, script in prop::collection::vec(happening(), 1..30)) {
        let mut sample = Sample::unasked(masters, replicas);
        let (thresholds, mut log) = (Thresholds::default(), AlertLog::default());
        for step in &script {
            happen(&mut sample, step);
            holds(&sample.model);
            let mut again = sample.model.clone();
            prop_assert_eq!(again.settle(sample.now), vec![], "settling twice says nothing new");
            same_picture(&again, &sample.model);

            let findings = check(&sample.model, &thresholds, sample.now);
            prop_assert!(!headline(&sample.model, &findings, None).cause.is_empty());
            for finding in &findings {
                prop_assert!(!finding.label.is_empty() && !finding.message.is_empty() && !finding.remedy.is_empty());
            }
            let mut subjects: Vec<_> = findings.iter().map(|finding| (finding.rule, format!("{:?}", finding.subject))).collect();
            let count = subjects.len();
            subjects.sort();
            subjects.dedup();
            prop_assert_eq!(subjects.len(), count, "one finding a rule and subject: {:?}", findings);
            verdict(&sample.model, &findings);
            log.update(&findings, sample.now);
        }
    }

    /// Crashes, freezes, elections and returns: a shard keeps its letter whoever is its master.
    #[test]
    fn names_stay_through_failovers(script in prop::collection::vec((0..5u8, 0..9usize), 1..40)) {
        let mut sample = Sample::new(3, 2);
        let named = |model: &Model, slot: u16| model.topology().owner(slot).and_then(|id| model.node(id)?.shard);
        let before: BTreeMap<u16, ShardName> = [0, 8000, 16000].iter().filter_map(|&slot| Some((slot, named(&sample.model, slot)?))).collect();
        prop_assert_eq!(before.len(), 3);
        for (what, node) in script {
            match what {
                0 => sample.kill(node),
                1 => sample.freeze(node),
                // Only a living replica of a dead master is elected.
                2 => {
                    let server = &sample.servers[node];
                    let dead = server.master.is_some_and(|master| sample.servers[master].trouble.is_some());
                    if server.trouble.is_none() && dead {
                        sample.promote(node);
                    }
                }
                3 => sample.revive(node),
                _ => {}
            }
            sample.poll();
            holds(&sample.model);
            for (slot, name) in &before {
                prop_assert_eq!(named(&sample.model, *slot), Some(*name), "slot {}", slot);
            }
            prop_assert_eq!(sample.model.topology().shards.len(), 3);
        }
    }

    /// Facts in any order and with any loss: the same facts in the end give the same picture.
    #[test]
    fn the_order_of_answers_does_not_matter(seed in any::<u64>(), script in prop::collection::vec(happening(), 0..12)) {
        let mut sample = Sample::new(3, 1);
        for step in &script {
            happen(&mut sample, step);
        }
        let answers = sample.observations();
        let key = |at: usize| (seed ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut shuffled: Vec<usize> = (0..answers.len()).collect();
        shuffled.sort_by_key(|at| key(*at));
        let mut other = sample.model.clone();
        answers.iter().for_each(|answer| sample.model.apply(answer));
        shuffled.iter().for_each(|at| other.apply(&answers[*at]));
        sample.model.settle(sample.now);
        other.settle(sample.now);
        same_picture(&sample.model, &other);
    }
}

fn said(sample: &mut Sample) -> Vec<String> {
    for observation in sample.observations() {
        sample.model.apply(&observation);
    }
    sample.model.settle(sample.now).iter().map(ToString::to_string).collect()
}

#[test]
fn finding_a_cluster_is_no_news() {
    let mut sample = Sample::unasked(3, 1);
    for _ in 0..10 {
        assert_eq!(said(&mut sample), Vec::<String>::new());
    }
    sample.join(Some(0));
    assert_eq!(said(&mut sample), ["10.0.0.7:7006 joined as replica"]);
}

#[test]
fn a_failover_is_told_in_a_few_lines() {
    let mut sample = Sample::new(3, 2);
    sample.seconds(5);
    sample.kill(0);
    assert_eq!(said(&mut sample), ["10.0.0.1:7000 up → refused (connection refused)"]);
    sample.promote(3);
    let mut lines = said(&mut sample);
    lines.sort();
    let expected = ["10.0.0.1:7000 lost slots 0-5460", "10.0.0.4:7003 replica → master", "10.0.0.4:7003 took over slots 0-5460"];
    assert_eq!(lines, expected, "and nothing about the sibling that follows, or the epoch");
    assert_eq!(said(&mut sample), Vec::<String>::new());
    sample.revive(0);
    let mut lines = said(&mut sample);
    lines.sort();
    assert_eq!(lines, ["10.0.0.1:7000 master → replica", "10.0.0.1:7000 refused → up"]);
}

#[test]
fn a_planned_failover_alarms_nobody_whoever_is_heard_first() {
    for heard in 0..64u32 {
        let mut sample = Sample::new(3, 1);
        sample.seconds(5);
        sample.promote(3);
        let speaks: Vec<Address> = (0..6).filter(|node| heard & 1 << node != 0).map(|node| sample.address(node)).collect();
        for seen in sample.observations().into_iter().filter(|seen| speaks.contains(&seen.source)) {
            sample.model.apply(&seen);
        }
        sample.model.settle(sample.now);
        let found = check(&sample.model, &Thresholds::default(), sample.now);
        let masterless: Vec<_> = found.iter().filter(|finding| finding.rule == "shard.no_master").collect();
        assert!(masterless.is_empty(), "heard {heard:06b}: {masterless:?}");
        assert_eq!(sample.model.topology().shards.len(), 3, "heard {heard:06b}: {:?}", sample.model.topology().shards);
    }
}

#[test]
fn a_deposed_master_is_shown_where_it_was() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(5);
    sample.kill(2);
    sample.promote(5);
    sample.poll();
    let shard = sample.model.topology().shards.iter().find(|shard| shard.master == Some(sample.id(5))).cloned().unwrap();
    assert_eq!((shard.name.to_string().as_str(), shard.slot_count), ("C", 5461));
    assert_eq!((shard.replicas.len(), shard.former.as_slice()), (0, &[sample.id(2)][..]));
}

#[test]
fn the_owner_of_slots_is_the_same_while_it_is_frozen_but_they_are_not_served() {
    let mut sample = Sample::new(3, 1);
    sample.freeze(1);
    sample.poll();
    let topology = sample.model.topology();
    assert_eq!(topology.owner(6000), Some(sample.id(1)));
    assert_eq!((topology.assigned.len(), topology.unserved().to_string().as_str()), (16384, "5461-10922"));
}

#[test]
fn slots_given_since_their_target_was_heard_are_the_targets_until_it_denies_them() {
    let mut sample = Sample::new(3, 1);
    let (source, target) = (sample.address(0), sample.id(1));
    sample.now += chrono::TimeDelta::milliseconds(300);
    sample.stick(1);
    sample.move_slots(SlotRange::new(0, 99), 0, 1);
    let after = sample.observations();
    for observation in after.iter().filter(|observation| observation.source == source) {
        sample.model.apply(observation);
    }
    sample.model.settle(sample.now);
    assert_eq!(sample.model.topology().owner(7), Some(target));
    assert!(sample.model.unserved().0.is_empty());
    holds(&sample.model);
    sample.model.settle(sample.now);
    assert!(sample.model.unserved().0.is_empty(), "nobody has spoken since");
    // The target speaks, and says that it does not have them.
    sample.poll();
    assert_eq!(sample.model.unserved().0.len(), 100);
    sample.seconds(2);
    assert_eq!(sample.model.unserved().0.len(), 100, "whoever says so now, it has denied them");
}

#[test]
fn letters_do_not_depend_on_who_has_which_slots() {
    let letters = |sample: &Sample| {
        let name = |n: usize| sample.model.node(sample.id(n)).unwrap().shard.unwrap().to_string();
        (0..6).map(name).collect::<String>()
    };
    let mut sample = Sample::unasked(3, 1);
    sample.move_slots(SlotRange::new(0, 5460), 0, 2);
    sample.promote(4);
    sample.poll();
    assert_eq!(letters(&sample), "ABCABC");
}

#[test]
fn a_forgotten_node_vanishes_and_is_told() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(5);
    sample.forget(5);
    sample.kill(5);
    sample.poll();
    let mut lines = Vec::new();
    for _ in 0..6 {
        lines.extend(said(&mut sample));
    }
    lines.retain(|line| !line.contains(" → "));
    assert_eq!(lines, ["10.0.0.6:7005 left the cluster"]);
    // Whoever is still asked there is a stranger until it tells its name, and no member of anything.
    assert!(sample.model.nodes().filter(|node| node.id.is_member()).count() == 5);
    assert!(sample.model.topology().shards.iter().all(|shard| shard.nodes().all(|id| id.is_member())));
}

#[test]
fn a_seed_with_another_name_becomes_the_member() {
    let mut sample = Sample::unasked(3, 1);
    let seed = Address::new("redis-master-1", 7000);
    for mut seen in sample.observations().into_iter().filter(|seen| seen.source == Address::new("10.0.0.1", 7000)) {
        seen.source = seed.clone();
        sample.model.apply(&seen);
        sample.model.settle(sample.now);
        holds(&sample.model);
    }
    assert_eq!(sample.model.nodes().count(), 6);
    let node = sample.model.node_at(&seed).unwrap();
    assert_eq!((node.id, node.health, node.address.to_string().as_str()), (sample.id(0), Health::Up, "10.0.0.1:7000"));
    sample.poll();
    assert_eq!(sample.model.nodes().count(), 6);
    assert_eq!(sample.model.topology().shards[0].name.to_string(), "A");
}

#[test]
fn a_dead_seed_that_is_announced_by_the_same_address_is_not_there_twice() {
    let mut sample = Sample::unasked(3, 1);
    sample.kill(0);
    sample.fail(0);
    sample.poll();
    assert_eq!(sample.model.nodes().count(), 6);
    let node = sample.model.node(sample.id(0)).unwrap();
    assert_eq!((node.health, node.slot_count, node.shard), (Health::Refused, 5461, Some(ShardName(0))));
}

#[test]
fn another_node_at_an_old_address_does_not_revive_the_old_one() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(5);
    // The server was wiped and started again: a new id at the old address, which the others do not know yet.
    let old = sample.id(5);
    sample.kill(5);
    sample.fail(5);
    sample.poll();
    let joining = sample.join(None);
    sample.servers[joining].address = sample.address(5);
    sample.servers[joining].forgotten = true;
    sample.poll();
    assert_eq!(sample.model.node(old).map(|node| node.health), Some(Health::Refused));
    holds(&sample.model);
}

#[test]
fn who_is_dropped_has_no_say_any_more() {
    use Happening::{Join, Kill, Later, Partly, Promote};
    // A joining node that nobody knows is the best informed, until it is dropped.
    let mut sample = Sample::unasked(1, 1);
    for step in [Partly(4582806252549794518), Promote(1), Kill(0), Join(None), Partly(13110519732864544022), Later(11)] {
        happen(&mut sample, &step);
        assert_eq!(sample.model.clone().settle(sample.now), vec![], "settling twice says nothing new");
    }
}

#[test]
fn a_node_that_was_reset_after_all_forgot_it_is_gone_without_an_alarm() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(10);
    sample.join(None);
    let fresh = sample.servers.pop().unwrap().id;
    let reset = &mut sample.servers[5];
    (reset.id, reset.role, reset.master, reset.forgotten) = (fresh, NodeRole::Master, None, true);
    let lines: Vec<String> = (0..6).flat_map(|_| said(&mut sample)).collect();
    assert!(lines.contains(&"10.0.0.6:7005 left the cluster".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("refused")), "{lines:?}");
}

#[test]
fn a_node_whose_place_another_took_is_missed_while_the_others_count_on_it() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(10);
    let old = sample.id(2);
    let joining = sample.join(None);
    sample.servers[joining].address = sample.address(2);
    sample.servers[joining].forgotten = true;
    // Whoever asks that address hears the joining node alone; the others go on naming the old one.
    let place = sample.address(2);
    for _ in 0..4 {
        let speaks = |seen: &Observation| match &seen.fact {
            Fact::View(view) => seen.source != place || view.myself().is_some_and(|me| me.id != old),
            _ => seen.source != place,
        };
        for seen in sample.observations().into_iter().filter(speaks) {
            sample.model.apply(&seen);
        }
        sample.model.settle(sample.now);
    }
    assert_eq!(sample.model.node(old).map(|node| node.health), Some(Health::Refused));
    assert_eq!(sample.model.node(old).map(|node| node.slot_count), Some(5461));
}

#[test]
fn an_address_that_changes_is_followed() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(5);
    sample.servers[4].address = Address::new("10.9.9.9", 7004);
    let lines = said(&mut sample);
    assert_eq!(lines, ["10.9.9.9:7004 moved here from 10.0.0.5:7004"]);
    assert_eq!(sample.model.nodes().count(), 6);
    assert_eq!(sample.model.node_at(&Address::new("10.9.9.9", 7004)).map(|node| node.id), Some(sample.id(4)));
}

#[test]
fn when_everybody_is_dead_the_picture_stays() {
    let mut sample = Sample::new(3, 1);
    let before = sample.model.topology().clone();
    (0..6).for_each(|node| sample.freeze(node));
    sample.seconds(30);
    let after = sample.model.topology();
    assert_eq!((&before.shards, &before.owners), (&after.shards, &after.owners));
    assert!(after.served.is_empty());
}

#[test]
fn a_view_that_is_not_asked_any_more_does_not_outlive_a_failover() {
    // A large cluster tells its views in turns: the winner's own view is the last one to be heard.
    let mut sample = Sample::new(3, 1);
    sample.seconds(5);
    sample.kill(0);
    sample.promote(3);
    let winner = sample.address(3);
    for _ in 0..4 {
        for seen in sample.observations().into_iter().filter(|seen| !(seen.source == winner && matches!(seen.fact, Fact::View(_))))
        {
            sample.model.apply(&seen);
        }
        sample.model.settle(sample.now);
    }
    let node = sample.model.node(sample.id(3)).unwrap();
    assert_eq!((node.role, node.slot_count), (NodeRole::Master, 5461));
    assert!(sample.model.unserved().0.is_empty());
}

#[test]
fn a_minority_that_missed_the_failover_does_not_undo_it() {
    let mut sample = Sample::new(3, 1);
    sample.seconds(5);
    (0..3).for_each(|node| {
        if node != 1 {
            sample.stick(node)
        }
    });
    sample.stick(0);
    sample.promote(3);
    // The old master still speaks, and calls the slots its own.
    sample.servers[0].slots = SlotSet::default();
    sample.seconds(3);
    let topology = sample.model.topology();
    assert_eq!(topology.owner(0), Some(sample.id(3)), "the higher epoch owns");
    assert_eq!(topology.conflicts.len(), 5461);
    assert_eq!(topology.shards.len(), 3);
    assert_eq!(topology.shards[0].master, Some(sample.id(3)));
    assert!(sample.model.opinions().len() > 1);
}

#[test]
fn servers_without_cluster_mode_tell_their_roles_by_info() {
    let mut sample = Sample::unasked(1, 1);
    for _ in 0..2 {
        for seen in sample.observations().into_iter().filter(|seen| !matches!(seen.fact, Fact::View(_) | Fact::ClusterInfo(_))) {
            sample.model.apply(&seen);
        }
        sample.model.settle(sample.now);
    }
    let topology = sample.model.topology();
    assert_eq!((topology.shards.len(), topology.shards[0].replicas.len()), (1, 1));
    let replica = sample.model.node_at(&sample.address(1)).unwrap();
    assert_eq!((replica.role, replica.lag_bytes), (NodeRole::Replica, Some(0)));
}

#[test]
fn a_restart_is_a_change_and_old_rates_end() {
    let mut sample = Sample::new(3, 1);
    sample.servers[0].run = 77;
    assert_eq!(said(&mut sample), ["10.0.0.1:7000 restarted"]);
    assert_eq!(sample.model.node(sample.id(0)).unwrap().rates.ops_per_sec, None);
}

#[test]
fn troubles_of_an_unknown_address_are_kept_under_that_address() {
    let mut model = Model::new("prod");
    let at: Time = noon();
    let source = Address::new("nowhere", 7000);
    let trouble = Fact::Trouble(Trouble::new(Health::Unresolved, "no such host"));
    model.apply(&Observation { source: source.clone(), at, fact: trouble });
    let changes = model.settle(at);
    assert!(matches!(changes[0].kind, ChangeKind::Health { to: Health::Unresolved, .. }));
    assert_eq!(model.node_at(&source).map(|node| node.health), Some(Health::Unresolved));
}

#[test]
fn an_empty_view_harms_nobody() {
    let mut sample = Sample::new(1, 0);
    let view = View { members: Vec::new(), me: 0 };
    let fact = Fact::View(view.into());
    sample.model.apply(&Observation { source: sample.address(0), at: sample.now + Duration::from_secs(1), fact });
    sample.model.settle(sample.now);
    holds(&sample.model);
}
