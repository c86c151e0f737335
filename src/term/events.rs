//! IO. Raw events of the terminal, read by a thread of their own.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event};
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::mpsc;

/// How long the thread outlives its reader.
const LOOK: Duration = Duration::from_millis(250);
const WAITING: usize = 256;

/// crossterm's own stream also reads on the thread that asks, and reading from a terminal that has hung up never returns
/// there: the whole program would spin. Here only this thread does, and the loop learns of the end by its signal, or by
/// the next frame that cannot be written.
pub fn events() -> impl Stream<Item = io::Result<Event>> + Unpin {
    let (to, mut events) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while !to.is_closed() {
            let event = match event::poll(LOOK) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if to.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    stream::poll_fn(move |context| events.poll_recv(context))
}
