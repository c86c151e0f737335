//! What the pure parts cost: a poll round applied, rules checked, a home screen drawn, a rebalance planned.
//!
//! `cargo bench --bench pure`, or `cargo bench --bench pure -- apply` for one group. Budgets: a round of 1000 nodes under
//! 20 ms, a home screen of 6 nodes under 1 ms, of 1000 nodes and 100 000 rooms under 5 ms, a plan for 16384 slots over
//! 500 masters under 100 ms.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rgc_tui::alerts::{AlertLog, Thresholds, check, headline, verdict};
use rgc_tui::app::{App, Event, Settings, update};
use rgc_tui::cluster::sample::Sample;
use rgc_tui::cluster::{SlotSet, key_slot};
use rgc_tui::keys::Keymap;
use rgc_tui::plan::{Facts, Intent, Objective, Pace, SlotFact, SlotFacts, plan};
use rgc_tui::theme::Theme;

/// A round of 1000 nodes: PING and INFO of each, and as many views as a second may bring.
fn apply(criterion: &mut Criterion) {
    let mut sample = Sample::new(500, 1);
    sample.views_a_poll = 20;
    // Every node has told its view by now, as after an hour of watching.
    sample.seconds(50);
    let calm = sample.observations();
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(30);
    let model = sample.model.clone();
    group.bench_function("one round of 1000 nodes, nothing new", |bencher| {
        bencher.iter_batched(
            || model.clone(),
            |mut model| {
                calm.iter().for_each(|seen| model.apply(seen));
                black_box(model.settle(sample.now));
                model
            },
            BatchSize::PerIteration,
        );
    });
    let monitor = rgc_tui::monitor::Monitor::new(Thresholds::default());
    group.bench_function("one round of 1000 nodes through the monitor", |bencher| {
        bencher.iter_batched(
            || (model.clone(), monitor.clone()),
            |(mut model, mut monitor)| {
                calm.iter().for_each(|seen| model.apply(seen));
                black_box(monitor.conclude(&mut model, sample.now));
                (model, monitor)
            },
            BatchSize::PerIteration,
        );
    });
    let mut failing = sample.clone();
    failing.kill(7);
    failing.fail(7);
    failing.promote(507);
    let news = failing.observations();
    group.bench_function("one round of 1000 nodes, a failover in it", |bencher| {
        bencher.iter_batched(
            || model.clone(),
            |mut model| {
                news.iter().for_each(|seen| model.apply(seen));
                black_box(model.settle(failing.now));
                model
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("settle when every view is news", |bencher| {
        bencher.iter_batched(
            || {
                let mut model = model.clone();
                news.iter().for_each(|seen| model.apply(seen));
                model
            },
            |mut model| {
                black_box(model.settle(failing.now));
                model
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn alerts(criterion: &mut Criterion) {
    let thresholds = Thresholds::default();
    let mut group = criterion.benchmark_group("alerts");
    let mut well = Sample::new(500, 1).rooms(10_000);
    well.seconds(2);
    let mut ill = well.clone();
    (0..50).for_each(|node| ill.kill(node));
    ill.poll();
    for (name, sample) in [("1000 nodes, all well", &well), ("1000 nodes, 50 masters down", &ill)] {
        group.bench_function(format!("check of {name}"), |bencher| {
            bencher.iter(|| {
                let findings = check(&sample.model, &thresholds, sample.now);
                let line = headline(&sample.model, &findings, None);
                black_box((verdict(&sample.model, &findings), line, findings))
            });
        });
    }
    let findings = check(&ill.model, &thresholds, ill.now);
    let mut log = AlertLog::default();
    group.bench_function("alert log takes 100 findings in", |bencher| {
        bencher.iter(|| black_box(log.update(&findings, ill.now)).len());
    });
    group.finish();
}

fn app_of(sample: &Sample) -> App {
    let mut app = App::new(sample.model.clone(), Settings::default(), Keymap::default(), sample.now);
    update(&mut app, Event::Resize(120, 40), sample.now);
    update(&mut app, Event::Tick, sample.now);
    app.settle(sample.now);
    app
}

fn draw(criterion: &mut Criterion) {
    let Some(theme) = Theme::builtin("dusk") else { return };
    let mut group = criterion.benchmark_group("draw");
    let small = Sample::new(3, 1).rooms(1200);
    let mut large = Sample::new(500, 1).rooms(100_000);
    large.seconds(2);
    for (name, sample) in [("6 nodes", &small), ("1000 nodes and 100 000 rooms", &large)] {
        let mut app = app_of(sample);
        let area = Rect::new(0, 0, 120, 40);
        let mut buffer = Buffer::empty(area);
        group.bench_function(format!("home screen of {name}"), |bencher| {
            bencher.iter(|| {
                buffer.reset();
                rgc_tui::ui::paint(&app, &theme, sample.now, area, &mut buffer);
            });
        });
        let round = sample.clone().observations();
        group.sample_size(20);
        group.bench_function(format!("a round of {name} through update and settle"), |bencher| {
            bencher.iter_batched(
                || round.clone(),
                |round| {
                    for seen in round {
                        update(&mut app, Event::Observed(Box::new(seen)), sample.now);
                    }
                    black_box(app.settle(sample.now))
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// One of 500 masters has three times its share, and one has nothing; then half of them are emptied.
fn plans(criterion: &mut Criterion) {
    let sample = Sample::new(500, 1);
    let by_slot: BTreeMap<u16, SlotFact> = SlotSet::all()
        .iter()
        .map(|slot| {
            let mixed = u64::from(key_slot(&slot.to_be_bytes()));
            let (keys, bytes) = (50 + mixed % 40, 40_000 + mixed * 7);
            (
                slot,
                SlotFact {
                    keys,
                    bytes: if slot < 99 { bytes * 3 } else { bytes },
                    sized: keys,
                    biggest_bytes: 2_000,
                    ops: Some(12.0),
                },
            )
        })
        .collect();
    let facts = SlotFacts { by_slot, ..SlotFacts::default() };
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(20);
    for by in [Objective::Slots, Objective::Memory] {
        let intent =
            Intent::Rebalance { by, weights: BTreeMap::new(), use_empty: true, threshold_percent: 2.0, pace: Pace::default() };
        group.bench_function(format!("rebalance by {} of 16384 slots over 500 masters", by.word()), |bencher| {
            bencher.iter(|| black_box(plan(&intent, &Facts::with(&sample.model, &facts), sample.now)).is_ok());
        });
        let masters = sample.model.nodes().filter(|node| node.is_master()).map(|node| node.address.to_string());
        let uneven = masters.enumerate().map(|(at, name)| (name, if at % 2 == 0 { 0.0 } else { (1 + at % 7) as f64 }));
        let intent =
            Intent::Rebalance { by, weights: uneven.collect(), use_empty: true, threshold_percent: 2.0, pace: Pace::default() };
        group.bench_function(format!("empty half of 500 masters by {}, onto uneven shares", by.word()), |bencher| {
            bencher.iter(|| black_box(plan(&intent, &Facts::with(&sample.model, &facts), sample.now)).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, apply, alerts, draw, plans);
criterion_main!(benches);
