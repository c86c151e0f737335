//! Who may name whom: the imports of `src/` held against the table of layers, and the habits every file keeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module and the modules of ours it may name besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("quantity", &[]),
    ("escape", &[]),
    ("private", &[]),
    ("cluster", &["quantity", "escape"]),
    ("plan", &["cluster", "quantity", "escape"]),
    ("alerts", &["cluster", "plan", "quantity"]),
    ("monitor", &["cluster", "alerts"]),
    ("metrics", &["cluster", "alerts", "monitor", "plan"]),
    ("keys", &[]),
    ("theme", &[]),
    ("app", &["cluster", "alerts", "monitor", "plan", "keys", "escape"]),
    ("ui", &["app", "cluster", "alerts", "monitor", "plan", "keys", "theme", "quantity", "escape"]),
    ("deploy", &["cluster"]),
    ("link", &["cluster", "quantity", "escape"]),
    ("watch", &["link", "cluster", "escape"]),
    ("exec", &["link", "plan", "cluster", "quantity", "escape", "private"]),
    ("record", &["cluster", "plan"]),
    ("rooms", &["link", "cluster"]),
    ("local", &["link", "cluster"]),
    ("play", &["link", "cluster"]),
    ("memory", &["cluster", "private"]),
    ("session", &["link", "watch", "exec", "record", "memory", "plan", "cluster"]),
    ("config", &["keys", "theme", "plan", "alerts", "cluster"]),
    ("term", &["app", "escape"]),
    (
        "tui",
        &[
            "app", "ui", "keys", "theme", "term", "session", "exec", "config", "alerts", "cluster", "plan", "local", "play",
            "link", "watch", "record", "private", "memory",
        ],
    ),
    (
        "cli",
        &[
            "tui", "term", "session", "record", "config", "local", "play", "rooms", "exec", "watch", "link", "deploy", "keys",
            "theme", "plan", "alerts", "monitor", "metrics", "cluster", "app", "ui", "quantity", "escape", "private", "memory",
        ],
    ),
    ("main", &["cli"]),
];

/// Modules that never touch the world: every file of theirs says so.
const PURE: &[&str] =
    &["quantity", "escape", "cluster", "alerts", "monitor", "metrics", "plan", "keys", "theme", "app", "ui", "deploy"];

/// What a pure file has no business naming.
const IMPURE: &[&str] = &[
    "tokio",
    "std::time::Instant",
    "Instant::now",
    "SystemTime",
    "Utc::now",
    "Local::now",
    "std::env",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
];

/// Lines of a file without its tests.
const LONGEST: usize = 500;
const MEDIAN: usize = 150;

/// One source file, its path relative to `src/`.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The top-level module it belongs to.
    fn module(&self) -> String {
        let first = self.path.iter().next().unwrap().to_string_lossy();
        first.trim_end_matches(".rs").to_string()
    }

    /// How deep its module lies: 1 for `cluster/mod.rs` and `session.rs`, 2 for `cluster/slot.rs`.
    fn depth(&self) -> usize {
        self.path.iter().count() - usize::from(self.path.file_name().unwrap() == "mod.rs")
    }

    /// Its lines up to the tests, comments blanked out.
    fn production(&self) -> Vec<&str> {
        let lines = self.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        lines.map(|line| line.find("//").filter(|&at| !line[..at].ends_with(':')).map_or(line, |at| &line[..at])).collect()
    }
}

fn walk(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, root, sources);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { path: path.strip_prefix(root).unwrap().to_path_buf(), text });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    walk(&root, &root, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that starts at the crate's root, with its line: the segments as far as they are spelled out.
fn paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let text = source.production().join("\n");
    let from_root = format!("{}::", vec!["super"; source.depth()].join("::"));
    let mut found = Vec::new();
    for root in ["crate::", "rgc_tui::", &from_root] {
        for (at, _) in text.match_indices(root) {
            let before = &text[..at];
            if before.ends_with(is_word) || before.ends_with("::") || before.ends_with('$') {
                continue;
            }
            let line = before.matches('\n').count() + 1;
            for branch in branches(&text[at + root.len()..]) {
                found.push((line + branch.0, branch.1));
            }
        }
    }
    found
}

/// `a::b` gives one branch, `{a::b, c}` two; with each the lines it lies further down.
fn branches(text: &str) -> Vec<(usize, Vec<String>)> {
    if !text.starts_with('{') {
        return vec![(0, segments(text))];
    }
    let (mut depth, mut line, mut fresh, mut found) = (0, 0, false, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => {
                depth += 1;
                fresh = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            '\n' => line += 1,
            c if is_word(c) && fresh => {
                found.push((line, segments(&text[at..])));
                fresh = false;
            }
            _ => {}
        }
    }
    found
}

