//! IO. Steps that are one literal command: its reply must be OK.

use std::time::Duration;

use super::telling::{Telling, said};
use crate::cluster::Address;
use crate::link::{Command, Failure};

/// Sends it; the error is a sentence with the command, the node and the server's text.
pub(super) async fn must_be_ok(telling: &Telling, address: &Address, command: &Command, limit: Duration) -> Result<(), String> {
    match telling.send(address, command, limit).await {
        Ok(reply) if reply.is_ok() => Ok(()),
        Ok(reply) => Err(format!("{address} answered {command} with {}", said(&reply))),
        Err(Failure::Unknown(trouble)) => Err(format!("{address} gave no reply to {command} ({trouble}): it may have been done")),
        Err(failure) => Err(format!("{address} did not do {command}: {failure}")),
    }
}
