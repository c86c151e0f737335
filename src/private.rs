//! IO. Files and folders that are this user's alone: addresses, room codes and commands are nobody else's business, and
//! what this program believes to have done is nobody else's to write.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// Group or others may write.
const FOREIGN: u32 = 0o022;
/// Anybody but the owner may do anything.
const SHARED: u32 = 0o077;

/// Makes sure that there is such a folder, and that it is this user's alone.
///
/// # Errors
/// When it cannot be made, or when others may write to it or own it: see [`trusted`].
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    trusted(path).map_err(|why| io::Error::new(ErrorKind::PermissionDenied, why))?;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & SHARED != 0 { std::fs::set_permissions(path, Permissions::from_mode(FOLDER)) } else { Ok(()) }
}

/// Nobody else could have put something into this folder, if there is one; else the sentence that says so.
///
/// # Errors
/// When others may write to it, or it is another user's.
pub fn trusted(path: &Path) -> Result<(), String> {
    let Ok(about) = std::fs::metadata(path) else { return Ok(()) };
    let own = rustix::process::geteuid();
    if about.uid() != own.as_raw() && !own.is_root() {
        return Err(format!(
            "{} belongs to another user (uid {}): move it away, or set XDG_STATE_HOME to a folder of yours",
            path.display(),
            about.uid()
        ));
    }
    if about.permissions().mode() & FOREIGN != 0 {
        return Err(format!(
            "others may write to {0}, so what is in it cannot be trusted: look through it, then `chmod 700 {0}`",
            path.display()
        ));
    }
    Ok(())
}

/// Options to open a file with; a new one is this user's alone, whatever the umask says.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE);
    options
}

/// Opens a file to append to it, and takes from others what they may do with one that was there.
///
/// # Errors
/// As from opening it.
pub fn append(path: &Path) -> io::Result<File> {
    let file = options().create(true).append(true).open(path)?;
    close(&file)?;
    Ok(file)
}

/// Writes a file anew.
///
/// # Errors
/// As from writing it.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = options().create(true).truncate(true).write(true).open(path)?;
    close(&file)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_data()
}

fn close(file: &File) -> io::Result<()> {
    let about = file.metadata()?;
    if about.is_file() && about.permissions().mode() & SHARED != 0 {
        file.set_permissions(Permissions::from_mode(FILE))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_new_is_the_users_alone_and_what_is_old_becomes_so() {
        let base = tempfile::tempdir().unwrap();
        let new = base.path().join("state/rgc-tui/prod");
        folder(&new).unwrap();
        assert_eq!((mode(&new), mode(new.parent().unwrap())), (0o700, 0o700));
        let file = new.join("ledger.jsonl");
        append(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        std::fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
        append(&file).unwrap();
        folder(&new).unwrap();
        assert_eq!((mode(&new), mode(&file)), (0o700, 0o600));
        write(&new.join("plan.json"), "{}").unwrap();
        assert_eq!(mode(&new.join("plan.json")), 0o600);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused_with_what_to_do() {
        let base = tempfile::tempdir().unwrap();
        for open in [0o777, 0o770] {
            std::fs::set_permissions(base.path(), Permissions::from_mode(open)).unwrap();
            let error = folder(base.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 700 {}", base.path().display())), "{error}");
            assert_eq!(mode(base.path()), open);
        }
    }
}
