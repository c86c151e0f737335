//! IO. An ear: a connection that has subscribed to a channel and waits for words that are published there.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::attempt::{Stage, reach};
use super::dial::ByteStream;
use super::shared::Shared;
use super::{ServerError, trouble};
use crate::cluster::{Address, Health, Trouble};

/// Kept of what was heard: words of other consoles before ours may be in it.
const MOST: usize = 64 * 1024;

/// Deadlines are the caller's business. Dropped, it is closed.
pub struct Ear {
    stream: Box<dyn ByteStream>,
    heard: Vec<u8>,
}

impl Ear {
    pub(super) async fn open(shared: &Shared, node: &Address, channel: &str) -> Result<Self, Trouble> {
        let (stage, _) = watch::channel(Stage::Reaching);
        let mut stream = reach(shared, node, &stage).await?;
        let words = format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{channel}\r\n", channel.len());
        stream.write_all(words.as_bytes()).await.map_err(|error| trouble::of_io(&error))?;
        stream.flush().await.map_err(|error| trouble::of_io(&error))?;
        let mut ear = Self { stream, heard: Vec::new() };
        // The reply names the channel; an error does not.
        while !ear.has(channel.as_bytes()) {
            if ear.heard.first() == Some(&b'-') && ear.has(b"\r\n") {
                let text = String::from_utf8_lossy(&ear.heard).into_owned();
                let error = ServerError::read(text.trim_start_matches('-').trim_end());
                return Err(Trouble::new(Health::from_error_code(&error.code), error.to_string()));
            }
            ear.listen().await?;
        }
        ear.heard.clear();
        Ok(ear)
    }

    /// Waits until all of these words have been heard, in whatever order.
    pub async fn hear(&mut self, words: &[String]) -> Result<(), Trouble> {
        while !words.iter().all(|word| self.has(word.as_bytes())) {
            self.listen().await?;
        }
        Ok(())
    }

    fn has(&self, words: &[u8]) -> bool {
        self.heard.windows(words.len()).any(|part| part == words)
    }

    async fn listen(&mut self) -> Result<(), Trouble> {
        match self.stream.read_buf(&mut self.heard).await {
            Ok(0) => Err(Trouble::new(Health::Closed, "the server closed the connection")),
            Ok(_) if self.heard.len() > MOST => Err(Trouble::new(Health::Garbage, "says more than was asked for")),
            Ok(_) => Ok(()),
            Err(error) => Err(trouble::of_io(&error)),
        }
    }
}
