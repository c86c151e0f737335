//! PURE. What made-up servers answer: PING, INFO, CLUSTER NODES and CLUSTER INFO of one round.

use std::sync::Arc;

use super::{Fake, Sample};
use crate::cluster::{
    ClusterInfo, Fact, Flags, Info, Member, NodeRole, Observation, ReplicaLink, SLOTS, Server, ServerSettings, SlotSet, View,
};

/// What grows from poll to poll, and who took over from whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) successor_of: Option<usize>,
    commands: f64,
    errors: f64,
    moved: f64,
    evicted: f64,
    cpu: f64,
    hits: f64,
    bytes: f64,
    stream: u64,
    polls: u64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self { stream: 1 << 32, ..Self::default() }
    }
}

/// A number that looks random and is not (splitmix64).
pub(super) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) fn round(sample: &mut Sample) -> Vec<Observation> {
    let at = sample.now;
    for server in sample.servers.iter_mut().filter(|server| server.trouble.is_none() || server.out_of_reach) {
        grow(server);
    }
    // A replica has what its master has sent, less its lag.
    let streams: Vec<(u64, u64)> = sample.servers.iter().map(|server| (server.counters.stream, server.run)).collect();
    for server in &mut sample.servers {
        if let Some((stream, _)) = server.master.and_then(|master| streams.get(master)) {
            server.counters.stream = stream.saturating_sub(server.lag);
        }
    }
    let table = lines(&sample.servers);
    let count = sample.servers.len();
    let speaking = sample.views_a_poll.min(count);
    let first = sample.turn;
    sample.turn = (first + speaking) % count.max(1);
    let says = |number: usize| (number + count - first) % count.max(1) < speaking;

    let common = cluster_info(&sample.servers);
    let mut round = Vec::with_capacity(count * 4);
    for (number, server) in sample.servers.iter().enumerate() {
        // Who does not answer was asked where it is announced.
        let source = server.announces.as_ref().filter(|_| server.trouble.is_some()).unwrap_or(&server.address);
        let mut tell = |fact| round.push(Observation { source: source.clone(), at, fact });
        if let Some(trouble) = &server.trouble {
            tell(Fact::Trouble(trouble.clone()));
            continue;
        }
        tell(Fact::Pong(server.latency));
        if !server.silent_info {
            tell(Fact::Info(Arc::new(info(sample, number, server))));
        }
        if server.min_replicas > 0 || server.full_coverage {
            let settings = ServerSettings {
                min_replicas: Some(server.min_replicas).filter(|wanted| *wanted > 0),
                require_full_coverage: server.full_coverage.then_some(true),
                ..ServerSettings::default()
            };
            tell(Fact::Settings(Arc::new(settings)));
        }
        if says(number) {
            let view = server.stuck.clone().unwrap_or_else(|| Arc::new(spoken(&table, server)));
            tell(Fact::View(view));
        }
        let ok = common.ok && !server.uninformed;
        tell(Fact::ClusterInfo(Arc::new(ClusterInfo { ok, my_epoch: server.epoch, ..common.clone() })));
    }
    round
}

fn grow(server: &mut Fake) {
    let counters = &mut server.counters;
    counters.commands += server.ops_per_sec;
    counters.errors += server.errors_per_sec + server.moved_per_sec;
    counters.moved += server.moved_per_sec;
    counters.evicted += server.evicted_per_sec;
    counters.cpu += server.cpu_percent / 100.0;
    counters.hits += server.ops_per_sec * 0.9;
    counters.bytes += server.ops_per_sec * 120.0;
    counters.stream += (server.ops_per_sec * 40.0) as u64;
    counters.polls += 1;
}

