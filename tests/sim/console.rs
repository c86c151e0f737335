//! IO. The whole console on the simulated cluster: the loop of `tui::run`, a test terminal, keys in the user's notation.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crossterm::event::{Event as Raw, KeyEvent};
use futures_util::stream;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use rgc_tui::app::{App, Settings as AppSettings};
use rgc_tui::cluster::Model;
use rgc_tui::exec::{Executor, ExecutorSettings, Lock};
use rgc_tui::keys::{Chord, Keymap};
use rgc_tui::link::Clock;
use rgc_tui::session::{ClusterSpec, Session};
use rgc_tui::term::Input;
use rgc_tui::theme::Theme;
use rgc_tui::tui::{self, ClusterEffects, Console, ConsoleEnd, EventChannel, FactSource};
use rgc_tui::watch::WatchSettings;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::sim::Sim;

/// How long a condition may take to come true, on the simulated clock.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// What the last frame showed.
pub(crate) struct Seen {
    pub(crate) app: App,
    pub(crate) screen: String,
    pub(crate) frames: usize,
}

/// The operator at the console.
#[derive(Clone)]
pub(crate) struct Operator {
    keys: mpsc::UnboundedSender<io::Result<Raw>>,
    seen: Rc<RefCell<Option<Seen>>>,
}

impl Operator {
    /// Presses keys: `F`, `tab enter`, `: f a i l enter`.
    pub(crate) fn press(&self, keys: &str) {
        for key in keys.split_whitespace() {
            let chord: Chord = key.parse().unwrap_or_else(|error| panic!("{error}"));
            self.keys.send(Ok(Raw::Key(KeyEvent::new(chord.code, chord.modifiers)))).expect("the console runs");
        }
    }

    /// Looks at the last frame; panics before the first one.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(self.seen.borrow().as_ref().expect("no frame was drawn yet"))
    }

    pub(crate) fn screen(&self) -> String {
        self.look(|seen| seen.screen.clone())
    }

    /// Waits on what the console knows, never for a time.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.borrow().as_ref().is_some_and(&holds) {
            if Instant::now() >= deadline {
                let screen = self.seen.borrow().as_ref().map(|seen| seen.screen.clone()).unwrap_or_default();
                panic!("it never comes to this: {what}\nthe last frame was\n{screen}");
            }
            sleep(LOOK).await;
        }
    }
}

/// How a session on the simulated cluster is opened.
pub(crate) fn spec(sim: &Sim, rooms: bool) -> ClusterSpec {
    ClusterSpec {
        name: "prod".into(),
        topology: rgc_tui::cluster::TopologyKind::Cluster,
        link: sim.link(),
        watch: WatchSettings { seeds: sim.seeds(), rooms: rooms.then(|| "room:{CODE}:state".into()), ..WatchSettings::default() },
        journal_dir: std::env::temp_dir(),
        memory_dir: None,
        lock: rgc_tui::exec::Lock::Open,
    }
}

/// Runs the console beside a script; gives back the app as the operator left it, and how the console ended.
pub(crate) async fn with_console<F, Fut>(sim: &Sim, size: (u16, u16), rooms: bool, script: F) -> (App, Option<ConsoleEnd>)
where
    F: FnOnce(Operator) -> Fut,
    Fut: Future<Output = ()>,
{
    let clock = Clock::start();
    let spec = spec(sim, rooms);
    let journal = tempfile::tempdir().expect("a folder for the journal");
    let session = Session::open(spec.clone(), clock);
    let settings = ExecutorSettings { journal_dir: journal.path().to_path_buf(), cluster: "test".into(), lock: Lock::Open };
    let executor = Executor::new(session.links().clone(), clock, settings);
    let seen = Rc::new(RefCell::new(None));
    let (keys, typed) = mpsc::unbounded_channel();
    let frames = Rc::clone(&seen);
    let mut console = Console {
        app: App::new(Model::new(spec.name), AppSettings::default(), Keymap::default(), clock.now()),
        theme: Theme::builtin("dusk").expect("dusk is built in"),
        themes: Box::new(Theme::builtin),
        clock,
        signals: None,
        facts: FactSource::Session(Box::new(session)),
        handler: Box::new(ClusterEffects::new(executor, None)),
        channel: EventChannel::new(),
        folder: journal.path().to_path_buf(),
        on_frame: Some(Box::new(move |app, buffer| {
            let mut seen = frames.borrow_mut();
            let count = seen.as_ref().map_or(0, |seen: &Seen| seen.frames);
            *seen = Some(Seen { app: app.clone(), screen: text_of(buffer), frames: count + 1 });
        })),
    };
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a test terminal");
    let typed = Box::pin(stream::unfold(typed, |mut typed| async { typed.recv().await.map(|event| (event, typed)) }));
    let mut input = Input::new(typed);
    let operator = Operator { keys, seen };
    let script = script(operator.clone());
    let ended = {
        let run = tui::run(&mut terminal, &mut input, &mut console);
        tokio::pin!(run, script);
        tokio::select! {
            biased;
            ended = &mut run => {
                script.await;
                Some(ended)
            }
            // Keys pressed last still have their effect.
            () = &mut script => timeout(Duration::from_secs(1), &mut run).await.ok(),
        }
    };
    drop(operator);
    (console.app, ended)
}

/// A frame as lines of text.
fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width.max(1)).map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}
