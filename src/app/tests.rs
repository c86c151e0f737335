//! PURE. Properties of the console under random scripts: nothing panics, nothing is done unasked, nothing points nowhere.

mod advice;
mod lines;
mod typed;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use super::*;
use crate::cluster::sample::Sample;
use crate::cluster::{NodeId, Time};
use crate::keys::TABLE;
use crate::plan::{Code, Danger, Impact, Outcome, Plan, Prediction, Progress, Refusal, Report, Unfinished};

fn plan(intent: Intent, danger: Danger) -> Plan {
    Plan {
        intent,
        cluster: "prod".into(),
        steps: Vec::new(),
        moves: Vec::new(),
        engine: None,
        prediction: Prediction::default(),
        impact: Impact::default(),
        before: Vec::new(),
        after: Vec::new(),
        warnings: Vec::new(),
        danger,
        fingerprint: 0,
    }
}

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Happens {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    Seconds(u8),
    Kill(usize),
    Revive(usize),
    Promote(usize),
    OpenSlot(u16),
    Scan,
    /// The plan that was asked for last arrives: refused, normal or dangerous.
    Planned(u8),
    Ended,
    Unfinished,
}

fn chords() -> impl Strategy<Value = KeyEvent> {
    let known: Vec<KeyEvent> = TABLE
        .iter()
        .flat_map(|spec| spec.chords.split_whitespace())
        .map(|chord| chord.parse::<crate::keys::Chord>().unwrap())
        .map(|chord| KeyEvent::new(chord.code, chord.modifiers))
        .collect();
    let typed = prop::sample::select(vec!['a', 'b', 'r', 'o', '!', '-', ' ', 'é', '7', 'f', 'k', 'd', '界'])
        .prop_map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    let fixed = prop::sample::select(vec![KeyCode::Enter, KeyCode::Tab, KeyCode::Backspace, KeyCode::Delete, KeyCode::Home])
        .prop_map(|code| KeyEvent::new(code, KeyModifiers::NONE));
    prop_oneof![6 => prop::sample::select(known), 2 => typed, 3 => fixed]
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        20 => chords().prop_map(Happens::Key),
        1 => "[a-zF:/ \u{1b}\r\n]{0,12}".prop_map(Happens::Paste),
        1 => (0u16..230, 0u16..70).prop_map(|(w, h)| Happens::Resize(w, h)),
        2 => (1u8..4).prop_map(Happens::Seconds),
        1 => (0usize..6).prop_map(Happens::Kill),
        1 => (0usize..6).prop_map(Happens::Revive),
        1 => (3usize..6).prop_map(Happens::Promote),
        1 => (0u16..16384).prop_map(Happens::OpenSlot),
        1 => Just(Happens::Scan),
        4 => (0u8..3).prop_map(Happens::Planned),
        1 => Just(Happens::Ended),
        1 => Just(Happens::Unfinished),
    ]
}

