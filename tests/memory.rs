//! What the program remembers from one run to the next, on real servers: whom to ask when the configured nodes are dead, the
//! letters of shards, and the last well picture: what happened since is said until it is acknowledged.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails loudly")]

mod common;
mod desk;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use common::{Cluster, wait_until};
use desk::Desk;
use rgc_tui::cluster::{Address, SlotSet, key_slot};
use rgc_tui::link::Command;
use rgc_tui::local::{Fault, LocalServer};
use serde_json::Value as Json;

/// The program with a state folder of its own.
struct Program {
    seed: String,
    state: PathBuf,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Program {
    fn new(seed: impl Into<String>, state: &Path) -> Self {
        Self { seed: seed.into(), state: state.to_owned() }
    }

    fn command(&self, words: &str) -> Process {
        let mut command = Process::new(env!("CARGO_BIN_EXE_rgc-tui"));
        command.args(["--node", &self.seed]).args(words.split(' ')).stdin(Stdio::null()).current_dir(&self.state);
        command.env("XDG_STATE_HOME", &self.state).env_remove("REDISCLI_AUTH").env_remove("RGC_TUI_PASSWORD");
        command
    }

    async fn run(&self, words: &str) -> Ran {
        let mut command = self.command(words);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    async fn status(&self) -> Json {
        let ran = self.run("status --rooms --format json").await;
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
    }

    /// The finding of this rule, if there is one.
    async fn finding(&self, rule: &str) -> Option<Json> {
        let status = self.status().await;
        status["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == rule).cloned()
    }

    /// `address letter`, in order of address.
    async fn letters(&self) -> Vec<String> {
        let nodes: Json = serde_json::from_str(&self.run("nodes --format json").await.stdout).unwrap();
        let nodes = nodes.as_array().or(nodes["nodes"].as_array()).unwrap();
        let line = |node: &Json| format!("{} {}", node["address"].as_str().unwrap(), node["shard"].as_str().unwrap_or("-"));
        let mut lines: Vec<String> = nodes.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The one file of the memory.
    fn file(&self) -> PathBuf {
        let folder = self.state.join("rgc-tui/.clusters");
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "json"));
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// A running `watch`, and its lines as they come.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Watching {
    fn start(program: &Program) -> Self {
        let mut child = program.command("watch").stdout(Stdio::piped()).spawn().unwrap();
        let (to, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits until it has noticed what happens to a replica: it watches every node.
    async fn knows(&mut self, cluster: &Cluster, replica: usize) {
        let address = cluster.at(replica);
        self.until(&["OK"]).await;
        cluster.fault(&address, Fault::Freeze).await.unwrap();
        self.until(&["node.health", &address.to_string(), "→ frozen"]).await;
        cluster.fault(&address, Fault::Thaw).await.unwrap();
        self.until(&["node.health", &address.to_string(), "frozen → up"]).await;
    }

    /// Waits until lines have told that this node has taken over all of these slots: in one group or in several.
    async fn until_taken(&mut self, address: &Address, slots: RangeInclusive<u16>) {
        wait_until(&format!("lines of watch that say that {address} took over slots {slots:?}"), async || {
            self.seen.extend(self.lines.try_iter());
            let told = self.seen.iter().filter(|line| line.contains("node.slots") && line.contains(&address.to_string()));
            let ranges = told.filter_map(|line| line.split_once("took over slots ")).map(|(_, ranges)| ranges);
            let ranges = ranges.flat_map(|ranges| ranges.split(", lost").next().unwrap().split_whitespace());
            let taken: BTreeSet<u16> = ranges
                .flat_map(|range| {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    first.parse().unwrap()..=last.parse::<u16>().unwrap()
                })
                .collect();
            slots.clone().all(|slot| taken.contains(&slot))
        })
        .await;
    }

    /// Waits for a line that has all of these words.
    async fn until(&mut self, words: &[&str]) {
        wait_until(&format!("a line of watch with {words:?}"), async || {
            self.seen.extend(self.lines.try_iter());
            self.seen.iter().any(|line| words.iter().all(|word| line.contains(word)))
        })
        .await;
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn with_rooms(cluster: &Cluster, rooms: u32) {
    Desk::at(cluster).await.fill_rooms(rooms).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remembered_nodes_are_asked_when_the_configured_one_is_dead() {
    let cluster = Cluster::start(3, 1).await;
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    assert_ne!(program.run("status").await.code, 4);
    let file = program.file();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    cluster.fault(&cluster.at(0), Fault::Kill).await.unwrap();
    wait_until("remembered nodes are asked", async || program.finding("cluster.recalled").await.is_some()).await;
    let told = program.finding("cluster.recalled").await.unwrap()["message"].to_string();
    assert!(told.contains("none of the configured nodes answers; asking 5 nodes remembered from "), "{told}");
    wait_until("all nodes are found", async || program.status().await["nodes"].as_array().unwrap().len() == 6).await;
    let mut watching = Watching::start(&program);
    watching.until(&["firing", "cluster.recalled", "asking 5 nodes remembered from"]).await;
    drop(watching);
    cluster.wait_ok(&cluster.addresses()[1..]).await;
    wait_until("operations know them, too", async || {
        program.run(&format!("failover {} --dry-run", cluster.at(4))).await.stdout.contains("CLUSTER FAILOVER")
    })
    .await;

    // Another cluster answers at the remembered addresses: it is not believed.
    let text = std::fs::read_to_string(&file).unwrap();
    let memory: Json = serde_json::from_str(&text).unwrap();
    let foreign = memory["nodes"].as_array().unwrap().iter().fold(text.clone(), |text, node| {
        let id = node["id"].as_str().unwrap();
        text.replace(id, &id.chars().rev().collect::<String>())
    });
    std::fs::write(&file, foreign).unwrap();
    let ran = program.run("status").await;
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("nor does one of 5 nodes remembered from"), "{}", ran.stderr);

    // A torn file is passed over with a sentence, and replaced as soon as somebody answers.
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    let ran = program.run("status").await;
    assert!(ran.code == 4 && ran.stderr.contains(" is passed over: "), "{}", ran.stderr);
    let other = Program::new(cluster.at(1).to_string(), state.path());
    assert_ne!(other.run("status").await.code, 4);
    assert!(program.finding("cluster.recalled").await.is_none(), "this node was never asked under the dead one's address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_keeps_its_letter_in_every_window() {
    let cluster = Cluster::start(3, 1).await;
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    let first = program.letters().await;
    let mut watching = Watching::start(&program);
    watching.until(&["OK"]).await;

    // A failover, and an empty master that may sort before all others.
    cluster.ok(&cluster.at(3), "CLUSTER FAILOVER").await;
    wait_until("the replica is master", async || cluster.role(&cluster.at(3)).await == "master").await;
    let fourth = LocalServer::start(None, &["--cluster-enabled".into(), "yes".into()]).await.unwrap();
    cluster.ok(&cluster.at(1), &format!("CLUSTER MEET 127.0.0.1 {}", fourth.address().port)).await;
    let joined = format!("{} D", fourth.address());
    wait_until("the new node has a letter of its own", async || program.letters().await.contains(&joined)).await;
    let mut expected = first.clone();
    expected.push(joined.clone());
    expected.sort();
    assert_eq!(program.letters().await, expected);

    // The master of B dies; its replica has the letter, in this window and in a new one, by whatever name.
    cluster.fault(&cluster.at(1), Fault::Kill).await.unwrap();
    let other = Program::new(cluster.at(2).to_string(), state.path());
    wait_until("its replica is master", async || cluster.role(&cluster.at(4)).await == "master").await;
    let named = other.run("--cluster elsewhere nodes --format json").await;
    assert!(named.code == 0, "{}", named.stderr);
    assert_eq!(other.letters().await, expected);
    assert_eq!(program.letters().await, expected);
}

/// The server's process ends and starts again at once, as a supervisor does it: before anybody has noticed.
async fn crash_and_return(cluster: &Cluster, address: &Address) {
    let before = cluster.info(address, "run_id").await;
    let crash = Command::words("DEBUG CRASH-AND-RECOVER 0");
    let _ = rgc_tui::local::ask(address, None, &crash, Duration::from_secs(5)).await;
    wait_until("it runs again", async || {
        let info = rgc_tui::local::ask(address, None, &Command::words("INFO server"), Duration::from_secs(1)).await;
        let text = info.ok().and_then(|reply| reply.text()).unwrap_or_default();
        text.contains("run_id:") && before.as_ref().is_some_and(|before| !text.contains(before.as_str()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_came_back_empty_is_said_until_it_is_acknowledged() {
    let cluster = Cluster::start_with(3, 1, &["--enable-debug-command", "yes", "--cluster-node-timeout", "15000"]).await;
    with_rooms(&cluster, 300).await;
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    let status = program.status().await;
    assert_eq!((&status["verdict"], &status["rooms"]["total"]), (&"ok".into(), &300.into()));
    // On a slow machine the first look may not have found all nodes well: then it takes no picture.
    wait_until("rooms of every shard are written down", async || {
        let _ = program.status().await;
        let memory: Json = serde_json::from_str(&std::fs::read_to_string(program.file()).unwrap()).unwrap();
        let shards = memory["picture"]["shards"].as_array();
        shards.is_some_and(|shards| shards.len() == 3 && shards.iter().all(|shard| shard["rooms"].is_object()))
    })
    .await;
    let mut watching = Watching::start(&program);
    watching.knows(&cluster, 3).await;

    let victim = cluster.at(2);
    let keys = cluster.text(&victim, "INFO keyspace").await;
    crash_and_return(&cluster, &victim).await;
    assert_eq!(cluster.view(&victim).await.myself().unwrap().slots.len(), 1, "it is a master still");
    watching.until(&["firing", "data.emptied", "came back empty", "had been there"]).await;
    let finding = program.finding("data.emptied").await.unwrap();
    assert_eq!((&finding["severity"], &finding["subject"]), (&"critical".into(), &victim.to_string().into()));
    let message = finding["message"].to_string();
    assert!(
        message.contains("as master of shard C: ") && message.contains(" rooms, ") && message.contains(" players"),
        "{message} {keys}"
    );
    let text = program.run("status").await;
    assert!(text.code == 2 && text.stdout.contains("CRITICAL") && text.stdout.contains("came back empty"), "{}", text.stdout);

    // All looks well again, and it has still happened: also for a window that is opened now.
    cluster.wait_ok(&cluster.addresses()).await;
    assert!(program.finding("data.emptied").await.is_some());
    let ran = program.run("ack data.emptied").await;
    assert!(ran.code == 0 && ran.stdout.starts_with("acknowledged data.emptied"), "{}{}", ran.stdout, ran.stderr);
    assert!(program.finding("data.emptied").await.is_none());
    watching.until(&["resolved", "data.emptied"]).await;

    // What the operator empties, and starts again after that, is no alarm.
    cluster.ok(&cluster.at(1), "FLUSHALL").await;
    let status = program.status().await;
    assert_eq!(status["verdict"], "ok", "{status}");
    assert_eq!(program.run("ack").await.stdout, "nothing waits for an acknowledgement\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_an_older_snapshot_does_not_have_are_said_however_few_they_are() {
    let cluster = Cluster::start_with(3, 1, &["--enable-debug-command", "yes", "--cluster-node-timeout", "15000"]).await;
    with_rooms(&cluster, 300).await;
    let victim = cluster.at(2);
    cluster.ok(&victim, "SAVE").await;
    // Three rooms that are younger than its snapshot.
    let slots: SlotSet = cluster.view(&victim).await.myself().unwrap().slots.iter().collect();
    let young: Vec<String> =
        (0..).map(|number| format!("YOUNG{number}")).filter(|code| slots.contains(key_slot(code.as_bytes()))).take(3).collect();
    for code in &young {
        cluster.ask(&victim, &format!("HSET room:{{{code}}}:state phase playing players 4")).await;
    }
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    let mut watching = Watching::start(&program);
    watching.knows(&cluster, 3).await;
    wait_until("the young rooms are written down", async || {
        let _ = program.status().await;
        let memory = std::fs::read_to_string(program.file()).unwrap();
        young.iter().all(|code| memory.contains(code.as_str()))
    })
    .await;

    crash_and_return(&cluster, &victim).await;
    watching.until(&["firing", "data.emptied", "without 3 of ", " rooms, 12 players", "YOUNG"]).await;
    // A program that is started now says it, too, and the verdict line leads with it.
    let finding = program.finding("data.emptied").await.unwrap();
    assert_eq!((&finding["severity"], &finding["subject"]), (&"critical".into(), &victim.to_string().into()));
    let text = program.run("status").await;
    assert!(text.code == 2 && text.stdout.lines().next().unwrap().contains("without 3 of "), "{}", text.stdout);
    let other = tempfile::tempdir().unwrap();
    let stranger = Program::new(cluster.seed(), other.path());
    assert!(stranger.finding("data.emptied").await.is_none(), "who has never seen them cannot miss them");

    // Started again with all that it has: nothing is missed.
    assert_eq!(program.run("ack data.emptied").await.code, 0);
    let healthy = cluster.at(1);
    cluster.ok(&healthy, "SAVE").await;
    wait_until("the next picture stands", async || program.status().await["verdict"] == "ok").await;
    crash_and_return(&cluster, &healthy).await;
    wait_until("it is well again", async || program.status().await["verdict"] == "ok").await;
    assert!(program.finding("data.emptied").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_took_over_is_said_by_whoever_comes_later() {
    let cluster = Cluster::start(3, 1).await;
    with_rooms(&cluster, 60).await;
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    wait_until("a well picture is written down", async || program.status().await["verdict"] == "ok").await;
    let mut watching = Watching::start(&program);
    watching.knows(&cluster, 4).await;
    let (old, new) = (cluster.at(1), cluster.at(4));
    cluster.fault(&old, Fault::Kill).await.unwrap();
    watching.until(&["node.role", &new.to_string(), "replica → master"]).await;
    drop(watching);
    let told = format!("  happened: {new} took over from {old} at ");
    wait_until("it is said who took over", async || program.run("status").await.stdout.contains(&told)).await;
    let check = program.run("check").await.stdout;
    assert!(check.lines().nth(1).unwrap().starts_with(&told), "{check}");
    // Back as a replica: it stays said for some minutes.
    cluster.fault(&old, Fault::Restart).await.unwrap();
    wait_until("all is well", async || program.status().await["verdict"] == "ok").await;
    let status = program.run("status").await.stdout;
    assert!(status.contains(" OK  ") && status.contains(&told), "{status}");
    // Who has never seen it knows nothing of it.
    let other = tempfile::tempdir().unwrap();
    assert!(!Program::new(cluster.seed(), other.path()).run("status").await.stdout.contains("took over"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_cluster_that_joins_is_an_alarm_within_a_poll() {
    let small: &[&str] = &["--maxmemory", "64mb", "--cluster-node-timeout", "5000"];
    let (ours, theirs) = (Cluster::start_with(3, 1, small).await, Cluster::start_with(3, 1, small).await);
    with_rooms(&ours, 120).await;
    with_rooms(&theirs, 60).await;
    // Theirs has the higher epochs: ours will lose everything. A node bumps its own only when it knows of a higher one, so
    // that the last of them has to hear of the first before it does.
    for address in theirs.addresses().iter().take(3) {
        wait_until("its epoch is above all of ours", async || {
            theirs.text(address, "CLUSTER BUMPEPOCH").await;
            let info = theirs.text(address, "CLUSTER INFO").await;
            let epoch = info.lines().find_map(|line| line.trim().strip_prefix("cluster_my_epoch:")).map(str::parse::<u64>);
            epoch.unwrap().unwrap() > 3
        })
        .await;
    }
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(ours.seed(), state.path());
    assert_eq!(program.status().await["verdict"], "ok");
    let mut watching = Watching::start(&program);
    watching.knows(&ours, 3).await;

    ours.ok(&ours.at(0), &format!("CLUSTER MEET 127.0.0.1 {}", theirs.at(0).port)).await;
    watching.until(&["firing", "cluster.joined", "brought slots of their own"]).await;
    wait_until("everybody has joined, and ours have lost", async || {
        let finding = program.finding("cluster.joined").await;
        let message = finding.map(|finding| finding["message"].to_string()).unwrap_or_default();
        let whole = message.contains("6 nodes joined at ") && message.contains(", 3 of them brought slots of their own (");
        let lost = message.contains("lose theirs: 120 rooms, 360 players had been there");
        if !(whole && lost) {
            eprintln!("{message}");
        }
        whole && lost
    })
    .await;
    let finding = program.finding("cluster.joined").await.unwrap();
    assert_eq!(finding["severity"], "critical");
    assert_eq!(program.run("ack").await.code, 0);
    assert!(program.finding("cluster.joined").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_do_by_hand_is_no_alarm() {
    let cluster = Cluster::start(3, 1).await;
    with_rooms(&cluster, 60).await;
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    let mut watching = Watching::start(&program);
    watching.knows(&cluster, 5).await;
    let (a, b) = (cluster.at(3), cluster.at(0));
    cluster.ok(&a, "CLUSTER FAILOVER").await;
    wait_until("they have changed places", async || cluster.role(&a).await == "master" && cluster.role(&b).await == "slave").await;
    cluster.wait_ok(&cluster.addresses()).await;
    wait_until("it is failed over back", async || program.run(&format!("failover {b} --yes")).await.code == 0).await;
    // A master dies, its replica is elected, it comes back.
    cluster.fault(&cluster.at(1), Fault::Kill).await.unwrap();
    wait_until("its replica is master", async || cluster.role(&cluster.at(4)).await == "master").await;
    cluster.fault(&cluster.at(1), Fault::Restart).await.unwrap();
    cluster.wait_ok(&cluster.addresses()).await;
    let moved = program.run(&format!("move-slots 0-200 --to {} --yes", cluster.at(2))).await;
    assert_eq!(moved.code, 0, "{}{}", moved.stdout, moved.stderr);
    watching.until_taken(&cluster.at(2), 0..=200).await;
    let status = program.status().await;
    let rules = ["data.emptied", "data.vanished", "cluster.joined", "slots.moved", "shard.turned", "epochs.jumped"];
    assert!(!rules.iter().any(|rule| status.to_string().contains(rule)), "{status}");
    let lines = watching.seen.iter().filter(|line| rules.iter().any(|rule| line.contains(rule)));
    assert_eq!(lines.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// What was seen was seen so many seconds earlier, and first of all a minute before that.
fn passes(file: &Path, seconds: i64) {
    let mut memory: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for sighting in memory["sightings"].as_array_mut().unwrap() {
        for (field, seconds) in [("first", seconds + 60), ("last", seconds)] {
            let at: chrono::DateTime<chrono::Utc> = sighting[field].as_str().unwrap().parse().unwrap();
            sighting[field] = (at - chrono::TimeDelta::seconds(seconds)).to_rfc3339().into();
        }
    }
    std::fs::write(file, memory.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_at_two_looks_holds_since_the_first() {
    let cluster = Cluster::start_with(3, 1, &["--cluster-node-timeout", "15000"]).await;
    let state = tempfile::tempdir().unwrap();
    let program = Program::new(cluster.seed(), state.path());
    let (source, target) = (cluster.at(0), cluster.at(1));
    let id = async |address: &Address| cluster.text(address, "CLUSTER MYID").await;
    let open = async || {
        cluster.ok(&target, &format!("CLUSTER SETSLOT 5 IMPORTING {}", id(&source).await)).await;
        cluster.ok(&source, &format!("CLUSTER SETSLOT 5 MIGRATING {}", id(&target).await)).await;
    };
    let close = async || {
        for address in [&source, &target] {
            cluster.ok(address, "CLUSTER SETSLOT 5 STABLE").await;
        }
    };
    let phase = async || program.finding("slots.open").await.map(|finding| finding["phase"].as_str().unwrap().to_owned());

    open().await;
    let first = program.run("check").await;
    assert!(first.code == 0 && first.stdout.contains("· slots.open  pending, counts after 30 s"), "{}", first.stdout);
    passes(&program.file(), 30);
    let second = program.run("check").await;
    assert!(second.code == 1 && second.stdout.contains("! slots.open  slots 5: 1 slot is open"), "{}", second.stdout);
    let status = program.run("status").await;
    assert!(status.code == 1 && status.stdout.contains("! WARNING"), "{}", status.stdout);
    // Whoever watches from now on has the same word for it, and does not wait.
    let mut watching = Watching::start(&program);
    watching.until(&["firing", "slots.open"]).await;
    drop(watching);
    assert_eq!(phase().await.as_deref(), Some("firing"));

    // A look that does not find it ends it: what comes later is new.
    close().await;
    assert_eq!(phase().await, None);
    open().await;
    assert_eq!(phase().await.as_deref(), Some("pending"));
    // Nor does what was seen long ago say anything of the time between.
    passes(&program.file(), 26 * 60 * 60);
    assert_eq!(phase().await.as_deref(), Some("pending"));

    // What cannot be looked for is not over: the node that has it open does not answer.
    passes(&program.file(), 30);
    for address in [&source, &target] {
        cluster.fault(address, Fault::Freeze).await.unwrap();
    }
    assert_eq!(phase().await, None);
    for address in [&source, &target] {
        cluster.fault(address, Fault::Thaw).await.unwrap();
    }
    cluster.wait_ok(&cluster.addresses()).await;
    assert_eq!(phase().await.as_deref(), Some("firing"));
}
