//! PURE. What goes over a link: a command, its reply, and the three ways of not getting one.

use std::fmt;

use crate::cluster::{Health, Trouble};
use crate::escape;

/// Words sent to a server, binary safe. Prints as an operator would type it, with passwords hidden.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(pub Vec<Vec<u8>>);

impl Command {
    pub fn new<I>(words: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        Self(words.into_iter().map(|word| word.as_ref().to_vec()).collect())
    }

    /// Splits a sentence at spaces: `Command::words("CLUSTER NODES")`. For fixed words and slot numbers only.
    pub fn words(sentence: &str) -> Self {
        Self::new(sentence.split(' ').filter(|word| !word.is_empty()))
    }

    /// The words of another behind these.
    pub fn append(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    pub fn arg(mut self, word: impl AsRef<[u8]>) -> Self {
        self.0.push(word.as_ref().to_vec());
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hide = 0;
        for (i, word) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            let text = String::from_utf8_lossy(word);
            if hide > 0 {
                hide -= 1;
                f.write_str("(hidden)")?;
                continue;
            }
            hide = match text.to_ascii_uppercase().as_str() {
                "AUTH" if i == 0 => self.0.len(),
                "AUTH" => 1,
                "AUTH2" => 2,
                _ => 0,
            };
            f.write_str(&escape::argument(word))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A server's answer. Maps of RESP3 come as arrays of key, value, key, value.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Nil,
    Int(i64),
    Double(f64),
    /// Simple, bulk and verbatim strings.
    Bytes(Vec<u8>),
    Array(Vec<Reply>),
    /// An error inside an array or a pipeline.
    Error(ServerError),
}

impl Reply {
    /// The reply as text, lossy; None when it is no string.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The bytes of a string; None when it is none.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// An integer, or a string that reads as one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    pub fn array(&self) -> Option<&[Reply]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes == b"OK")
    }
}

/// An error reply: its first word, and the rest of the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    pub code: String,
    pub detail: String,
}

impl ServerError {
    /// Reads the line of an error reply, without its leading `-`.
    pub fn read(line: &str) -> Self {
        // One line, whatever a server writes into it: sentences go on after it.
        let line = line.trim().replace(['\r', '\n'], " ");
        let (code, detail) = line.split_once(' ').unwrap_or((&line, ""));
        Self { code: code.to_owned(), detail: detail.to_owned() }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(&self.code) } else { write!(f, "{} {}", self.code, self.detail) }
    }
}

/// Why a call has no good reply. The difference between the last two decides whether a step may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server said no.
    Server(ServerError),
    /// The command never left: nothing has happened.
    NotSent(Trouble),
    /// The command left and no reply came: it may have happened.
    Unknown(Trouble),
}

impl Failure {
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Server(error) => Trouble::new(Health::from_error_code(&error.code), error.to_string()),
            Self::NotSent(trouble) | Self::Unknown(trouble) => trouble.clone(),
        }
    }

    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::NotSent(trouble) => write!(f, "not sent: {trouble}"),
            Self::Unknown(trouble) => write!(f, "no reply: {trouble}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_printed() {
        let migrate = Command::words("MIGRATE h 1 0 5 AUTH2 rgc secret KEYS a").arg("b c");
        let text = migrate.to_string();
        assert!(!text.contains("secret") && !text.contains("rgc"), "{text}");
        assert!(text.ends_with("KEYS a \"b c\""), "{text}");
        assert_eq!(Command::words("AUTH user secret").to_string(), "AUTH (hidden) (hidden)");
    }
}
