//! The production loop on a test terminal: scripted keys in the operator's notation, a made-up cluster, fake handler.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::event::{Event as Raw, KeyEvent};
use futures_util::stream;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::mpsc;

use rgc_tui::app::{App, Control, Event, Fault, OperationId, Page, Settings};
use rgc_tui::cluster::sample::{self, Sample};
use rgc_tui::cluster::{Address, Model, Observation};
use rgc_tui::exec::STOPS_WITHIN;
use rgc_tui::keys::{Chord, Keymap};
use rgc_tui::link::Clock;
use rgc_tui::plan::entry::Entry;
use rgc_tui::plan::{Code, Danger, Figure, Impact, Intent, Outcome, Plan, Prediction, Progress, Refusal, Report};
use rgc_tui::term::Input;
use rgc_tui::theme::Theme;
use rgc_tui::tui::{Console, ConsoleEnd, EffectHandler, EventChannel, EventSender, FactSource, Shutdown, part, run};

/// What the loop asked the handler to do.
#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Plan(Intent),
    Execute(Intent),
    Inject(Address, Fault),
    Stop(OperationId),
}

struct FakeHandler {
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Rebalancing goes on until it is asked to stop, and then for so long; never when None.
    lasts: Option<Duration>,
    rebalancing: Option<EventSender>,
}

impl FakeHandler {
    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }
}

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
        fingerprint: 1,
    }
}

impl EffectHandler for FakeHandler {
    fn plan(&mut self, intent: Intent, _model: &Model, to: &EventSender) {
        self.note(Asked::Plan(intent.clone()));
        let forced = matches!(&intent, Intent::Failover { mode, .. } if *mode != rgc_tui::plan::Mode::Graceful);
        let danger = if forced { Danger::Typed } else { Danger::Normal };
        match &intent {
            Intent::Drain { .. } => {
                to.planned(intent, Err(Refusal::because(Code::NoOtherMaster.because("there is nowhere to put its slots"))))
            }
            _ => to.planned(intent.clone(), Ok(plan(intent, danger))),
        }
    }

    fn execute(&mut self, id: OperationId, plan: Plan, _model: &Model, to: &EventSender) {
        self.note(Asked::Execute(plan.intent.clone()));
        if matches!(plan.intent, Intent::Rebalance { .. }) {
            self.rebalancing = Some(to.clone());
            return;
        }
        let report = Report { outcome: Outcome::Done, elapsed: Duration::from_millis(46), figures: vec![(Figure::Promoted, 46.0)] };
        to.post(Event::Progress(id, Progress::Ended(report)));
    }

    fn control(&mut self, id: OperationId, control: Control) {
        assert_eq!(control, Control::Abort);
        self.note(Asked::Stop(id));
        let (Some(to), Some(lasts)) = (self.rebalancing.take(), self.lasts) else { return };
        let outcome = Outcome::Cancelled(vec![Code::Stopped.because("you stopped it")]);
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            to.post(Event::Progress(id, Progress::Ended(Report { outcome, elapsed: lasts, figures: Vec::new() })));
        });
    }

    fn inject(&mut self, node: Address, fault: Fault, _to: &EventSender) {
        self.note(Asked::Inject(node, fault));
    }

    fn ledger(&mut self, to: &EventSender) {
        to.post(Event::Ledger(Ok(vec![Entry { intent: "failover".into(), ..Entry::default() }])));
    }
}

/// Keys as people write them: `j F tab enter`; text after a colon or slash is typed letter by letter.
fn keys(script: &str) -> Vec<Raw> {
    let mut events = Vec::new();
    for word in script.split_whitespace() {
        if let Some(text) = word.strip_prefix("paste=") {
            events.push(Raw::Paste(text.to_string()));
        } else if word.len() > 1 && word.starts_with([':', '/', '"']) {
            let typed = word.strip_prefix('"').unwrap_or(word).replace('+', " ");
            events.extend(
                typed
                    .chars()
                    .map(|c| Raw::Key(KeyEvent::new(crossterm::event::KeyCode::Char(c), crossterm::event::KeyModifiers::NONE))),
            );
        } else {
            let chord: Chord = word.parse().unwrap();
            events.push(Raw::Key(KeyEvent::new(chord.code, chord.modifiers)));
        }
    }
    events
}

