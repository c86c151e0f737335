//! IO. What all links of one cluster share: settings, clock, and the TLS configuration read once.

use std::sync::OnceLock;

use super::tls::Tls;
use super::{Clock, LinkSettings};
use crate::cluster::{Health, Trouble};

/// What all links of one cluster share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: LinkSettings,
    pub(super) clock: Clock,
    tls: OnceLock<Result<Option<Tls>, String>>,
}

impl Shared {
    pub(super) fn new(settings: LinkSettings, clock: Clock) -> Self {
        Self { settings, clock, tls: OnceLock::new() }
    }

    /// The TLS configuration, read from its files once.
    pub(super) fn tls(&self) -> Result<Option<&Tls>, Trouble> {
        let read = || self.settings.tls.as_ref().map(Tls::read).transpose();
        match self.tls.get_or_init(read) {
            Ok(tls) => Ok(tls.as_ref()),
            Err(why) => Err(Trouble::new(Health::Tls, why.clone())),
        }
    }
}
