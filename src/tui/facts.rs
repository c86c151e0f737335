//! IO. Where facts come from: an open cluster, or any other stream of observations.

use tokio::sync::mpsc;

use crate::cluster::Observation;
use crate::session::Session;

pub enum Facts {
    Session(Box<Session>),
    Channel(mpsc::Receiver<Observation>),
}

impl Facts {
    /// The next fact; None when there will be no more.
    pub async fn next(&mut self) -> Option<Observation> {
        match self {
            Self::Session(session) => session.next().await,
            Self::Channel(channel) => channel.recv().await,
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
