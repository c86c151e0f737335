//! Who may name whom: the imports of `src/` held against the table of layers, and the habits every file keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One row of the table of layers.
struct Layer {
    module: String,
    /// Every file of it is pure.
    pure: bool,
    /// The modules of ours it may name besides itself.
    may_name: Vec<String>,
}

/// The table in the documentation of the crate: the one place where it is written.
fn layers(lib: &str) -> Vec<Layer> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, kind, _, may_name, ""] = cells.as_slice() else { panic!("a row of the table of layers has four cells: {row}") };
        Layer {
            module: name.trim_end_matches("`]").to_string(),
            pure: *kind == "pure",
            may_name: may_name.split_whitespace().map(String::from).collect(),
        }
    })
    .collect()
}

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
        // A `mod tests;` may stand anywhere; what is written out in the file stands at its end.
        let end = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines();
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
fn violations(sources: &[Source], layers: &[Layer]) -> Vec<String> {
    let modules: BTreeSet<String> =
        sources.iter().map(Source::module).filter(|module| module != "lib" && module != "main").collect();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.module() != "lib" && source.module() != "main") {
        let file = source.path.display();
        let module = source.module();
        let Some(layer) = layers.iter().find(|layer| layer.module == module) else {
            wrong.push(format!("src/{file}:1: `{module}` has no row in the table of layers (src/lib.rs)"));
            continue;
        };
        for (line, path) in paths(source) {
            let Some(named) = path.first().filter(|named| modules.contains(*named)) else { continue };
            if *named != module && !layer.may_name.contains(named) {
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
        } else if !pure && layer.pure {
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

/// Files and folders of one module that need each other, each circle once: nobody can understand one of them alone.
fn circles(sources: &[Source]) -> Vec<String> {
    let child = |source: &Source| -> Option<String> {
        let mut parts = source.path.iter().skip(1);
        let first = parts.next()?.to_string_lossy().trim_end_matches(".rs").to_string();
        (first != "mod" && first != "tests").then_some(first)
    };
    let mut needs: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let is_tests = |source: &&Source| source.path.iter().any(|part| matches!(part.to_str(), Some("tests" | "tests.rs")));
    for source in sources.iter().filter(|source| !is_tests(source)) {
        let Some(own) = child(source) else { continue };
        let module = source.module();
        // From a file of the module `super` is the module itself; from deeper below it takes one more.
        let above = vec!["super"; source.depth() - 1].join("::");
        let siblings: BTreeSet<String> =
            sources.iter().filter(|other| other.module() == module).filter_map(child).filter(|other| *other != own).collect();
        let text = source.production().join("\n");
        for root in [format!("crate::{module}::"), format!("{above}::")] {
            for (at, _) in
                text.match_indices(&root).filter(|(at, _)| !text[..*at].ends_with("::") && !text[..*at].ends_with(is_word))
            {
                for (_, path) in branches(&text[at + root.len()..]) {
                    if let Some(named) = path.first().filter(|named| siblings.contains(*named)) {
                        needs.entry((module.clone(), own.clone())).or_default().insert(named.clone());
                    }
                }
            }
        }
    }
    let reach = |from: &(String, String)| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.1.clone()]);
        while let Some(at) = open.pop() {
            for next in needs.get(&(from.0.clone(), at)).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&(String, String), BTreeSet<String>> = needs.keys().map(|from| (from, reach(from))).collect();
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (from, seen) in &reached {
        let back = |other: &&String| reached.get(&(from.0.clone(), (*other).clone())).is_some_and(|seen| seen.contains(&from.1));
        let mut circle: Vec<&String> = seen.iter().filter(back).collect();
        circle.sort_unstable();
        if circle.len() > 1 {
            let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
            found.insert(format!("src/{}: these need each other: {}", from.0, names.join(", ")));
        }
    }
    found.into_iter().collect()
}

fn table() -> Vec<Layer> {
    let lib = sources().into_iter().find(|source| source.path == Path::new("lib.rs")).unwrap();
    layers(&lib.text)
}

#[test]
fn every_file_keeps_to_its_layer() {
    let wrong = violations(&sources(), &table());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_table_has_every_module_and_no_ghost_and_no_arrow_back() {
    let (sources, table) = (sources(), table());
    let modules: BTreeSet<String> = sources.iter().map(Source::module).filter(|name| name != "lib" && name != "main").collect();
    let rows: BTreeSet<String> = table.iter().map(|layer| layer.module.clone()).collect();
    assert_eq!(rows, modules);
    let mut above = BTreeSet::new();
    let order: Vec<&str> = table.iter().map(|layer| layer.module.as_str()).collect();
    for layer in &table {
        for name in &layer.may_name {
            assert!(modules.contains(name), "{} may name {name}, which does not exist", layer.module);
            above.insert((layer.module.as_str(), name.as_str()));
        }
    }
    let back: Vec<_> = above.iter().filter(|(from, to)| above.contains(&(to, from))).collect();
    assert!(back.is_empty(), "{order:?}: {back:?}");
}

#[test]
fn no_two_files_of_a_module_need_each_other() {
    let found = circles(&sources());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_planted_circle_is_named() {
    let planted = [
        Source::new("exec/mod.rs", "//! IO. Runs.\n"),
        Source::new("exec/journal.rs", "//! IO. One.\nuse super::ledger::Line;\n"),
        Source::new("exec/ledger.rs", "//! IO. Two.\nuse super::slots::Move;\n"),
        Source::new("exec/slots/mod.rs", "//! IO. Three.\n"),
        Source::new("exec/slots/run.rs", "//! IO. Four.\nuse super::super::{journal::Journal, read};\n"),
        Source::new("exec/read.rs", "//! IO. Five.\n"),
    ];
    assert_eq!(circles(&planted), ["src/exec: these need each other: journal, ledger, slots"]);
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
        Source::new("exec/mod.rs", "//! IO. Operations.\nuse crate::{\n    cluster::Model,\n    app::{App, Event},\n};\n"),
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
    let table = layers(
        "//! | [`cluster`] | pure | a | |\n//! | [`exec`] | IO | b | cluster |\n//! | [`link`] | IO | c | |\n//! | [`app`] | pure | d | |\n//! | [`ui`] | pure | e | |\n//! | [`cli`] | IO | f | ui |\n//! | [`plan`] | pure | g | |\n//! | [`theme`] | pure | h | |\n",
    );
    let wrong = violations(&planted, &table);
    let expected = [
        "src/cluster/mod.rs:2: `cluster` must not name `link`",
        "src/cluster/deep.rs:2: `cluster` must not name `exec`",
        "src/exec/mod.rs:4: `exec` must not name `app`",
        "src/link/mod.rs:1: the first line must be `//! PURE. …` or `//! IO. …`",
        "src/app/mod.rs:2: a PURE file must not name `std::time::Instant`",
        "src/app/mod.rs:2: a PURE file must not name `Instant::now`",
        "src/ui/mod.rs:1: every file of `ui` is PURE",
        "src/cli/mod.rs:3: `cli` must not reach into `ui`",
        "src/misc.rs:1: `misc` has no row in the table of layers (src/lib.rs)",
        "src/plan/mod.rs:501: 501 lines without tests, 500 are allowed",
    ];
    assert_eq!(wrong, expected);
}
