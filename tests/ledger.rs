//! The ledger as it is read back after operations of the real program: a line for each, appended and never changed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "a test that fails loudly")]

mod common;

use std::path::Path;
use std::process::{Command as Process, Stdio};

use common::Cluster;
use rgc_tui::exec::LEDGER;
use rgc_tui::plan::entry::Entry;
use serde_json::Value as Json;

/// Runs the program to its end; `user` is all that the environment says of who is there.
async fn run(state: &Path, seed: &str, words: &str, user: Option<&str>) -> i32 {
    let mut command = Process::new(env!("CARGO_BIN_EXE_rgc-tui"));
    command.args(["--node", seed, "--cluster", "prod"]).args(words.split(' ')).stdin(Stdio::null()).current_dir(state);
    command.env("XDG_STATE_HOME", state);
    for name in ["USER", "LOGNAME", "SSH_CONNECTION", "REDISCLI_AUTH", "RGC_TUI_PASSWORD"] {
        command.env_remove(name);
    }
    command.envs(user.map(|user| ("USER", user)));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    output.status.code().unwrap_or(-1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_leaves_a_line_and_lines_stay_as_they_are() {
    let cluster = Cluster::start(3, 1).await;
    let (state, seed) = (tempfile::tempdir().unwrap(), cluster.seed());
    let file = state.path().join("rgc-tui/prod").join(LEDGER);
    let operations = [
        (format!("failover {} --yes", cluster.at(4)), Some("ann"), "ann", 0),
        (format!("move-slots 0-39 --to {} --yes", cluster.at(2)), None, "uid ", 0),
        (format!("move-slots 5-9 --to {} --yes", cluster.at(0)), Some("bob"), "bob", 0),
    ];
    let mut before = String::new();
    for (nth, (words, user, who, code)) in operations.iter().enumerate() {
        assert_eq!(run(state.path(), &seed, words, *user).await, *code, "{words}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(&before) && text.ends_with('\n'), "a line was changed:\n{before}\n{text}");
        assert_eq!(text.lines().count(), nth + 1);
        let line = text.lines().last().unwrap();
        let json: Json = serde_json::from_str(line).unwrap();
        // What the console's list makes of the same line.
        let entry = Entry::read(line).unwrap();
        assert!(words.starts_with(&entry.intent), "{words}: {}", entry.intent);
        assert!(entry.who.starts_with(who), "{}", entry.who);
        assert_eq!((entry.cluster.as_str(), entry.outcome.as_str()), ("prod", "done"));
        assert!(chrono::DateTime::parse_from_rfc3339(&entry.at).is_ok() && entry.seconds > 0.0, "{line}");
        let commands = json["commands"].as_array().unwrap();
        assert!(!commands.is_empty(), "{line}");
        for command in commands {
            assert!(["node", "command", "reply"].iter().all(|name| command[name].is_string()), "{command}");
        }
        let verb = if nth == 0 { "FAILOVER" } else { "SETSLOT" };
        assert!(commands.iter().any(|command| command["command"].as_str().unwrap().contains(verb)), "{line}");
        assert_eq!(json["plan"]["intent"].as_str(), Some(entry.intent.as_str()));
        before = text;
    }
    // Looking is no operation, and neither is a plan.
    run(state.path(), &seed, "status", None).await;
    assert_eq!(run(state.path(), &seed, &format!("failover {} --dry-run", cluster.at(1)), None).await, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}
