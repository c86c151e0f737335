//! IO. The demo's players: rooms of a card game on a real cluster, a steady stream of moves, and an honest account of
//! what became of each.
//!
//! A move sets one bit that no other move ever sets, in the room it belongs to. It is *acknowledged*, *refused* (an
//! error, or nothing was sent), or *unknown* (sent, and no answer). After every disturbance, once a shard has been calm
//! for a second, all its rooms are read back from the owner: an acknowledged bit that is not there is *lost*. A room
//! that vanishes in calm under an unchanged server was deleted by somebody: that is no loss, another room is opened.

mod account;
mod gap;
mod places;
mod replies;
mod rng;
mod room;
#[cfg(test)]
mod tests;
mod workload;
mod write_log;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use account::PlayAccount;

use crate::cluster::{Address, Fact, Observation, View, parse};
use crate::link::{Clock, Command, Failure, Lane, Links, Reply};
use workload::{Batch, PlayerJob, Workload};

const TICK: Duration = Duration::from_millis(10);
const REPORT: Duration = Duration::from_millis(250);
/// For a batch of moves; a frozen node costs its players this much.
const WRITE_WITHIN: Duration = Duration::from_millis(500);
const VIEW_WITHIN: Duration = Duration::from_millis(300);

/// How much is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaySpec {
    pub rooms: u32,
    /// Moves a second, over all rooms.
    pub rate: u32,
}

impl Default for PlaySpec {
    fn default() -> Self {
        Self { rooms: 200, rate: 500 }
    }
}

/// Players at work. Dropped, they stop; their rooms stay.
#[derive(Debug)]
pub struct Play {
    task: JoinHandle<()>,
    account: watch::Receiver<PlayAccount>,
}

impl Play {
    /// The source of the observations: no server, the demo itself.
    pub fn source() -> Address {
        Address::new("players", 1)
    }

    /// The account as last reported, a quarter of a second old at most.
    pub fn account(&self) -> PlayAccount {
        self.account.borrow().clone()
    }

    /// Waits until the account says so: for example that it is settled. False when the players have stopped before.
    pub async fn wait_for(&mut self, condition: impl FnMut(&PlayAccount) -> bool) -> bool {
        self.account.wait_for(condition).await.is_ok()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens the rooms and plays on. Emits [`Fact::Play`] four times a second, and at once when a gap begins or ends.
/// Players connect as these links do, on connections of their own: they never wait behind anybody else, nor anybody
/// behind them.
pub fn start(links: Links, seeds: Vec<Address>, spec: PlaySpec, clock: Clock, to: mpsc::Sender<Observation>) -> Play {
    let links = Links::new(links.settings().clone(), clock);
    let (told, account) = watch::channel(PlayAccount::default());
    let table = Workload::new(spec, &seeds, RandomState::new().build_hasher().finish());
    let task = tokio::spawn(run(links, table, clock, to, told));
    Play { task, account }
}

enum Done {
    Batch(Batch, Result<Vec<Reply>, Failure>),
    View(Address, Option<View>),
}

async fn run(links: Links, mut table: Workload, clock: Clock, to: mpsc::Sender<Observation>, told: watch::Sender<PlayAccount>) {
    let began = Instant::now();
    let mut doing: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut report_at, mut was) = (Duration::ZERO, (false, None));
    loop {
        tokio::select! {
            Some(done) = doing.next() => match done {
                Done::Batch(batch, result) => table.batch_done(batch, result, began.elapsed()),
                Done::View(address, view) => table.view_done(&address, view.as_ref(), began.elapsed()),
            },
            _ = ticks.tick() => table.step(began.elapsed(), clock.now().timestamp()),
        }
        for job in table.jobs.drain(..) {
            doing.push(carry_out(&links, job));
        }
        let now = began.elapsed();
        let is = (table.gap(now).is_some(), table.tally.account.stats.last_gap);
        if now >= report_at || is != was {
            was = is;
            report_at = now + REPORT;
            let account = table.account(now).clone();
            let observation = Observation { source: Play::source(), at: clock.now(), fact: Fact::Play(account.stats) };
            told.send_replace(account);
            // A reader that does not keep up misses a report: the next one says more.
            if let Err(mpsc::error::TrySendError::Closed(_)) = to.try_send(observation) {
                return;
            }
        }
    }
}

fn carry_out(links: &Links, job: PlayerJob) -> BoxFuture<'static, Done> {
    match job {
        PlayerJob::Batch(batch) => {
            let link = links.get(&batch.address, Lane::Work);
            Box::pin(async move {
                let asking = || Command::words("ASKING");
                let commands =
                    batch.pieces.iter().flat_map(|piece| piece.asking.then(asking).into_iter().chain([piece.command.clone()]));
                let commands: Vec<Command> = commands.collect();
                let result = link.pipeline(&commands, WRITE_WITHIN).await;
                Done::Batch(batch, result)
            })
        }
        PlayerJob::View(address) => {
            let link = links.get(&address, Lane::Work);
            Box::pin(async move {
                let reply = link.call_within(&Command::words("CLUSTER NODES"), VIEW_WITHIN).await;
                let text = reply.ok().and_then(|reply| reply.text());
                let view = text.and_then(|text| parse::nodes(&text, &address).ok());
                Done::View(address, view)
            })
        }
    }
}
