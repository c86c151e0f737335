//! PURE. Lines typed after `:`, what they ask for and what is offered while they are typed.

use super::*;
use crate::app::command::run;

/// What this line asks for, or what is wrong with it.
fn typed(bench: &mut Bench, line: &str) -> Result<Vec<Effect>, String> {
    bench.app.dialog = None;
    run::line(&mut bench.app, line, bench.now)
}

#[test]
fn an_operation_on_a_node_may_be_spelled_as_in_the_shell() {
    let mut bench = Bench::new(Settings::default());
    let node = bench.sample.address(1).to_string();
    for line in ["node drain B", "drain B"] {
        assert_eq!(typed(&mut bench, line), Ok(vec![Effect::Plan(Intent::Drain { node: node.clone() })]), "{line}");
    }
    assert_eq!(typed(&mut bench, "node drain").unwrap_err(), "usage: node drain NODE");
    assert_eq!(commands::completions(&bench.app, "node dra"), ["node drain"]);
    assert_eq!(commands::completions(&bench.app, "node drain 10.0.0.2:70"), ["node drain 10.0.0.2:7001"]);
}

#[test]
fn every_option_of_rebalance_is_shown_and_a_weight_is_given_once() {
    let mut bench = Bench::new(Settings::default());
    let usage = crate::grammar::usage(&["rebalance"]);
    let bare = typed(&mut bench, "rebalance").unwrap();
    assert!(matches!(&bare[..], [Effect::Plan(Intent::Rebalance { by: crate::plan::Objective::Slots, .. })]), "{bare:?}");
    bench.app.dialog = None;
    let offered = commands::completions(&bench.app, "rebalance --by keys ").join(" ");
    for option in ["--weight", "--threshold", "--use-empty-masters", "--pace"] {
        assert!(usage.contains(&format!("[{option}")) && offered.contains(option), "{option}: {usage}: {offered}");
    }
    // What follows the sign belongs to the same word.
    press(&mut bench, ":");
    bench.send(Event::Paste("rebalance --weight 10.0.0.3".into()));
    press(&mut bench, "tab");
    assert_eq!(bench.app.screen.prompt.take().unwrap().text, "rebalance --weight 10.0.0.3:7002=");
    let twice = typed(&mut bench, "rebalance --by slots --weight A=2 --weight 10.0.0.1:7000=3").unwrap_err();
    assert_eq!(twice, "--weight 10.0.0.1:7000=3 and --weight A=2: give each master one weight");
    let nobody = typed(&mut bench, "rebalance --by slots --weight X=2").unwrap_err();
    assert_eq!(nobody, "there is no shard `X`: there are A, B, C");
}
