//! IO. What is true in the simulated cluster, whatever anybody says: where keys are, who owns what, what is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use rgc_tui::cluster::{SlotSet, key_slot};
use rgc_tui::plan::Report;
use tokio::time::{Instant, sleep};

use crate::sim::{Data, Entry, Fault, Host, Id, Link, Process, Sim};

/// The keys that were there at the start.
pub(crate) struct Truth {
    keys: BTreeMap<Vec<u8>, Entry>,
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
fn keys_of(count: u16) -> BTreeMap<Vec<u8>, Entry> {
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
    KEYS.get_or_init(find).clone()
}

impl Truth {
    /// Gives the first slots of every master up to two keys each.
    pub(crate) fn plant(sim: &Sim, count: u16) -> Self {
        let keys = keys_of(count);
        let mut world = sim.world();
        for (key, entry) in &keys {
            let slot = key_slot(key);
            for (me, node) in world.nodes.iter_mut().enumerate() {
                let owner = node.mind.owner(slot);
                if owner == Some(me) || node.mind.members[&me].master == owner {
                    node.keys.put(key, entry.clone());
                }
            }
        }
        Self { keys }
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
        for (key, entry) in &self.keys {
            let slot = key_slot(key);
            let key_name = String::from_utf8_lossy(key);
            let holders: Vec<Id> =
                (0..world.nodes.len()).filter(|id| !world.me(*id).is_replica && world.nodes[*id].keys.get(key).is_some()).collect();
            let owners = world.owners(slot);
            match holders[..] {
                [] if said.iter().any(|reason| says_slot(reason, slot)) => {}
                [] => wrong.push(format!(
                    "{key_name} of slot {slot} is lost: owned by {:?}",
                    owners.into_iter().map(name).collect::<Vec<_>>()
                )),
                [holder] if owners == [holder] => {
                    if world.nodes[holder].keys.get(key) != Some(entry) {
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

/// Everybody is well again. A master that is dead comes back when another one has its place: it has lost its data.
pub(crate) async fn heal(sim: &Sim, hosts: impl Iterator<Item = Host>) {
    for host in hosts {
        sim.join(host).await;
    }
    let names: Vec<String> = sim.world().names().into_iter().map(String::from).collect();
    for name in &names {
        sim.fault(name, Fault::Well).await;
        sim.fault(name, Fault::Resume).await;
    }
    let deadline = Instant::now() + Duration::from_secs(120);
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
                sim.fault(name, Fault::Restart).await;
            } else {
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
