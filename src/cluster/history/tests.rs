//! PURE. The memory of the cluster: what it keeps, what it compares, what it says of the past.

use super::*;
use crate::cluster::sample::Sample;
use crate::cluster::{Fact, Observation, ShardName, SlotRange};

/// A cluster that has been watched long enough for a picture that stands.
fn watched(rooms: usize) -> Sample {
    let mut sample = Sample::new(3, 1).rooms(rooms);
    for server in &mut sample.servers {
        server.calls = vec![("get", 5), ("cluster|setslot", 7)];
    }
    sample.seconds(20);
    assert!(sample.model.history().picture().is_some());
    sample
}

fn happened(sample: &Sample) -> Vec<&IncidentKind> {
    sample.model.history().open().map(|incident| &incident.what).collect()
}

fn hand(sample: &mut Sample, memories: Vec<Memory>) {
    let remembered = Remembered { seeds: vec![sample.address(0)], memories, notes: Vec::new() };
    let fact = Fact::Remembered(Arc::new(remembered));
    sample.model.apply(&Observation { source: sample.address(0), at: sample.now, fact });
}

fn letters(sample: &Sample) -> String {
    let name = |server: &crate::cluster::sample::Fake| sample.model.node(server.id).and_then(|node| node.shard);
    sample.servers.iter().map(|server| name(server).map_or("-".into(), |name| name.to_string())).collect()
}

#[test]
fn a_master_that_comes_back_empty_is_remembered_until_somebody_acknowledges_it() {
    let mut sample = watched(300);
    sample.restart(2, 0);
    sample.poll();
    let [IncidentKind::CameBackEmpty { node, lost, left: 0, .. }] = happened(&sample)[..] else {
        panic!("{:?}", happened(&sample))
    };
    let (slots, rooms) = (sample.model.node(*node).unwrap().slots.clone(), sample.model.rooms());
    let there = rooms.in_slots(&slots.iter().collect());
    assert_eq!((*node, lost.rooms, lost.players), (sample.id(2), Some(there.rooms), Some(there.players)));
    // All is well again, and it has still happened.
    sample.servers[2].keys = Some(90_000);
    sample.seconds(60);
    assert_eq!(happened(&sample).len(), 1);
    sample.model.acknowledge(|_| true, sample.now);
    sample.seconds(30);
    assert!(happened(&sample).is_empty(), "it is not found a second time");
}

#[test]
fn less_than_before_counts_too_and_a_few_keys_do_not() {
    for (keys, found) in [(30_000, 1), (60_000, 0), (65_532, 0)] {
        let mut sample = watched(0);
        sample.restart(0, keys);
        sample.poll();
        assert_eq!(happened(&sample).len(), found, "{keys} of 65532 keys");
    }
}

/// Of the rooms of the first master so many.
fn some_rooms(sample: &Sample, count: usize) -> Vec<Arc<str>> {
    let slots: crate::cluster::SlotSet = sample.model.node(sample.id(0)).unwrap().slots.iter().collect();
    let rooms = sample.model.rooms().iter().filter(|room| slots.contains(room.slot));
    rooms.take(count).map(|room| room.code.clone()).collect()
}

#[test]
fn one_room_less_than_before_is_said_when_its_master_was_started_again() {
    for lost in [1, 20] {
        let mut sample = watched(300);
        let gone = some_rooms(&sample, lost);
        sample.restart(0, 65_532);
        sample.seconds(30);
        assert!(happened(&sample).is_empty(), "nobody has looked for its rooms yet");
        sample.lose_rooms(|room| gone.contains(&room.code));
        sample.scan();
        sample.poll();
        let [IncidentKind::CameBackEmpty { lost: was, gone: Some(found), .. }] = happened(&sample)[..] else {
            panic!("{:?}", happened(&sample))
        };
        assert_eq!((found.rooms, found.maybe_ended), (lost as u64, false));
        assert!(was.rooms.unwrap() > 20 && found.codes.iter().all(|code| gone.iter().any(|room| **room == **code)));
        // It is found once, and others that end later are no loss.
        sample.model.acknowledge(|_| true, sample.now);
        sample.lose_rooms(|_| true);
        sample.scan();
        sample.seconds(30);
        assert!(happened(&sample).is_empty(), "{:?}", happened(&sample));
    }
}

