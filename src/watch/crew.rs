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
use super::node::{Brief, Control, Mute, News, watch};
use super::outbox::Outbox;
use super::recall::Recaller;
use super::rooms::{Sweeps, Template};
use super::roster::{fingerprint, roster};
use super::{Offer, WatchSettings, beat};
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
enum Heard {
    Nothing,
    Alive,
    Trouble,
}

/// One node task and what the crew knows of it.
struct Seat {
    control: Arc<Control>,
    _task: AbortOnDropHandle<()>,
    heard: Heard,
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

impl Seat {
    fn is_alive(&self) -> bool {
        self.heard == Heard::Alive
    }
}

pub(super) struct Crew {
    links: Links,
    settings: WatchSettings,
    clock: Clock,
    outbox: Outbox,
    template: Option<Template>,
    observations: mpsc::Sender<Observation>,
    seats: BTreeMap<Address, Seat>,
    roster: BTreeMap<NodeId, Address>,
    /// Seeds that turned out to be another name for a member with a working link.
    retired: HashMap<Address, NodeId>,
    to: mpsc::Sender<(Address, News)>,
    from: mpsc::Receiver<(Address, News)>,
    views_changed: bool,
    refresh: bool,
    refreshed: Instant,
    turn: usize,
    recall: Recaller,
    detours: Detours,
}

impl Crew {
    pub(super) fn new(
        links: Links,
        settings: WatchSettings,
        clock: Clock,
        outbox: Outbox,
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
            outbox,
            template,
            observations,
            seats: BTreeMap::new(),
            roster: BTreeMap::new(),
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
            self.seat(seed, mute, None);
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

    fn note(&mut self, address: &Address, news: News) {
        if self.recall.is_stranger(address, &news) || self.detours.leads_nowhere(address, &news) {
            return self.end(address);
        }
        let seed_answers = matches!(news, News::Alive(_)) && self.settings.seeds.contains(address);
        if let Some(fact) = seed_answers.then(|| self.recall.over()).flatten() {
            self.say(fact);
        }
        let Some(seat) = self.seats.get_mut(address) else { return };
        let mut hears = |heard| {
            if std::mem::replace(&mut seat.heard, heard) != heard {
                seat.since = Instant::now();
            }
        };
        match news {
            News::Places(places) => seat.places = places,
            News::Trouble(health) => {
                self.recall.note_trouble(address, health);
                seat.trouble = Some(health);
                hears(Heard::Trouble);
                self.refresh = true;
            }
            News::Alive(view) => {
                hears(Heard::Alive);
                seat.trouble = None;
                if let Some(view) = view {
                    seat.node = view.myself().map(|me| me.id);
                    seat.view = Some((fingerprint(&view), view));
                    self.refresh = true;
                }
            }
        }
        self.views_changed = true;
    }

    /// Starts a task for an address that has none.
    fn seat(&mut self, address: &Address, mute: Mute, node: Option<NodeId>) {
        if self.seats.contains_key(address) {
            return;
        }
        let control = Arc::new(Control::new(mute));
        let task = tokio::spawn(watch(Brief {
            link: self.links.get(address, Lane::Probe),
            clock: self.clock,
            interval: self.settings.interval,
            timeout: self.settings.timeout,
            standalone: self.settings.standalone,
            outbox: self.outbox.clone(),
            crew: self.to.clone(),
            control: control.clone(),
            sweeps: self.template.clone().map(|template| Sweeps::new(self.links.clone(), template, self.observations.clone())),
        }));
        if self.settings.seeds.contains(address) {
            let (links, to, seed) = (self.links.clone(), self.to.clone(), address.clone());
            tokio::spawn(async move {
                let places = links.places(&seed).await;
                let _ = to.send((seed, News::Places(places))).await;
            });
        }
        let seat = Seat {
            control,
            _task: AbortOnDropHandle::new(task),
            heard: Heard::Nothing,
            since: Instant::now(),
            view: None,
            places: Vec::new(),
            node,
            trouble: None,
            unnamed: None,
        };
        self.seats.insert(address.clone(), seat);
        self.resize();
    }

    fn resize(&self) {
        for seat in self.seats.values() {
            seat.control.set_size(self.seats.len(), self.settings.interval);
        }
    }

    fn end(&mut self, address: &Address) {
        if self.seats.remove(address).is_some() {
            self.links.forget(address);
            self.resize();
        }
    }

    /// Makes the tasks fit what the answering nodes say.
    fn reconcile(&mut self) {
        let views: Vec<(u64, &View)> = self
            .seats
            .values()
            .filter(|seat| seat.is_alive())
            .filter_map(|seat| seat.view.as_ref().map(|(print, view)| (*print, &**view)))
            .collect();
        if views.is_empty() {
            return self.without_views();
        }
        if std::mem::take(&mut self.views_changed) {
            self.roster = roster(views);
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
                Some(node) => self.seat(seed, Mute::All, Some(node)),
                None => self.seat(seed, Mute::Troubles, None),
            }
        }
        if self.seats.values().all(|seat| seat.heard != Heard::Nothing) {
            for seat in seeds.iter().filter_map(|seed| self.seats.get(seed)) {
                if seat.control.mute() == Mute::Troubles {
                    seat.control.set_mute(Mute::No);
                }
            }
            self.ask_remembered();
        }
    }

