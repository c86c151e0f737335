//! PURE. The rows of the lists: filtered, sorted, by id. Rebuilt when something they depend on changed, never while drawing.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::alerts::Subject;
use crate::app::screen::alert_rows;
use crate::app::screen::columns::by;
use crate::app::screen::filter::Matching;
use crate::app::{App, Filter, Item, ListKind, ListState, OperationId, Sort};
use crate::cluster::{METRICS, Metric, Node, NodeId, Room};

/// The rows that the lists show now.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Topology lines: a shard (drawn with its master), then its replicas and former masters, in shard order.
    pub topology: Vec<Item>,
    pub nodes: Vec<NodeId>,
    pub rooms: Vec<Arc<str>>,
    /// Alerts, and at home what follows from one folded beneath it.
    pub alerts: Vec<Item>,
    /// So many of the first of them want to be read now.
    pub loud: usize,
    pub operations: Vec<OperationId>,
    /// What `rooms` was built from.
    built: Option<RoomsKey>,
}

/// More rooms than this are listed anew once a second at most, whatever scans bring in.
const MANY_ROOMS: usize = 10_000;

#[derive(Clone, Debug, PartialEq)]
struct RoomsKey {
    revision: u64,
    picture: u64,
    filter: Filter,
    sort: Option<Sort>,
    only_faults: bool,
}

impl RoomsKey {
    /// The operator asks for the same rooms in the same order; only the rooms have changed.
    fn asks_the_same(&self, other: &Self) -> bool {
        self.filter == other.filter && self.sort == other.sort && self.only_faults == other.only_faults
    }
}

impl Rows {
    pub fn len(&self, list: ListKind) -> usize {
        match list {
            ListKind::Topology => self.topology.len(),
            ListKind::Nodes => self.nodes.len(),
            ListKind::Rooms => self.rooms.len(),
            ListKind::Alerts => self.alerts.len(),
            ListKind::Operations => self.operations.len(),
        }
    }

    pub fn item(&self, list: ListKind, at: usize) -> Option<Item> {
        match list {
            ListKind::Topology => self.topology.get(at).cloned(),
            ListKind::Nodes => self.nodes.get(at).copied().map(Item::Node),
            ListKind::Rooms => self.rooms.get(at).cloned().map(Item::Room),
            ListKind::Alerts => self.alerts.get(at).cloned(),
            ListKind::Operations => self.operations.get(at).copied().map(Item::Operation),
        }
    }

    pub fn position(&self, list: ListKind, item: &Item) -> Option<usize> {
        match (list, item) {
            (ListKind::Topology, item) => self.topology.iter().position(|row| row == item),
            (ListKind::Nodes, Item::Node(id)) => self.nodes.iter().position(|row| row == id),
            (ListKind::Rooms, Item::Room(code)) => self.rooms.iter().position(|row| row == code),
            (ListKind::Alerts, item) => self.alerts.iter().position(|row| row == item),
            (ListKind::Operations, Item::Operation(id)) => self.operations.iter().position(|row| row == id),
            _ => None,
        }
    }
}

/// Rebuilds one list's rows. Rooms, which can be very many, only when something they are made from changed.
pub(crate) fn rebuild(app: &mut App, list: ListKind) {
    match list {
        ListKind::Topology => app.rows.topology = topology(app),
        ListKind::Nodes => app.rows.nodes = nodes(app),
        ListKind::Alerts => (app.rows.alerts, app.rows.loud) = alert_rows::rows(app),
        ListKind::Operations => app.rows.operations = operations(app),
        ListKind::Rooms => {
            let state = &app.screen.rooms;
            let key = RoomsKey {
                revision: app.model.rooms().revision(),
                picture: app.picture,
                filter: state.filter.clone(),
                sort: state.sort,
                only_faults: state.only_faults,
            };
            let wait = app.model.rooms().len() > MANY_ROOMS && !app.rooms_due;
            let built = app.rows.built.as_ref();
            let changed = built.is_none_or(|old| if wait { !old.asks_the_same(&key) } else { *old != key });
            if changed {
                app.rows.rooms = rooms(app);
                app.rows.built = Some(key);
            }
        }
    }
}

