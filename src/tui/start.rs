//! IO. From an open cluster to a running console on this process's terminal, and back.

use std::io::{self, Stdout};
use std::mem::ManuallyDrop;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::{Console, EffectHandler, EventChannel, FactSource, Themes, run};
use crate::app::App;
use crate::link::Clock;
use crate::term::{self, FrameWriter, Input, Signals};
use crate::theme::ColorDepth;

/// What a console is started with.
pub struct Start {
    pub app: App,
    /// A theme by its name.
    pub themes: Themes,
    pub clock: Clock,
    pub facts: FactSource,
    pub handler: Box<dyn EffectHandler>,
    pub mouse: bool,
    pub colours: ColorDepth,
}

/// Runs the console on the terminal until it ends; the terminal is then as it was. What is left of the console is
/// returned, since operations may still be under way: see [`super::part`].
///
/// # Errors
/// When there is no terminal, or signals cannot be caught.
pub async fn start(start: Start) -> io::Result<Console> {
    let Start { app, themes, clock, facts, handler, mouse, colours } = start;
    let themes: Themes = Box::new(move |name| themes(name).map(|theme| theme.limit(colours)));
    let theme = themes(&app.settings.theme)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no theme `{}`", app.settings.theme)))?;
    let mut console = Console {
        app,
        theme,
        themes,
        clock,
        signals: Some(Signals::new()?),
        facts,
        handler,
        channel: EventChannel::new(),
        folder: std::env::current_dir().unwrap_or_default(),
        on_frame: None,
    };
    let guard = term::enter(mouse)?;
    // Dropped, it shows the cursor and panics when the terminal is gone; the guard does the former and never the latter.
    let mut terminal: ManuallyDrop<Terminal<CrosstermBackend<FrameWriter<Stdout>>>> =
        ManuallyDrop::new(Terminal::new(CrosstermBackend::new(FrameWriter::new(io::stdout())))?);
    let mut input = Input::new(term::events());
    run(&mut *terminal, &mut input, &mut console).await;
    drop(input);
    drop(guard);
    Ok(console)
}
