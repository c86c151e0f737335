//! PURE. From a wish to the effect that carries it out: the only place where operations leave the console, and where a
//! read-only cluster, a frozen screen or a busy shard stops them.

use crate::app::screen::navigation;
use crate::app::{App, Dialog, DialogKind, Effect, Fault, Operation, OperationId, Page};
use crate::cluster::{Node, NodeId, ShardName, SlotSet, Time};
use crate::keys::Action;
use crate::plan::{Code, Intent, Mode, Plan, Progress, Refusal};

/// Operations kept for the list of past ones.
const KEPT: usize = 200;
/// Commands and notes kept of one operation; older ones are in the ledger.
const LINES: usize = 2000;

impl App {
    /// No operation may start: the cluster is read-only or protected, and has not been unlocked.
    pub fn locked(&self) -> bool {
        (self.settings.read_only || self.settings.protected) && !self.unlocked
    }

    /// Why no operation may start at all; None when one may.
    pub fn barred(&self) -> Option<&'static str> {
        if self.snapshot {
            return Some("the screen is frozen");
        }
        self.locked().then_some("this cluster is read-only here")
    }

    /// The same as a sentence, with the key that ends it.
    fn barred_until(&self) -> Option<String> {
        let why = self.barred()?;
        let (key, does) = if self.snapshot { (Action::Freeze, "thaws it") } else { (Action::Unlock, "unlocks it") };
        Some(format!("{why}: {} {does}", self.keymap.chord(key)))
    }

    /// Why this plan may not start now.
    fn busy(&self, plan: &Plan) -> Option<String> {
        let running = self.operations.iter().find(|operation| {
            let theirs = &operation.plan;
            let shares = theirs.impact.shards.iter().any(|shard| plan.impact.shards.contains(shard));
            operation.is_running() && (shares || !theirs.moves.is_empty() || !plan.moves.is_empty())
        })?;
        let stop = self.keymap.chord(Action::Abort);
        Some(format!("`{}` is still running: wait for it, or stop it with {stop}", running.plan.intent))
    }
}

/// Asks the session for a plan; the answer is shown in a dialog.
pub(super) fn intend(app: &mut App, intent: Intent, now: Time) -> Vec<Effect> {
    if let Some(why) = app.barred_until() {
        app.refuse(why, now);
        return Vec::new();
    }
    app.dialog = Some(Dialog::new(DialogKind::Planning { title: intent.to_string() }));
    app.planning = Some(intent.clone());
    vec![Effect::Plan(intent)]
}

/// The answer to [`intend`]; one that nobody waits for any more is dropped.
pub(super) fn planned(app: &mut App, intent: &Intent, result: Result<Plan, Refusal>) {
    let waits = |dialog: &Dialog| dialog.replanning || matches!(dialog.kind, DialogKind::Planning { .. });
    if !app.dialog.as_ref().is_some_and(waits) || app.planning.as_ref() != Some(intent) {
        return;
    }
    app.dialog = Some(Dialog::new(match result {
        Ok(plan) => DialogKind::Confirm(Box::new(plan)),
        Err(refusal) => DialogKind::Refused { title: intent.to_string(), refusal },
    }));
}

/// A confirmed plan. The only place that gives [`Effect::Execute`].
pub(super) fn execute(app: &mut App, plan: Plan, now: Time) -> Vec<Effect> {
    if let Some(why) = app.barred_until().or_else(|| app.busy(&plan)) {
        app.refuse(why, now);
        return Vec::new();
    }
    let id = OperationId(app.operations.iter().map(|operation| operation.id.0).max().unwrap_or(0) + 1);
    let operation = Operation {
        id,
        plan: plan.clone(),
        started: now,
        step: 0,
        moved: None,
        sent: Vec::new(),
        notes: Vec::new(),
        paused: false,
        report: None,
    };
    app.operations.insert(0, operation);
    if app.operations.len() > KEPT {
        app.operations.retain({
            let mut kept = 0;
            move |operation| {
                kept += 1;
                kept <= KEPT || operation.is_running()
            }
        });
    }
    // What was chosen for it has served its purpose.
    match &plan.intent {
        Intent::MigrateRooms { .. } => app.screen.rooms.marks.clear(),
        Intent::MoveSlots { .. } => app.screen.slots.anchor = None,
        _ => {}
    }
    // What takes long is watched; what is over in a moment is seen best where it happens.
    if plan.moves.is_empty() {
        app.tell(format!("started: {}", plan.intent), false, now);
    } else {
        navigation::push(app, Page::Operation(id));
    }
    vec![Effect::Execute(id, Box::new(plan))]
}

/// A fault in the demo. The only place that gives [`Effect::Inject`].
pub(super) fn inject(app: &mut App, node: NodeId, fault: Fault, now: Time) -> Vec<Effect> {
    if let Some(why) = app.barred_until() {
        app.refuse(why, now);
        return Vec::new();
    }
    if !app.settings.demo {
        app.refuse("faults are for the demo only", now);
        return Vec::new();
    }
    app.tell(format!("{} {}", fault.word(), app.model.label(node)), false, now);
    vec![Effect::Inject(node, fault)]
}

