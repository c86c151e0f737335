//! PURE. Failover: which replica becomes master, whether it can, what it costs.

pub(crate) mod loss;
pub(crate) mod succession;

use std::time::Duration;

use crate::cluster::{Health, Info, Model, Node, NodeRole, Server, Shard, Time, age};

use crate::cluster::election::{self, Candidate, DEFAULT_NODE_TIMEOUT, Votes};
use crate::plan::failover::succession::is_up;
use crate::plan::fingerprint::Fingerprint;
use crate::plan::{Code, Danger, Facts, Intent, Mode, Plan, Prediction, Reason, Refusal, Step, StepKind, impact, resolve};
use crate::quantity;

/// A graceful failover gives up when the replica has not caught up by then (Valkey 8.1 has a setting for it).
const PATIENCE: Duration = Duration::from_secs(5);
/// More than this cannot be counted on to be shipped while writes stand still.
const LAG_LIMIT: u64 = 64 << 20;
const LAG_WARNING: u64 = 1 << 20;
/// A master pings its replicas every ten seconds: silence up to that is normal.
const LAST_IO_LIMIT: i64 = 10;

/// Everything the rules look at.
struct Case<'a> {
    model: &'a Model,
    mode: Mode,
    shard: &'a Shard,
    replica: &'a Node,
    master: Option<&'a Node>,
    info: Option<&'a Info>,
    votes: Votes,
    node_timeout: Duration,
    now: Time,
}

pub(crate) fn plan(name: &str, mode: Mode, facts: &Facts<'_>, now: Time) -> Result<Plan, Refusal> {
    let model = facts.model;
    let named = match resolve::node(model, name) {
        Err(refusal) => chosen_in_headless_shard(model, name, now).ok_or(refusal)?,
        Ok(node) => node,
    };
    let node_timeout = model.node_timeout().unwrap_or(DEFAULT_NODE_TIMEOUT);
    let Some(shard) = model.topology().shard_of(named.id) else {
        let says = format!("{} belongs to no shard: it has no slots and no master", named.address);
        return Err(Refusal::because(Code::NoShard.because(says)));
    };
    let replica = match named.role {
        NodeRole::Replica => named,
        // A shard is asked to have another master; a master that is named is one already.
        _ if resolve::shard(model, name).is_some() => choose(model, shard, named, node_timeout, now)?,
        _ => return Err(is_master(model, shard, named, node_timeout, now)),
    };
    let master = replica.master.and_then(|id| model.node(id));
    // A graceful failover needs its master's vote no more than the others': the master votes for its successor's request too.
    let votes = election::votes(model, &[]);
    let case = Case { model, mode, shard, replica, master, info: replica.info.as_deref(), votes, node_timeout, now };
    let reasons = match mode {
        Mode::Graceful => [standing(&case), graceful(&case), quorum(&case)].concat(),
        Mode::Force => [standing(&case), quorum(&case)].concat(),
        Mode::Takeover => standing(&case),
    };
    if reasons.is_empty() { Ok(draw_up(&case)) } else { Err(Refusal::all(reasons)) }
}

/// A shard whose master nobody knows can still be named by its letter.
fn chosen_in_headless_shard<'a>(model: &'a Model, name: &str, now: Time) -> Option<&'a Node> {
    let shard = resolve::shard(model, name).filter(|shard| shard.master.is_none())?;
    let best = election::candidates(model, shard, DEFAULT_NODE_TIMEOUT, now).into_iter().next()?;
    model.node(best.node)
}

/// A master was named: said twice, a failover does its work once.
fn is_master(model: &Model, shard: &Shard, master: &Node, timeout: Duration, now: Time) -> Refusal {
    let (at, name) = (&master.address, shard.name);
    let candidates = election::candidates(model, shard, timeout, now);
    let able: Vec<String> = candidates.iter().filter(|one| one.obstacle.is_none()).map(|one| one.address.to_string()).collect();
    let instead = match able.as_slice() {
        [] => format!("none of its replicas can take its place; `failover --shard {name}` says why"),
        _ => format!("name who shall be ({}), or let the best be chosen: `failover --shard {name}`", quantity::list(&able)),
    };
    if is_up(master) || master.is_out_of_reach() {
        return Refusal::nothing(
            format!("{at} is the master of shard {name} already"),
            vec![format!("for another master {instead}")],
        );
    }
    let says = format!("{at} is the master of shard {name} already, and {}: {instead}", master.health.says());
    Refusal::because(Code::MasterDown.because(says))
}

