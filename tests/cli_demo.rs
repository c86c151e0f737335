//! IO. The demo without a screen: it says where it is, what it sees, and leaves nothing behind.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use common::wait_until;
use rgc_tui::cluster::Address;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rgc-tui");
/// Only ever waited for in full when something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

struct Demo {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let home = std::env::temp_dir();
        let mut command = Command::new(PROGRAM);
        command.args(["demo", "--headless"]).args(args).current_dir(&home);
        command.env("XDG_CONFIG_HOME", home.join("rgc-tui-no-config")).env("XDG_STATE_HOME", home.join("rgc-tui-state"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| to.send(line).is_ok()));
        Self { child, lines, seen: Vec::new() }
    }

    /// The next line that fits.
    fn line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if fits(&line) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {what}; seen so far:\n{}", self.seen.join("\n")),
            }
        }
    }

    fn seeds(&mut self) -> Vec<Address> {
        let line = self.line("the seeds", |line| line.contains("rgc-tui --node "));
        let (_, seeds) = line.split_once("--node ").unwrap();
        let (seeds, name) = seeds.split_once(' ').unwrap();
        assert!(name.starts_with("--cluster demo"), "{line}");
        seeds.split(',').map(|seed| seed.parse().unwrap()).collect()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // A test that failed half-way: the guardian of the servers clears up after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn nothing_listens(seeds: &[Address]) {
    for seed in seeds {
        wait_until("the servers are gone", async || TcpStream::connect((&*seed.host, seed.port)).is_err()).await;
    }
}

#[tokio::test]
async fn it_tells_a_killed_master_and_its_succession_and_ends_clean() {
    let mut demo = Demo::start(&["--rooms", "30", "--rate", "200", "--node-timeout", "1s"]);
    let seeds = demo.seeds();
    assert_eq!(seeds.len(), 6);
    demo.line("a healthy verdict", |line| line.contains("● OK"));
    demo.line("the players' figures", |line| line.contains("acknowledged") && !line.contains(" 0 acknowledged"));

    // Another terminal looks at the same cluster.
    let status = Command::new(PROGRAM).args(["--node", &seeds[1].to_string(), "status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(0), "{}", String::from_utf8_lossy(&status.stdout));

    let victim = &seeds[0];
    let find = format!("pgrep -f 'redis-server.*:{0} |redis-server.*--port {0}( |$)'", victim.port);
    let pid = String::from_utf8(Command::new("sh").args(["-c", &find]).output().unwrap().stdout).unwrap();
    let pid = pid.lines().next().unwrap_or_else(|| panic!("no server on {victim}")).to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    demo.line("the killed master", |line| line.contains("node.health") && line.contains(&victim.to_string()));
    demo.line("a critical verdict", |line| line.contains("✖ CRITICAL"));
    demo.line("the promotion", |line| line.contains("replica → master"));
    demo.line("the write gap", |line| line.contains("last write gap"));

    demo.signal("-TERM");
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    nothing_listens(&seeds).await;
}

#[tokio::test]
async fn its_lines_are_json_when_asked_for_and_an_interrupt_ends_it() {
    let mut demo = Demo::start(&["--masters", "1", "--replicas", "0", "--rooms", "5", "--rate", "50", "--format", "json"]);
    let seeds = demo.seeds();
    demo.line("a verdict", |line| line.contains(r#""kind":"verdict""#));
    demo.line("the players' figures", |line| line.contains(r#""kind":"play""#));
    for line in &demo.seen {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    demo.signal("-INT");
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    nothing_listens(&seeds).await;
}

#[test]
fn without_a_server_program_it_says_how_to_get_one() {
    let output = Command::new(PROGRAM).args(["demo", "--headless"]).env("PATH", "/nonexistent").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    for word in ["apt install redis-server", "dnf install", "brew install", "--server-bin"] {
        assert!(stderr.contains(word), "{stderr}");
    }
}
