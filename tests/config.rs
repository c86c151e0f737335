//! IO. The configuration as its users meet it: every mistake has its exact message, secrets stay hidden, files are found.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

fn program(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("rgc-tui").unwrap();
    command.current_dir(folder).env_clear().env("HOME", folder).env("XDG_CONFIG_HOME", folder.join("config"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(folder).args(args).output().unwrap();
    (status.code().unwrap(), text(&stdout), text(&stderr))
}

/// Every file of the folder with the message it must give, which stands beside it.
#[test]
fn every_mistake_has_its_message() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad_configs");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        let (code, stdout, stderr) = run(&folder, &["config", "check", name]);
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (78, "", expected.as_str()), "{name}");
        // The same file stops every other command in the same way.
        let (code, _, stderr) = run(&folder, &["--config", name, "status"]);
        assert_eq!((code, stderr.as_str()), (78, expected.as_str()), "{name}");
    }
}

#[test]
fn problems_are_told_as_json_too() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad_configs");
    let (code, stdout, _) = run(&folder, &["config", "check", "unknown_key.toml", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 78);
    assert_eq!(json["ok"], false);
    assert_eq!(json["problems"][0]["line"], 3);
    assert_eq!(json["problems"][0]["column"], 1);
    assert_eq!(json["problems"][0]["message"], "unknown key `pasword` in [cluster]; did you mean `password`?");
}

#[test]
fn the_sample_can_be_written_once_and_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (code, sample, _) = run(folder.path(), &["config", "init"]);
    assert_eq!(code, 0);
    assert_eq!(run(folder.path(), &["config", "init", "prod.toml"]).0, 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("prod.toml")).unwrap(), sample);
    let (code, stdout, _) = run(folder.path(), &["config", "check", "prod.toml"]);
    assert_eq!((code, stdout.as_str()), (0, "prod.toml: ok: cluster `cluster`, cluster, 1 seed\n"));

    std::fs::write(folder.path().join("prod.toml"), "mine").unwrap();
    let (code, _, stderr) = run(folder.path(), &["config", "init", "prod.toml"]);
    assert_eq!(code, 3);
    assert!(stderr.contains("not overwritten"), "{stderr}");
    assert_eq!(std::fs::read_to_string(folder.path().join("prod.toml")).unwrap(), "mine");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["--config", "no.toml", "status"]);
    assert_eq!((code, stdout.as_str()), (78, ""));
    assert_eq!(stderr, "no.toml: cannot be read: no such file or directory\n");
}

#[test]
fn secrets_come_from_elsewhere_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prod.toml");
    let nodes = "nodes = [{ env = \"SEED\" }]";
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    for secret in ["\"hunter2\"", "{ env = \"SECRET\" }", "{ file = \"secret\" }"] {
        std::fs::write(&path, format!("[cluster]\n{nodes}\nusername = \"rgc\"\npassword = {secret}\n")).unwrap();
        for format in ["text", "json"] {
            let mut command = program(folder.path());
            command.args(["--config", "prod.toml", "config", "show", "--format", format]);
            let output = command.env("SECRET", "hunter2").env("SEED", "10.9.8.7:7000").output().unwrap();
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(0), "{stderr}");
            assert!(stdout.contains("(hidden)") && stdout.contains("10.9.8.7:7000"), "{stdout}");
            assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"));
        }
    }
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[cluster]\nname = \"prod\"\nnodes = [\"10.0.0.1:7000\", \"[::1]:7001\"]\nprotected = true\n\
                address_map = { \"10.0.0.0/8\" = \"127.0.0.1\" }\n[poll]\ninterval = \"250ms\"\n[alerts]\nlatency_ms = 2.5\n\
                [keys]\nfailover = \"f8\"\n[ui]\ntheme = \"mono\"\n";
    std::fs::write(folder.path().join("a.toml"), text).unwrap();
    let (code, first, _) = run(folder.path(), &["--config", "a.toml", "config", "show"]);
    assert_eq!(code, 0);
    std::fs::write(folder.path().join("b.toml"), &first).unwrap();
    let (_, second, _) = run(folder.path(), &["--config", "b.toml", "config", "show"]);
    assert_eq!(first.replace("a.toml", "b.toml"), second);
    for line in ["latency_ms = 2.5", "interval = \"250ms\"", "failover = \"f8\"", "protected = true"] {
        assert!(first.contains(&format!("\n{line}\n")), "{first}");
    }
}

#[test]
fn the_file_is_found_here_then_at_home_and_by_the_clusters_name() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("config/rgc-tui");
    std::fs::create_dir_all(&home).unwrap();
    let write = |path: PathBuf, name: &str| {
        std::fs::write(path, format!("[cluster]\nname = \"{name}\"\nnodes = [\"10.0.0.1:7000\"]\n")).unwrap();
    };
    let shown = |args: &[&str]| run(folder.path(), &[&["config", "show"], args].concat());
    assert!(shown(&[]).1.contains("the defaults: no file"));
    let (code, _, stderr) = run(folder.path(), &["status"]);
    assert_eq!(code, 64);
    assert!(stderr.contains("--node HOST:PORT") && stderr.contains("rgc-tui demo"), "{stderr}");

    write(home.join("config.toml"), "home");
    assert!(shown(&[]).1.contains("name = \"home\""));
    write(folder.path().join("rgc-tui.toml"), "here");
    assert!(shown(&[]).1.contains("name = \"here\""));
    write(home.join("prod.toml"), "prod");
    assert!(shown(&["--cluster", "prod"]).1.contains("name = \"prod\""));

    let (code, _, stderr) = shown(&["--cluster", "stage"]);
    assert_eq!(code, 78);
    assert_eq!(stderr, "rgc-tui.toml: this file is for cluster `here`, not for `stage`\n");
    // A node on the command line is a cluster of its own.
    let (_, stdout, _) = shown(&["--node", "10.0.0.9:1,10.0.0.9:2", "--cluster", "mine"]);
    assert!(stdout.contains("name = \"mine\"") && stdout.contains("nodes = [\"10.0.0.9:1\", \"10.0.0.9:2\"]"), "{stdout}");
}
