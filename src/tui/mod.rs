//! IO. The loop: events in, effects out, a frame when there is something new to see. It never awaits the network.
//!
//! ```text
//!  signals ─┐                                ┌─► Hands (plans, operations, faults, ledger) ──► answers ─┐
//!  keys ────┤                                │                                                          │
//!  answers ─┼─► app::update ──► effects ─────┼─► terminal (clipboard, theme), a file (screen)           │
//!  facts ───┤                                └─► quit                                                   │
//!  tick ────┘◄──────────────────────────────────────────────────────────────────────────────────────────┘
//!                 app.settle ──► ui::draw, at most as often as `pace` says
//! ```

mod cluster_hands;
mod facts;
mod hands;
mod pace;
mod parting;
mod save;
mod start;
mod surface;

pub use cluster_hands::{ClusterHands, Faults};
pub use facts::Facts;
pub use hands::{Answers, Hands, Mailbox, NoHands};
pub use parting::{Parting, part};
pub use start::{Start, start};
pub use surface::Surface;

use std::io;
use std::path::PathBuf;

use crossterm::event::Event as Raw;
use futures_util::Stream;
use ratatui::Terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::app::{self, App, Effect, Event};
use crate::cluster::Observation;
use crate::link::Clock;
use crate::term::{self, Input, Signal, Signals};
use crate::theme::Theme;
use crate::ui;
use pace::Pace;

/// So many events are taken in between two looks at the clock.
const BATCH: usize = 1024;

/// How the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The operator quit.
    Quit,
    Signal(Signal),
    /// Nothing can be read from or written to the terminal any more.
    TerminalGone,
}

/// Finds a theme by its name.
pub type Themes = Box<dyn Fn(&str) -> Option<Theme>>;
/// Looks at every frame after it was drawn.
pub type OnFrame = Box<dyn FnMut(&App, &Buffer)>;

/// Everything the loop works with, apart from the terminal and its input.
pub struct Desk {
    pub app: App,
    pub theme: Theme,
    /// Themes by name, already limited to the terminal's colours.
    pub themes: Themes,
    pub clock: Clock,
    pub signals: Option<Signals>,
    pub facts: Facts,
    pub hands: Box<dyn Hands>,
    pub mailbox: Mailbox,
    /// Where saved screens go.
    pub folder: PathBuf,
    /// Called after every frame, with what it shows.
    pub on_frame: Option<OnFrame>,
}

/// What one turn of the loop woke up for.
enum Woken {
    Signal(Signal),
    Draw,
    Input(Option<Event>),
    Answer(Event),
    Observed(Option<Observation>),
    Tick,
}

