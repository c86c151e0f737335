//! IO. The command line as its users and their scripts meet it: the real program on real clusters.

#[path = "cli/codes.rs"]
mod codes;
mod common;
#[path = "cli/dangerous.rs"]
mod dangerous;
#[path = "cli/hostile.rs"]
mod hostile;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command as Process, Output, Stdio};

use common::{Cluster, wait_until};
use rgc_tui::cluster::Address;
use rgc_tui::link::Command;
use rgc_tui::local::Fault;
use serde_json::Value as Json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rgc-tui");

/// How one run of the program ended.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// The last of several lines of JSON; every one of them is read.
    fn last_json(&self) -> Json {
        let lines: Vec<Json> = self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.last().unwrap_or_else(|| panic!("nothing on stdout: {}", self.stderr)).clone()
    }
}

fn command(args: &[&str]) -> Process {
    let home = std::env::temp_dir();
    let mut command = Process::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).env_remove("REDISCLI_AUTH").env_remove("RGC_TUI_PASSWORD");
    command
        .current_dir(&home)
        .env("XDG_CONFIG_HOME", home.join("rgc-tui-no-config"))
        .env("XDG_STATE_HOME", home.join("rgc-tui-state"));
    command
}

/// Runs beside the test's own runtime, so that what the test holds open goes on.
async fn run_command(mut command: Process) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let Output { status, stdout, stderr } = output;
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "escape sequences without a terminal:\n{stdout}\n{stderr}");
    Ran { code: status.code().unwrap_or(-1), stdout, stderr }
}

async fn run(args: &[&str]) -> Ran {
    run_command(command(args)).await
}

fn keys(json: &Json) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A port on which nothing listens.
fn dead_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn open_room(cluster: &Cluster, code: &str, players: &[&str]) {
    let slot = rgc_tui::cluster::key_slot(code.as_bytes());
    let owner = cluster.owner(slot).await.unwrap();
    let state = Command::new(["HSET", &format!("room:{{{code}}}:state"), "phase", "playing", "round", "3"]);
    cluster.call(&owner, &state).await;
    for player in players {
        cluster.call(&owner, &Command::new(["SADD", &format!("room:{{{code}}}:players"), player])).await;
    }
}

/// One command to a master that does not own its slot and has it open.
fn asking(address: &Address, words: &str) {
    let mut stream = TcpStream::connect((address.host.as_ref(), address.port)).unwrap();
    stream.write_all(format!("ASKING\r\n{words}\r\n").as_bytes()).unwrap();
    let replies: Vec<String> = BufReader::new(stream).lines().take(2).map(Result::unwrap).collect();
    assert!(replies.iter().all(|reply| !reply.starts_with('-')), "{words}: {replies:?}");
}

const NODE_KEYS: [&str; 13] = [
    "id",
    "address",
    "role",
    "health",
    "replica_of",
    "slots",
    "latency_ms",
    "ops_per_sec",
    "memory_bytes",
    "memory_percent",
    "cpu_percent",
    "replication_lag_bytes",
    "age_ms",
];

/// Servers from 8.0 on die of some questions about keys of a slot that is being moved: looking must never kill.
#[tokio::test(flavor = "multi_thread")]
async fn looking_at_rooms_of_an_open_slot_leaves_every_server_alive() {
    for name in ["valkey8", "redis8"] {
        let cluster = Cluster::start_on(name, 3, 0).await;
        let slot = rgc_tui::cluster::key_slot(b"KX9Q2");
        let owner = cluster.owner(slot).await.unwrap();
        let other = cluster.addresses().into_iter().find(|address| *address != owner).unwrap();
        cluster.call(&owner, &Command::words("HSET room:{KX9Q2}:state phase playing players 2")).await;
        let id = cluster.text(&other, "CLUSTER MYID").await;
        cluster.ok(&owner, &format!("CLUSTER SETSLOT {slot} MIGRATING {id}")).await;
        let rooms = run(&["--node", &owner.to_string(), "rooms", "--format", "json"]).await.json();
        assert_eq!(rooms["rooms"][0]["code"], "KX9Q2", "{name}: {rooms}");
        let fixed = run(&["--node", &owner.to_string(), "fix", "--yes"]).await;
        assert_eq!(fixed.code, 0, "{name}: {}{}", fixed.stdout, fixed.stderr);
        for address in cluster.addresses() {
            assert_eq!(cluster.text(&address, "PING").await, "PONG", "{name} at {address}");
        }
    }
}

