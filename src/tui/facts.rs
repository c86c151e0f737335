//! IO. Where facts come from: an open cluster, or any other stream of observations.

use tokio::sync::mpsc;

use crate::cluster::{Model, Observation};
use crate::session::Session;

pub enum FactSource {
    Session(Box<Session>),
    Channel(mpsc::Receiver<Observation>),
}

impl FactSource {
    /// The next fact; None when there will be no more.
    pub async fn next(&mut self) -> Option<Observation> {
        match self {
            Self::Session(session) => session.next().await,
            Self::Channel(channel) => channel.recv().await,
        }
    }

    /// What should outlive this run is written down.
    pub fn remember(&mut self, model: &Model) {
        if let Self::Session(session) = self {
            session.remember(model);
        }
    }

    /// The same when the console ends.
    pub async fn remember_now(&self, model: &Model) {
        if let Self::Session(session) = self {
            session.remember_now(model).await;
        }
    }

    /// Nobody is asked any more; what is under way goes on.
    pub fn stop(&mut self) {
        if let Self::Session(session) = self {
            session.stop_watching();
        }
    }

    /// One that is there already.
    pub fn try_next(&mut self) -> Option<Observation> {
        match self {
            Self::Session(session) => session.try_next(),
            Self::Channel(channel) => channel.try_recv().ok(),
        }
    }
}
