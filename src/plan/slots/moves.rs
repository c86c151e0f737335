//! PURE. What all plans that move slots share: grouping by pair, what stands in the way, what it costs, the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cluster::{Model, Node, NodeId, SLOTS, Server, SlotSet};

use crate::cluster::election::DEFAULT_NODE_TIMEOUT;
use crate::plan::failover::succession::is_up;
use crate::plan::fingerprint::Fingerprint;
use crate::plan::protocol::{MoveGroup, move_group};
use crate::plan::report::shown;
use crate::plan::{
    Code, Danger, Engine, Facts, Intent, Move, OPEN, Pace, Plan, Prediction, Reason, Refusal, Step, StepKind, impact,
};
use crate::quantity;

/// What a key's transfer holds both servers up for: from (one string) to (many small members), by megabyte.
const BLOCK_PER_MB: (Duration, Duration) = (Duration::from_millis(6), Duration::from_millis(26));
/// What a move by MIGRATE does not wait for.
pub(crate) const UNREPLICATED: &str = "a source deletes a key when its target has it: a target that dies before its replica \
                                       has the last batch loses that (nothing else is lost)";
/// A key from which on a move is felt.
const BIG: u64 = 1 << 20;

/// Slots to be moved: where each of them goes.
pub(crate) type Targets = BTreeMap<u16, NodeId>;

/// One move for every pair of source and target, in order. Slots that are where they shall be are left out.
pub(crate) fn group(facts: &Facts<'_>, targets: &Targets) -> Vec<Move> {
    let mut pairs: BTreeMap<(NodeId, NodeId), SlotSet> = BTreeMap::new();
    for (&slot, &to) in targets {
        if let Some(from) = facts.model.topology().owner(slot).filter(|&from| from != to) {
            pairs.entry((from, to)).or_default().insert(slot);
        }
    }
    let part = |((from, to), slots): ((NodeId, NodeId), SlotSet)| {
        let touched = impact::of_slots(facts.model, &slots, facts.slots);
        let tally = touched.tally;
        Some(Move {
            from,
            from_address: facts.model.node(from)?.address.clone(),
            to,
            to_address: facts.model.node(to)?.address.clone(),
            keys: tally.keys,
            bytes: (!touched.bytes_in_part).then_some(tally.bytes),
            rooms: tally.rooms,
            players: tally.players,
            slots,
        })
    };
    pairs.into_iter().filter_map(part).collect()
}

/// What must not be so for slots to be moved; each a sentence.
pub(crate) fn obstacles(facts: &Facts<'_>, targets: &Targets) -> Vec<Reason> {
    let (model, topology) = (facts.model, facts.model.topology());
    let mut reasons = Code::NotCounted.each(facts.slots.and_then(|slots| slots.trouble.clone()));
    let asked: SlotSet = targets.keys().copied().collect();
    let unowned: SlotSet = asked.iter().filter(|&slot| topology.owner(slot).is_none()).collect();
    if !unowned.is_empty() {
        let says = format!("nobody owns {}: give it an owner first with `fix {unowned}`", slots_are(&unowned));
        reasons.push(Code::SlotsUnowned.because(says));
    }
    let open: SlotSet = topology.open.iter().map(|open| open.slot).filter(|&slot| asked.contains(slot)).collect();
    if !open.is_empty() {
        let says = format!("{} open already, a move was begun and not ended: `fix {open}` first", are(&open));
        reasons.push(Code::SlotsOpen.because(says));
    }
    let disputed: SlotSet = topology.conflicts.iter().map(|conflict| conflict.slot).filter(|&slot| asked.contains(slot)).collect();
    if !disputed.is_empty() {
        let says = format!("two masters claim {}: settle that first with `fix {disputed}`", slots_are(&disputed));
        reasons.push(Code::SlotsDisputed.because(says));
    }
    let mut touched: Vec<NodeId> = targets.iter().flat_map(|(&slot, &to)| [topology.owner(slot), Some(to)]).flatten().collect();
    touched.sort_unstable();
    touched.dedup();
    for node in touched.iter().filter_map(|id| model.node(*id)) {
        if !is_up(node) || !node.health.serves() {
            let says = if node.health.is_down() || !node.health.serves() { node.health.says() } else { "is marked as failed" };
            let says = format!("{} {says}: its slots can be moved when it works again or its replica has taken over", node.address);
            reasons.push(Code::NodeDown.because(says));
        } else if !node.is_master() {
            reasons.push(Code::NotAMaster.because(format!("{} is a replica, and only masters own slots", node.address)));
        }
    }
    let targets: BTreeSet<NodeId> = targets.values().copied().collect();
    for node in targets.iter().filter_map(|id| model.node(*id)) {
        if is_up(node) && node.cluster_info.as_ref().is_some_and(|info| !info.ok) {
            let says = format!("{} says cluster_state:fail and would take no keys: wait until it says ok", node.address);
            reasons.push(Code::ClusterDown.because(says));
        }
    }
    reasons.extend(Code::NodesDisagree.each(disagreement(model, &asked)));
    reasons
}

