//! IO. Scenario files: one incident, readable by an operator. What happens, which keys are pressed, what the console then knows.
//!
//! Expectations are partial: only what is written is checked. `at` is checked at that moment, `between = [from, to]` must
//! hold at some moment in that window. Nodes are called `a`, `b`, `c` (masters at the start) and `a1`, `b1` (their replicas).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rgc_tui::cluster::opinions;
use serde::Deserialize;
use serde::de::Error as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::console::{Operator, Seen, with_console};
use crate::sim::{Fault, Settings, Sim};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    title: String,
    #[serde(default = "one")]
    seed: u64,
    #[serde(default)]
    cluster: ClusterLines,
    #[serde(default)]
    timeline: Vec<Happening>,
    #[serde(default)]
    keys: Vec<Keys>,
    #[serde(default)]
    ask: Vec<Ask>,
    expect: Vec<Expect>,
}

fn one() -> u64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClusterLines {
    masters: u16,
    replicas: u16,
    empty_masters: u16,
    node_timeout: Span,
    full_coverage: bool,
    write_rate: u64,
    rooms: u32,
    /// Width and height of the terminal.
    size: (u16, u16),
}

impl Default for ClusterLines {
    fn default() -> Self {
        Self {
            masters: 3,
            replicas: 1,
            empty_masters: 0,
            node_timeout: Span(Duration::from_secs(5)),
            full_coverage: true,
            write_rate: 20_000,
            rooms: 0,
            size: (120, 40),
        }
    }
}

/// Times as people write them: `3s`, `1500ms`, `2m 5s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map(Self).map_err(|error| D::Error::custom(format!("`{text}` is no time: {error}")))
    }
}

/// A fault, to one node or to several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Happening {
    at: Span,
    node: Option<String>,
    #[serde(default)]
    nodes: Vec<String>,
    fault: Fault,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    at: Span,
    press: String,
}

/// Somebody else types a command into redis-cli.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    at: Span,
    node: String,
    line: String,
    reply: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    at: Option<Span>,
    between: Option<(Span, Span)>,
    #[serde(default)]
    health: BTreeMap<String, String>,
    #[serde(default)]
    role: BTreeMap<String, String>,
    /// `rule` or `rule label`, nodes by their names here.
    #[serde(default)]
    findings: Vec<String>,
    #[serde(default)]
    absent: Vec<String>,
    /// Words in the message of one of the findings.
    #[serde(default)]
    message: Vec<String>,
    #[serde(default)]
    firing: Vec<String>,
    verdict: Option<String>,
    unserved: Option<usize>,
    open: Option<usize>,
    opinions: Option<usize>,
    rooms: Option<usize>,
    /// Words on the screen.
    #[serde(default)]
    screen: Vec<String>,
    /// Everything that was commanded so far, in order.
    commands: Option<Vec<String>>,
    /// How the newest operation ended, or `running`.
    operation: Option<String>,
}

impl Expect {
    fn window(&self) -> (Duration, Duration) {
        match (self.at, self.between) {
            (Some(at), None) => (at.0, at.0),
            (None, Some((from, to))) => (from.0, to.0),
            _ => panic!("an expectation has `at` or `between`: {self:?}"),
        }
    }

    /// What is not as expected, or nothing.
    fn unmet(&self, sim: &Sim, seen: &Seen) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |is: bool, what: String| {
            if !is {
                wrong.push(what);
            }
        };
        let (app, model) = (&seen.app, &seen.app.model);
        for (name, word) in &self.health {
            let health = model.node_at(&sim.address(name)).map(|node| node.health.word());
            check(health == Some(word), format!("health of {name}: {word} expected, {health:?} seen"));
        }
        for (name, word) in &self.role {
            let role = model.node_at(&sim.address(name)).map(|node| node.role.word());
            check(role == Some(word), format!("role of {name}: {word} expected, {role:?} seen"));
        }
        let found: Vec<String> =
            app.monitor.findings.iter().map(|finding| sim.in_names(&format!("{} {}", finding.rule, finding.label))).collect();
        let has = |wanted: &String| found.iter().any(|found| found == wanted || found.split(' ').next() == Some(wanted));
        for wanted in &self.findings {
            check(has(wanted), format!("finding `{wanted}` is not among {found:?}"));
        }
        for wanted in &self.absent {
            check(!has(wanted), format!("finding `{wanted}` should not be there: {found:?}"));
        }
        for words in &self.message {
            let says = |finding: &rgc_tui::alerts::Finding| sim.in_names(&finding.message).contains(words);
            check(app.monitor.findings.iter().any(says), format!("no finding says `{words}`"));
        }
        let firing: Vec<&str> = app
            .monitor
            .log
            .alerts()
            .iter()
            .filter(|alert| alert.phase == rgc_tui::alerts::Phase::Firing)
            .map(|alert| alert.finding.rule)
            .collect();
        for rule in &self.firing {
            check(firing.contains(&&**rule), format!("alert {rule} is not among those firing: {firing:?}"));
        }
        if let Some(verdict) = &self.verdict {
            check(
                app.monitor.verdict.word() == verdict,
                format!("verdict: {verdict} expected, {} seen", app.monitor.verdict.word()),
            );
        }
        if let Some(unserved) = self.unserved {
            let seen = model.topology().unserved().len();
            check(seen == unserved, format!("{unserved} unserved slots expected, {seen} seen"));
        }
        if let Some(open) = self.open {
            let seen = model.topology().open_slots().len();
            check(seen == open, format!("{open} open slots expected, {seen} seen"));
        }
        if let Some(count) = self.opinions {
            let seen = opinions(model.views()).len();
            check(seen == count, format!("{count} opinions expected, {seen} seen"));
        }
        if let Some(rooms) = self.rooms {
            check(model.rooms().len() == rooms, format!("{rooms} rooms expected, {} seen", model.rooms().len()));
        }
        // Columns may be padded otherwise one day: words count, not the gaps between them.
        let screen = sim.in_names(&seen.screen).split_whitespace().collect::<Vec<_>>().join(" ");
        for words in &self.screen {
            check(screen.contains(words), format!("`{words}` is not on the screen"));
        }
        if let Some(commands) = &self.commands {
            let sent = sim.operations();
            check(*commands == sent, format!("commands {commands:?} expected, {sent:?} sent"));
        }
        if let Some(word) = &self.operation {
            let newest = app.operations.first();
            let seen = newest.map(|operation| operation.report.as_ref().map_or("running", |report| report.outcome.word()));
            let reasons = newest.and_then(|operation| operation.report.as_ref()).map(|report| report.outcome.reasons().join("; "));
            check(seen == Some(word), format!("operation: {word} expected, {seen:?} seen ({reasons:?})"));
        }
        wrong
    }
}

