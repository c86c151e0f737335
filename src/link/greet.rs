//! IO. The first words on a new connection: AUTH, a name, and a PING that must be answered.
//!
//! Replies are read here, as lines, before the stream is handed on: what a server says unasked (no free client slot)
//! or in another language (HTTP, TLS) is kept in its own words.

use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::trouble;
use super::{LinkSettings, ServerError};
use crate::cluster::{Health, Trouble};

/// Longer first lines are not Redis.
const LONGEST_LINE: usize = 2048;
/// What server-side client lists show.
const NAME: &str = "rgc-tui";

/// Logs in and waits for PING's reply. Error replies to PING are replies: the process lives.
pub(super) async fn greet<S>(stream: &mut S, settings: &LinkSettings) -> Result<(), Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut lines = Lines { stream, buffer: Vec::new() };
    if let Some(password) = &settings.password {
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(settings.username.as_deref().map(str::as_bytes));
        words.push(password.expose_secret().as_bytes());
        lines.send(&[&words]).await?;
        if let Some(error) = lines.reply().await?
            && !wants_no_password(&error)
        {
            return Err(refusal(&error));
        }
    }
    lines.send(&[&[b"CLIENT", b"SETNAME", NAME.as_bytes()], &[b"PING"]]).await?;
    // A user may be forbidden to name itself; that changes nothing.
    if let Some(error) = lines.reply().await? {
        turned_away(&error)?;
    }
    if let Some(error) = lines.reply().await? {
        turned_away(&error)?;
    }
    if lines.buffer.is_empty() { Ok(()) } else { Err(lines.garbage()) }
}

/// A password was given and the server has none: nothing to complain about.
fn wants_no_password(error: &ServerError) -> bool {
    error.code == "ERR" && (error.detail.contains("without any password configured") || error.detail.contains("no password is set"))
}

/// Errors after which the server closes the connection.
fn turned_away(error: &ServerError) -> Result<(), Trouble> {
    if error.code == "DENIED" || (error.code == "ERR" && error.detail.starts_with("max number of clients")) {
        return Err(refusal(error));
    }
    Ok(())
}

fn refusal(error: &ServerError) -> Trouble {
    let health =
        if error.detail.starts_with("max number of clients") { Health::Full } else { Health::from_error_code(&error.code) };
    Trouble::new(health, error.to_string())
}

struct Lines<'a, S> {
    stream: &'a mut S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<'_, S> {
    async fn send(&mut self, commands: &[&[&[u8]]]) -> Result<(), Trouble> {
        let mut bytes = Vec::new();
        for words in commands {
            bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in *words {
                bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        // A server that turns us away may have closed already: its words are still to be read.
        match self.stream.write_all(&bytes).await {
            Ok(()) => self.stream.flush().await.map_err(|error| trouble::of_io(&error)),
            Err(_) => Ok(()),
        }
    }

    /// One reply of the simple kinds: None for a good one, the error otherwise.
    async fn reply(&mut self) -> Result<Option<ServerError>, Trouble> {
        loop {
            if self.buffer.first().is_some_and(|first| !matches!(first, b'+' | b'-')) || self.buffer.len() > LONGEST_LINE {
                return Err(self.garbage());
            }
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end();
                return Ok(text.strip_prefix('-').map(ServerError::read));
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(Trouble::new(Health::Closed, "the server closed the connection before it answered")),
                Ok(_) => {}
                Err(error) => return Err(trouble::of_io(&error)),
            }
        }
    }

    fn garbage(&self) -> Trouble {
        // The first byte of a TLS alert, then a TLS version.
        if self.buffer.starts_with(&[0x15, 0x03]) {
            return Trouble::new(Health::Tls, "the port speaks TLS, and TLS is not configured");
        }
        let text = String::from_utf8_lossy(&self.buffer);
        let line = text.lines().next().unwrap_or_default();
        let shown: String = line.chars().take(60).flat_map(char::escape_default).collect();
        Trouble::new(Health::Garbage, format!("answered `{shown}`"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Greets a peer that has already said all it is going to say.
    async fn greeted_by(words: &[u8], password: Option<&str>) -> Result<(), Trouble> {
        let (mut here, mut there) = duplex(8192);
        there.write_all(words).await.unwrap();
        let settings = LinkSettings { password: password.map(SecretString::from), ..LinkSettings::default() };
        let greeting = greet(&mut here, &settings);
        let peer = async {
            there.shutdown().await.unwrap();
            let mut heard = Vec::new();
            let _ = there.read_to_end(&mut heard).await;
        };
        tokio::select! { result = greeting => result, () = async { peer.await; std::future::pending().await } => unreachable!() }
    }

    #[tokio::test(start_paused = true)]
    async fn every_first_answer_has_its_class() {
        type Greeting<'a> = (&'a [u8], Option<&'a str>, Result<(), (Health, &'a str)>);
        let cases: &[Greeting<'_>] = &[
            (b"+OK\r\n+PONG\r\n", None, Ok(())),
            (b"+OK\r\n+OK\r\n+PONG\r\n", Some("pw"), Ok(())),
            (b"-NOPERM no\r\n-LOADING Redis is loading the dataset in memory\r\n", None, Ok(())),
            (b"-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n", None, Ok(())),
            (b"-ERR AUTH <password> called without any password configured for the default user. Are you sure?\r\n+OK\r\n+PONG\r\n", Some("pw"), Ok(())),
            (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", Some("pw"), Err((Health::WrongPass, "WRONGPASS invalid username"))),
            (b"-ERR max number of clients reached\r\n", None, Err((Health::Full, "max number"))),
            (b"-ERR max number of clients reached\r\n", Some("pw"), Err((Health::Full, "max number"))),
            (b"-DENIED Redis is running in protected mode\r\n", None, Err((Health::Error, "protected mode"))),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", None, Err((Health::Garbage, "HTTP/1.1 400 Bad Request"))),
            (b"+OK\r\n+PONG\r\n+MORE\r\n", None, Err((Health::Garbage, "MORE"))),
            (&[0x15, 3, 3, 0, 2, 2, 70], None, Err((Health::Tls, "TLS"))),
            (b"", None, Err((Health::Closed, "closed"))),
            (b"+OK\r\n", None, Err((Health::Closed, "closed"))),
        ];
        for (words, password, expected) in cases {
            let result = tokio::time::timeout(Duration::from_secs(1), greeted_by(words, *password)).await.expect("no hang");
            match (result, expected) {
                (Ok(()), Ok(())) => {}
                (Err(trouble), Err((health, detail))) => {
                    assert_eq!(trouble.health, *health, "{trouble}");
                    assert!(trouble.detail.contains(detail), "{trouble}");
                    assert!(!trouble.detail.contains("pw"), "{trouble}");
                }
                (result, _) => panic!("{:?}: {result:?}", String::from_utf8_lossy(words)),
            }
        }
    }
}