struct Seen {
    ended: ConsoleEnd,
    app: App,
    screen: String,
    asked: Vec<Asked>,
    frames: usize,
    /// What was told after the end, and how long it took.
    parting: (Vec<String>, Duration),
}

fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..area.height).map(|y| line(y) + "\n").collect()
}

/// Plays a script on a healthy cluster of three masters and three replicas; ends by quitting when the keys are used up.
async fn play(script: &str, settings: Settings) -> Seen {
    play_with(script, settings, None).await
}

async fn play_with(script: &str, settings: Settings, lasts: Option<Duration>) -> Seen {
    let clock = Clock::starting_at(sample::noon());
    let model = Sample::new(3, 1).rooms(60).model;
    let mut events: Vec<io::Result<Raw>> = keys(script).into_iter().map(Ok).collect();
    events.extend(keys("ctrl-c ctrl-c ctrl-c").into_iter().map(Ok));
    // A person's pace: every key is answered before the next is pressed.
    let input = stream::unfold(events.into_iter(), |mut events| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Some((events.next()?, events))
    });
    let (facts, observations) = mpsc::channel::<Observation>(1);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let screen = Arc::new(Mutex::new((String::new(), 0usize)));
    let shown = screen.clone();
    let mut console = Console {
        app: App::new(model, settings, Keymap::default(), clock.now()),
        theme: Theme::builtin("dusk").unwrap(),
        themes: Box::new(Theme::builtin),
        clock,
        signals: None,
        facts: FactSource::Channel(observations),
        handler: Box::new(FakeHandler { asked: asked.clone(), lasts, rebalancing: None }),
        channel: EventChannel::new(),
        folder: std::env::temp_dir(),
        on_frame: Some(Box::new(move |_, buffer| {
            let mut shown = shown.lock().unwrap();
            *shown = (text(buffer), shown.1 + 1);
        })),
    };
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
    let mut input = Input::new(Box::pin(input));
    let ended = run(&mut terminal, &mut input, &mut console).await;
    drop(facts);
    let (mut told, began) = (Vec::new(), tokio::time::Instant::now());
    part(&mut console, |parting| {
        told.push(match parting {
            Shutdown::Stopping(intent) => format!("stopping {}", intent.name()),
            Shutdown::Waiting(intent, since, _) => format!("{} s for {}", since.as_secs(), intent.name()),
            Shutdown::Ended(intent, report) => format!("{} {}", intent.name(), report.outcome.word()),
            Shutdown::Left(intent) => format!("left {}", intent.name()),
        });
    })
    .await;
    let parting = (told, began.elapsed());
    let (screen, frames) = screen.lock().unwrap().clone();
    let asked = asked.lock().unwrap().clone();
    Seen { ended, app: console.app, screen, asked, frames, parting }
}

fn plain() -> Settings {
    Settings { themes: Theme::names().map(String::from).collect(), ..Settings::default() }
}

