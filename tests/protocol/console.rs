//! PURE. A console: it carries out the steps of `plan::protocol`, one small act at a time, so that anything may happen between.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::cluster::NodeId;
use crate::protocol::{
    self, Direction, Heard, KeyTransfer, MoveGroup, Precondition, PreconditionState, Repair, SendPurpose, SlotAct, SlotCommand,
    SlotEvidence, SlotStep, Surroundings,
};

use super::server::{A, A1, B, C, Cluster, KEYS, NOBODY, NODES, Order, Refused, Rules, SLOTS, other_copy};

/// Repairs one after the other that a console does before it gives up.
const ROUNDS: u8 = 8;

pub fn id(node: usize) -> NodeId {
    NodeId(node as u8)
}

pub fn nth(id: NodeId) -> usize {
    id.0 as usize
}

/// What one console is there for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Moves both slots.
    Move { from: usize, to: usize },
    /// Moves one slot after the other, as groups of one move.
    MoveApart { from: usize, to: usize },
    /// Steps written down by a test: how it was done before.
    Script(Vec<SlotStep>),
    /// Puts right what is open, until nothing is.
    Fix(Direction),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Program {
    None,
    Task,
    /// The repair, its slots, and who is around.
    Repair(Repair, Vec<u16>, Around),
}

/// What a repair takes from its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Around {
    /// The master of a's shard, if one answers.
    head: Option<usize>,
    /// The source's mark names a node that is no master any more.
    reopens: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reads what the step requires.
    Read,
    /// Everything held when it was read: the next thing it does is the act.
    Act,
    Done,
    /// A precondition or a server was against it.
    Stopped(SendPurpose),
    /// The process is gone.
    Crashed,
}

/// What a node said when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Said {
    master: bool,
    owner: [u8; SLOTS + 1],
    importing: [u8; SLOTS],
    migrating: [u8; SLOTS],
    epochs: [u8; NODES],
    masters: u8,
    keys: [u8; SLOTS],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Console {
    program: Program,
    pub at: u8,
    pub phase: Phase,
    rounds: u8,
    heard: [Option<Said>; NODES],
    /// Own epochs as they were heard last: what a claim is compared with.
    epochs: [u8; NODES],
    /// What its last look came to: it acts on what two looks, a fence apart, agree on.
    looked: Option<Vec<(Repair, Vec<u16>)>>,
    /// It has told the operator that slots may have lost keys.
    pub said: bool,
    claimed: bool,
    /// Keys of which the owner has another copy: they stay where they are, and are named to the operator.
    pub left: [[u8; SLOTS]; NODES],
}

thread_local! {
    static STEPS: RefCell<HashMap<(Repair, Vec<u16>, Around, bool), Rc<Vec<SlotStep>>>> = RefCell::default();
}

impl Console {
    pub fn new(task: &Task) -> Self {
        let program = if matches!(task, Task::Fix(_)) { Program::None } else { Program::Task };
        Self {
            program,
            at: 0,
            phase: Phase::Read,
            rounds: 0,
            heard: [None, None, None, None],
            epochs: [0; NODES],
            looked: None,
            said: false,
            claimed: false,
            left: [[0; SLOTS]; NODES],
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Stopped(_) | Phase::Crashed)
    }

    /// Copies that differ are left for the operator to choose from.
    pub fn asks(&self) -> bool {
        self.left != [[0; SLOTS]; NODES]
    }

    /// What it has read is too old to act on.
    pub fn forget(&mut self) {
        if !self.is_over() {
            self.heard = [None, None, None, None];
            self.phase = Phase::Read;
        }
    }

    fn steps(&self, task: &Task, rules: Rules) -> Rc<Vec<SlotStep>> {
        match (&self.program, task) {
            (Program::Repair(repair, slots, around), _) => STEPS.with_borrow_mut(|known| {
                let key = (repair.clone(), slots.clone(), *around, rules == Rules::Redis7);
                known.entry(key).or_insert_with(|| Rc::new(repair_steps(repair, slots, *around, rules))).clone()
            }),
            (_, Task::Script(steps)) => Rc::new(steps.clone()),
            (_, Task::Move { from, to }) => STEPS.with_borrow_mut(|known| {
                let name = Repair::Finish { from: id(*from), to: id(*to), unaware: false };
                let key = (name, Vec::new(), Around { head: Some(A), reopens: false }, rules == Rules::Redis7);
                known.entry(key).or_insert_with(|| Rc::new(move_steps(*from, *to, rules))).clone()
            }),
            (_, Task::MoveApart { from, to }) => STEPS.with_borrow_mut(|known| {
                let name = Repair::FinishAndBack { from: id(*from), to: id(*to), unaware: false };
                let key = (name, Vec::new(), Around { head: Some(A), reopens: false }, rules == Rules::Redis7);
                known.entry(key).or_insert_with(|| Rc::new(apart_steps(*from, *to, rules))).clone()
            }),
            (_, Task::Fix(_)) => Rc::new(Vec::new()),
        }
    }

