//! IO. What can go wrong with servers on this machine, said so that the reader knows what to do next.

use std::io;
use std::path::PathBuf;

use crate::cluster::Address;

#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error(
        "found no redis-server and no valkey-server on PATH. Install one (Debian, Ubuntu: `apt install redis-server`; \
         Fedora: `dnf install valkey`; macOS: `brew install redis`), or name one with --server-bin PATH"
    )]
    NoServer,
    #[error(
        "cannot run `{path}` as a Redis or Valkey server: {why}. --server-bin must point to a redis-server or valkey-server program"
    )]
    BadBinary { path: PathBuf, why: String },
    #[error("{0}")]
    Shape(String),
    #[error(
        "port {port} of 127.0.0.1 is taken ({purpose} of node {node}). Choose another --base-port, or leave it out to use free ports"
    )]
    PortTaken { port: u16, purpose: &'static str, node: u16 },
    #[error("found no {wanted} free ports between 11000 and 22000 on 127.0.0.1. Stop what runs there, or name a --base-port")]
    NoPorts { wanted: usize },
    #[error("cannot {attempt} `{path}`: {source}")]
    Folder { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error("`{path}` is not empty: --dir wants a new or an empty folder, so that nothing of yours is removed at the end")]
    FolderInUse { path: PathBuf },
    #[error("the server on {address} ended at once ({status}). Its last words: {last_words}")]
    Exited { address: Address, status: String, last_words: String },
    #[error("after {seconds} s the server on {address} has not come to: {condition}. Its last words: {last_words}")]
    Timeout { address: Address, condition: String, seconds: u64, last_words: String },
    #[error("{address} is no server of this local cluster; it has {known}")]
    UnknownNode { address: Address, known: String },
    #[error("cannot {attempt} {address}: its process does not run. Restart it first")]
    NotRunning { address: Address, attempt: &'static str },
    #[error("cannot {attempt} {address} (process {pid}): {why}")]
    Signal { address: Address, attempt: &'static str, pid: u32, why: String },
    #[error("cannot start the process that clears up after the servers (`sh`): {0}")]
    Guardian(io::Error),
}
