//! PURE. The slot protocol, proven: a model of what servers do with slots, and over it consoles that carry out the very steps of
//! `plan::protocol`, in every order in which commands, messages, crashes and failovers can come.
//!
//! `PROTOCOL_WAYS=0` looks at all states of the scenarios that are too large for every run; `tests/long.sh` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; the model has four nodes and two slots"
)]

use slot_model::check::check;
use slot_model::console::{self, Task};
use slot_model::model::{Fault, Scenario};
use slot_model::old;
use slot_model::protocol::Direction;
use slot_model::server::{self, A, B, C, Cluster, Rules};

/// Ways looked at in every run, the shortest first; most scenarios are through before.
const WAYS: usize = 1_000_000;

fn limit() -> usize {
    std::env::var("PROTOCOL_WAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(WAYS)
}

/// The source has the highest epoch: the hardest for a claim.
fn start() -> Cluster {
    Cluster::new([3, 2, 1])
}

fn scenario(rules: Rules, tasks: Vec<Task>, fault: Fault) -> Scenario {
    Scenario { rules, start: start(), tasks, fault, may_lose: false, repairs: false, in_turn: false, limit: limit() }
}

/// Half of each slot's keys have gone from a to b, and nobody is at it any more.
fn half_moved() -> Cluster {
    let mut cluster = start();
    for slot in 0..server::SLOTS {
        cluster.nodes[B].importing[slot] = A as u8;
        cluster.nodes[A].migrating[slot] = B as u8;
        (cluster.nodes[A].keys[slot], cluster.nodes[B].keys[slot]) = (0b01, 0b10);
    }
    cluster
}

/// No property is broken in any state.
fn holds(scenario: Scenario, name: &str) {
    let began = std::time::Instant::now();
    let checked = check(scenario);
    let all = if checked.whole { "all" } else { "the nearest" };
    println!("{name}: {all} {} states, depth {}, {:.1} s", checked.states, checked.depth, began.elapsed().as_secs_f64());
    assert_eq!(checked.broken, None, "{name}: {}", checked.broken.as_deref().unwrap_or_default());
}

/// The model finds a loss.
fn finds_loss(scenario: Scenario, name: &str) {
    let checked = check(Scenario { limit: 0, ..scenario });
    let broken = checked.broken.unwrap_or_default();
    println!("{name}: {} states, {}", checked.states, broken.lines().next().unwrap_or_default());
    if std::env::var_os("PROTOCOL_SHOW").is_some() {
        println!("{broken}");
    }
    assert!(broken.contains("lost"), "{name}: nothing found in {} states", checked.states);
}

#[test]
fn slot_by_slot_there_and_back_loses_keys() {
    let mut scenario = scenario(Rules::Redis7, vec![Task::Script(old::there_and_back(A, B))], Fault::None);
    scenario.start = half_moved();
    finds_loss(scenario, "slot by slot");
}

#[test]
fn two_targets_lost_keys() {
    let tasks = vec![Task::Script(old::moved(A, B, &[0, 1])), Task::Script(old::moved(A, C, &[0, 1]))];
    finds_loss(scenario(Rules::Redis7, tasks, Fault::None), "two targets");
}

#[test]
fn a_takeover_in_mid_move_lost_keys_without_a_word() {
    let tasks = vec![Task::Script(old::moved(A, B, &[0, 1]))];
    finds_loss(scenario(Rules::Redis7, tasks, Fault::Takeover), "takeover");
}

#[test]
fn one_console_moves() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        for fault in [Fault::None, Fault::Crash, Fault::Failover, Fault::Takeover] {
            let mut scenario = scenario(rules, vec![Task::Move { from: A, to: B }], fault);
            scenario.repairs = true;
            holds(scenario, &format!("one move, {rules:?}, {fault:?}"));
        }
    }
}

/// A group is open before the one before it is over.
#[test]
fn one_console_moves_in_groups() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        for fault in [Fault::None, Fault::Crash, Fault::Failover, Fault::Takeover] {
            let mut scenario = scenario(rules, vec![Task::MoveApart { from: A, to: B }], fault);
            scenario.repairs = true;
            holds(scenario, &format!("one move in groups, {rules:?}, {fault:?}"));
        }
    }
}