    /// The next thing it does. False: it has nothing to do, or waits.
    pub fn act(&mut self, task: &Task, rules: Rules, cluster: &mut Cluster) -> Outcome {
        if self.is_over() {
            return Outcome::Nothing;
        }
        if let (Program::None, Task::Fix(direction)) = (&self.program, task) {
            return self.decide(*direction, cluster);
        }
        let steps = self.steps(task, rules);
        let Some(step) = steps.get(self.at as usize) else {
            self.end(task);
            return Outcome::Did;
        };
        match self.phase {
            Phase::Read => self.read(step, cluster),
            _ => self.carry_out(step, rules, cluster),
        }
    }

    /// What it is about to do, for the eyes of whoever reads a way.
    pub fn next_step(&self, task: &Task, rules: Rules) -> String {
        let steps = self.steps(task, rules);
        let step = steps.get(self.at as usize);
        let commands = step.map(|step| step.commands().iter().map(|(node, words)| format!("{node}: {words}")).collect::<Vec<_>>());
        format!("{:?} {:?} {}", self.phase, step.map(|step| step.purpose), commands.unwrap_or_default().join("; "))
    }

    fn end(&mut self, task: &Task) {
        self.heard = [None, None, None, None];
        (self.at, self.claimed) = (0, false);
        if matches!(task, Task::Fix(_)) && self.rounds < ROUNDS && !self.asks() {
            self.program = Program::None;
            self.phase = Phase::Read;
        } else {
            self.phase = Phase::Done;
        }
    }

    fn stop(&mut self, purpose: SendPurpose) -> Outcome {
        self.heard = [None, None, None, None];
        self.epochs = [0; NODES];
        self.phase = Phase::Stopped(purpose);
        self.said |= self.claimed;
        Outcome::Did
    }

    fn decide(&mut self, direction: Direction, cluster: &Cluster) -> Outcome {
        let mut found: Vec<(Repair, Vec<u16>)> = Vec::new();
        for slot in 0..SLOTS {
            if let Ok(Some(repair)) = evidence(cluster, slot).repair(direction) {
                match found.iter_mut().find(|(other, _)| *other == repair) {
                    Some((_, slots)) => slots.push(slot as u16),
                    None => found.push((repair, vec![slot as u16])),
                }
            }
        }
        if self.looked.as_ref() != Some(&found) {
            let first = self.looked.is_none();
            self.looked = Some(found);
            return if first { Outcome::Fence } else { Outcome::Did };
        }
        let head = [A1, A].into_iter().find(|&node| cluster.nodes[node].is_master() && cluster.nodes[node].alive);
        self.looked = None;
        self.rounds += 1;
        match found.into_iter().next() {
            Some((repair, slots)) if self.rounds <= ROUNDS => {
                let around = Around { head, reopens: reopens(cluster, &repair, &slots) };
                self.program = Program::Repair(repair, slots, around);
            }
            _ => self.phase = Phase::Done,
        }
        Outcome::Did
    }

    fn read(&mut self, step: &SlotStep, cluster: &Cluster) -> Outcome {
        let asked = |node: usize| {
            let asks = step.requires.iter().any(|needed| needed.asks().contains(&id(node)));
            asks || step.requires.iter().filter_map(Precondition::counts).any(|(at, _)| at == id(node))
        };
        let wanted: Vec<usize> = (0..NODES).filter(|&node| asked(node) && self.heard[node].is_none()).collect();
        if let [next, ..] = wanted.as_slice() {
            match hear(cluster, *next) {
                None => return self.stop(step.purpose),
                Some(said) => {
                    self.epochs[*next] = said.epochs[*next];
                    self.heard[*next] = Some(said);
                }
            }
        }
        if wanted.len() > 1 {
            return Outcome::Did;
        }
        match self.judge(&step.requires) {
            Judged::Holds => self.phase = Phase::Act,
            Judged::MayCome => {
                // It asks again; only the servers can change what it hears.
                self.heard = [None, None, None, None];
                self.phase = Phase::Read;
            }
            Judged::Fails => return self.stop(step.purpose),
        }
        Outcome::Did
    }

