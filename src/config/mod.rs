//! PURE. One TOML file, checked as a whole: what was written, what was meant, and where it is wrong.
//!
//! [`Config::parse`] is pure; [`load`] finds and reads the file, the environment and the files that it names.

mod address_map;
#[cfg(feature = "console")]
mod console;
mod document;
pub mod load;
mod problem;
mod sample;
mod settings;
mod show;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::alerts::Thresholds;
use crate::cluster::{Address, TopologyKind};
#[cfg(feature = "console")]
use crate::{keys::Keymap, theme::Theme};

pub use address_map::{MapFrom, MapTo, Mapping};
#[cfg(feature = "console")]
pub use console::theme;
pub use problem::{ConfigError, Problem};
pub use sample::sample;
pub use settings::{SECTIONS, SETTINGS, Setting};
pub use value::{Outside, Reference};

/// Everything the file says, with the defaults where it says nothing.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from; None when there was no file.
    pub path: Option<PathBuf>,
    pub cluster: Cluster,
    pub poll: Poll,
    pub alerts: Thresholds,
    pub rooms: RoomSettings,
    /// `[keys]`: the changes as written.
    pub keys: BTreeMap<String, String>,
    /// The table of actions with those changes.
    #[cfg(feature = "console")]
    pub keymap: Keymap,
    pub ui: UiSettings,
}

/// What is connected to.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub name: String,
    pub topology: TopologyKind,
    /// Seeds: any one alive is enough.
    pub nodes: Vec<Address>,
    pub sentinels: Vec<Address>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub tls: Option<TlsFiles>,
    pub address_map: Vec<Mapping>,
    /// Read-only until its name has been typed.
    pub protected: bool,
}

/// Files in PEM, relative to the configuration file. Without `ca` the system's own roots are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The name in the servers' certificates, when it is none that they announce.
    pub server_name: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Poll {
    pub interval: Duration,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct RoomSettings {
    /// The key that makes a room, with `{CODE}` where its code stands; empty when rooms are not looked for.
    pub key: String,
    pub idle: Duration,
    /// Of the library's pool.
    pub max_connections_per_node: u32,
}

#[derive(Clone, Debug)]
pub struct UiSettings {
    /// As it was named.
    pub theme: String,
    #[cfg(feature = "console")]
    pub look: Theme,
    pub mouse: bool,
    pub ascii: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            cluster: Cluster {
                name: "cluster".into(),
                topology: TopologyKind::Cluster,
                nodes: Vec::new(),
                sentinels: Vec::new(),
                username: None,
                password: None,
                tls: None,
                address_map: Vec::new(),
                protected: false,
            },
            poll: Poll { interval: Duration::from_secs(1), timeout: Duration::from_millis(500) },
            alerts: Thresholds::default(),
            rooms: RoomSettings {
                key: "room:{CODE}:state".into(),
                idle: Duration::from_secs(2 * 60 * 60),
                max_connections_per_node: 200,
            },
            keys: BTreeMap::new(),
            #[cfg(feature = "console")]
            keymap: Keymap::default(),
            ui: UiSettings {
                theme: "dusk".into(),
                #[cfg(feature = "console")]
                look: Theme::default(),
                mouse: false,
                ascii: false,
            },
        }
    }
}
