//! IO. One check for every reader of bytes that come from servers, terminals and files: whatever they are, it ends with a
//! value or with words, never with a panic. The property tests, the fuzz targets and the stored corpus use the same checks.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as Raw, KeyCode, KeyEvent, KeyModifiers};
use futures_util::future::BoxFuture;
use futures_util::stream;
use rgc_tui::cluster::{Address, parse};
use rgc_tui::config::Config;
use rgc_tui::exec::{Executor, ExecutorSettings, Lock};
use rgc_tui::keys::Chord;
use rgc_tui::link::{AddressMap, ByteStream, Clock, Command, Dialer, Lane, LinkSettings, Links};
use rgc_tui::plan::entry::Entry;
use rgc_tui::term::Input;
use rgc_tui::theme::Theme;
use tokio::io::AsyncWriteExt;

/// A name and what is checked under it.
pub type Check = (&'static str, fn(&[u8]));

pub const CHECKS: &[Check] = &[
    ("nodes", nodes),
    ("info", info),
    ("cluster_info", cluster_info),
    ("address", address),
    ("address_map", address_map),
    ("chord", chord),
    ("config", config),
    ("theme", theme),
    ("audit_log", audit_log),
    ("journal", journal),
    ("replies", replies),
    ("terminal", terminal),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// CLUSTER NODES: who is in a view was in the text.
pub fn nodes(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(view) = parse::nodes(&text, &Address::new("10.0.0.1", 7000)) {
        for member in &view.members {
            assert!(text.contains(&member.id.to_string()), "{} came from nowhere", member.id);
        }
    }
}

pub fn info(bytes: &[u8]) {
    let _ = parse::info(&text(bytes));
}

pub fn cluster_info(bytes: &[u8]) {
    let _ = parse::cluster_info(&text(bytes));
}

/// What is read as an address is written so that it is read as the same one.
pub fn address(bytes: &[u8]) {
    if let Ok(address) = text(bytes).parse::<Address>() {
        assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(&address), "{address}");
    }
}

/// A line each: from, space, to.
pub fn address_map(bytes: &[u8]) {
    let text = text(bytes);
    let mut map = AddressMap::default();
    for line in text.lines() {
        let (from, to) = line.split_once(' ').unwrap_or((line, line));
        let _ = map.add(from, to);
        for host in [from, to, "10.0.0.1", "::1"] {
            let _ = map.apply(&Address::new(host, 7000));
        }
    }
}

/// A key as the configuration spells it is printed so that it is read as the same key.
pub fn chord(bytes: &[u8]) {
    if let Ok(chord) = text(bytes).parse::<Chord>() {
        assert_eq!(chord.to_string().parse::<Chord>(), Ok(chord), "{chord}");
    }
}

/// What is accepted is written down and accepted again, as the same.
pub fn config(bytes: &[u8]) {
    let nothing = |_: &rgc_tui::config::Reference| Err("is not here".to_owned());
    match Config::parse(&text(bytes), Path::new("rgc.toml"), &nothing) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(config) => {
            let written = config.to_toml();
            match Config::parse(&written, Path::new("rgc.toml"), &nothing) {
                Ok(again) => assert_eq!(again.to_toml(), written),
                Err(error) => assert!(written.contains("hidden") || written.contains("***"), "{error}\n{written}"),
            }
        }
    }
}

pub fn theme(bytes: &[u8]) {
    let _ = Theme::parse(&text(bytes), "fuzzed");
}

pub fn audit_log(bytes: &[u8]) {
    for line in text(bytes).lines() {
        let _ = Entry::read(line);
    }
}

/// A file that may have been torn, or be somebody else's, where journals are looked for.
pub fn journal(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["20260101T000000000000000Z-1.journal", "20260101T000000000000000Z-1.jsonl", "ledger.jsonl", "x.turn"] {
        std::fs::write(folder.path().join(name), bytes).expect("it can be written");
    }
    let runtime = runtime();
    runtime.block_on(async {
        let clock = Clock::start();
        let settings = ExecutorSettings { journal_dir: folder.path().to_path_buf(), cluster: "test".into(), lock: Lock::Open };
        let executor = Executor::new(Links::new(LinkSettings::default(), clock), clock, settings);
        let _ = executor.unfinished("prod").await;
        let _ = executor.ledger(10).await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// A server that says these bytes, whatever it is asked, and closes.
#[derive(Debug)]
struct Says(Vec<u8>);

impl Dialer for Says {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        let (here, mut there) = tokio::io::duplex(1 << 20);
        let bytes = self.0.clone();
        Box::pin(async move {
            tokio::spawn(async move {
                let _ = there.write_all(&bytes).await;
                // What is asked is taken, and nothing more is said.
                let _ = there.shutdown().await;
                let _ = tokio::io::copy(&mut there, &mut tokio::io::sink()).await;
            });
            Ok(Box::new(here) as Box<dyn ByteStream>)
        })
    }
}

/// The greeting and the replies: a call ends, in time. The first bytes may be a good greeting, so that the rest is reached.
pub fn replies(bytes: &[u8]) {
    for greeting in [&b""[..], b"+OK\r\n+PONG\r\n"] {
        runtime().block_on(async {
            let dialer = Arc::new(Says([greeting, bytes].concat()));
            let link = Links::new(LinkSettings { dialer, ..LinkSettings::default() }, Clock::start())
                .get(&Address::new("10.0.0.1", 7000), Lane::Probe);
            let ask = Command::words("CLUSTER NODES");
            let ended = tokio::time::timeout(Duration::from_secs(30), link.call(&ask)).await.expect("a call ends");
            if let Ok(reply) = ended {
                let _ = (reply.text(), reply.int());
            }
        });
    }
}

/// Two bytes a key: what was pressed and how. Text of a paste never comes as keys.
pub fn terminal(bytes: &[u8]) {
    let events: Vec<io::Result<Raw>> = bytes
        .chunks(2)
        .map(|pair| {
            let (code, how) = (pair[0], pair.get(1).copied().unwrap_or(0));
            Ok(match code {
                0xff => Raw::Paste("q\x1b[A\r".into()),
                0xfe => Raw::Resize(u16::from(how), u16::from(how)),
                0x1b => Raw::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)),
                code => {
                    let code = char::from(code);
                    Raw::Key(KeyEvent::new(KeyCode::Char(code), KeyModifiers::from_bits_truncate(how)))
                }
            })
        })
        .collect();
    let most = events.len();
    runtime().block_on(async {
        let mut input = Input::new(stream::iter(events));
        let mut count = 0;
        while let Some(_event) = input.next().await {
            count += 1;
            assert!(count <= most, "more came out than was put in");
        }
    });
}