/// A shard was named: the best of its replicas is meant.
fn choose<'a>(model: &'a Model, shard: &Shard, master: &Node, timeout: Duration, now: Time) -> Result<&'a Node, Refusal> {
    let candidates = election::candidates(model, shard, timeout, now);
    let best = candidates.iter().find(|candidate| candidate.obstacle.is_none()).and_then(|candidate| model.node(candidate.node));
    best.ok_or_else(|| {
        let mut reasons = vec![if candidates.is_empty() {
            format!("{} is master already and has no replica that could take its place", master.address)
        } else {
            format!("{} is master already, and none of its replicas can take its place", master.address)
        }];
        let why = |candidate: &Candidate| Some(format!("{} {}", candidate.address, candidate.obstacle.as_ref()?));
        reasons.extend(candidates.iter().filter_map(why));
        if candidates.is_empty() {
            reasons.push(format!("give it one: node add HOST:PORT --replica-of {}", master.address));
        }
        Refusal::all(Code::NoCandidate.each(reasons))
    })
}

/// Only this console does not reach the master: others within reach call it healthy, and it is not that it hangs.
fn vouched(case: &Case<'_>) -> bool {
    let hangs = |master: &Node| master.health == Health::Frozen;
    let healthy = |master: &Node| !crate::cluster::standing(case.model, master.id, case.now).healthy.is_empty();
    case.master.is_some_and(|master| !hangs(master) && healthy(master))
}

/// What every mode needs: a replica that answers and knows whose place it takes.
fn standing(case: &Case<'_>) -> Vec<Reason> {
    let (replica, mut reasons) = (case.replica, Vec::new());
    if replica.health.is_down() || !replica.health.serves() {
        let since = quantity::span(age(case.now, replica.health_since));
        let says = replica.health.says();
        reasons.push(
            Code::NodeDown
                .because(format!("{} {says} (for {since}), and a failover is started on the replica itself", replica.address)),
        );
    }
    if replica.master.is_none() {
        reasons.push(
            Code::MasterUnknown.because(format!("{} does not know its master, so it cannot take its slots", replica.address)),
        );
    }
    reasons
}

fn graceful(case: &Case<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(master) = case.master
        && !is_up(master)
        && !vouched(case)
    {
        let what = if master.health.is_down() { master.health.says() } else { "is marked as failed by the other masters" };
        let hope = succession::succession(case.model, case.shard.name, case.now).map(|it| it.sentence()).unwrap_or_default();
        reasons.push(Code::MasterDown.because(format!(
            "the master {} {what}, and a graceful failover needs it alive: wait ({hope}), or use --mode force and accept that \
             writes it had not replicated are lost",
            master.address
        )));
        return reasons;
    }
    reasons.extend(replication(case));
    let opinions: Vec<_> = case
        .model
        .views()
        .filter(|(speaker, _)| case.model.node(*speaker).is_some_and(|node| node.is_master() && node.slot_count > 0))
        .filter_map(|(_, view)| view.member(case.replica.id))
        .collect();
    let agreeing =
        opinions.iter().filter(|member| member.role == NodeRole::Replica && member.master == case.replica.master).count();
    if agreeing * 2 <= opinions.len() && !opinions.is_empty() {
        reasons.push(Code::NodesDisagree.because(format!(
            "only {agreeing} of {} masters know {} as a replica of {}: wait until gossip has told the others",
            opinions.len(),
            case.replica.address,
            master_name(case)
        )));
    }
    let open = open_slots(case);
    if !open.is_empty() && !keeps_open_slots(case.info.and_then(|info| info.server.as_ref())) {
        reasons.push(Code::SlotsOpen.because(format!(
            "{} {} open on shard {}, and a promoted replica forgets open slots on this server: finish or roll back first with `fix {}`",
            quantity::count(open.len(), "slot"),
            if open.len() == 1 { "is" } else { "are" },
            case.shard.name,
            quantity::list(&open.iter().map(u16::to_string).collect::<Vec<_>>())
        )));
    }
    reasons
}