#[test]
fn rooms_that_are_all_there_or_ended_by_themselves_are_no_incident() {
    let mut sample = watched(300);
    sample.restart(0, 65_532);
    sample.scan();
    sample.seconds(2);
    sample.scan();
    sample.seconds(30);
    assert!(happened(&sample).is_empty() && !sample.model.history().awaits_rooms());
    // The time of all that are gone was over.
    let mut sample = watched(300);
    let mut picture = Picture::clone(sample.model.history.picture.as_ref().unwrap());
    let gone = some_rooms(&sample, 5);
    for rooms in picture.shards.iter_mut().filter_map(|shard| shard.rooms.as_mut()) {
        let mut known = Vec::clone(rooms.known.as_ref().unwrap());
        known.iter_mut().filter(|room| gone.contains(&room.code)).for_each(|room| room.gone_by = Some(picture.at));
        rooms.known = Some(Arc::new(known));
    }
    sample.model.history.picture = Some(Arc::new(picture));
    sample.restart(0, 65_532);
    sample.poll();
    sample.lose_rooms(|room| gone.contains(&room.code));
    sample.scan();
    sample.poll();
    assert!(happened(&sample).is_empty(), "{:?}", happened(&sample));
}

#[test]
fn where_the_game_has_deleted_as_many_the_loss_is_a_doubt() {
    let mut sample = watched(300);
    let gone = some_rooms(&sample, 3);
    sample.servers[0].calls.push(("del", 9));
    sample.poll();
    sample.restart(0, 65_532);
    sample.servers[0].calls = vec![("get", 5), ("unlink", 3)];
    sample.poll();
    sample.lose_rooms(|room| gone.contains(&room.code));
    sample.scan();
    sample.poll();
    let [IncidentKind::CameBackEmpty { gone: Some(found), .. }] = happened(&sample)[..] else { panic!("{:?}", happened(&sample)) };
    assert!(found.rooms == 3 && found.maybe_ended);
}

#[test]
fn who_took_over_is_told_until_the_old_master_is_back_and_for_some_minutes() {
    let told = |sample: &Sample| -> Vec<String> {
        let takeovers = sample.model.history().takeovers();
        takeovers.map(|one| format!("{} {} {:?}", one.to_address, one.from_address, one.behind)).collect()
    };
    let mut sample = watched(0);
    sample.promote(3);
    sample.seconds(3);
    assert!(told(&sample).is_empty(), "its master was well: that is another story");
    let mut sample = watched(0);
    sample.kill(2);
    sample.seconds(3);
    sample.promote(5);
    sample.seconds(2);
    let seen = sample.model.history().takeovers().next().unwrap().clone();
    assert!(seen.after.is_none() && sample.now - seen.at <= chrono::TimeDelta::seconds(2), "{seen:?}");
    sample.seconds(600);
    assert_eq!(told(&sample).len(), 1, "it is down still");
    sample.revive(2);
    sample.seconds(3);
    assert_eq!(told(&sample), Vec::<String>::new(), "{seen:?}");
    // Back within those minutes.
    let mut sample = watched(0);
    sample.kill(2);
    sample.seconds(3);
    sample.promote(5);
    sample.seconds(2);
    sample.revive(2);
    sample.seconds(100);
    assert_eq!(told(&sample).len(), 1);
    sample.seconds(250);
    assert_eq!(told(&sample).len(), 0);
}

#[test]
fn what_somebody_wanted_or_what_ends_by_itself_is_no_incident() {
    // FLUSHALL, without and with a restart.
    let mut sample = watched(50);
    sample.servers[1].keys = Some(0);
    sample.servers[1].calls.push(("flushall", 1));
    sample.seconds(20);
    sample.restart(1, 0);
    sample.seconds(20);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
    // A replica is started again: its copy comes from its master.
    let mut sample = watched(50);
    sample.restart(4, 0);
    sample.seconds(20);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
    // Rooms whose time was over before anybody looked again.
    let mut sample = watched(0);
    let history = &mut sample.model.history;
    let mut picture = Picture::clone(history.picture.as_ref().unwrap());
    for shard in &mut picture.shards {
        shard.rooms = Some(RoomsPicture { rooms: 9, players: 9, at: picture.at, gone_by: Some(picture.at), known: None });
    }
    history.picture = Some(Arc::new(picture));
    sample.restart(0, 0);
    sample.poll();
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
}