/// Runs the console until it ends. `desk.app` is then as the operator left it, and operations may still be under way:
/// once the terminal is given back, [`part`] stops them.
pub async fn run<B, S>(terminal: &mut Terminal<B>, input: &mut Input<S>, desk: &mut Desk) -> Ended
where
    B: Surface,
    S: Stream<Item = io::Result<Raw>> + Unpin,
{
    let period = desk.app.settings.interval.clamp(std::time::Duration::from_millis(100), std::time::Duration::from_secs(1));
    let mut tick = interval_at(Instant::now(), period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut pace = Pace::new(desk.app.settings.interval);
    let mut facts_open = true;
    if let Ok(size) = terminal.size() {
        let _ = app::update(&mut desk.app, Event::Resize(size.width, size.height), desk.clock.now());
    }
    let mut save = false;
    let cluster = desk.app.model.name.clone();
    desk.hands.begin(&cluster, &desk.mailbox.to);
    loop {
        let woken = tokio::select! {
            biased;
            signal = next_signal(desk.signals.as_mut()) => Woken::Signal(signal),
            () = sleep_until(pace.due()), if pace.wants_frame() => Woken::Draw,
            event = input.next() => Woken::Input(event),
            Some(event) = desk.mailbox.answers.recv() => Woken::Answer(event),
            fact = desk.facts.next(), if facts_open => Woken::Observed(fact),
            _ = tick.tick() => Woken::Tick,
        };
        let now = desk.clock.now();
        let mut effects = Vec::new();
        match woken {
            Woken::Signal(Signal::Continue) => {
                if terminal.backend_mut().retake().is_err() || redraw(terminal).is_err() {
                    return Ended::TerminalGone;
                }
                pace.key();
            }
            Woken::Signal(signal) => return Ended::Signal(signal),
            Woken::Draw => {
                let began = Instant::now();
                let news = desk.app.settle(now);
                desk.facts.remember(&desk.app.model);
                if pace.should_draw(news) && frame(terminal, desk, &mut save).is_err() {
                    return Ended::TerminalGone;
                }
                pace.drawn(began.elapsed());
            }
            Woken::Input(None) => return Ended::TerminalGone,
            Woken::Input(Some(event)) => {
                effects = app::update(&mut desk.app, event, now);
                pace.key();
            }
            Woken::Answer(event) => {
                effects = app::update(&mut desk.app, event, now);
                while let Ok(event) = desk.mailbox.answers.try_recv() {
                    effects.extend(app::update(&mut desk.app, event, now));
                }
                pace.news();
            }
            Woken::Observed(None) => facts_open = false,
            Woken::Observed(Some(fact)) => {
                effects = app::update(&mut desk.app, Event::Observed(Box::new(fact)), now);
                for _ in 0..BATCH {
                    let Some(fact) = desk.facts.try_next() else { break };
                    effects.extend(app::update(&mut desk.app, Event::Observed(Box::new(fact)), now));
                }
                pace.facts(desk.app.model.take_notable());
            }
            Woken::Tick => {
                effects = app::update(&mut desk.app, Event::Tick, now);
                pace.tick();
            }
        }
        for effect in effects {
            match carry_out(effect, terminal, desk, &mut save) {
                Ok(true) => {}
                Ok(false) => return Ended::Quit,
                Err(_) => return Ended::TerminalGone,
            }
        }
    }
}

/// Makes the next frame a whole one. `Terminal::clear` would ask where the cursor is, and its answer would be taken for keys.
fn redraw<B: Surface>(terminal: &mut Terminal<B>) -> Result<(), B::Error> {
    let size = terminal.size()?;
    terminal.resize(Rect::new(0, 0, size.width, size.height))
}

async fn next_signal(signals: Option<&mut Signals>) -> Signal {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

/// Draws one frame, and keeps its text when the operator asked for it.
fn frame<B: Surface>(terminal: &mut Terminal<B>, desk: &mut Desk, save: &mut bool) -> Result<(), B::Error> {
    term::collect_log();
    let now = desk.clock.now();
    let mut shown = app::Shown::default();
    let frame = terminal.draw(|frame| shown = ui::draw(&desk.app, &desk.theme, now, frame))?;
    desk.app.saw(shown);
    if let Some(on_frame) = desk.on_frame.as_mut() {
        on_frame(&desk.app, frame.buffer);
    }
    if std::mem::take(save) {
        let (text, bad) = save::to_file(frame.buffer, &desk.folder, now);
        desk.app.tell(text, bad, now);
    }
    Ok(())
}

/// Does what `update` asked for; false when that was to quit.
fn carry_out<B: Surface>(effect: Effect, terminal: &mut Terminal<B>, desk: &mut Desk, save: &mut bool) -> Result<bool, B::Error> {
    let to = &desk.mailbox.to;
    match effect {
        Effect::Quit => return Ok(false),
        Effect::Copy(text) => terminal.backend_mut().copy(&text)?,
        Effect::SaveScreen => *save = true,
        Effect::Theme(name) => {
            if let Some(theme) = (desk.themes)(&name) {
                desk.theme = theme;
            }
        }
        Effect::Survey(intent) => desk.hands.survey(intent, &desk.app.model, to),
        Effect::Execute(id, plan) => {
            if desk.app.unlocked {
                desk.hands.unlock();
            }
            desk.hands.execute(id, *plan, &desk.app.model, to);
        }
        Effect::Control(id, control) => desk.hands.control(id, control),
        Effect::Inject(node, fault) => match desk.app.model.node(node).map(|node| node.address.clone()) {
            Some(address) => desk.hands.inject(address, fault, to),
            None => desk.app.tell("that node is not known any more", true, desk.clock.now()),
        },
        Effect::ReadLedger => desk.hands.ledger(to),
    }
    Ok(true)
}