/// The replication link between the two: without it the server answers OK, stops writes for five seconds and does nothing.
fn replication(case: &Case<'_>) -> Vec<Reason> {
    let (replica, mut reasons) = (&case.replica.address, Vec::new());
    let Some(info) = case.info else {
        return vec![
            Code::ReplicationUnknown.because(format!("nothing is known of {replica}'s replication: INFO has not been answered")),
        ];
    };
    let futile = "CLUSTER FAILOVER would answer OK, stop writes for 5 s and change nothing";
    if info.master_sync_in_progress {
        reasons.push(Code::ReplicaSyncing.because(format!("{replica} is still copying its master's data: wait until it is done")));
    } else if info.master_link_up != Some(true) {
        // -1: never up since the server was started.
        let since = match info.master_link_down_seconds.map(u64::try_from) {
            Some(Ok(seconds)) => format!("has been down for {}", quantity::span(Duration::from_secs(seconds))),
            Some(Err(_)) => "has never been up since it was started".to_owned(),
            None => "is down, since when is not known".to_owned(),
        };
        reasons.push(Code::ReplicationLinkDown.because(format!(
            "the replication link from {replica} to {} {since}: {futile}; repair the link first (masterauth, TLS, network)",
            master_name(case)
        )));
    } else if let Some(seconds) = info.master_last_io_seconds.filter(|&seconds| seconds > LAST_IO_LIMIT) {
        reasons.push(Code::ReplicationLinkDown.because(format!(
            "{replica} has heard nothing from its master for {seconds} s, and {LAST_IO_LIMIT} s is the most that is normal: {futile}"
        )));
    }
    let theirs = case.master.and_then(|master| master.info.as_ref()?.replid.clone());
    if reasons.is_empty() && theirs.is_some() && info.replid != theirs {
        reasons.push(Code::ReplicationHistoryDiffers.because(format!(
            "{replica} and {} are in different replication histories: a full copy is due first",
            master_name(case)
        )));
    }
    if let Some(lag) = case.replica.lag_bytes.filter(|&lag| lag > LAG_LIMIT) {
        reasons.push(Code::ReplicaBehind.because(format!(
            "{replica} is {} behind, more than {} cannot be counted on to arrive while writes stand still: wait or throttle the writers",
            quantity::bytes(lag),
            quantity::bytes(LAG_LIMIT)
        )));
    }
    reasons
}

fn quorum(case: &Case<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let Votes { alive, needed, voters } = case.votes;
    if !case.votes.suffice() {
        reasons.push(Code::QuorumLost.because(format!(
            "an election needs the votes of {needed} of {voters} masters with slots, and {alive} answer: {}",
            if vouched(case) {
                "others call its master healthy, so look from another host"
            } else {
                "bring masters back first (--mode takeover needs no votes, for when they will not come back)"
            }
        )));
    }
    let again = election::timing(case.info.and_then(|info| info.server.as_ref()), case.node_timeout).again;
    if let Some(demoted) = case.master.and_then(|master| master.demoted_at) {
        let since = age(case.now, demoted);
        if since < again {
            reasons.push(Code::ElectionTooSoon.because(format!(
                "{} won an election only {} ago, and these servers do not get through another within {}: wait {}",
                case.replica.address,
                quantity::span(since),
                quantity::span(again),
                quantity::span(again - since)
            )));
        }
    }
    reasons
}

