//! IO. Takes the terminal and gives it back, once, whatever happens in between.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute};

/// The terminal is ours. There is one terminal, so there is one flag.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Reports of the mouse were asked for.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// The thread that draws: a panic elsewhere must not pull the screen from under it.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);

/// Gives the terminal back when dropped.
#[derive(Debug)]
pub struct Guard(());

/// Takes the terminal: raw mode, alternate screen, bracketed paste, and the mouse only when asked for.
pub fn enter(mouse: bool) -> io::Result<Guard> {
    if let Ok(mut owner) = OWNER.lock() {
        *owner = Some(thread::current().id());
    }
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    MOUSE.store(mouse, Ordering::SeqCst);
    let guard = Guard(());
    switch_on()?;
    Ok(guard)
}

fn switch_on() -> io::Result<()> {
    let mut out = io::stdout();
    execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if MOUSE.load(Ordering::SeqCst) {
        execute!(out, EnableMouseCapture)?;
    }
    Ok(())
}

/// Takes it once more, after a stop in which a shell may have set everything back. Does nothing when it is not ours.
pub fn retake() -> io::Result<()> {
    if !TAKEN.load(Ordering::SeqCst) {
        return Ok(());
    }
    // Raw mode that is thought to be on is not set again, so off first.
    terminal::disable_raw_mode()?;
    terminal::enable_raw_mode()?;
    switch_on()
}

/// Gives it back; only the first call does anything. Errors are passed over: the terminal may be gone.
fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        // The end of a synchronized update first: a frame may have been cut short.
        let _ = out.write_all(b"\x1b[?2026l");
        let _ = execute!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

/// On a panic of the thread that draws: the terminal is given back before the message is printed. On a panic of any other
/// while the terminal is taken: the message goes to the log, since the screen is not theirs.
pub fn install_panic_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let owner = OWNER.lock().ok().and_then(|owner| *owner);
        let ours = owner.is_none_or(|owner| owner == thread::current().id());
        if ours || !TAKEN.load(Ordering::SeqCst) {
            leave();
            before(info);
        } else {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let what = text.unwrap_or("no message");
            log::error!("a task died at {place}: {what}");
        }
    }));
}
