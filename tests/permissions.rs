//! A user with exactly the rights that the README lists: looking needs the first list, operations need both, and nothing more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "a test that fails loudly")]

mod common;
mod desk;

use std::process::{Command as Process, Output, Stdio};

use common::Cluster;
use desk::{Desk, assert_calm, assert_same};
use rgc_tui::cluster::key_slot;

/// The lists of rights in the README, in its order.
fn rights() -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    readme
        .split("```text\n")
        .skip(1)
        .filter_map(|text| text.split("\n```").next())
        .filter(|text| ["+migrate", "+info", "+acl|dryrun"].iter().any(|rule| text.contains(rule)))
        .collect()
}

struct Operator {
    seed: String,
    state: tempfile::TempDir,
}

impl Operator {
    async fn run(&self, words: &str) -> Output {
        let mut command = Process::new(env!("CARGO_BIN_EXE_rgc-tui"));
        command.args(["--node", &self.seed, "--user", "ops"]).args(words.split(' ')).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.state.path()).env("RGC_TUI_PASSWORD", "pw").current_dir(self.state.path());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn succeeds(&self, words: &str) -> String {
        let output = self.run(words).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words}: {text}");
        assert!(!text.contains("NOPERM") && !text.contains("no permissions"), "{words}: {text}");
        text
    }
}

async fn admit(cluster: &Cluster, rights: &str) -> Operator {
    for address in cluster.addresses() {
        cluster.ok(&address, &format!("ACL SETUSER ops reset on >pw {rights}")).await;
    }
    Operator { seed: cluster.seed(), state: tempfile::tempdir().unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lists_of_the_readme_are_enough() {
    let cluster = Cluster::start(3, 1).await;
    let [look, requests, foresee] = rights()[..] else { panic!("the README has {} lists of rights", rights().len()) };
    let admin = Desk::at(&cluster).await;
    admin.fill_rooms(300).await;

    let onlooker = admit(&cluster, look).await;
    for words in ["status", "nodes", "slots", "check"] {
        onlooker.succeeds(words).await;
    }
    assert!(onlooker.succeeds("rooms").await.contains("R0042"));
    assert!(onlooker.succeeds("locate R0042").await.contains("R0042"));
    let refused = onlooker.run("move-slots 0-9 --to C --yes").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(refused.status.code() != Some(0) && said.contains("permission"), "{said}");
    assert_calm(&cluster).await;

    let before = admin.digest(&cluster).await;
    let operator = admit(&cluster, &format!("{look} {requests}")).await;
    let owner = cluster.owner(key_slot(b"R0042")).await.unwrap();
    let other = (0..3).map(|n| cluster.at(n)).find(|at| *at != owner).unwrap();
    // Left open by another tool.
    let slot = key_slot(b"R0007");
    let source = cluster.owner(slot).await.unwrap();
    let target = (0..3).map(|n| cluster.at(n)).find(|at| *at != source).unwrap();
    let (from, to) = (cluster.ask(&source, "CLUSTER MYID").await, cluster.ask(&target, "CLUSTER MYID").await);
    cluster.ok(&target, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", from.text().unwrap())).await;
    cluster.ok(&source, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", to.text().unwrap())).await;
    for words in [
        "fix --yes".to_owned(),
        format!("migrate-room R0042 --to {other} --yes"),
        "move-slots 100-199 --to B --yes".to_owned(),
        "rebalance --by keys --yes".to_owned(),
        format!("failover {} --yes", cluster.at(4)),
    ] {
        operator.succeeds(&words).await;
    }
    assert_eq!(cluster.owner(key_slot(b"R0042")).await, Some(other.clone()));
    // What may not be asked is unknown, and said.
    let mut masters = Vec::new();
    for address in cluster.addresses() {
        if address != other && cluster.role(&address).await == "master" {
            masters.push(address);
        }
    }
    let owner = &masters[0];
    let back = format!("migrate-room R0042 --to {owner} --dry-run");
    let blind = operator.succeeds(&back).await;
    assert!(blind.contains("whether user ops has every right for this is not known"), "{blind}");
    assert!(blind.contains("whether another console is at work is not known"), "{blind}");
    let seeing = admit(&cluster, &format!("{look} {requests} {foresee}")).await;
    let plan = seeing.succeeds(&back).await;
    assert!(!plan.contains("not known"), "{plan}");
    let moved = seeing.succeeds(&format!("migrate-room R0042 --to {owner} --yes")).await;
    assert!(!moved.contains("may not see"), "{moved}");
    operator_without_a_right_is_refused(&cluster, &format!("{look} {requests} {foresee}"), &other).await;
    assert_calm(&cluster).await;
    assert_same(&before, &admin.digest(&cluster).await);
}

/// What is forbidden is refused before anything opens, with the rule that would allow it.
async fn operator_without_a_right_is_refused(cluster: &Cluster, rights: &str, other: &rgc_tui::cluster::Address) {
    let without = "-cluster|setslot -cluster|failover -cluster|replicate -restore-asking";
    let crippled = admit(cluster, &format!("{rights} {without}")).await;
    let (replica, master) = (cluster.at(3), cluster.at(2));
    for (words, rules) in [
        (format!("migrate-room R0042 --to {other} --yes"), "+cluster|setslot +restore-asking"),
        (format!("failover {} --yes", cluster.at(3)), "+cluster|failover"),
        (format!("node replicate {replica} --master {master} --yes"), "+cluster|replicate"),
    ] {
        let refused = crippled.run(&words).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
        assert!(refused.status.code() == Some(3) && said.contains(&format!("ACL SETUSER ops {rules}")), "{words}: {said}");
    }
    assert_calm(cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_asked_is_not_known_and_never_nothing() {
    let cluster = Cluster::start(3, 0).await;
    let all = "~* &* +@all";
    let said = async |rights: &str, words: &str| {
        let output = admit(&cluster, &format!("{all} {rights}")).await.run(words).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    };
    // Without views nobody owns anything, as far as one can see: no slot is given away for that.
    for (rights, rule) in [
        ("-cluster|nodes", "this user needs +cluster|nodes there"),
        ("-cluster|countkeysinslot", "this user needs +cluster|countkeysinslot there"),
    ] {
        let (code, text) = said(rights, "fix --dry-run").await;
        assert!(code == 3 && text.contains(rule) && !text.contains("ADDSLOTS"), "{rights}: {text}");
    }
    // A repair counts without them; rooms are not found without them, and nobody waits for them.
    let blind = "-dbsize -scan";
    let (code, text) = said(blind, "fix --dry-run").await;
    assert!(code == 0 && text.contains("nothing to do"), "{text}");
    let (_, text) = said(blind, "status --rooms").await;
    assert!(text.contains("rooms are not known: ") && text.contains("it needs +scan on each of them"), "{text}");
    let (_, text) = said(blind, "status --rooms --format json").await;
    assert!(text.contains(r#""rooms":{"total":null,"players":null,"complete":false}"#), "{text}");
    let (_, text) = said(blind, "check --rooms").await;
    assert!(text.lines().any(|line| line.starts_with("? slots.astray") && line.contains("+scan")), "{text}");
    let (code, text) = said(blind, "rebalance --by rooms --dry-run").await;
    assert!(code == 3 && text.contains("rooms are not known") && text.contains("(+scan)"), "{text}");
}
