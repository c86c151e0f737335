//! IO. A simulated cluster in memory: a small true cluster that speaks the Redis protocol, inside the test's own runtime.
//!
//! **The rule**: the clock is paused, so the servers must live in the same runtime as the code under test
//! (`#[tokio::test(start_paused = true)]`), and nothing may wait where that runtime does not see it. Tokio moves a paused
//! clock on as soon as its runtime has nothing to do; therefore links reach the simulated servers through a dialer of their
//! own ([`Sim::link`]) and no byte goes through a socket.
//!
//! One scenario file (`scenarios/*.toml`) is one incident; the texts and errors are those of redis 7.0.15, and
//! `tests/contract.rs` asks the simulator and real servers the same questions, so that it cannot drift into fiction.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "every test binary uses a part of it")]
#![allow(clippy::string_slice, clippy::map_err_ignore, clippy::print_stdout, reason = "a simulator that fails loudly")]

mod bus;
mod claims;
mod commands;
mod election;
mod fault;
mod info;
mod keys;
mod kind;
mod migrate;
mod migrations;
mod net;
mod node;
mod pubsub;
pub mod raw;
pub mod resp;
mod slots;
mod text;
mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use rgc_tui::cluster::Address;
use rgc_tui::link::{Dialer, LinkSettings};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

pub use fault::Fault;
pub use keys::{Data, Entry};
pub use kind::Kind;
pub use net::Host;
pub use node::{Id, Link, Process};
pub use world::{Call, Rng, Settings, World, room_code};

/// Where all nodes of a simulated cluster are.
const HOST: &str = "10.7.0.1";
/// The port of the first node.
pub const FIRST_PORT: u16 = 7000;

/// What the tasks of one simulation share.
pub struct Shared {
    world: Mutex<World>,
    /// Changes at every fault: connections look up what became of their node.
    faults: watch::Sender<u64>,
    /// Something was put on the agenda.
    agenda: Notify,
}

impl Shared {
    /// One thread has it all, so whoever finds it locked has locked it himself.
    pub fn world(&self) -> MutexGuard<'_, World> {
        match self.world.try_lock() {
            Ok(world) => world,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => panic!("the world is in use further up in this statement"),
        }
    }
}

/// A running simulation; clones are the same one. It lives as long as the runtime it was started in.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
}

impl Sim {
    /// Starts the cluster; the seed is printed, so that a failing run can be had again.
    pub async fn start(settings: Settings) -> Self {
        println!("simulation with seed {}", settings.seed);
        let world = World::new(settings, HOST, FIRST_PORT);
        let shared = Arc::new(Shared { world: Mutex::new(world), faults: watch::channel(0).0, agenda: Notify::new() });
        tokio::spawn(live(Arc::clone(&shared)));
        Self { shared }
    }

    /// How a program on this host reaches the servers.
    pub fn dialer(&self, from: Host) -> Arc<dyn Dialer> {
        Arc::new(net::Network { shared: Arc::clone(&self.shared), from })
    }

    /// Settings of links from the first console's host, with the password that is right at the start.
    pub fn link(&self) -> LinkSettings {
        self.link_from(0)
    }

    pub fn link_from(&self, from: Host) -> LinkSettings {
        let password = self.world().settings.password.clone();
        LinkSettings { password: password.map(Into::into), dialer: self.dialer(from), ..LinkSettings::default() }
    }

