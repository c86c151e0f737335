//! IO. What is true in the simulated cluster, whatever anybody says: where keys are, who owns what, what is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use rgc_tui::cluster::{Address, SlotSet, key_slot};
use rgc_tui::plan::Report;
use tokio::time::{Instant, sleep};

use crate::sim::{Data, Entry, Fault, Host, Id, Link, Process, Sim};

/// A key, and the database that it is in.
type Key = (u32, Vec<u8>);

/// The keys that were there at the start.
pub(crate) struct Truth {
    keys: BTreeMap<Key, Entry>,
}

/// The first slot of the n-th master at the start.
fn first(part: u16) -> u16 {
    (u32::from(part) * 16384 / 3) as u16
}

/// The letter of the shard in which a node began.
fn shard(name: &str) -> char {
    name.chars().next().expect("nodes have names")
}

/// Up to two keys for each of the first slots of every master. To find them takes a while: once for all cases.
fn keys_of(count: u16) -> &'static BTreeMap<Vec<u8>, Entry> {
    static KEYS: OnceLock<BTreeMap<Vec<u8>, Entry>> = OnceLock::new();
    let find = || {
        let mut wanted: BTreeMap<u16, usize> =
            (0..3u16).flat_map(|part| (0..count).map(move |at| (first(part) + at, usize::from(at % 3)))).collect();
        wanted.retain(|_, keys| *keys > 0);
        let mut keys = BTreeMap::new();
        for number in 0u32.. {
            if wanted.is_empty() {
                break;
            }
            let key = format!("key:{number}").into_bytes();
            let slot = key_slot(&key);
            if let Some(left) = wanted.get_mut(&slot) {
                *left -= 1;
                if *left == 0 {
                    wanted.remove(&slot);
                }
                keys.insert(key, Entry { data: Data::Text(number.to_string().into_bytes()), expires: None });
            }
        }
        keys
    };
    KEYS.get_or_init(find)
}

/// A code whose room is among the first slots of the n-th master, with its key.
fn rooms() -> &'static [(String, Vec<u8>); 3] {
    static ROOMS: OnceLock<[(String, Vec<u8>); 3]> = OnceLock::new();
    let find = |part: u16| {
        let slots = first(part)..first(part) + 30;
        let code =
            (0u32..).map(|n| format!("R{n}")).find(|code| slots.contains(&key_slot(code.as_bytes()))).expect("there are many");
        let key = format!("room:{{{code}}}:state").into_bytes();
        (code, key)
    };
    ROOMS.get_or_init(|| [find(0), find(1), find(2)])
}

impl Truth {
    /// Gives the first slots of every master up to two keys each, in every database, and each a room.
    pub(crate) fn plant(sim: &Sim, count: u16) -> Self {
        let mut world = sim.world();
        let databases = world.settings.databases;
        let texts = keys_of(count).iter().zip(0u32..).map(|((key, entry), nth)| ((nth % databases, key.clone()), entry.clone()));
        let fields = [("code", "x"), ("phase", "playing"), ("max_players", "4"), ("players", "[\"ann\"]")];
        let room = Data::Hash(fields.map(|(field, value)| (field.into(), value.into())).to_vec());
        let rooms = rooms().iter().map(|(_, key)| ((0, key.clone()), Entry { data: room.clone(), expires: None }));
        let keys: BTreeMap<Key, Entry> = texts.chain(rooms).collect();
        for ((database, key), entry) in &keys {
            let slot = key_slot(key);
            for (me, node) in world.nodes.iter_mut().enumerate() {
                let owner = node.mind.owner(slot);
                if owner.is_some() && (owner == Some(me) || node.mind.members[&me].master == owner) {
                    node.keys.database_mut(*database).put(key, entry.clone());
                }
            }
        }
        Self { keys }
    }

    /// The code of the room that began in a shard.
    pub(crate) fn room(shard: usize) -> String {
        rooms()[shard].0.clone()
    }

