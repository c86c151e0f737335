//! PURE. Why something is refused, and how an operation ended: a sentence for people, and a code that scripts branch on.
//! Every sentence has its code where it is worded; what a code means stands here, and `docs codes` prints it.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

macro_rules! codes {
    ($($name:ident = $word:literal, $says:literal;)+) => {
        /// The stable codes; the word is what JSON shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $says] $name,)+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            pub fn word(self) -> &'static str {
                match self { $(Code::$name => $word,)+ }
            }

            /// What it means, in a few words.
            pub fn says(self) -> &'static str {
                match self { $(Code::$name => $says,)+ }
            }
        }
    };
}

codes! {
    // How an operation ended.
    Done = "done", "it is done, and every server says so";
    NothingToDo = "nothing_to_do", "what is asked for is so already";
    Declined = "declined", "you said no";
    Stopped = "stopped", "somebody stopped it at a safe point";
    CommandRefused = "command_refused", "a server did not do a command";
    NotElected = "not_elected", "the replica accepted and was not elected";
    NotReadBack = "not_read_back", "everything was sent, and who knows what came of it does not answer";
    MoveBrokenOff = "move_broken_off", "slots did not all move; the reasons say which are where";
    SlotsContested = "slots_contested", "another console is at the same slots";
    SlotsLeftOpen = "slots_left_open", "slots are still open; `fix` resumes or rolls back";
    KeysMayBeLost = "keys_may_be_lost", "slots are named whose keys may be gone";
    KeysEvicted = "keys_evicted", "the target evicted keys while it took others";
    KeysLeftBehind = "keys_left_behind", "the source still has keys of slots that have gone";
    NotRepaired = "not_repaired", "slots still need a repair";
    NotJoined = "not_joined", "a joining node is not known everywhere, or does not serve";
    NotInSync = "not_in_sync", "a replica is one, and has not copied its master's data yet";
    NotForgotten = "not_forgotten", "some node still remembers it";
    BrokenOff = "broken_off", "the program carrying it out ended before it did";
    // The request.
    BadRequest = "bad_request", "the request itself is wrong";
    UnknownName = "unknown_name", "no such node, shard or room, or several may be meant";
    WrongName = "wrong_name", "a name was given that is not this cluster's";
    NotConfirmed = "not_confirmed", "nobody can be asked, and nothing on the command line says yes";
    BadConfiguration = "bad_configuration", "the configuration is wrong";
    FileUnwritable = "file_unwritable", "a file of yours could not be written";
    ReadOnly = "read_only", "the cluster is open for looking only";
    Protected = "protected", "the cluster is protected, and has not been unlocked";
    OperationRunning = "operation_running", "another operation is under way, here or in another console";
    StateFolder = "state_folder", "the state folder cannot be written, or others may write to it";
    // The cluster.
    Unreachable = "unreachable", "no server answered";
    ClusterUnknown = "cluster_unknown", "too little is known of the cluster";
    ClusterChanged = "cluster_changed", "roles, slots, members or epochs are not as when the plan was made";
    ClusterDown = "cluster_down", "a master says cluster_state:fail";
    NodesDisagree = "nodes_disagree", "nodes do not say the same of roles or slots";
    Partitioned = "partitioned", "groups of nodes do not see each other";
    QuorumLost = "quorum_lost", "too few masters answer to elect anybody";
    ElectionTooSoon = "election_too_soon", "these servers do not get through another election yet";
    NoOtherMaster = "no_other_master", "there is no other master that could take slots";
    NoCandidate = "no_candidate", "the shard has no replica that could take over";
    // A node.
    NodeIsHealthy = "node_is_healthy", "somebody within reach calls it healthy (this is the code for --override)";
    NodeDown = "node_down", "a node that is needed does not answer";
    NodeAlive = "node_alive", "only a node that is gone is forgotten or replaced";
    NoReply = "no_reply", "a server gave no reply to a question that had to be asked";
    NotAMaster = "not_a_master", "a master is needed there";
    NoShard = "no_shard", "the node belongs to no shard";
    MasterDown = "master_down", "its master does not answer";
    MasterUnknown = "master_unknown", "nobody says who its master is";
    NodeOwnsSlots = "node_owns_slots", "it owns slots, which have to go first";
    NodeHasReplicas = "node_has_replicas", "others replicate it";
    // A joining node.
    AlreadyMember = "already_member", "it is in the cluster, otherwise than asked for";
    OtherCluster = "other_cluster", "it belongs to another cluster";
    NodeNotEmpty = "node_not_empty", "it has keys, slots or functions of its own";
    NotInClusterMode = "not_in_cluster_mode", "it does not run in cluster mode";
    NoPlainAddress = "no_plain_address", "no master with a plain IP address can be named to it";
    // Replication.
    ReplicationUnknown = "replication_unknown", "the replica has not told of its replication";
    ReplicaSyncing = "replica_syncing", "it is still copying its master's data";
    ReplicationLinkDown = "replication_link_down", "its link to its master is down or silent";
    ReplicationHistoryDiffers = "replication_history_differs", "a full copy is due before it can follow";
    ReplicaBehind = "replica_behind", "it is too far behind its master";
    // Slots and keys.
    SlotsOpen = "slots_open", "slots are half-way between two masters";
    SlotsUnowned = "slots_unowned", "slots have no owner";
    SlotsDisputed = "slots_disputed", "two masters claim slots";
    SlotsUnserved = "slots_unserved", "slots are not served";
    NotCounted = "not_counted", "keys, load or rooms could not be counted";
    DatabasesInUse = "databases_in_use", "there are keys in databases that would be left behind";
    KeyTooBig = "key_too_big", "moving a key would hold two nodes up for longer than the node timeout";
    TargetOutOfMemory = "target_out_of_memory", "more would come than the target has left below its maxmemory";
    TargetRefuses = "target_refuses", "the target would not take the keys, or stopped taking them";
    CannotSave = "cannot_save", "the target cannot write its data to disk";
    VersionTooOld = "version_too_old", "a server cannot read the keys of a newer one";
    NoRoute = "no_route", "the source does not reach the target";
    // Rights.
    CommandMissing = "command_missing", "a command is renamed or disabled on a server";
    NotAllowed = "not_allowed", "this user lacks a right on a server";
}

impl Code {
    pub fn because(self, says: impl Into<String>) -> Reason {
        Reason { code: self, says: says.into() }
    }

    /// Each of these sentences with this code.
    pub fn each(self, says: impl IntoIterator<Item = String>) -> Vec<Reason> {
        says.into_iter().map(|says| self.because(says)).collect()
    }

    /// A line for each code: the text of `docs codes`.
    pub fn table() -> String {
        let width = Self::ALL.iter().map(|code| code.word().len()).max().unwrap_or(0);
        Self::ALL.iter().map(|code| format!("{:width$}  {}\n", code.word(), code.says())).collect()
    }
}

/// A sentence with its code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    pub code: Code,
    pub says: String,
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
        let readme = include_str!("../../../README.md");
        assert!(words.iter().all(|word| readme.contains(&format!("`{word}`"))), "README lists the codes");
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
