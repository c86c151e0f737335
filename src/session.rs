//! IO. One cluster, opened: wires link, watch and exec together for the console and the command line alike.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::{Address, Fact, Model, Observation, TopologyKind};
use crate::exec::{Executor, ExecutorSettings, Lock};
use crate::link::{Clock, LinkSettings, Links};
use crate::memory::{self, Keeper, Store};
use crate::watch::{self, Watch, WatchSettings};

/// Everything needed to open one cluster.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// What the operator calls it.
    pub name: String,
    pub topology: TopologyKind,
    pub link: LinkSettings,
    pub watch: WatchSettings,
    /// Where operations write down what they are about to do.
    pub journal_dir: PathBuf,
    /// Where what is known of clusters is kept from one run to the next; None: nothing is remembered.
    pub memory_dir: Option<PathBuf>,
    /// Whether operations may be carried out from the start.
    pub lock: Lock,
}

/// Observations that may wait for a reader.
const INBOX: usize = 1024;

/// An open cluster. Dropping it ends the watch and closes its connections.
#[derive(Debug)]
pub struct Session {
    spec: ClusterSpec,
    clock: Clock,
    links: Links,
    watch: Option<Watch>,
    to: mpsc::Sender<Observation>,
    inbox: mpsc::Receiver<Observation>,
    executor: Executor,
    /// Links that INFO came from.
    told: BTreeSet<Address>,
    keeper: Option<Keeper>,
}

impl Session {
    /// Starts watching; must be called inside a tokio runtime. Never fails: what cannot be reached is an observation.
    pub fn open(spec: ClusterSpec, clock: Clock) -> Self {
        let links = Links::new(spec.link.clone(), clock);
        let (to, inbox) = mpsc::channel(INBOX);
        let mut settings = spec.watch.clone();
        settings.standalone |= spec.topology == TopologyKind::Standalone;
        let watch = watch::start(links.clone(), settings, clock, to.clone());
        let place = ExecutorSettings { journal_dir: spec.journal_dir.clone(), cluster: spec.name.clone(), lock: spec.lock };
        let executor = Executor::new(links.clone(), clock, place);
        let keeper = spec.memory_dir.as_ref().filter(|_| spec.topology == TopologyKind::Cluster).map(|folder| {
            let (store, seeds) = (Arc::new(Store::new(folder)), spec.watch.seeds.clone());
            let (read, from, offer, to_model) = (store.clone(), seeds.clone(), watch.offer(), to.clone());
            tokio::task::spawn_blocking(move || {
                let remembered = read.read(&from);
                offer.offer(remembered.by_seed());
                let _ = to_model.blocking_send(memory::said(&from, remembered, clock.now()));
            });
            Keeper::new(store, seeds, to.clone())
        });
        Self { spec, clock, links, watch: Some(watch), to, inbox, executor, told: BTreeSet::new(), keeper }
    }

    /// Writes down what should outlive this run, when there is something new; never waits. To be called now and then.
    pub fn remember(&mut self, model: &Model) {
        if let Some(keeper) = &mut self.keeper {
            keeper.look(model, self.clock.now());
        }
    }

    /// The same for a program that is about to end.
    pub async fn remember_now(&self, model: &Model) {
        if let Some(keeper) = &self.keeper {
            keeper.finish(model, self.clock.now()).await;
        }
    }

    /// The next fact. Never None while the session is open.
    pub async fn next(&mut self) -> Option<Observation> {
        self.inbox.recv().await
    }

    /// A fact that is there already.
    pub fn try_next(&mut self) -> Option<Observation> {
        self.inbox.try_recv().ok()
    }

    /// A second door for facts, for what is learnt beside the watch: play, verification reads.
    pub fn sender(&self) -> mpsc::Sender<Observation> {
        self.to.clone()
    }

    /// Asks every node everything now.
    pub fn refresh(&self) {
        if let Some(watch) = &self.watch {
            watch.refresh();
        }
    }

