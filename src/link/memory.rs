//! IO. A network in memory for tests: on a paused clock nothing may wait in a kernel, whose work the clock does not see.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::dial::{ByteStream, Dialer};
use super::{Clock, LinkSettings, Links};
use crate::cluster::Address;

/// What fits into a connection before the writer has to wait.
const BUFFER: usize = 1 << 16;

/// Clones are the same network.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryNetwork {
    ports: Arc<Mutex<HashMap<SocketAddr, UnboundedSender<DuplexStream>>>>,
}

impl MemoryNetwork {
    /// Opens this port; connections are taken from then on, whether anybody accepts them or not.
    pub(crate) fn listen(&self, port: u16) -> Listener {
        let place = SocketAddr::from(([10, 0, 0, 1], port));
        let (to, inbox) = unbounded_channel();
        self.ports.lock().unwrap().insert(place, to);
        Listener { place, inbox, network: self.clone() }
    }

    /// Settings of links over this network.
    pub(crate) fn settings(&self) -> LinkSettings {
        LinkSettings { dialer: Arc::new(self.clone()), ..LinkSettings::default() }
    }

    pub(crate) fn links(&self) -> Links {
        Links::new(self.settings(), Clock::start())
    }
}

impl Dialer for MemoryNetwork {
    fn dial(&self, place: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        let (here, there) = tokio::io::duplex(BUFFER);
        let taken = self.ports.lock().unwrap().get(&place).is_some_and(|port| port.send(there).is_ok());
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "Connection refused");
        Box::pin(async move { if taken { Ok(Box::new(here) as Box<dyn ByteStream>) } else { Err(refused()) } })
    }
}

/// An open port; dropping it closes the port and every connection that was not accepted.
pub(crate) struct Listener {
    place: SocketAddr,
    inbox: UnboundedReceiver<DuplexStream>,
    network: MemoryNetwork,
}

impl Listener {
    pub(crate) fn address(&self) -> Address {
        Address::new(self.place.ip().to_string(), self.place.port())
    }

    pub(crate) async fn accept(&mut self) -> DuplexStream {
        match self.inbox.recv().await {
            Some(stream) => stream,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.network.ports.lock().unwrap().remove(&self.place);
    }
}
