//! PURE. Where a server is reached: host and port, as operators write it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// `host:port`; an IPv6 host is printed in brackets. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: Arc<str>,
    pub port: u16,
}

impl Address {
    pub fn new(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) };
        f.pad(&text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address: expected HOST:PORT, for example 10.0.0.1:7000 or [::1]:7000");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse::<u16>().ok().filter(|&port| port > 0).ok_or_else(wrong)?;
        let bare = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if bare.is_empty() || bare.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '[' | ']')) {
            return Err(wrong());
        }
        Ok(Self::new(bare, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_what_they_print() {
        for text in ["10.0.0.1:7000", "redis-master-1:6379", "[::1]:7000", "[fe80::1%eth0]:1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for bad in ["", "7000", ":7000", "host:", "host:0", "host:65536", "::1:7000", "[::1:7000", "a b:1", "redis://x:1"] {
            let error = bad.parse::<Address>().unwrap_err();
            assert!(error.contains("HOST:PORT"), "{bad}: {error}");
        }
    }
}
