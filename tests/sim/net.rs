//! IO. The sockets of the simulated servers, and what faults do to them.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Shared;
use super::commands::{Client, Outcome};
use super::node::{Id, Process};
use super::resp::take_command;

/// How long a command that must wait waits before it is tried again.
const RETRY: Duration = Duration::from_millis(5);

enum After {
    Close,
    Reset,
}

/// Accepts for one node until its process dies; then every connection is reset and the port closed.
pub async fn listen(shared: Arc<Shared>, id: Id, listener: TcpListener) {
    let mut changes = shared.faults.subscribe();
    let mut clients = JoinSet::new();
    loop {
        let closed = {
            let world = shared.world();
            world.nodes[id].process == Process::Dead || world.nodes[id].faults.refuse
        };
        if closed {
            return;
        }
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    clients.spawn(serve(Arc::clone(&shared), id, stream));
                }
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve(shared: Arc<Shared>, id: Id, mut stream: TcpStream) {
    let client_id = {
        let mut world = shared.world();
        world.nodes[id].stats.connections += 1;
        world.nodes[id].stats.clients += 1;
        world.next_client += 1;
        world.next_client
    };
    let ending = Gone(Arc::clone(&shared), id);
    let client = Client { id: client_id, ..Client::default() };
    if let After::Reset = converse(&shared, id, &mut stream, client).await {
        let _ = stream.set_zero_linger();
    }
    drop(ending);
}

/// Counts a client out even when its task is ended from outside.
struct Gone(Arc<Shared>, Id);

impl Drop for Gone {
    fn drop(&mut self) {
        let clients = &mut self.0.world().nodes[self.1].stats.clients;
        *clients = clients.saturating_sub(1);
    }
}

async fn converse(shared: &Arc<Shared>, id: Id, stream: &mut TcpStream, mut client: Client) -> After {
    let mut changes = shared.faults.subscribe();
    let mut buffer = Vec::new();
    loop {
        // A stopped process reads nothing; what was sent to it waits.
        let process = shared.world().nodes[id].process;
        match process {
            Process::Dead => return After::Reset,
            Process::Hung => {
                if changes.changed().await.is_err() {
                    return After::Reset;
                }
                continue;
            }
            Process::Running => {}
        }
        if shared.world().nodes[id].faults.full {
            let _ = stream.write_all(b"-ERR max number of clients reached\r\n").await;
            return After::Close;
        }
        let mut out = Vec::new();
        let mut close = false;
        let mut delay = 0;
        while !close && let Some(words) = take_command(&mut buffer) {
            if words.is_empty() {
                continue;
            }
            loop {
                let outcome = shared.world().receive(id, &mut client, &words);
                shared.agenda.notify_one();
                let reply = match outcome {
                    Outcome::Wait => {
                        sleep(RETRY).await;
                        if shared.world().nodes[id].process == Process::Dead {
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
        if !out.is_empty() {
            let (latency, faults) = {
                let world = shared.world();
                (world.settings.latency_ms, world.nodes[id].faults.clone())
            };
            sleep(Duration::from_millis(latency + faults.slow_ms + delay)).await;
            if shared.world().nodes[id].process == Process::Dead {
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
            read = stream.read_buf(&mut buffer) => {
                if !matches!(read, Ok(count) if count > 0) {
                    return After::Close;
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
