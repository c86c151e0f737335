//! PURE. The columns of the lists: what they are called, and what rows are sorted by. `ui` shows them, `update` sorts by them.

use crate::app::Sort;

/// A column of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its title, and its name for sorting.
    pub title: &'static str,
    /// Shown only when the list is wide (`ctrl-w`) or its view has room.
    pub wide: bool,
    /// Numbers are sorted largest first at the first press.
    pub number: bool,
}

const fn text(title: &'static str) -> Column {
    Column { title, wide: false, number: false }
}

const fn number(title: &'static str) -> Column {
    Column { title, wide: false, number: true }
}

const fn wide(column: Column) -> Column {
    Column { wide: true, ..column }
}

/// Titles of metrics are those of `cluster::METRICS`.
pub const NODES: &[Column] = &[
    text("node"),
    text("role"),
    text("shard"),
    text("health"),
    number("ops/s"),
    number("latency"),
    number("memory"),
    number("cpu"),
    number("lag"),
    number("slots"),
    wide(number("clients")),
    wide(number("net in")),
    wide(number("net out")),
    wide(number("hit rate")),
    wide(number("evicted")),
    wide(number("epoch")),
    wide(text("version")),
    wide(text("id")),
];

pub const ROOMS: &[Column] = &[
    text("room"),
    text("phase"),
    number("players"),
    number("slot"),
    text("shard"),
    number("size"),
    number("ttl"),
    wide(number("keys")),
    wide(text("node")),
];

pub const ALERTS: &[Column] =
    &[text("time"), text("severity"), text("rule"), text("subject"), text("message"), text("phase"), number("for")];

pub const OPERATIONS: &[Column] = &[number("id"), text("operation"), text("outcome"), text("started"), number("took")];

/// Sorts stably by a value; rows without one come last in either direction.
pub(crate) fn by<T, K: Ord>(rows: &mut Vec<&T>, sort: Sort, value: impl Fn(&T) -> Option<K>) {
    let mut keyed: Vec<(Option<K>, &T)> = rows.iter().map(|row| (value(row), *row)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) if sort.descending => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    *rows = keyed.into_iter().map(|(_, row)| row).collect();
}