/// Every master that speaks must agree on who owns the slots, or the redirects of one would fight those of another.
fn disagreement(model: &Model, asked: &SlotSet) -> Vec<String> {
    let mut differing: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
    for (speaker, view) in model.views() {
        for member in view.members.iter().filter(|member| !member.flags.failed) {
            for slot in member.slots.iter().flat_map(|range| range.iter()).filter(|&slot| asked.contains(slot)) {
                if model.topology().owner(slot) != Some(member.id) {
                    differing.entry(speaker).or_default().insert(slot);
                }
            }
        }
    }
    let say = |(speaker, slots): (NodeId, SlotSet)| {
        format!("{} names another owner of {}: wait until all agree, or `fix {slots}`", model.label(speaker), slots_are(&slots))
    };
    differing.into_iter().map(say).collect()
}

fn slots_are(slots: &SlotSet) -> String {
    if slots.len() == 1 { format!("slot {slots}") } else { format!("slots {slots}") }
}

fn are(slots: &SlotSet) -> String {
    if slots.len() == 1 { format!("slot {slots} is") } else { format!("slots {slots} are") }
}

/// The whole plan for these moves.
pub(crate) fn draw_up(intent: Intent, facts: &Facts<'_>, moves: Vec<Move>, pace: Pace) -> Result<Plan, Refusal> {
    let model = facts.model;
    let slots: SlotSet = moves.iter().flat_map(|part| part.slots.iter()).collect();
    let engine = if facts.slots.is_some_and(|slots| slots.atomic) { Engine::ValkeyAtomic } else { Engine::Keys };
    let mut impact = impact::of_slots(model, &slots, facts.slots);
    impact.shards.extend(moves.iter().filter_map(|part| model.node(part.to)?.shard));
    impact.shards.sort_unstable();
    impact.shards.dedup();
    let (mut warnings, mut reasons) = (Vec::new(), Vec::new());
    let mut danger = Danger::Normal;
    room_for(facts, &moves, &mut warnings, &mut reasons);
    for (node, part) in moves.iter().filter_map(|part| Some((model.node(part.from)?, part))) {
        big_keys(facts, node, part, engine, &mut warnings, &mut reasons, &mut danger);
    }
    last_slots(model, &moves, &mut warnings);
    majority(model, &moves, &mut warnings);
    other_open(model, &slots, &moves, &mut warnings);
    for id in facts.slots.iter().flat_map(|slots| &slots.numbered_databases) {
        let says = format!("{} has keys in databases above 0, which MIGRATE of database 0 would leave behind", model.label(*id));
        reasons.push(Code::DatabasesInUse.because(says));
    }
    if let Some(obstacle) = facts.slots.and_then(|slots| slots.atomic_obstacle.as_ref()) {
        warnings.push(format!("moved key by key: {obstacle}"));
    }
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    Ok(Plan {
        steps: steps(model, &moves, engine, pace),
        prediction: prediction(facts, &moves, engine, pace),
        fingerprint: fingerprint(model, &moves),
        cluster: model.name.clone(),
        engine: Some(engine),
        before: Vec::new(),
        after: Vec::new(),
        intent,
        moves,
        impact,
        warnings,
        danger,
    })
}

/// That sources and targets are known, and that each source still owns what it shall give.
pub(crate) fn fingerprint(model: &Model, moves: &[Move]) -> u64 {
    let start = Fingerprint::of("moves");
    let print = moves.iter().fold(start, |print, part| {
        let owned: SlotSet = part.slots.iter().filter(|&slot| model.topology().owner(slot) == Some(part.from)).collect();
        let role = |id: NodeId| model.node(id).map_or("gone", |node| node.role.word());
        print.and(part.from).and(role(part.from)).and(part.to).and(role(part.to)).and(owned)
    });
    print.value()
}

