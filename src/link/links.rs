//! IO. All links of one cluster, made when first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::shared::Shared;
use super::{Clock, Ear, Link, LinkSettings, attempt};
use crate::cluster::{Address, Trouble};

/// Which of a node's two connections: probes never wait behind work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Short questions of the watch.
    Probe,
    /// What may take its time: MIGRATE, SCAN, operations.
    Work,
}

/// The links of one cluster. Clones are the same set.
#[derive(Clone, Debug)]
pub struct Links {
    shared: Arc<Shared>,
    made: Arc<Mutex<HashMap<(Address, Lane), Link>>>,
}

impl Links {
    pub fn new(settings: LinkSettings, clock: Clock) -> Self {
        Self { shared: Arc::new(Shared::new(settings, clock)), made: Arc::default() }
    }

    /// The link to an announced address. Connects at its first call, not here.
    pub fn get(&self, address: &Address, lane: Lane) -> Link {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry((address.clone(), lane)).or_insert_with(|| Link::new(address.clone(), self.shared.clone())).clone()
    }

    /// A connection of its own that hears what is published on this channel at an announced address.
    pub async fn listen(&self, address: &Address, channel: &str) -> Result<Ear, Trouble> {
        Ear::open(&self.shared, address, channel).await
    }

    /// Lets go of a node's links; calls under way finish on the clones that made them.
    pub fn forget(&self, address: &Address) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|(known, _), _| known != address);
    }

    /// Where an announced address is dialled, after the address map and name lookup; without an answer only the former.
    pub async fn places(&self, address: &Address) -> Vec<Address> {
        let dialled = self.dialled(address);
        let limit = self.shared.settings.connect_timeout;
        let found = attempt::resolve(&dialled, Instant::now() + limit, limit).await.unwrap_or_default();
        let found = found.into_iter().map(|place| Address::new(place.ip().to_string(), place.port()));
        std::iter::once(dialled).chain(found).collect()
    }

    /// The address map's word on an announced address.
    pub fn dialled(&self, address: &Address) -> Address {
        self.shared.settings.address_map.apply(address)
    }

    pub fn settings(&self) -> &LinkSettings {
        &self.shared.settings
    }

    pub fn clock(&self) -> Clock {
        self.shared.clock
    }
}