/// Something about this node wants attention.
pub(crate) fn is_faulty(node: &Node) -> bool {
    !node.health.is_well() || node.flags.failed || node.flags.suspected || node.link_up() == Some(false)
}

fn topology(app: &App) -> Vec<Item> {
    let state = &app.screen.topology;
    let mut matching = Matching::new(&state.filter);
    let mut rows = Vec::new();
    let mut placed: BTreeSet<NodeId> = BTreeSet::new();
    for shard in &app.model.topology().shards {
        let nodes: Vec<&Node> = shard.nodes().filter_map(|id| app.model.node(id)).collect();
        placed.extend(nodes.iter().map(|node| node.id));
        let alone = shard.slot_count > 0 && !nodes.iter().any(|node| node.is_replica() && node.health.is_alive());
        if state.only_faults && !alone && !nodes.iter().any(|node| is_faulty(node)) {
            continue;
        }
        let shard_name = shard.name.to_string();
        let whole = matching.is_match(&["shard", &shard_name]);
        let kept: Vec<NodeId> =
            nodes.iter().filter(|node| whole || node_matches(&mut matching, node)).map(|node| node.id).collect();
        if whole || !kept.is_empty() {
            rows.push(Item::Shard(shard.name));
            rows.extend(kept.into_iter().filter(|id| Some(*id) != shard.master).map(Item::Node));
        }
    }
    let rest = app.model.nodes().filter(|node| !placed.contains(&node.id));
    let rest = rest.filter(|node| !state.only_faults || is_faulty(node)).filter(|node| node_matches(&mut matching, node));
    rows.extend(rest.map(|node| Item::Node(node.id)));
    rows
}

fn node_matches(matching: &mut Matching, node: &Node) -> bool {
    if matching.is_empty() {
        return true;
    }
    let (address, shard, id) = (node.address.to_string(), node.shard.map(|name| name.to_string()), node.id.to_string());
    let hostname = node.hostname.as_deref().unwrap_or_default();
    matching.is_match(&[&address, node.role.word(), &shard.unwrap_or_default(), node.health.word(), hostname, &id])
}

fn nodes(app: &App) -> Vec<NodeId> {
    let state = &app.screen.nodes;
    let mut matching = Matching::new(&state.filter);
    let kept = app.model.nodes().filter(|node| !state.only_faults || is_faulty(node));
    let mut kept: Vec<&Node> = kept.filter(|node| node_matches(&mut matching, node)).collect();
    kept.sort_by_cached_key(|node| place(node));
    match state.sort {
        Some(sort) => match METRICS.iter().find(|spec| spec.title == sort.column) {
            Some(spec) => by(&mut kept, sort, |node| metric(node, spec.metric).map(Number)),
            None if sort.column == "slots" => by(&mut kept, sort, |node| Some(node.slot_count)),
            None if sort.column == "epoch" => by(&mut kept, sort, |node| Some(node.epoch)),
            None if sort.column == "shard" => by(&mut kept, sort, |node| node.shard),
            None if sort.column == "role" => by(&mut kept, sort, |node| Some(node.role)),
            None if sort.column == "health" => by(&mut kept, sort, |node| Some(node.health)),
            None if sort.column == "id" => by(&mut kept, sort, |node| Some(node.id)),
            None if sort.column == "version" => {
                by(&mut kept, sort, |node| Some(node.info.as_ref()?.server.as_ref()?.version.clone()))
            }
            None => by(&mut kept, sort, |node| Some(place(node))),
        },
        None => matching.rank(&mut kept, |node| node.address.to_string()),
    }
    kept.into_iter().map(|node| node.id).collect()
}

/// By address as people count: 10.0.0.9 before 10.0.0.10.
fn place(node: &Node) -> (Option<IpAddr>, Arc<str>, u16) {
    (node.address.host.parse().ok(), node.address.host.clone(), node.address.port)
}

fn metric(node: &Node, metric: Metric) -> Option<f64> {
    match metric {
        Metric::Latency => node.latency.map(|rtt| rtt.as_secs_f64()),
        Metric::Lag => node.lag_bytes.map(|bytes| bytes as f64),
        Metric::Memory => node.memory_percent().map(|(percent, _)| percent),
        other => node.series.of(other).last(),
    }
}

