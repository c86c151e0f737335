//! Every sentence of the program in one file to read, and the words that none of them may use.
//!
//! `tests/messages.txt` has the sentences that stand in `src/`, file by file: findings, causes, refusals, outcomes, warnings,
//! errors and help. It is written by `INSTA_UPDATE=always cargo test --test messages` and read by whoever changes one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Words of no operator's language, and what is said instead.
const BANNED: &[(&str, &str)] = &[
    ("ail", "need repair"),
    ("ails", "needs repair"),
    ("ailing", "in need of repair"),
    ("camp", "nodes that disagree"),
    ("camps", "nodes disagree"),
    ("cure", "repair"),
    ("cures", "repairs"),
    ("deed", "operation"),
    ("deeds", "operations"),
    ("giver", "source"),
    ("heir", "candidate"),
    ("heirs", "candidates"),
    ("mend", "repair"),
    ("mends", "repairs"),
    ("newcomer", "joining node"),
    ("newcomers", "joining nodes"),
    ("omen", "severity"),
    ("roster", "members"),
    ("sweep", "scan"),
    ("sweeps", "scans"),
    ("swept", "scanned"),
    ("taker", "target"),
    ("twins", "copies"),
];

/// A source file's name below `src/`, and its sentences in their order.
struct Messages {
    file: String,
    sentences: Vec<String>,
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn all() -> Vec<Messages> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let of_tests =
        |path: &PathBuf| path.iter().any(|part| part == "tests" || part == "sample" || part == "testing") || is_test_file(path);
    files.retain(|path| !of_tests(path));
    files
        .iter()
        .map(|path| {
            let file = path.strip_prefix(&root).unwrap().display().to_string();
            // The command line's help stands in the comments of its definition.
            let help = file == "cli/args.rs" || file == "cli/mod.rs";
            let text = fs::read_to_string(path).unwrap();
            Messages { sentences: sentences(&text, help), file }
        })
        .collect()
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    ["tests", "sample", "testing"].contains(&&*name) || name.ends_with("_tests")
}

/// The sentences of one source file; with `help`, those of its documentation too.
fn sentences(source: &str, help: bool) -> Vec<String> {
    let mut found = Vec::new();
    collect(source.parse().expect("src/ is Rust"), help, &mut found);
    found.retain(|text| is_sentence(text));
    found
}

/// String literals outside of tests and attributes; `#[doc]` counts with `help`, `#[error]` always.
fn collect(tokens: TokenStream, help: bool, found: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut of_tests = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                if let Some(TokenTree::Punct(inner)) = tokens.peek()
                    && inner.as_char() == '!'
                {
                    tokens.next();
                }
                let Some(TokenTree::Group(attribute)) = tokens.peek().cloned() else { continue };
                tokens.next();
                let words = attribute.stream().to_string();
                of_tests |= words.starts_with("cfg (test)") || words.starts_with("cfg(test)");
                if words.starts_with("error")
                    || help && (words.starts_with("doc") || words.starts_with("arg") || words.starts_with("command"))
                {
                    collect(attribute.stream(), help, found);
                }
            }
            TokenTree::Group(group) if of_tests && group.delimiter() == Delimiter::Brace => of_tests = false,
            TokenTree::Group(group) => collect(group.stream(), help, found),
            TokenTree::Punct(mark) if mark.as_char() == ';' => of_tests = false,
            TokenTree::Literal(literal) => found.extend(text_of(&literal.to_string())),
            _ => {}
        }
    }
}

/// The text of a string literal, plain or raw; None for other literals.
fn text_of(literal: &str) -> Option<String> {
    if let Some(rest) = literal.strip_prefix('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        return rest.get(hashes + 1..rest.len() - hashes - 1).map(String::from);
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    // A break of the line after a backslash, and what indents the next one, are not part of the text.
    let mut text = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some('"')) => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    Some(text)
}

/// It has two words of a language beside each other: no command for servers, no layout, no name.
fn is_sentence(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        word.len() > 1 && word.chars().all(|c| c.is_alphabetic() || c == '\'' || c == '-') && word.chars().any(char::is_lowercase)
    };
    words.windows(2).any(|pair| plain(pair[0]) && plain(pair[1])) || words.len() > 2 && words.iter().any(|word| plain(word))
}

