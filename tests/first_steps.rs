//! What `status` says to do when the only seed gives no answer: each reason has its own next step, on real servers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails loudly and says what it saw")]

mod common;

use std::path::PathBuf;
use std::process::{Command as Process, Output, Stdio};
use std::time::Duration;

use common::{server, wait_until};
use rgc_tui::cluster::Address;
use rgc_tui::link::{Command, Reply};
use rgc_tui::local::ask;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn tls_file(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name).display().to_string()
}

/// `status` with this seed and these lines below `[cluster]`; what it says beside the table.
async fn status(seed: &Address, more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prod.toml");
    std::fs::write(&file, format!("[cluster]\nname = \"prod\"\nnodes = [\"{seed}\"]\n{more}")).unwrap();
    let mut command = Process::new(env!("CARGO_BIN_EXE_rgc-tui"));
    command.arg("--config").arg(&file).arg("status").stdin(Stdio::null()).current_dir(folder.path());
    command.env("XDG_STATE_HOME", folder.path().join("state")).env_remove("REDISCLI_AUTH").env_remove("RGC_TUI_PASSWORD");
    let Output { status, stderr, .. } = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let says = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(4), "{says}");
    assert!(!says.contains("check the network"), "{says}");
    says
}

async fn says(node: &Address, words: &str) -> Option<Reply> {
    ask(node, None, &Command::words(words), Duration::from_secs(2)).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_in_a_script_that_does_not_end() {
    let server = server(&["--busy-reply-threshold", "100"]).await;
    let node = server.address().clone();
    let busy = node.clone();
    let script = Command::new(["EVAL", "while true do end", "0"]);
    let running = tokio::spawn(async move { ask(&busy, None, &script, Duration::from_secs(60)).await.is_ok() });
    wait_until("it is busy", async || matches!(says(&node, "PING").await, Some(Reply::Error(error)) if error.code == "BUSY")).await;
    let told = status(&node, "").await;
    assert!(told.contains("SCRIPT KILL") && told.contains("FUNCTION KILL"), "{told}");
    wait_until("it is free", async || says(&node, "SCRIPT KILL").await.is_some_and(|reply| reply.is_ok())).await;
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_has_no_client_slot_left() {
    let server = server(&[]).await;
    let node = server.address().clone();
    let mut held = tokio::net::TcpStream::connect(node.to_string()).await.unwrap();
    held.write_all(b"CONFIG SET maxclients 1\r\n").await.unwrap();
    let mut reply = [0; 5];
    held.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"+OK\r\n");
    wait_until("nobody else gets in", async || !matches!(says(&node, "PING").await, Some(Reply::Bytes(_)))).await;
    let told = status(&node, "").await;
    assert!(told.contains("maxclients"), "{told}");
    held.write_all(b"CONFIG SET maxclients 100\r\n").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_wants_a_password() {
    let server = server(&[]).await;
    let node = server.address().clone();
    assert!(says(&node, "CONFIG SET requirepass secret").await.unwrap().is_ok());
    let told = status(&node, "").await;
    assert!(told.contains("`username` and `password` of [cluster]"), "{told}");
    let told = status(&node, "password = \"wrong\"\n").await;
    assert!(told.contains("`username` and `password` of [cluster]") && !told.contains("wrong\""), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_speaks_tls_and_one_that_does_not() {
    let [ca, cert, key] = ["ca.pem", "server.pem", "server.key"].map(tls_file);
    let files = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let mut found = None;
    for port in 23_100..23_400 {
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
            continue;
        }
        let number = port.to_string();
        let args: Vec<&str> = ["--tls-port", &number].into_iter().chain(files).collect();
        found = Some((server(&args).await, port));
        break;
    }
    let (server, port) = found.unwrap();
    let told = status(&Address::new("127.0.0.1", port), "").await;
    assert!(told.contains("speaks TLS") && told.contains("`tls` of [cluster]"), "{told}");
    let [client, client_key] = ["client.pem", "client.key"].map(tls_file);
    let tls = format!("tls = {{ ca = \"{ca}\", cert = \"{client}\", key = \"{client_key}\" }}\n");
    let told = status(server.address(), &tls).await;
    assert!(told.contains("`tls` of [cluster]") && told.contains("without TLS"), "{told}");
}
