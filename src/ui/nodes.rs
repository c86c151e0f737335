//! PURE. Every node with its metrics: a number, its unit and a curve each; what is down says which way.

use std::borrow::Cow;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::table::{Cell, TableColumn, TablePlace, curve, fit, left, right, row, titles};
use super::{Ui, format, pane, signs, spark};
use crate::app::layout;
use crate::app::{Item, Pane};
use crate::cluster::{Metric, Node};
use crate::quantity;
use crate::theme::Role;

/// In the order of `app::columns::NODES`, with what is less important leaving first.
const COLUMNS: [TableColumn; 18] = [
    left("node", 16, 0),
    left("role", 7, 7),
    left("shard", 5, 6),
    left("health", 9, 8),
    curve("ops/s", 5, 4, 20, 1),
    curve("latency", 5, 4, 20, 2),
    curve("memory", 4, 4, 12, 3),
    curve("cpu", 4, 4, 12, 4),
    right("lag", 5, 5),
    right("slots", 5, 9),
    right("clients", 7, 10),
    right("net in", 7, 11),
    right("net out", 7, 12),
    right("hit rate", 8, 13),
    right("evicted", 7, 14),
    right("epoch", 5, 15),
    left("version", 8, 16),
    left("id", 8, 17),
];

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.nodes;
    let focused = ui.has_focus(Pane::Nodes);
    let rows = &ui.app.rows.nodes;
    let down = ui.app.model.nodes().filter(|node| node.health.is_down()).count();
    let more = if down > 0 { format!("{down} down") } else { String::new() };
    let beside = pane::counts(ui, state, rows.len(), ui.app.model.nodes().count(), &more);
    pane::named(ui, Pane::Nodes, beside, area, buf);
    let (head, list) = layout::list(Pane::Nodes, area);
    if rows.is_empty() {
        return pane::empty(ui, "no node to show", list, buf);
    }
    let mut columns: Vec<TableColumn> = if state.wide { COLUMNS.map(plain).to_vec() } else { COLUMNS.to_vec() };
    let inside = |area: Rect| Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let visible: Vec<(&Node, Rect)> =
        pane::rows(rows, state.first, list).filter_map(|(id, row)| Some((ui.app.model.node(*id)?, row))).collect();
    if let Some(name) = columns.first_mut() {
        let longest = visible.iter().map(|(node, _)| node.address.to_string().len() + 2).max().unwrap_or(0);
        name.width = u16::try_from(longest).unwrap_or(u16::MAX).clamp(11, 32);
        name.wish = name.width;
        name.most = name.width;
    }
    let places = fit(&columns, inside(list).width);
    titles(ui, &columns, &places, state.sort, inside(head), buf);

    let scales = Scales::of(&visible, &columns, &places);
    for (node, line) in &visible {
        let item = Item::Node(node.id);
        let text = pane::gutter(ui, state, &item, focused, *line, buf);
        one(ui, node, &columns, &places, &scales, text, buf);
        pane::highlight(ui, state, &item, focused, *line, buf);
    }
}

/// A wide list trades curves for columns.
fn plain(column: TableColumn) -> TableColumn {
    match column.number {
        Some(_) => right(column.title, column.title.len().max(5) as u16, column.rank),
        None => column,
    }
}

/// One scale a metric for all rows, so that they compare.
struct Scales(Vec<(Metric, f64)>);

impl Scales {
    fn of(nodes: &[(&Node, Rect)], columns: &[TableColumn], places: &[TablePlace]) -> Self {
        let curves = places.iter().filter_map(|place| {
            let column = columns.get(place.index)?;
            let width = place.width.saturating_sub(column.number? + 1);
            let metric = metric(column.title)?;
            Some((metric, spark::scale(nodes.iter().map(|(node, _)| *node), metric, width)))
        });
        Self(curves.collect())
    }

    fn top(&self, metric: Metric) -> f64 {
        self.0.iter().find(|(known, _)| *known == metric).map_or_else(|| spark::floor(metric), |(_, top)| *top)
    }
}

fn metric(title: &str) -> Option<Metric> {
    crate::cluster::METRICS.iter().find(|spec| spec.title == title).map(|spec| spec.metric)
}

fn one(ui: &Ui<'_>, node: &Node, columns: &[TableColumn], places: &[TablePlace], scales: &Scales, area: Rect, buf: &mut Buffer) {
    let sign = signs::node(ui, node);
    let silent = !node.health.is_well();
    let health_shown = places.iter().any(|place| columns.get(place.index).is_some_and(|column| column.title == "health"));
    row(columns, places, area, buf, ui.glyphs.ellipsis, |title, width| match title {
        "node" => {
            let role = if node.health.is_down() {
                Role::Stale
            } else if node.is_master() {
                Role::Master
            } else {
                Role::Replica
            };
            Cell::new(format!("  {}", node.address), ui.style(role))
        }
        // Where a node does not answer there is nothing to show but how: the words take the place of the numbers.
        "ops/s" | "latency" | "memory" | "cpu" if silent && !health_shown => Cell::new("", Style::new()),
        _ => cell(ui, node, title, width, columns, scales),
    });
    let mut pen = super::pen::Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.put(sign.glyph, ui.style(sign.role));
    if silent && !health_shown {
        let first = places.first().map_or(0, |place| place.width);
        let says = match signs::stale(ui, node) {
            Some(age) => format!("{}  {} last answer {age} ago", sign.text, ui.glyphs.dot),
            None => sign.text.clone(),
        };
        pen.gap(first.saturating_sub(1) + 2).put(says, ui.style(sign.role));
    }
}

