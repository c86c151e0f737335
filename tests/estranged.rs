//! Masters that live and are no members any more, forgotten or reset by hand, on real servers: what `status` says, and that `fix`
//! introduces them before it gives anybody a slot.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "a test that fails loudly"
)]

mod common;
#[path = "diagnosis/console.rs"]
mod console;

use common::{Cluster, wait_until};
use console::{Console, Look, Ran};
use rgc_tui::cluster::{Address, key_slot};
use serde_json::Value as Json;

/// Keys of as many slots, written where they belong.
async fn fill(cluster: &Cluster, keys: u32) {
    for number in 0..keys {
        let key = format!("room:{{{number}}}:state");
        let owner = cluster.owner(key_slot(format!("{number}").as_bytes())).await.unwrap();
        cluster.ok(&owner, &format!("SET {key} x")).await;
    }
}

async fn keys(cluster: &Cluster, address: &Address) -> i64 {
    cluster.ask(address, "DBSIZE").await.int().unwrap()
}

/// Everybody is told to forget it; its own replicas do not.
async fn forget(cluster: &Cluster, victim: &Address) {
    let id = cluster.text(victim, "CLUSTER MYID").await;
    for address in cluster.addresses().iter().filter(|address| *address != victim) {
        cluster.ask(address, &format!("CLUSTER FORGET {id}")).await;
    }
}

/// The commands of a plan, and the plan.
fn planned(ran: &Ran) -> (Vec<String>, Json) {
    let plan: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    let commands = plan["commands"].as_array().unwrap_or_else(|| panic!("{plan:#}"));
    (commands.iter().map(|command| command["command"].as_str().unwrap().to_owned()).collect(), plan)
}

