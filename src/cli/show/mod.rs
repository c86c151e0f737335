//! IO. Commands that look and print: once, or as things happen.

pub(crate) mod ack;
pub(crate) mod check;
pub(crate) mod events;
pub(crate) mod locate;
pub(crate) mod metrics;
pub(crate) mod nodes;
pub(crate) mod rooms;
pub(crate) mod slots;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod tables;
pub(crate) mod watch;