/// The text of one column.
fn cell<'a>(ui: &Ui<'_>, node: &Node, title: &'static str, width: u16, columns: &[TableColumn], scales: &Scales) -> Cell<'a> {
    let stale = signs::stale(ui, node).is_some() || !node.health.is_alive();
    let text = if stale { ui.style(Role::Stale) } else { ui.style(Role::Text) };
    let muted = if stale { text } else { ui.style(Role::Muted) };
    if let Some(metric) = metric(title) {
        let mut cell = Cell::new(value(ui, node, metric), strain(ui, node, metric).map_or(text, |role| ui.style(role)));
        let number = columns.iter().find(|column| column.title == title).and_then(|column| column.number);
        if let Some(number) = number {
            let width = width.saturating_sub(number + 1);
            let samples = node.series.of(metric).tail(usize::from(width));
            let style = if stale { ui.style(Role::Stale) } else { ui.style(Role::Spark) };
            cell.curve = Some((spark::curve(ui.glyphs, samples, width, scales.top(metric)), style));
        }
        return cell;
    }
    let sign = signs::node(ui, node);
    match title {
        "role" => Cell::new(node.role.word(), muted),
        "shard" => match node.shard {
            Some(name) => Cell::new(name.to_string(), ui.shard(name)),
            None => Cell::new(ui.glyphs.dash, muted),
        },
        "health" if sign.text.is_empty() => Cell::new("up", ui.style(Role::Ok)),
        "health" => Cell::new(sign.text, ui.style(sign.role)),
        "slots" if node.slot_count == 0 => Cell::new(ui.glyphs.dash, muted),
        "slots" => Cell::new(node.slot_count.to_string(), text),
        "epoch" => Cell::new(node.epoch.to_string(), text),
        "version" => {
            let server = node.info.as_ref().and_then(|info| info.server.as_ref());
            Cell::new(server.map(|server| server.version.to_string()).unwrap_or_default(), muted)
        }
        "id" => Cell::new(node.id.short(), muted),
        _ => Cell::new(Cow::Borrowed(""), text),
    }
}

/// The newest value of a metric with its unit; a dash where it is not known.
pub(super) fn value(ui: &Ui<'_>, node: &Node, metric: Metric) -> String {
    let rates = &node.rates;
    let per_second = |rate: Option<f64>| rate.map(format::bytes);
    let text = match metric {
        Metric::Ops => rates.ops_per_sec.map(quantity::short),
        Metric::Latency => node.latency.map(format::latency),
        Metric::Memory => node.memory_percent().map(|(percent, _)| format::percent(percent)),
        Metric::Cpu => rates.cpu_percent.map(format::percent),
        Metric::NetIn => per_second(rates.net_in_bytes_per_sec),
        Metric::NetOut => per_second(rates.net_out_bytes_per_sec),
        Metric::Clients => node.info.as_ref().and_then(|info| info.connected_clients).map(format::number),
        Metric::HitRate => rates.hit_percent.map(format::percent),
        Metric::Evictions => rates.evicted_per_sec.map(quantity::short),
        Metric::Lag => node.lag_bytes.map(|bytes| format::bytes(bytes as f64)),
    };
    text.unwrap_or_else(|| ui.glyphs.dash.to_string())
}

/// A value of a metric as it is written beside its curve.
pub(super) fn show(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Ops | Metric::Clients | Metric::Evictions => quantity::short(value),
        Metric::Latency => format::latency_exact(Duration::from_secs_f64(value.clamp(0.0, 1e9) / 1000.0)),
        Metric::Memory | Metric::Cpu | Metric::HitRate => format::percent(value),
        Metric::NetIn | Metric::NetOut | Metric::Lag => format::bytes(value),
    }
}

/// The role of a value that is beyond its threshold.
pub(super) fn strain(ui: &Ui<'_>, node: &Node, metric: Metric) -> Option<Role> {
    let limits = &ui.app.settings.thresholds;
    let beyond = match metric {
        Metric::Latency => node.latency.unwrap_or(Duration::ZERO) > limits.latency,
        Metric::Memory => node.memory_percent().is_some_and(|(percent, _)| percent > limits.memory_percent),
        Metric::Cpu => node.rates.cpu_percent.is_some_and(|percent| percent > limits.cpu_percent),
        Metric::Evictions => node.rates.evicted_per_sec.is_some_and(|rate| rate >= 1.0),
        _ => false,
    };
    beyond.then_some(Role::Warning)
}
