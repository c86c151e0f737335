//! PURE. How to reach servers: credentials, TLS, deadlines, address map.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::AddressMap;
use super::dial::{Dialer, Tcp};

/// What every link of one cluster has in common.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// ACL user; None authenticates as the default user.
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub tls: Option<TlsSettings>,
    /// For name lookup, TCP, TLS, AUTH and a first PING together.
    pub connect_timeout: Duration,
    /// For a reply.
    pub timeout: Duration,
    pub address_map: AddressMap,
    /// What makes connections; only tests have another one.
    pub dialer: Arc<dyn Dialer>,
}

impl Default for LinkSettings {
    fn default() -> Self {
        let timeout = Duration::from_millis(500);
        Self {
            username: None,
            password: None,
            tls: None,
            connect_timeout: timeout,
            timeout,
            address_map: AddressMap::default(),
            dialer: Arc::new(Tcp),
        }
    }
}

/// TLS with files in PEM form. Without a CA the system's roots are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    pub ca: Option<PathBuf>,
    /// Client certificate and its key: both or none.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The name the certificate must be for, when it is not the host that the node is known by.
    pub server_name: Option<String>,
}
