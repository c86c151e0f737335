//! IO. What slots hold, key by key: the names that their owner lists, and sizes by which batches are cut.

use super::batch::{Key, by_room};
use super::keys::SLOW;
use crate::cluster::SlotSet;
use crate::exec::survey;
use crate::link::{Command, Link, Reply};
use crate::plan::LISTED;

/// Keys of a slot that are weighed: where they are small, the others count as their like.
const SAMPLE: usize = 6;
/// Slots that are looked at in one go while others are moved: players wait behind a look as behind a batch.
const AHEAD: usize = 4;
/// Counts as so many bytes while a server does not tell: a key that goes alone.
const UNKNOWN: u64 = 16 << 20;

/// The names of each slot's keys, as many as are listed at a time.
pub(super) async fn names(owner: &Link, slots: &[u16]) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let commands: Vec<Command> =
        slots.iter().map(|slot| Command::words(&format!("CLUSTER GETKEYSINSLOT {slot} {LISTED}"))).collect();
    let listed = owner.pipeline(&commands, SLOW).await.map_err(|failure| {
        let slots: SlotSet = slots.iter().copied().collect();
        format!("{} does not list the keys of {slots}: {failure}", owner.address())
    })?;
    if let Some(Reply::Error(error)) = listed.iter().find(|reply| matches!(reply, Reply::Error(_))) {
        return Err(format!("{} does not list its keys: {error}", owner.address()));
    }
    Ok(listed.iter().map(survey::keys).collect())
}

/// The keys of each slot with their sizes. Where a sample is small the others are taken for its like.
pub(super) async fn weighed(owner: &Link, by_slot: Vec<Vec<Vec<u8>>>, small: u64) -> Result<Vec<Vec<Key>>, String> {
    let samples: Vec<&Vec<u8>> = by_slot.iter().flat_map(|names| sample(names)).collect();
    let mut seen = weigh(owner, &samples).await?.into_iter();
    let mut weighed = Vec::with_capacity(by_slot.len());
    for names in by_slot {
        let some: Vec<u64> = seen.by_ref().take(sample(&names).count()).collect();
        let are_small = some.iter().all(|&bytes| bytes <= small);
        let sizes = match names.len() {
            all if all == some.len() => some,
            all if are_small => vec![some.iter().sum::<u64>() / some.len().max(1) as u64; all],
            _ => weigh(owner, &names.iter().collect::<Vec<_>>()).await?,
        };
        weighed.push(by_room(names.into_iter().zip(sizes).map(|(name, bytes)| Key { name, bytes }).collect()));
    }
    Ok(weighed)
}

/// What slots hold that are still to be opened, in their order, as far as there is time. Players go on meanwhile: it is
/// looked at again when they are. What cannot be foreseen is seen then.
pub(super) async fn foresee(owner: &Link, slots: &[u16], small: u64, seen: &mut Vec<Vec<Key>>) {
    for few in slots.chunks(AHEAD) {
        let Ok(names) = names(owner, few).await else { return };
        let Ok(weighed) = weighed(owner, names, small).await else { return };
        seen.extend(weighed);
    }
}

/// Bytes of each key; 0 when it is gone meanwhile.
pub(super) async fn weigh(owner: &Link, keys: &[&Vec<u8>]) -> Result<Vec<u64>, String> {
    let replies = survey::pipelined(owner, keys.iter().map(|key| Command::words("MEMORY USAGE").arg(key))).await;
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
fn sample(keys: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    keys.iter().step_by(keys.len().div_ceil(SAMPLE).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_small_and_from_all_over() {
        for count in [0, 1, 12, 13, 61, 1000] {
            let keys: Vec<Vec<u8>> = (0..count).map(|n: usize| n.to_string().into_bytes()).collect();
            let taken = sample(&keys).count();
            assert!(taken <= SAMPLE && taken >= count.min(SAMPLE / 2), "{taken} of {count}");
        }
    }
}
