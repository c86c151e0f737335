//! IO. A server's own settings, asked for every process and now and then: predictions rest on its node timeout.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Fact, ServerSettings};
use crate::link::{Command, Link, Reply};

/// None where this user may not ask, or the server does not tell.
pub(super) async fn ask(link: &Link, limit: Duration) -> Option<Fact> {
    let commands = ServerSettings::PATTERNS.map(|pattern| Command::words("CONFIG GET").arg(pattern));
    let replies = link.pipeline(&commands, limit).await.ok()?;
    // Without the first nothing is known; of the others an old server may not know the names.
    let first = replies.first()?.array()?;
    let others = replies.iter().skip(1).filter_map(Reply::array).flatten();
    let words: Vec<String> = first.iter().chain(others).filter_map(Reply::text).collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())));
    Some(Fact::Settings(Arc::new(ServerSettings::read(pairs))))
}