fn draw_up(case: &Case<'_>) -> Plan {
    let Case { model, mode, replica, .. } = *case;
    let command = match mode {
        Mode::Graceful => "CLUSTER FAILOVER",
        Mode::Force => "CLUSTER FAILOVER FORCE",
        Mode::Takeover => "CLUSTER FAILOVER TAKEOVER",
    };
    let slots = case.master.map(|master| master.slots.iter().collect()).unwrap_or_else(|| case.shard.slot_set());
    let fingerprint = [Some(replica), case.master]
        .into_iter()
        .flatten()
        .fold(Fingerprint::of("failover").and(mode.word()), Fingerprint::node)
        .and(case.master.map_or(0, |master| master.epoch));
    let step =
        |commands: Vec<String>, kind, says| Step { node: replica.id, address: replica.address.clone(), commands, kind, says };
    let promote = StepKind::Promote { replica: replica.id, master: replica.master, slots };
    Plan {
        intent: Intent::Failover { node: replica.address.to_string(), mode },
        cluster: model.name.clone(),
        steps: vec![
            step(vec![command.into()], promote, format!("promote {}, replica of {}", replica.address, master_name(case))),
            step(
                Vec::new(),
                StepKind::Verify,
                format!("read back from every node that {} is the master of shard {}", replica.address, case.shard.name),
            ),
        ],
        moves: Vec::new(),
        engine: None,
        prediction: prediction(case),
        impact: impact::of_shard(model, case.shard.name),
        before: Vec::new(),
        after: Vec::new(),
        warnings: warnings(case),
        danger: if mode != Mode::Graceful || case.votes.alive == case.votes.needed && case.votes.voters > case.votes.alive {
            Danger::Typed
        } else {
            Danger::Normal
        },
        fingerprint: fingerprint.value(),
    }
}

fn prediction(case: &Case<'_>) -> Prediction {
    let ms = Duration::from_millis;
    let lag = case.replica.lag_bytes;
    // What is outstanding still has to arrive and be applied, at some 50 MB/s.
    let catch_up = Duration::from_micros(lag.unwrap_or(0) / 50);
    let valkey = case.info.and_then(|info| info.server.as_ref()).is_some_and(Server::is_valkey);
    let (from, to) = match case.mode {
        Mode::Graceful => (ms(10), ms(if valkey { 250 } else { 100 }) + catch_up),
        Mode::Force => (ms(50), ms(1000)),
        Mode::Takeover => (ms(1), ms(50)),
    };
    let mut notes = Vec::new();
    if let Some(master) = case.master {
        notes.push(if is_up(master) {
            format!("{} becomes a replica of {}", master.address, case.replica.address)
        } else {
            format!("{} becomes a replica of {} when it comes back", master.address, case.replica.address)
        });
    }
    let siblings = case.shard.replicas.len().saturating_sub(1);
    if siblings > 0 {
        notes.push(format!("the shard's other {} by themselves", plural_follow(siblings as u64)));
    }
    if let Some((wanted, _)) = followers(case).filter(|(wanted, had)| had >= wanted) {
        let replicas = quantity::count(wanted, "replica");
        notes.push(format!("it takes writes once {replicas} of its own has copied what it missed (min-replicas-to-write)"));
    }
    if case.mode == Mode::Graceful {
        notes.push(format!("it gives up, with writes stopped for as long, after {}", quantity::span(patience(case.replica))));
    }
    Prediction {
        winner: Some(case.replica.id),
        pause: Some((from, to)),
        bytes_at_risk: if case.mode == Mode::Graceful { Some(0) } else { lag.or_else(|| lag_at_death(case)) },
        takes: Some(to),
        notes,
    }
}

fn plural_follow(siblings: u64) -> String {
    if siblings == 1 { "replica follows".into() } else { format!("{siblings} replicas follow") }
}

fn lag_at_death(case: &Case<'_>) -> Option<u64> {
    let candidates = election::candidates(case.model, case.shard, case.node_timeout, case.now);
    candidates.iter().find(|candidate| candidate.node == case.replica.id)?.deficit.bytes
}