fn is_caused_by(look: &Look, rule: &str, cause: &str) -> bool {
    look.found(rule).iter().all(|finding| finding["caused_by"]["rule"] == cause)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_forgotten_by_hand_is_introduced_and_keeps_its_keys() {
    let cluster = Cluster::start(3, 1).await;
    fill(&cluster, 60).await;
    let console = Console::told_of(&cluster.addresses()[1..2]);
    console.until("all is well", |look| look.code == 0).await;
    let victim = cluster.at(0);
    let held = keys(&cluster, &victim).await;
    assert!(held > 0);
    forget(&cluster, &victim).await;

    let look = console.until("it is named", |look| !look.firing("node.unknown").is_empty()).await;
    assert_eq!((look.code, look.severity("node.unknown")), (2, "critical"), "{}", look.says());
    assert!(look.message("node.unknown").contains("do not know it (CLUSTER FORGET there?); it owns 5461 slots"), "{}", look.says());
    assert!(look.remedy("node.unknown").contains("CLUSTER MEET"), "{}", look.says());
    let line = console.verdict_line().await;
    assert!(line.contains(&format!("CRITICAL  {victim} ")) && line.contains("do not know it"), "{line}");
    let down = console.until("the others refuse everything", |look| !look.firing("cluster.down").is_empty()).await;
    assert!(is_caused_by(&down, "cluster.down", "node.unknown"), "{}", down.says());

    let (commands, _) = planned(&console.run(&["fix", "--dry-run", "--format", "json"]).await);
    assert_eq!(commands.len(), 4, "{commands:?}");
    let meet = format!("CLUSTER MEET {} {}", victim.host, victim.port);
    assert!(commands.iter().all(|command| command.starts_with(&meet)), "{commands:?}");
    let ran = console.run(&["fix", "--yes"]).await;
    assert!(ran.code == 0 && ran.stdout.lines().any(|line| line.starts_with("done in ")), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(keys(&cluster, &victim).await, held);
    console.until("all is well again", |look| look.code == 0 && look.served() == 16384).await;
    let again = console.run(&["fix", "--yes"]).await;
    assert!(again.code == 0 && again.stdout.starts_with("fix: nothing to do: no slot is open"), "{}{}", again.stdout, again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_without_replicas_that_nobody_knows_any_more_is_asked_for_where_it_was() {
    let cluster = Cluster::start(3, 0).await;
    fill(&cluster, 60).await;
    let console = Console::told_of(&cluster.addresses()[1..2]);
    // One look without replicas is no good one, but a picture in which all is served.
    console.until("all is served", |look| look.served() == 16384).await;
    let victim = cluster.at(0);
    let held = keys(&cluster, &victim).await;
    forget(&cluster, &victim).await;
    let gone = format!("they were owned by {victim}, which is not among the nodes any more");
    console
        .until("it is named", |look| look.found("slots.unserved").iter().any(|found| found["message"].to_string().contains(&gone)))
        .await;
    let (commands, plan) = planned(&console.run(&["fix", "--dry-run", "--format", "json"]).await);
    assert!(commands.len() == 2 && commands.iter().all(|command| command.starts_with("CLUSTER MEET ")), "{plan:#}");
    let ran = console.run(&["fix", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(keys(&cluster, &victim).await, held);
    console.until("all is served again", |look| look.served() == 16384 && look.found("node.unknown").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_reset_is_introduced_and_has_its_slots_back() {
    let cluster = Cluster::start(3, 1).await;
    let console = Console::told_of(&cluster.addresses()[1..2]);
    console.until("all is well", |look| look.code == 0).await;
    let victim = cluster.at(0);
    cluster.ok(&victim, "CLUSTER RESET SOFT").await;
    let look = console.until("it is named", |look| !look.firing("node.unknown").is_empty()).await;
    let says = "it knows no other node (CLUSTER RESET or FORGET there?), and others take it for the owner of 5461 slots (0-5460)";
    assert_eq!((look.message("node.unknown"), look.severity("node.unknown")), (says, "critical"), "{}", look.says());
    assert!(is_caused_by(&look, "slots.unserved", "node.unknown"), "{}", look.says());

    let (commands, plan) = planned(&console.run(&["fix", "--dry-run", "--format", "json"]).await);
    assert!(commands.len() == 1 && commands[0].starts_with("CLUSTER MEET "), "{plan:#}");
    let ran = console.run(&["fix", "--yes"]).await;
    assert!(ran.code == 0 && ran.stderr.contains("0-5460 still need a repair: run `fix` again"), "{}{}", ran.stdout, ran.stderr);
    // All others still take it for the owner, and it has no keys: nobody else is given its slots.
    let ran = console.run(&["fix", "--confirm", "prod"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(cluster.owner(7).await, Some(victim));
    console.until("all is well again", |look| look.code == 0 && look.served() == 16384).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_introduced_who_would_delete_keys() {
    let cluster = Cluster::start(3, 1).await;
    let victim = cluster.at(0);
    // `{b}` is of slot 3300.
    cluster.ok(&victim, "SET room:{b}:state x").await;
    let console = Console::of(&cluster);
    console.until("all is well", |look| look.code == 0).await;
    // Forgotten and forgetting: nothing that the others say reaches it.
    for address in &cluster.addresses()[1..] {
        let id = cluster.text(address, "CLUSTER MYID").await;
        cluster.ok(&victim, &format!("CLUSTER FORGET {id}")).await;
    }
    forget(&cluster, &victim).await;
    let other = cluster.at(1);
    cluster.ok(&other, "CLUSTER ADDSLOTS 3300").await;
    wait_until("its epoch is above", async || {
        cluster.text(&other, "CLUSTER BUMPEPOCH").await;
        cluster.view(&other).await.myself().unwrap().epoch > 3
    })
    .await;
    let ran = console.run(&["fix", "--dry-run"]).await;
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    let says = format!("{victim} would delete its keys when they meet; save them first");
    assert!(ran.stderr.contains(&says), "{}", ran.stderr);
    assert_eq!(keys(&cluster, &victim).await, 1);
}

/// Says PONG, and to everything else what `other` is; nothing at all when that is empty.
async fn answers_ping_alone(other: &'static [u8]) -> Address {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut buffer, mut seen) = (vec![0; 4096], Vec::new());
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    seen.extend_from_slice(&buffer[..read]);
                    // Every command is an array of words, each with its length before it.
                    while let Some((words, rest)) = command(&seen) {
                        let name = words[0].to_ascii_uppercase();
                        let reply: &[u8] = match &name[..] {
                            b"PING" => b"+PONG\r\n",
                            b"CLIENT" => b"+OK\r\n",
                            b"HELLO" => b"-ERR unknown command 'HELLO'\r\n",
                            _ => other,
                        };
                        seen = rest;
                        if stream.write_all(reply).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    at
}

/// The first command of what was read, and what comes after it; None while it is not whole.
fn command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    fn line(bytes: &[u8]) -> Option<(usize, &[u8])> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        Some((std::str::from_utf8(&bytes[1..end]).ok()?.parse().ok()?, &bytes[end + 2..]))
    }
    let (count, mut rest) = line(bytes)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, more) = line(rest)?;
        words.push(more.get(..length)?.to_vec());
        rest = more.get(length + 2..)?;
    }
    Some((words, rest.to_vec()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cluster_is_called_what_it_is() {
    let cluster_mode = ["--cluster-enabled", "yes"];
    let alone = common::server(&cluster_mode).await;
    let without = common::server(&[]).await;
    let locked = common::server(&[&cluster_mode[..], &["--requirepass", "x"]].concat()).await;
    let renamed = common::server(&[&cluster_mode[..], &["--rename-command", "CLUSTER", "hidden"]].concat()).await;
    let silent = answers_ping_alone(b"").await;
    let first = async |address: &Address| {
        let ran = Console::told_of(std::slice::from_ref(address)).run(&["status"]).await;
        let text = ran.stdout + &ran.stderr;
        (ran.code, text.lines().take(2).collect::<Vec<_>>().join("\n"))
    };
    for (address, code, words, next) in [
        (
            alone.address(),
            2,
            "answers, knows no other node and owns no slot (CLUSTER NODES): it is in no cluster",
            "with --node HOST:PORT; `node add ",
        ),
        (
            without.address(),
            0,
            "1 server answers and runs without cluster mode (cluster-enabled no)",
            "else name a node of the cluster",
        ),
        (locked.address(), 4, "wants a password (NOAUTH Authentication required.)", "check `username` and `password`"),
        (renamed.address(), 1, "answers PING and INFO and not CLUSTER NODES", "are renamed there (rename-command)"),
        (&silent, 1, "answers PING and neither CLUSTER NODES nor INFO", "does not pass them on"),
    ] {
        let (ended, text) = first(address).await;
        let lines: Vec<&str> = text.lines().collect();
        assert!(ended == code && lines[0].contains(words), "{ended}: {text}");
        assert!(lines[0].contains(&address.to_string()) || code == 0, "{text}");
        assert!(lines[1].starts_with("  next: ") && lines[1].contains(next), "{text}");
        // Nobody is given slots there.
        let fix = Console::told_of(std::slice::from_ref(address)).run(&["fix", "--dry-run"]).await;
        assert!(matches!(fix.code, 3 | 4) && fix.stdout.is_empty(), "{}{}", fix.stdout, fix.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_node_that_is_asked_alone_is_remembered_as_one_of_its_cluster() {
    let cluster = Cluster::start(3, 1).await;
    let victim = cluster.at(0);
    let console = Console::told_of(std::slice::from_ref(&victim));
    console.until("all is well", |look| look.code == 0).await;
    cluster.ok(&victim, "CLUSTER RESET SOFT").await;
    let line = console.verdict_line().await;
    assert!(
        line.contains("it is in no cluster any more; at 20") && line.contains("it was one of 6 nodes (CLUSTER RESET there?)"),
        "{line}"
    );
    let status = console.run(&["status"]).await;
    assert!(
        status.stdout.contains("next: `fix` introduces it again where the others answer; look from another of them: --node "),
        "{}",
        status.stdout
    );
    // Those who owned slots when all was well are asked.
    let (commands, plan) = planned(&console.run(&["fix", "--dry-run", "--format", "json"]).await);
    assert!(commands.len() == 1 && commands[0].starts_with("CLUSTER MEET "), "{plan:#}");
    let ran = console.run(&["fix", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(console.run(&["fix", "--confirm", "prod"]).await.code, 0);
    console.until("all is well again", |look| look.code == 0 && look.served() == 16384).await;
}
