//! IO. Keeps one task for every node worth asking: seeds first, then whomever the answering nodes name.
//!
//! A node may be known by two addresses: the one it announces and a seed's name for it, or an old and a new one. Both
//! links may run, but only one of them speaks; the others stand by, muted, until they are needed or not named any more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::detour::Detours;
use super::latest_queue::LatestQueue;
use super::membership::{fingerprint, members};
use super::poller::{Mute, PollerConfig, PollerControl, PollerNews, watch};
use super::recall::Recaller;
use super::rooms::{ScanMemory, Scans, Template};
use super::{Offer, WatchSettings, schedule};
use crate::cluster::{Address, Fact, Health, NodeId, Observation, View};
use crate::link::{Clock, Lane, Links};

/// Whom nobody names any more is watched this much longer.
const GRACE: Duration = Duration::from_secs(3);
/// A seed that has another name for a node is tried again when the node has been in trouble for this long.
const SECOND_CHANCE: Duration = Duration::from_secs(5);
/// Between two refreshes of all views.
const REFRESH_GAP: Duration = Duration::from_millis(300);
/// For grace and second chances.
const TICK: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contact {
    Nothing,
    Alive,
    Trouble,
}

/// One poller and what the supervisor knows of its node.
struct Supervised {
    control: Arc<PollerControl>,
    _task: AbortOnDropHandle<()>,
    heard: Contact,
    since: Instant,
    view: Option<(u64, Arc<View>)>,
    /// Where a seed's name leads.
    places: Vec<Address>,
    /// The member behind this address, by its own word or as far as can be told.
    node: Option<NodeId>,
    /// How it last failed to answer.
    trouble: Option<Health>,
    unnamed: Option<Instant>,
}

impl Supervised {
    fn is_alive(&self) -> bool {
        self.heard == Contact::Alive
    }
}

pub(super) struct Supervisor {
    links: Links,
    settings: WatchSettings,
    clock: Clock,
    queue: LatestQueue,
    template: Option<Template>,
    memory: ScanMemory,
    observations: mpsc::Sender<Observation>,
    pollers: BTreeMap<Address, Supervised>,
    members: BTreeMap<NodeId, Address>,
    /// Seeds that turned out to be another name for a member with a working link.
    retired: HashMap<Address, NodeId>,
    to: mpsc::Sender<(Address, PollerNews)>,
    from: mpsc::Receiver<(Address, PollerNews)>,
    views_changed: bool,
    refresh: bool,
    refreshed: Instant,
    turn: usize,
    recall: Recaller,
    detours: Detours,
}

impl Supervisor {
    pub(super) fn new(
        links: Links,
        settings: WatchSettings,
        clock: Clock,
        queue: LatestQueue,
        observations: mpsc::Sender<Observation>,
        offer: Offer,
    ) -> Self {
        let (to, from) = mpsc::channel(256);
        let template = settings.rooms.as_deref().and_then(Template::read);
        let detours = Detours::new(offer.clone());
        Self {
            links,
            settings,
            clock,
            queue,
            template,
            memory: ScanMemory::default(),
            observations,
            pollers: BTreeMap::new(),
            members: BTreeMap::new(),
            retired: HashMap::new(),
            to,
            from,
            views_changed: false,
            refresh: false,
            refreshed: Instant::now(),
            turn: 0,
            recall: Recaller::new(offer),
            detours,
        }
    }

    pub(super) async fn run(mut self, refresh: Arc<Notify>) {
        let seeds = self.settings.seeds.clone();
        for seed in &seeds {
            let mute = if self.settings.standalone || seeds.len() == 1 { Mute::No } else { Mute::Troubles };
            self.begin_polling(seed, mute, None);
        }
        let mut tick = Instant::now() + TICK;
        loop {
            let wake = if self.refresh { tick.min(self.refreshed + REFRESH_GAP) } else { tick };
            tokio::select! {
                Some((address, news)) = self.from.recv() => {
                    self.note(&address, news);
                    while let Ok((address, news)) = self.from.try_recv() {
                        self.note(&address, news);
                    }
                }
                () = refresh.notified() => self.refresh = true,
                () = sleep_until(wake) => tick = tick.max(Instant::now()) + TICK,
            }
            if !self.settings.standalone {
                self.reconcile();
            }
            if self.refresh && self.refreshed.elapsed() >= REFRESH_GAP {
                self.poke();
            }
        }
    }

