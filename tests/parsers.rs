//! IO. Whatever servers, terminals and files say, it is read or refused, and nothing panics: random bytes, damaged texts of
//! real servers, and the corpus of `fuzz/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "tests")]

#[path = "parsers/checks.rs"]
mod checks;

use std::path::Path;

use checks::{CHECKS, Check};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;

fn config() -> ProptestConfig {
    let asked = std::env::var("RGC_PARSER_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(192),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/parsers.proptest-regressions"))),
        ..ProptestConfig::default()
    }
}

fn corpus(check: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(check);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// What is done to a text that was good.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, u8),
    /// A piece comes twice.
    Twice(Index, u8),
    Truncate(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let odd = prop_oneof![
        Just(b"-1".to_vec()),
        Just(b"18446744073709551616".to_vec()),
        Just(b"16384".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b" ".to_vec()),
        Just(b":".to_vec()),
        Just("é\u{202e}".as_bytes().to_vec()),
        Just(b"[5->-".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), odd).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), 1u8..).prop_map(|(at, count)| Damage::Cut(at, count)),
        (any::<Index>(), 1u8..).prop_map(|(at, count)| Damage::Twice(at, count)),
        any::<Index>().prop_map(Damage::Truncate),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let place = |at: &Index| at.index(bytes.len() + 1).min(bytes.len());
        match damage {
            Damage::Set(at, byte) => {
                let at = place(at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Damage::Insert(at, more) => {
                let at = place(at);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Cut(at, count) => {
                let at = place(at);
                let end = (at + usize::from(*count)).min(bytes.len());
                bytes.drain(at..end);
            }
            Damage::Twice(at, count) => {
                let at = place(at);
                let piece = bytes[at..(at + usize::from(*count)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            Damage::Truncate(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

/// A check, and one of its good texts with a few damages.
fn hurt() -> impl Strategy<Value = (usize, Vec<u8>)> {
    (0..CHECKS.len(), any::<Index>(), prop::collection::vec(damage(), 0..8)).prop_map(|(check, which, damages)| {
        let texts = corpus(CHECKS[check].0);
        (check, damaged(texts[which.index(texts.len())].clone(), &damages))
    })
}

#[test]
fn the_corpus_is_read() {
    for (name, check) in CHECKS {
        let texts = corpus(name);
        assert!(!texts.is_empty(), "{name} has no corpus");
        texts.iter().for_each(|text| check(text));
    }
}

#[test]
fn every_check_is_a_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in CHECKS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no binary in fuzz/Cargo.toml");
        assert!(folder.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has no target");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, check) in CHECKS {
            check(&bytes);
        }
    }

    #[test]
    fn damaged_texts_are_read_or_refused((check, bytes) in hurt()) {
        let (_, check): Check = CHECKS[check];
        check(&bytes);
    }
}