    fn judge(&self, conditions: &[Precondition]) -> Judged {
        let mut judged = Judged::Holds;
        for condition in conditions {
            match condition.verdict(self) {
                PreconditionState::Holds => {}
                _ if condition.may_come() => judged = Judged::MayCome,
                _ => return Judged::Fails,
            }
        }
        judged
    }

    fn carry_out(&mut self, step: &SlotStep, rules: Rules, cluster: &mut Cluster) -> Outcome {
        let mut outcome = Outcome::Did;
        match &step.act {
            SlotAct::Look => {}
            SlotAct::Fence => outcome = Outcome::Fence,
            SlotAct::Drain { of, by } => {
                let is_under_way = |from: u8, to: u8| of.contains(&id(from as usize)) && by.contains(&id(to as usize));
                if cluster.wire.iter().any(|message| is_under_way(message.from, message.to)) {
                    return Outcome::Nothing;
                }
            }
            SlotAct::MoveKeys { from, to, slots, transfer } => {
                return match move_key(cluster, nth(*from), nth(*to), slots, *transfer, &mut self.left) {
                    Moved::One => Outcome::Did,
                    Moved::Refused => self.stop(step.purpose),
                    Moved::Differs(slot, key) => {
                        self.left[nth(*from)][slot] |= key;
                        self.stop(step.purpose)
                    }
                    Moved::All => self.next(step),
                };
            }
            SlotAct::Send { to, commands, .. } => {
                let at = nth(*to);
                if matches!(step.purpose, SendPurpose::ClaimFirst | SendPurpose::ClaimRest) {
                    self.claimed = true;
                }
                for command in commands {
                    match cluster.order(rules, at, order(command)) {
                        Ok(()) => {}
                        Err(Refused::OnlyWithMasters) if step.purpose == SendPurpose::Release => {}
                        Err(_) => return self.stop(step.purpose),
                    }
                }
                if !step.confirms.is_empty() {
                    self.heard[at] = hear(cluster, at);
                    if let Some(said) = &self.heard[at] {
                        self.epochs[at] = said.epochs[at];
                    }
                    if self.judge(&step.confirms) != Judged::Holds {
                        return self.stop(step.purpose);
                    }
                }
            }
        }
        self.next(step);
        outcome
    }

    fn next(&mut self, step: &SlotStep) -> Outcome {
        self.at += 1;
        self.phase = Phase::Read;
        // The claim's answers are fresh enough for what follows it in the same breath.
        if !matches!(step.purpose, SendPurpose::ClaimFirst | SendPurpose::ClaimRest) {
            self.heard = [None, None, None, None];
            self.epochs = [0; NODES];
        }
        Outcome::Did
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Nothing,
    Did,
    /// It has waited until everybody else's checks have run out.
    Fence,
}

#[derive(PartialEq)]
enum Judged {
    Holds,
    MayCome,
    Fails,
}

impl Heard for Console {
    fn is_master(&self, at: NodeId) -> Option<bool> {
        self.heard[nth(at)].as_ref().map(|said| said.master)
    }

    fn owns(&self, at: NodeId, slot: u16) -> Option<bool> {
        let said = self.heard[nth(at)].as_ref()?;
        Some(said.master && said.owner[slot as usize] == nth(at) as u8)
    }

