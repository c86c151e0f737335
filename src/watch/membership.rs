//! PURE. Who is in the cluster and where, by the word of everybody who answers.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::cluster::{Address, Member, NodeId, View};

/// Equal for views that name the same members at the same addresses: in a large cluster nearly all are.
pub(super) fn fingerprint(view: &View) -> u64 {
    let mut hasher = DefaultHasher::new();
    for member in view.members.iter().filter(|member| can_be_reached(member)) {
        (member.id, &member.address).hash(&mut hasher);
    }
    hasher.finish()
}

/// Members and the address to reach each at, from views with their fingerprints. Left out: who is in handshake, who has
/// no address, and who is named by nobody but itself while others speak.
pub(super) fn members<'a>(views: impl IntoIterator<Item = (u64, &'a View)>) -> BTreeMap<NodeId, Address> {
    let mut groups: BTreeMap<u64, (&View, Vec<NodeId>)> = BTreeMap::new();
    for (print, view) in views {
        if let Some(me) = view.myself() {
            groups.entry(print).or_insert_with(|| (view, Vec::new())).1.push(me.id);
        }
    }
    let alone = groups.values().map(|(_, speakers)| speakers.len()).sum::<usize>() == 1;
    let mut votes: BTreeMap<NodeId, MembershipVotes> = BTreeMap::new();
    for (view, speakers) in groups.values_mut() {
        speakers.sort_unstable();
        for member in view.members.iter().filter(|member| can_be_reached(member)) {
            let votes = votes.entry(member.id).or_default();
            let own = speakers.binary_search(&member.id).is_ok();
            if own {
                votes.own = Some(member.address.clone());
            }
            let others = speakers.len() - usize::from(own);
            if others > 0 {
                *votes.others.entry(member.address.clone()).or_default() += others;
            }
        }
    }
    votes.into_iter().filter_map(|(id, votes)| Some((id, votes.winner(alone)?))).collect()
}

fn can_be_reached(member: &Member) -> bool {
    !member.flags.handshake && !member.flags.noaddr && member.address.port > 0 && !member.address.host.is_empty()
}

#[derive(Default)]
struct MembershipVotes {
    own: Option<Address>,
    others: BTreeMap<Address, usize>,
}

impl MembershipVotes {
    /// Most of the others, because a node may not know where it is seen from; its own word breaks ties.
    fn winner(self, alone: bool) -> Option<Address> {
        let Self { own, others } = self;
        match others.into_iter().max_by_key(|(address, count)| (*count, Some(address) == own.as_ref())) {
            Some((address, _)) => Some(address),
            None => own.filter(|_| alone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::parse;

    fn id(number: u8) -> String {
        format!("{number:040x}")
    }

    /// A view by `me` of lines `(number, address, flags)`.
    fn view(me: u8, lines: &[(u8, &str, &str)]) -> View {
        let text: String = lines
            .iter()
            .map(|(number, address, flags)| {
                let myself = if *number == me { "myself," } else { "" };
                format!("{} {address} {myself}{flags} - 0 0 1 connected\n", id(*number))
            })
            .collect();
        parse::nodes(&text, &Address::new("seed", 1)).unwrap()
    }

    fn names(views: &[View]) -> Vec<String> {
        members(views.iter().map(|view| (fingerprint(view), view)))
            .into_iter()
            .map(|(id, address)| format!("{} {address}", id.to_string().trim_start_matches('0')))
            .collect()
    }

    #[test]
    fn one_speaker_is_believed_for_all_it_names() {
        let only = view(
            1,
            &[(1, ":7001@1", "master"), (2, "h:7002@1", "master,fail"), (3, "h:7003@1", "handshake"), (4, ":0@0", "master,noaddr")],
        );
        assert_eq!(names(&[only]), ["1 seed:7001", "2 h:7002"]);
    }

    #[test]
    fn whom_nobody_else_names_is_out_and_where_most_see_it_is_where_it_is() {
        let views = [
            view(1, &[(1, "wrong:1@1", "master"), (2, "h:2@1", "slave"), (3, "old:3@1", "slave")]),
            view(2, &[(1, "h:1@1", "master"), (2, "h:2@1", "slave"), (3, "new:3@1", "slave")]),
            view(3, &[(1, "h:1@1", "master"), (2, "h:2@1", "slave"), (3, "new:3@1", "slave")]),
            view(9, &[(1, "h:1@1", "master"), (2, "h:2@1", "slave"), (3, "new:3@1", "slave"), (9, "h:9@1", "slave")]),
        ];
        assert_eq!(names(&views), ["1 h:1", "2 h:2", "3 new:3"]);
    }

    #[test]
    fn a_tie_goes_to_the_nodes_own_word() {
        let views = [
            view(1, &[(1, "h:1@1", "master"), (3, "zzz:3@1", "slave")]),
            view(2, &[(2, "h:2@1", "master"), (3, "aaa:3@1", "slave"), (1, "h:1@1", "master")]),
            view(3, &[(3, "aaa:3@1", "slave"), (2, "h:2@1", "master")]),
        ];
        assert_eq!(names(&views), ["1 h:1", "2 h:2", "3 aaa:3"]);
    }
}
