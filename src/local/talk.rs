//! IO. One question to one server on a connection of its own: what starting and testing servers needs, no more.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::cluster::Address;
use crate::link::{Command, Reply, ServerError};

/// A plain connection: RESP2, no reconnect.
pub struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    /// Connects, and authenticates the default user when there is a password.
    pub async fn open(address: &Address, password: Option<&str>) -> io::Result<Self> {
        let stream = TcpStream::connect((&*address.host, address.port)).await?;
        stream.set_nodelay(true)?;
        let mut talk = Self { stream: BufReader::new(stream) };
        if let Some(password) = password
            && let Reply::Error(error) = talk.call(&Command::new(["AUTH", password])).await?
        {
            return Err(io::Error::other(error.to_string()));
        }
        Ok(talk)
    }

    /// Sends and waits for the reply; an error of the server is a [`Reply::Error`].
    pub async fn call(&mut self, command: &Command) -> io::Result<Reply> {
        let mut bytes = format!("*{}\r\n", command.0.len()).into_bytes();
        for word in &command.0 {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&bytes).await?;
        self.read().await
    }

    async fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let garbage = || io::Error::new(io::ErrorKind::InvalidData, format!("not a reply: {line:?}"));
        let rest = line.get(1..).unwrap_or_default();
        let number = || rest.parse::<i64>().map_err(|_error| garbage());
        match line.as_bytes().first() {
            Some(b'+') => Ok(Reply::Bytes(rest.into())),
            Some(b':') => Ok(Reply::Int(number()?)),
            Some(b'-') => {
                let (code, detail) = rest.split_once(' ').unwrap_or((rest, ""));
                Ok(Reply::Error(ServerError { code: code.into(), detail: detail.into() }))
            }
            Some(b'$') => {
                let Ok(length) = usize::try_from(number()?) else { return Ok(Reply::Nil) };
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes).await?;
                bytes.truncate(length);
                Ok(Reply::Bytes(bytes))
            }
            Some(b'*') => {
                let Ok(length) = usize::try_from(number()?) else { return Ok(Reply::Nil) };
                let mut items = Vec::new();
                for _ in 0..length {
                    items.push(Box::pin(self.read()).await?);
                }
                Ok(Reply::Array(items))
            }
            _ => Err(garbage()),
        }
    }
}

/// Connects, asks, hangs up; all within the time given.
pub async fn ask(address: &Address, password: Option<&str>, command: &Command, within: Duration) -> io::Result<Reply> {
    let all = async { Talk::open(address, password).await?.call(command).await };
    tokio::time::timeout(within, all).await.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?
}
