//! IO. Two grounds for one script: real servers and simulated ones, and what was said on each.

use std::collections::BTreeMap;
use std::time::Duration;

use rgc_tui::cluster::Address;
use rgc_tui::local::{Fault as LocalFault, LocalSpec};
use tokio::time::{Instant, sleep};

use crate::common::{Cluster, server_bin};
use crate::sim::raw::Raw;
use crate::sim::resp::Value;
use crate::sim::{Fault, Kind, Settings, Sim};

pub(crate) const NAMES: [&str; 6] = ["a", "b", "c", "a1", "b1", "c1"];
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) enum Servers {
    Real(Box<Cluster>),
    Simulated(Sim),
}

/// Three masters with a replica each, and what was said so far.
pub(crate) struct Ground {
    pub(crate) servers: Servers,
    pub(crate) links: BTreeMap<String, Raw>,
    ears: BTreeMap<String, Raw>,
    ids: Vec<(String, String)>,
    pub(crate) transcript: Vec<String>,
}

impl Ground {
    pub(crate) async fn new(servers: Servers) -> Self {
        let mut ground = Self { servers, links: BTreeMap::new(), ears: BTreeMap::new(), ids: Vec::new(), transcript: Vec::new() };
        for name in NAMES {
            let id = ground.quietly(name, "CLUSTER MYID").await.text().unwrap();
            ground.ids.push((id, name.into()));
        }
        ground
    }

    pub(crate) fn address(&self, name: &str) -> Address {
        match &self.servers {
            Servers::Real(cluster) => cluster.at(NAMES.iter().position(|known| *known == name).unwrap()),
            Servers::Simulated(sim) => sim.address(name),
        }
    }

    /// Words of a script: `@b` is b's id, `@b:host` and `@b:port` its place.
    pub(crate) fn fill(&self, line: &str) -> String {
        let mut line = line.to_string();
        for (id, name) in self.ids.iter().rev() {
            let address = self.address(name);
            line =
                line.replace(&format!("@{name}:host"), &address.host).replace(&format!("@{name}:port"), &address.port.to_string());
            line = line.replace(&format!("@{name}"), id);
        }
        line
    }

    /// Addresses and ids become names again; ids before ports, whose digits may be part of an id.
    pub(crate) fn named(&self, text: &str) -> String {
        let mut text = text.to_string();
        for (id, name) in &self.ids {
            text = text.replace(&self.address(name).to_string(), name).replace(id, name);
        }
        for (_, name) in &self.ids {
            text = text.replace(&self.address(name).port.to_string(), &format!("{name}:port"));
        }
        text.replace(&*self.address("a").host, "host")
    }

    /// Asks without writing it down; a new connection where there is none.
    pub(crate) async fn quietly(&mut self, name: &str, line: &str) -> Value {
        let line = self.fill(line);
        for _ in 0..3 {
            if !self.links.contains_key(name) {
                let link = match &self.servers {
                    Servers::Real(_) => Raw::connect(&self.address(name)).await,
                    Servers::Simulated(sim) => sim.raw(name).await,
                };
                if let Ok(link) = link {
                    self.links.insert(name.into(), link);
                }
            }
            let Some(link) = self.links.get_mut(name) else { continue };
            match link.ask(&line).await {
                Ok(reply) => return reply,
                Err(_) => drop(self.links.remove(name)),
            }
        }
        Value::error("no connection")
    }

    /// Asks, and writes the answer down as it is.
    pub(crate) async fn ask(&mut self, name: &str, line: &str) -> Value {
        let reply = self.quietly(name, line).await;
        let said = self.named(&reply.show());
        self.transcript.push(format!("{name}> {line}\n    {said}"));
        reply
    }

    /// Puts a connection aside for what comes unasked; the next question to this node goes by a new one.
    pub(crate) fn listens(&mut self, name: &str) {
        let link = self.links.remove(name).unwrap();
        self.ears.insert(name.into(), link);
    }

    /// Waits for what comes unasked, and writes it down.
    pub(crate) async fn hear(&mut self, name: &str) {
        let heard = self.ears.get_mut(name).unwrap().next().await.unwrap();
        let said = self.named(&heard.show());
        self.transcript.push(format!("{name} hears\n    {said}"));
    }

