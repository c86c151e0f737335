//! PURE. How a node answers: one vocabulary for every way a server can be well or in trouble.

use std::fmt;

macro_rules! health {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $alive:literal, $says:literal;)+) => {
        /// What the last attempts to talk to a node came to. The word is what screens and JSON show.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Health { $($(#[$doc])* $name,)+ }

        impl Health {
            pub const ALL: &'static [Health] = &[$(Health::$name,)+];

            /// The stable word for screens, JSON and metrics.
            pub fn word(self) -> &'static str {
                match self { $(Health::$name => $word,)+ }
            }

            /// The process runs and answers the protocol, even if only with an error.
            pub fn is_alive(self) -> bool {
                match self { $(Health::$name => $alive,)+ }
            }

            /// What it means, as the middle of a sentence: "10.0.0.1:7000 {says}".
            pub fn says(self) -> &'static str {
                match self { $(Health::$name => $says,)+ }
            }
        }
    };
}

health! {
    /// Not asked yet.
    Unknown = "unknown", false, "has not been asked yet";
    Up = "up", true, "answers";
    /// Answers, above the latency threshold.
    Slow = "slow", true, "answers slowly";
    /// The port accepts, nothing answers: stopped process, long command or swap.
    Frozen = "frozen", false, "accepts connections and does not answer";
    /// Not even the port answers: host down, or packets dropped.
    Silent = "silent", false, "does not answer at all: host down or packets dropped";
    Refused = "refused", false, "refuses connections: no process listens there";
    /// The network says there is no way to it.
    Unreachable = "unreachable", false, "cannot be reached: the network has no route";
    Unresolved = "unresolved", false, "has a name that does not resolve";
    Closed = "closed", false, "closes every connection";
    Loading = "loading", true, "is loading its data";
    NoAuth = "noauth", true, "wants a password";
    WrongPass = "wrongpass", true, "refuses the user or password";
    NoPerm = "noperm", true, "does not let this user ask";
    Busy = "busy", true, "is busy running a script";
    MasterDown = "masterdown", true, "has lost its master and serves no stale data";
    Misconf = "misconf", true, "refuses writes because it cannot save";
    /// maxclients reached.
    Full = "full", true, "has no free client slot (maxclients)";
    Tls = "tls", false, "failed the TLS handshake";
    Garbage = "garbage", false, "speaks something that is not the Redis protocol";
    /// A RESP error that is none of the above.
    Error = "error", true, "answers with an error";
}

impl Health {
    /// Clients of this node are not served: it is down or refuses ordinary work.
    pub fn is_down(self) -> bool {
        !self.is_alive() && self != Health::Unknown
    }

    /// Its clients get answers: it works, or only *we* are kept out of it.
    pub fn serves(self) -> bool {
        self == Health::Unknown || (self.is_alive() && !matches!(self, Health::Loading | Health::Busy | Health::MasterDown))
    }

    /// Answers and does its work.
    pub fn is_well(self) -> bool {
        matches!(self, Health::Up | Health::Slow)
    }

    /// The health that a RESP error code (`NOAUTH`, `LOADING`, …) stands for.
    pub fn from_error_code(code: &str) -> Health {
        match code {
            "LOADING" => Health::Loading,
            "NOAUTH" => Health::NoAuth,
            "WRONGPASS" => Health::WrongPass,
            "NOPERM" => Health::NoPerm,
            "BUSY" => Health::Busy,
            "MASTERDOWN" => Health::MasterDown,
            "MISCONF" => Health::Misconf,
            _ => Health::Error,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Why a call did not give a result: the class, and the words of whoever said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub health: Health,
    /// The server's or the system's own text, without secrets.
    pub detail: String,
}

impl Trouble {
    pub fn new(health: Health, detail: impl Into<String>) -> Self {
        Self { health, detail: detail.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(self.health.word()) } else { write!(f, "{} ({})", self.health.word(), self.detail) }
    }
}
