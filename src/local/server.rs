//! IO. One server alone, no cluster: standalone Redis, a Sentinel's charge, or a server that is to be led astray.

use std::path::PathBuf;
use std::time::Duration;

use super::fleet::Fleet;
use super::ready::{Condition, wait};
use super::{LocalError, binary, ports};
use crate::cluster::Address;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A running server. Dropped, it and its folder are gone.
#[derive(Debug)]
pub struct LocalServer {
    fleet: Fleet,
    address: Address,
}

impl LocalServer {
    /// Starts one server on a free port and waits for its first answer. `args` are server options, such as
    /// `["--cluster-enabled", "yes"]` for a node that belongs to no cluster yet.
    ///
    /// # Errors
    /// Each names what was tried; nothing is left running or on disk.
    pub async fn start(server_bin: Option<PathBuf>, args: &[String]) -> Result<Self, LocalError> {
        let binary = binary::find(server_bin.as_deref()).await?;
        let mut fleet = Fleet::new(binary, ports::claim(1, None, true)?, None, false, args)?;
        fleet.start(0)?;
        wait(&mut fleet, 0, Condition::Answers, ANSWER_WITHIN).await?;
        let address = fleet.addresses().into_iter().next().unwrap_or_else(|| Address::new("127.0.0.1", 0));
        Ok(Self { fleet, address })
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The server's folder.
    pub fn folder(&self) -> PathBuf {
        self.fleet.processes.first().map(|process| process.folder.clone()).unwrap_or_default()
    }
}
