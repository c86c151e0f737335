//! IO. Waiting until servers are what they should be: conditions that are asked for, never a time that should do.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fleet::Fleet;
use super::{LocalError, ask};
use crate::cluster::{Address, parse};
use crate::link::{Command, Reply};

const EVERY: Duration = Duration::from_millis(10);
const REPLY_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// The port answers, be it with an error.
    Answers,
    /// Says that the cluster is ok, knows this many nodes and has a link to each.
    KnowsAll(usize),
    /// A replica has its master's data; a master has all its replicas online.
    InSync { replicas: usize },
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => f.write_str("answering PING"),
            Self::KnowsAll(nodes) => write!(f, "cluster_state:ok with links to all {nodes} nodes"),
            Self::InSync { .. } => f.write_str("replication in sync"),
        }
    }
}

impl Condition {
    pub(super) async fn holds(self, address: &Address, password: Option<&str>) -> bool {
        let text = async |words| match ask(address, password, &Command::words(words), REPLY_WITHIN).await {
            Ok(reply) => reply.text(),
            Err(_) => None,
        };
        match self {
            Self::Answers => ask(address, password, &Command::words("PING"), REPLY_WITHIN).await.is_ok(),
            Self::KnowsAll(nodes) => {
                let Some(Ok(info)) = text("CLUSTER INFO").await.map(|text| parse::cluster_info(&text)) else { return false };
                let Some(Ok(view)) = text("CLUSTER NODES").await.map(|text| parse::nodes(&text, address)) else { return false };
                let linked = |flags: &crate::cluster::Flags| !flags.handshake && !flags.failed && !flags.suspected;
                info.ok
                    && usize::try_from(info.known_nodes).is_ok_and(|known| known == nodes)
                    && view.members.iter().all(|member| member.link_up && linked(&member.flags))
            }
            Self::InSync { replicas } => {
                let Some(Ok(info)) = text("INFO replication").await.map(|text| parse::info(&text)) else { return false };
                match info.master_link_up {
                    Some(up) => up,
                    None => info.replicas.iter().filter(|replica| &*replica.state == "online").count() >= replicas,
                }
            }
        }
    }
}

/// Waits until the condition holds on this server of the fleet. That any of them ends meanwhile is an error at once.
pub(super) async fn wait(fleet: &mut Fleet, at: usize, condition: Condition, within: Duration) -> Result<(), LocalError> {
    let Some(address) = fleet.processes.get(at).map(|process| process.address.clone()) else { return Ok(()) };
    let deadline = Instant::now() + within;
    let password = fleet.password.clone();
    loop {
        fleet.all_run()?;
        if condition.holds(&address, password.as_deref()).await {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let last_words = fleet.processes.get(at).map(super::process::Process::last_words).unwrap_or_default();
            return Err(LocalError::Timeout { address, condition: condition.to_string(), seconds: within.as_secs(), last_words });
        }
        sleep(EVERY).await;
    }
}

/// Whether a stopped node's slots are still its own in the eyes of the others, while a replica of it lives.
pub(super) async fn is_awaited(stopped: &Address, others: &[Address], password: Option<&str>) -> bool {
    for other in others {
        let Ok(reply) = ask(other, password, &Command::words("CLUSTER NODES"), REPLY_WITHIN).await else { continue };
        let Some(Ok(view)) = Reply::text(&reply).map(|text| parse::nodes(&text, other)) else { continue };
        let Some(node) = view.members.iter().find(|member| member.address == *stopped) else { continue };
        let has_successor = view.members.iter().any(|member| member.master == Some(node.id) && others.contains(&member.address));
        return has_successor && !node.slots.is_empty();
    }
    false
}