fn steps(model: &Model, moves: &[Move], engine: Engine, pace: Pace) -> Vec<Step> {
    let mut steps: Vec<Step> = moves.iter().enumerate().map(|(index, part)| step(model, index, part, engine, pace)).collect();
    if let Some(first) = moves.first() {
        steps.push(Step {
            node: first.to,
            address: first.to_address.clone(),
            commands: Vec::new(),
            kind: StepKind::Verify,
            says: "read back from every node that the new owners own their slots and none is open".into(),
        });
    }
    steps
}

fn step(model: &Model, index: usize, part: &Move, engine: Engine, pace: Pace) -> Step {
    let from = &part.from_address;
    let commands = match engine {
        // As for any of its slots, by itself.
        Engine::Keys => {
            let first = part.slots.iter().take(1).collect();
            let group = MoveGroup {
                source: part.from,
                target: part.to,
                slots: first,
                others: Vec::new(),
                replicas: Vec::new(),
                strict: true,
                quiet: false,
            };
            let listed = shown::listed(&move_group(&group), model, migrate_patience(model, pace));
            listed.into_iter().map(|(node, command)| format!("{}: {command}", model.label(node))).collect()
        }
        Engine::ValkeyAtomic => {
            let ranges: Vec<String> = part.slots.ranges().iter().map(|range| format!("{} {}", range.start, range.end)).collect();
            vec![format!("{from}: CLUSTER MIGRATESLOTS SLOTSRANGE {} NODE {}", ranges.join(" "), part.to)]
        }
    };
    let says = format!("move {} from {from} to {}", quantity::count(part.slots.len(), "slot"), part.to_address);
    Step { node: part.from, address: from.clone(), commands, kind: StepKind::MoveSlots { index }, says }
}

/// For speed, workers for each source: while one moves keys, the other lists and sizes the next.
pub(crate) const WORKERS: u32 = 2;

/// How long MIGRATE may wait for the other side: well below the node timeout, since it holds the source up.
pub fn migrate_patience(model: &Model, pace: Pace) -> Duration {
    let patience =
        (model.node_timeout().unwrap_or(DEFAULT_NODE_TIMEOUT) / 3).clamp(Duration::from_millis(500), Duration::from_secs(5));
    if pace == Pace::Fast { patience / WORKERS } else { patience }
}

/// A node's claims may be one transaction. Valkey 8 and later wait for replicas at each SETSLOT, which a transaction must
/// not; a server that is not known might be one.
pub fn claims_quietly(model: &Model, id: NodeId) -> bool {
    let server = model.node(id).and_then(|node| node.info.as_ref()?.server.as_ref());
    server.is_some_and(|server| !server.is_valkey() || server.release() < (8, 0))
}

/// Valkey 9 refuses `IMPORTING` from the node itself; a server that is not known might be one.
pub(crate) fn imports_from_itself(model: &Model, id: NodeId) -> bool {
    let server = model.node(id).and_then(|node| node.info.as_ref()?.server.as_ref());
    server.is_some_and(|server| !server.is_valkey() || server.release() < (9, 0))
}

fn prediction(facts: &Facts<'_>, moves: &[Move], engine: Engine, pace: Pace) -> Prediction {
    let slots: u64 = moves.iter().map(|part| part.slots.len() as u64).sum();
    let bytes: Option<u64> = moves.iter().map(|part| part.bytes).sum();
    let keys: u64 = moves.iter().map(|part| part.keys).sum();
    let biggest =
        moves.iter().flat_map(|part| part.slots.iter()).filter_map(|slot| facts.slots.map(|f| f.slot(slot).biggest_bytes)).max();
    let ms = Duration::from_millis;
    // Milliseconds, as seen on plain machines: a slot costs its bookkeeping, a key its command, a byte its copying.
    let (per_slot, per_key, per_byte) = match engine {
        Engine::Keys if pace == Pace::Fast => (0.2, 0.006, 1.0 / 60_000.0),
        Engine::Keys => (0.4, 0.018, 1.0 / 60_000.0),
        Engine::ValkeyAtomic => (0.02, 0.002, 1.0 / 150_000.0),
    };
    let takes = bytes.map(|bytes| 5.0 + slots as f64 * per_slot + keys as f64 * per_key + bytes as f64 * per_byte);
    let mut notes = Vec::new();
    let pause = match engine {
        Engine::Keys => {
            notes.push(
                "players see redirects (ASK) while a slot is open; a command on several keys may have to be tried again".into(),
            );
            if moves.iter().any(|part| part.slots.len() > 1) {
                notes.push(format!(
                    "commands are shown for the first slot of each move; at most {OPEN} of a move are open at a time"
                ));
            }
            notes.push(UNREPLICATED.into());
            let block = block(biggest.unwrap_or(0));
            (ms(1).max(block.0), ms(if pace == Pace::Fast { 20 } else { 10 }).max(block.1))
        }
        Engine::ValkeyAtomic => {
            notes.push(
                "no redirects while it runs; at the end all writes on the source stand still once for a group of slots".into(),
            );
            (ms(1), ms(200))
        }
    };
    if facts.slots.is_some_and(|slots| slots.sampled) {
        notes.push("bytes are scaled up from samples".into());
    }
    if moves.iter().any(|part| impact::is_estimated(facts.model, &part.slots, facts.slots)) {
        notes.push("bytes are estimated from the masters' averages".into());
    }
    Prediction {
        winner: None,
        pause: Some(pause),
        // Atomic moves end when the target's side has it all; MIGRATE knows nothing of replicas, and WAIT counts the writes of
        // its own connection alone.
        bytes_at_risk: if engine == Engine::Keys { None } else { Some(0) },
        takes: takes.map(|takes| Duration::from_secs_f64(takes / 1000.0)),
        notes,
    }
}

