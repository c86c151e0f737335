//! PURE. Which server reads what another writes: keys are moved, and data is copied, in the source's format.

use crate::cluster::{Node, Server};

/// The number of the RDB format that a server writes, in DUMP and to its replicas; None where it is not known.
fn writes(server: &Server) -> Option<u16> {
    let release = server.release();
    match (server.is_valkey(), release) {
        (_, (0, _)) => None,
        (true, release) if release >= (9, 0) => (release.0 == 9).then_some(80),
        (true, _) => Some(11),
        (false, (0..=4, _)) => Some(8),
        (false, (5 | 6, _)) => Some(9),
        (false, (7, 0)) => Some(10),
        (false, (7, 1..=3)) => Some(11),
        (false, (7, _) | (8, 0)) => Some(12),
        // Later ones have moved on, and each release may.
        (false, _) => None,
    }
}

/// Whether `to` reads what `from` writes; None where that is not known.
pub(crate) fn reads(to: &Server, from: &Server) -> Option<bool> {
    if to == from {
        return Some(true);
    }
    let (writes_own, writes_other) = (writes(to), writes(from));
    if to.is_valkey() == from.is_valkey() && to.release() >= from.release() {
        return Some(true);
    }
    let (own, other) = (writes_own?, writes_other?);
    // Valkey refuses the formats that Redis made after they parted ways.
    let foreign = to.is_valkey() && (12..80).contains(&other);
    Some(other <= own && !foreign)
}

/// Whether `replica` can follow `master`; None where that is not known.
pub(crate) fn follows(replica: &Server, master: &Server) -> Option<bool> {
    // Told its replica's version, Valkey 9 copies its data in the older format; DUMP knows no reader.
    if replica.is_valkey() && master.is_valkey() && replica.release() >= (8, 0) && master.release().0 <= 9 {
        return Some(true);
    }
    reads(replica, master)
}

/// "Redis 7.0.15", as a sentence names it.
pub(crate) fn named(server: &Server) -> String {
    let name = if server.is_valkey() { "Valkey" } else { "Redis" };
    format!("{name} {}", server.version)
}

pub(crate) fn server(node: &Node) -> Option<&Server> {
    node.info.as_ref()?.server.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_and_foreign_formats_are_told_apart() {
        let server = |text: &str| {
            let (name, version) = text.split_once(' ').unwrap();
            Server { name: name.into(), version: version.into() }
        };
        for (to, from, expected) in [
            ("redis 7.0.15", "redis 8.0.2", Some(false)),
            ("redis 8.0.2", "redis 7.0.15", Some(true)),
            ("redis 7.0.15", "redis 7.0.11", Some(true)),
            ("valkey 8.1.1", "redis 7.2.4", Some(true)),
            ("valkey 8.1.1", "redis 7.4.0", Some(false)),
            ("valkey 9.1.2", "redis 8.0.2", Some(false)),
            ("valkey 8.1.1", "valkey 9.1.2", Some(false)),
            ("redis 8.0.2", "valkey 8.1.1", Some(true)),
            ("redis 8.0.2", "redis 8.8.0", None),
            ("redis 9.0.0", "redis 8.8.0", Some(true)),
        ] {
            assert_eq!(reads(&server(to), &server(from)), expected, "{to} reads {from}");
        }
        assert_eq!(follows(&server("valkey 8.1.1"), &server("valkey 9.1.2")), Some(true));
        assert_eq!(follows(&server("redis 7.0.15"), &server("redis 8.0.2")), Some(false));
    }
}
