//! PURE. Where players send what: the owner of every slot, by shard, following views, promotions and MOVED.

use crate::cluster::{Address, NodeRole, SLOTS, View};

/// Index of a shard in the order of first sight; never given to another.
pub(super) type ShardAt = usize;

#[derive(Clone, Debug)]
struct PlayedShard {
    owner: Address,
    members: Vec<Address>,
    epoch: u64,
}

/// What a view has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Learnt {
    pub(super) promoted: Vec<ShardAt>,
    pub(super) gained: Vec<ShardAt>,
}

#[derive(Clone, Debug)]
pub(super) struct Places {
    by_slot: Vec<Option<ShardAt>>,
    shards: Vec<PlayedShard>,
    /// Every address ever seen, to ask for the way.
    known: Vec<Address>,
}

impl Places {
    pub(super) fn new(seeds: &[Address]) -> Self {
        Self { by_slot: vec![None; usize::from(SLOTS)], shards: Vec::new(), known: seeds.to_vec() }
    }

    pub(super) fn known(&self) -> &[Address] {
        &self.known
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn shard_of(&self, slot: u16) -> Option<ShardAt> {
        self.by_slot.get(usize::from(slot)).copied().flatten()
    }

    pub(super) fn owner(&self, shard: ShardAt) -> Option<&Address> {
        self.shards.get(shard).map(|shard| &shard.owner)
    }

    /// Takes over what a node says; claims older than what is known are passed over. Which shards have a new owner, and
    /// which have got slots from another.
    pub(super) fn learn(&mut self, view: &View) -> Learnt {
        let mut learnt = Learnt::default();
        let usable = |address: &Address| !address.host.is_empty() && address.port > 0;
        for member in view.members.iter().filter(|member| usable(&member.address) && !member.flags.handshake) {
            if !self.known.contains(&member.address) {
                self.known.push(member.address.clone());
            }
        }
        for owner in view.members.iter().filter(|member| member.role == NodeRole::Master && !member.slots.is_empty()) {
            let replicas = view.members.iter().filter(|member| member.master == Some(owner.id)).map(|member| &member.address);
            let at = self.shard_at(&owner.address);
            let Some(shard) = self.shards.get_mut(at) else { continue };
            if owner.epoch < shard.epoch {
                continue;
            }
            shard.epoch = owner.epoch;
            if shard.owner != owner.address {
                shard.owner = owner.address.clone();
                learnt.promoted.push(at);
            }
            for replica in replicas {
                if !shard.members.contains(replica) {
                    shard.members.push(replica.clone());
                }
            }
            for slot in owner.slots.iter().flat_map(|range| range.iter()) {
                let was = self.shard_of(slot);
                if was == Some(at) || was.and_then(|at| self.shards.get(at)).is_some_and(|claim| claim.epoch > owner.epoch) {
                    continue;
                }
                if was.is_some() && !learnt.gained.contains(&at) {
                    learnt.gained.push(at);
                }
                if let Some(place) = self.by_slot.get_mut(usize::from(slot)) {
                    *place = Some(at);
                }
            }
        }
        learnt
    }

    /// A server's word that a slot is served elsewhere: a promotion when that is a replica of the slot's shard.
    pub(super) fn moved(&mut self, slot: u16, owner: &Address) -> Option<ShardAt> {
        let was = self.shard_of(slot);
        if let Some(at) = was
            && let Some(shard) = self.shards.get_mut(at)
            && shard.members.contains(owner)
        {
            let promoted = shard.owner != *owner;
            if promoted {
                shard.owner = owner.clone();
                // It has won with a higher epoch: views from before are not to be believed any more.
                shard.epoch += 1;
            }
            return promoted.then_some(at);
        }
        let at = self.shard_at(owner);
        if let Some(place) = self.by_slot.get_mut(usize::from(slot)) {
            *place = Some(at);
        }
        None
    }

    /// The shard this address belongs to: as its owner, as its replica, or as a new one.
    fn shard_at(&mut self, address: &Address) -> ShardAt {
        let owned = self.shards.iter().position(|shard| shard.owner == *address);
        let known = || self.shards.iter().position(|shard| shard.members.contains(address));
        if let Some(at) = owned.or_else(known) {
            return at;
        }
        if !self.known.contains(address) {
            self.known.push(address.clone());
        }
        self.shards.push(PlayedShard { owner: address.clone(), members: vec![address.clone()], epoch: 0 });
        self.shards.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::parse;

    fn view(lines: &str) -> View {
        parse::nodes(lines, &address(1)).unwrap()
    }

    fn address(port: u16) -> Address {
        Address::new("127.0.0.1", port)
    }

    const A: &str = "00000000000000000000000000000000000000aa";
    const B: &str = "00000000000000000000000000000000000000bb";

    #[test]
    fn a_promotion_keeps_the_shard_and_an_old_view_does_not_undo_it() {
        let mut places = Places::new(&[address(1)]);
        let before = format!(
            "{A} 127.0.0.1:1@10001 myself,master - 0 0 1 connected 0-99\n{B} 127.0.0.1:2@10002 slave {A} 0 0 1 connected\n"
        );
        assert_eq!(places.learn(&view(&before)), Learnt::default());
        assert_eq!((places.shard_of(7), places.shard_of(100), places.owner(0)), (Some(0), None, Some(&address(1))));
        let after = format!(
            "{A} 127.0.0.1:1@10001 slave {B} 0 0 2 connected\n{B} 127.0.0.1:2@10002 myself,master - 0 0 2 connected 0-99\n"
        );
        assert_eq!(places.learn(&view(&after)), Learnt { promoted: vec![0], gained: vec![] });
        assert_eq!(places.learn(&view(&before)), Learnt::default());
        assert_eq!((places.shards(), places.owner(0)), (1, Some(&address(2))));
        assert_eq!(places.known(), [address(1), address(2)]);
    }

    #[test]
    fn moved_is_a_promotion_within_the_shard_and_a_new_place_without() {
        let mut places = Places::new(&[]);
        places.learn(&view(&format!(
            "{A} 127.0.0.1:1@10001 myself,master - 0 0 1 connected 0-99\n{B} 127.0.0.1:2@10002 slave {A} 0 0 1 connected\n"
        )));
        assert_eq!(places.moved(5, &address(2)), Some(0));
        assert_eq!(places.moved(6, &address(2)), None, "known already");
        assert_eq!(places.moved(7, &address(9)), None);
        assert_eq!((places.shard_of(7), places.shard_of(8), places.owner(1)), (Some(1), Some(0), Some(&address(9))));
    }
}