    fn note(&mut self, address: &Address, news: PollerNews) {
        if self.recall.is_stranger(address, &news) || self.detours.leads_nowhere(address, &news) {
            return self.end(address);
        }
        let seed_answers = matches!(news, PollerNews::Alive(_)) && self.settings.seeds.contains(address);
        if let Some(fact) = seed_answers.then(|| self.recall.over()).flatten() {
            self.say(fact);
        }
        let Some(poller) = self.pollers.get_mut(address) else { return };
        let mut hears = |heard| {
            if std::mem::replace(&mut poller.heard, heard) != heard {
                poller.since = Instant::now();
            }
        };
        match news {
            PollerNews::Places(places) => poller.places = places,
            PollerNews::Trouble(health) => {
                self.recall.note_trouble(address, health);
                poller.trouble = Some(health);
                hears(Contact::Trouble);
                self.refresh = true;
            }
            PollerNews::Alive(view) => {
                hears(Contact::Alive);
                poller.trouble = None;
                if let Some(view) = view {
                    poller.node = view.myself().map(|me| me.id);
                    poller.view = Some((fingerprint(&view), view));
                    self.refresh = true;
                }
            }
        }
        self.views_changed = true;
    }

    /// Starts a task for an address that has none.
    fn begin_polling(&mut self, address: &Address, mute: Mute, node: Option<NodeId>) {
        if self.pollers.contains_key(address) {
            return;
        }
        let control = Arc::new(PollerControl::new(mute));
        let task = tokio::spawn(watch(PollerConfig {
            link: self.links.get(address, Lane::Probe),
            clock: self.clock,
            interval: self.settings.interval,
            timeout: self.settings.timeout,
            standalone: self.settings.standalone,
            queue: self.queue.clone(),
            supervisor: self.to.clone(),
            control: control.clone(),
            scans: self
                .template
                .clone()
                .map(|template| Scans::new(self.links.clone(), template, self.memory.clone(), self.observations.clone())),
        }));
        if self.settings.seeds.contains(address) {
            let (links, to, seed) = (self.links.clone(), self.to.clone(), address.clone());
            tokio::spawn(async move {
                let places = links.places(&seed).await;
                let _ = to.send((seed, PollerNews::Places(places))).await;
            });
        }
        let poller = Supervised {
            control,
            _task: AbortOnDropHandle::new(task),
            heard: Contact::Nothing,
            since: Instant::now(),
            view: None,
            places: Vec::new(),
            node,
            trouble: None,
            unnamed: None,
        };
        self.pollers.insert(address.clone(), poller);
        self.resize();
    }

    fn resize(&self) {
        for poller in self.pollers.values() {
            poller.control.set_size(self.pollers.len(), self.settings.interval);
        }
    }

    fn end(&mut self, address: &Address) {
        if self.pollers.remove(address).is_some() {
            self.links.forget(address);
            self.resize();
        }
    }

    /// Makes the tasks fit what the answering nodes say.
    fn reconcile(&mut self) {
        let views: Vec<(u64, &View)> = self
            .pollers
            .values()
            .filter(|poller| poller.is_alive())
            .filter_map(|poller| poller.view.as_ref().map(|(print, view)| (*print, &**view)))
            .collect();
        if views.is_empty() {
            return self.without_views();
        }
        if std::mem::take(&mut self.views_changed) {
            self.members = members(views);
            self.take_on();
            self.identify();
            self.choose_speakers();
            self.tell_announced();
        }
        self.look_elsewhere();
        self.dismiss();
        self.second_chances();
    }

