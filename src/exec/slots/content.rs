//! PURE. What is in a key, whatever its type, in a form that two servers' copies of it can be compared by.

use crate::link::{Command, Reply};

/// A transfer hands the time that is left over, and takes some itself: copies that expire this close to each other expire alike.
const ALIKE_MS: u64 = 5000;
/// What a stream tells of how it is kept and when it was last read: no content.
const NOT_CONTENT: [&str; 4] = ["radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time"];

/// What is in one copy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SlotContent {
    Known(Items),
    /// Why it cannot be told.
    Unknown(String),
}

/// The parts of one copy, in an order that does not depend on the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Items {
    parts: Vec<Vec<Vec<u8>>>,
    /// Of each part, where parts may expire: milliseconds, negative for never.
    expiry: Vec<i64>,
}

impl Items {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.parts == other.parts
            && self.expiry.len() == other.expiry.len()
            && self.expiry.iter().zip(&other.expiry).all(|(ours, theirs)| expire_alike(*ours, *theirs))
    }
}

/// Both never, or at about the same time.
pub(super) fn expire_alike(ours: i64, theirs: i64) -> bool {
    if ours < 0 || theirs < 0 { ours < 0 && theirs < 0 } else { ours.abs_diff(theirs) <= ALIKE_MS }
}

/// The command that shows all of a key of this type; None where there is none.
pub(super) fn question(kind: &str, key: &[u8]) -> Option<Command> {
    let (before, after) = match kind {
        "string" => ("GET", ""),
        "hash" => ("HGETALL", ""),
        "set" => ("SMEMBERS", ""),
        "zset" => ("ZRANGE", "0 -1 WITHSCORES"),
        "list" => ("LRANGE", "0 -1"),
        "stream" => ("XINFO STREAM", "FULL COUNT 0"),
        _ => return None,
    };
    Some(after.split_whitespace().fold(Command::words(before).arg(key), Command::arg))
}

/// The names that could expire by themselves.
pub(super) fn fields(kind: &str, reply: &Reply) -> Vec<Vec<u8>> {
    if kind != "hash" {
        return Vec::new();
    }
    let name = |item: &Reply| if let Reply::Bytes(bytes) = item { Some(bytes.clone()) } else { None };
    reply.array().unwrap_or_default().iter().step_by(2).filter_map(name).collect()
}

/// Asks when each field expires.
pub(super) fn expiry_question(kind: &str, key: &[u8], fields: &[Vec<u8>]) -> Option<Command> {
    if kind != "hash" || fields.is_empty() {
        return None;
    }
    let command = Command::words("HPTTL").arg(key).arg("FIELDS").arg(fields.len().to_string());
    Some(fields.iter().fold(command, Command::arg))
}

/// Puts what a server showed in an order of its own.
pub(super) fn read(kind: &str, reply: Reply, expiring: Option<Reply>) -> SlotContent {
    if let Reply::Error(error) = &reply {
        return SlotContent::Unknown(error.to_string());
    }
    let shown = if kind == "string" { Some(&[][..]) } else { reply.array() };
    // Two copies that nobody could read are not the same copy.
    let Some(items) = shown.filter(|_| !matches!(reply, Reply::Nil)) else {
        return SlotContent::Unknown("the server did not show what is in it".into());
    };
    let parts = match kind {
        "string" | "stream" => vec![vec![flat(&reply)]],
        "list" => items.iter().map(|item| vec![flat(item)]).collect(),
        "set" => items.iter().map(|item| vec![flat(item)]).collect(),
        // Members and scores come flat, or as pairs.
        _ if items.iter().all(|item| item.array().is_some()) => {
            items.iter().map(|pair| pair.array().unwrap_or_default().iter().map(flat).collect()).collect()
        }
        _ => pairs(items),
    };
    let never = vec![-1; parts.len()];
    let expiry = match &expiring {
        None => never,
        Some(Reply::Error(error)) if error.detail.contains("unknown command") => never,
        Some(Reply::Error(error)) => return SlotContent::Unknown(error.to_string()),
        Some(reply) => match reply.array().unwrap_or_default().iter().map(Reply::int).collect::<Option<Vec<i64>>>() {
            Some(expiry) => expiry,
            None => return SlotContent::Unknown("the server did not show when its fields expire".into()),
        },
    };
    if expiry.len() != parts.len() {
        return SlotContent::Unknown("it changed while it was looked at".into());
    }
    let mut all: Vec<(Vec<Vec<u8>>, i64)> = parts.into_iter().zip(expiry).collect();
    if kind != "list" {
        all.sort();
    }
    let (parts, expiry) = all.into_iter().unzip();
    SlotContent::Known(Items { parts, expiry })
}

