//! IO. server → observation: a poller for each node, a supervisor that decides which nodes are asked, a queue that hands on.
//!
//! ```text
//!  seeds ─► supervisor ── starts, mutes, ends ──► poller ── PING, INFO, CLUSTER NODES, CLUSTER INFO ──► link
//!                ▲                               │  │
//!                └────────── news ───────────────┘  └─► queue (latest of a kind wins) ─► observations
//! ```

mod detour;
mod latest_queue;
mod membership;
mod poll;
mod poller;
mod recall;
mod rooms;
mod schedule;
mod settings;
mod supervisor;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

pub use rooms::look_up;

use crate::cluster::{Address, Memory, NodeId, Observation};
use crate::link::{Clock, Lane, Links};

/// What to watch and how often.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// Where to begin; any one that answers is enough.
    pub seeds: Vec<Address>,
    /// Between two full polls of one node.
    pub interval: Duration,
    /// How long a node may take to answer PING before that is an observation.
    pub timeout: Duration,
    /// The key that makes a room, with its code in the hash tag: `room:{CODE}:state`. None: no scans.
    pub rooms: Option<String>,
    /// Servers without cluster mode: only the seeds are watched.
    pub standalone: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            seeds: Vec::new(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            rooms: None,
            standalone: false,
        }
    }
}

/// A running watch. Dropping it ends all its tasks.
#[derive(Debug)]
pub struct Watch {
    refresh: Arc<Notify>,
    offer: Offer,
    _supervisor: AbortOnDropHandle<()>,
    _queue: AbortOnDropHandle<()>,
}

/// Where nodes that are remembered are handed to a running watch: asked only when no seed tells who is in the cluster.
#[derive(Clone, Debug, Default)]
pub struct Offer(Arc<Mutex<Offered>>);

#[derive(Debug, Default)]
struct Offered {
    /// It has been looked whether any are remembered.
    known: bool,
    memory: Option<Memory>,
}

impl Offer {
    pub fn offer(&self, memory: Option<&Memory>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Offered { known: true, memory: memory.cloned() };
    }

    fn take(&self) -> Option<Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).memory.take()
    }

    /// Where this node was last reached, as far as is remembered.
    fn place_of(&self, id: NodeId) -> Option<Address> {
        let offered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(offered.memory.as_ref()?.nodes.iter().find(|node| node.id == id)?.place().clone())
    }

    fn is_known(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known
    }
}

impl Watch {
    pub fn offer(&self) -> Offer {
        self.offer.clone()
    }

    /// Asks every node everything now.
    pub fn refresh(&self) {
        self.refresh.notify_one();
    }
}

/// One more INFO from each of these, all asked at once: what it has counted since the last one makes rates.
pub async fn infos(links: &Links, nodes: impl IntoIterator<Item = Address>, timeout: Duration) -> Vec<Observation> {
    let asked = nodes.into_iter().map(|source| async {
        let fact = poll::info(&links.get(&source, Lane::Probe), timeout).await?;
        Some(Observation { source, at: links.clock().now(), fact })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Starts watching; observations go to `to` until the watch is dropped or the receiver is.
pub fn start(links: Links, settings: WatchSettings, clock: Clock, to: mpsc::Sender<Observation>) -> Watch {
    let (queue, forward) = latest_queue::channel(to.clone());
    let refresh = Arc::new(Notify::new());
    let offer = Offer::default();
    let supervisor = supervisor::Supervisor::new(links, settings, clock, queue, to, offer.clone());
    Watch {
        _supervisor: AbortOnDropHandle::new(tokio::spawn(supervisor.run(refresh.clone()))),
        refresh,
        offer,
        _queue: AbortOnDropHandle::new(tokio::spawn(forward)),
    }
}
