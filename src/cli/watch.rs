//! IO. `watch`: changes and alerts as they happen, one line each; also the voice of the headless demo.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::args::Global;
use super::events::Style;
use super::exit::{Ended, Exit};
use super::paint::Paint;
use super::{look, out, settle};
use crate::alerts::{self, AlertLog, Thresholds, Verdict};
use crate::cluster::{Fact, Health, Model, Observation, Time};
use crate::link::Clock;
use crate::session::Session;

/// How often conclusions are drawn; facts arriving within it count as one moment.
const MOMENT: Duration = Duration::from_millis(100);

pub(super) async fn run(duration: Option<Duration>, global: &Global) -> Ended {
    let config = settle::config(global, true)?;
    let spec = look::spec(&config, true)?;
    let mut session = Session::open(spec, Clock::start());
    let style = Style { format: global.format, paint: Paint(out::colours()) };
    let mut monitor = Monitor::new(&config.cluster.name, config.alerts.clone(), style);
    let end = duration.map(|duration| Instant::now() + duration);
    let mut ticks = interval(MOMENT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(super::signals::stop());
    loop {
        tokio::select! {
            _ = &mut stop => break,
            () = until(end) => break,
            observation = session.next() => match observation {
                Some(observation) => monitor.take(&observation),
                None => break,
            },
            _ = ticks.tick() => if !monitor.moment(session.clock().now()) { break },
        }
    }
    Ok(Exit::Done)
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Folds observations into a model and says what is new about it.
pub(super) struct Monitor {
    pub model: Model,
    thresholds: Thresholds,
    log: AlertLog,
    verdict: Option<Verdict>,
    style: Style,
    gap_told: bool,
}

impl Monitor {
    pub(super) fn new(name: &str, thresholds: Thresholds, style: Style) -> Self {
        let mut model = Model::new(name);
        model.slow = thresholds.latency;
        Self { model, thresholds, log: AlertLog::default(), verdict: None, style, gap_told: false }
    }

    fn print(&self, line: &str) -> bool {
        out::own(&format!("{}\n", self.style.written(line)))
    }

    pub(super) fn take(&mut self, observation: &Observation) {
        self.model.apply(observation);
        if let Fact::Play(play) = &observation.fact {
            // A gap is told when it ends: how long it was is what matters.
            if self.gap_told && play.gap.is_none() {
                self.print(&self.style.play(observation.at, play));
            }
            self.gap_told = play.gap.is_some();
        }
    }

    /// Draws conclusions and prints what is new; false when nobody reads any more.
    pub(super) fn moment(&mut self, now: Time) -> bool {
        let mut changes = self.model.settle(now);
        let findings = alerts::check(&self.model, &self.thresholds, now);
        let events = self.log.update(&findings, now);
        // As in the console: what has not stood for as long as its rule asks is not yet bad news.
        let findings = self.log.standing();
        let verdict = alerts::verdict(&self.model, &findings);
        // Until everybody has been asked once, the picture is being drawn and not yet changing.
        let asked = self.model.nodes().next().is_some() && self.model.nodes().all(|node| node.health != Health::Unknown);
        if self.verdict.is_none() {
            changes.clear();
        }
        let mut lines: Vec<String> = changes.iter().map(|change| self.style.change(change)).collect();
        lines.extend(events.iter().map(|event| self.style.alert(event)));
        if self.verdict != Some(verdict) && asked {
            self.verdict = Some(verdict);
            let headline = alerts::headline(&self.model, &findings, now);
            lines.push(self.style.verdict(now, &self.model.name, verdict, &headline));
        }
        lines.iter().all(|line| self.print(line))
    }
}
