//! PURE. What is measured of an operation: one table of the names JSON has for it and the words people have.

use std::time::Duration;

use serde_json::{Value, json};

use crate::quantity;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    Accepted,
    Promoted,
    Agreed,
    Settled,
    Resynced,
    Slots,
    Keys,
    Bytes,
    Moved,
    SlotsPerSec,
    KeysPerSec,
    BatchP99,
    BatchMax,
    NodesAgreed,
    NodesSilent,
}

#[derive(Clone, Copy)]
enum Unit {
    Count,
    Bytes,
    Seconds,
    Millis,
    PerSecond,
}

impl Figure {
    const fn row(self) -> (&'static str, &'static str, Unit) {
        match self {
            Self::Accepted => ("accepted_ms", "accepted", Unit::Millis),
            Self::Promoted => ("promoted_ms", "promoted", Unit::Millis),
            Self::Agreed => ("agreed_ms", "agreed", Unit::Millis),
            Self::Settled => ("settled_ms", "settled", Unit::Millis),
            Self::Resynced => ("resynced_ms", "in sync again", Unit::Millis),
            Self::Slots => ("slots", "slots", Unit::Count),
            Self::Keys => ("keys", "keys", Unit::Count),
            Self::Bytes => ("bytes", "bytes", Unit::Bytes),
            Self::Moved => ("moved_seconds", "moved in", Unit::Seconds),
            Self::SlotsPerSec => ("slots_per_sec", "slots/s", Unit::PerSecond),
            Self::KeysPerSec => ("keys_per_sec", "keys/s", Unit::PerSecond),
            Self::BatchP99 => ("batch_p99_ms", "batch p99", Unit::Millis),
            Self::BatchMax => ("batch_max_ms", "longest batch", Unit::Millis),
            Self::NodesAgreed => ("nodes_agreed", "nodes agree", Unit::Count),
            Self::NodesSilent => ("nodes_silent", "nodes silent", Unit::Count),
        }
    }

    /// Its name in JSON, unit and all.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Its value in JSON: what is counted is whole.
    pub fn json(self, value: f64) -> Value {
        match self.row().2 {
            Unit::Count | Unit::Bytes => json!(value.max(0.0) as u64),
            _ => json!((value * 1000.0).round() / 1000.0),
        }
    }

    /// What stands before its value for people.
    pub fn label(self) -> &'static str {
        self.row().1
    }

    /// Its value for people.
    pub fn value(self, value: f64) -> String {
        let value = value.max(0.0);
        match self.row().2 {
            Unit::Count => format!("{value:.0}"),
            Unit::Bytes => quantity::bytes(value as u64),
            Unit::Seconds => quantity::span(Duration::try_from_secs_f64(value).unwrap_or_default()),
            Unit::Millis => quantity::span(Duration::try_from_secs_f64(value / 1000.0).unwrap_or_default()),
            Unit::PerSecond => quantity::short(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_a_name_and_reads_as_said() {
        let read = |figure: Figure, value| format!("{} {}", figure.label(), figure.value(value));
        assert_eq!(read(Figure::Promoted, 14.2), "promoted 14 ms");
        assert_eq!(read(Figure::Moved, 2.46), "moved in 2.5 s");
        assert_eq!(read(Figure::KeysPerSec, 100_632.2), "keys/s 101k");
        assert_eq!(read(Figure::BatchP99, 0.79), "batch p99 0.8 ms");
        assert_eq!(read(Figure::Bytes, 21_788_800.0), "bytes 21 MB");
        assert_eq!(Figure::NodesSilent.name(), "nodes_silent");
    }
}
