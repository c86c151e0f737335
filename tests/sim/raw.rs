//! IO. A client without any comfort: a line of words goes out, the reply comes back. For contract checks and for the fuzzer.

use std::time::Duration;

use rgc_tui::cluster::Address;
use rgc_tui::link::ByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::resp::{Value, take_reply};

pub struct Raw {
    stream: Box<dyn ByteStream>,
    buffer: Vec<u8>,
}

impl Raw {
    /// To a real server.
    pub async fn connect(address: &Address) -> std::io::Result<Self> {
        let stream = TcpStream::connect((&*address.host, address.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    pub fn over(stream: Box<dyn ByteStream>) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Sends words split at spaces and waits for the reply, up to ten seconds.
    pub async fn ask(&mut self, line: &str) -> std::io::Result<Value> {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        self.words(&words).await
    }

    pub async fn words(&mut self, words: &[&str]) -> std::io::Result<Value> {
        let mut out = format!("*{}\r\n", words.len());
        for word in words {
            out.push_str(&format!("${}\r\n{}\r\n", word.len(), if *word == "\"\"" { "" } else { word }));
        }
        self.stream.write_all(out.replace("$2\r\n\r\n", "$0\r\n\r\n").as_bytes()).await?;
        self.next().await
    }

    /// The next thing that the server says, up to ten seconds.
    pub async fn next(&mut self) -> std::io::Result<Value> {
        timeout(Duration::from_secs(10), async {
            loop {
                if let Some(reply) = take_reply(&mut self.buffer) {
                    return Ok(reply);
                }
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
        })
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}
