//! IO. What the terminal sends, read by a thread of its own, and its size when that changes.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use crossterm::event::Event;
use futures_util::Stream;
use futures_util::stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::decode::Decoder;

/// How long the thread outlives its reader.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
const WAITING: usize = 256;
/// What a terminal keeps for whoever reads.
const CHUNK: usize = 4096;

/// Events of this process's terminal, until it is gone.
pub fn events() -> impl Stream<Item = io::Result<Event>> + Unpin {
    let (to, bytes) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        if let Err(error) = read(&to) {
            let _ = to.blocking_send(Err(error));
        }
    });
    let reader =
        ByteReader { bytes, decoder: Decoder::new(), began: Instant::now(), resized: signal(SignalKind::window_change()).ok() };
    // What is dropped while it waits loses nothing: the future stays in the stream.
    Box::pin(stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) }))
}

/// Reading from a terminal may wait for ever: only this thread does. It asks before each read whether there is
/// something, and so never misses bytes that were there before it asked.
fn read(to: &mpsc::Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let stdin = io::stdin();
    let terminal = stdin.as_fd();
    let mut buffer = vec![0; CHUNK];
    while !to.is_closed() {
        match poll(&mut [PollFd::new(&terminal, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::io::read(terminal, &mut buffer) {
            // It has hung up.
            Ok(0) => return Ok(()),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                if to.blocking_send(Ok(bytes)).is_err() {
                    return Ok(());
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

struct ByteReader {
    bytes: mpsc::Receiver<io::Result<Vec<u8>>>,
    decoder: Decoder,
    began: Instant,
    resized: Option<Signal>,
}

impl ByteReader {
    async fn next(&mut self) -> Option<io::Result<Event>> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Some(Ok(event));
            }
            let deadline = self.decoder.deadline().map(|at| self.began + at);
            tokio::select! {
                biased;
                bytes = self.bytes.recv() => match bytes? {
                    Ok(bytes) => self.decoder.feed(&bytes, self.began.elapsed()),
                    Err(error) => return Some(Err(error)),
                },
                () = resized(self.resized.as_mut()) => {
                    if let Ok((width, height)) = crossterm::terminal::size() {
                        return Some(Ok(Event::Resize(width, height)));
                    }
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.decoder.expire(self.began.elapsed().max(deadline.map_or(Duration::ZERO, |at| at - self.began)));
                }
            }
        }
    }
}

async fn resized(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