fn pairs(items: &[Reply]) -> Vec<Vec<Vec<u8>>> {
    items.chunks(2).map(|pair| pair.iter().map(flat).collect()).collect()
}

/// A reply as bytes that only the same reply has.
fn flat(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Bytes(bytes) => [format!("{}:", bytes.len()).as_bytes(), bytes].concat(),
        Reply::Array(items) => {
            let mut all = format!("*{}:", items.len()).into_bytes();
            let mut items = items.iter();
            while let Some(item) = items.next() {
                let after = items.as_slice().first();
                // A field of an entry may be called the same, and its value is text.
                if matches!(after, Some(Reply::Int(_))) && item.text().is_some_and(|name| NOT_CONTENT.contains(&name.as_str())) {
                    items.next();
                    continue;
                }
                all.extend(flat(item));
            }
            all
        }
        other => format!("{other:?};").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ServerError;

    #[test]
    fn what_was_not_shown_is_not_known() {
        for kind in ["string", "hash", "set", "zset", "list", "stream"] {
            assert!(matches!(read(kind, Reply::Nil, None), SlotContent::Unknown(_)), "{kind}");
        }
        assert!(matches!(read("set", Reply::Int(1), None), SlotContent::Unknown(_)));
        let pair = Reply::Array(vec![Reply::Bytes(b"f".to_vec()), Reply::Bytes(b"v".to_vec())]);
        assert!(matches!(read("hash", pair, Some(Reply::Array(vec![Reply::Nil]))), SlotContent::Unknown(_)));
    }

    fn words(words: &[&str]) -> Reply {
        Reply::Array(words.iter().map(|word| Reply::Bytes(word.as_bytes().to_vec())).collect())
    }

    fn same(kind: &str, ours: Reply, theirs: Reply) -> bool {
        let (SlotContent::Known(ours), SlotContent::Known(theirs)) = (read(kind, ours, None), read(kind, theirs, None)) else {
            panic!()
        };
        ours.is_same(&theirs)
    }

    #[test]
    fn order_counts_in_lists_alone() {
        assert!(same("hash", words(&["a", "1", "b", "2"]), words(&["b", "2", "a", "1"])));
        assert!(!same("hash", words(&["a", "1", "b", "2"]), words(&["a", "2", "b", "1"])));
        assert!(same("set", words(&["a", "b"]), words(&["b", "a"])));
        assert!(!same("list", words(&["a", "b"]), words(&["b", "a"])));
        assert!(same("string", Reply::Bytes(b"x".to_vec()), Reply::Bytes(b"x".to_vec())));
        assert!(!same("string", Reply::Bytes(b"x".to_vec()), Reply::Bytes(b"y".to_vec())));
        let scored = |member: &str, score| Reply::Array(vec![Reply::Bytes(member.into()), Reply::Double(score)]);
        let (ann, bob) = (scored("ann", 1.0), scored("bob", 2.0));
        assert!(same("zset", Reply::Array(vec![ann.clone(), bob.clone()]), Reply::Array(vec![bob, ann.clone()])));
        assert!(!same("zset", Reply::Array(vec![ann]), Reply::Array(vec![scored("ann", 3.0)])));
    }

    #[test]
    fn how_a_stream_is_kept_is_not_what_is_in_it() {
        let stream = |nodes, last: &str| {
            let text = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
            Reply::Array(vec![text("radix-tree-nodes"), Reply::Int(nodes), text("last-generated-id"), text(last)])
        };
        assert!(same("stream", stream(1, "1-1"), stream(2, "1-1")));
        assert!(!same("stream", stream(1, "1-1"), stream(1, "1-2")));
    }

    #[test]
    fn times_to_live_are_compared_with_what_a_transfer_may_take() {
        assert!(expire_alike(-1, -1) && expire_alike(10_000, 9000));
        assert!(!expire_alike(-1, 10_000) && !expire_alike(100_000, 10_000));
        let hash = |ttl| read("hash", words(&["a", "1"]), Some(Reply::Array(vec![Reply::Int(ttl)])));
        let (SlotContent::Known(ours), SlotContent::Known(theirs), SlotContent::Known(alike)) =
            (hash(-1), hash(50_000), hash(49_000))
        else {
            panic!()
        };
        assert!(!ours.is_same(&theirs) && alike.is_same(&theirs));
    }

    #[test]
    fn what_a_server_does_not_show_is_not_known() {
        let error = Reply::Error(ServerError { code: "NOPERM".into(), detail: "no".into() });
        assert_eq!(read("hash", error, None), SlotContent::Unknown("NOPERM no".into()));
        assert_eq!(question("json", b"k"), None);
        let command = expiry_question("hash", b"k", &fields("hash", &words(&["a", "1", "b", "2"])));
        assert_eq!(command.unwrap().to_string(), "HPTTL k FIELDS 2 a b");
    }
}