    /// The replica at this address has all that its master has.
    pub(crate) fn is_in_step(sim: &Sim, at: &str) -> bool {
        let world = sim.world();
        let Some(id) = (0..world.nodes.len()).find(|id| world.address(*id) == at) else { return false };
        let master = world.me(id).master.filter(|_| world.me(id).is_replica);
        master.is_some_and(|master| world.followers(master).contains(&id)) && !world.nodes[id].missed
    }

    /// Another node has all that this one has.
    pub(crate) fn is_spare(sim: &Sim, name: &str) -> bool {
        let world = sim.world();
        let id = world.find(name);
        let empty = world.nodes[id].keys.len_everywhere() == 0;
        world.me(id).is_replica || empty || world.followers(id).iter().any(|follower| !world.nodes[*follower].missed)
    }

    /// Slots that may need something: those with keys, and whatever is open or has not one owner.
    pub(crate) fn in_play(sim: &Sim, count: u16) -> SlotSet {
        let world = sim.world();
        let mut slots: SlotSet = (0..3u16).flat_map(|part| (0..count).map(move |at| first(part) + at)).collect();
        for node in &world.nodes {
            slots.extend(node.mind.migrating.keys().chain(node.mind.importing.keys()).copied());
        }
        slots.extend((0..16384).filter(|slot| world.owners(*slot).len() != 1));
        slots
    }

    /// The address of the present master of the shard in which a node began.
    pub(crate) fn master_of(sim: &Sim, name: &str) -> String {
        let world = sim.world();
        let is_master = |id: &Id| shard(&world.nodes[*id].name) == shard(name) && !world.me(*id).is_replica;
        let found = (0..world.nodes.len()).find(is_master).unwrap_or_else(|| world.find(name));
        world.address(found)
    }

    pub(crate) fn replica_of(sim: &Sim, name: &str) -> String {
        let world = sim.world();
        let is_replica = |id: &Id| shard(&world.nodes[*id].name) == shard(name) && world.me(*id).is_replica;
        let found = (0..world.nodes.len()).find(is_replica).unwrap_or_else(|| world.find(name));
        world.address(found)
    }

    /// Slots that nobody in the target's shard owns by its own word.
    pub(crate) fn not_with(sim: &Sim, slots: &SlotSet, to: &str) -> Vec<u16> {
        let world = sim.world();
        let Some(target) = (0..world.nodes.len()).find(|id| world.address(*id) == to) else { return Vec::new() };
        let there =
            |slot: u16| world.owners(slot).iter().any(|owner| shard(&world.nodes[*owner].name) == shard(&world.nodes[target].name));
        slots.iter().filter(|slot| !there(*slot)).collect()
    }

    /// What does not hold after everything: each a sentence.
    pub(crate) fn wrong(&self, sim: &Sim, reports: &[&Report]) -> Vec<String> {
        let world = sim.world();
        let mut wrong = Vec::new();
        let name = |id: Id| world.nodes[id].name.clone();
        for (me, node) in world.nodes.iter().enumerate() {
            for (slot, peer) in node.mind.migrating.iter().chain(&node.mind.importing) {
                wrong.push(format!("slot {slot} is open on {} (with {})", name(me), name(*peer)));
            }
        }
        let mut split: BTreeSet<u16> = BTreeSet::new();
        for slot in 0..16384 {
            if world.owners(slot).len() != 1 {
                split.insert(slot);
            }
        }
        for slot in split.iter().take(4) {
            let owners: Vec<String> = world.owners(*slot).into_iter().map(name).collect();
            wrong.push(format!("slot {slot} is owned by {owners:?} ({} such slots)", split.len()));
        }
        let said: Vec<String> = reports
            .iter()
            .flat_map(|report| report.outcome.reasons())
            .filter(|reason| reason.contains("lost"))
            .map(|reason| reason.says.clone())
            .collect();
        for ((database, key), entry) in &self.keys {
            let slot = key_slot(key);
            let key_name = String::from_utf8_lossy(key);
            let copy = |id: Id| world.nodes[id].keys.database(*database)?.get(key);
            let holders: Vec<Id> = (0..world.nodes.len()).filter(|id| !world.me(*id).is_replica && copy(*id).is_some()).collect();
            let owners = world.owners(slot);
            match holders[..] {
                [] if said.iter().any(|reason| says_slot(reason, slot)) => {}
                [] => wrong.push(format!(
                    "{key_name} of slot {slot} is lost: owned by {:?}",
                    owners.into_iter().map(name).collect::<Vec<_>>()
                )),
                [holder] if owners == [holder] => {
                    if copy(holder) != Some(entry) {
                        wrong.push(format!("{key_name} of slot {slot} has another value"));
                    }
                }
                _ => wrong.push(format!(
                    "{key_name} of slot {slot} is on {:?}, the slot with {:?}",
                    holders.iter().map(|id| name(*id)).collect::<Vec<_>>(),
                    owners.iter().map(|id| name(*id)).collect::<Vec<_>>()
                )),
            }
        }
        wrong.truncate(12);
        wrong
    }
}

