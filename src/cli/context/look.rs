//! IO. One look at the cluster for commands that print and end: open, discover, conclude.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alerts::{Measurement, Verdict};
use crate::cli::args::{Global, Measure};
use crate::cli::context::exit::{Exit, Stop};
use crate::cli::context::in_force;
use crate::cli::context::out;
use crate::cli::context::picture::{LookPicture, Measured};
use crate::cluster::TopologyKind;
use crate::cluster::{Address, Health, Model, Node, RoomFound, key_slot};
use crate::config::Config;
use crate::escape;
use crate::exec::Lock;
use crate::link::{AddressMap, Clock, LinkSettings, TlsSettings};
use crate::monitor::{LOOKED_AT_AGAIN, Monitor};
use crate::session::{ClusterSpec, Session};
use crate::watch::{WatchSettings, look_up};

/// How long a look may take, however many nodes are silent.
const WITHIN: Duration = Duration::from_millis(1800);
/// A scan that was asked for, and brings nothing new for this long, is not waited for any more: a master does not answer.
const SCAN_PATIENCE: Duration = Duration::from_secs(5);
/// Keys of one master that a first scan goes through within that time.
const QUICKLY_SCANNED: u64 = 15_000;
/// And for an operation that needs to know every room.
const SCANNED_WITHIN: Duration = Duration::from_secs(300);
/// So that the last answers of that time are in.
const MARGIN: Duration = Duration::from_millis(100);
/// Two INFO replies this far apart give rates.
const APART: Duration = Duration::from_secs(1);
/// Between two polls, where one look is not enough.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The part of the configuration that a session is opened with.
pub(crate) fn spec(config: &Config, read_only: bool) -> Result<ClusterSpec, Stop> {
    let cluster = &config.cluster;
    if cluster.topology == TopologyKind::Sentinel {
        let says = "topology = \"sentinel\" is not supported yet: name a master's cluster nodes, or use topology = \"standalone\"";
        return Err(Stop::new(Exit::Config, says));
    }
    let mut address_map = AddressMap::default();
    for mapping in &cluster.address_map {
        let added = address_map.add(&mapping.from.to_string(), &mapping.to.to_string());
        added.map_err(|why| Stop::new(Exit::Config, format!("address_map: {why}")))?;
    }
    let link = LinkSettings {
        username: cluster.username.clone(),
        password: cluster.password.clone(),
        tls: cluster.tls.as_ref().map(|tls| TlsSettings {
            ca: tls.ca.clone(),
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            server_name: tls.server_name.clone(),
        }),
        connect_timeout: config.poll.timeout,
        timeout: config.poll.timeout,
        address_map,
        ..LinkSettings::default()
    };
    let topology = cluster.topology;
    let watch = WatchSettings {
        seeds: cluster.nodes.clone(),
        interval: config.poll.interval,
        timeout: config.poll.timeout,
        rooms: Some(config.rooms.key.clone()).filter(|key| !key.is_empty()),
        standalone: topology == TopologyKind::Standalone,
    };
    let (journal_dir, memory_dir) = (in_force::state_dir(&cluster.name), Some(in_force::memory_dir()));
    let lock = match (read_only, cluster.protected) {
        (true, _) => Lock::ReadOnly,
        (false, true) => Lock::Protected,
        (false, false) => Lock::Open,
    };
    Ok(ClusterSpec { name: cluster.name.clone(), topology, link, watch, journal_dir, memory_dir, lock })
}

/// A session with what it has seen so far.
pub(crate) struct Sight {
    pub config: Config,
    pub session: Session,
    /// How this cluster is named on a command line.
    invocation: String,
    pub model: Model,
    /// What has been concluded so far: since when what does not hold has been seen.
    monitor: Monitor,
    /// Masters are gone through for rooms.
    scans: bool,
    /// Rates have been measured.
    rated: bool,
}

impl Sight {
    /// Opens the cluster of the command line and asks every node once: as soon as all have answered, that is all, but for
    /// what the command line wants measured beside it.
    pub(crate) async fn take(global: &Global, measure: Measure) -> Result<Self, Stop> {
        let mut sight = Self::open(global, measure.rooms)?;
        sight.session.discover(&mut sight.model, WITHIN, false).await;
        sight.second_look().await;
        if sight.scans {
            sight.session.scan(&mut sight.model, SCANNED_WITHIN, SCAN_PATIENCE).await;
        }
        sight.rated = measure.rates;
        match measure.rates {
            true => sight.session.rates(&mut sight.model, APART).await,
            false => sight.model.forget_rates(),
        }
        sight.remember().await;
        Ok(sight)
    }

