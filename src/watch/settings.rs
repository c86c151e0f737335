//! IO. A server's own settings, asked once for every process: predictions rest on its node timeout.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Fact, ServerSettings};
use crate::link::{Command, Link, Reply};

/// None where this user may not ask, or the server does not tell.
pub(super) async fn ask(link: &Link, limit: Duration) -> Option<Fact> {
    let command = Command::words("CONFIG GET").arg(ServerSettings::PATTERN);
    let reply = link.call_within(&command, limit).await.ok()?;
    let words: Vec<String> = reply.array()?.iter().filter_map(Reply::text).collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
    Some(Fact::Settings(Arc::new(ServerSettings::read(pairs))))
}
