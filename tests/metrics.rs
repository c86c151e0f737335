//! `metrics` as other programs meet it: read by Prometheus's own tool, over HTTP, and when its output is lost.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command as Process, Stdio};

use common::{Cluster, server_bin, wait_until};
use rgc_tui::link::Command;
use rgc_tui::local::Fault;
use rgc_tui::metrics::METRICS;

fn program(args: &[&str]) -> Process {
    let home = std::env::temp_dir();
    let mut command = Process::new(env!("CARGO_BIN_EXE_rgc-tui"));
    command.args(args).stdin(Stdio::null()).env_remove("REDISCLI_AUTH").env_remove("RGC_TUI_PASSWORD");
    command.env("XDG_CONFIG_HOME", home.join("rgc-tui-no-config")).env("XDG_STATE_HOME", home.join("rgc-tui-state"));
    command
}

/// What Prometheus's linter says: nothing.
fn lint(text: &str) {
    let tool = server_bin("prometheus").with_file_name("cli");
    let mut lint = Process::new(tool);
    lint.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut lint = lint.spawn().unwrap();
    lint.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = lint.wait_with_output().unwrap();
    let words = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && words.trim().is_empty(), "promtool check metrics: {words}\n{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_what_is_printed_and_every_format_says_the_same() {
    let cluster = Cluster::start(3, 1).await;
    let node = cluster.seed();
    let slot = rgc_tui::cluster::key_slot(b"KX9Q2");
    let owner = cluster.owner(slot).await.unwrap();
    cluster.call(&owner, &Command::words("HSET room:{KX9Q2}:state phase playing players 2")).await;
    let run = |args: &[&str]| {
        let args: Vec<&str> = ["--node", &node, "metrics"].iter().chain(args).copied().collect();
        let output = program(&args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&["--rooms"]);
    lint(&text);
    assert!(
        text.contains("rgc_slots_served{cluster=\"cluster\"} 16384") && text.contains("rgc_players{cluster=\"cluster\"} 2"),
        "{text}"
    );
    let absent: Vec<&str> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !text.contains(&format!("# TYPE {name} "))).collect();
    assert_eq!(absent, ["rgc_finding"], "nothing is wrong");

    let json: serde_json::Value = serde_json::from_str(&run(&["--format", "json"])).unwrap();
    assert!(json["metrics"].as_array().unwrap().iter().any(|metric| metric["name"] == "rgc_node_up"));
    assert!(run(&["--format", "csv"]).starts_with("at,cluster,metric,labels,value\n"));

    let other = program(&["--node", &node, "status", "--format", "prometheus"]).output().unwrap();
    assert_eq!(other.status.code(), Some(64));
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let lost = program(&["--node", &node, "metrics", "--every", "100ms"]).stdout(full).output().unwrap();
        assert_eq!(lost.status.code(), Some(74), "{}", String::from_utf8_lossy(&lost.stderr));
    }
}

/// A program that answers over HTTP until it is dropped.
struct Listening {
    child: Child,
    at: String,
}

impl Listening {
    fn start(node: &str) -> Self {
        let mut child = program(&["--node", node, "metrics", "--listen", "0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let at = line.split_once("http://").unwrap_or_else(|| panic!("{line}")).1.split_once('/').unwrap().0.to_owned();
        Self { child, at }
    }

    /// Status line and body.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.at).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_over_http_is_told_what_is_so_now() {
    let cluster = Cluster::start(3, 1).await;
    let listening = Listening::start(&cluster.seed());
    assert!(listening.at.starts_with("127.0.0.1:"), "{}", listening.at);
    let (status, body) = listening.get("/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body.contains("rgc_slots_served{cluster=\"cluster\"} 16384"), "{body}");
    lint(&body);
    assert_eq!(listening.get("/healthz"), ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    let json: serde_json::Value = serde_json::from_str(&listening.get("/status").1).unwrap();
    assert_eq!((&json["verdict"], json["nodes"].as_array().map(Vec::len)), (&"ok".into(), Some(6)));
    assert_eq!(listening.get("/nothing").0, "HTTP/1.1 404 Not Found");

    let first = cluster.at(0);
    cluster.fault(&first, Fault::Kill).await.unwrap();
    wait_until("the killed master is in the figures", async || {
        let body = listening.get("/metrics").1;
        body.contains(&format!("rgc_node_up{{cluster=\"cluster\",node=\"{first}\",shard=\"A\"}} 0"))
            && body.contains("rule=\"node.down\"")
    })
    .await;
    lint(&listening.get("/metrics").1);
    assert_eq!(listening.get("/healthz").0, "HTTP/1.1 200 OK", "it polls, whatever it is told");
}
