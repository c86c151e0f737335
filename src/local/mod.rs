//! IO. this machine ↔ servers: real Redis or Valkey servers on loopback, for the demo, `local` and the tests.
//!
//! However this program ends, nothing it started is left behind: a guardian outlives it by a moment and clears up.

mod binary;
mod cluster;
mod error;
mod fleet;
mod guardian;
mod layout;
mod ports;
mod process;
mod ready;
mod server;
mod talk;

pub use crate::cluster::Fault;
pub use binary::{Binary, find as find_binary};
pub use cluster::{LocalCluster, LocalSpec};
pub use error::LocalError;
pub use fleet::{Kept, LocalNode};
pub use server::LocalServer;
pub use talk::{Talk, ask};
