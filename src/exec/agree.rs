//! IO. Reading back: asks every node until all that answer say the same, or the time is up. Nobody is waited for alone.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::read;
use crate::cluster::{Address, NodeId, Trouble, View};
use crate::link::Links;

/// Between two questions to one node.
const PACE: Duration = Duration::from_millis(20);
/// This many unanswered questions in a row, and a node counts as silent.
const PATIENCE: u32 = 2;

/// What a node was last heard to say.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Agrees,
    /// It says something else: this.
    Differs(String),
    Silent(Trouble),
}

/// The end of a reading back.
#[derive(Debug)]
pub(super) struct Agreement {
    pub(super) seen: BTreeMap<Address, Seen>,
}

impl Agreement {
    /// Everybody who answers agrees, and somebody answers.
    pub(super) fn is_reached(&self) -> bool {
        self.agreeing() > 0 && !self.seen.values().any(|seen| matches!(seen, Seen::Differs(_)))
    }

    /// This one was heard, and agrees.
    pub(super) fn has_said(&self, address: &Address) -> bool {
        matches!(self.seen.get(address), Some(Seen::Agrees))
    }

    pub(super) fn agreeing(&self) -> usize {
        self.seen.values().filter(|seen| matches!(seen, Seen::Agrees)).count()
    }

    /// "10.0.0.3:7002 says …" for each that differs.
    pub(super) fn differing(&self) -> Vec<String> {
        let differs = |(address, seen): (&Address, &Seen)| match seen {
            Seen::Differs(what) => Some(format!("{address} says {what}")),
            _ => None,
        };
        self.seen.iter().filter_map(differs).collect()
    }

    /// "10.0.0.3:7002 (frozen)" for each that could not be asked.
    pub(super) fn silent(&self) -> Vec<String> {
        let silent = |(address, seen): (&Address, &Seen)| match seen {
            Seen::Silent(trouble) => Some(format!("{address} ({})", trouble.health)),
            _ => None,
        };
        self.seen.iter().filter_map(silent).collect()
    }
}

/// Asks every node until `check` has nothing against its view. A node that does not answer is asked on while others
/// still differ, and named at the end.
pub(super) async fn reach<F>(links: &Links, nodes: &[(NodeId, Address)], within: Duration, check: F) -> Agreement
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
    let mut seen: BTreeMap<Address, Seen> = BTreeMap::new();
    while let Ok(Some((address, said))) = timeout_at(deadline, told.recv()).await {
        seen.insert(address, said);
        let settled = seen.values().all(|seen| !matches!(seen, Seen::Differs(_)));
        if seen.len() == nodes.len() && settled {
            break;
        }
    }
    for (_, address) in nodes {
        let silence = || Seen::Silent(Trouble::new(crate::cluster::Health::Frozen, "no answer in time"));
        seen.entry(address.clone()).or_insert_with(silence);
    }
    Agreement { seen }
}

/// Waits until every node that answers knows the epochs that these owners claim their slots with. Before, one of them could
/// take a slot back under an epoch that is too low, lose it again to an older claim, and delete its keys.
pub(super) async fn on_epochs(
    links: &Links,
    nodes: &[(NodeId, Address)],
    owners: &[(NodeId, Address)],
    within: Duration,
) -> Agreement {
    let own = join_all(owners.iter().map(|(id, address)| async move {
        let view = read::view(links, address, links.settings().timeout).await.ok()?;
        Some((*id, view.myself()?.epoch))
    }));
    let claimed: Vec<(NodeId, u64)> = own.await.into_iter().flatten().collect();
    let check = move |_: NodeId, view: &View| {
        let behind = |(id, epoch): &&(NodeId, u64)| view.member(*id).is_some_and(|member| member.epoch < *epoch);
        match claimed.iter().find(behind) {
            None => Ok(()),
            Some((id, epoch)) => Err(format!("it has not heard of epoch {epoch} of {}", id.short())),
        }
    };
    reach(links, nodes, within, check).await
}

async fn ask<F>(links: Links, id: NodeId, address: Address, check: F, tell: mpsc::Sender<(Address, Seen)>)
where
    F: Fn(NodeId, &View) -> Result<(), String>,
{
    let mut unanswered = 0;
    let limit = links.settings().timeout;
    loop {
        let seen = match read::view(&links, &address, limit).await {
            Ok(view) => {
                unanswered = 0;
                check(id, &view).map_or_else(Seen::Differs, |()| Seen::Agrees)
            }
            Err(trouble) => {
                unanswered += 1;
                if unanswered < PATIENCE {
                    continue;
                }
                Seen::Silent(trouble)
            }
        };
        let done = matches!(seen, Seen::Agrees);
        if tell.send((address.clone(), seen)).await.is_err() || done {
            return;
        }
        sleep(PACE).await;
    }
}
