//! IO. The loop: events in, effects out, a frame when there is something new to see. It never awaits the network.
//!
//! ```text
//!  signals ─┐                                ┌─► EffectHandler (plans, operations, faults, ledger) ──► answers ─┐
//!  keys ────┤                                │                                                                  │
//!  answers ─┼─► app::update ──► effects ─────┼─► terminal (clipboard, theme), a file (screen)                   │
//!  facts ───┤                                └─► quit                                                           │
//!  tick ────┘◄──────────────────────────────────────────────────────────────────────────────────────────────────┘
//!                 app.settle ──► ui::draw, at most as often as `pace` says
//! ```

mod cluster_effects;
mod effects;
mod facts;
mod pace;
mod save;
mod shutdown;
mod start;
mod surface;

pub use cluster_effects::{ClusterEffects, Faults};
pub use effects::{EffectHandler, EventChannel, EventSender};
pub use facts::FactSource;
pub use shutdown::{Shutdown, part};
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
use pace::FramePace;

/// So many events are taken in between two looks at the clock.
const BATCH: usize = 1024;

/// How the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleEnd {
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
pub struct Console {
    pub app: App,
    pub theme: Theme,
    /// Themes by name, already limited to the terminal's colours.
    pub themes: Themes,
    pub clock: Clock,
    pub signals: Option<Signals>,
    pub facts: FactSource,
    pub handler: Box<dyn EffectHandler>,
    pub channel: EventChannel,
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

/// Runs the console until it ends. `console.app` is then as the operator left it, and operations may still be under way:
/// once the terminal is given back, [`part`] stops them.
pub async fn run<B, S>(terminal: &mut Terminal<B>, input: &mut Input<S>, console: &mut Console) -> ConsoleEnd
where
    B: Surface,
    S: Stream<Item = io::Result<Raw>> + Unpin,
{
    let period = console.app.settings.interval.clamp(std::time::Duration::from_millis(100), std::time::Duration::from_secs(1));
    let mut tick = interval_at(Instant::now(), period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut pace = FramePace::new(console.app.settings.interval);
    let mut facts_open = true;
    if let Ok(size) = terminal.size() {
        let _ = app::update(&mut console.app, Event::Resize(size.width, size.height), console.clock.now());
    }
    let mut save = false;
    let cluster = console.app.model.name.clone();
    console.handler.begin(&cluster, &console.channel.to);
    loop {
        let woken = tokio::select! {
            biased;
            signal = next_signal(console.signals.as_mut()) => Woken::Signal(signal),
            () = sleep_until(pace.due()), if pace.wants_frame() => Woken::Draw,
            event = input.next() => Woken::Input(event),
            Some(event) = console.channel.answers.recv() => Woken::Answer(event),
            fact = console.facts.next(), if facts_open => Woken::Observed(fact),
            _ = tick.tick() => Woken::Tick,
        };
        let now = console.clock.now();
        let mut effects = Vec::new();
        match woken {
            Woken::Signal(Signal::Continue) => {
                if terminal.backend_mut().retake().is_err() || redraw(terminal).is_err() {
                    return ConsoleEnd::TerminalGone;
                }
                pace.key();
            }
            Woken::Signal(signal) => return ConsoleEnd::Signal(signal),
            Woken::Draw => {
                let began = Instant::now();
                let news = console.app.settle(now);
                console.facts.remember(&console.app.model);
                if pace.should_draw(news) && frame(terminal, console, &mut save).is_err() {
                    return ConsoleEnd::TerminalGone;
                }
                pace.drawn(began.elapsed());
            }
            Woken::Input(None) => return ConsoleEnd::TerminalGone,
            Woken::Input(Some(event)) => {
                effects = app::update(&mut console.app, event, now);
                pace.key();
            }
            Woken::Answer(event) => {
                effects = app::update(&mut console.app, event, now);
                while let Ok(event) = console.channel.answers.try_recv() {
                    effects.extend(app::update(&mut console.app, event, now));
                }
                pace.news();
            }
            Woken::Observed(None) => facts_open = false,
            Woken::Observed(Some(fact)) => {
                effects = app::update(&mut console.app, Event::Observed(Box::new(fact)), now);
                for _ in 0..BATCH {
                    let Some(fact) = console.facts.try_next() else { break };
                    effects.extend(app::update(&mut console.app, Event::Observed(Box::new(fact)), now));
                }
                pace.facts(console.app.model.take_notable());
            }
            Woken::Tick => {
                effects = app::update(&mut console.app, Event::Tick, now);
                pace.tick();
            }
        }
        for effect in effects {
            match carry_out(effect, terminal, console, &mut save) {
                Ok(true) => {}
                Ok(false) => return ConsoleEnd::Quit,
                Err(_) => return ConsoleEnd::TerminalGone,
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
fn frame<B: Surface>(terminal: &mut Terminal<B>, console: &mut Console, save: &mut bool) -> Result<(), B::Error> {
    term::collect_log();
    let now = console.clock.now();
    let mut shown = app::Shown::default();
    let frame = terminal.draw(|frame| shown = ui::draw(&console.app, &console.theme, now, frame))?;
    console.app.saw(shown);
    if let Some(on_frame) = console.on_frame.as_mut() {
        on_frame(&console.app, frame.buffer);
    }
    if std::mem::take(save) {
        let (text, bad) = save::to_file(frame.buffer, &console.folder, now);
        console.app.tell(text, bad, now);
    }
    Ok(())
}

/// Does what `update` asked for; false when that was to quit.
fn carry_out<B: Surface>(
    effect: Effect,
    terminal: &mut Terminal<B>,
    console: &mut Console,
    save: &mut bool,
) -> Result<bool, B::Error> {
    let to = &console.channel.to;
    match effect {
        Effect::Quit => return Ok(false),
        Effect::Copy(text) => terminal.backend_mut().copy(&text)?,
        Effect::SaveScreen => *save = true,
        Effect::Theme(name) => {
            if let Some(theme) = (console.themes)(&name) {
                console.theme = theme;
            }
        }
        Effect::Plan(intent) => console.handler.plan(intent, &console.app.model, to),
        Effect::Execute(id, plan) => {
            if console.app.unlocked {
                console.handler.unlock(&console.app.model.name);
            }
            console.handler.execute(id, *plan, &console.app.model, to);
        }
        Effect::Control(id, control) => console.handler.control(id, control),
        Effect::Inject(node, fault) => match console.app.model.node(node).map(|node| node.address.clone()) {
            Some(address) => console.handler.inject(address, fault, to),
            None => console.app.tell("that node is not known any more", true, console.clock.now()),
        },
        Effect::ReadLedger => console.handler.ledger(to),
    }
    Ok(true)
}
