//! IO. Signals that end the console, and the one that says it goes on after a stop.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// SIGCONT has no name in tokio.
const CONTINUE: i32 = if cfg!(target_os = "linux") { 18 } else { 19 };

/// What the system asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal hung up: nothing may be written to it any more.
    HangUp,
    Terminate,
    Interrupt,
    /// Running again after having been stopped: the terminal is not ours any more until it is taken again and drawn anew.
    Continue,
}

#[derive(Debug)]
pub struct Signals {
    hang_up: Stream,
    terminate: Stream,
    interrupt: Stream,
    go_on: Stream,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            go_on: signal(SignalKind::from_raw(CONTINUE))?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.hang_up.recv() => Signal::HangUp,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.go_on.recv() => Signal::Continue,
        }
    }
}