#[tokio::test(start_paused = true)]
async fn the_home_screen_is_drawn_and_quitting_ends_it() {
    let seen = play("", plain()).await;
    assert_eq!(seen.ended, ConsoleEnd::Quit);
    for word in ["Topology", "Nodes", "Slots", "Rooms", "no alerts since", "10.0.0.1:7000"] {
        assert!(seen.screen.contains(word), "no {word} on\n{}", seen.screen);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_is_planned_shown_confirmed_and_reported() {
    let seen = play("j F tab enter", plain()).await;
    let asked: Vec<_> = seen.asked.iter().map(std::mem::discriminant).collect();
    assert_eq!(asked.len(), 2, "{:?}", seen.asked);
    assert!(matches!(&seen.asked[0], Asked::Plan(Intent::Failover { .. })));
    assert!(matches!(&seen.asked[1], Asked::Execute(Intent::Failover { .. })));
    assert_eq!(seen.app.operations.len(), 1);
    assert!(seen.app.operations[0].report.is_some());
    assert!(seen.app.toast.is_some_and(|toast| toast.text.contains("done in 0.0 s") && toast.tone == rgc_tui::app::Tone::Good));
}

#[tokio::test(start_paused = true)]
async fn cancel_has_the_focus_first_and_esc_leaves() {
    for script in ["F enter enter", "F enter esc tab enter", "F enter q tab enter", "F enter y enter"] {
        let seen = play(script, plain()).await;
        assert!(seen.asked.iter().all(|asked| matches!(asked, Asked::Plan(_))), "{script}: {:?}", seen.asked);
        assert!(!seen.asked.is_empty(), "{script}");
    }
}

#[tokio::test(start_paused = true)]
async fn dangerous_modes_want_the_clusters_name() {
    let wrong = play(":failover+10.0.0.4:7003+--mode+force enter tab enter \"pro enter tab enter", plain()).await;
    assert!(wrong.asked.iter().all(|asked| matches!(asked, Asked::Plan(_))), "{:?}", wrong.asked);
    let name = wrong.app.model.name.clone();
    let right = play(&format!(":failover+10.0.0.4:7003+--mode+force enter \"{name} enter"), plain()).await;
    assert!(right.asked.iter().any(|asked| matches!(asked, Asked::Execute(_))), "{:?}", right.asked);
}

#[tokio::test(start_paused = true)]
async fn read_only_lets_nothing_through_until_unlocked() {
    let settings = Settings { read_only: true, demo: true, ..plain() };
    let seen =
        play("F tab enter B M x n k tab enter :failover+A enter tab enter :rebalance+--by+slots enter tab enter", settings.clone())
            .await;
    assert_eq!(seen.asked, []);
    let name = seen.app.model.name.clone();
    let seen = play(&format!("u \"{name} enter F enter tab enter"), settings).await;
    assert_eq!(seen.asked.len(), 2, "{:?}", seen.asked);
}

#[tokio::test(start_paused = true)]
async fn paste_fires_nothing_and_fills_text_fields() {
    let seen = play("paste=BFxM:q! paste=F F enter paste=FB enter", plain()).await;
    assert_eq!(seen.asked.len(), 1, "only the F that was pressed asks: {:?}", seen.asked);
    let seen = play(": paste=rooms enter", plain()).await;
    assert_eq!(*seen.app.screen.view(), Page::Rooms);
}

#[tokio::test(start_paused = true)]
async fn the_demo_kills_a_node_from_its_menu_after_asking() {
    let demo = Settings { demo: true, ..plain() };
    let seen = play("2 n k enter n k tab enter", demo).await;
    assert_eq!(seen.asked.len(), 1, "{:?}", seen.asked);
    assert!(matches!(&seen.asked[0], Asked::Inject(address, Fault::Kill) if address.port == 7000));
    let seen = play("2 n k tab enter", plain()).await;
    assert_eq!(seen.asked, [], "without a demo there is nothing to kill");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_says_why() {
    let seen = play(":drain+10.0.0.1:7000 enter", plain()).await;
    assert!(matches!(&seen.asked[..], [Asked::Plan(Intent::Drain { node })] if node == "10.0.0.1:7000"));
    assert!(seen.app.operations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_grammar_of_views() {
    let view = |seen: &Seen| seen.app.screen.view().clone();
    assert_eq!(view(&play(":nodes enter", plain()).await), Page::Nodes);
    assert_eq!(view(&play(":nodes enter esc", plain()).await), Page::Home);
    assert_eq!(view(&play(":nodes enter :rooms enter -", plain()).await), Page::Nodes);
    assert_eq!(view(&play(":nodes enter :rooms enter [", plain()).await), Page::Nodes);
    assert_eq!(view(&play(":nodes enter :rooms enter [ ]", plain()).await), Page::Rooms);
    assert_eq!(view(&play("?", plain()).await), Page::Help);
    assert!(matches!(view(&play(":topo enter enter", plain()).await), Page::Shard(_)));
    assert!(matches!(view(&play(":node+7003 enter", plain()).await), Page::Node(_)));
    assert_eq!(view(&play(":slot+866 enter", plain()).await), Page::Slot(866));
    assert_eq!(view(&play(":op tab enter", plain()).await), Page::Operations);
    let wrong = play(":romos enter", plain()).await;
    assert_eq!(view(&wrong), Page::Home);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_command_stays_in_the_prompt_with_the_nearest_right_one() {
    // The prompt is closed by the ctrl-c that follows; the frame before it shows the error.
    let seen = play(":romos enter", plain()).await;
    assert_eq!(seen.ended, ConsoleEnd::Quit);
    assert!(seen.app.screen.prompt.is_none());
}

#[tokio::test(start_paused = true)]
async fn filters_narrow_marks_survive_and_sorting_keeps_the_selection() {
    let all = play(":rooms enter", plain()).await.app;
    assert_eq!(all.rows.rooms.len(), 60);
    let code = all.rows.rooms[3].to_string();
    let seen = play(&format!(":rooms enter /{code} enter"), plain()).await.app;
    assert_eq!(seen.rows.rooms.iter().map(|room| room.to_string()).collect::<Vec<_>>(), [code]);
    let seen = play(":rooms enter j space > > >", plain()).await.app;
    assert_eq!(seen.screen.rooms.sort.map(|sort| (sort.column, sort.descending)), Some(("players", true)));
    assert_eq!(seen.screen.rooms.marks.len(), 1);
    let rgc_tui::app::Item::Room(selected) = seen.screen.rooms.selected.clone().unwrap() else { panic!() };
    assert_eq!(selected, all.rows.rooms[2], "the selection is the same room wherever it went");
}

#[tokio::test(start_paused = true)]
async fn an_idle_console_draws_about_once_a_second() {
    let idle = play("ctrl-f ctrl-f ctrl-f ctrl-f ctrl-f ctrl-f ctrl-f ctrl-f ctrl-f ctrl-f", plain()).await;
    assert!(idle.frames <= 18, "{} frames for 13 keys in 2.6 s", idle.frames);
}

#[tokio::test(start_paused = true)]
async fn a_plan_can_be_asked_for_in_another_way() {
    let seen = play("F enter m esc", plain()).await;
    let modes: Vec<_> = seen
        .asked
        .iter()
        .map(|asked| match asked {
            Asked::Plan(Intent::Failover { mode, .. }) => mode.word(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(modes, ["graceful", "force"]);
    let seen = play(":fix enter r tab enter", plain()).await;
    assert!(matches!(&seen.asked[2], Asked::Execute(Intent::Fix { roll_back: true, .. })), "{:?}", seen.asked);
}

#[tokio::test(start_paused = true)]
async fn rooms_and_ranges_are_moved_to_a_master_of_choice() {
    let seen = play(":rooms enter space space M enter tab enter", plain()).await;
    let Some(Asked::Execute(Intent::MigrateRooms { codes, to })) = seen.asked.last() else { panic!("{:?}", seen.asked) };
    assert_eq!(codes.len(), 2);
    assert!(seen.app.screen.rooms.marks.is_empty(), "marks are let go once they have been used");
    assert!(to.starts_with("10.0.0."));
    let seen = play("3 v right right M down enter tab enter", plain()).await;
    let Some(Asked::Execute(Intent::MoveSlots { slots, .. })) = seen.asked.last() else { panic!("{:?}", seen.asked) };
    assert_eq!(slots.to_string(), "0-47", "three cells of 16 slots");
}

#[tokio::test(start_paused = true)]
async fn the_screen_is_saved_as_text_and_the_place_is_told() {
    let seen = play("ctrl-s", plain()).await;
    let said = seen.app.toast.unwrap().text;
    let path = said.strip_prefix("screen saved to ").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(text.contains("Topology") && text.lines().count() == 40, "{text}");
}

#[tokio::test(start_paused = true)]
async fn quitting_asks_what_is_running_to_stop_and_waits_for_its_end() {
    let rebalance = ":rebalance+--by+slots enter tab enter";
    let seen = play_with(rebalance, plain(), Some(Duration::from_secs(7))).await;
    assert_eq!(seen.ended, ConsoleEnd::Quit);
    assert!(matches!(seen.asked.last(), Some(Asked::Stop(id)) if *id == seen.app.operations[0].id), "{:?}", seen.asked);
    let (told, took) = seen.parting;
    assert_eq!(told, ["stopping rebalance", "5 s for rebalance", "rebalance cancelled"]);
    assert!(took >= Duration::from_secs(7) && took < Duration::from_secs(8), "{took:?}");
    assert!(!seen.app.operations[0].is_running());

    let never = play_with(rebalance, plain(), None).await;
    let (told, took) = never.parting;
    assert_eq!((told.first().unwrap().as_str(), told.last().unwrap().as_str()), ("stopping rebalance", "left rebalance"));
    assert_eq!((took, told.len()), (STOPS_WITHIN, 21), "an operation that does not stop is left when a repair would be over");

    let nothing = play("F enter tab enter", plain()).await;
    assert_eq!(nothing.parting, (Vec::new(), Duration::ZERO), "what has ended already is not waited for");
    assert!(!nothing.asked.iter().any(|asked| matches!(asked, Asked::Stop(_))));
}
