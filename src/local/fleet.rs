//! IO. Some servers, their folders, and the guardian that clears up after them. Dropped, all of it is gone.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::LocalError;
use super::binary::Binary;
use super::guardian::Guardian;
use super::ports::{self, Port};
use super::process::Process;
use crate::cluster::Address;

/// A server of this machine, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNode {
    pub address: Address,
    /// None when its process does not run.
    pub pid: Option<u32>,
    /// Stopped by [`Fault::Freeze`](crate::cluster::Fault::Freeze).
    pub frozen: bool,
    /// Its folder: `log`, `pid`, `nodes.conf`.
    pub folder: PathBuf,
}

/// What stays after `keep`, and how to end it: prints as that sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub folder: PathBuf,
    pub addresses: Vec<Address>,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let folder = self.folder.display();
        write!(f, "still running: {addresses}. Logs: {folder}/*/log. To end them: kill -9 $(cat {folder}/*/pid); rm -r {folder}")
    }
}

#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) binary: Binary,
    pub(super) root: PathBuf,
    pub(super) processes: Vec<Process>,
    /// Given with `--requirepass` among the options, for our own questions.
    pub(super) password: Option<String>,
    guardian: Guardian,
    keep: bool,
}

impl Fleet {
    /// Folders for servers on these ports, below `dir` or a new temporary folder. Nothing runs yet.
    pub(super) fn new(
        binary: Binary,
        ports: Vec<Port>,
        dir: Option<&Path>,
        keep: bool,
        options: &[String],
    ) -> Result<Self, LocalError> {
        let (root, ours) = root_folder(dir)?;
        let guardian = match Guardian::start() {
            Ok(guardian) => guardian,
            Err(error) => {
                if ours {
                    let _ = fs::remove_dir(&root);
                }
                return Err(LocalError::Guardian(error));
            }
        };
        let password = options.iter().position(|word| word == "--requirepass").and_then(|at| options.get(at + 1)).cloned();
        let mut fleet = Self { binary, root, processes: Vec::new(), password, guardian, keep };
        if ours && !keep {
            fleet.guardian.root(&fleet.root).map_err(LocalError::Guardian)?;
        }
        for port in ports {
            let folder = fleet.root.join(port.number.to_string());
            if !keep {
                fleet.guardian.folder(&folder).map_err(LocalError::Guardian)?;
            }
            fs::create_dir(&folder).map_err(|source| LocalError::Folder {
                attempt: "make the folder",
                path: folder.clone(),
                source,
            })?;
            fleet.processes.push(Process::new(port, folder, options.to_vec()));
        }
        Ok(fleet)
    }

    pub(super) fn start(&mut self, at: usize) -> Result<(), LocalError> {
        let Some(process) = self.processes.get_mut(at) else { return Ok(()) };
        let path = &self.binary.path;
        let pid = process.start(path).map_err(|error| LocalError::BadBinary { path: path.clone(), why: error.to_string() })?;
        self.guardian.pid(pid).map_err(LocalError::Guardian)
    }

    pub(super) fn kill(&mut self, at: usize) {
        if let Some(process) = self.processes.get_mut(at) {
            if let Some(pid) = process.pid() {
                let _ = self.guardian.gone(pid);
            }
            process.kill();
        }
    }

    /// An error when one of the servers has ended by itself.
    pub(super) fn all_run(&mut self) -> Result<(), LocalError> {
        (0..self.processes.len()).try_for_each(|at| self.runs(at))
    }

    /// An error when this server was started and has ended by itself.
    pub(super) fn runs(&mut self, at: usize) -> Result<(), LocalError> {
        let Some(process) = self.processes.get_mut(at) else { return Ok(()) };
        let Some((pid, status)) = process.ended() else { return Ok(()) };
        let _ = self.guardian.gone(pid);
        let (address, last_words) = (process.address.clone(), process.last_words());
        Err(LocalError::Exited { address, status: status.to_string(), last_words })
    }

    pub(super) fn find(&self, address: &Address) -> Result<usize, LocalError> {
        self.processes.iter().position(|process| process.address == *address).ok_or_else(|| LocalError::UnknownNode {
            address: address.clone(),
            known: self.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        self.processes.iter().map(|process| process.address.clone()).collect()
    }

    pub(super) fn nodes(&mut self) -> Vec<LocalNode> {
        for at in 0..self.processes.len() {
            let _ = self.runs(at);
        }
        let processes = self.processes.iter();
        processes
            .map(|process| LocalNode {
                address: process.address.clone(),
                pid: process.pid(),
                frozen: process.frozen,
                folder: process.folder.clone(),
            })
            .collect()
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        self.keep.then(|| Kept { folder: self.root.clone(), addresses: self.addresses() })
    }

    /// Everything works: what is to be kept needs no guardian any more.
    pub(super) fn settle(&mut self) -> Result<(), LocalError> {
        if self.keep {
            for pid in self.processes.iter().filter_map(Process::pid) {
                self.guardian.gone(pid).map_err(LocalError::Guardian)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, keep: bool) {
        if keep {
            self.processes.iter_mut().for_each(Process::let_go);
        }
        for at in 0..self.processes.len() {
            self.kill(at);
        }
        self.guardian.finish();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end(self.keep);
    }
}

/// The folder around the servers' folders, and whether it was made here.
fn root_folder(dir: Option<&Path>) -> Result<(PathBuf, bool), LocalError> {
    let fresh = || std::env::temp_dir().join(format!("rgc-tui-{}-{:08x}", std::process::id(), ports::random() & 0xffff_ffff));
    let path = dir.map_or_else(fresh, Path::to_path_buf);
    let error = |attempt| move |path: &Path, source| LocalError::Folder { attempt, path: path.to_path_buf(), source };
    let path = std::path::absolute(&path).map_err(|source| error("find")(&path, source))?;
    if path.as_os_str().as_encoded_bytes().contains(&b'\n') {
        return Err(LocalError::Shape("--dir must not contain a line break".into()));
    }
    match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok((path, false)),
        Ok(false) => Err(LocalError::FolderInUse { path }),
        Err(_) => {
            fs::create_dir_all(&path).map_err(|source| error("make the folder")(&path, source))?;
            Ok((path, true))
        }
    }
}