/// A console on a made-up cluster, and what it has asked for.
struct Bench {
    sample: Sample,
    app: App,
    now: Time,
    asked: Option<Intent>,
    running: Vec<OperationId>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self::of(Sample::new(3, 1).rooms(20), settings)
    }

    fn of(sample: Sample, settings: Settings) -> Self {
        let now = crate::cluster::sample::noon();
        let app = App::new(sample.model.clone(), settings, Keymap::default(), now);
        let mut bench = Self { sample, app, now, asked: None, running: Vec::new() };
        bench.send(Event::Resize(120, 40));
        bench.app.settle(now);
        bench
    }

    /// Sends one event and checks what must hold of its effects.
    fn send(&mut self, event: Event) -> Vec<Effect> {
        // Every frame shows all of it.
        self.app.saw(Shown { buttons: true, entries: (0..30).collect() });
        let confirmed = matches!(&self.app.dialog, Some(Dialog { kind: DialogKind::Confirm(_), focus: Button::Confirm, .. }));
        let typed = self.app.dialog.as_ref().is_some_and(|dialog| dialog.is_ready(&self.app.model.name));
        let entered = matches!(&event, Event::Key(key) if key.code == KeyCode::Enter);
        let pressed = matches!(&event, Event::Key(_));
        let effects = update(&mut self.app, event, self.now);
        for effect in &effects {
            match effect {
                Effect::Execute(id, _) => {
                    assert!(confirmed && typed && entered, "a plan was carried out without its dialog");
                    assert!(!self.app.locked(), "a plan was carried out on a read-only cluster");
                    self.running.push(*id);
                }
                Effect::Plan(intent) => {
                    assert!(pressed && !self.app.locked());
                    self.asked = Some(intent.clone());
                }
                Effect::Inject(..) => assert!(pressed && self.app.settings.demo && !self.app.locked()),
                Effect::Quit => assert!(pressed),
                _ => {}
            }
        }
        effects
    }

    fn facts(&mut self) {
        for observation in self.sample.observations() {
            self.now = self.now.max(observation.at);
            self.send(Event::Observed(Box::new(observation)));
        }
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Key(key) => drop(self.send(Event::Key(key))),
            Happens::Paste(text) => drop(self.send(Event::Paste(text))),
            Happens::Resize(width, height) => drop(self.send(Event::Resize(width, height))),
            Happens::Seconds(seconds) => {
                for _ in 0..seconds {
                    self.facts();
                    self.send(Event::Tick);
                }
                self.app.settle(self.now);
            }
            Happens::Kill(number) => self.sample.kill(number),
            Happens::Revive(number) => self.sample.revive(number),
            Happens::Promote(number) => self.sample.promote(number),
            Happens::OpenSlot(slot) => self.sample.open_slot(slot, 0, 1),
            Happens::Scan => self.sample.scan(),
            Happens::Planned(kind) => {
                if let Some(intent) = self.asked.take() {
                    let result = match kind {
                        0 => Err(Refusal::because(Code::NoCandidate.because("no"))),
                        1 => Ok(plan(intent.clone(), Danger::Normal)),
                        _ => Ok(plan(intent.clone(), Danger::Typed)),
                    };
                    self.send(Event::Planned(intent, Box::new(result)));
                }
            }
            Happens::Unfinished => {
                let one = unfinished(self);
                self.send(Event::Unfinished(vec![one]));
            }
            Happens::Ended => {
                if let Some(id) = self.running.pop() {
                    let report = Report { outcome: Outcome::Done, elapsed: Duration::from_millis(40), figures: Vec::new() };
                    self.send(Event::Progress(id, Progress::Ended(report)));
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        let app = &self.app;
        assert_eq!(app.screen.stack.first(), Some(&Page::Home), "the way home is lost");
        assert!(app.screen.stack.len() <= 16);
        assert!(app.dialog.is_none() || app.screen.prompt.is_none(), "a dialog over a prompt");
        assert!(!app.monitor.headline.cause.is_empty());
        assert!(app.screen.slots.cursor < 16384);
        let facts = app.frozen.as_deref().unwrap_or(app);
        for kind in ListKind::ALL {
            let list = app.screen.list(kind);
            let count = facts.rows.len(kind);
            assert!(list.first <= list.at.max(1) && (count == 0 || list.at < count), "{kind:?} {list:?} of {count}");
            match &list.selected {
                Some(item) => {
                    assert_eq!(facts.rows.item(kind, list.at).as_ref(), Some(item), "{kind:?}: the selection is not live")
                }
                None => assert_eq!(count, 0, "{kind:?} has rows and nothing is selected"),
            }
        }
        let hints = app.hints();
        assert!(!hints.is_empty() && hints.iter().all(|hint| !hint.chord.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_done_unasked_and_nothing_points_nowhere(
        script in prop::collection::vec(happens(), 1..60),
        demo: bool,
        read_only in prop::bool::weighted(0.25),
    ) {
        let mut bench = Bench::new(Settings { demo, read_only, themes: vec!["dusk".into(), "paper".into()], ..Settings::default() });
        for what in script {
            bench.happen(what);
        }
    }
}

fn press(bench: &mut Bench, script: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for word in script.split_whitespace() {
        let chord: crate::keys::Chord = word.parse().unwrap();
        effects.extend(bench.send(Event::Key(KeyEvent::new(chord.code, chord.modifiers))));
    }
    effects
}

#[test]
fn a_frozen_screen_keeps_its_facts_lets_the_operator_look_and_refuses_operations() {
    let mut bench = Bench::new(Settings::default());
    press(&mut bench, "2 j z");
    let shown: Vec<NodeId> = bench.app.frozen.as_ref().unwrap().rows.nodes.clone();
    bench.sample.kill(0);
    bench.happen(Happens::Seconds(3));
    assert_ne!(
        bench.app.monitor.verdict,
        bench.app.frozen.as_ref().unwrap().monitor.verdict,
        "the present goes on behind the picture"
    );
    press(&mut bench, "j F B x");
    let frozen = bench.app.frozen.as_ref().unwrap();
    assert_eq!(frozen.rows.nodes, shown);
    assert_eq!(bench.app.screen.nodes.at, 2, "the operator can look around");
    assert!(bench.app.dialog.is_none());
    assert!(bench.app.toast.as_ref().is_some_and(|toast| toast.text.contains("frozen")));
    press(&mut bench, "z");
    assert!(bench.app.frozen.is_none());
    bench.check();
}

#[test]
fn an_answer_that_nobody_waits_for_opens_nothing() {
    let mut bench = Bench::new(Settings::default());
    let asked = press(&mut bench, "F enter esc");
    let [Effect::Plan(intent)] = &asked[..] else { panic!("{asked:?}") };
    bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan(intent.clone(), Danger::Normal)))));
    assert!(bench.app.dialog.is_none());
}

