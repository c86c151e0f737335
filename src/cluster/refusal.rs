//! PURE. Why a master that answers would not take a write now.

use std::fmt;

use super::{Health, Node};
use crate::quantity;

/// What a client's write to this node comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteRefusal {
    /// `CLUSTERDOWN`: it says cluster_state:fail.
    ClusterDown,
    /// `NOREPLICAS`: fewer replicas with a working link than min-replicas-to-write.
    NoReplicas {
        good: u64,
        wanted: u64,
    },
    /// `OOM`: its memory is used up and it may not evict.
    OutOfMemory,
    /// `MISCONF`: it cannot save.
    Misconf,
    Busy,
    Loading,
    MasterDown,
}

impl WriteRefusal {
    /// The code of the error that clients get.
    pub fn code(self) -> &'static str {
        match self {
            Self::ClusterDown => "CLUSTERDOWN",
            Self::NoReplicas { .. } => "NOREPLICAS",
            Self::OutOfMemory => "OOM",
            Self::Misconf => "MISCONF",
            Self::Busy => "BUSY",
            Self::Loading => "LOADING",
            Self::MasterDown => "MASTERDOWN",
        }
    }
}

/// As the rest of a sentence about the node.
impl fmt::Display for WriteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClusterDown => f.write_str("refuses every command on a key (CLUSTERDOWN)"),
            Self::NoReplicas { good, wanted } => {
                write!(f, "refuses every write (NOREPLICAS): {good} of the {} it must have", quantity::count(*wanted, "replica"))
            }
            Self::OutOfMemory => f.write_str("refuses every write that needs memory (OOM): maxmemory is reached, noeviction"),
            Self::Misconf => f.write_str("refuses every write (MISCONF): it cannot save"),
            Self::Busy => f.write_str("is busy running a script (BUSY)"),
            Self::Loading => f.write_str("is loading its data (LOADING)"),
            Self::MasterDown => f.write_str("has lost its master and serves no stale data (MASTERDOWN)"),
        }
    }
}

/// Why this node would refuse a write now, by its own word; None when it takes writes, or does not answer at all.
pub(super) fn of(node: &Node) -> Option<WriteRefusal> {
    match node.health {
        Health::Busy => return Some(WriteRefusal::Busy),
        Health::Loading => return Some(WriteRefusal::Loading),
        Health::MasterDown => return Some(WriteRefusal::MasterDown),
        Health::Misconf => return Some(WriteRefusal::Misconf),
        health if !health.is_alive() => return None,
        _ => {}
    }
    if node.cluster_info.as_ref().is_some_and(|info| !info.ok) {
        return Some(WriteRefusal::ClusterDown);
    }
    let info = node.info.as_ref()?;
    if info.loading {
        return Some(WriteRefusal::Loading);
    }
    // Servers tell how many replicas are good only while some are asked for.
    let wanted = node.settings.as_ref().and_then(|settings| settings.min_replicas).filter(|wanted| *wanted > 0);
    if let (Some(wanted), Some(good)) = (wanted, info.good_replicas)
        && good < wanted
    {
        return Some(WriteRefusal::NoReplicas { good, wanted });
    }
    let full = info
        .maxmemory
        .filter(|limit| *limit > 0)
        .zip(info.used_memory)
        .is_some_and(|(limit, used)| used.saturating_sub(info.mem_not_counted_for_evict.unwrap_or(0)) >= limit);
    if full && info.maxmemory_policy.as_deref() == Some("noeviction") {
        return Some(WriteRefusal::OutOfMemory);
    }
    info.aof_last_write_ok.is_some_and(|ok| !ok).then_some(WriteRefusal::Misconf)
}
