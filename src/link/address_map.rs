//! PURE. Where an announced address is really dialled: NAT, tunnels, containers.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cluster::Address;

/// Rules from announced addresses to dialled ones. The most exact rule wins: host and port, then host, then the
/// smallest network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap {
    places: Vec<(Address, MapTarget)>,
    hosts: Vec<(Arc<str>, MapTarget)>,
    networks: Vec<(MappedNetwork, MapTarget)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct MapTarget {
    host: Arc<str>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MappedNetwork {
    base: IpAddr,
    bits: u8,
}

impl AddressMap {
    /// Adds one rule: `10.1.0.0/16`, `host` or `host:port` to `host` or `host:port`.
    pub fn add(&mut self, from: &str, to: &str) -> Result<(), String> {
        let target = MapTarget::read(to)?;
        if from.contains('/') {
            self.networks.push((MappedNetwork::read(from)?, target));
            self.networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.bits));
        } else if let Ok(place) = from.parse::<Address>() {
            self.places.push((place, target));
        } else {
            self.hosts.push((read_host(from)?, target));
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.hosts.is_empty() && self.networks.is_empty()
    }

    /// The address to dial for an announced one.
    pub fn apply(&self, address: &Address) -> Address {
        let place = self.places.iter().find(|(from, _)| from == address).map(|(_, to)| to);
        let host = || self.hosts.iter().find(|(from, _)| *from == address.host).map(|(_, to)| to);
        let network = || {
            let ip: IpAddr = address.host.parse().ok()?;
            self.networks.iter().find(|(network, _)| network.contains(ip)).map(|(_, to)| to)
        };
        match place.or_else(host).or_else(network) {
            Some(to) => Address::new(to.host.clone(), to.port.unwrap_or(address.port)),
            None => address.clone(),
        }
    }
}

impl MapTarget {
    fn read(text: &str) -> Result<Self, String> {
        match text.parse::<Address>() {
            Ok(address) => Ok(Self { host: address.host, port: Some(address.port) }),
            Err(_) => Ok(Self { host: read_host(text)?, port: None }),
        }
    }
}

/// A bare host; IPv6 with or without brackets.
fn read_host(text: &str) -> Result<Arc<str>, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = !bare.is_empty() && bare.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if is_name || bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.into());
    }
    Err(format!("`{text}` is not a host: expected HOST, HOST:PORT or a network such as 10.1.0.0/16"))
}

impl MappedNetwork {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a network: expected ADDRESS/BITS, for example 10.1.0.0/16");
        let (base, bits) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_error| wrong())?;
        let bits: u8 = bits.parse().map_err(|_error| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        if bits > most { Err(wrong()) } else { Ok(Self { base, bits }) }
    }

    fn contains(self, ip: IpAddr) -> bool {
        fn same(a: u128, b: u128, width: u32, bits: u8) -> bool {
            let low = width.saturating_sub(u32::from(bits));
            a.checked_shr(low).unwrap_or(0) == b.checked_shr(low).unwrap_or(0)
        }
        match (self.base, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(a.to_bits()), u128::from(b.to_bits()), 32, self.bits),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rules: &[(&str, &str)]) -> AddressMap {
        let mut map = AddressMap::default();
        for (from, to) in rules {
            map.add(from, to).unwrap();
        }
        map
    }

    #[test]
    fn the_most_exact_rule_wins() {
        let map = map(&[
            ("10.0.0.0/8", "wide"),
            ("10.1.0.0/16", "127.0.0.1"),
            ("10.1.2.3", "bastion"),
            ("10.1.2.3:6379", "localhost:7000"),
            ("fd00::/8", "[::1]:9"),
            ("redis-1", "127.0.0.2"),
        ]);
        for (from, to) in [
            ("10.1.2.3:6379", "localhost:7000"),
            ("10.1.2.3:6380", "bastion:6380"),
            ("10.1.9.9:6379", "127.0.0.1:6379"),
            ("10.2.9.9:6379", "wide:6379"),
            ("[fd00::5]:1", "[::1]:9"),
            ("redis-1:7000", "127.0.0.2:7000"),
            ("192.168.0.1:1", "192.168.0.1:1"),
        ] {
            assert_eq!(map.apply(&from.parse().unwrap()).to_string(), to, "{from}");
        }
    }

    #[test]
    fn a_network_of_zero_bits_is_everything_of_its_family() {
        let map = map(&[("0.0.0.0/0", "127.0.0.1")]);
        assert_eq!(map.apply(&"203.0.113.9:7".parse().unwrap()).to_string(), "127.0.0.1:7");
        assert_eq!(map.apply(&"[::9]:7".parse().unwrap()).to_string(), "[::9]:7");
    }

    #[test]
    fn bad_rules_say_what_was_expected() {
        let mut map = AddressMap::default();
        for (from, to, says) in [
            ("10.0.0.0/33", "a", "network"),
            ("x/8", "a", "network"),
            ("a b", "a", "host"),
            ("a", "", "host"),
            ("a", "b:0", "host"),
        ] {
            assert!(map.add(from, to).unwrap_err().contains(says), "{from} -> {to}");
        }
        assert!(map.is_empty());
    }
}
