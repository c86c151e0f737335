//! Real servers on this machine: started, harmed, revived, and gone at the end, whatever the end is.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Cluster, server, wait_until};
use rgc_tui::cluster::Address;
use rgc_tui::local::{Fault, LocalCluster, LocalServer, LocalSpec};

fn sh(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).stderr(Stdio::null()).status().unwrap().success()
}

fn runs(pid: u32) -> bool {
    sh(&format!("kill -0 {pid}"))
}

#[tokio::test]
async fn a_cluster_forms_by_itself() {
    let cluster = Cluster::start(3, 1).await;
    assert_formed(&cluster).await;
    let folder = cluster.folder();
    let pids: Vec<u32> = cluster.nodes().into_iter().map(|node| node.pid.unwrap()).collect();
    assert!(folder.is_dir() && pids.iter().all(|&pid| runs(pid)));
    drop(cluster);
    assert!(!folder.exists() && pids.iter().all(|&pid| !runs(pid)));
}

async fn assert_formed(cluster: &Cluster) {
    assert_eq!(cluster.addresses().len(), 6);
    for (n, address) in cluster.addresses().into_iter().enumerate() {
        let view = cluster.view(&address).await;
        let me = view.myself().unwrap();
        assert_eq!((me.address.clone(), view.members.len()), (address.clone(), 6));
        if n < 3 {
            assert_eq!(me.slots.len(), 1, "{address}");
        } else {
            assert_eq!(me.master, Some(cluster.view(&cluster.at(n - 3)).await.myself().unwrap().id), "{address}");
            assert_eq!(cluster.info(&address, "master_link_status").await.as_deref(), Some("up"));
        }
    }
}

#[tokio::test]
async fn a_cluster_forms_on_every_server() {
    for name in ["redis8", "valkey8", "valkey9"] {
        let cluster = Cluster::start_on(name, 3, 1).await;
        assert_formed(&cluster).await;
        // Servers of this age know shards by id: both nodes of a shard must have the same one.
        let shard = async |n| cluster.text(&cluster.at(n), "CLUSTER MYSHARDID").await;
        let shards = [shard(0).await, shard(1).await, shard(2).await];
        assert_eq!(shards, [shard(3).await, shard(4).await, shard(5).await], "{name}");
        assert_ne!(shards[0], shards[1], "{name}");
        cluster.ok(&cluster.at(3), "CLUSTER FAILOVER").await;
        wait_until("the replica is master", async || cluster.role(&cluster.at(3)).await == "master").await;
        cluster.local().stop().await;
    }
}

#[tokio::test]
async fn a_killed_master_comes_back_as_a_replica() {
    let cluster = Cluster::start(3, 1).await;
    let (victim, successor) = (cluster.at(0), cluster.at(3));
    let id = cluster.view(&victim).await.myself().unwrap().id;
    cluster.fault(&victim, Fault::Kill).await.unwrap();
    assert_eq!(cluster.nodes()[0].pid, None);
    for fault in [Fault::Kill, Fault::Freeze, Fault::Thaw] {
        let error = cluster.fault(&victim, fault).await.unwrap_err().to_string();
        assert!(error.contains(&victim.to_string()) && error.contains("does not run"), "{error}");
    }
    // Restarted at once: it waits for its successor, or both would be empty.
    cluster.fault(&victim, Fault::Restart).await.unwrap();
    assert_eq!(cluster.role(&successor).await, "master");
    wait_until("the old master is a replica in sync", async || {
        cluster.role(&victim).await == "slave" && cluster.info(&victim, "master_link_status").await.as_deref() == Some("up")
    })
    .await;
    assert_eq!(cluster.view(&victim).await.myself().unwrap().id, id);
    cluster.wait_ok(&cluster.addresses()).await;
}

#[tokio::test]
async fn a_node_that_is_killed_from_outside_is_noticed() {
    let cluster = Cluster::start(1, 1).await;
    let pid = cluster.nodes()[1].pid.unwrap();
    assert!(sh(&format!("kill -9 {pid}")));
    wait_until("it is known to be gone", async || cluster.nodes()[1].pid.is_none()).await;
    cluster.fault(&cluster.at(1), Fault::Restart).await.unwrap();
    assert_ne!(cluster.nodes()[1].pid, Some(pid));
    let error = cluster.fault(&Address::new("127.0.0.1", 1), Fault::Kill).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1 ") && error.contains(&cluster.seed()), "{error}");
}