/// A key of which two masters hold a different copy: left alone, named by every look, and gone by the words of the advice.
#[tokio::test(flavor = "multi_thread")]
async fn a_stray_that_differs_is_named_until_somebody_has_decided() {
    let cluster = Cluster::start(3, 1).await;
    let slot = rgc_tui::cluster::key_slot(b"KX9Q2");
    let owner = cluster.owner(slot).await.unwrap();
    let other = (0..3).map(|n| cluster.at(n)).find(|address| *address != owner).unwrap();
    let id = cluster.text(&owner, "CLUSTER MYID").await;
    cluster.call(&owner, &Command::words("SET twin:{KX9Q2} ours")).await;
    let open = format!("CLUSTER SETSLOT {slot} IMPORTING {id}");
    cluster.ok(&other, &open).await;
    asking(&other, "SET twin:{KX9Q2} theirs");
    cluster.ok(&other, &format!("CLUSTER SETSLOT {slot} STABLE")).await;

    let node = owner.to_string();
    let fixed = run(&["--node", &node, "fix", "--yes", "--format", "json"]).await;
    assert_eq!(fixed.code, 2, "{}{}", fixed.stdout, fixed.stderr);
    let why = fixed.last_json()["reasons"].to_string();
    let advice = format!("on {other} with {open}, ASKING, DEL; then `fix {slot} --roll-back`");
    assert!(why.contains(&advice), "{why}");
    let status = run(&["--node", &node, "status", "--rooms", "--format", "json"]).await;
    assert_eq!((status.code, &status.json()["verdict"]), (1, &Json::from("warning")), "{}", status.stdout);
    let finding = &status.json()["findings"][0];
    assert_eq!((&finding["rule"], &finding["subject"]), (&Json::from("slots.astray"), &Json::from(other.to_string())));
    let message = format!("1 key of slot {slot}, which {owner} owns: no client finds it");
    assert_eq!(finding["message"], message);

    cluster.ok(&other, &open).await;
    asking(&other, "DEL twin:{KX9Q2}");
    assert_eq!(run(&["--node", &node, "fix", &slot.to_string(), "--roll-back", "--yes"]).await.code, 0);
    assert_eq!(run(&["--node", &node, "status"]).await.code, 0);
    assert_eq!(cluster.text(&owner, "GET twin:{KX9Q2}").await, "ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_cluster_is_looked_at_from_every_side() {
    let cluster = Cluster::start(3, 1).await;
    open_room(&cluster, "KX9Q2", &["alice", "bob"]).await;
    // Any one seed alive is enough.
    let seeds = format!("{},{}", dead_port(), cluster.seed());
    let seeds = seeds.as_str();

    let status = run(&["--node", seeds, "status", "--format", "json", "--cluster", "prod"]).await;
    let json = status.json();
    assert_eq!(keys(&json), ["cluster", "topology", "verdict", "nodes", "slots", "rooms", "findings"]);
    assert_eq!((&json["cluster"], &json["topology"]), (&"prod".into(), &"cluster".into()));
    let members: Vec<&Json> = json["nodes"].as_array().unwrap().iter().filter(|node| !node["id"].is_null()).collect();
    assert_eq!(members.len(), 6);
    for node in &members {
        assert_eq!(keys(node), NODE_KEYS);
        // A busy machine may make an answer slow; it is one.
        assert!(node["health"] == "up" || node["health"] == "slow", "{node}");
        assert!(node["latency_ms"].is_number() && node["ops_per_sec"].is_number() && node["cpu_percent"].is_null(), "{node}");
        assert!(node["memory_bytes"].as_u64().unwrap() > 0 && node["age_ms"].is_u64());
    }
    let masters = members.iter().filter(|node| node["role"] == "master");
    assert_eq!(masters.map(|node| node["slots"].as_u64().unwrap()).sum::<u64>(), 16384);
    let replicas: Vec<_> = members.iter().filter(|node| node["role"] == "replica").collect();
    assert!(replicas.len() == 3 && replicas.iter().all(|node| members.iter().any(|other| other["id"] == node["replica_of"])));
    assert_eq!(json["slots"], serde_json::json!({"assigned": 16384, "served": 16384, "open": 0}));
    assert_eq!(json["rooms"], serde_json::json!({"total": null, "players": null, "complete": null}), "nobody has counted");

    let node = cluster.seed();
    let on = |args: &[&str]| -> Vec<String> { ["--node", &node].iter().chain(args).map(ToString::to_string).collect() };
    let look = async |args: &[&str]| {
        let args = on(args);
        run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
    };

    let text = look(&["status"]).await;
    assert_eq!(text.code, 0, "{}{}", text.stdout, text.stderr);
    assert!(text.stdout.starts_with("cluster  ● OK  "), "{}", text.stdout);
    assert!(text.stdout.contains("SHARD") && text.stdout.contains("rooms are not counted"), "{}", text.stdout);
    assert_eq!(text.stdout.lines().filter(|line| line.contains("● 127.0.0.1:")).count(), 6);

    let measured = look(&["status", "--rates", "--rooms", "--format", "json"]).await.json();
    assert_eq!(measured["rooms"], serde_json::json!({"total": 1, "players": 2, "complete": true}));
    let nodes = measured["nodes"].as_array().unwrap();
    assert!(nodes.iter().filter(|node| !node["id"].is_null()).all(|node| node["cpu_percent"].is_number()), "{measured}");

    let one_sample = look(&["check", "--format", "json"]).await;
    let states = |json: &Json, state: &str| -> Vec<String> {
        let rules = json["rules"].as_array().unwrap().iter().filter(|rule| rule["state"] == state);
        rules.map(|rule| rule["rule"].as_str().unwrap().to_owned()).collect()
    };
    let json = one_sample.json();
    assert_eq!(states(&json, "not measured"), ["slots.astray", "memory.evicting", "cpu.high", "errors.high", "clients.redirected"]);
    assert!(json["rules"].as_array().unwrap().iter().all(|rule| rule["holds"].is_null() == (rule["state"] == "not measured")));
    let text = look(&["check"]).await.stdout;
    assert!(text.contains("? errors.high") && text.contains("not measured: --rates does"), "{text}");

    let check = look(&["check", "--rates", "--rooms", "--format", "json"]).await;
    assert_eq!(check.code, 0);
    assert_eq!(check.json()["verdict"], "ok");
    assert!(check.json()["rules"].as_array().unwrap().iter().all(|rule| rule["holds"] == true && rule["remedy"].is_string()));
    assert!(look(&["check"]).await.stdout.contains("✓ node.down"));

    let nodes = look(&["nodes", "--format", "csv"]).await;
    assert!(nodes.stdout.starts_with("id,address,role,health,"), "{}", nodes.stdout);
    assert_eq!(nodes.stdout.lines().count(), 7);
    assert_eq!(look(&["nodes", "--format", "json"]).await.json()["nodes"].as_array().unwrap().len(), 6);

    let slots = look(&["slots", "--format", "json"]).await.json();
    let ranges = slots["ranges"].as_array().unwrap();
    assert_eq!(ranges.iter().map(|range| range["count"].as_u64().unwrap()).sum::<u64>(), 16384);
    assert!(ranges.iter().all(|range| range["served"] == true && range["master"].is_string()));
    assert!(ranges.iter().all(|range| range["rooms"].is_null() && range["keys"].is_null()), "{slots}");
    let counted = look(&["slots", "--rooms", "--format", "json"]).await.json();
    let rooms = |range: &Json| range["rooms"].as_u64().unwrap();
    assert_eq!(counted["ranges"].as_array().unwrap().iter().map(rooms).sum::<u64>(), 1);
    assert!(look(&["slots"]).await.stdout.contains("0-5460"));

    let rooms = look(&["rooms", "--format", "json"]).await.json();
    assert_eq!((&rooms["total"], &rooms["complete"]), (&1.into(), &true.into()));
    let room = &rooms["rooms"][0];
    let slot = rgc_tui::cluster::key_slot(b"KX9Q2");
    assert_eq!((&room["code"], &room["phase"], &room["players"]), (&"KX9Q2".into(), &"playing".into(), &2.into()));
    assert_eq!(room["slot"], slot);
    assert!(look(&["rooms", "--format", "csv"]).await.stdout.contains("KX9Q2,playing,2,"));

    let located = look(&["locate", "KX9Q2", "room:{KX9Q2}:players", "NOSUCH", "--format", "json"]).await.json();
    let places = located["places"].as_array().unwrap();
    let owner = cluster.owner(slot).await.unwrap().to_string();
    for place in &places[..2] {
        assert_eq!((&place["code"], &place["slot"], &place["room"]), (&"KX9Q2".into(), &slot.into(), &true.into()));
        assert_eq!((&place["phase"], &place["players"]), (&"playing".into(), &2.into()));
        assert_eq!(place["master"], owner);
        assert_eq!(place["replicas"].as_array().unwrap().len(), 1);
    }
    assert_eq!((&places[2]["room"], places[2]["master"].is_string()), (&false.into(), true));
    assert!(look(&["locate", "NOSUCH"]).await.stdout.contains("no such room"));

    let watch = look(&["watch", "--for", "1s", "--format", "json"]).await;
    assert_eq!(watch.code, 0);
    let first: Json = serde_json::from_str(watch.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&first["kind"], &first["verdict"]), (&"verdict".into(), &"ok".into()));
    assert!(look(&["watch", "--for", "1s"]).await.stdout.contains("● OK"));
}

