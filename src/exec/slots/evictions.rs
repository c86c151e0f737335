//! IO. Targets that drop keys while they take slots: what arrives there, or what was there before, is gone for good.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster::Address;
use crate::exec::read;
use crate::link::Links;
use crate::quantity;

/// Between two looks: a stop comes at the end of the group that is open then.
const PACE: Duration = Duration::from_millis(200);

/// Looks at `evicted_keys` of every target beside the move, and halts the move when one has grown, unless that is agreed.
pub(in crate::exec) struct Evictions {
    agreed: bool,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<EvictionCounts>,
}

/// At the start and last seen; None for a target that does not say.
type EvictionCounts = BTreeMap<Address, Option<(u64, u64)>>;

impl Evictions {
    pub(in crate::exec) async fn begin(
        links: &Links,
        targets: impl IntoIterator<Item = Address>,
        halt: Option<Arc<AtomicBool>>,
    ) -> Self {
        let agreed = halt.is_none();
        let mut seen = EvictionCounts::new();
        for target in targets {
            seen.entry(target).or_default();
        }
        look(links, &mut seen).await;
        let (stop, mut stopped) = watch::channel(false);
        let links = links.clone();
        let task = tokio::spawn(async move {
            loop {
                let over = timeout(PACE, stopped.wait_for(|stop| *stop)).await.is_ok();
                look(&links, &mut seen).await;
                if let Some(halt) = &halt
                    && seen.values().flatten().any(|(before, now)| now > before)
                {
                    halt.store(true, Ordering::Relaxed);
                }
                if over {
                    return seen;
                }
            }
        });
        Self { agreed, stop, task }
    }

    /// What was evicted since the beginning, each a sentence; and what nobody can tell.
    pub(in crate::exec) async fn end(self) -> (Vec<String>, Vec<String>) {
        self.stop.send_replace(true);
        let Ok(seen) = self.task.await else { return (Vec::new(), vec!["evictions could not be followed".into()]) };
        let mut reasons = Vec::new();
        let mut unknown = Vec::new();
        for (target, counts) in seen {
            match counts {
                Some((before, now)) if now > before && self.agreed => {
                    let keys = quantity::count(now - before, "key");
                    reasons.push(format!("{target} evicted {keys} since the move began, as was agreed: those keys are gone"));
                }
                Some((before, now)) if now > before => reasons.push(format!(
                    "{target} evicted {} since the move began, so it was stopped: those keys are gone; give it memory \
                     (maxmemory) or a policy that drops nothing (maxmemory-policy noeviction) before the rest is moved; asked for \
                     again, the plan says how to go on all the same",
                    quantity::count(now - before, "key")
                )),
                Some(_) => {}
                None => unknown.push(format!("{target} does not tell its evicted keys: whether it dropped any is not known")),
            }
        }
        (reasons, unknown)
    }
}

async fn look(links: &Links, seen: &mut EvictionCounts) {
    let asked = seen.keys().map(|target| read::info(links, target, "stats"));
    let answers = join_all(asked).await;
    for (counts, info) in seen.values_mut().zip(answers) {
        let Some(now) = info.ok().and_then(|info| info.evicted_keys) else { continue };
        // A server that was started again counts from nothing.
        let since = |(before, _)| if now < before { (0, now) } else { (before, now) };
        *counts = Some(counts.map_or((now, now), since));
    }
}
