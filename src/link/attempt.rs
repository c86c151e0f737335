//! IO. One try at getting a connection: look the name up, dial, TLS, greet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::dial::{ByteStream, Dialer};
use super::shared::Shared;
use super::{greet, trouble};
use crate::cluster::{Address, Health, Trouble};
use crate::quantity::span;

/// How long a process that accepts may take to say its first word before the attempt is dropped for a new one. Longer
/// than callers wait: a thawed process answers the old attempt at once, and a frozen one's queue is not filled.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far an attempt has come.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Nothing has answered yet.
    Reaching,
    /// The port accepted; the process behind it has not said anything yet.
    Greeting,
    Ready(Arc<Connection>),
    Failed(Trouble),
}

impl Stage {
    /// What it means for a caller that will not wait any longer.
    pub(super) fn overdue(&self, waited: Duration) -> Trouble {
        match self {
            Self::Greeting => Trouble::new(Health::Frozen, format!("accepts a connection and says nothing for {}", span(waited))),
            Self::Failed(trouble) => trouble.clone(),
            Self::Reaching | Self::Ready(_) => {
                Trouble::new(Health::Silent, format!("no answer to a connection attempt for {}", span(waited)))
            }
        }
    }
}

/// Carries the attempt out, telling its stages on the way; the result is not told.
pub(super) async fn attempt(shared: &Shared, node: &Address, stage: &watch::Sender<Stage>) -> Result<Connection, Trouble> {
    Connection::new(reach(shared, node, stage).await?).await
}

/// A stream to a node that has been greeted. The address map says where it is dialled, and not who is there: the node's
/// certificate is for what the node is called, not for the tunnel's end.
pub(super) async fn reach(shared: &Shared, node: &Address, stage: &watch::Sender<Stage>) -> Result<Box<dyn ByteStream>, Trouble> {
    let limit = shared.settings.connect_timeout;
    let deadline = Instant::now() + limit;
    let places = resolve(&shared.settings.address_map.apply(node), deadline, limit).await?;
    let mut stream = dial(&*shared.settings.dialer, &places, deadline, limit).await?;
    stage.send_replace(Stage::Greeting);
    let patience = Instant::now() + limit.max(PATIENCE);
    let overdue = |_elapsed| Stage::Greeting.overdue(limit.max(PATIENCE));
    if let Some(tls) = shared.tls().await? {
        stream = Box::new(timeout_at(patience, tls.wrap(stream, node)).await.map_err(overdue)??);
    }
    timeout_at(patience, greet::greet(&mut stream, &shared.settings)).await.map_err(overdue)??;
    Ok(stream)
}

pub(super) async fn resolve(target: &Address, deadline: Instant, limit: Duration) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    let unresolved = |why: String| Trouble::new(Health::Unresolved, format!("`{}`: {why}", target.host));
    match timeout_at(deadline, lookup_host((&*target.host, target.port))).await {
        Err(_) => Err(unresolved(format!("no answer to the name lookup for {}", span(limit)))),
        Ok(Err(error)) => Err(unresolved(error.to_string())),
        Ok(Ok(places)) => {
            let places: Vec<SocketAddr> = places.collect();
            if places.is_empty() { Err(unresolved("the name has no address".to_owned())) } else { Ok(places) }
        }
    }
}

/// Tries the places in turn, each with a fair share of the time that is left.
async fn dial(
    dialer: &dyn Dialer,
    places: &[SocketAddr],
    deadline: Instant,
    limit: Duration,
) -> Result<Box<dyn ByteStream>, Trouble> {
    let mut last = Stage::Reaching.overdue(limit);
    for (place, left) in places.iter().zip((1..=places.len()).rev()) {
        let now = Instant::now();
        let share = (deadline - now) / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout_at(now + share, dialer.dial(*place)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = trouble::of_io(&error),
            Err(_) => last = Stage::Reaching.overdue(limit),
        }
    }
    Err(last)
}
