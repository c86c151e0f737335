//! IO. What slots hold: keys, bytes, the biggest key, rooms; every master at once, in pipelines, within a budget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::telling::said;
use crate::cluster::{Address, Model, NodeId, SLOTS, SlotSet, hash_tag, key_slot, parse};
use crate::link::{Command, Lane, Link, Links, Reply};
use crate::plan::{Intent, Newcomer, Objective, SlotFact, SlotFacts, moves_atomically};

/// Commands in one pipeline: a server does them in one go, and its players wait for that.
const CHUNK: usize = 64;
const CHUNK_WITHIN: Duration = Duration::from_secs(5);
/// Up to this many slots are looked through key by key.
const FEW: usize = 64;
/// Keys looked at in each slot when there are many slots, and when there are few.
const SAMPLE: u64 = 12;
const THOROUGH: u64 = 1000;
/// Between two readings of what slots are busy with.
const LISTEN: Duration = Duration::from_secs(2);

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Count,
    Sizes(u64),
    Ops,
}

/// The facts this intent needs beside the model; None when it needs none.
pub(super) async fn slots(links: &Links, model: &Model, intent: &Intent) -> Option<SlotFacts> {
    if let Intent::Fix { slots, .. } = intent {
        let all: Vec<u16> = slots.as_ref().map_or_else(|| (0..SLOTS).collect(), |slots| slots.iter().collect());
        return Some(match holders(links, model, &all).await {
            Ok(holders) => SlotFacts { holders, ..SlotFacts::default() },
            Err(trouble) => SlotFacts { trouble: Some(trouble), ..SlotFacts::default() },
        });
    }
    if let Intent::AddNode { address, .. } | Intent::Replace { address, .. } = intent {
        return Some(SlotFacts { newcomer: Some(newcomer(links, address).await), ..SlotFacts::default() });
    }
    let (slots, depth) = match intent {
        Intent::MoveSlots { slots, .. } => (slots.clone(), depth_for(slots)),
        Intent::MigrateRooms { codes, .. } => {
            (codes.iter().map(|code| key_slot(code.as_bytes())).collect(), Depth::Sizes(THOROUGH))
        }
        Intent::Rebalance { by, .. } => {
            let depth = match by {
                Objective::Memory => Depth::Sizes(SAMPLE),
                Objective::Ops => Depth::Ops,
                _ => Depth::Count,
            };
            (SlotSet::all(), depth)
        }
        Intent::Drain { node } | Intent::Remove { node } => {
            let owned: SlotSet = crate::plan::resolve_node(model, node).ok()?.slots.iter().collect();
            let depth = depth_for(&owned);
            (owned, depth)
        }
        _ => return None,
    };
    let owners: BTreeMap<NodeId, Vec<u16>> = slots.iter().fold(BTreeMap::new(), |mut owners, slot| {
        if let Some(owner) = model.topology().owner(slot) {
            owners.entry(owner).or_insert_with(Vec::new).push(slot);
        }
        owners
    });
    let places = owners.into_iter().filter_map(|(id, slots)| Some((model.node(id)?.address.clone(), slots)));
    let surveys = join_all(places.map(|(address, slots)| one(links, address, slots, depth))).await;
    let mut facts = SlotFacts { sampled: depth == Depth::Sizes(SAMPLE), ..SlotFacts::default() };
    for (by_slot, tags) in surveys {
        facts.by_slot.extend(by_slot);
        facts.tags.extend(tags);
    }
    engine(links, model, &mut facts).await;
    Some(facts)
}

/// Asks a server that is no member yet.
async fn newcomer(links: &Links, address: &Address) -> Newcomer {
    let link = links.get(address, Lane::Work);
    let questions = [Command::words("INFO"), Command::words("CLUSTER NODES")];
    let replies = match link.pipeline(&questions, CHUNK_WITHIN).await {
        Ok(replies) => replies,
        Err(failure) => return Newcomer { trouble: Some(failure.trouble().to_string()), ..Newcomer::default() },
    };
    let info = replies.first().and_then(|reply| parse::info(&reply.text()?).ok()).unwrap_or_default();
    let view = replies.get(1).and_then(|reply| parse::nodes(&reply.text()?, address).ok());
    let count = |members: usize| u32::try_from(members.saturating_sub(1)).unwrap_or(u32::MAX);
    Newcomer {
        id: view.as_ref().and_then(|view| Some(view.myself()?.id)),
        trouble: None,
        cluster_mode: view.is_some(),
        knows: view.as_ref().map_or(0, |view| count(view.members.len())),
        keys: info.keys,
        slots: view.as_ref().and_then(|view| Some(view.myself()?.slot_count())).unwrap_or(0),
    }
}

