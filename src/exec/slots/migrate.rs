//! IO. MIGRATE: one command, and what its many answers mean.

use std::fmt;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::cluster::{Address, Health, Trouble};
use crate::link::{Command, Failure, Lane, LinkSettings, Links, Reply};

use super::batch::Key;

/// What came of one MIGRATE.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::exec) enum Migrated {
    /// All keys are on the target, or were gone before.
    All,
    /// Some of these keys are on the target already: which, and whether the same, has to be looked at.
    OnBothSides,
    /// The target did not answer in time, or we did not hear the end: keys may be on both sides.
    Unclear(String),
    /// It never left this machine: nothing has changed, and nobody has said no.
    NotSent(String),
    /// The target or the source said no; its words.
    Refused(String),
}

impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "OK",
            Self::OnBothSides => "BUSYKEY",
            Self::Unclear(text) | Self::NotSent(text) | Self::Refused(text) => text,
        })
    }
}

/// The words that log the source in at the target: it has the same users.
pub(in crate::exec) fn credentials(settings: &LinkSettings) -> Vec<Vec<u8>> {
    match (&settings.username, &settings.password) {
        (Some(user), Some(password)) => {
            vec![b"AUTH2".to_vec(), user.as_bytes().to_vec(), password.expose_secret().as_bytes().to_vec()]
        }
        (None, Some(password)) => vec![b"AUTH".to_vec(), password.expose_secret().as_bytes().to_vec()],
        _ => Vec::new(),
    }
}

/// The command that moves these keys, all of one database and one slot.
pub(in crate::exec) fn command(to: &Address, timeout: Duration, replace: bool, credentials: &[Vec<u8>], keys: &[Key]) -> Command {
    let database = keys.first().map_or(0, |key| key.database);
    let mut command = Command::words("MIGRATE").arg(&*to.host).arg(to.port.to_string()).arg("").arg(database.to_string());
    command = command.arg(timeout.as_millis().to_string());
    if replace {
        command = command.arg("REPLACE");
    }
    command = credentials.iter().fold(command, |command, word| command.arg(word)).arg("KEYS");
    keys.iter().fold(command, |command, key| command.arg(&key.name))
}

/// Sends it to the source and reads the answer's meaning.
pub(in crate::exec) async fn send(links: &Links, source: &Address, command: &Command, database: u32, within: Duration) -> Migrated {
    let link = links.get(source, Lane::Work);
    if database == 0 {
        return meaning(link.call_within(command, within).await);
    }
    let select = |number: u32| Command::words(&format!("SELECT {number}"));
    let answer = link.pipeline(&[select(database), command.clone(), select(0)], within).await;
    meaning(answer.and_then(|replies| match <[Reply; 3]>::try_from(replies) {
        Ok([Reply::Error(error), ..] | [_, Reply::Error(error), _]) => Err(Failure::Server(error)),
        Ok([_, reply, _]) => Ok(reply),
        Err(_) => Err(Failure::Unknown(Trouble::new(Health::Garbage, "not as many replies as commands"))),
    }))
}

fn meaning(answer: Result<Reply, Failure>) -> Migrated {
    match answer {
        Ok(_) => Migrated::All,
        Err(Failure::Server(error)) => {
            let text = error.to_string();
            if text.contains("BUSYKEY") {
                Migrated::OnBothSides
            } else if error.code == "IOERR" {
                Migrated::Unclear(text)
            } else {
                Migrated::Refused(text)
            }
        }
        Err(Failure::NotSent(trouble)) => Migrated::NotSent(format!("not sent: {trouble}")),
        Err(Failure::Unknown(trouble)) => Migrated::Unclear(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ServerError;

    fn said(code: &str, detail: &str) -> Migrated {
        meaning(Err(Failure::Server(ServerError { code: code.into(), detail: detail.into() })))
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(meaning(Ok(Reply::Bytes(b"NOKEY".to_vec()))), Migrated::All);
        assert_eq!(
            said("ERR", "Target instance replied with error: BUSYKEY Target key name already exists."),
            Migrated::OnBothSides
        );
        assert!(matches!(said("IOERR", "error or timeout reading to target instance"), Migrated::Unclear(_)));
        assert!(matches!(said("ERR", "Target instance replied with error: OOM command not allowed"), Migrated::Refused(_)));
    }

    #[test]
    fn the_command_holds_the_keys_and_hides_the_password() {
        let settings = LinkSettings { password: Some("secret".into()), ..LinkSettings::default() };
        let keys = [Key { name: b"a b".to_vec(), bytes: 1, database: 0 }];
        let command = command(&Address::new("10.0.0.4", 7003), Duration::from_secs(5), true, &credentials(&settings), &keys);
        assert_eq!(command.to_string(), "MIGRATE 10.0.0.4 7003 \"\" 0 5000 REPLACE AUTH (hidden) KEYS \"a b\"");
    }
}
