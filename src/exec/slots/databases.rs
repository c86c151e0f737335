//! IO. Databases above 0, which some servers have in cluster mode: a slot's keys are in all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cluster::SlotSet;
use crate::exec::context::said;
use crate::link::{Command, Link, Reply};

/// Asked beside other things: which databases hold any key.
pub(super) fn question() -> Command {
    Command::words("INFO keyspace")
}

/// The databases above 0 that hold keys; None: the server does not say.
pub(super) fn numbered(reply: Option<&Reply>) -> Option<BTreeSet<u32>> {
    let text = reply?.text()?;
    let number = |line: &str| line.trim_end().strip_prefix("db")?.split_once(':')?.0.parse::<u32>().ok();
    Some(text.lines().filter_map(number).filter(|&database| database > 0).collect())
}

/// These commands with another database than 0 chosen, which is chosen again behind them. One go: nothing comes between.
pub(super) async fn within(
    link: &Link,
    database: u32,
    commands: impl IntoIterator<Item = Command>,
    limit: Duration,
) -> Result<Vec<Reply>, String> {
    if database == 0 {
        return link.pipeline(&commands.into_iter().collect::<Vec<_>>(), limit).await.map_err(|failure| failure.to_string());
    }
    let select = |number: u32| std::iter::once(Command::words(&format!("SELECT {number}")));
    let all: Vec<Command> = select(database).chain(commands).chain(select(0)).collect();
    let mut replies = link.pipeline(&all, limit).await.map_err(|failure| failure.to_string())?;
    replies.pop();
    if replies.is_empty() {
        return Err("no reply".into());
    }
    match replies.remove(0) {
        Reply::Error(error) => Err(error.to_string()),
        _ => Ok(replies),
    }
}

/// How many keys of each slot the replies tell.
pub(super) fn counts(slots: &[u16], replies: &[Reply]) -> Result<BTreeMap<u16, u64>, String> {
    let count = |(slot, reply): (&u16, &Reply)| match reply.int().map(u64::try_from) {
        Some(Ok(keys)) => Ok((*slot, keys)),
        _ => Err(format!("it does not count its keys: {}", said(reply))),
    };
    if replies.len() < slots.len() {
        return Err("it does not count its keys".into());
    }
    slots.iter().zip(replies).map(count).collect()
}

/// Keys of these slots in one database above 0.
pub(in crate::exec) async fn counted_in(
    link: &Link,
    database: u32,
    slots: &[u16],
    limit: Duration,
) -> Result<BTreeMap<u16, u64>, String> {
    let commands = slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")));
    let counted = within(link, database, commands, limit).await.and_then(|replies| counts(slots, &replies));
    let shown: SlotSet = slots.iter().copied().collect();
    counted.map_err(|why| format!("database {database}, slots {shown}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_that_hold_keys_are_read_from_what_a_server_says() {
        let says = |text: &str| numbered(Some(&Reply::Bytes(text.as_bytes().to_vec())));
        assert_eq!(says("# Keyspace\r\ndb0:keys=1,expires=0\r\ndb3:keys=2,expires=0,avg_ttl=0\r\n"), Some([3].into()));
        assert_eq!(says("# Keyspace\r\n"), Some(BTreeSet::new()));
        assert_eq!(numbered(None), None);
    }
}
