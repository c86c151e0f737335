//! What this program is made of, held against `deny.toml`: licences, duplicates, and where it all comes from.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn toml(file: &str) -> toml::Table {
    std::fs::read_to_string(root().join(file)).unwrap().parse().unwrap()
}

fn words(value: &toml::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// An expression at this word, where it is in no brackets.
fn split(expression: &str, at: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for word in expression.split_whitespace() {
        if word == at && depth == 0 {
            parts.push(String::new());
            continue;
        }
        depth += word.matches('(').count();
        depth -= word.matches(')').count();
        let part = parts.last_mut().unwrap();
        *part = format!("{part} {word}").trim().to_owned();
    }
    parts
}

/// Whether a licence expression can be met by these: `A OR B` by either, `A AND B` by both. A slash is an old `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let (either, both) = (split(&expression, "OR"), split(&expression, "AND"));
    match (either.as_slice(), both.as_slice()) {
        ([_], [one]) => match one.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')) {
            Some(inside) => is_met(inside, allowed),
            None => allowed.contains(one),
        },
        ([_], both) => both.iter().all(|part| is_met(part, allowed)),
        (either, _) => either.iter().any(|part| is_met(part, allowed)),
    }
}

#[test]
fn licence_expressions_are_read() {
    let allowed: BTreeSet<String> = ["MIT", "Apache-2.0 WITH LLVM-exception"].map(String::from).into();
    for (expression, met) in [
        ("MIT", true),
        ("MIT OR GPL-3.0", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND MIT", true),
        ("(GPL-3.0 OR BSD) AND MIT", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("GPL-3.0", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

/// What is built on this machine, tests and benches included, as cargo tells of it.
fn metadata() -> Json {
    let version = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

#[test]
fn every_licence_is_allowed() {
    let deny = toml("deny.toml");
    let licences = &deny["licenses"];
    let allowed = words(&licences["allow"]);
    let exceptions: BTreeMap<&str, BTreeSet<String>> = licences["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["crate"].as_str().unwrap(), words(&one["allow"])))
        .collect();
    let told = metadata();
    let packages = told["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in packages.iter().filter(|package| !package["source"].is_null()) {
        let (name, licence) = (package["name"].as_str().unwrap(), package["license"].as_str());
        let mut allowed = allowed.clone();
        allowed.extend(exceptions.get(name).into_iter().flatten().cloned());
        assert!(licence.is_some_and(|licence| is_met(licence, &allowed)), "{name}: {licence:?} is not allowed by deny.toml");
    }
}

#[test]
fn nothing_is_there_twice_but_what_is_known_to_be() {
    let lock = toml("Cargo.lock");
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let source = package.get("source").map(|source| source.as_str().unwrap());
        assert!(source.is_none_or(|source| source == "registry+https://github.com/rust-lang/crates.io-index"), "{package:?}");
        versions.entry(package["name"].as_str().unwrap()).or_default().insert(package["version"].as_str().unwrap());
    }
    // All but the newest of each.
    let older: BTreeSet<String> = versions
        .iter()
        .flat_map(|(name, versions)| {
            let numbers =
                |version: &str| version.split(['.', '+', '-']).map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
            let newest = versions.iter().max_by_key(|version| numbers(version)).copied();
            versions.iter().filter(move |version| Some(**version) != newest).map(move |version| format!("{name}@{version}"))
        })
        .collect();
    let known = words(&toml("deny.toml")["bans"]["skip"]);
    let (new, gone): (Vec<_>, Vec<_>) = (older.difference(&known).collect(), known.difference(&older).collect());
    assert!(new.is_empty() && gone.is_empty(), "not in deny.toml: {new:?}; in it, and not twice any more: {gone:?}");
}

/// What the program is built from, tests left out, is content with the compiler that `rust-version` promises.
#[test]
fn nothing_that_the_program_needs_asks_for_a_newer_compiler() {
    let told = metadata();
    let nodes = told["resolve"]["nodes"].as_array().unwrap();
    let needs: BTreeMap<&str, Vec<&str>> = nodes
        .iter()
        .map(|node| {
            let deps = node["deps"].as_array().unwrap().iter();
            let needed = deps.filter(|dep| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev"));
            (node["id"].as_str().unwrap(), needed.map(|dep| dep["pkg"].as_str().unwrap()).collect())
        })
        .collect();
    let (mut open, mut needed) = (vec![told["resolve"]["root"].as_str().unwrap()], BTreeSet::new());
    while let Some(id) = open.pop() {
        if needed.insert(id) {
            open.extend(&needs[id]);
        }
    }
    let number = |version: &str| {
        let mut parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
        parts.resize(3, 0);
        parts
    };
    let manifest = toml("Cargo.toml");
    let oldest = manifest["package"]["rust-version"].as_str().unwrap();
    let packages = told["packages"].as_array().unwrap().iter();
    let newer: Vec<String> = packages
        .filter(|package| needed.contains(package["id"].as_str().unwrap()))
        .filter(|package| package["rust_version"].as_str().is_some_and(|version| number(version) > number(oldest)))
        .map(|package| format!("{} {} needs {}", package["name"], package["version"], package["rust_version"]))
        .collect();
    assert!(needed.len() > 100 && newer.is_empty(), "{} packages; newer than {oldest}: {newer:?}", needed.len());
}