    /// What a node says of everybody, heartbeat times aside, sorted by name.
    pub(crate) async fn view(&mut self, name: &str) -> String {
        let text = self.quietly(name, "CLUSTER NODES").await.text().unwrap_or_default();
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut words: Vec<&str> = line.split(' ').collect();
                words.drain(4..6);
                // To a dead node a link is tried ten times a second, and counts as one until it is refused.
                if let [_, _, flags, _, _, link, ..] = words.as_mut_slice()
                    && flags.contains("fail")
                {
                    *link = "(tried)";
                }
                self.named(&words.join(" ")).replace(&format!("@1{}", ":port"), "")
            })
            .map(|line| line.split_once(' ').map(|(id, rest)| format!("{id} {}", rest.split_once(' ').unwrap().1)).unwrap())
            .collect();
        lines.sort();
        lines.join("\n    ")
    }

    /// Writes down what a node says of everybody.
    pub(crate) async fn note_view(&mut self, name: &str) {
        let view = self.view(name).await;
        self.transcript.push(format!("{name}> CLUSTER NODES\n    {view}"));
    }

    /// Waits until this holds; how long it takes is not part of the contract, but it has an end.
    pub(crate) async fn until(&mut self, what: &str, name: &str, line: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let reply = self.quietly(name, line).await;
            let said = self.named(&reply.show());
            if holds(&said) {
                self.transcript.push(format!("{name}: {what}"));
                return;
            }
            assert!(Instant::now() < deadline, "{name} never comes to this: {what}\n{said}\n{}", self.transcript.join("\n"));
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn until_everybody(&mut self, what: &str, line: &str, holds: impl Fn(&str) -> bool + Copy) {
        for name in NAMES {
            self.until(what, name, line, holds).await;
        }
    }

    pub(crate) async fn crash(&mut self, name: &str) {
        let address = self.address(name);
        match &self.servers {
            Servers::Real(cluster) => cluster.fault(&address, LocalFault::Kill).await.unwrap(),
            Servers::Simulated(sim) => sim.fault(name, Fault::Crash).await,
        }
    }

    pub(crate) async fn restart(&mut self, name: &str) {
        let address = self.address(name);
        match &self.servers {
            Servers::Real(cluster) => cluster.fault(&address, LocalFault::Restart).await.unwrap(),
            Servers::Simulated(sim) => sim.fault(name, Fault::Restart).await,
        }
    }

    pub(crate) async fn hang(&mut self, name: &str, stopped: bool) {
        let address = self.address(name);
        match &self.servers {
            Servers::Real(cluster) => {
                let fault = if stopped { LocalFault::Freeze } else { LocalFault::Thaw };
                cluster.fault(&address, fault).await.unwrap();
            }
            Servers::Simulated(sim) => sim.fault(name, if stopped { Fault::Hang } else { Fault::Resume }).await,
        }
    }
}

/// Runs a script on Redis 7 and on the simulator, and compares.
pub(crate) fn both(script: impl AsyncFn(&mut Ground), password: Option<&str>) {
    on_kind(Kind::Redis7, script, password);
}

/// The program that is simulated; None: the one on the path.
fn program(kind: Kind) -> Option<std::path::PathBuf> {
    match kind {
        Kind::Redis7 => None,
        Kind::Valkey8 => Some(server_bin("valkey8")),
        Kind::Valkey9 => Some(server_bin("valkey9")),
    }
}

/// Runs a script on real servers of this kind and on the simulator, and compares.
pub(crate) fn on_kind(kind: Kind, script: impl AsyncFn(&mut Ground), password: Option<&str>) {
    let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut options: Vec<&str> = password.iter().flat_map(|word| ["--requirepass", word, "--masterauth", word]).collect();
    if kind.has_databases() {
        options.extend(["--cluster-databases", "4"]);
    }
    let expected = real.block_on(async {
        let args = options.iter().map(ToString::to_string).collect();
        let cluster = Cluster::with(LocalSpec { masters: 3, replicas: 1, server_bin: program(kind), args, ..LocalSpec::default() });
        let cluster = cluster.await;
        let mut ground = Ground::new(Servers::Real(Box::new(cluster))).await;
        script(&mut ground).await;
        ground.transcript
    });
    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let got = paused.block_on(async {
        let settings = Settings {
            node_timeout_ms: NODE_TIMEOUT.as_millis() as u64,
            password: password.map(Into::into),
            kind,
            databases: if kind.has_databases() { 4 } else { 1 },
            ..Settings::default()
        };
        let mut ground = Ground::new(Servers::Simulated(Sim::start(settings).await)).await;
        script(&mut ground).await;
        ground.transcript
    });
    assert!(!expected.is_empty());
    let pairs = expected.iter().zip(&got).filter(|(real, simulated)| real != simulated);
    let different: Vec<String> = pairs.map(|(real, simulated)| format!("real      {real}\nsimulated {simulated}\n")).collect();
    assert!(different.is_empty(), "the simulator tells other things than a real server:\n\n{}", different.join("\n"));
    assert_eq!(expected.len(), got.len());
}
