//! PURE. What may happen in a storm: operations of consoles, and faults of servers, disks and lines.

use proptest::prelude::*;

use crate::sim::{Fault, Kind};

/// Slots at the start of each master's range that have keys and are moved about.
pub(crate) const PLAYGROUND: u16 = 80;
/// The server that nobody has met at the start.
pub(crate) const NEWCOMER: usize = 3;

#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Slots of a master's range go to another one.
    Move {
        from: usize,
        at: u16,
        count: u16,
        to: usize,
    },
    /// Rooms that began in these shards.
    MoveRooms {
        of: Vec<usize>,
        to: usize,
    },
    Rebalance {
        fast: bool,
    },
    Fix {
        back: bool,
    },
    /// `forced`: 1 FORCE, 2 TAKEOVER; only while the replica is in step, for otherwise it may lose what was written.
    Failover {
        shard: usize,
        forced: u8,
    },
    /// The master of a shard gives everything away.
    Drain {
        shard: usize,
    },
    /// A node leaves, for good.
    Remove {
        shard: usize,
        replica: bool,
    },
    Forget {
        shard: usize,
        replica: bool,
    },
    /// It joins, as a master without slots.
    Add,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// One of the consoles begins something, when it has nothing to do; a failover also beside that.
    Begin { console: usize, wish: Wish },
    /// The console is asked to stop at the next safe point.
    Abort { console: usize },
    /// The console's process ends, and it is opened anew.
    Kill { console: usize },
    /// The disk of its state folder takes so many more records of the next operation.
    DiskFull { console: usize, after: u32 },
    /// Something happens to the node of a shard to which things may happen in this case.
    Fault { shard: usize, fault: Fault },
    /// A console does not reach these shards any more, or everybody again.
    Cut { console: usize, shard: Option<usize> },
    /// Whoever gives slots away by itself is told to stop it.
    Cancel { shard: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) databases: u32,
    /// Of every reply.
    pub(crate) latency_ms: u64,
    /// Of commands and replies, each by itself.
    pub(crate) jitter_ms: u64,
    /// Of messages between nodes, each by itself.
    pub(crate) bus_jitter_ms: u64,
    /// Consoles do not see each other's operations.
    pub(crate) blind: bool,
    /// The third master owns no more than the slots that are moved about.
    pub(crate) small: bool,
    /// In each shard one node may fall ill: the master at the start, or its replica. Of two there is nothing to be learnt.
    pub(crate) replica_suffers: [bool; 3],
    pub(crate) acts: Vec<(u64, Act)>,
}

fn wish() -> impl Strategy<Value = Wish> {
    let masters = || prop_oneof![8 => 0usize..3, 1 => Just(NEWCOMER)];
    prop_oneof![
        // Consoles meet in the same slots more often than not; three slots and more are claimed in one transaction.
        12 => (0usize..3, prop_oneof![2 => Just(0), 1 => 0..PLAYGROUND], prop_oneof![3 => 1u16..5, 1 => 30..PLAYGROUND], masters())
            .prop_map(|(from, at, count, to)| Wish::Move { from, at, count: count.min(PLAYGROUND - at), to }),
        2 => (prop::collection::vec(0usize..3, 1..3), masters()).prop_map(|(of, to)| Wish::MoveRooms { of, to }),
        1 => any::<bool>().prop_map(|fast| Wish::Rebalance { fast }),
        4 => any::<bool>().prop_map(|back| Wish::Fix { back }),
        2 => (0usize..3, prop_oneof![2 => Just(0u8), 1 => Just(1), 1 => Just(2)])
            .prop_map(|(shard, forced)| Wish::Failover { shard, forced }),
        1 => (0usize..3).prop_map(|shard| Wish::Drain { shard }),
        1 => (0usize..3, any::<bool>()).prop_map(|(shard, replica)| Wish::Remove { shard, replica }),
        1 => (0usize..3, any::<bool>()).prop_map(|(shard, replica)| Wish::Forget { shard, replica }),
        1 => Just(Wish::Add),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let word = prop_oneof![
        Just("MIGRATE"),
        Just("CLUSTER SETSLOT"),
        Just("EXEC"),
        Just("CLUSTER NODES"),
        Just("CLUSTER COUNTKEYSINSLOT"),
        Just("CLUSTER GETKEYSINSLOT"),
        Just("CLUSTER MIGRATESLOTS"),
        Just("CLUSTER GETSLOTMIGRATIONS"),
    ];
    prop_oneof![
        3 => Just(Fault::Hang),
        3 => Just(Fault::Resume),
        2 => Just(Fault::Crash),
        1 => Just(Fault::Refuse),
        1 => Just(Fault::Accept),
        1 => (20u64..900).prop_map(Fault::Slow),
        1 => Just(Fault::Reset),
        3 => word.clone().prop_map(|word| Fault::LoseReply(word.into())),
        1 => (word, 0u64..20).prop_map(|(word, after)| Fault::Deny(word.into(), after)),
        1 => (0u64..10).prop_map(Fault::RoomForKeys),
        2 => (50u64..700).prop_map(Fault::SlowBus),
        3 => Just(Fault::Well),
    ]
}

fn act(consoles: usize) -> impl Strategy<Value = (u64, Act)> {
    let pause = prop_oneof![4 => 0u64..40, 2 => 40u64..600, 1 => 600u64..6000];
    let act = prop_oneof![
        12 => (0..consoles, wish()).prop_map(|(console, wish)| Act::Begin { console, wish }),
        2 => (0..consoles).prop_map(|console| Act::Abort { console }),
        2 => (0..consoles).prop_map(|console| Act::Kill { console }),
        1 => (0..consoles, 0u32..6).prop_map(|(console, after)| Act::DiskFull { console, after }),
        8 => (0usize..3, fault()).prop_map(|(shard, fault)| Act::Fault { shard, fault }),
        2 => (0..consoles, prop::option::of(0usize..3)).prop_map(|(console, shard)| Act::Cut { console, shard }),
        1 => (0usize..3).prop_map(|shard| Act::Cancel { shard }),
    ];
    (pause, act)
}

pub(crate) fn case(consoles: usize) -> impl Strategy<Value = Case> {
    let kind = prop_oneof![3 => Just(Kind::Redis7), 2 => Just(Kind::Valkey8), 2 => Just(Kind::Valkey9)];
    let times = (
        prop_oneof![Just(1u64), 2..30u64],
        prop_oneof![2 => Just(0u64), 2 => 1..10u64, 1 => 10..120u64],
        prop_oneof![1 => Just(0u64), 2 => 1..30u64, 2 => 30..500u64],
    );
    let shape = (prop_oneof![Just(1u32), Just(4)], any::<bool>(), prop::bool::weighted(0.3));
    (any::<u64>(), kind, times, shape, any::<[bool; 3]>(), prop::collection::vec(act(consoles), 1..14)).prop_map(
        |(seed, kind, (latency_ms, jitter_ms, bus_jitter_ms), (databases, blind, small), replica_suffers, acts)| Case {
            seed,
            kind,
            databases: if kind.has_databases() { databases } else { 1 },
            latency_ms,
            jitter_ms,
            bus_jitter_ms,
            blind,
            small,
            replica_suffers,
            acts,
        },
    )
}
