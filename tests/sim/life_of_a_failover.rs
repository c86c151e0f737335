//! IO. The life of a failover, top to bottom: key → intent → plan → dialog → operation → what every node says → frame.
//!
//! ```text
//!  F ─► keys ─► app::update ─► Effect::Plan ─► exec reads the facts ─► plan ─► Event::Planned ─► dialog
//!  tab enter ─► Effect::Execute ─► exec: CLUSTER FAILOVER, then every node is read back ─► Event::Progress ─► operation
//!  watch ─► observations ─► model ─► alerts ─► frame: the new master, all slots served
//! ```

use rgc_tui::alerts::Verdict;
use rgc_tui::app::{Button, DialogKind, Item};
use rgc_tui::cluster::NodeId;
use rgc_tui::plan::{Intent, Mode, Outcome};
use rgc_tui::tui::ConsoleEnd;

use crate::console::{Operator, Seen, with_console};
use crate::sim::{Settings, Sim};

fn selected(seen: &Seen) -> Option<&Item> {
    seen.app.screen.topology.selected.as_ref()
}

/// Goes down the topology until this node is selected.
async fn select(me: &Operator, node: NodeId) {
    let rows = me.look(|seen| seen.app.rows.topology.len());
    for _ in 0..=rows {
        if me.look(|seen| selected(seen) == Some(&Item::Node(node))) {
            return;
        }
        let before = me.look(|seen| selected(seen).cloned());
        me.press("j");
        me.until("the selection moves", |seen| selected(seen) != before.as_ref()).await;
    }
    panic!("the node is not in the topology\n{}", me.screen());
}

fn plan_is_shown(seen: &Seen) -> bool {
    matches!(seen.app.dialog.as_ref().map(|dialog| &dialog.kind), Some(DialogKind::Confirm(_)))
}

fn is_well(seen: &Seen) -> bool {
    seen.app.monitor.verdict == Verdict::Ok && seen.app.model.topology().unserved().is_empty()
}

#[tokio::test(start_paused = true)]
async fn life_of_a_failover() {
    let sim = Sim::start(Settings { rooms: 40, write_rate: 20_000, ..Settings::default() }).await;
    let (master, replica) = (sim.address("b"), sim.address("b1"));
    let world = &sim;
    let (app, ended) = with_console(&sim, (120, 40), true, |me: Operator| async move {
        // Facts: the first frame comes before anybody has answered, then everything is known.
        me.until("a first frame", |_| true).await;
        me.until("all is well, with all rooms", |seen| is_well(seen) && seen.app.model.rooms().len() == 40).await;
        let id = me.look(|seen| seen.app.model.node_at(&replica).map(|node| node.id)).expect("b1 is known");

        // A key on the replica makes a plan; nothing is sent for it that changes anything.
        select(&me, id).await;
        me.press("F");
        me.until("the plan is shown", plan_is_shown).await;
        me.look(|seen| {
            let dialog = seen.app.dialog.as_ref().expect("it is open");
            assert_eq!(dialog.focus, Button::Cancel);
            let DialogKind::Confirm(plan) = &dialog.kind else { panic!("{:?}", dialog.kind) };
            let Intent::Failover { mode: Mode::Graceful, .. } = &plan.intent else { panic!("{:?}", plan.intent) };
            assert_eq!(plan.steps[0].commands, ["CLUSTER FAILOVER"]);
            assert_eq!(plan.steps[0].address, replica);
            assert_eq!(plan.prediction.winner, Some(id));
            assert_eq!(plan.impact.slots.len(), 5461);
            assert!(plan.impact.tally.rooms > 0);
        });
        for words in ["CLUSTER FAILOVER", "Cancel", &replica.to_string()] {
            let screen = me.screen();
            assert!(screen.contains(words), "`{words}` is not on the screen\n{screen}");
        }

        // Enter is Cancel.
        me.press("enter");
        me.until("the dialog is closed", |seen| seen.app.dialog.is_none()).await;
        assert_eq!(world.operations(), [""; 0]);

        // The same again, meant this time.
        me.press("F");
        me.until("the plan is shown again", plan_is_shown).await;
        me.press("tab enter");
        me.until("an operation is there", |seen| !seen.app.operations.is_empty()).await;
        me.until("it has ended", |seen| seen.app.operations[0].report.is_some()).await;
        me.look(|seen| {
            let report = seen.app.operations[0].report.as_ref().expect("it has ended");
            assert_eq!(report.outcome, Outcome::Done, "{:?}", seen.app.operations[0]);
            let figure = |name: &str| report.figures.iter().find(|(known, _)| known.name() == name).map(|(_, value)| *value);
            let (promoted, agreed) = (figure("promoted_ms").expect("measured"), figure("agreed_ms").expect("measured"));
            assert!(promoted > 0.0 && promoted < 1000.0 && agreed >= promoted, "{:?}", report.figures);
            assert_eq!(figure("nodes_agreed"), Some(6.0));
        });

        // And the picture follows: roles, slots, health.
        me.until("b1 is master in the picture, and all is well", |seen| {
            let node = |address| seen.app.model.node_at(address).expect("known");
            is_well(seen) && node(&replica).is_master() && node(&replica).slot_count == 5461 && node(&master).is_replica()
        })
        .await;
        assert_eq!(world.operations(), ["b1 CLUSTER FAILOVER"]);
        // Whoever is asked whether he means it, means it.
        me.press("esc esc ctrl-c ctrl-c");
    })
    .await;
    assert_eq!(ended, Some(ConsoleEnd::Quit));
    assert_eq!(app.operations.len(), 1);
}
