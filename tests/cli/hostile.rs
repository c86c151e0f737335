//! What others wrote is shown and never done, names are understood as they are shown, and lines can be pasted.

use rgc_tui::cluster::key_slot;

use super::*;

/// Codes as servers have them and as they are shown.
const CODES: [(&[u8], &str); 6] = [
    (b"\x1b]0;gone\x07", "\\x1b]0;gone\\x07"),
    (b"a$(touch pwned)'`\"", "a$(touch\\x20pwned)'`\""),
    (b"\xff\xfe", "\\xff\\xfe"),
    (b"=1+1", "=1+1"),
    (b"-rf", "-rf"),
    ("AB\u{202e}C".as_bytes(), "AB\\u{202e}C"),
];

async fn with_rooms() -> Cluster {
    let cluster = Cluster::start(3, 0).await;
    for (code, _) in CODES {
        let owner = cluster.owner(key_slot(code)).await.unwrap();
        let key = [b"room:{", code, b"}:state"].concat();
        let phase = b"\x1b[31mred\xc2\x9b0m".as_slice();
        cluster.call(&owner, &Command::new([b"HSET".as_slice(), &key, b"phase", phase, b"players", b"2"])).await;
    }
    cluster
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}'))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_listed_as_text_and_found_as_they_are_shown() {
    let cluster = with_rooms().await;
    let seed = cluster.seed();
    for format in ["text", "csv", "json"] {
        let listed = run(&["--node", &seed, "rooms", "--format", format]).await;
        assert!(listed.code == 0 && is_plain(&listed.stdout), "{}", listed.stdout.escape_debug());
        for (_, shown) in CODES {
            let (csv, json) = (shown.replace('"', "\"\""), serde_json::Value::from(shown).to_string());
            let found = listed.stdout.contains(shown) || listed.stdout.contains(&csv) || listed.stdout.contains(&json);
            assert!(found, "{format}: no {shown} in\n{}", listed.stdout);
        }
        assert!(listed.stdout.contains("\\x1b[31mred"), "{}", listed.stdout);
    }
    let cells = run(&["--node", &seed, "rooms", "--format", "csv"]).await.stdout;
    assert!(cells.contains("\n'=1+1,") && cells.contains("\n'-rf,"), "{cells}");
    for (code, shown) in CODES {
        let place = &run(&["--node", &seed, "locate", "--format", "json", "--", shown]).await.json()["places"][0];
        assert_eq!((&place["slot"], &place["room"], &place["code"]), (&key_slot(code).into(), &true.into(), &shown.into()));
    }
    let wrong = run(&["--node", &seed, "failover", "\u{1b}[31mx\u{9b}"]).await;
    assert!(wrong.code == 64 && is_plain(&wrong.stderr), "{}", wrong.stderr.escape_debug());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_does_the_same_does_the_same_in_a_shell() {
    let cluster = with_rooms().await;
    let seed = cluster.seed();
    for (code, shown) in CODES {
        let owner = cluster.owner(key_slot(code)).await.unwrap();
        let to = cluster.addresses().into_iter().find(|address| *address != owner).unwrap().to_string();
        let plan = run(&["--node", &seed, "migrate-room", "--to", &to, "--dry-run", "--", shown]).await;
        assert_eq!(plan.code, 0, "{}", plan.stderr);
        let same = plan.stdout.lines().find_map(|line| line.trim().strip_prefix("same as: ")).unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(PROGRAM, folder.path().join("rgc-tui")).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Process::new("sh");
        shell.arg("-c").arg(&same).env("PATH", path);
        shell.current_dir(folder.path()).stdin(Stdio::null()).env("XDG_STATE_HOME", folder.path().join("state"));
        let pasted = run_command(shell).await;
        // Nobody to ask: it is planned, shown and not done.
        assert_eq!(pasted.code, 3, "{same}\n{}{}", pasted.stdout, pasted.stderr);
        assert!(pasted.stdout.contains(&format!("same as: {same}")), "{same}\n{}", pasted.stdout);
        assert!(!folder.path().join("pwned").exists(), "{same}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_lost_is_an_error_and_a_reader_that_has_gone_is_none() {
    let cluster = Cluster::start(3, 0).await;
    let seed = cluster.seed();
    let (node, to) = (["--node", &seed], cluster.at(1).to_string());
    let all: [&[&str]; 14] = [
        &["status"],
        &["status", "--format", "json"],
        &["check"],
        &["nodes"],
        &["nodes", "--format", "csv"],
        &["slots", "--format", "json"],
        &["rooms"],
        &["locate", "A"],
        &["watch", "--for", "20s"],
        &["watch", "--for", "20s", "--format", "json"],
        &["move-slots", "0", "--to", &to, "--dry-run"],
        &["docs", "keys"],
        &["config", "show"],
        &["--help"],
    ];
    for args in all {
        let args: Vec<&str> = node.iter().chain(args).copied().collect();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut lost = command(&args);
        lost.stdout(full).stderr(Stdio::piped());
        let lost = tokio::task::spawn_blocking(move || lost.spawn().unwrap().wait_with_output().unwrap()).await.unwrap();
        let says = String::from_utf8(lost.stderr).unwrap();
        assert_eq!(lost.status.code(), Some(74), "{args:?}: {says}");
        assert!(says.contains("the output could not be written"), "{args:?}: {says}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut unread = command(&args);
        unread.stdout(writer).stderr(Stdio::piped());
        let unread = tokio::task::spawn_blocking(move || unread.spawn().unwrap().wait_with_output().unwrap()).await.unwrap();
        let says = String::from_utf8(unread.stderr).unwrap();
        assert!(unread.status.code().is_some_and(|code| code < 2) && says.is_empty(), "{args:?}: {:?} {says}", unread.status);
    }
}
