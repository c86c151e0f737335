//! PURE. Plans, progress and reports as JSON: snake_case names with their units, stable for scripts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cluster::{Address, Model, SlotRange, SlotSet};

use crate::plan::{Impact, Intent, Load, Outcome, Plan, Progress, Reason, Refusal, Report};

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A plan. `model` names the winner by its address.
pub fn plan(plan: &Plan, model: &Model) -> Value {
    let moves: Vec<Value> = plan
        .moves
        .iter()
        .map(|part| {
            json!({
                "slots": part.slots.to_string(), "from": part.from_address.to_string(), "to": part.to_address.to_string(),
                "keys": part.keys, "bytes": part.bytes, "rooms": part.rooms, "players": part.players,
            })
        })
        .collect();
    let commands: Vec<Value> = plan
        .steps
        .iter()
        .flat_map(|step| step.sent().map(|(node, command)| json!({"node": node.to_string(), "command": command})))
        .collect();
    let steps: Vec<&str> = plan.steps.iter().map(|step| step.says.as_str()).collect();
    let prediction = &plan.prediction;
    json!({
        "intent": plan.intent.to_string(),
        "cluster": plan.cluster,
        "steps": steps,
        "commands": commands,
        "moves": moves,
        "engine": plan.engine.map(crate::plan::Engine::word),
        "predicted": {
            "winner": prediction.winner.map(|id| model.label(id)),
            "pause_min_ms": prediction.pause.map(|(from, _)| millis(from)),
            "pause_max_ms": prediction.pause.map(|(_, to)| millis(to)),
            "bytes_at_risk": prediction.bytes_at_risk,
            "takes_seconds": prediction.takes.map(seconds),
            "notes": prediction.notes,
        },
        "impact": impact(&plan.impact),
        "before": loads(&plan.before),
        "after": loads(&plan.after),
        "warnings": plan.warnings,
        "typed_confirmation": plan.danger.is_typed(),
        "override": overriding(plan),
        "fingerprint": format!("{:016x}", plan.fingerprint),
    })
}

/// The code that `--override` wants for this plan, and why.
fn overriding(plan: &Plan) -> Value {
    match &plan.danger {
        crate::plan::Danger::Contradicted(contradiction) => {
            json!({"code": contradiction.objection.code(), "message": contradiction.says})
        }
        _ => Value::Null,
    }
}

/// Which slots go where, by a plan that was written so.
pub fn agreed(plan: &Value) -> Option<Vec<(SlotSet, Address)>> {
    let one = |part: &Value| {
        let ranges = part.get("slots")?.as_str()?.split(' ').map(str::parse).collect::<Result<Vec<SlotRange>, _>>().ok()?;
        Some((ranges.iter().collect(), part.get("to")?.as_str()?.parse().ok()?))
    };
    plan.get("moves")?.as_array()?.iter().map(one).collect()
}

fn impact(impact: &Impact) -> Value {
    json!({
        "shards": impact.shards.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "slots": impact.slots.to_string(),
        "slot_count": impact.slots.len(),
        "rooms": impact.tally.rooms,
        "rooms_complete": !impact.rooms_in_part,
        "players": impact.tally.players,
        "keys": impact.tally.keys,
        "bytes": (!impact.bytes_in_part).then_some(impact.tally.bytes),
    })
}

fn loads(loads: &[Load]) -> Value {
    loads.iter().map(|load| json!({"node": load.address.to_string(), "slots": load.slots, "value": load.value})).collect()
}

/// How an operation ended: the last line of its output.
pub fn report(plan: &Plan, report: &Report, model: &Model) -> Value {
    json!({
        "operation": plan.intent.name(),
        "outcome": report.outcome.word(),
        "code": report.outcome.code().word(),
        "seconds": seconds(report.elapsed),
        "reasons": sentences(report.outcome.reasons()),
        "codes": codes(report.outcome.reasons()),
        "figures": figures(report),
        "plan": self::plan(plan, model),
    })
}

pub(crate) fn sentences(reasons: &[Reason]) -> Vec<&str> {
    reasons.iter().map(|reason| &*reason.says).collect()
}

/// The code of each sentence, in their order.
pub(crate) fn codes(reasons: &[Reason]) -> Vec<&'static str> {
    reasons.iter().map(|reason| reason.code.word()).collect()
}

/// What was measured of it, by name.
pub(crate) fn figures(report: &Report) -> Map<String, Value> {
    report.figures.iter().map(|(figure, value)| (figure.name().into(), figure.json(*value))).collect()
}

/// An intent that was refused, or is fulfilled already: in the shape of a report, without a plan.
pub fn refusal(intent: &Intent, refusal: &Refusal) -> Value {
    json!({
        "operation": intent.name(),
        "outcome": if refusal.fulfilled { Outcome::Done } else { Outcome::Refused(Vec::new()) }.word(),
        "code": refusal.reasons.first().map(|reason| reason.code.word()),
        "seconds": 0.0,
        "reasons": sentences(&refusal.reasons),
        "codes": codes(&refusal.reasons),
        "figures": {},
        "plan": null,
    })
}

/// One line of progress. None for the end, which is the report.
pub fn progress(progress: &Progress) -> Option<Value> {
    Some(match progress {
        Progress::Step { index, says } => json!({"progress": "step", "index": index, "says": says}),
        Progress::Sent { address, command, reply } => sent(address, command, reply),
        Progress::Moved { slots_done, slots_total, keys, bytes, keys_per_sec, eta, p99_ms } => json!({
            "progress": "moved", "slots_done": slots_done, "slots_total": slots_total, "keys": keys, "bytes": bytes,
            "keys_per_sec": keys_per_sec, "eta_seconds": eta.map(seconds), "p99_ms": p99_ms,
        }),
        Progress::Note(text) => json!({"progress": "note", "text": text}),
        Progress::Paused(paused) => json!({"progress": "paused", "paused": paused}),
        Progress::Ended(_) => return None,
    })
}

fn sent(address: &Address, command: &str, reply: &str) -> Value {
    json!({"progress": "sent", "node": address.to_string(), "command": command, "reply": reply})
}
