//! PURE. Which servers are simulated, and in what they differ.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Redis7,
    /// Marks of open slots go to replicas and follow a failover; SETSLOT waits for replicas.
    Valkey8,
    /// The same, several databases, and slots that servers move by themselves.
    Valkey9,
}

impl Kind {
    pub fn is_valkey(self) -> bool {
        self != Self::Redis7
    }

    pub fn moves_by_itself(self) -> bool {
        self == Self::Valkey9
    }

    /// Databases in cluster mode, where the settings ask for several.
    pub fn has_databases(self) -> bool {
        self == Self::Valkey9
    }

    /// A node may be marked as importing from itself.
    pub fn imports_from_itself(self) -> bool {
        self != Self::Valkey9
    }

    /// Fields of `INFO server` that are other than those of Redis 7.0.15.
    pub fn version(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Redis7 => &[],
            Self::Valkey8 => &[("redis_version", "7.2.4"), ("server_name", "valkey"), ("valkey_version", "8.1.1")],
            Self::Valkey9 => &[("redis_version", "7.2.4"), ("server_name", "valkey"), ("valkey_version", "9.1.2")],
        }
    }
}
