//! IO. server ↔ call: the only module that names the redis crate. One link a node and lane, with deadlines.
//!
//! ```text
//!          call                    attempt fails            pause is over
//!  idle ─────────► trying ────────────────────────► pausing ─────────────► trying
//!                    │ greeted                          (calls fail at once)
//!                    ▼        connection lost, reply overdue
//!                  ready ───────────────────────────────────► idle
//! ```
//!
//! An attempt runs beside the calls that wait for it: a caller gives up at its own deadline, the attempt goes on, and
//! how far it has come is what tells a silent host from a frozen process.

mod address_map;
mod attempt;
mod clock;
mod connection;
mod dial;
mod ear;
mod greet;
mod line;
mod links;
#[cfg(test)]
pub(crate) mod memory;
mod message;
mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod tls;
mod trouble;

pub use address_map::AddressMap;
pub use clock::Clock;
pub use dial::{ByteStream, Dialer, Tcp};
pub use ear::Ear;
pub use line::Link;
pub use links::{Lane, Links};
pub use message::{Command, Failure, Reply, ServerError};
pub use settings::{LinkSettings, TlsSettings};
