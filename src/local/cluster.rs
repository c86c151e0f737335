//! IO. A cluster of real servers on this machine: formed in about two seconds, and open to every kind of harm.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, Kept, LocalNode};
use super::process::Process;
use super::ready::{self, Condition, wait};
use super::{LocalError, binary, layout, ports};
use crate::cluster::{Address, Fault};

/// Ready-made members agree within two seconds; more time is for machines that do something else at the same moment.
const FORM_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Another program may take a free port between our look and the server's start.
const ATTEMPTS: usize = 5;
const MOST_NODES: usize = 500;

/// What to start.
#[derive(Clone, Debug)]
pub struct LocalSpec {
    pub masters: u16,
    /// Per master.
    pub replicas: u16,
    /// The server program; None looks for redis-server, then valkey-server on PATH.
    pub server_bin: Option<PathBuf>,
    /// The first data port; the bus ports are 10000 above. None takes free ones.
    pub base_port: Option<u16>,
    /// A new or empty folder for the servers' folders; None makes a temporary one.
    pub dir: Option<PathBuf>,
    /// Servers and folder outlive this program.
    pub keep: bool,
    /// `cluster-node-timeout`.
    pub node_timeout: Duration,
    /// More server options, for example `["--requirepass", "x"]`; they win over our own.
    pub args: Vec<String>,
}

impl Default for LocalSpec {
    fn default() -> Self {
        Self {
            masters: 3,
            replicas: 1,
            server_bin: None,
            base_port: None,
            dir: None,
            keep: false,
            node_timeout: Duration::from_secs(2),
            args: Vec::new(),
        }
    }
}

/// A running cluster. Dropped, no server and no folder is left, unless they are to be kept.
#[derive(Debug)]
pub struct LocalCluster {
    fleet: Mutex<Fleet>,
    addresses: Vec<Address>,
    node_timeout: Duration,
}

impl LocalCluster {
    /// Starts the servers and waits until every node says ok, knows all others and every replica is in sync.
    ///
    /// # Errors
    /// Each names what was tried and what to do; nothing is left running or on disk.
    pub async fn start(spec: LocalSpec) -> Result<Self, LocalError> {
        let nodes = usize::from(spec.masters) * (1 + usize::from(spec.replicas));
        if nodes == 0 || nodes > MOST_NODES {
            let shape = format!("{} masters with {} replicas each", spec.masters, spec.replicas);
            return Err(LocalError::Shape(format!("cannot start {shape}: a local cluster has 1 to {MOST_NODES} nodes")));
        }
        let binary = binary::find(spec.server_bin.as_deref()).await?;
        let mut attempt = 1;
        loop {
            match form(&spec, nodes, binary.clone()).await {
                Err(error) if spec.base_port.is_none() && attempt < ATTEMPTS && is_port_clash(&error) => attempt += 1,
                Err(error) => return Err(error),
                Ok(fleet) => {
                    let addresses = fleet.addresses();
                    return Ok(Self { fleet: Mutex::new(fleet), addresses, node_timeout: spec.node_timeout });
                }
            }
        }
    }

    /// Masters first, then the first replica of each, then the second of each, …
    pub fn addresses(&self) -> Vec<Address> {
        self.addresses.clone()
    }

    pub fn nodes(&self) -> Vec<LocalNode> {
        self.fleet().nodes()
    }

    /// The folder around the nodes' folders.
    pub fn folder(&self) -> PathBuf {
        self.fleet().root.clone()
    }

    /// What will stay when this goes, if anything.
    pub fn kept(&self) -> Option<Kept> {
        self.fleet().kept()
    }

    /// Does something to a node.
    ///
    /// # Errors
    /// The address is none of this cluster's, its process does not run, or it does not come back.
    pub async fn fault(&self, address: &Address, fault: Fault) -> Result<(), LocalError> {
        match fault {
            Fault::Kill => {
                let mut fleet = self.fleet();
                let at = fleet.find(address)?;
                running(&mut fleet, at, "kill")?;
                fleet.kill(at);
                Ok(())
            }
            Fault::Freeze => self.signal(address, "STOP", "freeze"),
            Fault::Thaw => self.signal(address, "CONT", "thaw"),
            Fault::Restart => self.restart(address).await,
        }
    }

