//! IO. One look at the cluster for commands that print and end: open, survey, conclude.

use std::time::Duration;

use super::args::Global;
use super::exit::{Exit, Stop};
use super::picture::Picture;
use super::{out, settle};
use crate::alerts::{self, Finding};
use crate::cluster::{Health, Model};
use crate::config::{Config, Kind};
use crate::link::{AddressMap, Clock, LinkSettings, TlsSettings};
use crate::session::{ClusterSpec, Session, TopologyKind};
use crate::watch::WatchSettings;

/// How long a look may take, however many nodes are silent.
const WITHIN: Duration = Duration::from_millis(1800);
/// Keys of one master that a first sweep goes through within that time.
const QUICKLY_SWEPT: u64 = 15_000;
/// And for a deed that needs to know every room.
const SWEPT_WITHIN: Duration = Duration::from_secs(300);
/// Two INFO replies this far apart give rates.
const APART: Duration = Duration::from_millis(250);

/// The part of the configuration that a session is opened with.
pub(super) fn spec(config: &Config, read_only: bool) -> Result<ClusterSpec, Stop> {
    let cluster = &config.cluster;
    if cluster.topology == Kind::Sentinel {
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
            ..TlsSettings::default()
        }),
        connect_timeout: config.poll.timeout,
        timeout: config.poll.timeout,
        address_map,
        ..LinkSettings::default()
    };
    let topology = match cluster.topology {
        Kind::Cluster => TopologyKind::Cluster,
        Kind::Sentinel => TopologyKind::Sentinel,
        Kind::Standalone => TopologyKind::Standalone,
    };
    let watch = WatchSettings {
        seeds: cluster.nodes.clone(),
        interval: config.poll.interval,
        timeout: config.poll.timeout,
        rooms: Some(config.rooms.key.clone()).filter(|key| !key.is_empty()),
        standalone: topology == TopologyKind::Standalone,
    };
    Ok(ClusterSpec { name: cluster.name.clone(), topology, link, watch, journal_dir: settle::state_dir(&cluster.name), read_only })
}

/// A session with what it has seen so far.
pub(super) struct Sight {
    pub config: Config,
    pub session: Session,
    pub model: Model,
    /// Found at a first look already.
    found_before: Vec<Finding>,
}

impl Sight {
    /// Opens the cluster of the command line and asks every node, for as long as a person is willing to wait.
    pub(super) async fn take(global: &Global, rooms: bool) -> Result<Self, Stop> {
        let mut sight = Self::open(global, rooms)?;
        sight.session.survey(&mut sight.model, WITHIN, rooms).await;
        sight.rates().await;
        sight.second_look().await;
        Ok(sight)
    }

    /// The same for a deed, which is planned with fresh facts of its own: rooms are waited for only where there are so few
    /// keys that they are found in a moment, or where the deed is about them.
    pub(super) async fn before_a_deed(global: &Global, about_rooms: bool) -> Result<Self, Stop> {
        let mut sight = Self::open(global, true)?;
        let began = tokio::time::Instant::now();
        sight.session.survey(&mut sight.model, WITHIN, false).await;
        let keys = |node: &crate::cluster::Node| node.info.as_ref().map_or(0, |info| info.keys);
        let quick = sight.model.nodes().all(|node| keys(node) <= QUICKLY_SWEPT);
        if about_rooms || quick {
            let within = if about_rooms { SWEPT_WITHIN } else { WITHIN };
            sight.session.survey(&mut sight.model, within.saturating_sub(began.elapsed()), true).await;
        }
        Ok(sight)
    }

    fn open(global: &Global, rooms: bool) -> Result<Self, Stop> {
        let config = settle::config(global, true)?;
        let mut spec = spec(&config, global.read_only)?;
        spec.watch.interval = APART;
        if !rooms {
            spec.watch.rooms = None;
        }
        let session = Session::open(spec, Clock::start());
        let mut model = Model::new(config.cluster.name.clone());
        model.slow = config.alerts.latency;
        Ok(Self { config, session, model, found_before: Vec::new() })
    }

    /// Rules that allow a moment's trouble are only held against what is still so at a second look.
    async fn second_look(&mut self) {
        self.found_before = self.check();
        if self.found_before.iter().any(takes_time) {
            let more = async {
                while let Some(observation) = self.session.next().await {
                    self.model.apply(&observation);
                }
            };
            let _ = tokio::time::timeout(APART * 2, more).await;
        }
    }

    fn check(&mut self) -> Vec<Finding> {
        let now = self.session.clock().now();
        self.model.settle(now);
        alerts::check(&self.model, &self.config.alerts, now)
    }

    /// Waits for a second INFO of every node that answers: CPU, operations and errors are differences.
    async fn rates(&mut self) {
        let lacking = |model: &Model| {
            let mut well = model.nodes().filter(|node| node.health.is_well() && node.info.is_some());
            well.any(|node| node.rates.cpu_percent.is_none())
        };
        let more = async {
            while lacking(&self.model) {
                let Some(observation) = self.session.next().await else { break };
                self.model.apply(&observation);
            }
        };
        let _ = tokio::time::timeout(APART * 3, more).await;
    }

    /// Nobody gave an answer that says anything: each seed's own reason, and what to do next.
    pub(super) fn unreachable(&self) -> Option<Stop> {
        if self.model.nodes().any(|node| node.last_answer.is_some()) {
            return None;
        }
        let mut lines = vec![format!("no node of cluster `{}` gives an answer", self.config.cluster.name)];
        for seed in &self.config.cluster.nodes {
            let why = match self.model.node_at(seed) {
                Some(node) => match &node.trouble {
                    Some(trouble) if !trouble.detail.is_empty() => format!("{} ({})", trouble.health.says(), trouble.detail),
                    Some(trouble) => trouble.health.says().to_owned(),
                    None => node.health.says().to_owned(),
                },
                None => Health::Unknown.says().to_owned(),
            };
            lines.push(format!("  {seed} {why}"));
        }
        lines.push(self.next_step());
        Some(Stop::new(Exit::Unreachable, lines.join("\n")))
    }

    /// Operations that somebody's console or command began and did not end: named before anything else is done or shown.
    pub(super) fn tell_unfinished(&self) {
        let unfinished = self.session.executor().unfinished(&self.model.name);
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
        if alone { Kind::Standalone.word() } else { self.config.cluster.topology.word() }
    }

    /// Draws the conclusions. `self` stays open for deeds.
    pub(super) fn picture(&self) -> Picture {
        let now = self.session.clock().now();
        let model = self.model.clone();
        let mut findings = alerts::check(&model, &self.config.alerts, now);
        let before =
            |finding: &Finding| self.found_before.iter().any(|old| old.rule == finding.rule && old.subject == finding.subject);
        findings.retain(|finding| !takes_time(finding) || before(finding));
        let verdict = if self.unreachable().is_some() { alerts::Verdict::Unknown } else { alerts::verdict(&model, &findings) };
        let headline = alerts::headline(&model, &findings, now);
        let masters: Vec<_> =
            model.nodes().filter(|node| node.is_master() && node.slot_count > 0).map(|node| node.address.clone()).collect();
        let rooms_complete = model.rooms().complete(&masters);
        Picture { findings, verdict, headline, topology: self.topology(), rooms_complete, now, model }
    }
}

/// Its rule allows it for a while.
fn takes_time(finding: &Finding) -> bool {
    alerts::rule(finding.rule).is_some_and(|rule| !rule.for_.is_zero())
}
