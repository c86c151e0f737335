//! IO. Finds the server program and learns which server it is.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::LocalError;

/// Asked for its version, a server answers in milliseconds; a program that does not is none.
const VERSION_WITHIN: Duration = Duration::from_secs(5);

/// A server program that has told its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    pub path: PathBuf,
    pub valkey: bool,
    /// Major and minor version.
    pub release: (u16, u16),
}

impl Binary {
    /// Since Redis 7.2 (and in every Valkey) a node knows the id of its shard, and keeps it in its nodes.conf.
    pub(super) fn has_shard_ids(&self) -> bool {
        self.valkey || self.release >= (7, 2)
    }
}

/// The program at `wanted`, else the first redis-server or valkey-server on PATH.
///
/// # Errors
/// No program is there, or it is not a Redis or Valkey server.
pub async fn find(wanted: Option<&Path>) -> Result<Binary, LocalError> {
    let path = match wanted {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_error| path.to_path_buf()),
        None => ["redis-server", "valkey-server"].into_iter().find_map(on_path).ok_or(LocalError::NoServer)?,
    };
    let bad = |why: String| LocalError::BadBinary { path: path.clone(), why };
    let mut command = tokio::process::Command::new(&path);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_WITHIN, command.output())
        .await
        .map_err(|_elapsed| bad("it does not answer --version".into()))?
        .map_err(|error| bad(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (valkey, release) = version(&text).ok_or_else(|| {
        let said = text.lines().next().unwrap_or_default().chars().take(80).collect::<String>();
        bad(if said.is_empty() {
            format!("--version ends with {} and says nothing", output.status)
        } else {
            format!("--version says `{said}`")
        })
    })?;
    Ok(Binary { path, valkey, release })
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .and_then(|file| std::path::absolute(file).ok())
}

/// `Redis server v=7.0.15 sha=…` or `Valkey server v=8.1.1 …`; Valkey 7.2 says no name.
fn version(text: &str) -> Option<(bool, (u16, u16))> {
    let first = text.lines().next()?;
    let valkey = first.starts_with("Valkey") || first.starts_with("Server v=");
    if !valkey && !first.starts_with("Redis") {
        return None;
    }
    let mut numbers = first.split("v=").nth(1)?.split(['.', ' ']);
    Some((valkey, (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_tell_their_version() {
        assert_eq!(version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), Some((false, (7, 0))));
        assert_eq!(version("Valkey server v=9.1.0 sha=00000000:0"), Some((true, (9, 1))));
        assert_eq!(version("Server v=7.2.7 sha=00000000:0 malloc=libc bits=64"), Some((true, (7, 2))));
        assert_eq!(version("bash, version 5.2"), None);
        assert_eq!(version(""), None);
    }
}