#[test]
fn a_change_with_a_cause_is_no_incident() {
    // Somebody asks for it, on whichever side the servers count that.
    let mut sample = watched(0);
    sample.promote(3);
    sample.servers[3].calls.push(("cluster|failover", 1));
    sample.seconds(60);
    sample.move_slots(SlotRange::new(6000, 6100), 1, 2);
    sample.servers[1].calls.push(("cluster|delslots", 1));
    sample.seconds(60);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
    // The master dies and is replaced; what it had is there.
    let mut sample = watched(0);
    sample.kill(0);
    sample.seconds(4);
    sample.promote(3);
    sample.seconds(30);
    sample.revive(0);
    sample.seconds(30);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
}

#[test]
fn a_change_without_a_cause_is_one() {
    let mut sample = watched(0);
    sample.promote(3);
    sample.seconds(3);
    assert!(matches!(happened(&sample)[..], [IncidentKind::Turned { shard: ShardName(0), .. }]), "{:?}", happened(&sample));
    let mut sample = watched(0);
    sample.move_slots(SlotRange::new(6000, 6100), 1, 2);
    sample.seconds(3);
    let [IncidentKind::Moved { slots, from, to }] = happened(&sample)[..] else { panic!("{:?}", happened(&sample)) };
    assert_eq!((slots.len(), *from, *to), (101, sample.id(1), sample.id(2)));
    let mut sample = watched(0);
    sample.servers[1].epoch += 50;
    sample.seconds(25);
    assert!(matches!(happened(&sample)[..], [IncidentKind::Epochs { from: 3, to: 52 }]), "{:?}", happened(&sample));
    // Servers that do not tell their commands have not told that there were none.
    let mut sample = watched(0);
    sample.servers.iter_mut().for_each(|server| server.calls.clear());
    sample.promote(3);
    sample.seconds(60);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
}

#[test]
fn a_replica_that_takes_over_with_half_of_the_keys_has_lost_the_others() {
    let mut sample = watched(0);
    sample.kill(1);
    sample.seconds(2);
    sample.servers[4].keys = Some(1000);
    sample.promote(4);
    sample.seconds(2);
    let [IncidentKind::Vanished { to, left: 1000, lost, .. }] = happened(&sample)[..] else { panic!("{:?}", happened(&sample)) };
    assert_eq!((*to, lost.keys), (sample.id(4), 5462 * 12));
}

#[test]
fn a_cluster_that_joins_is_told_from_an_empty_node() {
    let mut sample = watched(300);
    let empty = sample.join(None);
    sample.seconds(20);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
    sample.move_slots(SlotRange::new(0, 99), 0, empty);
    sample.servers[0].calls.push(("cluster|setslot", 107));
    sample.seconds(20);
    assert_eq!(happened(&sample), Vec::<&IncidentKind>::new());
    sample.meet(&[SlotRange::new(0, 8000), SlotRange::new(8001, 16383)]);
    sample.seconds(2);
    let [IncidentKind::Joined { joined, ours }] = happened(&sample)[..] else { panic!("{:?}", happened(&sample)) };
    assert_eq!((joined.len(), ours.len()), (2, 4));
    assert!(ours.iter().all(|owner| owner.lost.keys > 0));
    sample.seconds(30);
    assert_eq!(happened(&sample).len(), 1);
}

#[test]
fn a_joining_node_counts_with_the_slots_it_first_tells_of() {
    // Its name is heard of before it can be asked; pictures are taken meanwhile.
    let mut sample = watched(300);
    let late = sample.meet(&[SlotRange::new(0, 8000)])[0];
    sample.kill(late);
    sample.seconds(40);
    let joined = happened(&sample).len();
    sample.revive(late);
    sample.seconds(3);
    let [IncidentKind::Joined { joined, .. }] = happened(&sample)[..] else { panic!("{joined} {:?}", happened(&sample)) };
    assert_eq!((joined.len(), joined[0].id), (1, sample.id(late)));
}