    /// Nobody tells who is in the cluster: everybody stays, and seeds say what is wrong once all of them have been tried.
    fn without_views(&mut self) {
        let seeds: Vec<Address> = self.settings.seeds.clone();
        for seed in &seeds {
            match self.retired.remove(seed) {
                // Only another name for a node that has its own task: it stands by.
                Some(node) => self.begin_polling(seed, Mute::All, Some(node)),
                None => self.begin_polling(seed, Mute::Troubles, None),
            }
        }
        if self.pollers.values().all(|poller| poller.heard != Contact::Nothing) {
            for poller in seeds.iter().filter_map(|seed| self.pollers.get(seed)) {
                if poller.control.mute() == Mute::Troubles {
                    poller.control.set_mute(Mute::No);
                }
            }
            self.ask_remembered();
        }
    }

    /// No seed tells who is in the cluster: nodes that are remembered may. They stay mute until it is known that they are
    /// still nodes of that cluster.
    fn ask_remembered(&mut self) {
        let somebody = self.pollers.values().any(Supervised::is_alive);
        if let Some(nodes) = self.recall.begin(somebody, &self.settings.seeds) {
            for (id, address) in nodes {
                self.begin_polling(&address, Mute::All, Some(id));
            }
        }
        let tried = |address: &Address| self.pollers.get(address).is_none_or(|poller| poller.heard != Contact::Nothing);
        if let Some(fact) = self.recall.news(tried) {
            self.say(fact);
        }
    }

    fn say(&self, fact: Fact) {
        let source = self.settings.seeds.first().cloned().unwrap_or_else(|| Address::new("nowhere", 1));
        self.queue.push(Observation { source, at: self.clock.now(), fact });
    }

    /// A task for every member; muted when another link already speaks for it.
    fn take_on(&mut self) {
        let spoken_for: BTreeSet<NodeId> =
            self.pollers.values().filter(|poller| poller.is_alive()).filter_map(|poller| poller.node).collect();
        let missing: Vec<(NodeId, Address)> = self
            .members
            .iter()
            .filter(|(_, address)| !self.pollers.contains_key(address))
            .map(|(id, at)| (*id, at.clone()))
            .collect();
        for (id, address) in missing {
            let mute = if spoken_for.contains(&id) { Mute::All } else { Mute::No };
            self.begin_polling(&address, mute, Some(id));
        }
    }

    /// Which member is behind each address: by its own word, by most members' word, or because a seed's name leads there.
    fn identify(&mut self) {
        let by_address: HashMap<&Address, NodeId> = self.members.iter().map(|(id, address)| (address, *id)).collect();
        for (address, poller) in &mut self.pollers {
            if poller.is_alive() && poller.node.is_some() {
                continue;
            }
            let alias = || {
                if poller.places.is_empty() {
                    return None;
                }
                let leads_to = |announced: &Address| poller.places.contains(&self.links.dialled(announced));
                let mut found = self.members.iter().filter(|(_, announced)| leads_to(announced)).map(|(id, _)| *id);
                found.next().filter(|_| found.next().is_none())
            };
            poller.node = by_address.get(address).copied().or(poller.node).or_else(alias);
        }
    }

    /// One link speaks for each member: one that answers rather than not, then the announced address.
    fn choose_speakers(&mut self) {
        let mut by_node: BTreeMap<NodeId, Vec<Address>> = BTreeMap::new();
        let decided = self.pollers.values().all(|poller| poller.heard != Contact::Nothing || poller.node.is_some());
        for (address, poller) in &self.pollers {
            match poller.node {
                Some(node) => by_node.entry(node).or_default().push(address.clone()),
                // A seed that is nobody's other name is shown for what it is.
                None if decided && !poller.places.is_empty() => poller.control.set_mute(Mute::No),
                None => {}
            }
        }
        for (node, mut links) in by_node {
            let announced = self.members.get(&node);
            links.sort_by_key(|address| {
                let poller = self.pollers.get(address);
                let alive = poller.is_some_and(Supervised::is_alive);
                let speaks = poller.is_some_and(|poller| poller.control.mute() == Mute::No);
                (!alive, if alive { Some(address) != announced } else { !speaks }, Some(address) != announced)
            });
            let Some((speaker, others)) = links.split_first() else { continue };
            let settled = Some(speaker) == announced && self.pollers.get(speaker).is_some_and(Supervised::is_alive);
            if let Some(poller) = self.pollers.get(speaker) {
                poller.control.set_mute(Mute::No);
            }
            for other in others {
                if settled {
                    if self.settings.seeds.contains(other) {
                        self.retired.insert(other.clone(), node);
                    }
                    self.end(other);
                } else if let Some(poller) = self.pollers.get(other) {
                    poller.control.set_mute(Mute::All);
                }
            }
        }
    }

