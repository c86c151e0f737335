//! PURE. The one table of settings: parsing, defaults, the sample, `config show` and the README are derived from it.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

use super::Config;
use super::value::{SettingValue, Shape};
use crate::cluster::TopologyKind;

/// One key of the file.
pub struct Setting {
    pub section: &'static str,
    pub key: &'static str,
    pub shape: Shape,
    /// As it would be written in the file, when there is a default.
    pub default: Option<&'static str>,
    /// An example for those without a default.
    pub example: &'static str,
    pub says: &'static str,
    pub(super) put: fn(&mut Config, SettingValue),
    /// Its value for `config show`; secrets are hidden here, so that nobody else can forget to.
    pub(super) get: fn(&Config) -> Json,
}

/// Sections in the order of the sample. `[keys]` has no rows: its keys are the names of actions.
pub const SECTIONS: [(&str, &str); 6] = [
    ("cluster", "What to connect to."),
    ("poll", "How often the servers are asked, and how long an answer may take."),
    ("alerts", "From where on something is worth a finding."),
    ("rooms", "How game rooms are recognised."),
    ("keys", "Other keys for actions: failover = \"F\". `rgc-tui docs keys` lists the actions."),
    ("ui", "The console."),
];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

macro_rules! put {
    ($kind:ident => $($place:tt).+) => {
        |config, value| {
            if let SettingValue::$kind(value) = value {
                config.$($place).+ = value.into();
            }
        }
    };
}

fn span(span: Duration) -> Json {
    json!(humantime::format_duration(span).to_string())
}