    fn migrating(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>> {
        self.heard[nth(at)].as_ref().map(|said| peer(said.migrating[slot as usize]))
    }

    fn importing(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>> {
        self.heard[nth(at)].as_ref().map(|said| peer(said.importing[slot as usize]))
    }

    fn takes(&self, at: NodeId) -> Option<Option<u16>> {
        (0..SLOTS as u16)
            .find(|&slot| self.importing(at, slot).flatten().is_some())
            .map(Some)
            .or(self.heard[nth(at)].as_ref().map(|_| None))
    }

    fn gives(&self, at: NodeId) -> Option<Option<u16>> {
        (0..SLOTS as u16)
            .find(|&slot| self.migrating(at, slot).flatten().is_some())
            .map(Some)
            .or(self.heard[nth(at)].as_ref().map(|_| None))
    }

    fn epoch(&self, at: NodeId, of: NodeId) -> Option<u64> {
        if at == of {
            return Some(u64::from(self.epochs[nth(at)])).filter(|epoch| *epoch > 0);
        }
        self.heard[nth(at)].as_ref().map(|said| u64::from(said.epochs[nth(of)]))
    }

    fn owner(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>> {
        self.heard[nth(at)].as_ref().map(|said| peer(said.owner[slot as usize]))
    }

    fn holds_for_master(&self, at: NodeId, of: NodeId) -> Option<bool> {
        self.heard[nth(at)].as_ref().map(|said| said.masters & (1 << nth(of)) != 0)
    }

    fn keys(&self, at: NodeId, slot: u16) -> Option<u64> {
        let left = self.left[nth(at)][slot as usize];
        self.heard[nth(at)].as_ref().map(|said| count(said.keys[slot as usize] & !left))
    }
}

fn peer(node: u8) -> Option<NodeId> {
    (node != NOBODY).then(|| id(node as usize))
}

fn hear(cluster: &Cluster, at: usize) -> Option<Said> {
    let node = &cluster.nodes[at];
    node.alive.then(|| Said {
        master: node.is_master(),
        owner: node.owner,
        importing: node.importing,
        migrating: node.migrating,
        epochs: node.epochs,
        masters: node.masters,
        keys: node.keys,
    })
}

fn order(command: &SlotCommand) -> Order {
    match *command {
        SlotCommand::Importing { slot, from } => Order::Importing(slot as usize, nth(from)),
        SlotCommand::Migrating { slot, to } => Order::Migrating(slot as usize, nth(to)),
        SlotCommand::Stable { slot } => Order::Stable(slot as usize),
        SlotCommand::Node { slot, owner } => Order::Node(slot as usize, nth(owner)),
        SlotCommand::AddSlots { slot } => Order::AddSlots(slot as usize),
        SlotCommand::DelSlots { slot } => Order::DelSlots(slot as usize),
        SlotCommand::BumpEpoch => Order::BumpEpoch,
    }
}

enum Moved {
    One,
    All,
    Refused,
    /// The target has another copy of this key.
    Differs(usize, u8),
}

fn count(keys: u8) -> u64 {
    u64::from((keys & KEYS).count_ones())
}

/// One key, by MIGRATE. On the way home, those of which the owner has another copy are passed over.
fn move_key(
    cluster: &mut Cluster,
    from: usize,
    to: usize,
    slots: &[u16],
    transfer: KeyTransfer,
    left: &mut [[u8; SLOTS]; NODES],
) -> Moved {
    let source = &cluster.nodes[from];
    if !source.alive || !source.is_master() {
        return Moved::Refused;
    }
    let movable = |slot: usize, left: &[[u8; SLOTS]; NODES]| source.keys[slot] & KEYS & !left[from][slot];
    let Some(slot) = slots.iter().map(|&slot| slot as usize).find(|&slot| movable(slot, left) != 0) else { return Moved::All };
    // A node without a mark sends MIGRATE on to whom it takes for the owner.
    let is_marked = |mark: u8| mark != NOBODY;
    if source.owner[slot] != from as u8 && !is_marked(source.importing[slot]) && !is_marked(source.migrating[slot]) {
        return Moved::Refused;
    }
    let key = movable(slot, left) & movable(slot, left).wrapping_neg();
    let copy = source.keys[slot] & (key | other_copy(key));
    let target = &cluster.nodes[to];
    let owns = target.owner[slot] == to as u8;
    let has = target.keys[slot] & key != 0;
    let takes = if owns { has || !is_marked(target.migrating[slot]) } else { is_marked(target.importing[slot]) };
    if !target.alive || !target.is_master() || !(takes || (has && transfer == KeyTransfer::Home)) {
        return Moved::Refused;
    }
    if has && target.keys[slot] & (key | other_copy(key)) != copy {
        if transfer == KeyTransfer::Open {
            return Moved::Differs(slot, key);
        }
        left[from][slot] |= key;
        return Moved::One;
    }
    cluster.nodes[from].keys[slot] &= !copy;
    cluster.nodes[to].keys[slot] |= copy;
    Moved::One
}

fn others(cluster_masters: &[usize], not: [usize; 2]) -> Vec<NodeId> {
    cluster_masters.iter().copied().filter(|node| !not.contains(node)).map(id).collect()
}

pub fn move_steps(from: usize, to: usize, rules: Rules) -> Vec<SlotStep> {
    let steps = moved(from, to, rules);
    begin(from, to).into_iter().chain(steps).collect()
}

/// The same as if nothing had been before it.
pub fn moved(from: usize, to: usize, rules: Rules) -> Vec<SlotStep> {
    protocol::move_group(&group(from, to, (0..SLOTS as u16).collect(), rules))
}

/// One group after the other; before the last one it is made sure that all before it was heard.
fn apart_steps(from: usize, to: usize, rules: Rules) -> Vec<SlotStep> {
    let mut steps = moved_apart(from, to, rules);
    let last = steps.iter().rposition(|step| step.purpose == SendPurpose::Announce).unwrap_or(0);
    steps.splice(last..last, begin(from, to));
    begin(from, to).into_iter().chain(steps).collect()
}

/// One group after the other, and nothing else.
pub fn moved_apart(from: usize, to: usize, rules: Rules) -> Vec<SlotStep> {
    let groups: Vec<MoveGroup> = (0..SLOTS as u16).map(|slot| group(from, to, vec![slot], rules)).collect();
    let before = |nth: usize| nth.checked_sub(1).and_then(|nth| groups.get(nth));
    let moved = groups.iter().enumerate().flat_map(|(nth, group)| protocol::move_next(group, before(nth)));
    moved.chain(groups.last().map(protocol::release)).collect()
}

fn begin(from: usize, to: usize) -> Vec<SlotStep> {
    protocol::begin(id(from), id(to), &[A, B, C].map(id))
}

fn group(from: usize, to: usize, slots: Vec<u16>, rules: Rules) -> MoveGroup {
    MoveGroup {
        source: id(from),
        target: id(to),
        slots,
        others: others(&[A, B, C], [from, to]),
        replicas: if from == A || to == A { vec![id(A1)] } else { Vec::new() },
        strict: true,
        quiet: rules == Rules::Redis7,
    }
}

fn repair_steps(repair: &Repair, slots: &[u16], around: Around, rules: Rules) -> Vec<SlotStep> {
    let concerned = |node: usize| match repair {
        Repair::Finish { from, to, .. } | Repair::FinishAndBack { from, to, .. } => [*from, *to].contains(&id(node)),
        _ => false,
    };
    let around = Surroundings {
        slots: slots.to_vec(),
        masters: around.head.into_iter().chain([B, C]).map(id).collect(),
        replicas: if concerned(A) { vec![id(A1)] } else { Vec::new() },
        strict: false,
        quiet: rules == Rules::Redis7,
        may_import_from_itself: true,
        reopens: around.reopens,
    };
    protocol::repair_steps(repair, &around)
}

fn reopens(cluster: &Cluster, repair: &Repair, slots: &[u16]) -> bool {
    let (Repair::Finish { from, to, .. } | Repair::FinishAndBack { from, to, .. }) = repair else { return false };
    let names = |slot: &u16| peer(cluster.nodes[nth(*from)].migrating[*slot as usize]);
    let is_master = |node: usize| cluster.nodes[node].alive && cluster.nodes[node].is_master();
    slots.iter().filter_map(names).any(|peer| peer != *to && !is_master(nth(peer)))
}

/// What every master says of a slot.
pub fn evidence(cluster: &Cluster, slot: usize) -> SlotEvidence {
    let masters = || (0..NODES).filter(|&node| cluster.nodes[node].alive && cluster.nodes[node].is_master());
    let mut found = SlotEvidence::default();
    for me in masters() {
        let node = &cluster.nodes[me];
        if node.owner[slot] == me as u8 {
            found.owners.insert(id(me), u64::from(node.epochs[me]));
        }
        if let Some(to) = peer(node.migrating[slot]) {
            found.migrating.push((id(me), to));
        }
        if let Some(from) = peer(node.importing[slot]) {
            found.importing.push((id(me), from));
        }
        if node.keys[slot] != 0 {
            found.holders.insert(id(me), count(node.keys[slot]));
        }
        found.named.insert(id(me), peer(node.owner[slot]));
        found.serving.insert(id(me), u64::from(node.lists(me).count_ones()));
    }
    let dead = (0..NODES).find(|&node| !cluster.nodes[node].alive && cluster.nodes[node].is_master());
    let replaced = masters().any(|node| node == A1);
    if replaced {
        found.successors = BTreeMap::from([(id(A), id(A1))]);
    } else if let Some(dead) = dead {
        found.silent.insert(id(dead));
        let is_named = found.named.values().any(|named| *named == Some(id(dead)));
        found.silent_owner = (found.owners.is_empty() && is_named).then(|| id(dead));
    }
    found
}