    /// No seed tells who is in the cluster: nodes that are remembered may. They stay mute until it is known that they are
    /// still nodes of that cluster.
    fn ask_remembered(&mut self) {
        let somebody = self.seats.values().any(Seat::is_alive);
        if let Some(nodes) = self.recall.begin(somebody, &self.settings.seeds) {
            for (id, address) in nodes {
                self.seat(&address, Mute::All, Some(id));
            }
        }
        let tried = |address: &Address| self.seats.get(address).is_none_or(|seat| seat.heard != Heard::Nothing);
        if let Some(fact) = self.recall.news(tried) {
            self.say(fact);
        }
    }

    fn say(&self, fact: Fact) {
        let source = self.settings.seeds.first().cloned().unwrap_or_else(|| Address::new("nowhere", 1));
        self.outbox.push(Observation { source, at: self.clock.now(), fact });
    }

    /// A task for every member; muted when another link already speaks for it.
    fn take_on(&mut self) {
        let spoken_for: BTreeSet<NodeId> =
            self.seats.values().filter(|seat| seat.is_alive()).filter_map(|seat| seat.node).collect();
        let missing: Vec<(NodeId, Address)> =
            self.roster.iter().filter(|(_, address)| !self.seats.contains_key(address)).map(|(id, at)| (*id, at.clone())).collect();
        for (id, address) in missing {
            let mute = if spoken_for.contains(&id) { Mute::All } else { Mute::No };
            self.seat(&address, mute, Some(id));
        }
    }

    /// Which member is behind each address: by its own word, by the roster's, or because a seed's name leads there.
    fn identify(&mut self) {
        let by_address: HashMap<&Address, NodeId> = self.roster.iter().map(|(id, address)| (address, *id)).collect();
        for (address, seat) in &mut self.seats {
            if seat.is_alive() && seat.node.is_some() {
                continue;
            }
            let alias = || {
                if seat.places.is_empty() {
                    return None;
                }
                let leads_to = |announced: &Address| seat.places.contains(&self.links.dialled(announced));
                let mut found = self.roster.iter().filter(|(_, announced)| leads_to(announced)).map(|(id, _)| *id);
                found.next().filter(|_| found.next().is_none())
            };
            seat.node = by_address.get(address).copied().or(seat.node).or_else(alias);
        }
    }

