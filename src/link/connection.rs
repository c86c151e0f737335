//! IO. One greeted connection: commands in, replies out, in the redis crate's terms on the inside.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::task::JoinHandle;

use super::dial::ByteStream;
use super::{Command, Reply, ServerError};
use crate::cluster::{Health, Trouble};

/// Shared by all calls of a lane; replies come in the order of the commands. Closed when the last holder lets go.
#[derive(Debug)]
pub(super) struct Connection {
    handle: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Takes over a stream that has been greeted. Sends nothing.
    pub(super) async fn new(stream: Box<dyn ByteStream>) -> Result<Self, Trouble> {
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        // Deadlines are the link's business: a call knows how long it may take.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (handle, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await.map_err(|error| lost(&error))?;
        Ok(Self { handle, driver: tokio::spawn(driver) })
    }

    /// False once the stream has ended: what is sent now certainly does not leave.
    pub(super) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// Sends the commands together and waits for all replies. An error means that some reply never came.
    pub(super) async fn send(&self, commands: &[Command]) -> Result<Vec<Reply>, Trouble> {
        let mut handle = self.handle.clone();
        let values = match commands {
            [command] => handle.send_packed_command(&packed(command)).await.map(|value| vec![value]),
            commands => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(packed(command));
                }
                handle.send_packed_commands(&pipeline, 0, commands.len()).await
            }
        };
        Ok(values.map_err(|error| lost(&error))?.into_iter().map(reply).collect())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn packed(command: &Command) -> Cmd {
    let mut packed = Cmd::new();
    for word in &command.0 {
        packed.arg(word.as_slice());
    }
    packed
}

fn lost(error: &RedisError) -> Trouble {
    match error.kind() {
        ErrorKind::Parse => Trouble::new(Health::Garbage, error.detail().unwrap_or("the reply is not the Redis protocol")),
        _ => Trouble::new(Health::Closed, "the connection ended before the reply came"),
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Int(number),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(yes) => Reply::Int(i64::from(yes)),
        Value::Okay => Reply::Bytes(b"OK".to_vec()),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => Reply::Bytes(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Reply::Bytes(text.into_bytes()),
        Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
            Reply::Array(items.into_iter().map(reply).collect())
        }
        Value::Map(pairs) => Reply::Array(pairs.into_iter().flat_map(|(key, value)| [reply(key), reply(value)]).collect()),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => {
            Reply::Error(ServerError { code: error.code().to_owned(), detail: error.details().unwrap_or_default().to_owned() })
        }
        other => Reply::Bytes(format!("{other:?}").into_bytes()),
    }
}
