//! IO. The one writer of the command line: results to stdout, everything else to stderr, and nothing that others wrote as
//! it is. A reader that has gone away (`| head`) is no error; a result that cannot be written is one.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use serde_json::Value as Json;

use crate::cli::context::paint;
use crate::escape;

/// Why results were lost, once they were.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes what we made ourselves and flushes it: another program may be waiting for this line. False when it did not get
/// there.
pub(crate) fn own(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != ErrorKind::BrokenPipe {
                let _ = LOST.set(error.to_string());
            }
            false
        }
    }
}

/// Why results were lost; None when all that anybody wanted to read has been written.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Writes a result: lines of text, in which everything is text.
pub(crate) fn result(text: &str) -> bool {
    own(&escape::text(text))
}

/// The same with the colours that [`paint::Paint`] has put into it.
pub(crate) fn painted(text: &str) -> bool {
    own(&paint::ansi(text))
}

/// One line.
pub(crate) fn line(text: &str) -> bool {
    result(&format!("{text}\n"))
}

/// One JSON document, on one line so that every consumer of lines can read it.
pub(crate) fn json(value: &Json) -> bool {
    own(&format!("{}\n", json_text(value)))
}

/// JSON as it is printed: everything that a terminal would act on has an escape.
pub(crate) fn json_text(value: &Json) -> String {
    escape::json(&value.to_string()).into_owned()
}

/// Tells the operator something that is no result.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", escape::text(text));
}

/// Stdout is a terminal that wants colours.
pub(crate) fn colours() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal and waits for a line; None when there is none to come.
pub(crate) fn ask(question: &str) -> Option<String> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{} ", escape::line(question)).and_then(|()| stderr.flush()).ok()?;
    drop(stderr);
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer).ok()?;
    (read > 0).then(|| answer.trim().to_owned())
}

/// Rounded for JSON: three digits after the point say more than any of these measurements knows.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
