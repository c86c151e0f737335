//! IO. Reading back: asks every node until all that answer say the same, or the time is up. Nobody is waited for alone.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::{Address, NodeId, Trouble, View};
use crate::exec::read;
use crate::link::Links;

/// Between two questions to one node.
const PACE: Duration = Duration::from_millis(20);
/// Unanswered for so long, and more than once, a node counts as silent: a connection that is made again takes a moment.
const PATIENCE: Duration = Duration::from_secs(1);
/// For one answer: a large view over a slow line is no silence.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What a node was last heard to say.
#[derive(Clone, Debug)]
pub(crate) enum LastWord {
    Agrees,
    /// It says something else: this.
    Differs(String),
    Silent(Trouble),
}

/// The end of a reading back.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    pub(crate) seen: BTreeMap<Address, LastWord>,
    /// Those whose own word is what all others are held against, and who did not give it: a sentence for each.
    unheard: Vec<String>,
}

impl Agreement {
    /// Everybody who answers agrees, somebody answers, and nobody was left out whose own word it takes.
    pub(crate) fn is_reached(&self) -> bool {
        self.agreeing() > 0 && self.unheard.is_empty() && !self.seen.values().any(|seen| matches!(seen, LastWord::Differs(_)))
    }

    /// This one was heard, and agrees.
    pub(crate) fn has_said(&self, address: &Address) -> bool {
        matches!(self.seen.get(address), Some(LastWord::Agrees))
    }

    pub(crate) fn agreeing(&self) -> usize {
        self.seen.values().filter(|seen| matches!(seen, LastWord::Agrees)).count()
    }

    /// "10.0.0.3:7002 says …" for each that differs.
    pub(crate) fn differing(&self) -> Vec<String> {
        let differs = |(address, seen): (&Address, &LastWord)| match seen {
            LastWord::Differs(what) => Some(format!("{address} says {what}")),
            _ => None,
        };
        self.unheard.iter().cloned().chain(self.seen.iter().filter_map(differs)).collect()
    }

    /// "10.0.0.3:7002 (frozen)" for each that could not be asked.
    pub(crate) fn silent(&self) -> Vec<String> {
        let silent = |(address, seen): (&Address, &LastWord)| match seen {
            LastWord::Silent(trouble) => Some(format!("{address} ({})", trouble.health)),
            _ => None,
        };
        self.seen.iter().filter_map(silent).collect()
    }
}

/// Asks every node until `check` has nothing against its view. A node that does not answer is asked on while others
/// still differ, and named at the end.
pub(crate) async fn reach<F>(links: &Links, nodes: &[(NodeId, Address)], within: Duration, check: F) -> Agreement
where
    F: Fn(NodeId, &View) -> Result<(), String> + Clone + Send + 'static,
{
    let deadline = Instant::now() + within;
    let (tell, mut told) = mpsc::channel(nodes.len().max(1));
    let mut askers = JoinSet::new();
    for (id, address) in nodes.iter().cloned() {
        askers.spawn(ask(links.clone(), id, address, check.clone(), tell.clone()));
    }
    drop(tell);
    let mut seen: BTreeMap<Address, LastWord> = BTreeMap::new();
    while let Ok(Some((address, said))) = timeout_at(deadline, told.recv()).await {
        seen.insert(address, said);
        let settled = seen.values().all(|seen| !matches!(seen, LastWord::Differs(_)));
        if seen.len() == nodes.len() && settled {
            break;
        }
    }
    for (_, address) in nodes {
        let silence = || LastWord::Silent(Trouble::new(crate::cluster::Health::Frozen, "no answer in time"));
        seen.entry(address.clone()).or_insert_with(silence);
    }
    Agreement { seen, unheard: Vec::new() }
}

