//! PURE. What the keys of a room say of it: phase and players, from whatever shape a game has given its state.

use std::sync::Arc;

use serde_json::Value;

use crate::escape;
use crate::link::{Command, Reply};

/// The type of a key, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Hash,
    Text,
    Set,
    Sorted,
    List,
    /// A type of a module, a stream, or nothing.
    Other,
}

impl ValueKind {
    /// From the reply to TYPE.
    pub(super) fn read(reply: &Reply) -> Self {
        match reply.text().as_deref() {
            Some("hash") => Self::Hash,
            Some("string") => Self::Text,
            Some("set") => Self::Set,
            Some("zset") => Self::Sorted,
            Some("list") => Self::List,
            _ => Self::Other,
        }
    }

    /// The question for the phase and players in a state of this type.
    pub(super) fn ask_state(self, key: &[u8]) -> Option<Command> {
        match self {
            Self::Hash => Some(Command::new([b"HMGET".as_slice(), key, b"phase", b"players"])),
            Self::Text => Some(Command::new([b"GET".as_slice(), key])),
            _ => None,
        }
    }

    /// The question for how many players a key of this type holds.
    pub(super) fn ask_count(self, key: &[u8]) -> Option<Command> {
        let word = match self {
            Self::Hash => "HLEN",
            Self::Set => "SCARD",
            Self::Sorted => "ZCARD",
            Self::List => "LLEN",
            Self::Text | Self::Other => return None,
        };
        Some(Command::new([word.as_bytes(), key]))
    }
}

/// What a state tells; players None when it does not tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DescribedRoom {
    pub(super) phase: Arc<str>,
    pub(super) players: Option<u32>,
}

/// Reads the reply to [`ValueKind::ask_state`].
pub(super) fn told(kind: ValueKind, reply: &Reply) -> DescribedRoom {
    match (kind, reply) {
        (ValueKind::Hash, Reply::Array(fields)) => DescribedRoom {
            phase: fields.first().and_then(Reply::bytes).map(escape::value).unwrap_or_default().into(),
            players: fields.get(1).and_then(Reply::text).and_then(|text| players_in_text(&text)),
        },
        (ValueKind::Text, Reply::Bytes(bytes)) => {
            let state: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
            DescribedRoom {
                phase: escape::value(state.get("phase").and_then(Value::as_str).unwrap_or_default().as_bytes()).into(),
                players: state.get("players").and_then(count),
            }
        }
        _ => DescribedRoom::default(),
    }
}

/// A number, or JSON.
fn players_in_text(text: &str) -> Option<u32> {
    text.trim().parse().ok().or_else(|| count(&serde_json::from_str(text).ok()?))
}

/// A number as it is; of a list or an object its length.
fn count(value: &Value) -> Option<u32> {
    let count = match value {
        Value::Number(number) => number.as_u64()?,
        Value::Array(items) => items.len() as u64,
        Value::Object(fields) => fields.len() as u64,
        Value::String(text) => return text.trim().parse().ok(),
        Value::Null | Value::Bool(_) => return None,
    };
    u32::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().to_vec())
    }

    fn hash(phase: Reply, players: Reply) -> (String, Option<u32>) {
        let told = told(ValueKind::Hash, &Reply::Array(vec![phase, players]));
        (told.phase.to_string(), told.players)
    }

    #[test]
    fn hashes_of_every_habit_are_read() {
        assert_eq!(hash(bytes("playing"), bytes("4")), ("playing".to_owned(), Some(4)));
        assert_eq!(hash(bytes("lobby"), bytes(r#"["ann","bo"]"#)), ("lobby".to_owned(), Some(2)));
        assert_eq!(hash(bytes("lobby"), bytes(r#"{"ann":{},"bo":{},"cy":{}}"#)), ("lobby".to_owned(), Some(3)));
        assert_eq!(hash(Reply::Nil, Reply::Nil), (String::new(), None));
        assert_eq!(hash(bytes("x"), bytes("ann,bo")), ("x".to_owned(), None));
        assert_eq!(hash(bytes("x"), bytes("-1")), ("x".to_owned(), None));
    }

    #[test]
    fn json_texts_are_read_and_other_texts_passed_over() {
        let text = |text: &str| told(ValueKind::Text, &bytes(text));
        assert_eq!(
            text(r#"{"phase":"team_pick","players":["a","b","c"]}"#),
            DescribedRoom { phase: "team_pick".into(), players: Some(3) }
        );
        assert_eq!(text(r#"{"phase":7,"players":"2"}"#), DescribedRoom { phase: "".into(), players: Some(2) });
        assert_eq!(text("not json"), DescribedRoom::default());
        assert_eq!(told(ValueKind::Other, &bytes("{}")), DescribedRoom::default());
        assert_eq!(told(ValueKind::Hash, &Reply::Nil), DescribedRoom::default());
    }

    #[test]
    fn every_kind_has_its_question_or_none() {
        assert_eq!(ValueKind::read(&bytes("zset")).ask_count(b"k").unwrap().to_string(), "ZCARD k");
        assert_eq!(ValueKind::read(&bytes("ReJSON-RL")), ValueKind::Other);
        assert_eq!(ValueKind::Text.ask_state(b"k").unwrap().to_string(), "GET k");
        assert!(ValueKind::Other.ask_state(b"k").is_none() && ValueKind::Text.ask_count(b"k").is_none());
    }
}
