//! PURE. Why something is refused: a sentence for people, and a code that scripts branch on.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)+) => {
        /// The stable codes; the word is what JSON shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            pub fn word(self) -> &'static str {
                match self { $(Code::$name => $word,)+ }
            }
        }
    };
}

codes! {
    /// No code of its own.
    Other = "other";
    NothingToDo = "nothing_to_do";
    /// The request itself was wrong.
    BadRequest = "bad_request";
    /// There is no such node, shard or room, or several may be meant.
    UnknownName = "unknown_name";
    ReadOnly = "read_only";
    Protected = "protected";
    /// A name was given that is not this cluster's.
    WrongName = "wrong_name";
    /// Nobody can be asked, and nothing on the command line says yes.
    NotConfirmed = "not_confirmed";
    /// Somebody reachable calls a node healthy that is to be replaced or forgotten.
    NodeIsHealthy = "node_is_healthy";
    ClusterUnknown = "cluster_unknown";
    /// Roles, slots, members or epochs are not as they were when the plan was made.
    ClusterChanged = "cluster_changed";
    NodeDown = "node_down";
    MasterDown = "master_down";
    MasterUnknown = "master_unknown";
    NoCandidate = "no_candidate";
    /// Not enough masters know a replica as one.
    NodesDisagree = "nodes_disagree";
    /// Groups of nodes do not see each other.
    Partitioned = "partitioned";
    ReplicationUnknown = "replication_unknown";
    ReplicaSyncing = "replica_syncing";
    ReplicationLinkDown = "replication_link_down";
    ReplicationHistoryDiffers = "replication_history_differs";
    ReplicaBehind = "replica_behind";
    SlotsOpen = "slots_open";
    /// What would come is more than the target has left below its maxmemory.
    TargetOutOfMemory = "target_out_of_memory";
    /// Moving it would hold two nodes up for longer than the node timeout.
    KeyTooBig = "key_too_big";
    QuorumLost = "quorum_lost";
    /// These servers do not get through another election yet.
    ElectionTooSoon = "election_too_soon";
}

impl Code {
    pub fn because(self, says: impl Into<String>) -> Reason {
        Reason { code: self, says: says.into() }
    }
}

/// A sentence with its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub code: Code,
    pub says: String,
}

impl From<String> for Reason {
    fn from(says: String) -> Self {
        Code::Other.because(says)
    }
}

impl From<&str> for Reason {
    fn from(says: &str) -> Self {
        Code::Other.because(says)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.says
    }
}

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.says
    }
}

impl Borrow<str> for Reason {
    fn borrow(&self) -> &str {
        &self.says
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        let readme = include_str!("../../README.md");
        assert!(words.iter().all(|word| readme.contains(&format!("`{word}`"))), "README lists the codes");
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