fn unfinished(bench: &Bench) -> Unfinished {
    Unfinished {
        path: "x.journal".into(),
        intent: "move-slots 0-9 --to B".into(),
        who: "ann".into(),
        began: "2026-03-14T11:52:13Z".into(),
        in_flight: [crate::cluster::SlotRange::new(3, 5)].iter().collect(),
        closed: [crate::cluster::SlotRange::new(0, 2)].iter().collect(),
        total: 10,
        wanted: Vec::new(),
        ended: None,
        nodes: bench.app.model.nodes().map(|node| node.id).take(1).collect(),
    }
}

fn tell_unfinished(bench: &mut Bench, what: Unfinished) {
    bench.send(Event::Unfinished(vec![what]));
    bench.send(Event::Tick);
    bench.app.settle(bench.now);
}

#[test]
fn what_was_left_unfinished_is_offered_and_later_is_what_enter_says() {
    for (keys, asked) in [
        ("enter", None),
        ("esc", None),
        ("l", None),
        ("r", Some(false)),
        ("tab enter", Some(false)),
        ("j j enter", Some(true)),
        ("b", Some(true)),
        ("up enter", Some(true)),
    ] {
        let mut bench = Bench::new(Settings::default());
        let one = unfinished(&bench);
        tell_unfinished(&mut bench, one.clone());
        assert!(matches!(&bench.app.dialog, Some(Dialog { kind: DialogKind::Leftover { way: Way::Later, .. }, .. })), "{keys}");
        let wanted = asked.map(|roll_back| Effect::Plan(Intent::Fix { slots: Some(one.in_flight.clone()), roll_back }));
        assert_eq!(press(&mut bench, keys), wanted.into_iter().collect::<Vec<_>>(), "{keys}");
        // It is told once.
        assert_eq!(bench.app.dialog.is_some(), asked.is_some());
        press(&mut bench, "esc");
        bench.happen(Happens::Seconds(2));
        assert!(bench.app.dialog.is_none());
    }
}

#[test]
fn what_was_left_unfinished_waits_for_the_operator_and_is_told_to_its_own_cluster_only() {
    let mut bench = Bench::new(Settings::default());
    press(&mut bench, ":");
    let one = unfinished(&bench);
    tell_unfinished(&mut bench, one.clone());
    assert!(bench.app.dialog.is_none(), "a dialog over a prompt");
    press(&mut bench, "esc");
    bench.happen(Happens::Seconds(1));
    assert!(bench.app.dialog.is_some());

    let mut bench = Bench::new(Settings::default());
    tell_unfinished(&mut bench, Unfinished { nodes: vec!["f".repeat(40).parse().unwrap()], ..one });
    assert!(bench.app.dialog.is_none());
}

