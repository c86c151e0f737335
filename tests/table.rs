//! PURE. The table of repairs, line by line: what is said of every state that a slot can be in on three masters, and what
//! becomes of each where servers do as the model says.
//!
//! `RGC_TABLE_EVERY=31` carries more of the repairs out; `tests/long.sh` does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use slot_model::carried::{self, End, Start};
use slot_model::server::Rules;
use slot_model::table::{self, Tally};

#[test]
fn every_line_of_the_table_is_sound() {
    let first = table::all_said(0);
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while let Some(&said) = first.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = table::check_all(said).unwrap_or_else(|why| panic!("{why}"));
                    all.lock().unwrap().add(&tally);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!("{} cases: {:?}", all.cases, all.said);
    assert_eq!(all.said.len(), 9, "every answer is given somewhere");
}

/// Of so many starts one is carried out in every run; `RGC_TABLE_EVERY` says otherwise.
const EVERY: u64 = 1009;

fn every() -> u64 {
    std::env::var("RGC_TABLE_EVERY").map_or(EVERY, |text| text.parse().unwrap())
}

/// From every start: no key is lost, and either the slot ends closed with all keys at its owner, or somebody is asked who can
/// help.
#[test]
fn every_repair_ends_whole_or_asks() {
    for rules in [Rules::Redis7, Rules::Valkey8] {
        let seen = Mutex::new(HashSet::new());
        let (next, ends) = (AtomicU64::new(0), Mutex::new(BTreeMap::<End, u64>::new()));
        let (all, every) = (carried::starts(rules), every());
        let work = || {
            loop {
                let nth = next.fetch_add(every, Ordering::Relaxed);
                if nth >= all {
                    return;
                }
                let start = carried::settled(nth, rules);
                if !seen.lock().unwrap().insert(start.clone()) {
                    continue;
                }
                for direction in table::DIRECTIONS {
                    let end = carried::fix(rules, &mut start.clone(), direction);
                    let end =
                        end.unwrap_or_else(|why| panic!("{rules:?} {direction:?} {:?}: {why}\n{start:?}", Start::nth(nth, rules)));
                    *ends.lock().unwrap().entry(end).or_default() += 1;
                }
            }
        };
        std::thread::scope(|threads| {
            threads.spawn(work);
            threads.spawn(work);
        });
        let seen = seen.into_inner().unwrap().len();
        println!(
            "{rules:?}: {} starts, {seen} of them different, each {} ways: {:?}",
            all.div_ceil(every),
            table::DIRECTIONS.len(),
            ends.into_inner().unwrap()
        );
    }
}
