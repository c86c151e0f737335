//! IO. Random operations of two consoles on a simulated cluster to which random things happen. Whatever comes: no key is
//! lost unless it is said, one master owns a slot, `fix` alone ends with nothing open, and what was called done is done.
//!
//! `RGC_STORM_CASES` says how many cases are run, `RGC_STORM_TELL=1` has each tell what was done in it; those that fail are
//! kept in `tests/storm.proptest-regressions`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod sim;

#[path = "storm/case.rs"]
mod case;
#[path = "storm/console.rs"]
mod console;
#[path = "storm/known.rs"]
mod known;
#[path = "storm/play.rs"]
mod play;
#[path = "sim/truth.rs"]
mod truth;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

use case::{Case, case};
use play::play;

const CASES: u32 = 24;

fn config(cases: u32) -> ProptestConfig {
    // In every run the same cases, so that it says something about the change at hand; in a long run others each time.
    let asked: Option<u32> = std::env::var("RGC_STORM_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(cases),
        rng_seed: if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(9) },
        max_shrink_iters: 200,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/storm.proptest-regressions"))),
        ..ProptestConfig::default()
    }
}

fn played(case: &Case, consoles: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(play(case, consoles))
}

#[test]
fn what_once_went_wrong_goes_well() {
    for (what, consoles, case) in known::known() {
        let wrong = played(&case, consoles);
        assert!(wrong.is_empty(), "{what}: {}\n{case:?}", wrong.join("\n"));
    }
}

fn storm(case: &Case, consoles: usize) -> Result<(), TestCaseError> {
    let wrong = played(case, consoles);
    prop_assert!(wrong.is_empty(), "{}\n{case:?}", wrong.join("\n"));
    Ok(())
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn one_console_in_a_storm_loses_nothing(case in case(1)) {
        storm(&case, 1)?;
    }

    #[test]
    fn two_consoles_in_a_storm_lose_nothing(case in case(2)) {
        storm(&case, 2)?;
    }
}