/// How long a key of this size holds its two servers up.
fn block(bytes: u64) -> (Duration, Duration) {
    let mb = bytes as f64 / (1 << 20) as f64;
    (BLOCK_PER_MB.0.mul_f64(mb), BLOCK_PER_MB.1.mul_f64(mb))
}

fn big_keys(
    facts: &Facts<'_>,
    node: &Node,
    part: &Move,
    engine: Engine,
    warnings: &mut Vec<String>,
    reasons: &mut Vec<Reason>,
    danger: &mut Danger,
) {
    let Some(slots) = facts.slots.filter(|_| engine == Engine::Keys) else { return };
    let Some((slot, bytes)) = part.slots.iter().map(|slot| (slot, slots.slot(slot).biggest_bytes)).max_by_key(|&(_, bytes)| bytes)
    else {
        return;
    };
    if bytes < BIG {
        return;
    }
    let timeout = node.settings.as_ref().and_then(|settings| settings.node_timeout).unwrap_or(DEFAULT_NODE_TIMEOUT);
    let time = block(bytes);
    let what = format!(
        "slot {slot} has a key of {}: {} and its target stand still for {} while it moves",
        quantity::bytes(bytes),
        node.address,
        quantity::range(time)
    );
    if time.0 > timeout {
        let says = format!("{what}, longer than the node timeout of {}: the others would fail it over", quantity::span(timeout));
        reasons.push(Code::KeyTooBig.because(says));
    } else {
        if time.1 > timeout {
            *danger = Danger::Typed;
            warnings.push(format!("{what}; with a node timeout of {} it could be failed over meanwhile", quantity::span(timeout)));
        } else {
            warnings.push(format!("{what}; it is moved alone"));
        }
    }
}

/// The targets' memory limits. What is not known of them is said: it is no room.
fn room_for(facts: &Facts<'_>, moves: &[Move], warnings: &mut Vec<String>, reasons: &mut Vec<Reason>) {
    let mut incoming: BTreeMap<NodeId, (u64, bool)> = BTreeMap::new();
    for part in moves {
        let (bytes, known) = incoming.entry(part.to).or_insert((0, true));
        // What is known of them may be too much already.
        let coming = impact::of_slots(facts.model, &part.slots, facts.slots);
        *bytes += coming.tally.bytes;
        *known &= !coming.bytes_in_part;
    }
    for (id, (bytes, known)) in incoming {
        let Some(node) = facts.model.node(id) else { continue };
        let free = node.info.as_ref().and_then(|info| info.free_below_limit());
        // One that makes room by dropping keys refuses nothing: that is asked about.
        let evicts = node.info.as_ref().is_some_and(|info| info.evicts().is_some());
        let Some(free) = free else {
            let may = "it may refuse keys on their way";
            warnings.push(format!("how much memory {} has left below its maxmemory is unknown: {may}", node.address));
            continue;
        };
        if !known && free < u64::MAX {
            warnings.push(format!(
                "how many bytes come to {} is unknown; it has {} left below its maxmemory",
                node.address,
                quantity::bytes(free)
            ));
        }
        if bytes > free && !evicts {
            reasons.push(Code::TargetOutOfMemory.because(format!(
                "{} has {} left below its maxmemory, and {} would come: raise maxmemory or move less",
                node.address,
                quantity::bytes(free),
                quantity::bytes(bytes)
            )));
        }
    }
}

