//! PURE. Dialogs in which a name is typed, and how far the steps of an operation have come.

use super::*;
use crate::plan::{Contradiction, Mode, Objection, Step, StepKind};

#[test]
fn a_wrong_name_is_said_and_unlocks_nothing_and_the_right_one_does() {
    let mut bench = Bench::new(Settings { read_only: true, ..Settings::default() });
    let tone = |bench: &Bench| bench.app.toast.as_ref().map(|toast| toast.tone);
    press(&mut bench, "F");
    assert_eq!(tone(&bench), Some(Tone::Refused), "a refusal is no success");
    bench.app.toast = None;
    press(&mut bench, "u p r o p enter");
    assert_eq!(tone(&bench), Some(Tone::Refused));
    assert!(bench.app.toast.as_ref().is_some_and(|toast| toast.text == "`prop` is not the cluster's name, prod: still locked"));
    assert!(bench.app.locked() && bench.app.dialog.as_ref().is_some_and(|dialog| dialog.input.is_empty()));
    press(&mut bench, "enter");
    assert!(bench.app.locked() && bench.app.dialog.is_none(), "with nothing typed enter is Cancel");
    // On a frozen screen, too.
    press(&mut bench, "z u p r o d enter z");
    assert!(!bench.app.locked());
    assert_eq!(tone(&bench), Some(Tone::Good));
}

#[test]
fn moves_of_slots_run_until_what_comes_after_them_has_begun() {
    let mut bench = Bench::new(Settings::default());
    let asked = press(&mut bench, "F enter");
    let [Effect::Plan(intent)] = &asked[..] else { panic!("{asked:?}") };
    let kinds = [StepKind::Command, StepKind::MoveSlots { index: 0 }, StepKind::MoveSlots { index: 1 }, StepKind::Verify];
    let step = |kind| {
        let (node, address) = (bench.sample.id(0), bench.sample.address(0));
        Step { node, address, commands: Vec::new(), kind, says: String::new() }
    };
    let plan = Plan { steps: kinds.map(step).to_vec(), ..plan(intent.clone(), Danger::Normal) };
    bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan))));
    press(&mut bench, "tab enter");
    let id = bench.running[0];
    let stages = |bench: &mut Bench, progress: Progress| {
        bench.send(Event::Progress(id, progress));
        [0, 1, 2, 3].map(|at| bench.app.operation(id).unwrap().stage(at))
    };
    let begin = |index| Progress::Step { index, says: String::new() };
    let end = |outcome| Progress::Ended(Report { outcome, elapsed: Duration::ZERO, figures: Vec::new() });
    use StepStage::{Done, Halfway, Later, Running, Stopped};
    assert_eq!(stages(&mut bench, begin(0)), [Running, Later, Later, Later]);
    assert_eq!(stages(&mut bench, begin(1)), [Done, Running, Later, Later]);
    assert_eq!(stages(&mut bench, begin(2)), [Done, Running, Running, Later]);
    let mut failed = bench.app.operation(id).unwrap().clone();
    failed.report = Some(Report { outcome: Outcome::Failed(Vec::new()), elapsed: Duration::ZERO, figures: Vec::new() });
    assert_eq!([0, 1, 2, 3].map(|at| failed.stage(at)), [Done, Halfway, Halfway, Later]);
    assert_eq!(stages(&mut bench, begin(3)), [Done, Done, Done, Running]);
    assert_eq!(stages(&mut bench, end(Outcome::Failed(Vec::new()))), [Done, Done, Done, Stopped]);
    assert_eq!(stages(&mut bench, end(Outcome::Done)), [Done; 4]);
}

/// The mode that is asked for when these keys are pressed in the dialog of a forced failover, on a cluster of this name.
fn mode_after(cluster: &str, keys: &str) -> (Option<Mode>, Vec<String>, String) {
    let mut bench = Bench::new(Settings::default());
    bench.app.model.name = cluster.into();
    let asked = press(&mut bench, "F enter");
    let [Effect::Plan(intent)] = &asked[..] else { panic!("{asked:?}") };
    bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan(intent.clone(), Danger::Normal)))));
    let asked = press(&mut bench, "m");
    let [Effect::Plan(force)] = &asked[..] else { panic!("{asked:?}") };
    bench.send(Event::Planned(force.clone(), Box::new(Ok(plan(force.clone(), Danger::Typed)))));
    let hints = bench.app.hints().into_iter().filter(|hint| hint.word.starts_with("other")).map(|hint| hint.chord).collect();
    let mode = match &press(&mut bench, keys)[..] {
        [Effect::Plan(Intent::Failover { mode, .. })] => Some(*mode),
        _ => None,
    };
    (mode, hints, bench.app.dialog.unwrap().input)
}

