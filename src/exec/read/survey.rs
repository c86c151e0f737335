//! IO. What slots hold: keys, bytes, the biggest key, rooms; every master at once, in pipelines, within a budget.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster::{Address, Health, Model, Node, NodeId, SLOTS, SlotSet, Trouble, hash_tag, key_slot, parse};
use crate::escape;
use crate::exec::context::said;
use crate::link::{Command, Failure, Lane, Link, Links, Reply};
use crate::plan::{Intent, JoiningNode, Libraries, Objective, SlotFact, SlotFacts, moves_atomically};

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
pub(crate) async fn slots(links: &Links, model: &Model, intent: &Intent) -> Option<SlotFacts> {
    if let Intent::Fix { slots, .. } = intent {
        let all: Vec<u16> = slots.as_ref().map_or_else(|| (0..SLOTS).collect(), |slots| slots.iter().collect());
        return Some(match holders(links, model, &all).await {
            Ok(holders) => SlotFacts { holders, ..SlotFacts::default() },
            Err(trouble) => SlotFacts { trouble: Some(trouble), ..SlotFacts::default() },
        });
    }
    if let Intent::AddNode { address, .. } | Intent::Replace { address, .. } = intent {
        return Some(SlotFacts { joining: Some(joining(links, model, address).await), ..SlotFacts::default() });
    }
    let (slots, depth) = match intent {
        Intent::MoveSlots { slots, .. } => (slots.clone(), depth_for(slots)),
        Intent::MigrateRooms { codes, .. } => {
            (codes.iter().map(|code| key_slot(&escape::bytes(code))).collect(), Depth::Sizes(THOROUGH))
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
    for survey in surveys {
        match survey {
            Ok((by_slot, tags)) => {
                facts.by_slot.extend(by_slot);
                facts.tags.extend(tags);
            }
            // One is enough: what was not counted is unknown, and nothing is planned on it.
            Err(trouble) => facts.trouble = Some(trouble),
        }
    }
    engine(links, model, &mut facts).await;
    Some(facts)
}

/// Asks a server that is no member yet.
async fn joining(links: &Links, model: &Model, address: &Address) -> JoiningNode {
    let link = links.get(address, Lane::Work);
    let questions = [Command::words("INFO"), Command::words("CLUSTER NODES"), Command::words(FUNCTIONS)];
    let in_trouble = |trouble: Trouble| JoiningNode { trouble: Some(trouble), ..JoiningNode::default() };
    let replies = match link.pipeline(&questions, CHUNK_WITHIN).await {
        Ok(replies) => replies,
        Err(failure) => return in_trouble(failure.trouble()),
    };
    let [info, nodes, functions] = replies.as_slice() else {
        return in_trouble(Trouble::new(Health::Garbage, "replies are missing"));
    };
    // Without cluster mode it says so; every other error is its own trouble, and nothing is known of it.
    let standalone = matches!(nodes, Reply::Error(error) if error.detail.contains("cluster support disabled"));
    for reply in [info, nodes] {
        if let Reply::Error(error) = reply
            && !(standalone && std::ptr::eq(reply, nodes))
        {
            return in_trouble(Failure::Server(error.clone()).trouble());
        }
    }
    let unreadable = |error: &dyn std::fmt::Display| in_trouble(Trouble::new(Health::Garbage, error.to_string()));
    let info = match parse::info(&info.text().unwrap_or_default()) {
        Ok(info) => info,
        Err(error) => return unreadable(&error),
    };
    let view = match (standalone, parse::nodes(&nodes.text().unwrap_or_default(), address)) {
        (true, _) => None,
        (false, Ok(view)) => Some(view),
        (false, Err(error)) => return unreadable(&error),
    };
    let count = |members: usize| u32::try_from(members.saturating_sub(1)).unwrap_or(u32::MAX);
    JoiningNode {
        id: view.as_ref().and_then(|view| Some(view.myself()?.id)),
        trouble: None,
        cluster_mode: view.is_some(),
        knows: view.as_ref().map_or(0, |view| count(view.members.len())),
        keys: info.keys,
        slots: view.as_ref().and_then(|view| Some(view.myself()?.slot_count())).unwrap_or(0),
        libraries: libraries(functions),
        masters: functions_of(links, model.nodes().filter(|node| node.is_master() && node.health.is_well())).await,
        server: info.server,
    }
}

const FUNCTIONS: &str = "FUNCTION LIST WITHCODE";

/// The function libraries of these nodes; one that does not tell, or has no functions, is left out.
pub(crate) async fn functions_of<'a>(links: &Links, nodes: impl Iterator<Item = &'a Node>) -> BTreeMap<NodeId, Libraries> {
    let asked = nodes.map(|node| async move {
        let reply = links.get(&node.address, Lane::Work).call_within(&Command::words(FUNCTIONS), CHUNK_WITHIN).await;
        Some((node.id, libraries(&reply.ok()?)?))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn libraries(reply: &Reply) -> Option<Libraries> {
    let library = |library: &Reply| {
        let pairs = library.array()?;
        let value = |name: &str| {
            let at = pairs.iter().position(|word| word.text().as_deref() == Some(name))?;
            pairs.get(at + 1)?.text()
        };
        let mut hasher = DefaultHasher::new();
        value("library_code")?.hash(&mut hasher);
        Some((value("library_name")?, hasher.finish()))
    };
    reply.array()?.iter().map(library).collect()
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
        // Where one does not serve, no slot is moved to it or from it.
        let asked = masters.iter().filter(|node| node.health.serves()).map(|node| async move {
            let reply = links.get(&node.address, Lane::Probe).call_within(&Command::words("INFO modules"), CHUNK_WITHIN).await;
            reply.ok().and_then(|reply| reply.text()).map(|text| unfit_modules(&text)).ok_or(&node.address)
        });
        let mut unfit: BTreeSet<String> = BTreeSet::new();
        for modules in join_all(asked).await {
            match modules {
                Ok(names) => unfit.extend(names),
                Err(at) => facts.trouble = Some(format!("{at} does not say which modules it has loaded (INFO modules)")),
            }
        }
        if !unfit.is_empty() {
            let names: Vec<&str> = unfit.iter().map(AsRef::as_ref).collect();
            facts.atomic_obstacle = Some(format!("these modules do not support atomic moves: {}", names.join(", ")));
            facts.atomic = false;
        }
    }
    if !facts.atomic {
        let asked = masters.iter().filter(|node| node.health.serves()).map(|node| async move {
            let held = databases(&links.get(&node.address, Lane::Probe), &node.address).await?;
            Ok::<_, String>((held.len() > 1).then_some(node.id))
        });
        for answer in join_all(asked).await {
            match answer {
                Ok(node) => facts.numbered_databases.extend(node),
                Err(trouble) => facts.trouble = Some(trouble),
            }
        }
    }
}

/// Modules that do not say that they can be moved atomically; the servers refuse with them loaded.
fn unfit_modules(text: &str) -> Vec<String> {
    let modules = text.lines().filter_map(|line| line.trim_end().strip_prefix("module:"));
    let unfit = modules.filter(|module| !module.contains("handle-atomic-slot-migration"));
    unfit.filter_map(|module| module.split(',').find_map(|pair| pair.strip_prefix("name=")).map(str::to_owned)).collect()
}

/// What slots hold, and whose tags are in them.
type SlotHoldings = (BTreeMap<u16, SlotFact>, BTreeMap<u16, BTreeSet<Arc<str>>>);

/// Keys of these slots on every master that answers, in all databases. A master that answers other questions and not this one is an error:
/// a key it holds would be overlooked.
pub(crate) async fn holders(links: &Links, model: &Model, slots: &[u16]) -> Result<BTreeMap<u16, BTreeMap<NodeId, u64>>, String> {
    let masters = model.nodes().filter(|node| node.is_master() && node.health.serves());
    let asked = masters.map(|node| async move {
        let link = links.get(&node.address, Lane::Work);
        let mut keys = vec![0; slots.len()];
        for database in databases(&link, &node.address).await? {
            let counts = count(&link, &node.address, database, slots).await?;
            keys.iter_mut().zip(counts).for_each(|(all, more)| *all += more);
        }
        Ok::<_, String>((node.id, keys))
    });
    let mut holders: BTreeMap<u16, BTreeMap<NodeId, u64>> = BTreeMap::new();
    for answer in join_all(asked).await {
        let (id, counts) = answer?;
        for (slot, keys) in slots.iter().zip(counts) {
            if keys > 0 {
                holders.entry(*slot).or_default().insert(id, keys);
            }
        }
    }
    Ok(holders)
}

/// One master's slots, in every database. What it does not count is unknown, never empty: the error says why.
async fn one(links: &Links, address: Address, slots: Vec<u16>, depth: Depth) -> Result<SlotHoldings, String> {
    let link = links.get(&address, Lane::Work);
    let (mut facts, mut tags) = SlotHoldings::default();
    for database in databases(&link, &address).await? {
        let counts = count(&link, &address, database, &slots).await?;
        for (slot, keys) in slots.iter().zip(&counts) {
            facts.entry(*slot).or_insert_with(SlotFact::default).keys += keys;
        }
        if let Depth::Sizes(most) = depth {
            for (slot, keys) in keys_of(&link, &address, database, &slots, &counts, most).await? {
                sizes(&link, &address, &mut facts, database, slot, &keys).await?;
                if most == THOROUGH {
                    let tagged = keys.iter().filter(|key| hash_tag(key).len() < key.len());
                    let names = tagged.map(|key| Arc::from(escape::name(hash_tag(key))));
                    tags.entry(slot).or_insert_with(BTreeSet::new).extend(names);
                }
            }
        }
    }
    if depth == Depth::Ops {
        ops(&link, &mut facts).await;
    }
    Ok((facts, tags))
}

/// The databases that hold keys, and 0.
async fn databases(link: &Link, address: &Address) -> Result<BTreeSet<u32>, String> {
    let reply = link.call_within(&Command::words("INFO keyspace"), CHUNK_WITHIN).await;
    let reply = reply.map_err(|failure| format!("{address} does not say which databases hold keys: {failure}"))?;
    let text = reply.text().ok_or_else(|| format!("{address} does not say which databases hold keys: {}", said(&reply)))?;
    let number = |line: &str| line.strip_prefix("db")?.split_once(':')?.0.parse().ok();
    Ok(text.lines().filter_map(number).chain([0]).collect())
}

/// Keys of each of these slots in one database.
async fn count(link: &Link, address: &Address, database: u32, slots: &[u16]) -> Result<Vec<u64>, String> {
    let questions = slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")));
    let replies = in_database(link, database, questions).await;
    let counts: Vec<Option<u64>> = replies.iter().map(|reply| u64::try_from(reply.int()?).ok()).collect();
    if let Some(at) = counts.iter().position(Option::is_none) {
        let why = replies.get(at).map(said).unwrap_or_default();
        let right = if why.starts_with("NOPERM") { ": this user needs +cluster|countkeysinslot there" } else { "" };
        return Err(format!("{address} does not count its keys: {why}{right}"));
    }
    if counts.len() < slots.len() {
        return Err(format!(
            "{address} does not count its keys: no reply for {} of {} slots",
            slots.len() - counts.len(),
            slots.len()
        ));
    }
    Ok(counts.into_iter().flatten().collect())
}

/// MEMORY USAGE of these keys of one slot, added to what is known of it.
async fn sizes(
    link: &Link,
    address: &Address,
    facts: &mut BTreeMap<u16, SlotFact>,
    database: u32,
    slot: u16,
    keys: &[Vec<u8>],
) -> Result<(), String> {
    let sizes = in_database(link, database, keys.iter().map(|key| Command::words("MEMORY USAGE").arg(key))).await;
    if let Some(refused) = sizes.iter().find(|reply| is_forbidden(reply)) {
        return Err(format!("{address} does not tell the size of its keys (MEMORY USAGE): {}", said(refused)));
    }
    if sizes.len() < keys.len() {
        return Err(format!("{address} does not tell the size of its keys (MEMORY USAGE): no reply"));
    }
    let sizes: Vec<u64> = sizes.iter().filter_map(|reply| u64::try_from(reply.int()?).ok()).collect();
    let Some(fact) = facts.get_mut(&slot) else { return Ok(()) };
    let (seen, looked) = (sizes.iter().sum::<u64>(), sizes.len() as u64);
    // Keys that were not looked at count as the mean of those that were.
    let uncounted = fact.keys.saturating_sub(fact.sized).max(looked);
    if looked > 0 {
        fact.bytes += (seen as f64 * uncounted as f64 / looked as f64) as u64;
        fact.sized += uncounted;
    }
    fact.biggest_bytes = fact.biggest_bytes.max(sizes.iter().copied().max().unwrap_or(0));
    Ok(())
}

async fn keys_of(
    link: &Link,
    address: &Address,
    database: u32,
    slots: &[u16],
    counts: &[u64],
    most: u64,
) -> Result<Vec<(u16, Vec<Vec<u8>>)>, String> {
    let slots: Vec<u16> = slots.iter().zip(counts).filter(|(_, keys)| **keys > 0).map(|(slot, _)| *slot).collect();
    let questions = slots.iter().map(|slot| Command::words(&format!("CLUSTER GETKEYSINSLOT {slot} {most}")));
    let replies = in_database(link, database, questions).await;
    if let Some(refused) = replies.iter().find(|reply| matches!(reply, Reply::Error(_))) {
        return Err(format!("{address} does not list the keys of its slots: {}", said(refused)));
    }
    if replies.len() < slots.len() {
        return Err(format!("{address} does not list the keys of its slots: no reply"));
    }
    Ok(slots.into_iter().zip(replies.iter().map(keys)).collect())
}

/// The strings of an array reply.
pub(crate) fn keys(reply: &Reply) -> Vec<Vec<u8>> {
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

/// Many commands in chunks; a chunk without an answer ends it, and the replies so far are given. Errors are replies.
pub(crate) async fn pipelined(link: &Link, commands: impl Iterator<Item = Command>) -> Vec<Reply> {
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

fn is_forbidden(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.code == "NOPERM")
}

/// The same in one database; ended by the first that is forbidden, for the others would be, too. The connection is shared:
/// each chunk goes there and back in one go.
async fn in_database(link: &Link, database: u32, commands: impl Iterator<Item = Command>) -> Vec<Reply> {
    let commands: Vec<Command> = commands.collect();
    let mut replies = Vec::with_capacity(commands.len());
    for chunk in commands.chunks(CHUNK) {
        let more = if database == 0 {
            link.pipeline(chunk, CHUNK_WITHIN).await
        } else {
            let there = Command::words(&format!("SELECT {database}"));
            let all: Vec<Command> =
                std::iter::once(there).chain(chunk.iter().cloned()).chain([Command::words("SELECT 0")]).collect();
            link.pipeline(&all, CHUNK_WITHIN).await.map(|mut replies| {
                replies.pop();
                match replies.first() {
                    // Not there, so that the rest was answered of another database.
                    Some(refused @ Reply::Error(_)) => vec![refused.clone()],
                    _ => replies.split_off(replies.len().min(1)),
                }
            })
        };
        let Ok(more) = more else { break };
        let forbidden = more.iter().any(is_forbidden);
        replies.extend(more);
        if forbidden {
            break;
        }
    }
    replies
}