fn depth_for(slots: &SlotSet) -> Depth {
    Depth::Sizes(if slots.len() <= FEW { THOROUGH } else { SAMPLE })
}

/// Which engine the servers allow, and what would be left behind by the other.
async fn engine(links: &Links, model: &Model, facts: &mut SlotFacts) {
    let masters: Vec<_> = model.nodes().filter(|node| node.is_master() && !node.health.is_down()).collect();
    let server = |node: &&&crate::cluster::Node| moves_atomically(node.info.as_ref().and_then(|info| info.server.as_ref()));
    facts.atomic = !masters.is_empty() && masters.iter().filter(server).count() == masters.len();
    if facts.atomic {
        let unfit = masters.iter().map(|node| async move {
            let reply = links.get(&node.address, Lane::Probe).call(&Command::words("INFO modules")).await;
            unfit_modules(&reply.ok().and_then(|reply| reply.text()).unwrap_or_default())
        });
        let unfit: BTreeSet<String> = join_all(unfit).await.into_iter().flatten().collect();
        if !unfit.is_empty() {
            let names: Vec<&str> = unfit.iter().map(AsRef::as_ref).collect();
            facts.atomic_obstacle = Some(format!("these modules do not support atomic moves: {}", names.join(", ")));
            facts.atomic = false;
        }
    }
    if !facts.atomic {
        let asked = masters.iter().map(|node| async move {
            let reply = links.get(&node.address, Lane::Probe).call(&Command::words("INFO keyspace")).await;
            let text = reply.ok().and_then(|reply| reply.text()).unwrap_or_default();
            text.lines().any(|line| line.starts_with("db") && !line.starts_with("db0:")).then_some(node.id)
        });
        facts.numbered_databases = join_all(asked).await.into_iter().flatten().collect();
    }
}

/// Modules that do not say that they can be moved atomically; the servers refuse with them loaded.
fn unfit_modules(text: &str) -> Vec<String> {
    let modules = text.lines().filter_map(|line| line.trim_end().strip_prefix("module:"));
    let unfit = modules.filter(|module| !module.contains("handle-atomic-slot-migration"));
    unfit.filter_map(|module| module.split(',').find_map(|pair| pair.strip_prefix("name=")).map(str::to_owned)).collect()
}

type Found = (BTreeMap<u16, SlotFact>, BTreeMap<u16, BTreeSet<Arc<str>>>);