fn info(sample: &Sample, number: usize, server: &Fake) -> Info {
    let counters = &server.counters;
    let master = server.master.and_then(|master| sample.servers.get(master));
    let replica = server.role == NodeRole::Replica;
    let replicas: Vec<ReplicaLink> = sample
        .servers
        .iter()
        .filter(|other| other.master == Some(number) && other.link_up && other.trouble.is_none())
        .map(|other| ReplicaLink {
            host: other.address.host.clone(),
            port: other.address.port,
            state: "online".into(),
            offset: counters.stream.saturating_sub(other.lag),
            lag_seconds: Some(0),
        })
        .collect();
    let (name, version) = sample.version;
    Info {
        server: Some(Server { name: name.into(), version: version.into() }),
        mode: Some("cluster".into()),
        run_id: Some(format!("{:016x}", mix(server.run)).into()),
        process_id: Some(4000 + number as u64),
        uptime_seconds: Some(server.uptime + counters.polls),
        server_time_usec: u64::try_from(sample.now.timestamp_micros()).ok(),
        connected_clients: Some(120),
        cluster_connections: Some(10),
        maxclients: Some(10_000),
        blocked_clients: Some(0),
        used_memory: Some(server.memory_bytes),
        used_memory_rss: Some(server.memory_bytes + (40 << 20)),
        maxmemory: Some(server.maxmemory),
        maxmemory_policy: Some("noeviction".into()),
        total_system_memory: Some(16 << 30),
        mem_not_counted_for_evict: Some(0),
        mem_fragmentation_ratio: Some(1.05),
        loading: server.loading,
        rdb_last_save_ok: Some(true),
        aof_last_write_ok: Some(true),
        aof_enabled: Some(server.unsaved == 0),
        unsaved_changes: Some(server.unsaved),
        total_commands: Some(counters.commands as u64),
        instantaneous_ops: Some(server.ops_per_sec as u64),
        net_input_bytes: Some(counters.bytes as u64),
        net_output_bytes: Some((counters.bytes * 3.0) as u64),
        rejected_connections: Some(0),
        sync_full: Some(server.full_copies),
        sync_partial_err: Some(server.full_copies),
        evicted_keys: Some(counters.evicted as u64),
        keyspace_hits: Some(counters.hits as u64),
        keyspace_misses: Some((counters.hits / 20.0) as u64),
        total_error_replies: Some(counters.errors as u64),
        errors: [("MOVED".into(), counters.moved as u64)].into(),
        role: Some(server.role),
        master_host: master.map(|master| master.announces.as_ref().unwrap_or(&master.address).host.clone()),
        master_port: master.map(|master| master.announces.as_ref().unwrap_or(&master.address).port),
        master_link_up: replica.then_some(server.link_up),
        master_last_io_seconds: replica.then_some(if server.link_up { 0 } else { -1 }),
        master_link_down_seconds: (replica && !server.link_up).then_some(if server.syncing {
            -1
        } else {
            server.link_down_seconds
        }),
        master_sync_in_progress: replica && server.syncing,
        replica_offset: replica.then_some(counters.stream),
        replica_priority: replica.then_some(server.priority),
        connected_replicas: Some(replicas.len() as u64),
        good_replicas: (server.min_replicas > 0).then_some(replicas.len() as u64),
        replicas,
        replid: Some(format!("{:016x}", mix(master.map_or(server.run, |master| master.run))).into()),
        master_offset: Some(counters.stream),
        second_repl_offset: Some(-1),
        backlog_bytes: Some(1 << 20),
        cpu_seconds: Some(counters.cpu),
        keys: server.keys.unwrap_or(server.slots.len() as u64 * 12),
        commands: std::sync::Arc::new(server.calls.iter().map(|(name, calls)| ((*name).into(), (*calls, *calls))).collect()),
        ..Info::default()
    }
}

/// One server as the others know it.
struct KnownServer {
    member: Member,
    forgotten: bool,
    side: u8,
}

/// Every server's line as the others write it.
fn lines(servers: &[Fake]) -> Vec<KnownServer> {
    let id = |number: usize| servers.get(number).map(|server| server.id);
    let line = |server: &Fake| {
        let member = Member {
            id: server.id,
            address: server.announces.as_ref().unwrap_or(&server.address).clone(),
            hostname: None,
            bus_port: server.address.port.wrapping_add(10_000),
            flags: Flags { suspected: server.suspected && !server.failed, failed: server.failed, ..Flags::default() },
            role: server.role,
            master: server.master.and_then(id),
            ping_sent_ms: 0,
            pong_received_ms: 0,
            epoch: server.master.and_then(|master| servers.get(master)).map_or(server.epoch, |master| master.epoch),
            link_up: server.announces.is_none()
                && (server.out_of_reach || server.trouble.as_ref().is_none_or(|trouble| trouble.health.is_alive())),
            slots: server.slots.ranges(),
            open: Vec::new(),
        };
        KnownServer { member, forgotten: server.forgotten, side: server.side }
    };
    servers.iter().map(line).collect()
}

/// What one server says of all.
fn spoken(table: &[KnownServer], speaker: &Fake) -> View {
    let known = table.iter().filter(|known| !known.forgotten || known.member.id == speaker.id);
    let line = |known: &KnownServer| {
        let mut member = known.member.clone();
        if known.side != speaker.side {
            member.link_up = false;
            member.flags.suspected |= speaker.doubts && !member.flags.failed;
        }
        member
    };
    let mut members: Vec<Member> = known.map(line).collect();
    let me = members.iter().position(|member| member.id == speaker.id).unwrap_or(0);
    if let Some(own) = members.get_mut(me) {
        own.flags = Flags { myself: true, ..Flags::default() };
        own.link_up = true;
        own.open.clone_from(&speaker.open);
    }
    View { members, me }
}

pub(super) fn view(servers: &[Fake], number: usize) -> View {
    let table = lines(servers);
    servers.get(number).map_or_else(|| View { members: Vec::new(), me: 0 }, |server| spoken(&table, server))
}

fn cluster_info(servers: &[Fake]) -> ClusterInfo {
    let mut served = SlotSet::default();
    for server in servers.iter().filter(|server| !server.failed) {
        server.slots.ranges().into_iter().for_each(|range| served.extend_range(range));
    }
    let slots = |count: usize| u16::try_from(count).unwrap_or(SLOTS);
    let count = |test: fn(&&Fake) -> bool| slots(servers.iter().filter(test).map(|server| server.slots.len()).sum());
    let voters = servers.iter().filter(|server| !server.slots.is_empty()).count();
    ClusterInfo {
        ok: served.len() == usize::from(SLOTS),
        slots_assigned: count(|_| true),
        slots_ok: slots(served.len()),
        slots_pfail: count(|server| server.suspected && !server.failed),
        slots_fail: count(|server| server.failed),
        known_nodes: u32::try_from(servers.iter().filter(|server| !server.forgotten).count()).unwrap_or(u32::MAX),
        size: u32::try_from(voters).unwrap_or(u32::MAX),
        current_epoch: servers.iter().map(|server| server.epoch).max().unwrap_or(0),
        my_epoch: 0,
    }
}
