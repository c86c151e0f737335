//! The real program leaves while an operation of its own is under way on real servers.

use std::time::Duration;

use rgc_tui::link::LinkSettings;
use rgc_tui::local::Fault;

use super::common::{Cluster, wait_until, wait_within};
use super::desk::{Desk, assert_calm};
use super::screen::Screen;

/// A console in the middle of a long move: some slot is open.
async fn in_the_middle(cluster: &Cluster, state: &str) -> Screen {
    let desk = Desk::with(cluster, LinkSettings::default(), None).await;
    desk.fill_rooms(4000).await;
    let variables = [("XDG_STATE_HOME", state)];
    let mut screen = Screen::start(env!("CARGO_BIN_EXE_rgc-tui"), &["--node", &cluster.seed()], (160, 40), &variables);
    screen.wait_for("all 16384 slots served");
    screen.send(&format!(":move-slots 0-5000 --to {}\r", cluster.at(1)));
    screen.wait_for("Cancel");
    screen.send("\t\r");
    wait_until("a slot is open", async || !cluster.view(&cluster.at(0)).await.myself().unwrap().open.is_empty()).await;
    screen
}

async fn assert_closed(cluster: &Cluster) {
    for address in cluster.addresses() {
        let open = cluster.view(&address).await.myself().unwrap().open.clone();
        assert!(open.is_empty(), "{address}: {open:?}");
    }
    wait_until("the views agree", async || {
        let mut owners = std::collections::BTreeSet::new();
        for address in cluster.addresses() {
            let view = cluster.view(&address).await;
            let mut slots: Vec<_> = view.members.iter().map(|member| (member.id, member.slots.clone())).collect();
            slots.sort();
            owners.insert(slots);
        }
        owners.len() == 1
    })
    .await;
    assert_calm(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_in_the_middle_of_a_move_leaves_no_slot_open() {
    let cluster = Cluster::start(3, 0).await;
    let state = tempfile::tempdir().unwrap();
    let mut screen = in_the_middle(&cluster, &state.path().display().to_string()).await;
    screen.signal("HUP");
    // The kernel, the shell and the end of the session all say it.
    screen.signal("HUP");
    assert_eq!(screen.end().exit_code(), 2);
    screen.assert_restored();
    screen.wait_for("at its next safe point; Ctrl-C leaves at once");
    screen.wait_for("of 5001 slots have moved");
    assert_closed(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_terminal_that_goes_away() {
    let cluster = Cluster::start(3, 0).await;
    let state = tempfile::tempdir().unwrap();
    let mut screen = in_the_middle(&cluster, &state.path().display().to_string()).await;
    screen.take_away();
    assert_eq!(screen.end().exit_code(), 2);
    assert_closed(&cluster).await;
}

/// Nobody reads the terminal any more, and every word to it waits: the slots do not wait with it.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::await_holding_lock, reason = "it is held so that nothing is read")]
async fn a_terminal_that_stalls_leaves_no_slot_open() {
    let cluster = Cluster::start(3, 0).await;
    let state = tempfile::tempdir().unwrap();
    let mut screen = in_the_middle(&cluster, &state.path().display().to_string()).await;
    let reading = screen.reading();
    let stalled = reading.lock().unwrap();
    // Each is a whole new screen, and together they are more than any terminal holds.
    screen.send(&"t".repeat(60));
    // The target has its last slots a moment before the source lets go of them.
    wait_until("the move is over", async || {
        let source = cluster.view(&cluster.at(0)).await;
        cluster.owner(5000).await == Some(cluster.at(1)) && source.myself().unwrap().open.is_empty()
    })
    .await;
    assert_closed(&cluster).await;
    drop(stalled);
    screen.wait_for("done in");
    screen.send("q");
    assert!(screen.end().success());
    screen.assert_restored();
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_at_once_what_does_not_stop() {
    let cluster = Cluster::start(3, 0).await;
    let state = tempfile::tempdir().unwrap();
    let mut screen = in_the_middle(&cluster, &state.path().display().to_string()).await;
    cluster.fault(&cluster.at(1), Fault::Freeze).await.unwrap();
    screen.signal("TERM");
    screen.wait_for("Ctrl-C leaves at once");
    // Pressed too soon it would not count.
    wait_within("it has left", Duration::from_secs(20), async || {
        let left = screen.text().contains("left in the middle of a step; `rgc-tui fix --dry-run`");
        if !left {
            screen.send("\x03");
        }
        left
    })
    .await;
    assert_eq!(screen.end().exit_code(), 2);
    screen.assert_restored();
}