/// A sentence names this slot, alone or in a range.
fn says_slot(sentence: &str, slot: u16) -> bool {
    sentence.split(|c: char| !c.is_ascii_digit() && c != '-').any(|word| {
        let (start, end) = word.split_once('-').unwrap_or((word, word));
        matches!((start.parse::<u16>(), end.parse::<u16>()), (Ok(start), Ok(end)) if (start..=end).contains(&slot))
    })
}

/// A few members to begin with, as an operator would give them.
pub(crate) fn seeds(sim: &Sim) -> Vec<Address> {
    let world = sim.world();
    let members = (0..world.nodes.len()).filter(|id| world.nodes[*id].mind.members.len() > 2);
    members.take(3).map(|id| Address::new(&*world.host, world.nodes[id].port)).collect()
}

/// Everybody is well again. A master that is dead comes back when another one has its place: it has lost its data. Where the
/// others could not elect one, for want of a majority, the operator has its replica take over.
pub(crate) async fn heal(sim: &Sim, hosts: impl Iterator<Item = Host>) {
    for host in hosts {
        sim.join(host).await;
    }
    let names: Vec<String> = sim.world().names().into_iter().map(String::from).collect();
    for name in &names {
        sim.fault(name, Fault::Well).await;
        sim.fault(name, Fault::Resume).await;
    }
    let (helped, deadline) = (Instant::now() + Duration::from_secs(60), Instant::now() + Duration::from_secs(120));
    for name in &names {
        let id = sim.find(name);
        while sim.world().nodes[id].process == Process::Dead {
            let followed = {
                let world = sim.world();
                let replaced = (0..world.nodes.len()).any(|other| {
                    other != id
                        && shard(&world.nodes[other].name) == shard(name)
                        && world.nodes[other].is_up()
                        && !world.me(other).is_replica
                });
                world.me(id).is_replica || replaced
            };
            if followed || Instant::now() > deadline {
                // A process takes longer to start than the word that another has its place.
                sleep(Duration::from_secs(3)).await;
                sim.fault(name, Fault::Restart).await;
            } else {
                if Instant::now() > helped {
                    let mut world = sim.world();
                    let follows = |other: &Id| world.me(*other).is_replica && world.me(*other).master == Some(id);
                    let replica = (0..world.nodes.len()).filter(|other| world.nodes[*other].is_up()).find(follows);
                    if let Some(replica) = replica {
                        let _ = world.start_manual(replica, false, true);
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Waits until all nodes agree and nothing is under way between them; what is not so after two minutes.
pub(crate) async fn calm(sim: &Sim) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let why = unrest(sim)?;
        if Instant::now() > deadline {
            return Some(why);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn unrest(sim: &Sim) -> Option<String> {
    let world = sim.world();
    if world.is_migrating() {
        return Some("a server moves slots by itself".into());
    }
    for (me, node) in world.nodes.iter().enumerate() {
        if node.process != Process::Running {
            return Some(format!("{} does not run", node.name));
        }
        if node.mind.members.values().any(|member| member.failed || member.suspected) {
            return Some(format!("{} doubts somebody", node.name));
        }
        if world.me(me).is_replica && (node.link != Link::Up || node.missed) {
            return Some(format!("{} is not in step", node.name));
        }
        if node.blocked_until > world.now() || node.paused_until > world.now() {
            return Some(format!("{} is busy", node.name));
        }
    }
    None
}
