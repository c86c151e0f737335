//! PURE. Scenes with plans and operations.

use std::collections::BTreeMap;
use std::time::Duration;

use rgc_tui::app::{Dialog, DialogKind, Event, OperationId};
use rgc_tui::cluster::SlotRange;
use rgc_tui::plan::{
    Code, Danger, Engine, Figure, Impact, Intent, Load, Move, Objective, Outcome, Pace, Plan, Prediction, Progress, Report, Step,
    StepKind,
};

use super::Scene;

pub(super) fn stage(scene: &mut Scene, name: &str) {
    let plan = rebalance(scene);
    if name == "dialog-rebalance" {
        scene.app.dialog = Some(Dialog::new(DialogKind::Confirm(Box::new(plan))));
        return;
    }
    if name == "dialog-replanning" {
        let shown = Dialog::new(DialogKind::Confirm(Box::new(plan)));
        scene.app.dialog = Some(Dialog { replanning: true, ..shown });
        return;
    }
    let failed = [
        "step 1 of 2: CLUSTER SETSLOT 4200 NODE on 10.0.0.2:7001: ERR Please use SETSLOT only with masters.",
        "slot 4200 is left migrating on 10.0.0.1:7000: fix resumes or rolls back",
    ];
    start(scene, plan);
    if name == "operations" || name == "operation-failed" {
        let outcome = Outcome::Failed(Code::NotElected.each(failed.map(String::from)));
        let report = Report { outcome, elapsed: Duration::from_millis(4100), figures: vec![(Figure::KeysPerSec, 18_400.0)] };
        scene.event(Event::Progress(OperationId(1), Progress::Ended(report)));
    }
    if name == "operations" {
        let plan = rebalance(scene);
        start(scene, plan);
        scene.command("ops").event(Event::Ledger(Ok(super::earlier_operations())));
    } else {
        scene.command("ops").press("enter");
    }
}

/// Has the plan confirmed, as the operator would, and lets it come half-way.
fn start(scene: &mut Scene, plan: Plan) {
    scene.app.dialog = Some(Dialog::new(DialogKind::Confirm(Box::new(plan))));
    scene.press("tab enter");
    let id = scene.app.operations.iter().map(|operation| operation.id).max().unwrap_or(OperationId(1));
    let address = scene.sample.address(0);
    let events = [
        // All moves are begun together.
        Progress::Step { index: 0, says: "give 820 slots from 10.0.0.1:7000 to 10.0.0.2:7001".into() },
        Progress::Step { index: 1, says: "give 400 slots from 10.0.0.3:7002 to 10.0.0.2:7001".into() },
        Progress::Sent {
            address: address.clone(), command: "CLUSTER SETSLOT 4200 MIGRATING aff44fec…".into(), reply: "OK".into()
        },
        Progress::Sent {
            address,
            command: "MIGRATE 10.0.0.2 7001 \"\" 0 5000 REPLACE KEYS room:{AAAAB}:state …".into(),
            reply: "OK".into(),
        },
        Progress::Moved {
            slots_done: 312,
            slots_total: 1220,
            keys: 184_220,
            bytes: 61 << 20,
            keys_per_sec: 18_400.0,
            eta: Some(Duration::from_secs(74)),
            p99_ms: Some(1.4),
        },
    ];
    for progress in events {
        scene.event(Event::Progress(id, progress));
    }
    scene.seconds(2);
}

fn rebalance(scene: &Scene) -> Plan {
    let sample = &scene.sample;
    let one = |from: usize, to: usize, start: u16, end: u16| Move {
        slots: [SlotRange::new(start, end)].iter().collect(),
        from: sample.id(from),
        from_address: sample.address(from),
        to: sample.id(to),
        to_address: sample.address(to),
        keys: u64::from(end - start) * 590,
        bytes: Some(u64::from(end - start) * 200_000),
        rooms: 31,
        players: 92,
    };
    let moves = vec![one(0, 1, 4200, 5019), one(2, 1, 10922, 11321)];
    let step = |index: usize, from: usize, says: &str| Step {
        node: sample.id(from),
        address: sample.address(from),
        commands: vec![
            "CLUSTER SETSLOT 4200 MIGRATING aff44fec…".into(),
            "MIGRATE 10.0.0.2 7001 \"\" 0 5000 REPLACE KEYS …".into(),
            "CLUSTER SETSLOT 4200 NODE aff44fec…".into(),
        ],
        kind: StepKind::MoveSlots { index },
        says: says.into(),
    };
    let load =
        |number: usize, slots: u16, value: f64| Load { node: sample.id(number), address: sample.address(number), slots, value };
    Plan {
        intent: Intent::Rebalance {
            by: Objective::Memory,
            weights: BTreeMap::new(),
            use_empty: false,
            threshold_percent: 2.0,
            pace: Pace::Calm,
        },
        cluster: "prod".into(),
        steps: vec![
            step(0, 0, "give 820 slots from 10.0.0.1:7000 to 10.0.0.2:7001"),
            step(1, 2, "give 400 slots from 10.0.0.3:7002 to 10.0.0.2:7001"),
            Step {
                node: sample.id(1),
                address: sample.address(1),
                commands: Vec::new(),
                kind: StepKind::Verify,
                says: "read back from every node who owns these slots".into(),
            },
        ],
        impact: Impact {
            shards: Vec::new(),
            slots: moves.iter().flat_map(|one| one.slots.iter().collect::<Vec<_>>()).collect(),
            bytes_in_part: false,
            rooms_in_part: false,
            tally: rgc_tui::cluster::RoomTally { rooms: 62, players: 184, keys: 719_210, bytes: 243 << 20 },
        },
        moves,
        engine: Some(Engine::Keys),
        prediction: Prediction {
            takes: Some(Duration::from_secs(98)),
            notes: vec!["slot 2705 alone holds 9 % of its master's memory and stays".into()],
            ..Prediction::default()
        },
        before: vec![load(0, 5461, 812e6), load(1, 5461, 402e6), load(2, 5462, 733e6)],
        after: vec![load(0, 4641, 661e6), load(1, 6681, 645e6), load(2, 5062, 641e6)],
        warnings: vec!["10.0.0.2:7001 will use 78 % of its maxmemory".into()],
        danger: Danger::Normal,
        fingerprint: 1,
    }
}
