//! IO. A link: calls with deadlines over a connection that is made again whenever it is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::attempt::{Stage, attempt};
use super::connection::Connection;
use super::shared::Shared;
use super::{Command, Failure, Reply};
use crate::cluster::{Address, Health, Trouble};
use crate::quantity::span;

/// How long a failed call may take longer, to find out why it failed.
const SECOND_LOOK: Duration = Duration::from_millis(200);

/// One lane to one node. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Link {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    shared: Arc<Shared>,
    slot: Mutex<Slot>,
    in_flight: AtomicUsize,
}

/// See the diagram in the module's documentation.
#[derive(Debug)]
enum Slot {
    /// After this many failed attempts in a row.
    Idle {
        failures: u32,
    },
    Trying {
        stage: watch::Receiver<Stage>,
    },
    Pausing {
        until: Instant,
        failures: u32,
        trouble: Trouble,
    },
    Ready(Arc<Connection>),
}

/// How long to leave a node alone after its n-th failed attempt in a row.
fn pause(health: Health, failures: u32) -> Duration {
    let (first, most) = match health {
        // Each attempt is an entry in the server's ACL log.
        Health::WrongPass | Health::NoAuth | Health::NoPerm => (2000, 30_000),
        // Somebody else's service, or one whose handshakes cost it something.
        Health::Tls | Health::Garbage | Health::Unresolved => (500, 5000),
        // A node that comes back is seen within a second.
        _ => (100, 500),
    };
    Duration::from_millis((first << failures.saturating_sub(1).min(10)).min(most))
}

impl Link {
    pub(super) fn new(address: Address, shared: Arc<Shared>) -> Self {
        let slot = Mutex::new(Slot::Idle { failures: 0 });
        Self { inner: Arc::new(Inner { address, shared, slot, in_flight: AtomicUsize::new(0) }) }
    }