#[test]
fn every_mode_is_reached_where_a_name_is_typed_and_every_name_can_be_typed() {
    let hints = |chords: [&str; 2]| chords.map(String::from).to_vec();
    assert_eq!(mode_after("prod", "m"), (Some(Mode::Takeover), hints(["m", "r"]), String::new()));
    assert_eq!(mode_after("prod", "p m"), (None, hints(["m", "r"]), "pm".into()));
    assert_eq!(mode_after("prod", "p ctrl-o").0, Some(Mode::Takeover));
    assert_eq!(mode_after("main", "m a i n"), (None, hints(["ctrl-o", "r"]), "main".into()));
    assert_eq!(mode_after("main", "ctrl-o").0, Some(Mode::Takeover));
    assert_eq!(mode_after("redis", "r"), (None, hints(["m", "ctrl-r"]), "r".into()));
}

#[test]
fn a_choice_that_is_not_on_the_screen_is_not_made() {
    let mut bench = Bench::new(Settings::default());
    let force = Intent::Failover { node: "10.0.0.4:7003".into(), mode: Mode::Graceful };
    let update = |bench: &mut Bench, event| super::update(&mut bench.app, event, bench.now);
    let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
    requests::intend(&mut bench.app, force.clone(), bench.now);
    update(&mut bench, Event::Planned(force.clone(), Box::new(Ok(plan(force.clone(), Danger::Normal)))));
    update(&mut bench, key(KeyCode::Tab));
    // No frame has shown it yet.
    assert!(update(&mut bench, key(KeyCode::Enter)).is_empty() && bench.app.dialog.is_some());
    bench.app.saw(Shown { buttons: true, entries: Vec::new() });
    update(&mut bench, Event::Resize(20, 5));
    assert!(update(&mut bench, key(KeyCode::Enter)).is_empty() && bench.app.dialog.is_some());
    assert!(bench.app.toast.as_ref().is_some_and(|toast| toast.text.contains("not on the screen")));
    bench.app.saw(Shown { buttons: true, entries: Vec::new() });
    let effects = update(&mut bench, key(KeyCode::Enter));
    assert!(matches!(effects.as_slice(), [Effect::Execute(..)]), "{effects:?}");
}

#[test]
fn the_candidates_of_a_shard_are_chosen_from_as_far_as_they_are_seen() {
    let mut bench = Bench::new(Settings::default());
    let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let now = bench.now;
    requests::candidates(&mut bench.app, crate::cluster::ShardName(0), Mode::Graceful, now);
    assert!(matches!(bench.app.dialog.as_ref().unwrap().kind, DialogKind::ChooseCandidate { .. }));
    assert!(super::update(&mut bench.app, key(KeyCode::Enter), now).is_empty());
    bench.app.saw(Shown { buttons: false, entries: vec![0] });
    let effects = super::update(&mut bench.app, key(KeyCode::Enter), now);
    assert!(matches!(effects.as_slice(), [Effect::Plan(Intent::Failover { .. })]), "{effects:?}");
}

#[test]
fn against_a_nodes_word_the_code_is_typed_too() {
    let mut bench = Bench::new(Settings::default());
    let force = Intent::Failover { node: "10.0.0.4:7003".into(), mode: Mode::Takeover };
    let contradiction = Contradiction { objection: Objection::NodeIsHealthy, says: "10.0.0.1:7000 calls it healthy".into() };
    let now = bench.now;
    requests::intend(&mut bench.app, force.clone(), now);
    bench.send(Event::Planned(force.clone(), Box::new(Ok(plan(force.clone(), Danger::Contradicted(contradiction))))));
    let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
    for c in "prod".chars() {
        bench.send(key(KeyCode::Char(c)));
    }
    assert!(bench.send(key(KeyCode::Enter)).is_empty() && bench.app.dialog.is_some());
    for c in "prod node_is_healthy".chars() {
        bench.send(key(KeyCode::Char(c)));
    }
    let effects = bench.send(key(KeyCode::Enter));
    assert!(matches!(effects.as_slice(), [Effect::Execute(..)]), "{effects:?}");
}
