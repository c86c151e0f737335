//! IO. Plays a case: acts one after the other, then everybody is well again, `fix` alone puts things right, and the truth is
//! looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rgc_tui::cluster::{Model, SlotSet};
use rgc_tui::plan::{Intent, Mode, Objective, Pace, Report};
use tokio::time::{Instant, sleep};

use crate::case::{Act, Case, NEWCOMER, PLAYGROUND, Wish};
use crate::console::{Console, Done};
use crate::sim::{Fault, Settings, Sim};
use crate::truth::{self, Truth};

/// The masters at the start, which `a1` and so on follow, and the joining node.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Times that `fix` is asked for at the end.
const FIXES: usize = 6;
const ASKED_AGAIN: Duration = Duration::from_secs(5);

fn intent(sim: &Sim, case: &Case, wish: &Wish) -> Option<Intent> {
    let start = |shard: usize| (shard * 16384 / 3) as u16;
    let master = |shard: usize| Truth::master_of(sim, NAMES[shard]);
    Some(match wish {
        Wish::Move { from, at, count, to } => {
            let to = if to == from { (to + 1) % 3 } else { *to };
            Intent::MoveSlots { slots: (start(*from) + at..start(*from) + at + count).collect::<SlotSet>(), to: master(to) }
        }
        Wish::MoveRooms { of, to } => {
            Intent::MigrateRooms { codes: of.iter().map(|shard| Truth::room(*shard)).collect(), to: master(*to) }
        }
        Wish::Rebalance { .. } if case.small => return None,
        Wish::Rebalance { fast } => Intent::Rebalance {
            by: Objective::Slots,
            weights: BTreeMap::new(),
            use_empty: false,
            threshold_percent: 0.1,
            pace: if *fast { Pace::Fast } else { Pace::Calm },
        },
        // Not all slots: to count the keys of each takes longer than everything else here.
        Wish::Fix { back } => Intent::Fix { slots: Some(Truth::in_play(sim, PLAYGROUND)), roll_back: *back },
        Wish::Failover { shard, forced } => {
            let node = Truth::replica_of(sim, NAMES[*shard]);
            let mode = match forced {
                1 if Truth::is_in_step(sim, &node) => Mode::Force,
                2 if Truth::is_in_step(sim, &node) => Mode::Takeover,
                _ => Mode::Graceful,
            };
            Intent::Failover { node, mode }
        }
        // The others have so many slots that it would take longer than everything else.
        Wish::Drain { shard: 2 } if case.small => Intent::Drain { node: master(2) },
        Wish::Remove { shard: 2, replica: false } if case.small => Intent::Remove { node: master(2) },
        Wish::Remove { shard, .. } => Intent::Remove { node: Truth::replica_of(sim, NAMES[*shard]) },
        Wish::Forget { shard, replica: true } => Intent::Forget { node: Truth::replica_of(sim, NAMES[*shard]) },
        Wish::Forget { shard, .. } => Intent::Forget { node: sim.address(NAMES[*shard]).to_string() },
        Wish::Add => Intent::AddNode { address: sim.address(NAMES[NEWCOMER]), replica_of: None },
        Wish::Drain { .. } => return None,
    })
}