pub(super) fn progress(app: &mut App, id: OperationId, progress: Progress, now: Time) {
    let Some(operation) = app.operations.iter_mut().find(|operation| operation.id == id) else { return };
    match progress {
        Progress::Step { index, says } => {
            operation.step = index;
            push(&mut operation.notes, says);
        }
        Progress::Sent { address, command, reply } => push(&mut operation.sent, (address, command, reply)),
        Progress::Note(text) => push(&mut operation.notes, text),
        Progress::Paused(paused) => operation.paused = paused,
        moved @ Progress::Moved { .. } => operation.moved = Some(moved),
        Progress::Ended(report) => {
            let intent = operation.plan.intent.to_string();
            let took = report.elapsed.as_secs_f64();
            let bad = report.outcome != crate::plan::Outcome::Done;
            let reasons = report.outcome.reasons().join("; ");
            let figures: Vec<String> = report
                .figures
                .iter()
                .take(3)
                .map(|(figure, value)| format!("{} {}", figure.label(), figure.value(*value)))
                .collect();
            let more = if reasons.is_empty() { figures.join(", ") } else { reasons };
            let text =
                format!("{intent}: {} in {took:.1} s{}{more}", report.outcome.word(), if more.is_empty() { "" } else { " · " });
            operation.paused = false;
            operation.report = Some(report);
            app.tell(text, bad, now);
        }
    }
}

fn push<T>(lines: &mut Vec<T>, line: T) {
    if lines.len() >= LINES {
        lines.drain(..LINES / 4);
    }
    lines.push(line);
}

/// F on whatever is selected: a replica is meant itself; of a shard or its master the candidates are shown to choose from.
pub(super) fn failover(app: &mut App, mode: Mode, now: Time) -> Vec<Effect> {
    let node = app.selected_node();
    let master = node.filter(|id| app.model.node(*id).is_some_and(Node::is_master));
    let shard = app.selected_shard().or_else(|| app.model.topology().shard_of(master?).map(|shard| shard.name));
    if let Some(name) = shard {
        return candidates(app, name, mode, now);
    }
    match node.map(|id| app.model.label(id)) {
        Some(node) => intend(app, Intent::Failover { node, mode }, now),
        None => Vec::new(),
    }
}

/// Opens the choice among a shard's replicas; where there is none to choose from, the planner says why.
pub(super) fn candidates(app: &mut App, shard: ShardName, mode: Mode, now: Time) -> Vec<Effect> {
    if let Some(why) = app.barred_until() {
        app.refuse(why, now);
        return Vec::new();
    }
    let best = crate::plan::succession(&app.model, shard, now).map(|succession| succession.candidates).unwrap_or_default();
    let replicas: Vec<NodeId> = best.into_iter().map(|candidate| candidate.node).collect();
    if replicas.is_empty() {
        return intend(app, Intent::Failover { node: shard.to_string(), mode }, now);
    }
    app.dialog = Some(Dialog::new(DialogKind::ChooseCandidate { shard, mode, replicas, cursor: 0 }));
    Vec::new()
}

/// M: the marked rooms, the selected room, or the chosen slots.
pub(super) fn migrate(app: &mut App, now: Time) -> Vec<Effect> {
    if let Some(why) = app.barred_until() {
        app.refuse(why, now);
        return Vec::new();
    }
    let codes = app.chosen_rooms();
    let slots: SlotSet = if codes.is_empty() {
        app.chosen_slots()
    } else {
        codes.iter().filter_map(|code| app.room(code)).map(|room| room.slot).collect()
    };
    let owners: Vec<Option<NodeId>> = slots.iter().map(|slot| app.model.topology().owner(slot)).collect();
    let masters: Vec<NodeId> = app
        .model
        .topology()
        .shards
        .iter()
        .filter_map(|shard| shard.master)
        .filter(|id| app.model.node(*id).is_some_and(|node| node.health.is_alive()))
        .filter(|id| owners.iter().any(|owner| *owner != Some(*id)))
        .collect();
    let title = if codes.is_empty() { format!("slots {slots}") } else { codes.join(" ") };
    if masters.is_empty() {
        let refusal = Refusal::because(Code::NoOtherMaster.because("there is no other living master to move them to"));
        app.dialog = Some(Dialog::new(DialogKind::Refused { title: format!("move {title}"), refusal }));
        return Vec::new();
    }
    app.dialog = Some(Dialog::new(DialogKind::ChooseTarget { title, codes, slots, masters, cursor: 0 }));
    Vec::new()
}

/// x: the chosen range, the slots an alert is about, or everything that needs it.
pub(super) fn fix(app: &mut App, now: Time) -> Vec<Effect> {
    let range = (app.on_slots() && app.screen.slots.anchor.is_some()).then(|| app.chosen_slots());
    intend(app, Intent::Fix { slots: range, roll_back: false }, now)
}

pub(super) fn quit(app: &mut App) -> Vec<Effect> {
    if app.operations.iter().any(Operation::is_running) {
        app.dialog = Some(Dialog::new(DialogKind::Quit));
        return Vec::new();
    }
    vec![Effect::Quit]
}