/// Keys of these slots on every master that answers. A master that answers other questions and not this one is an error:
/// a key it holds would be overlooked.
pub(super) async fn holders(links: &Links, model: &Model, slots: &[u16]) -> Result<BTreeMap<u16, BTreeMap<NodeId, u64>>, String> {
    let masters = model.nodes().filter(|node| node.is_master() && node.health.serves());
    let asked = masters.map(|node| async move {
        let link = links.get(&node.address, Lane::Work);
        let counts = pipelined(&link, slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")))).await;
        let refused = counts.iter().find(|count| count.int().is_none());
        match refused {
            Some(reply) => Err(format!("{} does not count its keys: {}", node.address, said(reply))),
            None if counts.len() < slots.len() => Err(format!("{} does not count its keys", node.address)),
            None => Ok((node.id, counts)),
        }
    });
    let mut holders: BTreeMap<u16, BTreeMap<NodeId, u64>> = BTreeMap::new();
    for answer in join_all(asked).await {
        let (id, counts) = answer?;
        for (slot, reply) in slots.iter().zip(&counts) {
            if let Some(keys) = reply.int().and_then(|keys| u64::try_from(keys).ok()).filter(|&keys| keys > 0) {
                holders.entry(*slot).or_default().insert(id, keys);
            }
        }
    }
    Ok(holders)
}

/// One master's slots. What it does not answer stays unknown: the operation reads again before it acts.
async fn one(links: &Links, address: Address, slots: Vec<u16>, depth: Depth) -> Found {
    let link = links.get(&address, Lane::Work);
    let (mut facts, mut tags) = Found::default();
    let counts = pipelined(&link, slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")))).await;
    for (slot, reply) in slots.iter().zip(&counts) {
        let keys = reply.int().and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        facts.insert(*slot, SlotFact { keys, ..SlotFact::default() });
    }
    match depth {
        Depth::Count => {}
        Depth::Ops => ops(&link, &mut facts).await,
        Depth::Sizes(most) => {
            for (slot, keys) in keys_of(&link, &facts, most).await {
                let sizes = pipelined(&link, keys.iter().map(|key| Command::words("MEMORY USAGE").arg(key))).await;
                let sizes: Vec<u64> = sizes.iter().filter_map(|reply| u64::try_from(reply.int()?).ok()).collect();
                if let Some(fact) = facts.get_mut(&slot) {
                    let seen: u64 = sizes.iter().sum();
                    // Keys that were not looked at count as the mean of those that were.
                    let looked = sizes.len() as u64;
                    fact.bytes = if looked == 0 { 0 } else { (seen as f64 * fact.keys.max(looked) as f64 / looked as f64) as u64 };
                    fact.biggest_bytes = sizes.iter().copied().max().unwrap_or(0);
                }
                if most == THOROUGH {
                    let tagged = keys.iter().filter(|key| hash_tag(key).len() < key.len());
                    let names = tagged.map(|key| Arc::from(String::from_utf8_lossy(hash_tag(key)).as_ref()));
                    tags.insert(slot, names.collect());
                }
            }
        }
    }
    (facts, tags)
}

async fn keys_of(link: &Link, facts: &BTreeMap<u16, SlotFact>, most: u64) -> Vec<(u16, Vec<Vec<u8>>)> {
    let slots: Vec<u16> = facts.iter().filter(|(_, fact)| fact.keys > 0).map(|(slot, _)| *slot).collect();
    let replies = pipelined(link, slots.iter().map(|slot| Command::words(&format!("CLUSTER GETKEYSINSLOT {slot} {most}")))).await;
    slots.into_iter().zip(replies.iter().map(keys)).collect()
}

/// The strings of an array reply.
pub(super) fn keys(reply: &Reply) -> Vec<Vec<u8>> {
    let bytes = |item: &Reply| match item {
        Reply::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    };
    reply.array().unwrap_or_default().iter().filter_map(bytes).collect()
}

/// CLUSTER SLOT-STATS counts since the slot came; two readings give a rate.
async fn ops(link: &Link, facts: &mut BTreeMap<u16, SlotFact>) {
    let before = cpu(link).await;
    if before.is_empty() {
        return;
    }
    tokio::time::sleep(LISTEN).await;
    let after = cpu(link).await;
    for (slot, fact) in facts {
        if let (Some(a), Some(b)) = (before.get(slot), after.get(slot)) {
            fact.ops = Some(b.saturating_sub(*a) as f64 / LISTEN.as_secs_f64());
        }
    }
}

/// Microseconds of CPU spent on each slot: the servers' measure of how busy a slot is.
async fn cpu(link: &Link) -> BTreeMap<u16, u64> {
    let last = SLOTS - 1;
    let command = Command::words(&format!("CLUSTER SLOT-STATS SLOTSRANGE 0 {last}"));
    let Ok(reply) = link.call_within(&command, CHUNK_WITHIN).await else { return BTreeMap::new() };
    let entry = |item: &Reply| {
        let [slot, stats] = item.array()? else { return None };
        let stats = stats.array()?;
        let at = stats.iter().position(|word| word.text().as_deref() == Some("cpu-usec"))?;
        Some((u16::try_from(slot.int()?).ok()?, u64::try_from(stats.get(at + 1)?.int()?).ok()?))
    };
    reply.array().unwrap_or_default().iter().filter_map(entry).collect()
}

/// Many commands in chunks; a chunk without an answer ends it, and the replies so far are given.
pub(super) async fn pipelined(link: &Link, commands: impl Iterator<Item = Command>) -> Vec<Reply> {
    let commands: Vec<Command> = commands.collect();
    let mut replies = Vec::with_capacity(commands.len());
    for chunk in commands.chunks(CHUNK) {
        match link.pipeline(chunk, CHUNK_WITHIN).await {
            Ok(more) => replies.extend(more),
            Err(_) => break,
        }
    }
    replies
}