/// Whole numbers without a fraction, as one would write them.
fn number(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

pub const SETTINGS: &[Setting] = &[
    Setting {
        section: "cluster",
        key: "name",
        shape: Shape::Text,
        default: Some(r#""cluster""#),
        example: r#""prod""#,
        says: "What this cluster is called on screens; dangerous operations ask for it.",
        put: put!(Text => cluster.name),
        get: |config| json!(config.cluster.name),
    },
    Setting {
        section: "cluster",
        key: "topology",
        shape: Shape::Word(&["cluster", "sentinel", "standalone"]),
        default: Some(r#""cluster""#),
        example: r#""cluster""#,
        says: "cluster, sentinel or standalone.",
        put: |config, value| {
            if let SettingValue::Text(word) = value {
                let known = [TopologyKind::Cluster, TopologyKind::Sentinel, TopologyKind::Standalone]
                    .into_iter()
                    .find(|kind| kind.word() == word);
                config.cluster.topology = known.unwrap_or_default();
            }
        },
        get: |config| json!(config.cluster.topology.word()),
    },
    Setting {
        section: "cluster",
        key: "nodes",
        shape: Shape::Addresses,
        default: None,
        example: r#"["10.0.0.1:7000", "10.0.0.2:7000"]"#,
        says: "Seeds, HOST:PORT; any one alive is enough to find the others.",
        put: put!(Addresses => cluster.nodes),
        get: |config| json!(config.cluster.nodes.iter().map(ToString::to_string).collect::<Vec<_>>()),
    },
    Setting {
        section: "cluster",
        key: "sentinels",
        shape: Shape::Addresses,
        default: Some("[]"),
        example: r#"["sentinel-1:26379"]"#,
        says: "Sentinels; the source of truth with topology = \"sentinel\".",
        put: put!(Addresses => cluster.sentinels),
        get: |config| json!(config.cluster.sentinels.iter().map(ToString::to_string).collect::<Vec<_>>()),
    },
    Setting {
        section: "cluster",
        key: "username",
        shape: Shape::Text,
        default: None,
        example: r#""rgc""#,
        says: "ACL user; without one the password is the default user's.",
        put: put!(Text => cluster.username),
        get: |config| json!(config.cluster.username),
    },
    Setting {
        section: "cluster",
        key: "password",
        shape: Shape::Secret,
        default: None,
        example: r#"{ env = "REDIS_PASSWORD" }"#,
        says: "Better from { env = \"NAME\" } or { file = \"PATH\" } than written here.",
        put: put!(Secret => cluster.password),
        get: |config| json!(config.cluster.password.as_ref().map(|secret| hidden(secret.expose_secret()))),
    },
    Setting {
        section: "cluster",
        key: "tls",
        shape: Shape::Tls,
        default: Some("false"),
        example: r#"{ ca = "ca.pem", cert = "client.pem", key = "client.key", server_name = "redis.internal" }"#,
        says: "false, true (the system's roots) or files in PEM, relative to this file. Certificates must be for what nodes announce, or for server_name.",
        put: put!(Tls => cluster.tls),
        get: |config| match &config.cluster.tls {
            None => json!(false),
            Some(tls) => {
                let files = [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)];
                let mut shown: serde_json::Map<String, Json> =
                    files.into_iter().filter_map(|(key, file)| Some((key.to_owned(), json!(file.as_ref()?)))).collect();
                shown.extend(tls.server_name.iter().map(|name| ("server_name".to_owned(), json!(name))));
                if shown.is_empty() { json!(true) } else { Json::Object(shown) }
            }
        },
    },
    Setting {
        section: "cluster",
        key: "address_map",
        shape: Shape::AddressMap,
        default: Some("{}"),
        example: r#"{ "10.1.0.0/16" = "127.0.0.1", "172.18.0.2:6379" = "localhost:7000" }"#,
        says: "Where announced addresses are reached from here: NAT, tunnels, containers.",
        put: put!(AddressMap => cluster.address_map),
        get: |config| {
            let map = config.cluster.address_map.iter().map(|mapping| (mapping.from.to_string(), json!(mapping.to.to_string())));
            Json::Object(map.collect())
        },
    },
    Setting {
        section: "cluster",
        key: "protected",
        shape: Shape::Flag,
        default: Some("false"),
        example: "true",
        says: "Read-only until unlocked by typing its name.",
        put: put!(Flag => cluster.protected),
        get: |config| json!(config.cluster.protected),
    },
    Setting {
        section: "poll",
        key: "interval",
        shape: Shape::Span(ms(100), Duration::from_secs(60)),
        default: Some(r#""1s""#),
        example: r#""1s""#,
        says: "How often every node is asked.",
        put: put!(Span => poll.interval),
        get: |config| span(config.poll.interval),
    },
    Setting {
        section: "poll",
        key: "timeout",
        shape: Shape::Span(ms(20), Duration::from_secs(30)),
        default: Some(r#""500ms""#),
        example: r#""500ms""#,
        says: "How long to wait for a connection or an answer.",
        put: put!(Span => poll.timeout),
        get: |config| span(config.poll.timeout),
    },
    Setting {
        section: "alerts",
        key: "latency_ms",
        shape: Shape::Number(60_000.0),
        default: Some("100"),
        example: "100",
        says: "Round trip of a PING.",
        put: |config, value| {
            if let SettingValue::Number(ms) = value {
                config.alerts.latency = Duration::from_secs_f64(ms / 1000.0);
            }
        },
        get: |config| number(config.alerts.latency.as_secs_f64() * 1000.0),
    },
    Setting {
        section: "alerts",
        key: "memory_percent",
        shape: Shape::Number(100.0),
        default: Some("85"),
        example: "85",
        says: "Of maxmemory; of the host's RAM where there is no limit.",
        put: put!(Number => alerts.memory_percent),
        get: |config| number(config.alerts.memory_percent),
    },
    Setting {
        section: "alerts",
        key: "cpu_percent",
        shape: Shape::Number(100.0),
        default: Some("80"),
        example: "80",
        says: "Of one core, the main thread.",
        put: put!(Number => alerts.cpu_percent),
        get: |config| number(config.alerts.cpu_percent),
    },
    Setting {
        section: "alerts",
        key: "error_rate_percent",
        shape: Shape::Number(100.0),
        default: Some("5"),
        example: "5",
        says: "Error replies of all commands; MOVED and ASK are not counted.",
        put: put!(Number => alerts.error_rate_percent),
        get: |config| number(config.alerts.error_rate_percent),
    },
    Setting {
        section: "alerts",
        key: "node_down_minutes",
        shape: Shape::Number(24.0 * 60.0),
        default: Some("2"),
        example: "2",
        says: "When a node that is down escalates; the first notice comes within a second.",
        put: |config, value| {
            if let SettingValue::Number(minutes) = value {
                config.alerts.node_down = Duration::from_secs_f64(minutes * 60.0);
            }
        },
        get: |config| number(config.alerts.node_down.as_secs_f64() / 60.0),
    },
    Setting {
        section: "rooms",
        key: "key",
        shape: Shape::RoomKey,
        default: Some(r#""room:{CODE}:state""#),
        example: r#""room:{CODE}:state""#,
        says: "The key that makes a room, with its code in the braces of the hash tag; \"\" when there are none to look for.",
        put: put!(Text => rooms.key),
        get: |config| json!(config.rooms.key),
    },
    Setting {
        section: "rooms",
        key: "idle",
        shape: Shape::Span(ms(1000), Duration::from_secs(30 * 24 * 3600)),
        default: Some(r#""2h""#),
        example: r#""2h""#,
        says: "A room without a change for this long is idle.",
        put: put!(Span => rooms.idle),
        get: |config| span(config.rooms.idle),
    },
    Setting {
        section: "rooms",
        key: "max_connections_per_node",
        shape: Shape::Count(1, 10_000),
        default: Some("200"),
        example: "200",
        says: "How many connections to one node the library's pool may open; the console has two.",
        put: put!(Count => rooms.max_connections_per_node),
        get: |config| json!(config.rooms.max_connections_per_node),
    },
    Setting {
        section: "ui",
        key: "theme",
        shape: Shape::Theme,
        default: Some(r#""dusk""#),
        example: r#""dawn""#,
        says: "Name of a built-in theme, or the path of a theme file ending in .toml.",
        put: put!(Text => ui.theme),
        get: |config| json!(config.ui.theme),
    },
    Setting {
        section: "ui",
        key: "mouse",
        shape: Shape::Flag,
        default: Some("false"),
        example: "true",
        says: "Whether the console takes the mouse from the terminal.",
        put: put!(Flag => ui.mouse),
        get: |config| json!(config.ui.mouse),
    },
    Setting {
        section: "ui",
        key: "ascii",
        shape: Shape::Flag,
        default: Some("false"),
        example: "true",
        says: "Only ASCII on the screen.",
        put: put!(Flag => ui.ascii),
        get: |config| json!(config.ui.ascii),
    },
];

fn hidden(secret: &str) -> &'static str {
    if secret.is_empty() { "" } else { "(hidden)" }
}

impl Setting {
    pub(super) fn find(section: &str, key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.section == section && setting.key == key)
    }

    pub(super) fn of(section: &str) -> impl Iterator<Item = &'static Setting> + Clone {
        let name = SECTIONS.iter().map(|(name, _)| *name).find(|name| *name == section);
        SETTINGS.iter().filter(move |setting| Some(setting.section) == name)
    }
}