    /// Ends the servers, removes their folder and waits for both.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    fn signal(&self, address: &Address, signal: &str, attempt: &'static str) -> Result<(), LocalError> {
        let mut fleet = self.fleet();
        let at = fleet.find(address)?;
        let pid = running(&mut fleet, at, attempt)?;
        let Some(process) = fleet.processes.get_mut(at) else { return Ok(()) };
        process.signal(signal).map_err(|why| LocalError::Signal { address: address.clone(), attempt, pid, why })?;
        process.frozen = signal == "STOP";
        Ok(())
    }

    async fn restart(&self, address: &Address) -> Result<(), LocalError> {
        let (at, others, password) = {
            let mut fleet = self.fleet();
            let at = fleet.find(address)?;
            fleet.kill(at);
            let lives = |node: &LocalNode| node.pid.is_some() && !node.frozen;
            let others: Vec<Address> = fleet.nodes().into_iter().filter(lives).map(|node| node.address).collect();
            (at, others, fleet.password.clone())
        };
        // Suspicion, verdict and election take two node timeouts at most, when there is to be an election at all.
        let patience = Instant::now() + self.node_timeout * 4 + Duration::from_secs(5);
        while Instant::now() < patience && ready::is_awaited(address, &others, password.as_deref()).await {
            sleep(Duration::from_millis(50)).await;
        }
        self.fleet().start(at)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        while !Condition::Answers.holds(address, password.as_deref()).await {
            self.fleet().runs(at)?;
            if Instant::now() >= deadline {
                let last_words = self.fleet().processes.get(at).map(Process::last_words).unwrap_or_default();
                let condition = Condition::Answers.to_string();
                return Err(LocalError::Timeout {
                    address: address.clone(),
                    condition,
                    seconds: ANSWER_WITHIN.as_secs(),
                    last_words,
                });
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn running(fleet: &mut Fleet, at: usize, attempt: &'static str) -> Result<u32, LocalError> {
    let node = fleet.nodes().into_iter().nth(at);
    let address = node.as_ref().map(|node| node.address.clone());
    match (node.and_then(|node| node.pid), address) {
        (Some(pid), _) => Ok(pid),
        (None, address) => Err(LocalError::NotRunning { address: address.unwrap_or_else(|| Address::new("?", 0)), attempt }),
    }
}

async fn form(spec: &LocalSpec, nodes: usize, binary: binary::Binary) -> Result<Fleet, LocalError> {
    let ports = ports::claim(nodes, spec.base_port, true)?;
    let numbers: Vec<u16> = ports.iter().map(|port| port.number).collect();
    let timeout = spec.node_timeout.as_millis().max(1).to_string();
    let mut options: Vec<String> =
        ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", &timeout]
            .map(String::from)
            .into();
    options.extend(spec.args.iter().cloned());

    let planned = layout::nodes(spec.masters, &numbers, ports::random);
    let with_shard_ids = binary.has_shard_ids();
    let mut fleet = Fleet::new(binary, ports, spec.dir.as_deref(), spec.keep, &options)?;
    for at in 0..nodes {
        let Some(process) = fleet.processes.get(at) else { break };
        write(&process.folder.join("nodes.conf"), &layout::nodes_conf(&planned, at, with_shard_ids))?;
    }
    for at in 0..nodes {
        fleet.start(at)?;
    }
    for at in 0..nodes {
        wait(&mut fleet, at, Condition::Answers, ANSWER_WITHIN).await?;
    }
    for at in 0..nodes {
        wait(&mut fleet, at, Condition::KnowsAll(nodes), FORM_WITHIN).await?;
        wait(&mut fleet, at, Condition::InSync { replicas: usize::from(spec.replicas) }, FORM_WITHIN).await?;
    }
    fleet.settle()?;
    Ok(fleet)
}

fn write(path: &Path, text: &str) -> Result<(), LocalError> {
    std::fs::write(path, text).map_err(|source| LocalError::Folder { attempt: "write", path: path.to_path_buf(), source })
}

fn is_port_clash(error: &LocalError) -> bool {
    matches!(error, LocalError::Exited { last_words, .. } if last_words.contains("Address already in use") || last_words.contains("Failed listening"))
}
