//! PURE. CLUSTER NODES: one line a node, the grammar of Redis 6.2 to 8 and Valkey 7.2 to 9.

use std::str::FromStr;

use super::ParseError;
use crate::cluster::view::{Flags, Member, Open, OpenDirection, View};
use crate::cluster::{Address, NodeId, NodeRole, SlotRange};

const WHAT: &str = "CLUSTER NODES";

/// Reads a CLUSTER NODES reply. The speaker's own line may have an empty host: then `spoken_to` is its address.
pub fn nodes(text: &str, spoken_to: &Address) -> Result<View, ParseError> {
    let members = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(|line| member(line, spoken_to))
        .collect::<Result<Vec<_>, _>>()?;
    match members.iter().position(|member| member.flags.myself) {
        Some(me) => Ok(View { members, me }),
        None => Err(ParseError::new(WHAT, "no line is flagged myself", text)),
    }
}

fn member(line: &str, spoken_to: &Address) -> Result<Member, ParseError> {
    let bad = |why| ParseError::new(WHAT, why, line);
    let mut words = line.split(' ');
    let mut word = |why| words.next().filter(|word| !word.is_empty()).ok_or_else(|| bad(why));
    let id = NodeId::from_str(word("no id")?).map_err(|()| bad("the id is not 40 hex digits"))?;
    let place = word("no address")?;
    let (flags, role) = flags(word("no flags")?).ok_or_else(|| bad("no role among the flags"))?;
    let master = NodeId::from_str(word("no master")?).ok();
    let mut number = |why| word(why).and_then(|text| text.parse::<u64>().map_err(|_error| bad(why)));
    let ping_sent_ms = number("no ping time")?;
    let pong_received_ms = number("no pong time")?;
    let epoch = number("no epoch")?;
    let link_up = word("no link state")? == "connected";
    let (address, bus_port, hostname) =
        place_of(place, flags.myself, spoken_to).ok_or_else(|| bad("the address is not ip:port@cport"))?;

    let (mut slots, mut open) = (Vec::new(), Vec::new());
    for token in words.filter(|token| !token.is_empty()) {
        match token.strip_prefix('[') {
            Some(token) => open.push(open_slot(token).ok_or_else(|| bad("an open slot is not [s->-id] or [s-<-id]"))?),
            None => slots.push(SlotRange::from_str(token).map_err(|_error| bad("a slot is not N or N-M"))?),
        }
    }
    Ok(Member { id, address, hostname, bus_port, flags, role, master, ping_sent_ms, pong_received_ms, epoch, link_up, slots, open })
}

fn flags(text: &str) -> Option<(Flags, NodeRole)> {
    let (mut flags, mut role) = (Flags::default(), None);
    for flag in text.split(',') {
        match flag {
            "myself" => flags.myself = true,
            "master" | "primary" => role = Some(NodeRole::Master),
            "slave" | "replica" => role = Some(NodeRole::Replica),
            "fail?" => flags.suspected = true,
            "fail" => flags.failed = true,
            "handshake" => flags.handshake = true,
            "noaddr" => flags.noaddr = true,
            "nofailover" => flags.nofailover = true,
            _ => {}
        }
    }
    // A node still in handshake has not told its role; it owns nothing.
    role.or((flags.handshake || text == "noflags").then_some(NodeRole::Master)).map(|role| (flags, role))
}

/// `ip:port@cport[,hostname[,aux=value]*]`, where the ip may be IPv6 or empty and 6.2 has no hostname.
fn place_of(text: &str, myself: bool, spoken_to: &Address) -> Option<(Address, u16, Option<std::sync::Arc<str>>)> {
    let mut parts = text.split(',');
    let endpoint = parts.next()?;
    let hostname = parts.next().filter(|name| !name.is_empty() && !name.contains('=')).map(Into::into);
    let (endpoint, bus) = endpoint.rsplit_once('@').unwrap_or((endpoint, "0"));
    let (host, port) = endpoint.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = match host {
        "" if myself => Address::new(spoken_to.host.clone(), if port == 0 { spoken_to.port } else { port }),
        host => Address::new(host, port),
    };
    Some((address, bus.parse().ok()?, hostname))
}

fn open_slot(token: &str) -> Option<Open> {
    let token = token.strip_suffix(']')?;
    let (slot, peer, direction) = match token.split_once("->-") {
        Some((slot, peer)) => (slot, peer, OpenDirection::Migrating),
        None => token.split_once("-<-").map(|(slot, peer)| (slot, peer, OpenDirection::Importing))?,
    };
    let slot = slot.parse().ok().filter(|&slot| slot < crate::cluster::SLOTS)?;
    Some(Open { slot, direction, peer: NodeId::from_str(peer).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
    const B: &str = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";

    fn parse(text: &str) -> Result<View, ParseError> {
        nodes(text, &Address::new("seed", 7000))
    }

    #[test]
    fn every_dialect_of_an_address_is_read() {
        let cases = [
            ("10.0.0.1:7000@17000", "10.0.0.1:7000", None),
            ("10.0.0.1:7000@17000,", "10.0.0.1:7000", None),
            ("10.0.0.1:7000@17000,a.example", "10.0.0.1:7000", Some("a.example")),
            ("10.0.0.1:7000@17000,,shard-id=69bc080733d1355567173199cff4a6a039a2f024", "10.0.0.1:7000", None),
            ("10.0.0.1:7000@17000,a.example,tls-port=0,shard-id=69bc", "10.0.0.1:7000", Some("a.example")),
            (":7000@17000", "seed:7000", None),
            ("fe80::1:7000@17000", "[fe80::1]:7000", None),
        ];
        for (place, address, hostname) in cases {
            let view = parse(&format!("{A} {place} myself,master - 0 0 1 connected 0-5460 7000\n")).unwrap();
            let me = view.myself().unwrap();
            assert_eq!(me.address.to_string(), address, "{place}");
            assert_eq!(me.hostname.as_deref(), hostname, "{place}");
            assert_eq!((me.bus_port, me.slot_count()), (17000, 5462));
        }
    }

    #[test]
    fn open_slots_flags_and_unknown_masters_are_read() {
        let view = parse(&format!(
            "{A} 10.0.0.1:7000@17000 myself,master - 0 1426238317239 4 connected 0-9 [93->-{B}] [77-<-{B}]\n\
             {B} :0@0 slave,fail,noaddr - 1426238316232 0 2 disconnected\n"
        ))
        .unwrap();
        let me = view.myself().unwrap();
        assert_eq!(me.open[0], Open { slot: 93, direction: OpenDirection::Migrating, peer: B.parse().unwrap() });
        assert_eq!(me.open[1].direction, OpenDirection::Importing);
        let other = view.member(B.parse().unwrap()).unwrap();
        assert!(other.flags.failed && other.flags.noaddr && !other.link_up && other.master.is_none());
    }

    #[test]
    fn garbage_is_named() {
        for (text, why) in [
            ("", "myself"),
            ("HTTP/1.1 400 Bad Request", "40 hex"),
            (&format!("{A} 10.0.0.1:7000@17000 master - 0 0 1 connected 0-5\n"), "myself"),
            (&format!("{A} 10.0.0.1:x@17000 myself,master - 0 0 1 connected\n"), "address"),
            (&format!("{A} 10.0.0.1:1@17000 myself,master - 0 0 1 connected 99999\n"), "slot"),
            (&format!("{A} 10.0.0.1:1@17000 myself,master - zero 0 1 connected\n"), "ping"),
        ] {
            assert!(parse(text).unwrap_err().why.contains(why), "{text}");
        }
    }
}