    /// One link speaks for each member: one that answers rather than not, then the announced address.
    fn choose_speakers(&mut self) {
        let mut by_node: BTreeMap<NodeId, Vec<Address>> = BTreeMap::new();
        let decided = self.seats.values().all(|seat| seat.heard != Heard::Nothing || seat.node.is_some());
        for (address, seat) in &self.seats {
            match seat.node {
                Some(node) => by_node.entry(node).or_default().push(address.clone()),
                // A seed that is nobody's other name is shown for what it is.
                None if decided && !seat.places.is_empty() => seat.control.set_mute(Mute::No),
                None => {}
            }
        }
        for (node, mut links) in by_node {
            let announced = self.roster.get(&node);
            links.sort_by_key(|address| {
                let seat = self.seats.get(address);
                let alive = seat.is_some_and(Seat::is_alive);
                let speaks = seat.is_some_and(|seat| seat.control.mute() == Mute::No);
                (!alive, if alive { Some(address) != announced } else { !speaks }, Some(address) != announced)
            });
            let Some((speaker, others)) = links.split_first() else { continue };
            let settled = Some(speaker) == announced && self.seats.get(speaker).is_some_and(Seat::is_alive);
            if let Some(seat) = self.seats.get(speaker) {
                seat.control.set_mute(Mute::No);
            }
            for other in others {
                if settled {
                    if self.settings.seeds.contains(other) {
                        self.retired.insert(other.clone(), node);
                    }
                    self.end(other);
                } else if let Some(seat) = self.seats.get(other) {
                    seat.control.set_mute(Mute::All);
                }
            }
        }
    }

    /// How the announced address of a node answers that is reached at another one.
    fn tell_announced(&self) {
        for (address, seat) in self.seats.iter().filter(|(_, seat)| seat.is_alive() && seat.control.mute() == Mute::No) {
            let announced = seat.node.and_then(|node| self.roster.get(&node)).filter(|announced| *announced != address);
            let trouble = announced.and_then(|announced| self.seats.get(announced)?.trouble);
            seat.control.set_announced(trouble.filter(|health| health.is_down()));
        }
    }

    /// A node that does not answer where it is announced may have announced a wrong address: asked for at the places where it
    /// may be, and believed only when it tells its id.
    fn look_elsewhere(&mut self) {
        let reached: BTreeSet<NodeId> = self.seats.values().filter(|seat| seat.is_alive()).filter_map(|seat| seat.node).collect();
        let down = |address: &Address| self.seats.get(address).and_then(|seat| seat.trouble).is_some_and(Health::is_down);
        let missing = self.roster.iter().filter(|(id, address)| !reached.contains(id) && down(address));
        let mut places = Vec::new();
        for (id, announced) in missing.take(Detours::AT_ONCE) {
            let mut views = self.seats.values().filter_map(|seat| seat.view.as_ref());
            let bus_port = views.find_map(|(_, view)| view.member(*id)).map(|member| member.bus_port);
            places.extend(self.detours.places(*id, announced, bus_port, &self.settings.seeds));
        }
        let taken: BTreeSet<&Address> = self.roster.values().chain(&self.settings.seeds).collect();
        places.retain(|(_, place)| !taken.contains(place) && !self.seats.contains_key(place));
        for (id, place) in places {
            if self.detours.tries(&place, id) {
                self.seat(&place, Mute::All, None);
            }
        }
    }

    /// Ends tasks of addresses that nobody has named for a while; seeds stay.
    fn dismiss(&mut self) {
        let named: BTreeSet<&Address> = self.roster.values().collect();
        let mut gone = Vec::new();
        for (address, seat) in &mut self.seats {
            let speaks_for_member =
                seat.control.mute() == Mute::No && seat.node.is_some_and(|node| self.roster.contains_key(&node));
            if named.contains(address) || self.settings.seeds.contains(address) || (speaks_for_member && seat.is_alive()) {
                seat.unnamed = None;
            } else if seat.unnamed.get_or_insert_with(Instant::now).elapsed() >= GRACE {
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
            .filter(|(_, node)| match self.roster.get(node).and_then(|address| self.seats.get(address)) {
                Some(seat) => seat.heard == Heard::Trouble && seat.since.elapsed() >= SECOND_CHANCE,
                None => true,
            })
            .map(|(seed, node)| (seed.clone(), *node))
            .collect();
        for (seed, node) in back {
            self.retired.remove(&seed);
            if self.roster.contains_key(&node) {
                self.seat(&seed, Mute::All, Some(node));
            } else {
                self.seat(&seed, Mute::Troubles, None);
            }
        }
    }

    /// Everybody is asked now; of a large cluster a few, in turn.
    fn poke(&mut self) {
        self.refresh = false;
        self.refreshed = Instant::now();
        let count = beat::views_at_once(self.seats.len());
        for seat in self.seats.values().cycle().skip(self.turn).take(count) {
            seat.control.poke.notify_one();
        }
        self.turn = (self.turn + count) % self.seats.len().max(1);
    }
}