#[tokio::test]
async fn a_frozen_node_accepts_and_does_not_answer_until_it_is_thawed() {
    let cluster = Cluster::start(1, 1).await;
    let victim = cluster.at(1);
    cluster.fault(&victim, Fault::Freeze).await.unwrap();
    assert!(cluster.nodes()[1].frozen && tokio::net::TcpStream::connect((&*victim.host, victim.port)).await.is_ok());
    let ping = rgc_tui::link::Command::words("PING");
    let silence = rgc_tui::local::ask(&victim, None, &ping, Duration::from_millis(200)).await;
    assert_eq!(silence.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    cluster.fault(&victim, Fault::Thaw).await.unwrap();
    assert!(!cluster.nodes()[1].frozen);
    assert_eq!(cluster.text(&victim, "PING").await, "PONG");
    // Frozen servers are ended as well.
    cluster.fault(&victim, Fault::Freeze).await.unwrap();
    let pid = cluster.nodes()[1].pid.unwrap();
    cluster.local().stop().await;
    assert!(!runs(pid));
}

#[tokio::test]
async fn passwords_and_other_options_are_passed_on() {
    let cluster = Cluster::start_with(1, 1, &["--requirepass", "secret", "--masterauth", "secret"]).await;
    let denied = rgc_tui::local::ask(&cluster.at(0), None, &rgc_tui::link::Command::words("GET x"), Duration::from_secs(1)).await;
    assert!(matches!(denied, Ok(rgc_tui::link::Reply::Error(error)) if error.code == "NOAUTH"));
    assert_eq!(cluster.role(&cluster.at(1)).await, "slave");
    let alone = server(&["--maxmemory", "5mb"]).await;
    let question = rgc_tui::link::Command::words("CONFIG GET maxmemory");
    let info = rgc_tui::local::ask(alone.address(), None, &question, Duration::from_secs(1)).await.unwrap();
    assert_eq!(info.array().unwrap()[1].int(), Some(5 << 20));
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).unwrap().next().is_none()
}

#[tokio::test]
async fn a_start_that_fails_half_way_leaves_nothing() {
    let home = folder();
    let new = home.path().join("new");
    let dir = Some(new.clone());

    // Its last node finds its bus port taken.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let bus = held.local_addr().unwrap().port();
    let base_port = Some(bus - 10_000 - 2);
    let error =
        LocalCluster::start(LocalSpec { masters: 3, replicas: 0, base_port, dir: dir.clone(), ..LocalSpec::default() }).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("--base-port") && error.contains("is taken"), "{error}");
    assert!(is_empty(home.path()));

    // The servers do not like an option.
    let args = vec!["--no-such-option".to_owned(), "1".to_owned()];
    let error = LocalCluster::start(LocalSpec { args, dir: dir.clone(), ..LocalSpec::default() }).await.unwrap_err().to_string();
    assert!(error.contains("ended at once") && error.contains("no-such-option"), "{error}");
    assert!(is_empty(home.path()), "{error}");

    // It calls itself a server, and is none.
    let fake = home.path().join("fake");
    std::fs::write(
        &fake,
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo Redis server v=7.0.0; exit; }\necho Broken on purpose; exit 3\n",
    )
    .unwrap();
    assert!(sh(&format!("chmod +x {}", fake.display())));
    let spec = LocalSpec { server_bin: Some(fake), dir, ..LocalSpec::default() };
    let error = LocalCluster::start(spec).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("Broken on purpose"), "{error}");
    assert!(!new.exists());
}

#[tokio::test]
async fn what_cannot_be_started_is_said_with_the_way_out() {
    let start = async |spec: LocalSpec| LocalCluster::start(spec).await.unwrap_err().to_string();
    for (path, why) in [("/no/such/server", "No such file"), ("/bin/sh", "--version")] {
        let error = start(LocalSpec { server_bin: Some(path.into()), ..LocalSpec::default() }).await;
        assert!(error.contains(path) && error.contains(why) && error.contains("--server-bin"), "{error}");
    }
    assert!(start(LocalSpec { masters: 0, ..LocalSpec::default() }).await.contains("1 to 500 nodes"));
    let error = start(LocalSpec { base_port: Some(60_000), ..LocalSpec::default() }).await;
    assert!(error.contains("--base-port 60000") && error.contains("65535"), "{error}");
    let home = folder();
    std::fs::write(home.path().join("precious"), "mine").unwrap();
    let error = start(LocalSpec { dir: Some(home.path().into()), ..LocalSpec::default() }).await;
    assert!(error.contains("not empty") && home.path().join("precious").exists(), "{error}");
    let nothing = rgc_tui::local::LocalError::NoServer.to_string();
    for hint in ["apt install redis-server", "dnf install valkey", "brew install redis", "--server-bin"] {
        assert!(nothing.contains(hint), "{nothing}");
    }
}

#[tokio::test]
async fn an_empty_folder_of_the_user_stays_and_what_was_put_there_goes() {
    let home = folder();
    let cluster = Cluster::with(LocalSpec { masters: 1, replicas: 0, dir: Some(home.path().into()), ..LocalSpec::default() }).await;
    assert!(!is_empty(home.path()));
    cluster.local().stop().await;
    assert!(home.path().is_dir() && is_empty(home.path()));
}