    /// Reads rooms by their codes where they live.
    pub(crate) async fn look_up(&self, codes: &[String]) -> BTreeMap<String, RoomFound> {
        let Some(key) = self.rooms_key() else { return BTreeMap::new() };
        let mut asked: BTreeMap<Address, Vec<String>> = BTreeMap::new();
        for code in codes {
            let owner = self.model.topology().owner(key_slot(&escape::bytes(code))).and_then(|id| self.model.node(id));
            // Without cluster mode any server has its own.
            let only = || self.model.nodes().find(|node| node.is_master() && self.topology() == TopologyKind::Standalone.word());
            if let Some(owner) = owner.or_else(only).filter(|node| node.health.is_alive()) {
                asked.entry(owner.address.clone()).or_default().push(code.clone());
            }
        }
        look_up(self.session.links(), key, asked, self.config.poll.timeout).await
    }

    fn rooms_key(&self) -> Option<&str> {
        Some(self.config.rooms.key.as_str()).filter(|key| !key.is_empty())
    }

    /// The same for an operation, which is planned with fresh facts of its own: rooms are waited for only where there are so few
    /// keys that they are found in a moment, or where the operation is about them.
    pub(crate) async fn before_an_operation(global: &Global, about_rooms: bool) -> Result<Self, Stop> {
        let mut sight = Self::open(global, true)?;
        let began = tokio::time::Instant::now();
        sight.session.discover(&mut sight.model, WITHIN, false).await;
        // Nobody is called gone who has not been looked for.
        sight.second_look().await;
        let keys = |node: &Node| node.info.as_ref().map_or(u64::MAX, |info| info.keys);
        let well = |node: &&Node| node.health.is_well();
        let quick = sight.model.nodes().filter(well).all(|node| keys(node) <= QUICKLY_SCANNED);
        if sight.scans && (about_rooms || quick) {
            let within = if about_rooms { SCANNED_WITHIN } else { WITHIN };
            sight.session.scan(&mut sight.model, within.saturating_sub(began.elapsed()), WITHIN).await;
        }
        sight.remember().await;
        Ok(sight)
    }

    /// Tells what of the state folder could not be read, and writes down what should outlive this run.
    async fn remember(&self) {
        for note in self.model.history().notes() {
            out::tell(&format!("rgc-tui: {note}"));
        }
        self.session.remember_now(&self.model).await;
    }

    fn open(global: &Global, rooms: bool) -> Result<Self, Stop> {
        let config = in_force::config(global, true)?;
        let mut spec = spec(&config, global.read_only)?;
        spec.watch.interval = LOOK_AGAIN;
        if !rooms {
            spec.watch.rooms = None;
        }
        let scans = spec.watch.rooms.is_some();
        let session = Session::open(spec, Clock::start());
        let monitor = Monitor::new(config.alerts.clone());
        let model = monitor.model(config.cluster.name.clone());
        Ok(Self { config, session, invocation: in_force::invocation(global), model, monitor, scans, rated: false })
    }

    /// What has to stand for a moment only is watched for that moment; what takes longer is shown as pending.
    async fn second_look(&mut self) {
        let now = self.session.clock().now();
        self.monitor.conclude(&mut self.model, now);
        let mut left = self.monitor.undecided(LOOKED_AT_AGAIN, now);
        // What takes the place of what was undecided has to stand, too.
        let end = tokio::time::Instant::now() + LOOKED_AT_AGAIN * 3 / 2;
        while let Some(wait) = left {
            let until = (tokio::time::Instant::now() + wait + MARGIN).min(end);
            let more = async {
                while let Some(observation) = self.session.next().await {
                    self.model.apply(&observation);
                    while let Some(observation) = self.session.try_next() {
                        self.model.apply(&observation);
                    }
                    // Whoever answers in between has not stood still.
                    let now = self.session.clock().now();
                    self.monitor.conclude(&mut self.model, now);
                }
            };
            let _ = tokio::time::timeout_at(until, more).await;
            let now = self.session.clock().now();
            self.monitor.conclude(&mut self.model, now);
            left =
                self.monitor.undecided(LOOKED_AT_AGAIN, now).filter(|_| until < end && self.monitor.verdict != Verdict::Critical);
        }
    }

    /// Nobody gave an answer that says anything: each seed's own reason, and what to do next.
    pub(crate) fn unreachable(&self) -> Option<Stop> {
        if self.model.nodes().any(|node| node.last_answer.is_some()) {
            return None;
        }
        let why = |seed: &Address| {
            let why = match self.model.node_at(seed) {
                Some(node) => match &node.trouble {
                    Some(trouble) if !trouble.detail.is_empty() => format!("{} ({})", trouble.health.says(), trouble.detail),
                    Some(trouble) => trouble.health.says().to_owned(),
                    None => node.health.says().to_owned(),
                },
                None => Health::Unknown.says().to_owned(),
            };
            format!("{seed} {why}")
        };
        let mut asked = self.config.cluster.nodes.iter().map(why);
        let first = asked.next().unwrap_or_default();
        let others: Vec<String> = asked.collect();
        let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
        let mut lines = vec![format!("no node of cluster `{}` tells of it: {first}{more}", self.config.cluster.name)];
        lines.extend(others.into_iter().map(|why| format!("  {why}")));
        if let Some(finding) = crate::alerts::check(&self.model, &self.config.alerts, self.session.clock().now())
            .into_iter()
            .find(|finding| finding.rule == "cluster.recalled")
        {
            lines.push(format!("  {}", finding.message));
        }
        lines.push(self.next_step());
        Some(Stop::new(Exit::Unreachable, lines.join("\n")))
    }