#[test]
fn every_sentence_stands_in_the_file_that_is_read() {
    let mut text = String::new();
    for Messages { file, sentences } in all().iter().filter(|messages| !messages.sentences.is_empty()) {
        text += &format!("\n{file}\n");
        for sentence in sentences {
            text += &format!("    {}\n", sentence.replace('\n', "\\n"));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.txt");
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if kept != text && std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        fs::write(&path, &text).unwrap();
        return;
    }
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (kept.lines().collect(), text.lines().collect());
    let gone = old.difference(&new).map(|line| format!("-{line}"));
    let come = new.difference(&old).map(|line| format!("+{line}"));
    let changes: Vec<String> = gone.chain(come).collect();
    assert!(
        kept == text,
        "tests/messages.txt is not what stands in src/; read the changes, then INSTA_UPDATE=always cargo test --test messages\n{}",
        changes.join("\n")
    );
}

#[test]
fn no_sentence_uses_a_word_that_operators_do_not() {
    let mut wrong = Vec::new();
    for Messages { file, sentences } in all() {
        for sentence in sentences {
            let words: BTreeSet<String> =
                sentence.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase).filter(|word| !word.is_empty()).collect();
            let found = BANNED.iter().filter(|(word, _)| words.contains(*word));
            wrong.extend(found.map(|(word, better)| format!("src/{file}: \"{word}\", better \"{better}\": {sentence}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The same for names and comments, of the program and of its tests: one word for one thing.
#[test]
fn no_name_and_no_comment_uses_them_either() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests", "benches", "examples"].iter().for_each(|folder| walk(&root.join(folder), &mut files));
    let own = |file: &&PathBuf| !file.ends_with("tests/messages.rs");
    let mut wrong = Vec::new();
    for file in files.iter().filter(own) {
        let text = fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in line.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
                // `RoomSweep` is two words.
                let starts = word.char_indices().filter(|(at, c)| *at == 0 || c.is_uppercase()).map(|(at, _)| at);
                let ends = starts.clone().skip(1).chain([word.len()]);
                let parts = starts.zip(ends).map(|(from, to)| word[from..to].to_lowercase());
                let found: Vec<String> = parts.filter(|part| BANNED.iter().any(|(banned, _)| banned == part)).collect();
                wrong.extend(found.into_iter().map(|part| format!("{}:{}: \"{part}\"", file.display(), number + 1)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// A line that was meant to go on, and did not: a run of spaces in the middle of a sentence.
#[test]
fn no_sentence_has_a_hole() {
    let hole = |sentence: &String| sentence.trim().contains("    ") && !sentence.contains("\n");
    let mut wrong = Vec::new();
    for Messages { file, sentences } in all() {
        wrong.extend(sentences.into_iter().filter(hole).map(|sentence| format!("src/{file}: {sentence}")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Keys can be bound anew, and a shell has none: sentences do not name them, who shows a sentence adds its key.
#[test]
fn no_sentence_names_a_key() {
    let own = ["keys/", "ui/divergence.rs"];
    let mut wrong = Vec::new();
    for Messages { file, sentences } in all().into_iter().filter(|messages| !own.iter().any(|own| messages.file.starts_with(own))) {
        for sentence in sentences {
            let word = |word: &str| {
                let bare = word.trim_matches(|c: char| ":;,.()".contains(c));
                let single =
                    bare.len() == 1 && bare.chars().all(char::is_alphabetic) && !["a", "A", "B", "I", "N", "s"].contains(&bare);
                let bracketed = word.starts_with('[') && word.ends_with(']') && word.chars().count() == 3;
                bracketed || single || bare.starts_with("ctrl-") || bare.starts_with("shift-")
            };
            if let Some(word) = sentence.split_whitespace().find(|text| word(text)) {
                wrong.push(format!("src/{file}: `{word}`: {sentence}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn sentences_are_found_and_tests_are_not() {
    let source = r###"
        //! A page.
        /// How it is.
        #[error("cannot reach {0}: look at it")]
        fn say() {
            let _ = format!("the node {node} is down, \
                and {}", "CLUSTER SETSLOT 1 NODE x", r#"raw "and so" on"#);
            call("word", 'c', 1.0);
        }
        #[cfg(test)]
        mod tests {
            const SAID: &str = "this is not said";
        }
        const LAST: &str = "this one is";
    "###;
    let texts = ["cannot reach {0}: look at it", "the node {node} is down, and {}", "raw \"and so\" on", "this one is"];
    assert_eq!(sentences(source, false), texts);
    assert_eq!(sentences(source, true).len(), texts.len() + 1, "and the comment that is help");
}
