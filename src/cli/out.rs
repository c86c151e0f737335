//! IO. Results to stdout, everything else to stderr. A reader that has gone away (`| head`) is no error.

use std::io::{self, IsTerminal, Write};

use serde_json::Value as Json;

/// Writes a result and flushes it: another program may be waiting for this line. False when nobody reads any more.
pub(super) fn result(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// The same with the end of the line.
pub(super) fn line(text: &str) -> bool {
    result(&format!("{text}\n"))
}

/// One JSON document, on one line so that every consumer of lines can read it.
pub(super) fn json(value: &Json) -> bool {
    line(&value.to_string())
}

/// Tells the operator something that is no result.
pub(super) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Stdout is a terminal that wants colours.
pub(super) fn colours() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Somebody can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal and waits for a line; None when there is none to come.
pub(super) fn ask(question: &str) -> Option<String> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} ").and_then(|()| stderr.flush()).ok()?;
    drop(stderr);
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer).ok()?;
    (read > 0).then(|| answer.trim().to_owned())
}

/// Rounded for JSON: three digits after the point say more than any of these measurements knows.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
