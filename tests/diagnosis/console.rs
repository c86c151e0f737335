//! The program as an operator runs it on a cluster: one look after the other, and a watch beside it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rgc_tui::cluster::Address;
use serde_json::Value as Json;

use super::common::{Cluster, Proxy};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rgc-tui");
/// Others compile beside these tests.
const WITHIN: Duration = Duration::from_secs(60);

/// A configuration and a state folder of its own: nothing is known from before.
pub struct Console {
    folder: tempfile::TempDir,
}

/// How one run ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Console {
    pub fn of(cluster: &Cluster) -> Self {
        Self::through(cluster, &[])
    }

    /// Told of these nodes only.
    pub fn told_of(nodes: &[Address]) -> Self {
        Self::configured(nodes, &[])
    }

    /// Goes these ways to these nodes.
    pub fn through(cluster: &Cluster, ways: &[(usize, &Proxy)]) -> Self {
        let ways: Vec<(Address, &Proxy)> = ways.iter().map(|(n, way)| (cluster.at(*n), *way)).collect();
        Self::configured(&cluster.addresses(), &ways)
    }

    fn configured(nodes: &[Address], ways: &[(Address, &Proxy)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let quoted = |address: &dyn std::fmt::Display| format!("\"{address}\"");
        let nodes: Vec<String> = nodes.iter().map(|address| quoted(address)).collect();
        let map: Vec<String> = ways.iter().map(|(node, way)| format!("{} = {}", quoted(node), quoted(way.address()))).collect();
        let text = format!("[cluster]\nname = \"prod\"\nnodes = [{}]\naddress_map = {{ {} }}\n", nodes.join(", "), map.join(", "));
        std::fs::write(folder.path().join("prod.toml"), text).unwrap();
        Self { folder }
    }

    fn command(&self, args: &[&str]) -> Process {
        let mut command = Process::new(PROGRAM);
        command.arg("--config").arg(self.folder.path().join("prod.toml")).args(args).stdin(Stdio::null());
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.env_remove("REDISCLI_AUTH").env_remove("RGC_TUI_PASSWORD");
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub async fn look(&self) -> Look {
        let ran = self.run(&["status", "--format", "json"]).await;
        let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.stdout, ran.stderr));
        Look { code: ran.code, json }
    }

    /// `prod  ✖ CRITICAL  shard A has no master · …`
    pub async fn verdict_line(&self) -> String {
        self.run(&["status"]).await.stdout.lines().next().unwrap_or_default().to_owned()
    }

    /// Looks again and again until it is said; every look goes through `said`.
    pub async fn until(&self, what: &str, mut said: impl FnMut(&Look) -> bool) -> Look {
        let deadline = std::time::Instant::now() + WITHIN;
        loop {
            let look = self.look().await;
            if said(&look) {
                return look;
            }
            assert!(std::time::Instant::now() < deadline, "not within {WITHIN:?}: {what}: {}", look.says());
        }
    }

    /// `watch`, until it is dropped.
    pub fn watch(&self) -> Watch {
        let mut child = self.command(&["watch", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Watch { child, told: Some(told), seen: Vec::new(), at: 0 }
    }
}

/// What one `status` said.
pub struct Look {
    pub code: i32,
    pub json: Json,
}

impl Look {
    pub fn says(&self) -> String {
        format!("{:#}", self.json)
    }

    pub fn served(&self) -> u64 {
        self.json["slots"]["served"].as_u64().unwrap()
    }

    /// Findings of this rule, pending or not.
    pub fn found(&self, rule: &str) -> Vec<&Json> {
        self.json["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule).collect()
    }

    /// Those that count.
    pub fn firing(&self, rule: &str) -> Vec<&Json> {
        self.found(rule).into_iter().filter(|finding| finding["phase"] == "firing").collect()
    }

    /// Something that counts is this severe.
    pub fn has(&self, severity: &str) -> bool {
        let findings = self.json["findings"].as_array().unwrap();
        findings.iter().any(|finding| finding["phase"] == "firing" && finding["severity"] == severity)
    }

    fn first(&self, rule: &str) -> &Json {
        self.found(rule).first().copied().unwrap_or_else(|| panic!("no {rule}: {}", self.says()))
    }

    pub fn severity(&self, rule: &str) -> &str {
        self.first(rule)["severity"].as_str().unwrap()
    }

    pub fn message(&self, rule: &str) -> &str {
        self.first(rule)["message"].as_str().unwrap()
    }

    pub fn remedy(&self, rule: &str) -> &str {
        self.first(rule)["remedy"].as_str().unwrap()
    }

    pub fn outlook(&self, rule: &str) -> Option<&str> {
        self.found(rule).first()?["outlook"].as_str()
    }
}

/// A watch that goes on beside the test.
pub struct Watch {
    child: Child,
    told: Option<mpsc::Receiver<String>>,
    seen: Vec<String>,
    /// Lines before this one have been looked at.
    at: usize,
}

impl Watch {
    /// The next line that is so, after those that were asked for before.
    pub async fn until(&mut self, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
        let deadline = std::time::Instant::now() + WITHIN;
        loop {
            while let Some(line) = self.seen.get(self.at) {
                self.at += 1;
                let json: Json = serde_json::from_str(line).unwrap();
                if is_so(&json) {
                    return json;
                }
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let told = self.told.take().unwrap();
            let (told, line) = tokio::task::spawn_blocking(move || {
                let line = told.recv_timeout(left);
                (told, line)
            })
            .await
            .unwrap();
            self.told = Some(told);
            self.seen.push(line.unwrap_or_else(|why| panic!("{what}: {why}: {:#?}", self.seen)));
        }
    }

    /// Looks at all lines again, from the first.
    pub fn rewound(&mut self) -> &mut Self {
        self.at = 0;
        self
    }

    /// All that it has told and that was waited for.
    pub fn lines(&self) -> &[String] {
        &self.seen
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