    /// How the announced address of a node answers that is reached at another one.
    fn tell_announced(&self) {
        for (address, poller) in self.pollers.iter().filter(|(_, poller)| poller.is_alive() && poller.control.mute() == Mute::No) {
            let announced = poller.node.and_then(|node| self.members.get(&node)).filter(|announced| *announced != address);
            let trouble = announced.and_then(|announced| self.pollers.get(announced)?.trouble);
            poller.control.set_announced(trouble.filter(|health| health.is_down()));
        }
    }

    /// A node that does not answer where it is announced may have announced a wrong address: asked for at the places where it
    /// may be, and believed only when it tells its id.
    fn look_elsewhere(&mut self) {
        let reached: BTreeSet<NodeId> =
            self.pollers.values().filter(|poller| poller.is_alive()).filter_map(|poller| poller.node).collect();
        let down = |address: &Address| self.pollers.get(address).and_then(|poller| poller.trouble).is_some_and(Health::is_down);
        let missing = self.members.iter().filter(|(id, address)| !reached.contains(id) && down(address));
        let mut places = Vec::new();
        for (id, announced) in missing.take(Detours::AT_ONCE) {
            let mut views = self.pollers.values().filter_map(|poller| poller.view.as_ref());
            let bus_port = views.find_map(|(_, view)| view.member(*id)).map(|member| member.bus_port);
            places.extend(self.detours.places(*id, announced, bus_port, &self.settings.seeds));
        }
        let taken: BTreeSet<&Address> = self.members.values().chain(&self.settings.seeds).collect();
        places.retain(|(_, place)| !taken.contains(place) && !self.pollers.contains_key(place));
        for (id, place) in places {
            if self.detours.tries(&place, id) {
                self.begin_polling(&place, Mute::All, None);
            }
        }
    }

    /// Ends tasks of addresses that nobody has named for a while; seeds stay.
    fn dismiss(&mut self) {
        let named: BTreeSet<&Address> = self.members.values().collect();
        let mut gone = Vec::new();
        for (address, poller) in &mut self.pollers {
            let speaks_for_member =
                poller.control.mute() == Mute::No && poller.node.is_some_and(|node| self.members.contains_key(&node));
            if named.contains(address) || self.settings.seeds.contains(address) || (speaks_for_member && poller.is_alive()) {
                poller.unnamed = None;
            } else if poller.unnamed.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                gone.push(address.clone());
            }
        }
        for address in &gone {
            self.end(address);
        }
    }

    /// Retired seeds come back when the member they led to has gone or has been in trouble for long.
    fn second_chances(&mut self) {
        let back: Vec<(Address, NodeId)> = self
            .retired
            .iter()
            .filter(|(_, node)| match self.members.get(node).and_then(|address| self.pollers.get(address)) {
                Some(poller) => poller.heard == Contact::Trouble && poller.since.elapsed() >= SECOND_CHANCE,
                None => true,
            })
            .map(|(seed, node)| (seed.clone(), *node))
            .collect();
        for (seed, node) in back {
            self.retired.remove(&seed);
            if self.members.contains_key(&node) {
                self.begin_polling(&seed, Mute::All, Some(node));
            } else {
                self.begin_polling(&seed, Mute::Troubles, None);
            }
        }
    }

    /// Everybody is asked now; of a large cluster a few, in turn.
    fn poke(&mut self) {
        self.refresh = false;
        self.refreshed = Instant::now();
        let count = schedule::views_at_once(self.pollers.len());
        for poller in self.pollers.values().cycle().skip(self.turn).take(count) {
            poller.control.poke.notify_one();
        }
        self.turn = (self.turn + count) % self.pollers.len().max(1);
    }
}