enum Act<'a> {
    Fault(&'a Happening),
    Keys(&'a Keys),
    Ask(&'a Ask),
}

/// Runs one file; panics with the difference, the time and the last screen.
pub(crate) async fn run(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("{}", scenario.title);
    let lines = &scenario.cluster;
    let settings = Settings {
        masters: lines.masters,
        replicas: lines.replicas,
        empty_masters: lines.empty_masters,
        node_timeout_ms: lines.node_timeout.0.as_millis() as u64,
        full_coverage: lines.full_coverage,
        write_rate: lines.write_rate,
        rooms: lines.rooms,
        seed: scenario.seed,
        ..Settings::default()
    };
    let sim = Sim::start(settings).await;
    let rooms = lines.rooms > 0;
    with_console(&sim, lines.size, rooms, |operator| play(sim.clone(), &scenario, operator)).await;
    for (command, count) in sim.census() {
        println!("{count:>8} × {command}");
    }
}

async fn play(sim: Sim, scenario: &Scenario, operator: Operator) {
    let start = Instant::now();
    let mut acts: Vec<(Duration, Act<'_>)> = scenario.timeline.iter().map(|line| (line.at.0, Act::Fault(line))).collect();
    acts.extend(scenario.keys.iter().map(|line| (line.at.0, Act::Keys(line))));
    acts.extend(scenario.ask.iter().map(|line| (line.at.0, Act::Ask(line))));
    acts.sort_by_key(|(at, _)| *at);
    let mut acts = acts.into_iter().peekable();
    let mut open: Vec<&Expect> = scenario.expect.iter().collect();
    assert!(!open.is_empty(), "a scenario without expectations shows nothing");
    while !open.is_empty() {
        let now = start.elapsed();
        // What is expected at a moment is looked at before anything else happens at it.
        open.retain(|expect| {
            let (from, to) = expect.window();
            if now < from {
                return true;
            }
            let wrong = operator.look(|seen| expect.unmet(&sim, seen));
            if !wrong.is_empty() && now >= to {
                let (screen, diary) = operator.look(|seen| {
                    let changes = seen.app.changes.iter().map(|change| format!("{} {change}", change.at.format("%H:%M:%S%.3f")));
                    (seen.screen.clone(), changes.collect::<Vec<_>>().join("\n"))
                });
                panic!(
                    "{} at {now:?}:\n  {}\n\n{}\n\n{}",
                    scenario.title,
                    wrong.join("\n  "),
                    sim.in_names(&diary),
                    sim.in_names(&screen)
                );
            }
            !wrong.is_empty()
        });
        while let Some((_, act)) = acts.next_if(|(at, _)| *at <= now) {
            match act {
                Act::Fault(line) => {
                    for name in line.node.iter().chain(&line.nodes) {
                        sim.fault(name, line.fault.clone()).await;
                    }
                }
                Act::Keys(line) => operator.press(&line.press),
                Act::Ask(line) => ask(&sim, line).await,
            }
        }
        sleep_until(start + (now + Duration::from_millis(50)).max(start.elapsed())).await;
    }
    sleep(Duration::from_millis(1)).await;
}

async fn ask(sim: &Sim, line: &Ask) {
    let mut raw = sim.raw(&line.node).await.expect("the node accepts");
    let mut words = line.line.clone();
    let names: Vec<String> = sim.world().names().into_iter().rev().map(String::from).collect();
    for name in names {
        let id = {
            let id = sim.find(&name);
            sim.world().nodes[id].id.clone()
        };
        words = words.replace(&format!("@{name}"), &id);
    }
    let reply = raw.ask(&words).await.expect("the node replies").text().unwrap_or_default();
    if let Some(expected) = &line.reply {
        assert_eq!(sim.in_names(&reply), *expected, "{} says", line.node);
    }
}