    /// The announced address; the address map decides where it is dialled.
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// No call is waiting for a reply.
    pub fn is_idle(&self) -> bool {
        self.inner.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Waits for a connection, no longer than the connect deadline. Sends nothing on one that is open.
    pub async fn open(&self) -> Result<(), Failure> {
        self.connection(Duration::ZERO).await.map(drop)
    }

    /// One command, with the configured deadline for its reply.
    pub async fn call(&self, command: &Command) -> Result<Reply, Failure> {
        let limit = self.inner.shared.settings.timeout;
        self.call_within(command, limit).await
    }

    /// One command, with its own deadline for the reply. Connecting, when needed, has the configured one.
    pub async fn call_within(&self, command: &Command, limit: Duration) -> Result<Reply, Failure> {
        let replies = self.pipeline(std::slice::from_ref(command), limit).await?;
        match replies.into_iter().next() {
            Some(Reply::Error(error)) => Err(Failure::Server(error)),
            Some(reply) => Ok(reply),
            None => Err(Failure::Unknown(Trouble::new(Health::Garbage, "no reply among the replies"))),
        }
    }

    /// Several commands in one go; `limit` is for all their replies. Error replies are replies.
    pub async fn pipeline(&self, commands: &[Command], limit: Duration) -> Result<Vec<Reply>, Failure> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let _in_flight = InFlight::enter(&self.inner.in_flight);
        let connection = self.connection(limit).await?;
        match timeout(limit, connection.send(commands)).await {
            Ok(Ok(replies)) => Ok(replies),
            Ok(Err(trouble)) => {
                self.retire(&connection);
                Err(Failure::Unknown(self.second_look(trouble, Duration::ZERO).await))
            }
            Err(_) => {
                // Others may still wait on it; new calls do not queue up behind an overdue reply.
                self.retire(&connection);
                let names = commands.first().and_then(|command| command.0.first());
                let name = names.map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
                let overdue = Trouble::new(Health::Frozen, format!("no reply to {name} for {}", span(limit)));
                Err(Failure::Unknown(self.second_look(overdue, limit).await))
            }
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.inner.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An open connection, waiting for one no longer than the connect deadline.
    async fn connection(&self, limit: Duration) -> Result<Arc<Connection>, Failure> {
        let settings = &self.inner.shared.settings;
        let limit = settings.connect_timeout.min(limit.max(settings.timeout));
        let mut stage = match self.start() {
            Ok(stage) => stage,
            Err(trouble) => return Err(Failure::NotSent(trouble)),
        };
        match timeout_at(Instant::now() + limit, settled(&mut stage, false)).await {
            Ok(Stage::Ready(connection)) => Ok(connection),
            Ok(other) => Err(Failure::NotSent(other.overdue(limit))),
            Err(_) => Err(Failure::NotSent(stage.borrow().overdue(limit))),
        }
    }

    /// Joins the attempt under way or begins one; while pausing, the reason for the pause.
    fn start(&self) -> Result<watch::Receiver<Stage>, Trouble> {
        let mut slot = self.slot();
        let failures = match &*slot {
            Slot::Ready(connection) if connection.is_open() => return Ok(watch::channel(Stage::Ready(connection.clone())).1),
            Slot::Ready(_) => 0,
            Slot::Trying { stage } => return Ok(stage.clone()),
            Slot::Pausing { until, trouble, .. } if Instant::now() < *until => return Err(trouble.clone()),
            Slot::Pausing { failures, .. } | Slot::Idle { failures } => *failures,
        };
        let (told, stage) = watch::channel(Stage::Reaching);
        *slot = Slot::Trying { stage: stage.clone() };
        let link = self.clone();
        tokio::spawn(async move {
            let shared = &link.inner.shared;
            let result = attempt(shared, link.address(), &told).await;
            told.send_replace(link.finish(result, failures));
        });
        Ok(stage)
    }

    fn finish(&self, result: Result<Connection, Trouble>, failures: u32) -> Stage {
        let mut slot = self.slot();
        match result {
            Ok(connection) => {
                log::info!("connected to {}{}", self.address(), if failures > 0 { " again" } else { "" });
                let connection = Arc::new(connection);
                *slot = Slot::Ready(connection.clone());
                Stage::Ready(connection)
            }
            Err(trouble) => {
                // Once, not at every attempt: the log is for what changes.
                if failures == 0 {
                    log::warn!("cannot connect to {}: {trouble}", self.address());
                }
                let failures = failures.saturating_add(1);
                let until = Instant::now() + pause(trouble.health, failures);
                *slot = Slot::Pausing { until, failures, trouble: trouble.clone() };
                Stage::Failed(trouble)
            }
        }
    }

    /// Takes a connection out of use for later calls.
    fn retire(&self, connection: &Arc<Connection>) {
        let mut slot = self.slot();
        if matches!(&*slot, Slot::Ready(current) if Arc::ptr_eq(current, connection)) {
            *slot = Slot::Idle { failures: 0 };
        }
    }

    /// Why a connection that worked has failed: a new attempt tells a dead host from a frozen or a gone process.
    async fn second_look(&self, first: Trouble, waited: Duration) -> Trouble {
        let mut stage = match self.start() {
            Ok(stage) => stage,
            Err(trouble) => return trouble,
        };
        let deadline = Instant::now() + SECOND_LOOK;
        let overdue = first.health == Health::Frozen;
        let seen = match timeout_at(deadline, settled(&mut stage, overdue)).await {
            Ok(seen) => seen,
            Err(_) => stage.borrow().clone(),
        };
        match seen {
            Stage::Failed(trouble) => trouble,
            Stage::Reaching => Stage::Reaching.overdue(waited + SECOND_LOOK),
            Stage::Greeting if overdue => Trouble::new(Health::Frozen, format!("{}; a new connection is accepted", first.detail)),
            Stage::Greeting => Stage::Greeting.overdue(SECOND_LOOK),
            Stage::Ready(_) if overdue => Trouble::new(Health::Slow, format!("{}; a new connection is answered", first.detail)),
            Stage::Ready(_) => first,
        }
    }
}

/// Waits until an attempt has ended; with `reached`, until the port has accepted and had a moment to answer.
async fn settled(stage: &mut watch::Receiver<Stage>, reached: bool) -> Stage {
    const MOMENT: Duration = Duration::from_millis(30);
    let is_over = |stage: &Stage| matches!(stage, Stage::Ready(_) | Stage::Failed(_));
    if reached && let Ok(seen) = stage.wait_for(|stage| !matches!(stage, Stage::Reaching)).await.map(|seen| seen.clone()) {
        let end = timeout(MOMENT, stage.wait_for(is_over)).await;
        return if let Ok(Ok(end)) = end { end.clone() } else { seen };
    }
    if let Ok(seen) = stage.wait_for(is_over).await {
        return seen.clone();
    }
    stage.borrow().clone()
}

struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
