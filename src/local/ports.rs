//! IO. Free ports on loopback, claimed so that clusters started at the same moment do not take each other's.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use super::LocalError;

/// The cluster bus listens this far above the data port.
pub(super) const BUS: u16 = 10_000;
/// Below the ports that systems hand out to outgoing connections, bus ports included.
const FIRST: u16 = 11_000;
const LAST: u16 = 22_000;

/// A data port of ours. The claim is a UDP socket of the same number: it conflicts with no server, outlives a killed
/// node (whose port another cluster must not take) and vanishes with this process.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) number: u16,
    _claim: Option<UdpSocket>,
}

/// A number that nobody can foresee.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// `count` data ports, from `base` on when one is named. `bus`: their bus ports must be free as well.
pub(super) fn claim(count: usize, base: Option<u16>, bus: bool) -> Result<Vec<Port>, LocalError> {
    match base {
        Some(base) => claim_from(count, base, bus),
        None => claim_any(count, bus),
    }
}

fn claim_from(count: usize, base: u16, bus: bool) -> Result<Vec<Port>, LocalError> {
    let last = usize::from(base) + count.saturating_sub(1) + usize::from(if bus { BUS } else { 0 });
    if base == 0 || last > usize::from(u16::MAX) {
        return Err(LocalError::Shape(format!(
            "--base-port {base} does not leave room for {count} servers: their ports and bus ports (port + 10000) must lie between 1 and 65535"
        )));
    }
    let numbers = (base..).take(count);
    numbers
        .enumerate()
        .map(|(node, number)| {
            let taken = |port, purpose| LocalError::PortTaken { port, purpose, node: u16::try_from(node + 1).unwrap_or(u16::MAX) };
            if !is_free(number) {
                return Err(taken(number, "the data port"));
            }
            if bus && !is_free(number + BUS) {
                return Err(taken(number + BUS, "the bus port"));
            }
            Ok(Port { number, _claim: UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok() })
        })
        .collect()
}

fn claim_any(count: usize, bus: bool) -> Result<Vec<Port>, LocalError> {
    let span = LAST - FIRST;
    let start = u16::try_from(random() % u64::from(span)).unwrap_or_default();
    let candidates = (0..span).map(|step| FIRST + (start + step) % span);
    let free = candidates.filter_map(|number| {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        (is_free(number) && (!bus || is_free(number + BUS))).then_some(Port { number, _claim: Some(claim) })
    });
    let ports: Vec<Port> = free.take(count).collect();
    if ports.len() < count { Err(LocalError::NoPorts { wanted: count }) } else { Ok(ports) }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_not_given_twice() {
        let first = claim(3, None, true).unwrap();
        let base = first[0].number;
        let second = claim(300, None, true).unwrap();
        assert_eq!(second.len(), 300);
        assert!(second.iter().all(|port| first.iter().all(|other| other.number != port.number)), "{base}");
    }

    #[test]
    fn a_taken_port_is_named() {
        let port = claim(1, None, true).unwrap().remove(0);
        let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number + BUS)).unwrap();
        let error = claim(2, Some(port.number - 1), true).unwrap_err().to_string();
        assert!(error.contains(&(port.number + BUS).to_string()) && error.contains("--base-port"), "{error}");
        assert!(claim(6, Some(55_531), true).unwrap_err().to_string().contains("65535"));
    }
}
