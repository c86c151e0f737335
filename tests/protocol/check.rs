//! PURE. Runs a scenario through the checker.

use stateright::{Checker, HasDiscoveries, Model};

use super::model::Scenario;

/// What came of it.
pub struct Checked {
    pub states: usize,
    /// How far the furthest state is from the start.
    pub depth: usize,
    /// There are no more of them.
    pub whole: bool,
    /// A property that does not hold everywhere, and the way to where it does not.
    pub broken: Option<String>,
}

/// Looks at every state until a property is broken.
pub fn check(scenario: Scenario) -> Checked {
    let limit = scenario.limit;
    let mut builder = scenario.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    if limit > 0 {
        builder = builder.target_state_count(limit);
    }
    let checker = builder.spawn_bfs().join();
    let broken = checker.discoveries().into_iter().next().map(|(property, path)| {
        let way: Vec<String> = path.clone().into_actions().iter().map(|event| format!("{event:?}")).collect();
        let last = path.last_state();
        let fixed = checker.model().fixed(last);
        format!("{property}\n{}\n{}\n{fixed:?}", way.join("\n"), checker.model().show(&path))
    });
    let whole = limit == 0 || checker.state_count() < limit;
    Checked { states: checker.unique_state_count(), depth: checker.max_depth(), whole, broken }
}