#[test]
fn who_wrote_less_of_an_incident_takes_nothing_back() {
    let mut sample = watched(0);
    sample.meet(&[SlotRange::new(0, 8000), SlotRange::new(8001, 16383)]);
    hand(&mut sample, Vec::new());
    sample.seconds(2);
    let all = sample.model.history().memory(&sample.model, sample.now).unwrap();
    let mut fewer = all.clone();
    let IncidentKind::Joined { joined, ours } = &mut fewer.incidents[0].what else { panic!("{:?}", fewer.incidents) };
    let last = joined.pop().unwrap();
    ours.truncate(1);
    assert_eq!(fewer.clone().merged_over(&all).incidents, all.incidents);
    // Nor does a program that has seen only the others, a moment later.
    let mut other = fewer.clone();
    other.incidents[0].at += chrono::TimeDelta::seconds(9);
    let IncidentKind::Joined { joined, .. } = &mut other.incidents[0].what else { panic!("{:?}", other.incidents) };
    *joined = vec![last];
    let merged = other.merged_over(&all);
    assert_eq!(merged.incidents.len(), 1);
    let IncidentKind::Joined { joined, .. } = &merged.incidents[0].what else { panic!("{:?}", merged.incidents) };
    assert_eq!(joined.len(), 2);
    assert_eq!(merged.incidents[0].at, all.incidents[0].at);
}

#[test]
fn what_is_written_down_is_read_back_and_adopted_by_whoever_has_these_nodes() {
    let mut sample = watched(60);
    hand(&mut sample, Vec::new());
    sample.promote(3);
    sample.servers[3].calls.push(("cluster|failover", 1));
    let first = sample.join(None);
    sample.seconds(30);
    sample.restart(2, 0);
    sample.poll();
    let memory = sample.model.history().memory(&sample.model, sample.now).unwrap();
    let read = Memory::read(&memory.text()).unwrap();
    assert_eq!(read, memory);
    assert_eq!((letters(&sample).as_str(), memory.nodes.len(), memory.incidents.len()), ("ABCABCD", 7, 1));

    // Another program, later: another master, a new empty node with the smallest address, and the first one gone.
    let mut later = sample.clone();
    later.model = Model::new("other name");
    later.forget(first);
    later.kill(first);
    let other = later.join(None);
    later.servers[other].address = Address::new("10.0.0.0", 6999);
    hand(&mut later, vec![read.clone()]);
    later.seconds(3);
    assert_eq!(letters(&later), "ABCABC-D", "a letter that never had slots is free again");
    assert_eq!(happened(&later).len(), 1, "{:?}", happened(&later));

    // A cluster of other nodes at the same addresses takes nothing from it.
    let mut foreign = Sample::unasked(3, 1);
    for server in &mut foreign.servers {
        let NodeId::Member(bytes) = &mut server.id else { panic!("a member") };
        bytes[0] ^= 0xff;
    }
    hand(&mut foreign, vec![read]);
    foreign.seconds(3);
    assert!(happened(&foreign).is_empty() && foreign.model.history().key().is_empty());
}

#[test]
fn a_letter_that_had_slots_is_not_given_again_while_it_is_remembered() {
    let mut sample = watched(0);
    let fourth = sample.join(None);
    sample.move_slots(SlotRange::new(0, 99), 0, fourth);
    sample.seconds(3);
    sample.move_slots(SlotRange::new(0, 99), fourth, 0);
    sample.forget(fourth);
    sample.kill(fourth);
    sample.seconds(8);
    sample.join(None);
    sample.seconds(3);
    assert_eq!(letters(&sample), "ABCABC-E");
}

#[test]
fn foreign_and_torn_files_are_no_memories() {
    let memory = Memory { version: VERSION, ..Memory::default() };
    assert_eq!(Memory::read(&memory.text()), Ok(memory.clone()));
    for text in ["", "{", "[]", "{\"version\":1}", &memory.text().replace("\"version\":1", "\"version\":2")] {
        assert!(Memory::read(text).is_err(), "{text}");
    }
}