#[tokio::test]
async fn what_is_kept_stays_and_says_how_to_end_it() {
    let home = folder();
    let dir = Some(home.path().join("kept"));
    let cluster =
        LocalCluster::start(LocalSpec { masters: 1, replicas: 1, dir, keep: true, ..LocalSpec::default() }).await.unwrap();
    let pids: Vec<u32> = cluster.nodes().into_iter().map(|node| node.pid.unwrap()).collect();
    let kept = cluster.kept().unwrap().to_string();
    let address = cluster.addresses()[0].clone();
    cluster.stop().await;
    assert!(pids.iter().all(|&pid| runs(pid)));
    let pong = rgc_tui::local::ask(&address, None, &rgc_tui::link::Command::words("PING"), Duration::from_secs(5)).await.unwrap();
    assert_eq!(pong.text().as_deref(), Some("PONG"));
    // The sentence's own command ends them.
    let (_, command) = kept.split_once("To end them: ").unwrap();
    assert!(sh(command), "{command}");
    wait_until("they are gone", async || pids.iter().all(|&pid| !runs(pid) || is_zombie(pid))).await;
    assert!(is_empty(home.path()));
}

/// Killed, and its parent (this test) has not asked for its end.
fn is_zombie(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

#[tokio::test]
async fn clusters_that_start_together_do_not_take_each_other_s_ports() {
    let (a, b, c) = tokio::join!(Cluster::start(3, 0), Cluster::start(3, 0), Cluster::start(3, 0));
    let ports: std::collections::HashSet<u16> =
        [&a, &b, &c].iter().flat_map(|cluster| cluster.addresses()).map(|address| address.port).collect();
    assert_eq!(ports.len(), 9);
    // The port of a killed node is still its own.
    a.fault(&a.at(0), Fault::Kill).await.unwrap();
    assert!(UdpSocket::bind(("127.0.0.1", a.at(0).port)).is_err());
    a.fault(&a.at(0), Fault::Restart).await.unwrap();
}

// A program that ends in an ugly way: the test plays both parts. As the child it holds a cluster and tells of it.

const CHILD: &str = "RGC_LOCAL_TEST_CHILD";
const HOLDER: &str = "however_a_program_ends_its_servers_and_folders_are_gone";

struct Holder {
    child: Child,
    folder: PathBuf,
    pids: Vec<u32>,
    _home: tempfile::TempDir,
}

/// Starts the child; with `all` waits until its cluster stands, without until its first server runs.
async fn holder(end: &str, all: bool) -> Holder {
    let home = folder();
    let root = home.path().join("cluster");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", HOLDER, "--nocapture", "--test-threads", "1"]).env(CHILD, end).env("RGC_LOCAL_TEST_DIR", &root);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let pids = if all {
        let said = tokio::task::spawn_blocking(move || {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .find_map(|line| line.split_once("HELD ").map(|(_, pids)| pids.to_owned()))
        });
        said.await.unwrap().expect("the child's cluster stands").split(' ').map(|pid| pid.parse().unwrap()).collect()
    } else {
        wait_until("a server of the child runs", async || !pid_files(&root).is_empty()).await;
        pid_files(&root)
    };
    Holder { child, folder: root, pids, _home: home }
}

fn pid_files(root: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("pid")).ok()?.trim().parse().ok()).collect()
}

/// Processes whose command line or folder is below this one.
fn left_below(root: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let below = processes.filter(|process| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(root)));
    below.map(|process| process.display().to_string()).collect()
}

async fn hold(end: &str) {
    let dir = std::env::var_os("RGC_LOCAL_TEST_DIR").map(PathBuf::from);
    let cluster = Cluster::with(LocalSpec { dir, ..LocalSpec::default() }).await;
    let pids: Vec<String> = cluster.nodes().into_iter().map(|node| node.pid.unwrap().to_string()).collect();
    println!("HELD {}", pids.join(" "));
    assert_ne!(end, "panic", "as ordered");
    if end == "freeze" {
        cluster.fault(&cluster.at(0), Fault::Freeze).await.unwrap();
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn however_a_program_ends_its_servers_and_folders_are_gone() {
    if let Ok(end) = std::env::var(CHILD) {
        return hold(&end).await;
    }
    for (end, signal, all) in [
        ("kill", "KILL", true),
        ("term", "TERM", true),
        ("hup", "HUP", true),
        ("int", "INT", true),
        ("freeze", "KILL", true),
        ("panic", "", true),
        ("half-way", "KILL", false),
    ] {
        let mut holder = holder(end, all).await;
        if !signal.is_empty() {
            assert!(sh(&format!("kill -{signal} {}", holder.child.id())), "{end}");
        }
        let status = holder.child.wait().unwrap();
        assert!(!status.success(), "{end}: {status}");
        wait_until(end, async || holder.pids.iter().all(|&pid| !runs(pid)) && !holder.folder.exists()).await;
        assert_eq!(left_below(&holder.folder), Vec::<String>::new(), "{end}");
    }
}

#[tokio::test]
async fn a_server_alone_goes_with_its_folder() {
    let alone = LocalServer::start(None, &["--cluster-enabled".into(), "yes".into()]).await.unwrap();
    let folder = alone.folder();
    let known =
        rgc_tui::local::ask(alone.address(), None, &rgc_tui::link::Command::words("CLUSTER INFO"), Duration::from_secs(1)).await;
    assert!(known.unwrap().text().unwrap().contains("cluster_known_nodes:1"));
    assert!(folder.is_dir());
    drop(alone);
    assert!(!folder.exists() && !folder.parent().unwrap().exists());
}