/// Two commands of three end in an error, some thousand a second, until it is dropped.
struct Failing {
    _keep: std::sync::mpsc::Sender<()>,
}

impl Failing {
    fn on(address: &Address) -> Self {
        let (keep, dropped) = std::sync::mpsc::channel::<()>();
        let stream = TcpStream::connect((address.host.as_ref(), address.port)).unwrap();
        std::thread::spawn(move || {
            let (mut to, mut from) = (stream.try_clone().unwrap(), BufReader::new(stream));
            let mut line = String::new();
            while !matches!(dropped.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
                to.write_all("PING\r\nECHO\r\nECHO\r\n".repeat(20).as_bytes()).unwrap();
                for _ in 0..60 {
                    line.clear();
                    from.read_line(&mut line).unwrap();
                }
            }
        });
        Self { _keep: keep }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_count_where_they_are_measured_and_nothing_is_said_of_them_elsewhere() {
    let cluster = Cluster::start(3, 1).await;
    let node = cluster.seed();
    let failing = Failing::on(&cluster.at(1));
    let rates = run(&["--node", &node, "status", "--rates", "--format", "json"]).await;
    let json = rates.json();
    assert_eq!((rates.code, &json["verdict"]), (2, &"critical".into()), "{json}");
    let finding = &json["findings"][0];
    assert_eq!((&finding["rule"], &finding["subject"]), (&"errors.high".into(), &cluster.at(1).to_string().into()));

    let check = run(&["--node", &node, "check", "--format", "json"]).await.json();
    let rule = check["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "errors.high").unwrap();
    assert_eq!((&rule["state"], &rule["holds"]), (&"not measured".into(), &Json::Null));
    drop(failing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_and_killed_nodes_are_named_and_delay_nobody() {
    let cluster = Cluster::start(3, 1).await;
    let (first, last) = (cluster.at(0), cluster.at(5));
    cluster.fault(&last, Fault::Freeze).await.unwrap();
    let seeds = format!("{last},{first}");
    let frozen = run(&["--node", &seeds, "status", "--format", "json"]).await;
    let json = frozen.json();
    let node = |json: &Json, address: &str| {
        json["nodes"].as_array().unwrap().iter().find(|node| node["address"] == address).unwrap().clone()
    };
    assert_eq!(node(&json, &last.to_string())["health"], "frozen");
    assert_eq!(node(&json, &first.to_string())["health"], "up");
    assert!([1, 2].contains(&frozen.code), "{}", frozen.code);
    assert_eq!(run(&["--node", &seeds, "nodes"]).await.code, 0);
    cluster.fault(&last, Fault::Thaw).await.unwrap();

    let replica = cluster.at(3);
    cluster.fault(&replica, Fault::Kill).await.unwrap();
    cluster.fault(&first, Fault::Kill).await.unwrap();
    let killed = run(&["--node", &cluster.at(1).to_string(), "status", "--format", "json"]).await;
    assert_eq!(killed.code, 2, "{}{}", killed.stdout, killed.stderr);
    let json = killed.json();
    assert_eq!(json["verdict"], "critical");
    assert_eq!(node(&json, &first.to_string())["health"], "refused");
    assert_eq!(json["slots"]["assigned"], 16384);
    // Once the others know, none of them takes a write any more.
    assert!([0, 16384 - 5461].contains(&json["slots"]["served"].as_u64().unwrap()), "{}", json["slots"]);
    let findings = json["findings"].as_array().unwrap();
    let down = findings.iter().find(|finding| finding["rule"] == "node.down" && finding["subject"] == first.to_string());
    assert_eq!(
        keys(down.unwrap()),
        ["rule", "severity", "phase", "subject", "message", "evidence", "outlook", "remedy", "caused_by"]
    );

    let text = run(&["--node", &cluster.at(1).to_string(), "check"]).await;
    assert_eq!(text.code, 2);
    assert!(text.stdout.contains("✖ CRITICAL") && text.stdout.contains("✖ slots.unserved"), "{}", text.stdout);
    let slots = run(&["--node", &cluster.at(1).to_string(), "slots"]).await;
    assert!(slots.stdout.contains("refused"), "{}", slots.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_said_with_every_seeds_reason() {
    let (first, second) = (dead_port(), dead_port());
    let seeds = format!("{first},{second}");
    let text = run(&["--node", &seeds, "status"]).await;
    assert_eq!((text.code, text.stdout.as_str()), (4, ""));
    for seed in [&first, &second] {
        assert!(text.stderr.contains(&format!("{seed} refuses connections")), "{}", text.stderr);
    }
    assert!(text.stderr.contains("next: check host and port"), "{}", text.stderr);
    let json = run(&["--node", &seeds, "status", "--format", "json"]).await;
    assert_eq!((json.code, &json.json()["verdict"]), (4, &"unknown".into()));
    for verb in ["check", "nodes", "slots", "rooms"] {
        assert_eq!(run(&["--node", &seeds, verb]).await.code, 4, "{verb}");
    }
    assert_eq!(run(&["--node", &seeds, "failover", "A", "--yes"]).await.code, 4);
    let operation = run(&["--node", &seeds, "failover", "A", "--yes", "--format", "json"]).await;
    assert_eq!((operation.code, &operation.last_json()["outcome"]), (4, &"refused".into()));

    let nameless = run(&["--node", "no-such-host.invalid:7000", "status"]).await;
    assert_eq!(nameless.code, 4);
    assert!(nameless.stderr.contains("name that does not resolve"), "{}", nameless.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_said_and_the_right_one_is_never_shown() {
    let cluster = Cluster::start_with(1, 0, &["--requirepass", "hunter2", "--masterauth", "hunter2"]).await;
    let node = cluster.seed();
    let without = run(&["--node", &node, "status"]).await;
    assert_eq!(without.code, 4);
    assert!(without.stderr.contains("wants a password") && without.stderr.contains("RGC_TUI_PASSWORD"), "{}", without.stderr);

    let mut wrong = command(&["--node", &node, "status"]);
    wrong.env("REDISCLI_AUTH", "letmein");
    let wrong = run_command(wrong).await;
    assert_eq!(wrong.code, 4);
    assert!(wrong.stderr.contains("refuses the user or password") && !wrong.stderr.contains("letmein"), "{}", wrong.stderr);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prod.toml");
    std::fs::write(&file, format!("[cluster]\nname = \"prod\"\nnodes = [\"{node}\"]\npassword = {{ env = \"SECRET\" }}\n"))
        .unwrap();
    let mut right = command(&["--config", file.to_str().unwrap(), "status", "--format", "json"]);
    right.env("SECRET", "hunter2");
    let right = run_command(right).await;
    assert_eq!(right.json()["slots"]["served"], 16384, "{}", right.stderr);
    assert!(!right.stdout.contains("hunter2") && !right.stderr.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_planned_asked_for_done_and_refused() {
    let cluster = Cluster::start(3, 1).await;
    let (seed, replica) = (cluster.seed(), cluster.at(3).to_string());
    let epoch = cluster.view(&cluster.at(1)).await.myself().unwrap().epoch;

    let dry = run(&["--node", &seed, "failover", &replica, "--dry-run"]).await;
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(dry.stdout.contains(&format!("{replica}> CLUSTER FAILOVER")), "{}", dry.stdout);
    assert!(dry.stdout.contains(&format!("same as: rgc-tui --node {seed} failover {replica}")), "{}", dry.stdout);
    let plan = run(&["--node", &seed, "failover", &replica, "--dry-run", "--format", "json"]).await.json();
    for key in ["intent", "moves", "before", "after", "warnings", "commands"] {
        assert!(keys(&plan).contains(&key), "{key}: {plan}");
    }
    assert_eq!(plan["commands"][0], serde_json::json!({"node": replica, "command": "CLUSTER FAILOVER"}));

    let unasked = run(&["--node", &seed, "failover", &replica]).await;
    assert_eq!(unasked.code, 3);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let locked = run(&["--node", &seed, "failover", &replica, "--yes", "--read-only", "--format", "json"]).await;
    assert_eq!((locked.code, &locked.last_json()["outcome"]), (3, &"refused".into()));
    let unknown = run(&["--node", &seed, "failover", "127.0.0.1:1", "--yes"]).await;
    assert_eq!(unknown.code, 64, "{}", unknown.stderr);
    assert_eq!(cluster.role(&cluster.at(0)).await, "master", "nothing has changed so far");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prod.toml");
    std::fs::write(&file, format!("[cluster]\nname = \"prod\"\nnodes = [\"{seed}\"]\nprotected = true\n")).unwrap();
    let file = file.to_str().unwrap();
    let saved = folder.path().join("plan.json");
    let saved = saved.to_str().unwrap();
    assert_eq!(run(&["--config", file, "failover", &replica, "--save-plan", saved]).await.code, 0);
    let protected = run(&["--config", file, "failover", &replica, "--yes"]).await;
    assert_eq!(protected.code, 3);
    assert!(protected.stderr.contains("--unlock prod"), "{}", protected.stderr);
    assert_eq!(run(&["--config", file, "failover", &replica, "--yes", "--unlock", "stage"]).await.code, 3);

    let args = ["--config", file, "failover", &replica, "--yes", "--unlock", "prod", "--plan", saved, "--format", "json"];
    let done = run(&args).await;
    let report = done.last_json();
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!((&report["operation"], &report["outcome"]), (&"failover".into(), &"done".into()));
    assert!(report["seconds"].is_number() && report["plan"].is_object() && report["reasons"].as_array().unwrap().is_empty());
    assert_eq!(cluster.role(&cluster.at(3)).await, "master");

    // What the saved plan is for has been done.
    let stale = run(&args).await;
    assert!(stale.code == 0 && stale.stdout.contains("nothing to do"), "{}{}", stale.stdout, stale.stderr);
    let other = run(&["--node", &seed, "failover", "B", "--yes", "--plan", saved]).await;
    assert_eq!(other.code, 64, "{}", other.stderr);
    assert!(cluster.view(&cluster.at(1)).await.myself().unwrap().epoch >= epoch);
}

/// What slots hold changes with every write: a saved plan asks only whether the slots are where they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_saved_rebalance_is_carried_out_under_traffic_and_once() {
    let cluster = Cluster::start(3, 0).await;
    let seed = cluster.seed();
    let owner = cluster.owner(rgc_tui::cluster::key_slot(b"KX9Q2")).await.unwrap();
    let write = async |from: u32, to: u32| {
        for n in from..to {
            let slot = rgc_tui::cluster::key_slot(format!("R{n}").as_bytes());
            if cluster.owner(slot).await == Some(owner.clone()) {
                cluster.call(&owner, &Command::words(&format!("SET k:{{R{n}}} {n}"))).await;
            }
        }
    };
    write(0, 200).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let file = file.to_str().unwrap();
    let args = ["--node", &seed, "rebalance", "--by", "keys", "--plan", file];
    let early = run(&args).await;
    assert_eq!(early.code, 64, "{}", early.stderr);
    assert!(early.stderr.contains("--save-plan"), "{}", early.stderr);
    assert_eq!(run(&["--node", &seed, "rebalance", "--by", "keys", "--save-plan", file]).await.code, 0);
    write(200, 300).await;
    let text = std::fs::read_to_string(file).unwrap();
    let shown = run(&[&args[..], &["--dry-run"]].concat()).await;
    assert_eq!((shown.code, std::fs::read_to_string(file).unwrap()), (0, text), "a saved plan is shown, and stays as it is");
    let done = run(&["--node", &seed, "rebalance", "--plan", file, "--yes"]).await;
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let again = run(&[&args[..], &["--yes"]].concat()).await;
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    let other = run(&["--node", &seed, "rebalance", "--by", "slots", "--plan", file, "--yes"]).await;
    assert_eq!(other.code, 64, "{}{}", other.stdout, other.stderr);
}

/// Whatever command is given a plan: it carries out its own, or says what the file is and which command does.
#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_carried_out_by_its_own_command_alone() {
    let cluster = Cluster::start(3, 1).await;
    let (seed, folder) = (cluster.seed(), tempfile::tempdir().unwrap());
    let (to, replica) = (cluster.at(1).to_string(), cluster.at(3).to_string());
    let moving = format!("move-slots 0-9 --to {to}");
    let commands = [
        "fix".to_owned(),
        "fix 0-9".to_owned(),
        moving.clone(),
        format!("move-slots 0-8 --to {to}"),
        // It is there already: no word on what a file holds.
        format!("move-slots 5461 --to {to}"),
        "rebalance".to_owned(),
        "rebalance --weight A=3".to_owned(),
        format!("failover {replica}"),
        format!("node drain {to}"),
        format!("node replicate {replica} --master {}", cluster.at(0)),
        "node forget C".to_owned(),
        "node remove C".to_owned(),
    ];
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let said = async |line: &str, more: &[&str]| {
        let words = words(line);
        run(&[&["--node", &seed], &words.iter().map(String::as_str).collect::<Vec<_>>()[..], more].concat()).await
    };
    for plan in
        [moving.clone(), "rebalance --by slots --weight A=3".into(), format!("failover {replica}"), format!("node drain {to}")]
    {
        let file = folder.path().join("plan.json");
        let file = file.to_str().unwrap();
        let saved = said(&plan, &["--save-plan", file]).await;
        assert_eq!(saved.code, 0, "{plan}: {}", saved.stderr);
        for command in &commands {
            let ran = said(command, &["--plan", file, "--dry-run"]).await;
            // Its weights may be left to the file.
            let own = plan == *command || (plan.starts_with("rebalance") && command.starts_with("rebalance"));
            let holds = format!("{file} holds a plan for `{plan}`, not for `");
            let other = ran.stderr.contains(&holds)
                && ran.stderr.contains(&format!("--plan {file}"))
                && ran.stderr.contains("` carries it out");
            assert!(if own { ran.code == 0 } else { ran.code == 64 && other }, "{plan} / {command}: {}{}", ran.stdout, ran.stderr);
        }
    }
}

/// A move says more than a pipe holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_leaves_no_slot_open() {
    let cluster = Cluster::start(3, 0).await;
    let (seed, target) = (cluster.seed(), cluster.at(1));
    let mut moving = command(&["--node", &seed, "move-slots", "0-5000", "--to", &target.to_string(), "--yes", "--format", "json"]);
    let mut child = moving.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the move is over", async || cluster.owner(5000).await.as_ref() == Some(&target)).await;
    wait_until("nothing is open", async || {
        let mut open = 0;
        for address in cluster.addresses() {
            open += cluster.view(&address).await.myself().unwrap().open.len();
        }
        open == 0
    })
    .await;
    assert_eq!(child.try_wait().unwrap(), None, "it waits for a reader");
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let last: Json = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["outcome"], &last["figures"]["slots"]), (&"done".into(), &5001.into()));
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_on_the_command_line_are_usage_errors() {
    for args in [
        &["statsu"][..],
        &["status", "--format", "yaml"],
        &["--node", "nowhere", "status"],
        &["locate"],
        &["locate", ""],
        &["failover"],
        &["failover", "A", "--mode", "brutal"],
        &["move-slots", "0-16384", "--to", "A"],
        &["move-slots", "9-3", "--to", "A"],
        &["--node", "127.0.0.1:1", "move-slots", "0-99", "50", "--to", "A"],
        &["rebalance", "--weight", "A"],
        &["--node", "127.0.0.1:1", "rebalance", "--weight", "A=2", "--weight", "A=3"],
        &["demo", "--masters", "0"],
        &["--theme", "dusl", "--node", "127.0.0.1:1", "status"],
        &["--node", "127.0.0.1:1"],
        // What other versions may bring is not there, not even as a promise.
        &["metrics"],
        &["drill", "crash"],
        &["replay", "x"],
        &["generate", "compose"],
        &["--record", "x", "status"],
    ] {
        let ran = run(args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
    let help = run(&["--help"]).await;
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    let asked = run(&["help"]).await;
    assert_eq!((asked.code, asked.stdout, asked.stderr), (0, help.stdout.clone(), String::new()));
    let of = run(&["help", "failover"]).await;
    assert_eq!((of.code, of.stderr.as_str()), (0, ""));
    assert_eq!(run(&["help", "drill"]).await.code, 64);
    assert!(help.stdout.contains("Exit codes: 0"), "{}", help.stdout);
    assert_eq!(run(&["--version"]).await.stdout, concat!("rgc-tui ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_derived_from_the_program() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let keys = run(&["docs", "keys"]).await;
    let (_, rest) = readme.split_once("<!-- keys -->\n").expect("the README marks its key table");
    let (table, _) = rest.split_once("<!-- /keys -->").unwrap();
    assert_eq!(table, keys.stdout, "put the output of `rgc-tui docs keys` into README.md");

    let rules = run(&["docs", "rules"]).await;
    assert_eq!(rules.code, 0);
    assert_eq!(rules.stdout.lines().count(), rgc_tui::alerts::RULES.len() + 2, "a row for each rule: {}", rules.stdout);
    assert!(run(&["docs", "themes"]).await.stdout.lines().any(|line| line == "dusk"));
    let man = run(&["docs", "man"]).await;
    assert!(man.stdout.contains(".TH rgc-tui 1") && man.stdout.contains("EXIT STATUS"));
    for verb in ["demo", "status", "check", "nodes", "slots", "rooms", "locate", "watch", "failover", "config init", "docs man"] {
        let section = format!(".SS rgc\\-tui {}", verb.replace('-', "\\-"));
        assert!(man.stdout.contains(&section), "{section}");
        assert!(readme.contains(&format!("`{}", verb.split(' ').next().unwrap())), "the README does not speak of {verb}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let completions = run(&["docs", "completions", shell]).await;
        assert!(completions.code == 0 && completions.stdout.contains("failover"), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["docs", "man"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
