//! IO. server ↔ call: the only module that names the redis crate. One link a node and lane, with deadlines.

mod message;

pub use message::{Command, Failure, Reply, ServerError};
