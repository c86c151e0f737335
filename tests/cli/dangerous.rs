//! What can lose data or cut somebody off wants the cluster's name; against the word of a node that answers, a second word.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A configuration in which this console reaches none of these nodes: the tunnels to them have died.
fn tunnels(folder: &Path, cluster: &Cluster, dead: &[usize]) -> String {
    let map: Vec<String> = dead.iter().map(|n| format!("\"{}\" = \"127.0.0.1:1\"", cluster.at(*n))).collect();
    let nodes: Vec<String> = cluster.addresses().iter().map(|address| format!("\"{address}\"")).collect();
    let file = folder.join("prod.toml");
    let text = format!("[cluster]\nname = \"prod\"\nnodes = [{}]\naddress_map = {{ {} }}\n", nodes.join(", "), map.join(", "));
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_from_a_master_that_others_call_healthy_without_a_second_word() {
    let cluster = Cluster::start(3, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = tunnels(folder.path(), &cluster, &[0, 1]);
    let replica = cluster.at(3).to_string();
    for mode in ["takeover", "force"] {
        for more in [&["--yes"][..], &["--confirm", "prod"]] {
            let args = [&["--config", &file, "failover", &replica, "--mode", mode, "--format", "json"], more].concat();
            let refused = run(&args).await;
            assert_eq!(refused.code, 3, "{mode}: {}{}", refused.stdout, refused.stderr);
            let last = refused.last_json();
            let reasons = last["reasons"].to_string();
            assert_eq!(last["codes"].as_array().unwrap().len(), last["reasons"].as_array().unwrap().len());
            if mode == "takeover" {
                assert_eq!(last["codes"][0], "node_is_healthy");
                assert!(
                    reasons.contains("calls it healthy") && reasons.contains("--confirm prod --override node_is_healthy"),
                    "{reasons}"
                );
            }
        }
    }
    assert_eq!(run(&["--config", &file, "failover", &replica, "--override", "please"]).await.code, 64);
    let takeover = ["--config", &file, "failover", &replica, "--mode", "takeover", "--override", "node_is_healthy"];
    let unconfirmed = run(&[&takeover[..], &["--yes"]].concat()).await;
    assert!(unconfirmed.code == 3 && unconfirmed.stderr.contains("--confirm prod"), "{}", unconfirmed.stderr);
    assert_eq!(run(&[&takeover[..], &["--confirm", "stage"]].concat()).await.code, 3);
    assert_eq!(cluster.role(&cluster.at(0)).await, "master", "nothing has changed so far");
    run(&[&takeover[..], &["--confirm", "prod"]].concat()).await;
    wait_until("the replica has taken over", async || cluster.role(&cluster.at(3)).await == "master").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_forgets_a_node_that_others_call_healthy_without_a_second_word() {
    let cluster = Cluster::start(3, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = tunnels(folder.path(), &cluster, &[5]);
    let replica = cluster.at(5).to_string();
    let refused = run(&["--config", &file, "node", "forget", &replica, "--confirm", "prod"]).await;
    assert_eq!(refused.code, 3, "{}{}", refused.stdout, refused.stderr);
    assert!(
        refused.stderr.contains("call it healthy") && refused.stderr.contains("--override node_is_healthy"),
        "{}",
        refused.stderr
    );
    assert!(cluster.view(&cluster.at(0)).await.members.iter().any(|member| member.address == cluster.at(5)));
    // Gone in truth, it is forgotten with the name alone.
    cluster.fault(&cluster.at(5), Fault::Kill).await.unwrap();
    wait_until("the masters call it failed", async || {
        let view = cluster.view(&cluster.at(0)).await;
        view.members.iter().any(|member| member.address == cluster.at(5) && member.flags.failed)
    })
    .await;
    let forgotten = run(&["--config", &file, "node", "forget", &replica, "--confirm", "prod"]).await;
    assert_eq!(forgotten.code, 0, "{}{}", forgotten.stdout, forgotten.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_said_twice_is_done_once() {
    let cluster = Cluster::start(3, 1).await;
    let (seed, replica) = (cluster.seed(), cluster.at(3).to_string());
    assert_eq!(run(&["--node", &seed, "failover", &replica, "--yes"]).await.code, 0);
    let again = run(&["--node", &seed, "failover", &replica, "--yes"]).await;
    assert!(again.code == 0 && again.stdout.contains("nothing to do"), "{}{}", again.stdout, again.stderr);
    assert_eq!(cluster.role(&cluster.at(3)).await, "master");
    let json = run(&["--node", &seed, "failover", &replica, "--yes", "--format", "json"]).await.last_json();
    assert_eq!(json["outcome"], "done");
    // Another master is asked for by the shard.
    let shard = run(&["--node", &seed, "failover", "--shard", "B", "--dry-run"]).await;
    assert!(shard.code == 0 && shard.stdout.contains("CLUSTER FAILOVER"), "{}{}", shard.stdout, shard.stderr);
    assert_eq!(run(&["--node", &seed, "failover", &replica, "--shard", "B"]).await.code, 64);
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut all = vec![(folder.display().to_string(), std::fs::metadata(folder).unwrap().permissions().mode() & 0o777)];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(modes(&path));
        } else {
            all.push((path.display().to_string(), std::fs::metadata(&path).unwrap().permissions().mode() & 0o777));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_down_is_this_users_alone() {
    let cluster = Cluster::start(3, 1).await;
    let (seed, replica) = (cluster.seed(), cluster.at(3).to_string());
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let plan = folder.path().join("plan.json");
    let shell = |line: String| {
        let mut shell = Process::new("sh");
        shell.arg("-c").arg(format!("umask 000; exec {PROGRAM} --node {seed} --cluster prod {line}")).stdin(Stdio::null());
        shell.current_dir(folder.path()).env("XDG_STATE_HOME", &state);
        shell
    };
    let move_one = format!("move-slots 0 --to {}", cluster.at(1));
    assert_eq!(run_command(shell(format!("{move_one} --save-plan {}", plan.display()))).await.code, 0);
    let done = run_command(shell(format!("{move_one} --yes --plan {}", plan.display()))).await;
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let all = [modes(&state), vec![("plan".into(), std::fs::metadata(&plan).unwrap().permissions().mode() & 0o777)]].concat();
    assert!(all.len() > 3 && all.iter().all(|(_, mode)| matches!(mode, 0o700 | 0o600)), "{all:?}");
    // Another file is not overwritten by a plan, and a plan is by a newer one.
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "mine").unwrap();
    assert_eq!(run_command(shell(format!("failover {replica} --save-plan {}", other.display()))).await.code, 64);
    assert_eq!(run_command(shell(format!("failover {replica} --save-plan {}", plan.display()))).await.code, 0);
    // A folder that others may write to is not believed.
    let own = state.join("rgc-tui/prod");
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
    let refused = run_command(shell(format!("failover {replica} --yes"))).await;
    let says = format!("{}{}", refused.stdout, refused.stderr);
    assert!(refused.code == 3 && says.contains(&format!("chmod 700 {}", own.display())), "{}: {says}", refused.code);
}
