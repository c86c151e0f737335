//! IO. The connections of the simulated servers, in memory, and what faults do to them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use rgc_tui::link::{ByteStream, Dialer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::sleep;

use super::Shared;
use super::commands::{Client, Outcome};
use super::node::{Id, Process};
use super::resp::{Value, take_command};
use super::world::World;

/// How long a command that must wait waits before it is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// What a connection holds before its writer has to wait, each way.
const BUFFER: usize = 1 << 20;

/// Where connections come from; a console may be cut off from nodes that hear each other.
pub type Host = u8;

/// One host's way to the simulated servers.
pub struct Network {
    pub shared: Arc<Shared>,
    pub from: Host,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the simulated network, seen from host {}", self.from)
    }
}

impl Dialer for Network {
    fn dial(&self, place: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let mut changes = self.shared.faults.subscribe();
            let id = loop {
                {
                    let world = self.shared.world();
                    let id = world.by_port(place.port()).filter(|_| world.host == place.ip().to_string());
                    let id = id.ok_or(io::ErrorKind::ConnectionRefused)?;
                    if !world.is_cut(self.from, id) {
                        let node = &world.nodes[id];
                        if node.process == Process::Dead || node.faults.refuse {
                            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "Connection refused"));
                        }
                        break id;
                    }
                }
                // Nobody answers: the attempt hangs until the network is whole again.
                let _ = changes.changed().await;
            };
            let (here, there) = tokio::io::duplex(BUFFER);
            let was_reset = Arc::new(AtomicBool::new(false));
            let wire = Wire { stream: here, was_reset: Arc::clone(&was_reset) };
            tokio::spawn(serve(Arc::clone(&self.shared), self.from, id, there, was_reset));
            Ok(Box::new(wire) as Box<dyn ByteStream>)
        })
    }
}

/// The client's end of a connection.
struct Wire {
    stream: DuplexStream,
    was_reset: Arc<AtomicBool>,
}

impl Wire {
    fn end(&self) -> io::Result<()> {
        if self.was_reset.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => Poll::Ready(self.end()),
            other => other,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

enum After {
    Close,
    Reset,
}

/// One connection, from its acceptance to its end.
async fn serve(shared: Arc<Shared>, from: Host, id: Id, mut stream: DuplexStream, was_reset: Arc<AtomicBool>) {
    let (inbox, mut unasked) = mpsc::unbounded_channel();
    let client_id = {
        let mut world = shared.world();
        world.nodes[id].stats.connections += 1;
        world.nodes[id].stats.clients += 1;
        world.next_client += 1;
        let client_id = world.next_client;
        world.inboxes.insert(client_id, inbox);
        client_id
    };
    let ending = Gone(Arc::clone(&shared), id, client_id);
    let client = Client { id: client_id, ..Client::default() };
    if let After::Reset = converse(&shared, from, id, &mut stream, client, &mut unasked).await {
        was_reset.store(true, Ordering::SeqCst);
    }
    drop(ending);
}

/// Counts a client out even when its task is ended from outside.
struct Gone(Arc<Shared>, Id, u64);

impl Drop for Gone {
    fn drop(&mut self) {
        let mut world = self.0.world();
        let clients = &mut world.nodes[self.1].stats.clients;
        *clients = clients.saturating_sub(1);
        world.channels.retain(|(_, client, _)| *client != self.2);
        world.inboxes.remove(&self.2);
    }
}

async fn converse(
    shared: &Arc<Shared>,
    from: Host,
    id: Id,
    stream: &mut DuplexStream,
    mut client: Client,
    unasked: &mut UnboundedReceiver<Value>,
) -> After {
    let mut changes = shared.faults.subscribe();
    let (mut buffer, mut waiting) = (Vec::new(), Vec::new());
    let life = shared.world().nodes[id].run_id.clone();
    let is_gone = |world: &World| {
        let node = &world.nodes[id];
        node.process == Process::Dead || node.faults.refuse || node.run_id != life
    };
    loop {
        // A stopped process reads nothing, and nothing comes through a cut line: what was sent waits.
        let waits = {
            let world = shared.world();
            if is_gone(&world) {
                return After::Reset;
            }
            world.nodes[id].process == Process::Hung || world.is_cut(from, id)
        };
        if waits {
            if changes.changed().await.is_err() {
                return After::Reset;
            }
            continue;
        }
        if shared.world().nodes[id].faults.full {
            let _ = stream.write_all(b"-ERR max number of clients reached\r\n").await;
            return After::Close;
        }
        let mut out = std::mem::take(&mut waiting);
        let mut close = false;
        let mut delay = 0;
        let mut lost = false;
        while let Ok(said) = unasked.try_recv() {
            said.write(client.resp3, &mut out);
        }
        while !close && let Some(words) = take_command(&mut buffer) {
            if words.is_empty() {
                continue;
            }
            loop {
                let outcome = shared.world().receive(id, &mut client, &words);
                shared.agenda.notify_one();
                lost |= !matches!(outcome, Outcome::Wait) && shared.world().loses_reply(id, &words);
                let reply = match outcome {
                    Outcome::Wait => {
                        sleep(RETRY).await;
                        if is_gone(&shared.world()) {
                            return After::Reset;
                        }
                        continue;
                    }
                    Outcome::Reply(reply) => reply,
                    Outcome::Later(after, reply) => {
                        delay += after;
                        reply
                    }
                    Outcome::Close(reply) => {
                        close = true;
                        reply
                    }
                };
                reply.write(client.resp3, &mut out);
                break;
            }
        }
        if lost {
            return After::Reset;
        }
        if !out.is_empty() {
            let (latency, faults) = {
                let mut world = shared.world();
                (world.settings.latency_ms + world.jitter(), world.nodes[id].faults.clone())
            };
            sleep(Duration::from_millis(latency + faults.slow_ms + delay)).await;
            while shared.world().is_cut(from, id) {
                if changes.changed().await.is_err() {
                    return After::Reset;
                }
            }
            if is_gone(&shared.world()) {
                return After::Reset;
            }
            if faults.garbage {
                out = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
                close = true;
            }
            if faults.reset {
                out.truncate(out.len() / 2);
                let _ = stream.write_all(&out).await;
                return After::Reset;
            }
            if stream.write_all(&out).await.is_err() || close {
                return After::Close;
            }
        }
        tokio::select! {
            said = unasked.recv() => {
                if let Some(said) = said {
                    said.write(client.resp3, &mut waiting);
                }
            }
            read = stream.read_buf(&mut buffer) => {
                if !matches!(read, Ok(count) if count > 0) {
                    return After::Close;
                }
                let late = shared.world().jitter();
                if late > 0 {
                    sleep(Duration::from_millis(late)).await;
                    // What was sent behind it has come, too.
                    while matches!(stream.read_buf(&mut buffer).now_or_never(), Some(Ok(count)) if count > 0) {}
                }
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return After::Reset;
                }
            }
        }
    }
}