    /// No more questions from here: for a program that only carries an operation out, which reads for itself.
    pub fn stop_watching(&mut self) {
        self.watch = None;
    }

    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    pub fn links(&self) -> &Links {
        &self.links
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Does the operations; a clone may be kept beside the session.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Feeds the model until every known node has answered or is known not to and the views agree on who is in the
    /// cluster (with `rooms`, also until every master's keys have been gone through), or `within` has passed.
    pub async fn discover(&mut self, model: &mut Model, within: Duration, rooms: bool) {
        let end = Instant::now() + within;
        if self.keeper.is_some() {
            model.expect_memory();
        }
        self.feed(model, end, None, is_discovered).await;
        // Whoever is asked second has as long to answer as who was asked first.
        if model.awaits_memory() || model.awaits_recall() || model.history().recall().is_some_and(|recall| !recall.in_vain) {
            self.feed(model, Instant::now() + within, None, is_discovered).await;
        }
        if rooms {
            self.feed(model, end, None, is_scanned).await;
        }
    }

    /// Feeds the model until every master that answers has had its keys gone through for rooms, or `within` has passed, or
    /// no room has come for `patience`.
    pub async fn scan(&mut self, model: &mut Model, within: Duration, patience: Duration) {
        self.feed(model, Instant::now() + within, Some(patience), is_scanned).await;
    }

    /// Two INFO replies of every node that answers, `apart` from each other, make its rates. Ends the watch, whose own
    /// questions would come in between.
    pub async fn rates(&mut self, model: &mut Model, apart: Duration) {
        self.stop_watching();
        while let Ok(observation) = self.inbox.try_recv() {
            self.hear(model, &observation);
        }
        model.forget_rates();
        sleep(apart).await;
        let timeout = self.spec.watch.timeout;
        for observation in watch::infos(&self.links, self.told.clone(), timeout).await {
            model.apply(&observation);
        }
        model.settle(self.clock.now());
    }

    fn hear(&mut self, model: &mut Model, observation: &Observation) {
        if matches!(observation.fact, Fact::Info(_)) {
            self.told.insert(observation.source.clone());
        }
        model.apply(observation);
    }

    async fn feed(&mut self, model: &mut Model, end: Instant, patience: Option<Duration>, done: fn(&Model) -> bool) {
        let mut patient = patience.map_or(end, |patience| Instant::now() + patience);
        loop {
            model.settle(self.clock.now());
            if done(model) {
                return;
            }
            let Ok(Some(mut observation)) = timeout_at(end.min(patient), self.next()).await else { return };
            loop {
                if let (Fact::Rooms(_), Some(patience)) = (&observation.fact, patience) {
                    patient = Instant::now() + patience;
                }
                self.hear(model, &observation);
                match self.inbox.try_recv() {
                    Ok(next) => observation = next,
                    Err(_) => break,
                }
            }
        }
    }
}

/// Nothing more to wait for before the picture can be shown.
fn is_discovered(model: &Model) -> bool {
    if !model.is_known() || model.awaits_memory() || model.awaits_recall() {
        return false;
    }
    let speaks = |node: &&crate::cluster::Node| node.health.is_well();
    let told_all = model.nodes().filter(speaks).all(|node| node.info.is_some() && (node.view.is_some() || is_standalone(node)));
    let mut members = model.views().map(|(_, view)| {
        let mut ids: Vec<_> = view.members.iter().filter(|member| !member.flags.handshake).map(|member| member.id).collect();
        ids.sort_unstable();
        ids
    });
    let first = members.next();
    told_all && members.all(|ids| Some(&ids) == first.as_ref())
}

/// Every room of the masters that answer has been seen. Without cluster mode there are no slots to tell a master by.
fn is_scanned(model: &Model) -> bool {
    let scanned = |node: &&crate::cluster::Node| node.is_master() && (node.slot_count > 0 || is_standalone(node));
    let masters = model.nodes().filter(|node| node.health.is_well()).filter(scanned).map(|node| &node.address);
    model.rooms().ended(masters)
}

fn is_standalone(node: &crate::cluster::Node) -> bool {
    node.info.as_ref().and_then(|info| info.mode.as_deref()).is_some_and(|mode| mode != "cluster")
}