/// What the target had said before its last claim comes after it, and is noted for good: then whoever takes the slot loses it.
#[test]
fn groups_of_which_not_all_was_heard_lost_keys_on_the_way_back() {
    let mut scenario = one_after_the_other(Rules::Redis7, Task::MoveApart { from: B, to: A });
    scenario.tasks[0] = Task::Script(console::moved_apart(A, B, Rules::Redis7));
    finds_loss(scenario, "groups after groups");
}

#[test]
fn two_consoles_move_in_groups() {
    let apart = |to| Task::MoveApart { from: A, to };
    for rules in [Rules::Redis7, Rules::Valkey8] {
        two(rules, start(), [apart(B), apart(C)], "groups to two targets");
        two(rules, start(), [apart(B), apart(B)], "groups to the same target");
        for direction in [Direction::On, Direction::Back, Direction::BackAtOnce] {
            two(rules, start(), [apart(B), Task::Fix(direction)], &format!("groups and fix {direction:?}"));
        }
        for to in [A, C] {
            let mut scenario = one_after_the_other(rules, Task::MoveApart { from: B, to });
            (scenario.tasks[0], scenario.repairs) = (apart(B), true);
            holds(scenario, &format!("groups after groups, to {to}, {rules:?}"));
        }
    }
}

#[test]
fn one_console_rolls_back() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        let mut scenario = scenario(rules, vec![Task::Fix(Direction::Back)], Fault::None);
        (scenario.start, scenario.repairs) = (half_moved(), true);
        holds(scenario, &format!("roll back, {rules:?}"));
    }
}

/// Two consoles on two machines, and what each is at.
fn two(rules: Rules, start: Cluster, tasks: [Task; 2], name: &str) {
    let mut scenario = scenario(rules, tasks.to_vec(), Fault::None);
    (scenario.start, scenario.repairs) = (start, true);
    // A master that was marked as importing on a look from before the claim takes the slots, where servers do that, if it hears
    // that their source gave them up before it hears to whom. No order of the commands of one console can keep another from it.
    scenario.may_lose = rules == Rules::Valkey8;
    holds(scenario, &format!("{name}, {rules:?}"));
}

/// What the first one was when it ended is no secret of its process: the second one asks the servers.
fn one_after_the_other(rules: Rules, second: Task) -> Scenario {
    let mut scenario = scenario(rules, vec![Task::Move { from: A, to: B }, second], Fault::None);
    scenario.in_turn = true;
    scenario
}

#[test]
fn an_operation_right_after_another_lost_keys() {
    for to in [A, C] {
        let again = Task::Script(console::moved(B, to, Rules::Valkey8));
        finds_loss(one_after_the_other(Rules::Valkey8, again), &format!("right after, to {to}"));
    }
}

#[test]
fn an_operation_right_after_another_waits_until_that_is_heard() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        for to in [A, C] {
            let mut scenario = one_after_the_other(rules, Task::Move { from: B, to });
            scenario.repairs = true;
            holds(scenario, &format!("one move after another, to {to}, {rules:?}"));
        }
    }
}

#[test]
fn two_consoles_move_to_different_targets() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        two(rules, start(), [Task::Move { from: A, to: B }, Task::Move { from: A, to: C }], "move and move");
    }
}

#[test]
fn two_consoles_move_to_the_same_target() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        two(rules, start(), [Task::Move { from: A, to: B }, Task::Move { from: A, to: B }], "the same move twice");
    }
}

#[test]
fn one_moves_and_one_repairs() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        for direction in [Direction::On, Direction::Back, Direction::BackAtOnce] {
            let name = format!("move and fix {direction:?}");
            two(rules, start(), [Task::Move { from: A, to: B }, Task::Fix(direction)], &name);
        }
    }
}

#[test]
fn two_repair() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        for (one, other) in [(Direction::On, Direction::On), (Direction::On, Direction::Back), (Direction::Back, Direction::Back)] {
            two(rules, half_moved(), [Task::Fix(one), Task::Fix(other)], &format!("fix {one:?} and fix {other:?}"));
        }
    }
}
