//! IO. What slots hold, key by key: the names that their owner lists, and sizes by which batches are cut.

use super::batch::{Key, by_room};
use super::databases;
use super::interpret::SLOW;
use crate::cluster::SlotSet;
use crate::exec::context::said;
use crate::exec::read::survey;
use crate::link::{Command, Link, Reply};
use crate::plan::LISTED;

/// Keys of a slot that are weighed: where they are small, the others count as their like.
const SAMPLE: usize = 6;
/// Slots that are looked at in one go while others are moved: players wait behind a look as behind a batch.
const AHEAD: usize = 4;
/// Counts as so many bytes while a server does not tell: a key that goes alone.
const UNKNOWN: u64 = 16 << 20;

/// What a node has of some slots, in every database, and what it says of the cluster in the same pipeline.
pub(super) struct Listed {
    /// Sizes are not known yet.
    pub(super) keys: Vec<Vec<Key>>,
    pub(super) view: Reply,
}

/// As many keys of each slot as are listed at a time.
pub(super) async fn listed(owner: &Link, slots: &[u16]) -> Result<Listed, String> {
    let failed = |why: String| {
        let slots: SlotSet = slots.iter().copied().collect();
        format!("{} does not list the keys of {slots}: {why}", owner.address())
    };
    let commands = names_of(slots).chain([databases::question(), Command::words("CLUSTER NODES")]);
    let mut replies = owner.pipeline(&commands.collect::<Vec<_>>(), SLOW).await.map_err(|failure| failed(failure.to_string()))?;
    let view = replies.pop().ok_or_else(|| failed("no reply".into()))?;
    let used = databases::numbered(replies.pop().as_ref());
    let used = used.ok_or_else(|| failed("it does not tell which databases hold keys (INFO keyspace)".into()))?;
    let mut keys = names(slots, replies, 0).map_err(failed)?;
    for database in used {
        let replies = databases::within(owner, database, names_of(slots), SLOW).await.map_err(failed)?;
        let more = names(slots, replies, database).map_err(failed)?;
        keys.iter_mut().zip(more).for_each(|(keys, more)| keys.extend(more));
    }
    Ok(Listed { keys, view })
}

fn names_of(slots: &[u16]) -> impl Iterator<Item = Command> {
    slots.iter().map(|slot| Command::words(&format!("CLUSTER GETKEYSINSLOT {slot} {LISTED}")))
}

fn names(slots: &[u16], replies: Vec<Reply>, database: u32) -> Result<Vec<Vec<Key>>, String> {
    if replies.len() < slots.len() {
        return Err("no reply".into());
    }
    let key = |name: Vec<u8>| Key { name, bytes: 0, database };
    let list = |reply: Reply| match reply {
        Reply::Array(_) => Ok(survey::keys(&reply).into_iter().map(key).collect()),
        other => Err(said(&other)),
    };
    replies.into_iter().map(list).collect()
}

/// The keys of each slot with their sizes. Where a sample is small the others are taken for its like.
pub(super) async fn weighed(owner: &Link, by_slot: Vec<Vec<Key>>, small: u64) -> Result<Vec<Vec<Key>>, String> {
    let samples: Vec<Key> = by_slot.iter().flat_map(|keys| sample(keys)).cloned().collect();
    let mut seen = weigh(owner, &samples).await?.into_iter();
    let mut weighed = Vec::with_capacity(by_slot.len());
    for keys in by_slot {
        let some: Vec<u64> = seen.by_ref().take(sample(&keys).count()).collect();
        let are_small = some.iter().all(|&bytes| bytes <= small);
        let sizes = match keys.len() {
            all if all == some.len() => some,
            all if are_small => vec![some.iter().sum::<u64>() / some.len().max(1) as u64; all],
            _ => weigh(owner, &keys).await?,
        };
        weighed.push(by_room(keys.into_iter().zip(sizes).map(|(key, bytes)| Key { bytes, ..key }).collect()));
    }
    Ok(weighed)
}

/// What slots hold that are still to be opened, in their order, as far as there is time. Players go on meanwhile: it is
/// looked at again when they are. What cannot be foreseen is seen then.
pub(super) async fn foresee(owner: &Link, slots: &[u16], small: u64, seen: &mut Vec<Vec<Key>>) {
    for few in slots.chunks(AHEAD) {
        let Ok(replies) = owner.pipeline(&names_of(few).collect::<Vec<_>>(), SLOW).await else { return };
        let Ok(keys) = names(few, replies, 0) else { return };
        let Ok(weighed) = weighed(owner, keys, small).await else { return };
        seen.extend(weighed);
    }
}

/// Bytes of each key; 0 when it is gone meanwhile.
pub(super) async fn weigh(owner: &Link, keys: &[Key]) -> Result<Vec<u64>, String> {
    let asks = |key: &Key| Command::words("MEMORY USAGE").arg(&key.name);
    let mut replies = Vec::with_capacity(keys.len());
    for keys in keys.chunk_by(|a, b| a.database == b.database) {
        let database = keys.first().map_or(0, |key| key.database);
        replies.extend(match database {
            0 => survey::pipelined(owner, keys.iter().map(asks)).await,
            _ => databases::within(owner, database, keys.iter().map(asks), SLOW).await?,
        });
    }
    if replies.len() < keys.len() {
        return Err(format!("{} does not tell the sizes of its keys (MEMORY USAGE)", owner.address()));
    }
    let size = |reply: &Reply| match reply {
        Reply::Nil => 0,
        reply => reply.int().and_then(|size| u64::try_from(size).ok()).unwrap_or(UNKNOWN),
    };
    Ok(replies.iter().map(size).collect())
}

/// Some of a slot's keys, from all over it.
fn sample(keys: &[Key]) -> impl Iterator<Item = &Key> {
    keys.iter().step_by(keys.len().div_ceil(SAMPLE).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_small_and_from_all_over() {
        for count in [0, 1, 12, 13, 61, 1000] {
            let key = |n: usize| Key { name: n.to_string().into_bytes(), bytes: 0, database: 0 };
            let keys: Vec<Key> = (0..count).map(key).collect();
            let taken = sample(&keys).count();
            assert!(taken <= SAMPLE && taken >= count.min(SAMPLE / 2), "{taken} of {count}");
        }
    }
}