/// Gives what is wrong afterwards, each a sentence.
pub(crate) async fn play(case: &Case, consoles: usize) -> Vec<String> {
    let sim = Sim::start(Settings {
        node_timeout_ms: 2000,
        seed: case.seed,
        kind: case.kind,
        databases: case.databases,
        latency_ms: case.latency_ms,
        jitter_ms: case.jitter_ms,
        bus_jitter_ms: case.bus_jitter_ms,
        last_owns: if case.small { PLAYGROUND } else { 0 },
        ..Settings::default()
    })
    .await;
    sim.add_node(NAMES[NEWCOMER]);
    let truth = Truth::plant(&sim, PLAYGROUND);
    let mut all: Vec<Console> = (0..consoles).map(|number| Console::open(&sim, number, case.blind)).collect();
    let mut wrong = Vec::new();
    for (pause, act) in &case.acts {
        sleep(Duration::from_millis(*pause)).await;
        do_act(&sim, case, act, &mut all).await;
    }
    // The cluster gets well while the operations go on, or after them.
    let repair_first = case.seed.is_multiple_of(2);
    for round in 0..2 {
        if (round == 0) == repair_first {
            truth::heal(&sim, all.iter().map(|console| console.host)).await;
        } else {
            for console in &mut all {
                console.wait().await;
            }
        }
    }
    for console in &all {
        wrong.extend(console.never_ended.iter().map(|intent| format!("`{intent}` never ended")));
    }
    truth::heal(&sim, all.iter().map(|console| console.host)).await;
    if let Some(why) = truth::calm(&sim).await {
        wrong.push(format!("the cluster does not come to rest: {why}"));
        return wrong;
    }
    // `fix` alone puts everything right.
    let mut rounds = Vec::new();
    for _ in 0..FIXES {
        let executor = all[0].executor.clone();
        let mut model = Model::new("prod".to_string());
        executor.look(&mut model, &truth::seeds(&sim)).await;
        let intent = Intent::Fix { slots: Some(Truth::in_play(&sim, PLAYGROUND)), roll_back: false };
        match executor.plan(&intent, &model).await {
            Err(refusal) => {
                rounds.push(format!("refused: {refusal}"));
                if refusal.to_string().starts_with("nothing to do") {
                    break;
                }
                // It says what it could not see, and to ask again.
                sleep(ASKED_AGAIN).await;
            }
            Ok(plan) => {
                let report = executor.execute(plan, Arc::new(model)).report().await;
                rounds.push(format!("{}: {}", report.outcome.word(), report.outcome.reasons().join("; ")));
                let now = Instant::now();
                all[0].done.push(Done { console: 0, intent, began: now, ended: now, report, untrue: Vec::new() });
            }
        }
        truth::calm(&sim).await;
    }
    let done: Vec<&Done> = all.iter().flat_map(|console| &console.done).collect();
    let reports: Vec<&Report> = done.iter().map(|done| &done.report).collect();
    wrong.extend(truth.wrong(&sim, &reports));
    for one in done.iter().filter(|one| !one.untrue.is_empty()) {
        let alone = done.iter().all(|other| other.console == one.console || other.ended <= one.began || other.began >= one.ended);
        if alone && !all.iter().any(|console| console.was_killed) {
            wrong.push(format!("`{}` was called done, and slots {:?} are elsewhere", one.intent, one.untrue));
        }
    }
    if !wrong.is_empty() || std::env::var_os("RGC_STORM_TELL").is_some() {
        tell(&sim, &done, &rounds, !wrong.is_empty());
    }
    wrong
}

async fn do_act(sim: &Sim, case: &Case, act: &Act, all: &mut [Console]) {
    match act {
        Act::Begin { console, wish } => {
            if let Some(intent) = intent(sim, case, wish) {
                all[*console].begin(sim, intent).await;
            }
        }
        Act::Abort { console } => all[*console].abort(),
        Act::Kill { console } => all[*console].kill(sim).await,
        Act::DiskFull { console, after } => all[*console].fill_disk(*after),
        Act::Fault { shard, fault } => {
            let name = format!("{}{}", NAMES[*shard], if case.replica_suffers[*shard] { "1" } else { "" });
            // What nobody else has is lost whatever a console does.
            if *fault != Fault::Crash || Truth::is_spare(sim, &name) {
                sim.fault(&name, fault.clone()).await;
            }
        }
        Act::Cut { console, shard: None } => sim.join(all[*console].host).await,
        Act::Cut { console, shard: Some(shard) } => {
            let replica = format!("{}1", NAMES[*shard]);
            sim.cut(all[*console].host, &[NAMES[*shard], &replica]).await;
        }
        Act::Cancel { shard } => sim.cancel_migrations(NAMES[*shard]).await,
    }
}

fn tell(sim: &Sim, done: &[&Done], rounds: &[String], in_full: bool) {
    let (now, count) = {
        let world = sim.world();
        (world.now(), world.journal.len())
    };
    println!("{} simulated seconds, {count} commands", now / 1000);
    for one in done {
        let reasons = sim.in_names(&one.report.outcome.reasons().join("; "));
        println!("console {}: `{}` {} [{reasons}]", one.console, sim.in_names(&one.intent.to_string()), one.report.outcome.word());
    }
    println!("fix: {rounds:?}");
    if in_full && std::env::var_os("RGC_STORM_TELL").is_some() {
        for call in sim.story() {
            println!("  {call}");
        }
    }
}
