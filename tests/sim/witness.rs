//! IO. The program without a screen on the simulated cluster: session, model, alerts, and a diary of what they noticed when.

use std::collections::BTreeMap;
use std::time::Duration;

use rgc_tui::alerts::{self, AlertLog, Finding, Phase, Thresholds};
use rgc_tui::cluster::{ChangeKind, Fact, Health, Model, Node, Observation};
use rgc_tui::link::Clock;
use rgc_tui::session::Session;
use tokio::time::{Duration as Span, Instant, timeout_at};

use super::console::spec;
use crate::sim::Sim;

/// Conclusions are drawn this often.
const SETTLE: Span = Span::from_millis(50);

pub(crate) struct Witness {
    session: Session,
    pub(crate) model: Model,
    pub(crate) findings: Vec<Finding>,
    pub(crate) log: AlertLog,
    thresholds: Thresholds,
    start: Instant,
    /// Milliseconds since the witness came, and a line in node names.
    pub(crate) diary: Vec<(u64, String)>,
    /// Failed probes by node.
    pub(crate) troubles: BTreeMap<String, Vec<(u64, Health)>>,
    /// Replies to INFO by node, and the slowest PING.
    pub(crate) infos: BTreeMap<String, usize>,
    pub(crate) slowest: BTreeMap<String, Span>,
}

impl Witness {
    pub(crate) fn open(sim: &Sim, rooms: bool) -> Self {
        let spec = spec(sim, rooms);
        Self {
            model: Model::new(spec.name.clone()),
            session: Session::open(spec, Clock::start()),
            findings: Vec::new(),
            log: AlertLog::default(),
            thresholds: Thresholds::default(),
            start: Instant::now(),
            diary: Vec::new(),
            troubles: BTreeMap::new(),
            infos: BTreeMap::new(),
            slowest: BTreeMap::new(),
        }
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Watches for this long.
    pub(crate) async fn watch(&mut self, sim: &Sim, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let next = (Instant::now() + SETTLE).min(end);
            while let Ok(observation) = timeout_at(next, self.session.next()).await {
                self.take(sim, &observation.expect("the session is open"));
            }
            self.settle(sim);
        }
    }

    /// Watches until this holds; simulated minutes may pass, then the test fails.
    pub(crate) async fn until(&mut self, sim: &Sim, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(240);
        while !holds(self) {
            assert!(Instant::now() < deadline, "it never comes to this: {what}\n{}", self.tell(sim));
            self.watch(sim, SETTLE).await;
        }
    }

    fn take(&mut self, sim: &Sim, observation: &Observation) {
        self.model.apply(observation);
        let now = self.elapsed_ms();
        let name = sim.name_of(&observation.source).unwrap_or_default();
        match &observation.fact {
            Fact::Trouble(trouble) => self.troubles.entry(name).or_default().push((now, trouble.health)),
            Fact::Info(_) => *self.infos.entry(name).or_default() += 1,
            Fact::Pong(rtt) => {
                let slowest = self.slowest.entry(name).or_default();
                *slowest = (*slowest).max(*rtt);
            }
            _ => {}
        }
    }

    fn settle(&mut self, sim: &Sim) {
        let now = self.session.clock().now();
        let ms = self.elapsed_ms();
        for change in self.model.settle(now) {
            if !matches!(change.kind, ChangeKind::Joined(_)) {
                self.diary.push((ms, sim.in_names(&change.to_string())));
            }
        }
        self.findings = alerts::check(&self.model, &self.thresholds, now);
        for event in self.log.update(&self.findings, now) {
            let (word, finding) = (event.alert.phase.word(), &event.alert.finding);
            self.diary.push((ms, sim.in_names(&format!("{word} {} {}", finding.rule, finding.label))));
        }
    }

    pub(crate) fn node(&self, sim: &Sim, name: &str) -> &Node {
        let address = sim.address(name);
        self.model.node_at(&address).unwrap_or_else(|| panic!("{name} is not known: {}", self.tell(sim)))
    }

    pub(crate) fn finds(&self, sim: &Sim, rule: &str, label: &str) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule && sim.in_names(&finding.label).contains(label))
    }

    pub(crate) fn fires(&self, rule: &str) -> bool {
        self.log.alerts().iter().any(|alert| alert.finding.rule == rule && alert.phase == Phase::Firing)
    }

    pub(crate) fn tell(&self, sim: &Sim) -> String {
        let diary = self.diary.iter().map(|(at, line)| format!("{at:>7} ms {line}\n"));
        let findings = self.findings.iter().map(|f| sim.in_names(&format!("{} {}: {}\n", f.rule, f.label, f.message)));
        format!("--- diary\n{}--- findings\n{}", diary.collect::<String>(), findings.collect::<String>())
    }
}
