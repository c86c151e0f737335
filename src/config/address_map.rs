//! PURE. `address_map`: where a server that announces one address is really reached, through NAT, tunnels or containers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::cluster::Address;

/// What is announced: one server, one host, or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapFrom {
    Server(Address),
    Host(String),
    /// An address and how many of its leading bits count.
    Network(IpAddr, u8),
}

/// Where it is reached: another host with the same port, or another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapTo {
    Server(Address),
    Host(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub from: MapFrom,
    pub to: MapTo,
}

fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let fits = match bare.contains(':') {
        true => bare.parse::<IpAddr>().is_ok(),
        false => !bare.is_empty() && bare.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')),
    };
    fits.then(|| bare.to_owned())
}

impl FromStr for MapFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an announced address: expected HOST, HOST:PORT or a network such as 10.1.0.0/16");
        if let Some((network, bits)) = text.split_once('/') {
            let network: IpAddr = network.parse().ok().ok_or_else(wrong)?;
            let most = if network.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
            let bits = bits.ok_or_else(|| format!("`{text}` is not a network: expected /0 to /{most} after the address"))?;
            return Ok(Self::Network(network, bits));
        }
        if let Some(host) = host(text) {
            return Ok(Self::Host(host));
        }
        text.parse().map(Self::Server).ok().ok_or_else(wrong)
    }
}

impl FromStr for MapTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(host) = host(text) {
            return Ok(Self::Host(host));
        }
        let address = text.parse().map(Self::Server).ok();
        address.ok_or_else(|| format!("`{text}` is not where a server can be reached: expected HOST or HOST:PORT"))
    }
}

impl fmt::Display for MapFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => address.fmt(f),
            Self::Host(host) => f.write_str(host),
            Self::Network(network, bits) => write!(f, "{network}/{bits}"),
        }
    }
}

impl fmt::Display for MapTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => address.fmt(f),
            Self::Host(host) => f.write_str(host),
        }
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_read_back_what_they_print() {
        for text in ["10.1.0.0/16", "172.18.0.2:6379", "redis-1", "fd00::/8", "[::1]:7000", "::1"] {
            assert_eq!(text.parse::<MapFrom>().unwrap().to_string(), text);
        }
        for text in ["127.0.0.1", "localhost:7000", "::1"] {
            assert_eq!(text.parse::<MapTo>().unwrap().to_string(), text);
        }
        for bad in ["", "10.1.0.0/33", "host/8", "a b", "1.2.3.4:0"] {
            assert!(bad.parse::<MapFrom>().is_err(), "{bad}");
        }
        for bad in ["", "10.1.0.0/16", "x:y"] {
            assert!(bad.parse::<MapTo>().is_err(), "{bad}");
        }
    }
}