fn segments(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !is_word(c) && c != ':').unwrap_or(text.len());
    text[..end].split("::").filter(|word| !word.is_empty()).map(String::from).collect()
}

/// Everything that is against the rules, each as `file:line: what`.
fn violations(sources: &[Source]) -> Vec<String> {
    let modules: BTreeSet<String> =
        sources.iter().map(Source::module).filter(|module| module != "lib" && module != "main").collect();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.module() != "lib") {
        let file = source.path.display();
        let module = source.module();
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("src/{file}:1: `{module}` has no row in the table of layers (tests/layers.rs)"));
            continue;
        };
        for (line, path) in paths(source) {
            let Some(named) = path.first().filter(|named| modules.contains(*named)) else { continue };
            if *named != module && !allowed.contains(&named.as_str()) {
                wrong.push(format!("src/{file}:{line}: `{module}` must not name `{named}`"));
            }
            // The command line may show a picture, not reach into how it is drawn.
            let inside = path.len() > 2 && path.get(1).is_some_and(|word| word.chars().all(|c| c.is_lowercase() || c == '_'));
            if module == "cli" && matches!(named.as_str(), "ui" | "app") && inside {
                wrong.push(format!("src/{file}:{line}: `cli` must not reach into `{named}`"));
            }
        }
        let first = source.text.lines().next().unwrap_or_default();
        let pure = first.starts_with("//! PURE.");
        if !pure && !first.starts_with("//! IO.") {
            wrong.push(format!("src/{file}:1: the first line must be `//! PURE. …` or `//! IO. …`"));
        } else if !pure && PURE.contains(&module.as_str()) {
            wrong.push(format!("src/{file}:1: every file of `{module}` is PURE"));
        }
        if pure {
            for (number, line) in source.production().iter().enumerate() {
                for word in IMPURE.iter().filter(|word| names(line, word)) {
                    wrong.push(format!("src/{file}:{}: a PURE file must not name `{word}`", number + 1));
                }
            }
        }
        let lines = source.production().len();
        if lines > LONGEST {
            wrong.push(format!("src/{file}:{lines}: {lines} lines without tests, {LONGEST} are allowed"));
        }
    }
    wrong
}

/// The line names the word as a word of its own.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word))
}

#[test]
fn every_file_keeps_to_its_layer() {
    let wrong = violations(&sources());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn files_are_small() {
    let mut lengths: Vec<usize> = sources().iter().map(|source| source.production().len()).filter(|&lines| lines > 3).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN, "the median file has {median} lines without tests, {MEDIAN} are the aim");
}

#[test]
fn a_planted_violation_is_named_with_its_place() {
    let planted = [
        Source::new("cluster/mod.rs", "//! PURE. Facts.\nuse crate::link::Link;\n"),
        Source::new("cluster/deep.rs", "//! PURE. Facts.\nuse super::super::exec::Run;\nuse super::mod_of_ours;\n"),
        Source::new("exec/mod.rs", "//! IO. Deeds.\nuse crate::{\n    cluster::Model,\n    app::{App, Event},\n};\n"),
        Source::new("link/mod.rs", "What is this?\n"),
        Source::new("app/mod.rs", "//! PURE. Looks.\nfn now() { let _ = std::time::Instant::now(); }\n"),
        Source::new("ui/mod.rs", "//! IO. Draws.\n"),
        Source::new("cli/mod.rs", "//! IO. Says.\nuse crate::ui::draw;\nuse crate::ui::widgets::Table;\n"),
        Source::new("misc.rs", "//! IO. What?\n"),
        Source::new("plan/mod.rs", &format!("//! PURE. Long.\n{}", "//\n".repeat(LONGEST))),
        Source::new(
            "theme/mod.rs",
            "//! PURE. Fine, as crate::link says.\n// crate::exec\nuse crate::theme::Role;\n#[cfg(test)]\nmod tests {\n    use crate::ui;\n}\n",
        ),
    ];
    let wrong = violations(&planted);
    let expected = [
        "src/cluster/mod.rs:2: `cluster` must not name `link`",
        "src/cluster/deep.rs:2: `cluster` must not name `exec`",
        "src/exec/mod.rs:4: `exec` must not name `app`",
        "src/link/mod.rs:1: the first line must be `//! PURE. …` or `//! IO. …`",
        "src/app/mod.rs:2: a PURE file must not name `std::time::Instant`",
        "src/app/mod.rs:2: a PURE file must not name `Instant::now`",
        "src/ui/mod.rs:1: every file of `ui` is PURE",
        "src/cli/mod.rs:3: `cli` must not reach into `ui`",
        "src/misc.rs:1: `misc` has no row in the table of layers (tests/layers.rs)",
        "src/plan/mod.rs:501: 501 lines without tests, 500 are allowed",
    ];
    assert_eq!(wrong, expected);
}
