//! PURE. Words as a shell takes them: what is printed as a command can be pasted, whatever is in it.

use std::borrow::Cow;

/// One word, quoted where a shell would read something else.
pub fn word(text: &str) -> Cow<'_, str> {
    // Only a NUL cannot be quoted, and no argument can hold one.
    shlex::try_quote(text).unwrap_or(Cow::Borrowed("''"))
}

/// Words of a line, as a shell would split it; None where a quotation does not end.
pub fn split(line: &str) -> Option<Vec<String>> {
    shlex::split(line)
}
