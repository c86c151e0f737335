//! IO. Fuzzes one reader; see tests/parsers/checks.rs.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "one of many checks")]

#[path = "../../tests/parsers/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::terminal(bytes));