/// Waits until every node that answers knows the epochs that these owners claim their slots with. Before, one of them could
/// take a slot back under an epoch that is too low, lose it again to an older claim, and delete its keys. An owner that does
/// not tell its own epoch leaves it unknown, and nothing is agreed.
pub(crate) async fn on_epochs(
    links: &Links,
    nodes: &[(NodeId, Address)],
    owners: &[(NodeId, Address)],
    within: Duration,
) -> Agreement {
    let deadline = Instant::now() + within;
    let own = join_all(owners.iter().map(|(id, address)| own_epoch(links, *id, address, deadline))).await;
    let (claimed, unheard): (Vec<_>, Vec<_>) = own.into_iter().partition(Result::is_ok);
    let unheard: Vec<String> = unheard.into_iter().filter_map(Result::err).collect();
    if !unheard.is_empty() {
        return Agreement { unheard, ..Agreement::default() };
    }
    let claimed: Vec<(NodeId, u64)> = claimed.into_iter().filter_map(Result::ok).collect();
    let check = move |_: NodeId, view: &View| {
        for (id, epoch) in &claimed {
            match view.member(*id) {
                Some(member) if member.epoch >= *epoch => {}
                Some(_) => return Err(format!("it has not heard of epoch {epoch} of {}", id.short())),
                None => return Err(format!("it does not know {}", id.short())),
            }
        }
        Ok(())
    };
    reach(links, nodes, deadline.saturating_duration_since(Instant::now()), check).await
}

/// A node's epoch by its own word, asked for until it answers or the time is up.
async fn own_epoch(links: &Links, id: NodeId, address: &Address, deadline: Instant) -> Result<(NodeId, u64), String> {
    loop {
        let trouble = match read::view(links, address, answers_within(links)).await {
            Ok(view) => match view.myself() {
                Some(me) if me.id == id => return Ok((id, me.epoch)),
                _ => return Err(format!("{address} is another node now")),
            },
            Err(trouble) => trouble,
        };
        if Instant::now() >= deadline {
            return Err(format!("{address} does not tell its epoch ({trouble})"));
        }
        sleep(PACE).await;
    }
}

fn answers_within(links: &Links) -> Duration {
    links.settings().timeout.max(ANSWERS_WITHIN)
}

async fn ask<F>(links: Links, id: NodeId, address: Address, check: F, tell: mpsc::Sender<(Address, LastWord)>)
where
    F: Fn(NodeId, &View) -> Result<(), String>,
{
    let mut silent_since: Option<Instant> = None;
    let limit = answers_within(&links);
    loop {
        let asked = Instant::now();
        let seen = match read::view(&links, &address, limit).await {
            Ok(view) => {
                silent_since = None;
                Some(check(id, &view).map_or_else(LastWord::Differs, |()| LastWord::Agrees))
            }
            Err(trouble) => {
                let since = *silent_since.get_or_insert(asked);
                (since.elapsed() >= PATIENCE).then_some(LastWord::Silent(trouble))
            }
        };
        let done = matches!(seen, Some(LastWord::Agrees));
        let gone = match seen {
            Some(seen) => tell.send((address.clone(), seen)).await.is_err(),
            None => false,
        };
        if done || gone {
            return;
        }
        sleep(PACE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Clock, LinkSettings};

    #[tokio::test]
    async fn a_guard_that_has_not_heard_its_owner_does_not_hold() {
        // Bound and not listening: whoever dials it is refused.
        let silent = tokio::net::TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address: Address = silent.local_addr().unwrap().to_string().parse().unwrap();
        let links = Links::new(LinkSettings::default(), Clock::start());
        let owner = (NodeId::place(&address), address.clone());
        let known = on_epochs(&links, &[], std::slice::from_ref(&owner), Duration::from_millis(50)).await;
        assert!(known.differing().iter().any(|why| why.starts_with(&format!("{address} does not tell its epoch"))), "{known:?}");
        // Whatever all others say.
        let others = [("10.0.0.3:7002".parse().unwrap(), LastWord::Agrees)].into();
        assert!(!Agreement { seen: others, ..known }.is_reached());
    }
}