fn warnings(case: &Case<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let alone = case.model.topology().open_on_replicas.iter().filter(|open| open.node == case.replica.id);
    let alone: crate::cluster::SlotSet = alone.map(|open| open.slot).collect();
    if !alone.is_empty() {
        warnings.push(format!("{} has slots {alone} open that its master has not: `fix {alone}` first", case.replica.address));
    }
    let (replica, master_up) = (&case.replica.address, case.master.is_some_and(is_up));
    match case.mode {
        Mode::Graceful => {}
        Mode::Force if master_up => warnings.push(format!(
            "{} is alive: --mode graceful loses nothing, force loses what has not been replicated yet",
            master_name(case)
        )),
        Mode::Force => warnings.push("writes that the dead master had acknowledged and not replicated are lost".into()),
        Mode::Takeover => {
            warnings.push(
                "no votes are asked for: writes not replicated are lost, and two claims of the same epoch can collide".into(),
            );
            warnings.push(
                "if the old master still serves clients somewhere, both take writes until they meet: make sure it is gone".into(),
            );
        }
    }
    if let Some(lag) = case.replica.lag_bytes.filter(|&lag| lag > LAG_WARNING) {
        warnings.push(format!("{replica} is {} behind: writes stop until it has caught up", quantity::bytes(lag)));
    }
    let candidates = election::candidates(case.model, case.shard, case.node_timeout, case.now);
    if let (Some(best), Some(own)) = (candidates.first(), candidates.iter().find(|candidate| candidate.node == case.replica.id)) {
        if best.node != own.node && own.rank > 0 && case.mode != Mode::Graceful {
            warnings.push(format!("{} has more of the data than {replica}", best.address));
        }
        if let Some(obstacle) = own.obstacle.as_ref().filter(|_| case.mode != Mode::Graceful) {
            warnings.push(format!("{replica} {obstacle}"));
        }
    }
    if case.info.is_some_and(|info| info.master_link_up == Some(false)) && case.mode != Mode::Graceful && master_up {
        warnings.push(format!("{replica}'s replication link is down: everything written since then is lost"));
    }
    let open = open_slots(case);
    if !open.is_empty() && (case.mode != Mode::Graceful || keeps_open_slots(case.info.and_then(|info| info.server.as_ref()))) {
        let count = quantity::count(open.len(), "slot");
        warnings.push(format!("{count} of this shard open: the move has to be finished with `fix` afterwards"));
    }
    if let Some((wanted, had)) = followers(case).filter(|(wanted, had)| had < wanted) {
        let will = if had == 0 { "none".to_string() } else { had.to_string() };
        warnings.push(format!(
            "{replica} will refuse every write (NOREPLICAS): its min-replicas-to-write is {wanted}, and it will have {will}; \
             `CONFIG SET min-replicas-to-write {had}` there first, or bring replicas back"
        ));
    }
    let failing = case.model.nodes().filter(|node| node.cluster_info.as_ref().is_some_and(|info| !info.ok) && is_up(node)).count();
    if failing > 0 {
        warnings.push(format!("{} cluster_state:fail already", plural_say(failing as u64)));
    }
    if case.votes.suffice() && case.votes.alive == case.votes.needed && case.votes.voters > case.votes.alive {
        warnings.push(format!("the quorum is thin: every one of the {} masters that answer must vote", case.votes.alive));
    }
    warnings
}

/// The replicas without which the promoted one takes no write, and those that it will have: its living siblings, and the
/// master whose place it takes, while that lives. None where it asks for none, or its settings are not known.
fn followers(case: &Case<'_>) -> Option<(u64, u64)> {
    let wanted = case.replica.settings.as_ref()?.min_replicas.filter(|wanted| *wanted > 0)?;
    let others = case.shard.replicas.iter().filter(|id| **id != case.replica.id).filter_map(|id| case.model.node(*id));
    let had = others.chain(case.master).filter(|node| is_up(node)).count();
    Some((wanted, had as u64))
}

fn plural_say(nodes: u64) -> String {
    if nodes == 1 { "1 node says".into() } else { format!("{nodes} nodes say") }
}

/// How long the servers try before a graceful failover is off.
pub fn patience(replica: &Node) -> Duration {
    replica.settings.as_ref().and_then(|settings| settings.manual_failover_timeout).unwrap_or(PATIENCE)
}

/// Valkey 8 and later tell their replicas of open slots.
fn keeps_open_slots(server: Option<&Server>) -> bool {
    server.is_some_and(|server| server.is_valkey() && server.release() >= (8, 0))
}

fn open_slots(case: &Case<'_>) -> Vec<u16> {
    let master = case.replica.master;
    let open = &case.model.topology().open;
    let mut slots: Vec<u16> =
        open.iter().filter(|open| Some(open.node) == master || Some(open.peer) == master).map(|open| open.slot).collect();
    slots.dedup();
    slots
}

fn master_name(case: &Case<'_>) -> String {
    case.replica.master.map_or_else(|| "an unknown master".into(), |id| case.model.label(id))
}

#[cfg(test)]
mod tests;