    /// A bare client of one node, from a host of its own.
    pub async fn raw(&self, name: &str) -> std::io::Result<raw::Raw> {
        let address = self.address(name);
        let place = SocketAddr::new(address.host.parse().expect("an IP"), address.port);
        Ok(raw::Raw::over(self.dialer(Host::MAX).dial(place).await?))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    pub fn find(&self, name: &str) -> Id {
        self.world().find(name)
    }

    pub fn address(&self, name: &str) -> Address {
        let world = self.world();
        let id = world.find(name);
        Address::new(&*world.host, world.nodes[id].port)
    }

    /// A few nodes to begin with, as an operator would give them.
    pub fn seeds(&self) -> Vec<Address> {
        let world = self.world();
        world.nodes.iter().take(2).map(|node| Address::new(&*world.host, node.port)).collect()
    }

    pub fn addresses(&self) -> Vec<Address> {
        let world = self.world();
        world.nodes.iter().map(|node| Address::new(&*world.host, node.port)).collect()
    }

    /// The name of the node at an address, for messages that must not contain loopback addresses.
    pub fn name_of(&self, address: &Address) -> Option<String> {
        let world = self.world();
        world.by_port(address.port).map(|id| world.nodes[id].name.clone())
    }

    /// Addresses in a text become names: `127.9.8.7:7004` is `b1`.
    pub fn in_names(&self, text: &str) -> String {
        let world = self.world();
        let mut text = text.to_string();
        for (id, node) in world.nodes.iter().enumerate() {
            let apart = world.address(id).replace(':', " ");
            text = text.replace(&world.address(id), &node.name).replace(&apart, &node.name).replace(&node.id, &node.name);
        }
        text
    }

    /// Does something to a node, now.
    pub async fn fault(&self, name: &str, fault: Fault) {
        let id = self.find(name);
        self.world().inflict(id, &fault);
        self.changed().await;
    }

    /// Cuts a host off from nodes that hear each other as before: what is sent waits, connections are not made.
    pub async fn cut(&self, from: Host, names: &[&str]) {
        let ids = names.iter().map(|name| (from, self.find(name))).collect::<Vec<_>>();
        self.world().cut.extend(ids);
        self.changed().await;
    }

    /// The host reaches everybody again.
    pub async fn join(&self, from: Host) {
        self.world().cut.retain(|(host, _)| *host != from);
        self.changed().await;
    }

    /// Somebody tells a server to stop whatever slots it moves by itself.
    pub async fn cancel_migrations(&self, name: &str) {
        let id = self.find(name);
        if self.world().nodes[id].is_up() {
            self.world().cancel_slot_migrations(id);
        }
        self.changed().await;
    }

    async fn changed(&self) {
        self.shared.faults.send_modify(|count| *count += 1);
        self.shared.agenda.notify_one();
        // Whoever was connected notices before the clock moves on.
        tokio::task::yield_now().await;
    }

    /// A server that nobody has met: `CLUSTER MEET` is up to the test.
    pub fn add_node(&self, name: &str) -> Address {
        let mut world = self.world();
        let port = world.nodes.iter().map(|node| node.port).max().unwrap_or(FIRST_PORT) + 1;
        world.add_node(name.into(), port);
        drop(world);
        self.address(name)
    }

    /// Lets simulated time pass.
    pub async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    /// Commands received so far that change something, as `b1 CLUSTER FAILOVER`, oldest first, ids and addresses as names.
    pub fn operations(&self) -> Vec<String> {
        let calls: Vec<Call> = self.world().journal.clone();
        let changes = |call: &&Call| {
            let words = call.words.to_ascii_uppercase();
            ["CLUSTER FAILOVER", "CLUSTER SETSLOT", "CLUSTER ADDSLOTS", "CLUSTER DELSLOTS", "CLUSTER MEET", "CLUSTER FORGET"]
                .into_iter()
                .chain(["CLUSTER REPLICATE", "CLUSTER RESET", "CLUSTER BUMPEPOCH", "MIGRATE", "DEL ", "UNLINK", "SET ", "HSET"])
                .chain(["CONFIG SET", "CLIENT PAUSE", "CLIENT UNPAUSE", "CLIENT KILL"])
                .any(|start| words.starts_with(start))
        };
        calls.iter().filter(changes).map(|call| format!("{} {}", call.node, self.in_names(&call.words))).collect()
    }

    /// The same with the time of each, in milliseconds, and what was replied.
    pub fn story(&self) -> Vec<String> {
        let told: Vec<String> = self.operations();
        let calls: Vec<Call> = self.world().journal.clone();
        let line = |call: &Call| {
            let line = format!("{} {}", call.node, self.in_names(&call.words));
            told.contains(&line).then(|| format!("{:>7} {line} -> {}", call.at_ms, self.in_names(&call.reply)))
        };
        calls.iter().filter_map(line).collect()
    }

    /// How often each command was received, all nodes together.
    pub fn census(&self) -> BTreeMap<String, usize> {
        let mut census = BTreeMap::new();
        for call in &self.world().journal {
            let words: Vec<&str> = call.words.split(' ').take(2).collect();
            let name =
                if ["CLUSTER", "CLIENT", "CONFIG", "MEMORY"].contains(&words[0]) { words.join(" ") } else { words[0].into() };
            *census.entry(name).or_default() += 1;
        }
        census
    }

    /// How many commands that begin with `start` a node has received.
    pub fn count(&self, node: &str, start: &str) -> usize {
        let world = self.world();
        world.journal.iter().filter(|call| call.node == node && call.words.to_ascii_uppercase().starts_with(start)).count()
    }
}

/// The crons and the agenda.
async fn live(shared: Arc<Shared>) {
    let start = Instant::now();
    let mut next_cron = world::CRON_MS;
    loop {
        let next = shared.world().run_agenda().unwrap_or(next_cron).min(next_cron);
        tokio::select! {
            () = sleep_until(start + Duration::from_millis(next)) => {}
            () = shared.agenda.notified() => continue,
        }
        if next == next_cron {
            shared.world().cron();
            next_cron += world::CRON_MS;
        }
    }
}
