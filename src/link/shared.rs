//! IO. What all links of one cluster share: settings, clock, and the TLS configuration read once.

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::tls::Tls;
use super::{Clock, LinkSettings};
use crate::cluster::{Health, Trouble};

/// What all links of one cluster share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: LinkSettings,
    pub(super) clock: Clock,
    tls: OnceCell<Result<Tls, String>>,
}

impl Shared {
    pub(super) fn new(settings: LinkSettings, clock: Clock) -> Self {
        Self { settings, clock, tls: OnceCell::new() }
    }

    /// The TLS configuration, read from its files once, beside the threads that links live on: files block.
    pub(super) async fn tls(&self) -> Result<Option<&Tls>, Trouble> {
        let Some(settings) = self.settings.tls.clone() else { return Ok(None) };
        let read =
            || async move { spawn_blocking(move || Tls::read(&settings)).await.unwrap_or_else(|error| Err(error.to_string())) };
        match self.tls.get_or_init(read).await {
            Ok(tls) => Ok(Some(tls)),
            Err(why) => Err(Trouble::new(Health::Tls, why.clone())),
        }
    }
}
