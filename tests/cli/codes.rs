//! What scripts branch on: every refusal and every outcome has its code, and no sentence has to be read for it.

use super::*;

/// Runs an operation for a script: its last line of JSON, with a code for each reason, the first of them its own.
async fn told(cluster: &Cluster, state: &std::path::Path, args: &[&str]) -> (i32, Json) {
    let mut process = command(&[&["--node", &cluster.seed(), "--format", "json"], args].concat());
    process.env("XDG_STATE_HOME", state);
    let ran = run_command(process).await;
    let last = ran.last_json();
    let (reasons, codes) = (last["reasons"].as_array().unwrap(), last["codes"].as_array().unwrap());
    assert_eq!(reasons.len(), codes.len(), "{args:?}: {last}");
    assert!(codes.is_empty() || last["code"] == codes[0], "{args:?}: {last}");
    (ran.code, last)
}

/// Refused for this, or done, with nothing of the cluster changed in between.
async fn expect(cluster: &Cluster, state: &std::path::Path, code: &str, exit: i32, args: &[&str]) {
    let (ended, last) = told(cluster, state, args).await;
    assert_eq!((last["code"].as_str(), ended), (Some(code), exit), "{args:?}: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_and_outcome_has_its_code() {
    let cluster = Cluster::start(3, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let (one, two, replica, third) =
        (&cluster.at(0).to_string(), &cluster.at(1).to_string(), &cluster.at(3).to_string(), &cluster.at(5).to_string());
    cluster.wait_ok(&cluster.addresses()).await;
    let check = async |code: &str, exit: i32, args: &[&str]| expect(&cluster, state, code, exit, args).await;
    // The request.
    check("nothing_to_do", 0, &["failover", one, "--yes"]).await;
    check("nothing_to_do", 0, &["move-slots", "0-9", "--to", one, "--yes"]).await;
    check("unknown_name", 64, &["failover", "Z", "--yes"]).await;
    check("unknown_name", 64, &["migrate-room", "NOROOM", "--to", two, "--yes"]).await;
    check("bad_request", 64, &["node", "replicate", one, "--master", one, "--yes"]).await;
    check("not_confirmed", 3, &["failover", replica]).await;
    check("wrong_name", 3, &["failover", replica, "--mode", "takeover", "--override", "node_is_healthy", "--confirm", "elsewhere"])
        .await;
    check("read_only", 3, &["--read-only", "move-slots", "0", "--to", two, "--yes"]).await;
    // Members.
    check("node_owns_slots", 3, &["node", "forget", one, "--confirm", "cluster"]).await;
    check("node_owns_slots", 3, &["node", "replicate", one, "--master", two, "--yes"]).await;
    check("node_alive", 3, &["node", "forget", third, "--confirm", "cluster"]).await;
    check("node_has_replicas", 3, &["node", "remove", one, "--confirm", "cluster"]).await;
    check("already_member", 3, &["node", "add", replica, "--yes"]).await;
    check("no_reply", 3, &["node", "add", &dead_port(), "--yes"]).await;
    // Slots.
    cluster.ok(&cluster.at(0), &format!("CLUSTER SETSLOT 7 MIGRATING {}", id(&cluster, 1).await)).await;
    check("slots_open", 3, &["move-slots", "7", "--to", two, "--yes"]).await;
    check("slots_open", 3, &["rebalance", "--yes"]).await;
    check("done", 0, &["fix", "--yes"]).await;
    for command in ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 4mb"] {
        cluster.ok(&cluster.at(1), command).await;
    }
    open_room(&cluster, "KX9Q2", &["ann"]).await;
    let slot = rgc_tui::cluster::key_slot(b"KX9Q2").to_string();
    let fat = Command::new(["SET", "room:{KX9Q2}:blob", &"x".repeat(6 << 20)]);
    cluster.call(&cluster.owner(slot.parse().unwrap()).await.unwrap(), &fat).await;
    check("target_out_of_memory", 3, &["move-slots", &slot, "--to", two, "--yes"]).await;
    cluster.ok(&cluster.at(1), "CONFIG SET maxmemory 0").await;
    check("done", 0, &["move-slots", "8-9", "--to", two, "--yes"]).await;
    check("done", 0, &["failover", replica, "--yes"]).await;
}

async fn id(cluster: &Cluster, at: usize) -> String {
    cluster.text(&cluster.at(at), "CLUSTER MYID").await
}

/// A right is missing, a master is gone, a majority is: found before anything is sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_servers_has_its_code_too() {
    let cluster = Cluster::start(3, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    cluster.wait_ok(&cluster.addresses()).await;
    for at in cluster.addresses() {
        cluster.ok(&at, "ACL SETUSER default -migrate").await;
    }
    let (two, replica) = (&cluster.at(1).to_string(), &cluster.at(3).to_string());
    let check = async |code: &str, exit: i32, args: &[&str]| expect(&cluster, state, code, exit, args).await;
    check("not_allowed", 3, &["move-slots", "0", "--to", two, "--yes"]).await;
    for at in cluster.addresses() {
        cluster.ok(&at, "ACL SETUSER default +migrate").await;
    }
    cluster.fault(&cluster.at(4), Fault::Kill).await.unwrap();
    check("node_down", 3, &["failover", &cluster.at(4).to_string(), "--yes"]).await;
    check("no_candidate", 3, &["failover", "--shard", "B", "--yes"]).await;
    for master in [1, 2] {
        cluster.fault(&cluster.at(master), Fault::Kill).await.unwrap();
    }
    let (code, last) = told(&cluster, state, &["failover", replica, "--yes"]).await;
    assert_eq!(code, 3, "{last}");
    assert!(last["codes"].as_array().unwrap().contains(&"quorum_lost".into()), "{last}");
}

/// What the ledger and the reports tell of an operation.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_the_code_of_each_outcome() {
    let cluster = Cluster::start(3, 1).await;
    let folder = tempfile::tempdir().unwrap();
    cluster.wait_ok(&cluster.addresses()).await;
    expect(&cluster, folder.path(), "done", 0, &["move-slots", "0-3", "--to", &cluster.at(1).to_string(), "--yes"]).await;
    let states = std::fs::read_dir(folder.path().join("rgc-tui")).unwrap().map(|entry| entry.unwrap().path());
    let ledger = states.map(|state| state.join("ledger.jsonl")).find_map(|path| std::fs::read_to_string(path).ok()).unwrap();
    let last: Json = serde_json::from_str(ledger.lines().last().unwrap()).unwrap();
    assert_eq!((&last["outcome"], &last["code"], &last["codes"]), (&"done".into(), &"done".into(), &Json::Array(Vec::new())));
}

#[test]
fn the_codes_can_be_read_without_a_manual() {
    let text = std::process::Command::new(PROGRAM).args(["docs", "codes"]).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().any(|line| line.starts_with("target_out_of_memory ")) && !text.contains("\nother "), "{text}");
}
