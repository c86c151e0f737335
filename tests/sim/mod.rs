//! IO. A simulated cluster on loopback: a small true cluster that speaks the Redis protocol, inside the test's own runtime.
//!
//! **The rule**: the clock is paused, so the servers must live in the same runtime as the code under test
//! (`#[tokio::test(start_paused = true)]`). Tokio moves a paused clock on as soon as its runtime has nothing to do, and an
//! answer that is still on its way from another thread is nothing to do: every call would time out at once.
//!
//! One scenario file (`scenarios/*.toml`) is one incident; the texts and errors are those of redis 7.0.15, and
//! `tests/contract.rs` asks the simulator and real servers the same questions, so that it cannot drift into fiction.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "every test binary uses a part of it")]
#![allow(clippy::string_slice, clippy::map_err_ignore, clippy::print_stdout, reason = "a simulator that fails loudly")]

mod bus;
mod commands;
mod election;
mod fault;
mod info;
mod keys;
mod migrate;
mod net;
mod node;
pub mod raw;
pub mod resp;
mod slots;
mod text;
mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use rgc_tui::cluster::Address;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

pub use fault::Fault;
pub use node::{Id, Process};
pub use world::{Call, Rng, Settings, World, room_code};

/// The port of the first node; each simulated cluster has an address of its own.
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

/// A running simulation; clones are the same one. Dropping the last closes every port.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
    tasks: Arc<Mutex<JoinSet<()>>>,
    listening: Arc<Mutex<Vec<bool>>>,
}

impl Sim {
    /// Starts the cluster; the seed is printed, so that a failing run can be had again.
    pub async fn start(settings: Settings) -> Self {
        println!("simulation with seed {}", settings.seed);
        let nodes = usize::from(settings.masters * (1 + settings.replicas));
        let (host, listeners) = bind(nodes);
        let mut world = World::new(settings, &host, FIRST_PORT);
        if listeners[0].local_addr().is_ok_and(|at| at.port() != FIRST_PORT) {
            for (node, listener) in world.nodes.iter_mut().zip(&listeners) {
                node.port = listener.local_addr().expect("a bound socket has an address").port();
            }
        }
        let shared = Arc::new(Shared { world: Mutex::new(world), faults: watch::channel(0).0, agenda: Notify::new() });
        let mut tasks = JoinSet::new();
        tasks.spawn(live(Arc::clone(&shared)));
        for (id, listener) in listeners.into_iter().enumerate() {
            tasks.spawn(net::listen(Arc::clone(&shared), id, listener));
        }
        Self { shared, tasks: Arc::new(Mutex::new(tasks)), listening: Arc::new(Mutex::new(vec![true; nodes])) }
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
        self.shared.faults.send_modify(|count| *count += 1);
        self.shared.agenda.notify_one();
        self.listen_again(id).await;
        // Whoever was connected notices before the clock moves on.
        tokio::task::yield_now().await;
    }

    /// Opens the port of a node that has come back, and notes the closing of the others.
    async fn listen_again(&self, id: Id) {
        let (open, address) = {
            let world = self.world();
            let node = &world.nodes[id];
            (node.process != Process::Dead && !node.faults.refuse, SocketAddr::new(world.host.parse().expect("an IP"), node.port))
        };
        let listened = std::mem::replace(&mut self.listening.lock().expect("one thread")[id], open);
        if open && !listened {
            let listener = loop {
                match bind_to(address) {
                    Ok(listener) => break listener,
                    // The old listener's task has not run yet.
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            self.tasks.lock().expect("one thread").spawn(net::listen(Arc::clone(&self.shared), id, listener));
        }
    }

    /// A server that nobody has met: `CLUSTER MEET` is up to the test.
    pub async fn add_node(&self, name: &str) -> Address {
        let id = {
            let mut world = self.world();
            let port = world.nodes.iter().map(|node| node.port).max().unwrap_or(FIRST_PORT) + 1;
            world.add_node(name.into(), port)
        };
        self.listening.lock().expect("one thread").push(false);
        self.listen_again(id).await;
        self.address(name)
    }

    /// Lets simulated time pass.
    pub async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    /// Commands received so far that change something, as `b1 CLUSTER FAILOVER`, oldest first, ids and addresses as names.
    pub fn deeds(&self) -> Vec<String> {
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

/// All nodes on an address of 127.0.0.0/8 that nobody else uses, on 7000 and up; where the system has only 127.0.0.1, on free ports.
fn bind(nodes: usize) -> (String, Vec<TcpListener>) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..200 {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mix = std::process::id().wrapping_mul(2_654_435_761).wrapping_add(count.wrapping_mul(40_503));
        let host = format!("127.{}.{}.{}", 1 + (mix >> 16) % 250, (mix >> 8) % 250, 1 + mix % 250);
        let all: Result<Vec<_>, _> =
            (0..nodes as u16).map(|index| bind_to(SocketAddr::new(host.parse().expect("an IP"), FIRST_PORT + index))).collect();
        if let Ok(listeners) = all {
            return (host, listeners);
        }
    }
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    ("127.0.0.1".into(), (0..nodes).map(|_| bind_to(any).expect("a free port")).collect())
}

fn bind_to(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}
