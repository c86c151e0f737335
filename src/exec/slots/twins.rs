//! IO. A key on both sides of an open slot: overwritten only after both copies were compared.

use std::time::Duration;

use crate::cluster::Address;
use crate::exec::telling::said;
use crate::link::{Command, Failure, Lane, Links, Reply};

use super::batch::Key;

const WITHIN: Duration = Duration::from_secs(5);

/// What the two copies of a key are to each other.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::exec) enum Twin {
    /// Only the source has it.
    Single,
    /// DUMP gives the same bytes on both sides.
    Same,
    /// It does not: bytes on the source, bytes on the target.
    Different(usize, usize),
}

/// Looks at one key on both sides.
pub(in crate::exec) async fn compare(links: &Links, source: &Address, target: &Address, key: &Key) -> Result<Twin, String> {
    let dump = Command::words("DUMP").arg(&key.name);
    // Either of them may be the one that imports; a node that does not passes over ASKING.
    let questions = [Command::words("ASKING"), dump];
    let ours = links.get(source, Lane::Work).pipeline(&questions, WITHIN).await;
    let theirs = links.get(target, Lane::Work).pipeline(&questions, WITHIN).await;
    let last = |answer: Result<Vec<Reply>, Failure>, address: &Address| match answer.map(|replies| replies.into_iter().next_back())
    {
        Ok(Some(Reply::Bytes(bytes))) => Ok(Some(bytes)),
        Ok(Some(Reply::Nil)) => Ok(None),
        // It is giving the slot away and has not this key (any more).
        Ok(Some(Reply::Error(error))) if error.code == "ASK" => Ok(None),
        Ok(other) => Err(format!("{address} does not show a key: {}", other.as_ref().map_or("no reply".into(), said))),
        Err(failure) => Err(format!("{address} does not show a key: {failure}")),
    };
    Ok(match (last(ours, source)?, last(theirs, target)?) {
        (Some(ours), Some(theirs)) if ours == theirs => Twin::Same,
        (Some(ours), Some(theirs)) => Twin::Different(ours.len(), theirs.len()),
        _ => Twin::Single,
    })
}