#[test]
fn one_operation_at_a_time_where_they_would_meet() {
    let mut bench = Bench::new(Settings::default());
    let mut go = |moves: bool| {
        let asked = press(&mut bench, "F enter");
        let [Effect::Plan(intent)] = &asked[..] else { panic!("{asked:?}") };
        let mut plan = plan(intent.clone(), Danger::Normal);
        plan.impact.shards = vec![crate::cluster::ShardName(0)];
        let _ = moves;
        bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan))));
        press(&mut bench, "tab enter").len()
    };
    assert_eq!(go(false), 1);
    assert_eq!(go(false), 0, "the second would be in the same shard");
}

#[test]
fn very_many_rooms_are_built_once() {
    let sample = Sample::new(3, 1).rooms(30_000);
    let now = crate::cluster::sample::noon();
    let mut app = App::new(sample.model, Settings::default(), Keymap::default(), now);
    update(&mut app, Event::Resize(120, 40), now);
    app.settle(now);
    assert_eq!(app.rows.rooms.len(), 30_000);
    let before: *const Arc<str> = app.rows.rooms.as_ptr();
    for _ in 0..50 {
        update(&mut app, Event::Key(KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE)), now);
        app.settle(now);
    }
    assert_eq!(app.rows.rooms.as_ptr(), before, "moving the cursor must not build the rows again");
}

#[test]
fn very_many_rooms_are_listed_anew_once_a_second_and_at_once_for_another_filter() {
    let sample = Sample::new(3, 1).rooms(12_000);
    let now = crate::cluster::sample::noon();
    let mut app = App::new(sample.model.clone(), Settings::default(), Keymap::default(), now);
    update(&mut app, Event::Resize(120, 40), now);
    app.settle(now);
    app.model = sample.rooms(12_500).model;
    app.settle(now + chrono::TimeDelta::milliseconds(500));
    assert_eq!(app.rows.rooms.len(), 12_000);
    app.settle(now + chrono::TimeDelta::milliseconds(1500));
    assert_eq!(app.rows.rooms.len(), 12_500);
    app.screen.focus = Pane::Rooms;
    app.screen.rooms.filter = Filter::parse("zz");
    app.settle(now + chrono::TimeDelta::milliseconds(1600));
    assert!(app.rows.rooms.len() < 12_000);
}

#[test]
fn a_dead_node_s_menu_leads_to_its_replacement() {
    let mut bench = Bench::new(Settings::default());
    let dead = bench.sample.address(2);
    bench.sample.kill(2);
    bench.happen(Happens::Seconds(3));
    let id = bench.sample.id(2);
    let item = bench.app.node_menu(id).into_iter().find(|item| item.word == "replace").unwrap();
    assert_eq!(item.disabled, None);
    assert!(super::dialog::menu::choose(&mut bench.app, id, &item, bench.sample.now).is_empty());
    assert_eq!(bench.app.screen.prompt.as_ref().map(|prompt| prompt.text.clone()), Some(format!("node add --replaces {dead} ")));
    bench.app.screen.prompt.as_mut().unwrap().insert("10.0.0.9:7009");
    let asked = press(&mut bench, "enter");
    let address: crate::cluster::Address = "10.0.0.9:7009".parse().unwrap();
    assert_eq!(asked, [Effect::Plan(Intent::Replace { address, node: dead.to_string() })]);
}

#[test]
fn a_dialog_stays_while_its_operation_is_planned_in_another_way_and_does_not_do_the_old_one() {
    let mut bench = Bench::new(Settings::default());
    let asked = press(&mut bench, "F enter");
    let [Effect::Plan(intent)] = &asked[..] else { panic!("{asked:?}") };
    bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan(intent.clone(), Danger::Normal)))));
    let asked = press(&mut bench, "tab m");
    let [Effect::Plan(other)] = &asked[..] else { panic!("{asked:?}") };
    assert!(matches!(&bench.app.dialog, Some(Dialog { kind: DialogKind::Confirm(_), replanning: true, .. })));
    assert_eq!(press(&mut bench, "m tab enter y"), [], "nothing is done with what is not meant any more");
    bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan(intent.clone(), Danger::Normal)))));
    assert!(bench.app.dialog.as_ref().is_some_and(|dialog| dialog.replanning), "an answer to something else");
    bench.send(Event::Planned(other.clone(), Box::new(Ok(plan(other.clone(), Danger::Normal)))));
    let Some(Dialog { kind: DialogKind::Confirm(shown), replanning: false, focus: Button::Cancel, .. }) = &bench.app.dialog else {
        panic!("{:?}", bench.app.dialog)
    };
    assert_eq!(shown.intent, *other);
    press(&mut bench, "m esc");
    assert!(bench.app.dialog.is_none());
}

