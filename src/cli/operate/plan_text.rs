//! PURE. A plan for people: steps with literal commands, what is predicted, what is touched, and what to beware of.

use crate::cluster::Model;
use crate::plan::shell;
use crate::plan::{Danger, Objective, Plan};
use crate::quantity::{bytes, count, short, span};

pub(crate) fn text(plan: &Plan, model: &Model, invocation: &str) -> String {
    let mut lines = vec![format!("plan for cluster `{}`: {}", plan.cluster, plan.intent)];
    if plan.steps.is_empty() {
        lines.push("  nothing to do".into());
    }
    for (i, step) in plan.steps.iter().enumerate() {
        lines.push(format!("{:>3}. {}", i + 1, step.says));
        lines.extend(step.sent().map(|(node, command)| format!("       {node}> {command}")));
    }
    moves(plan, &mut lines);
    loads(plan, &mut lines);
    predicted(plan, model, &mut lines);
    lines.extend(plan.warnings.iter().map(|warning| format!("  ! {warning}")));
    let word = match &plan.danger {
        Danger::Normal => String::new(),
        Danger::Typed => format!(" --confirm {}", shell::word(&plan.cluster)),
        Danger::Contradicted(contradiction) => {
            format!(" --confirm {} --override {}", shell::word(&plan.cluster), contradiction.objection.code())
        }
    };
    if !word.is_empty() {
        lines.push(format!("  ! this can lose data or cut somebody off: it wants{word}"));
    }
    lines.push(format!("  same as: {invocation} {}", plan.intent));
    lines.join("\n") + "\n"
}

fn moves(plan: &Plan, lines: &mut Vec<String>) {
    if let Some(engine) = plan.engine.filter(|_| !plan.moves.is_empty()) {
        lines.push(format!("  moves, {}:", engine.word()));
    }
    for part in &plan.moves {
        lines.push(format!(
            "    {} → {}  {}, {}, {}, {}  ({})",
            part.from_address,
            part.to_address,
            count(part.slots.len(), "slot"),
            count(part.keys, "key"),
            part.size(),
            rooms(plan, part.rooms),
            cut(&part.slots.to_string()),
        ));
    }
}

/// Rooms are found by looking through all keys: a command does not wait for that.
fn rooms(plan: &Plan, known: u64) -> String {
    match (plan.impact.rooms_in_part, known) {
        (true, 0) => "rooms not counted".into(),
        (true, _) => format!("at least {}", count(known, "room")),
        (false, _) => count(known, "room"),
    }
}

/// Long lists of slots are for the JSON.
fn cut(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let head: String = text.chars().take(MOST).collect();
    let whole = head.rsplit_once(' ').map_or(head.as_str(), |(whole, _)| whole);
    format!("{whole} …")
}

fn loads(plan: &Plan, lines: &mut Vec<String>) {
    if plan.before.is_empty() || plan.after.is_empty() {
        return;
    }
    let by = plan.objective();
    let amount = |value: f64| if by.is_bytes() { bytes(value as u64) } else { short(value) };
    lines.push(format!("  before → after, by {}:", by.measure()));
    let most = plan.before.iter().chain(&plan.after).map(|load| load.value).fold(0.0, f64::max);
    for load in &plan.after {
        let old = plan.before.iter().find(|old| old.node == load.node);
        let (slots, value) = old.map_or((0, 0.0), |old| (old.slots, old.value));
        let slots = format!("{slots:>5} → {:<5} slots", load.slots);
        let values = format!("{:>8} → {:<8}", amount(value), amount(load.value));
        let values = if by == Objective::Slots { String::new() } else { values };
        lines.push(format!("    {:<21} {slots} {values} {}", load.address.to_string(), bar(load.value, most)));
    }
}

fn bar(value: f64, most: f64) -> String {
    const WIDTH: f64 = 20.0;
    let cells = if most > 0.0 { (value / most * WIDTH).round().clamp(0.0, WIDTH) as usize } else { 0 };
    "█".repeat(cells)
}

fn predicted(plan: &Plan, model: &Model, lines: &mut Vec<String>) {
    let prediction = &plan.prediction;
    let mut facts: Vec<String> = Vec::new();
    if let Some(winner) = prediction.winner {
        facts.push(format!("master afterwards: {}", model.label(winner)));
    }
    if let Some((from, to)) = prediction.pause {
        facts.push(format!("writes stop for {} to {}", span(from), span(to)));
    }
    if let Some(risk) = prediction.bytes_at_risk {
        facts.push(format!("{} at risk", bytes(risk)));
    }
    if let Some(takes) = prediction.takes {
        facts.push(format!("takes about {}", span(takes)));
    }
    if !facts.is_empty() {
        lines.push(format!("  predicted: {}", facts.join(" · ")));
    }
    lines.extend(prediction.notes.iter().map(|note| format!("    {note}")));
    let impact = &plan.impact;
    if !impact.slots.is_empty() {
        lines.push(format!(
            "  touches: {}, {}, {}, {}{}",
            count(impact.slots.len(), "slot"),
            count(impact.tally.keys, "key"),
            impact.bytes(),
            rooms(plan, impact.tally.rooms),
            if impact.tally.rooms > 0 { format!(", {}", count(impact.tally.players, "player")) } else { String::new() },
        ));
    }
}