fn rooms(app: &App) -> Vec<Arc<str>> {
    let state = &app.screen.rooms;
    let mut matching = Matching::new(&state.filter);
    let topology = app.model.topology();
    let shard = |room: &Room| app.shard_name_of_slot(room.slot);
    let mut kept: Vec<&Room> = app
        .model
        .rooms()
        .iter()
        .filter(|room| !state.only_faults || !topology.served.contains(room.slot))
        .filter(|room| {
            matching.is_empty() || {
                let name = shard(room).map(|name| name.to_string()).unwrap_or_default();
                matching.is_match(&[&room.code, &room.phase, &name, &room.slot.to_string()])
            }
        })
        .collect();
    match state.sort {
        Some(sort) => match sort.column {
            "phase" => by(&mut kept, sort, |room| Some(room.phase.clone())),
            "players" => by(&mut kept, sort, |room| Some(room.players)),
            "slot" => by(&mut kept, sort, |room| Some(room.slot)),
            "shard" => by(&mut kept, sort, shard),
            "size" => by(&mut kept, sort, |room| Some(room.size_bytes)),
            "ttl" => by(&mut kept, sort, |room| room.ttl),
            "keys" => by(&mut kept, sort, |room| Some(room.keys)),
            "node" => by(&mut kept, sort, |room| topology.owner(room.slot)),
            _ => by(&mut kept, sort, |room| Some(room.code.clone())),
        },
        None => {
            matching.rank(&mut kept, |room| room.code.to_string());
            // In an incident those that are hit come first.
            kept.sort_by_key(|room| topology.served.contains(room.slot));
        }
    }
    kept.into_iter().map(|room| room.code.clone()).collect()
}

fn operations(app: &App) -> Vec<OperationId> {
    let state = &app.screen.operations;
    let mut matching = Matching::new(&state.filter);
    let outcome = |operation: &crate::app::Operation| operation.report.as_ref().map_or("running", |report| report.outcome.word());
    let kept = app.operations.iter().filter(|operation| !state.only_faults || outcome(operation) != "done");
    let mut kept: Vec<_> =
        kept.filter(|operation| matching.is_match(&[&operation.plan.intent.to_string(), outcome(operation)])).collect();
    if let Some(sort) = state.sort {
        match sort.column {
            "operation" => by(&mut kept, sort, |operation| Some(operation.plan.intent.to_string())),
            "outcome" => by(&mut kept, sort, |operation| Some(outcome(operation))),
            "took" => by(&mut kept, sort, |operation| operation.report.as_ref().map(|report| report.elapsed)),
            _ => by(&mut kept, sort, |operation| Some(operation.id)),
        }
    }
    kept.into_iter().map(|operation| operation.id).collect()
}

/// A float that sorts; no metric is ever NaN.
#[derive(Clone, Copy, PartialEq)]
struct Number(f64);

impl Eq for Number {}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whom an alert is about, as something that can be looked into.
pub(crate) fn subject(app: &App, alert: u64) -> Option<&Subject> {
    app.monitor.log.alerts().iter().find(|known| known.id == alert).map(|known| &known.finding.subject)
}

/// Keeps a list's selection on a row that is there, and on the screen. One that nobody has touched stays at the top while
/// the operator is elsewhere: what comes first is what is to be seen.
pub(crate) fn keep(rows: &Rows, kind: ListKind, state: &mut ListState, focused: bool, height: usize) {
    let count = rows.len(kind);
    if !focused && !state.touched {
        (state.at, state.first) = (0, 0);
        state.selected = rows.item(kind, 0);
        return;
    }
    let there = |at: usize, item: &Item| rows.item(kind, at).as_ref() == Some(item);
    let at = match &state.selected {
        Some(item) if there(state.at, item) => Some(state.at),
        Some(item) => rows.position(kind, item),
        None => None,
    };
    // A row that vanished leaves the selection where it was: on what moved up into its place.
    state.at = at.unwrap_or(state.at).min(count.saturating_sub(1));
    if at.is_none() {
        state.selected = rows.item(kind, state.at);
    }
    if height > 0 {
        let lowest_first = (state.at + 1).saturating_sub(height);
        state.first = state.first.clamp(lowest_first, state.at.max(lowest_first)).min(count.saturating_sub(height));
    }
}