#[test]
fn what_a_former_master_cannot_do_is_not_offered() {
    let mut bench = Bench::new(Settings::default());
    bench.sample.kill(0);
    bench.sample.promote(3);
    bench.happen(Happens::Seconds(3));
    let offered = |number: usize| -> Vec<&str> {
        let items = bench.app.node_menu(bench.sample.id(number));
        items.into_iter().filter(|item| item.disabled.is_none()).map(|item| item.word).collect()
    };
    assert_eq!(offered(0), ["look", "back", "copy", "forget", "replace"]);
    assert_eq!(offered(1), ["look", "copy", "failover", "drain", "remove"]);
    assert_eq!(offered(4), ["look", "copy", "failover", "force", "takeover", "remove"]);
}

#[test]
fn enter_takes_the_completion_that_was_chosen_and_up_is_up() {
    let by = |keys: &str| {
        let mut bench = Bench::new(Settings::default());
        press(&mut bench, "B");
        match &press(&mut bench, keys)[..] {
            [Effect::Plan(Intent::Rebalance { by, .. })] => by.word(),
            other => panic!("{keys}: {other:?}"),
        }
    };
    // The list grows upwards from the line, the first of it nearest to the line.
    let all = crate::plan::Objective::ALL.map(crate::plan::Objective::word);
    assert_eq!([by("enter"), by("up enter"), by("up up enter"), by("up down enter")], [all[0], all[1], all[2], all[0]]);
    assert_eq!(by("down enter"), all[all.len() - 1]);
    assert_eq!(by("k e y s space enter"), "keys", "a whole line is taken as it is");
}

#[test]
fn the_footer_says_resume_while_an_operation_is_paused() {
    let mut bench = Bench::new(Settings::default());
    let asked = press(&mut bench, "F enter");
    let [Effect::Plan(intent)] = &asked[..] else { panic!("{asked:?}") };
    bench.send(Event::Planned(intent.clone(), Box::new(Ok(plan(intent.clone(), Danger::Normal)))));
    press(&mut bench, "tab enter");
    let id = bench.running[0];
    for (paused, word) in [(false, "pause"), (true, "resume")] {
        bench.send(Event::Progress(id, Progress::Paused(paused)));
        assert_eq!(bench.app.hints().into_iter().find(|hint| hint.chord == "p").map(|hint| hint.word), Some(word));
    }
}

#[test]
fn a_letter_of_a_menu_brings_its_entry_to_the_screen_and_then_chooses_it() {
    let mut bench = Bench::new(Settings { demo: true, ..Settings::default() });
    let id = bench.sample.id(3);
    bench.app.dialog = Some(Dialog::new(DialogKind::NodeMenu { node: id, cursor: 0 }));
    let items = bench.app.node_menu(id);
    let kill = items.iter().position(|item| item.key == 'k').unwrap();
    // A frame that shows the first entries only.
    let key = |bench: &mut Bench, entries: std::ops::Range<usize>| {
        bench.app.saw(Shown { buttons: true, entries: entries.collect() });
        let event = Event::Key(KeyEvent::new(KeyCode::Char('k'), KeyModifiers::NONE));
        update(&mut bench.app, event, bench.now)
    };
    assert!(key(&mut bench, 0..3).is_empty());
    let Some(DialogKind::NodeMenu { cursor, .. }) = bench.app.dialog.as_ref().map(|dialog| &dialog.kind) else { panic!("gone") };
    assert_eq!(*cursor, kill);
    bench.app.dialog.as_mut().unwrap().shown.entries = (kill - 2..=kill).collect();
    press(&mut bench, "k");
    assert!(
        matches!(bench.app.dialog.as_ref().map(|dialog| &dialog.kind), Some(DialogKind::Fault { .. })),
        "{:?}",
        bench.app.dialog
    );
}