fn last_slots(model: &Model, moves: &[Move], warnings: &mut Vec<String>) {
    let mut given: BTreeMap<NodeId, usize> = BTreeMap::new();
    for part in moves {
        *given.entry(part.from).or_default() += part.slots.len();
    }
    for (id, count) in given {
        let Some(node) = model.node(id).filter(|node| usize::from(node.slot_count) == count) else { continue };
        let stays = node.settings.as_ref().and_then(|settings| settings.replica_migration) == Some(false);
        if !stays {
            warnings.push(format!(
                "{} gives its last slot away and becomes a replica of the target (cluster-allow-replica-migration is on)",
                node.address
            ));
        }
    }
}

/// A failover needs the votes of more than half of the masters with slots; of one or two that is all of them.
fn majority(model: &Model, moves: &[Move], warnings: &mut Vec<String>) {
    let now = |slot: u16| model.topology().owner(slot);
    let targets: BTreeMap<u16, NodeId> = moves.iter().flat_map(|part| part.slots.iter().map(|slot| (slot, part.to))).collect();
    let owners = |owner: &dyn Fn(u16) -> Option<NodeId>| (0..SLOTS).filter_map(owner).collect::<BTreeSet<NodeId>>().len();
    let (before, after) = (owners(&now), owners(&|slot| targets.get(&slot).copied().or_else(|| now(slot))));
    if after < 3 && after < before {
        let left = quantity::count(after, "master");
        let is = if after == 1 { "is" } else { "are" };
        warnings.push(format!(
            "only {left} with slots {is} left: the death of one leaves no majority, and no replica takes over by itself"
        ));
    }
}

fn other_open(model: &Model, slots: &SlotSet, moves: &[Move], warnings: &mut Vec<String>) {
    let touched = |id: NodeId| moves.iter().any(|part| part.from == id || part.to == id);
    let open = &model.topology().open;
    let others: SlotSet =
        open.iter().filter(|open| touched(open.node) && !slots.contains(open.slot)).map(|open| open.slot).collect();
    if !others.is_empty() {
        warnings.push(format!("{} open on the same masters: `fix {others}` would finish or undo that", are(&others)));
    }
}

/// Valkey 9 and later move slots by themselves.
pub fn moves_atomically(server: Option<&Server>) -> bool {
    server.is_some_and(|server| server.is_valkey() && server.release() >= (9, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::{Sample, noon};
    use crate::plan::plan;

    /// What a drain of the first master is warned of, where there are so many masters.
    fn warnings(masters: usize) -> String {
        let model = Sample::new(masters, 1).model;
        let node = model.topology().shards.iter().find_map(|shard| shard.master).map(|id| model.label(id)).unwrap();
        plan(&Intent::Drain { node }, &Facts::of(&model), noon()).unwrap().warnings.join("\n")
    }

    #[test]
    fn memory_that_nobody_told_of_is_unknown_and_not_nothing() {
        // These servers tell what they use, and not their maxmemory.
        let model = crate::plan::testing::three_shards();
        let slots = [crate::cluster::SlotRange::new(0, 9)].iter().collect();
        let to = "C".to_string();
        let plan = crate::plan::plan(&Intent::MoveSlots { slots, to }, &Facts::of(&model), noon()).unwrap();
        let warnings = plan.warnings.join("\n");
        assert!(warnings.contains("how much memory 10.0.0.3:7002 has left below its maxmemory is unknown"), "{warnings}");
        let by_memory = Intent::Rebalance {
            by: crate::plan::Objective::Memory,
            weights: BTreeMap::new(),
            use_empty: false,
            threshold_percent: 2.0,
            pace: Pace::Calm,
        };
        let refusal = crate::plan::plan(&by_memory, &Facts::of(&model), noon()).unwrap_err();
        assert!(refusal.reasons.iter().all(|reason| reason.code == Code::NotCounted), "{refusal:?}");
        assert!(refusal.to_string().contains("how much memory"), "{refusal}");
    }

    #[test]
    fn too_few_masters_for_a_majority_are_warned_of() {
        assert!(!warnings(4).contains("majority"));
        assert!(warnings(3).contains("only 2 masters with slots are left: the death of one leaves no majority"));
        assert!(warnings(2).contains("only 1 master with slots is left"));
    }
}
