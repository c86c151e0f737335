//! The harness of the tests that want real servers: clusters and single servers on free loopback ports, which are gone
//! when the test ends, and waiting on conditions instead of sleeping.
//!
//! Tests run on the multi-threaded or current-thread tokio runtime with the real clock: `#[tokio::test]`.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "every test binary uses its own part of the harness, and a test that cannot go on fails"
)]

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use rgc_tui::cluster::{Address, View, parse};
use rgc_tui::link::{Command, Reply};
use rgc_tui::local::{LocalCluster, LocalServer, LocalSpec, ask};
use tokio::time::{Instant, sleep};

/// How long one question of a test may take.
const REPLY_WITHIN: Duration = Duration::from_secs(5);

/// A local cluster with questions to its nodes. All of [`LocalCluster`] is there too: `fault`, `nodes`, `addresses`.
pub struct Cluster {
    local: LocalCluster,
    password: Option<String>,
}

impl Deref for Cluster {
    type Target = LocalCluster;

    fn deref(&self) -> &LocalCluster {
        &self.local
    }
}

impl Cluster {
    /// Masters first: `addresses()[..masters]`, then the first replica of each master in the same order.
    pub async fn start(masters: u16, replicas: u16) -> Self {
        Self::with(LocalSpec { masters, replicas, ..LocalSpec::default() }).await
    }

    /// With more server options: `Cluster::start_with(3, 1, &["--requirepass", "x", "--masterauth", "x"])`.
    pub async fn start_with(masters: u16, replicas: u16, args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        Self::with(LocalSpec { masters, replicas, args, ..LocalSpec::default() }).await
    }

    /// With a program that `sh tests/servers.sh NAME` has unpacked: `valkey8`, `valkey9`, `redis8`.
    pub async fn start_on(name: &str, masters: u16, replicas: u16) -> Self {
        Self::with(LocalSpec { masters, replicas, server_bin: Some(server_bin(name)), ..LocalSpec::default() }).await
    }

    pub async fn with(spec: LocalSpec) -> Self {
        let password = spec.args.iter().position(|word| word == "--requirepass").map(|at| spec.args[at + 1].clone());
        let local = LocalCluster::start(spec).await.unwrap_or_else(|error| panic!("{error}"));
        Self { local, password }
    }

    /// The local cluster itself, to stop it and wait for that.
    pub fn local(self) -> LocalCluster {
        self.local
    }

    /// The address of the n-th node: masters first, then replicas.
    pub fn at(&self, n: usize) -> Address {
        self.local.addresses()[n].clone()
    }

    pub async fn ask(&self, address: &Address, words: &str) -> Reply {
        self.call(address, &Command::words(words)).await
    }

    pub async fn call(&self, address: &Address, command: &Command) -> Reply {
        let reply = ask(address, self.password.as_deref(), command, REPLY_WITHIN).await;
        reply.unwrap_or_else(|error| panic!("{address} gives no reply to {command}: {error}"))
    }

    /// The reply as text; anything else fails the test.
    pub async fn text(&self, address: &Address, words: &str) -> String {
        let reply = self.ask(address, words).await;
        reply.text().unwrap_or_else(|| panic!("{address} answers {words} with {reply:?}"))
    }

    /// A command that must be answered with OK.
    pub async fn ok(&self, address: &Address, words: &str) {
        let reply = self.ask(address, words).await;
        assert!(reply.is_ok(), "{address} answers {words} with {reply:?}");
    }

    /// What this node says of the cluster.
    pub async fn view(&self, address: &Address) -> View {
        parse::nodes(&self.text(address, "CLUSTER NODES").await, address).unwrap()
    }

    /// One field of this node's INFO, None when it is not there.
    pub async fn info(&self, address: &Address, field: &str) -> Option<String> {
        let text = self.text(address, "INFO everything").await;
        text.lines().find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':').map(String::from))
    }

    pub async fn role(&self, address: &Address) -> String {
        self.info(address, "role").await.unwrap_or_default()
    }

    /// The master that owns a slot by its own word, among those that answer.
    pub async fn owner(&self, slot: u16) -> Option<Address> {
        for address in self.local.addresses() {
            let reply = ask(&address, self.password.as_deref(), &Command::words("CLUSTER NODES"), Duration::from_millis(300)).await;
            let Some(text) = reply.ok().and_then(|reply| reply.text()) else { continue };
            let Ok(view) = parse::nodes(&text, &address) else { continue };
            if view.myself().is_some_and(|me| me.slots.iter().any(|range| range.contains(slot))) {
                return Some(address);
            }
        }
        None
    }

    /// Waits until every running node says ok and sees no failed node without need: the calm after a fault.
    pub async fn wait_ok(&self, nodes: &[Address]) {
        wait_until("every node says cluster_state:ok", async || {
            for address in nodes {
                let info = ask(address, self.password.as_deref(), &Command::words("CLUSTER INFO"), Duration::from_secs(1)).await;
                let text = info.ok().and_then(|reply| reply.text()).unwrap_or_default();
                if !text.contains("cluster_state:ok") {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// A connection string for the program: `--node` takes it.
    pub fn seed(&self) -> String {
        self.at(0).to_string()
    }
}

/// A single server, no cluster member.
pub async fn server(args: &[&str]) -> LocalServer {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    LocalServer::start(None, &args).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits for a condition of the real world: 30 seconds, then the test fails with the condition's name.
pub async fn wait_until(what: &str, condition: impl AsyncFnMut() -> bool) {
    wait_within(what, Duration::from_secs(30), condition).await;
}

pub async fn wait_within(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A program unpacked by tests/servers.sh. A test that wants one and has none fails, and says what to run.
pub fn server_bin(name: &str) -> PathBuf {
    let folder = std::env::var_os("RGC_SERVERS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers"), PathBuf::from);
    let program = folder.join(name).join("bin/server");
    assert!(program.is_file(), "no {} for this test: run `sh tests/servers.sh {name}` first", program.display());
    program
}

/// A way to one server that can be cut for good: connections end, and new ones are refused.
pub struct Proxy {
    at: Address,
    cut: tokio::sync::watch::Sender<bool>,
}

impl Proxy {
    pub async fn to(server: &Address) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let (cut, is_cut) = tokio::sync::watch::channel(false);
        let place = server.to_string();
        tokio::spawn(async move {
            let mut over = is_cut.clone();
            loop {
                let mut near = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = over.wait_for(|cut| *cut) => return,
                };
                let (mut over, place) = (is_cut.clone(), place.clone());
                tokio::spawn(async move {
                    let Ok(mut far) = tokio::net::TcpStream::connect(place).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = over.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { at, cut }
    }

    /// Where it is entered.
    pub fn address(&self) -> &Address {
        &self.at
    }

    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// The map by which a console goes this way to that server.
    pub fn map(&self, server: &Address) -> rgc_tui::link::AddressMap {
        self.map_with(&[(self, server.clone())])
    }

    pub fn map_with(&self, ways: &[(&Self, Address)]) -> rgc_tui::link::AddressMap {
        let mut map = rgc_tui::link::AddressMap::default();
        for (proxy, server) in ways {
            map.add(&server.to_string(), &proxy.at.to_string()).unwrap();
        }
        map
    }
}
