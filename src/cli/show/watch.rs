//! IO. `watch`: changes and alerts as they happen, one line each; also what the headless demo prints.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::alerts::{Thresholds, with_commands};
use crate::cli::args::Global;
use crate::cli::context::exit::{CommandResult, Exit};
use crate::cli::context::in_force;
use crate::cli::context::look;
use crate::cli::context::out;
use crate::cli::context::paint::Paint;
use crate::cli::show::events::Style;
use crate::cluster::{Fact, Model, Observation, Time};
use crate::link::Clock;
use crate::monitor::Monitor;
use crate::session::Session;

/// How often conclusions are drawn; facts arriving within it count as one moment.
const MOMENT: Duration = Duration::from_millis(100);

pub(crate) async fn run(duration: Option<Duration>, global: &Global) -> CommandResult {
    let config = in_force::config(global, true)?;
    let spec = look::spec(&config, true)?;
    let mut session = Session::open(spec, Clock::start());
    let style = Style { format: global.format, paint: Paint(out::colours()) };
    let mut follower = Follower::new(&config.cluster.name, config.alerts.clone(), style, in_force::invocation(global));
    let end = duration.map(|duration| Instant::now() + duration);
    let mut ticks = interval(MOMENT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(crate::cli::context::signals::stop());
    loop {
        tokio::select! {
            _ = &mut stop => break,
            () = until(end) => break,
            observation = session.next() => match observation {
                Some(observation) => follower.take(&observation),
                None => break,
            },
            _ = ticks.tick() => {
                if !follower.moment(session.clock().now()) {
                    break;
                }
                session.remember(&follower.model);
            }
        }
    }
    session.remember_now(&follower.model).await;
    let heard = follower.model.nodes().any(|node| node.last_answer.is_some());
    Ok(if heard { Exit::Done } else { Exit::Unreachable })
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Follows a cluster and says what is new about it.
pub(crate) struct Follower {
    pub model: Model,
    monitor: Monitor,
    style: Style,
    /// How this cluster is named on a command line.
    invocation: String,
    gap_told: bool,
}

impl Follower {
    pub(crate) fn new(name: &str, thresholds: Thresholds, style: Style, invocation: String) -> Self {
        let monitor = Monitor::new(thresholds);
        Self { model: monitor.model(name), monitor, style, invocation, gap_told: false }
    }

    fn print(&self, line: &str) -> bool {
        out::own(&format!("{}\n", self.style.written(line)))
    }

    pub(crate) fn take(&mut self, observation: &Observation) {
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
    pub(crate) fn moment(&mut self, now: Time) -> bool {
        // Until the first verdict, the picture is being drawn and not yet changing.
        let begun = self.monitor.has_told();
        let mut news = self.monitor.conclude(&mut self.model, now);
        let pasted = |says: &str| with_commands(says, |command| format!("`{} {command}`", self.invocation));
        for event in &mut news.alerts {
            event.alert.finding.remedy.says = pasted(&event.alert.finding.remedy.says);
        }
        let changes = news.changes.iter().filter(|_| begun);
        let mut lines: Vec<String> = changes.map(|change| self.style.change(change)).collect();
        lines.extend(news.alerts.iter().map(|event| self.style.alert(event)));
        if let Some(verdict) = news.verdict {
            lines.push(self.style.verdict(now, &self.model.name, verdict, &pasted(&self.monitor.headline.to_string())));
        }
        lines.iter().all(|line| self.print(line))
    }
}