    /// Operations that somebody's console or command began and did not end: named before anything else is done or shown.
    pub(crate) async fn tell_unfinished(&self) {
        let unfinished = self.session.executor().unfinished(&self.model.name).await;
        for unfinished in unfinished.iter().filter(|unfinished| unfinished.concerns(&self.model)) {
            out::tell(&format!("rgc-tui: {}", unfinished.says(&self.model)));
        }
    }

    fn next_step(&self) -> String {
        let any = |healths: &[Health]| self.model.nodes().any(|node| healths.contains(&node.health));
        let step = if any(&[Health::NoAuth, Health::WrongPass]) {
            "check `username` and `password` of [cluster]; with --node: --user and the variable RGC_TUI_PASSWORD"
        } else if any(&[Health::NoPerm]) {
            "give the user +ping +info +cluster|nodes +cluster|info +client|setname"
        } else if any(&[Health::Tls]) {
            "check `tls` of [cluster]: its CA, the client certificate, and whether the port speaks TLS at all"
        } else if any(&[Health::Garbage]) {
            "check the port: something else than Redis or Valkey listens there, or it speaks TLS (`tls` of [cluster])"
        } else if any(&[Health::Busy]) {
            "it runs a script or function that does not end: `SCRIPT KILL` or `FUNCTION KILL` there (they are answered \
             meanwhile), or name another node with --node HOST:PORT"
        } else if any(&[Health::Full]) {
            "it has no free client slot: raise maxclients or close clients there (from a connection that is open), or name \
             another node with --node HOST:PORT"
        } else if any(&[Health::Loading]) {
            "it is loading its data: wait, or name another node with --node HOST:PORT"
        } else if any(&[Health::Closed]) {
            "it closes every connection: check whether the port speaks TLS (`tls` of [cluster]), and a proxy in between"
        } else if any(&[Health::Frozen]) && self.config.cluster.tls.is_some() {
            "it accepts connections and says nothing to a TLS greeting: check `tls` of [cluster], the port may be one without TLS (and \
             a port that speaks TLS has another number); else see what its process does: stopped, swapping or in a long command"
        } else if any(&[Health::Frozen]) {
            "it accepts connections and does not answer: see what its process does there (stopped, swapping, in a long command), or \
             name another node with --node HOST:PORT"
        } else if any(&[Health::Refused]) {
            "check host and port, and that the servers run; `rgc-tui demo` starts a cluster to play with"
        } else {
            "check the network between here and there, or name another node with --node HOST:PORT"
        };
        format!("  next: {step}")
    }

    /// As configured, unless every server says that it is none of a cluster.
    fn topology(&self) -> &'static str {
        let mut modes = self.model.nodes().filter_map(|node| node.info.as_ref()?.mode.as_deref()).peekable();
        let alone = modes.peek().is_some() && modes.all(|mode| mode == "standalone");
        if alone { TopologyKind::Standalone.word() } else { self.config.cluster.topology.word() }
    }

    /// Draws the conclusions. `self` stays open for operations.
    pub(crate) fn picture(&self) -> LookPicture {
        let now = self.session.clock().now();
        let mut model = self.model.clone();
        let mut monitor = self.monitor.clone();
        // What was measured over a while, or from key to key, is no trouble of a moment.
        let measured = [(Measurement::Rates, self.rated), (Measurement::Rooms, self.scans)];
        monitor.measured = measured.into_iter().filter_map(|(need, done)| done.then_some(need)).collect();
        monitor.conclude(&mut model, now);
        // As the defaults are, a cluster was asked for.
        if self.topology() == TopologyKind::Standalone.word()
            && self.config.cluster.topology == TopologyKind::Cluster
            && monitor.headline.next.is_none()
        {
            let says = "nothing, if that is meant (topology = \"standalone\" in the file says so); else name a node of the cluster with --node HOST:PORT";
            monitor.headline.next = Some(says.into());
        }
        let verdict = if self.unreachable().is_some() { Verdict::Unknown } else { monitor.verdict };
        let topology = self.topology();
        let scans = |node: &&Node| node.is_master() && (node.slot_count > 0 || topology == TopologyKind::Standalone.word());
        let rooms_complete = self.scans && model.rooms().complete(model.nodes().filter(scans).map(|node| &node.address));
        let rated = |node: &Node| node.rates.cpu_percent.is_some();
        let rates = self.rated && model.nodes().filter(|node| node.health.is_well()).all(rated);
        let measured = Measured { rates, rooms: self.scans, rooms_complete };
        LookPicture { monitor, verdict, topology, measured, invocation: self.invocation.clone(), now, model }
    }
}
