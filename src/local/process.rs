//! IO. One server process: start it, stop it in four ways, and hear its last words.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::ports::Port;
use crate::cluster::Address;

/// A server on this machine, running or not. Its place and its folder stay the same from start to start.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) address: Address,
    pub(super) folder: PathBuf,
    options: Vec<String>,
    child: Option<Child>,
    pub(super) frozen: bool,
    _port: Port,
}

impl Process {
    /// Not started yet; `options` come after those that every server of ours has, and win over them.
    pub(super) fn new(port: Port, folder: PathBuf, options: Vec<String>) -> Self {
        Self { address: Address::new("127.0.0.1", port.number), folder, options, child: None, frozen: false, _port: port }
    }

    /// Starts the program in a process group of its own: Ctrl-C in the terminal is not meant for it.
    pub(super) fn start(&mut self, program: &Path) -> io::Result<u32> {
        let output = File::options().create(true).append(true).open(self.folder.join("out"))?;
        let mut command = Command::new(program);
        command.arg("--port").arg(self.address.port.to_string()).arg("--dir").arg(&self.folder);
        command.arg("--logfile").arg(self.folder.join("log")).arg("--pidfile").arg(self.folder.join("pid"));
        command.args(["--bind", "127.0.0.1", "--daemonize", "no", "--save", "", "--appendonly", "no", "--maxmemory", "64mb"]);
        command.args(["--maxclients", "1000", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]);
        command.args(&self.options).current_dir(&self.folder).process_group(0);
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        let pid = child.id();
        self.child = Some(child);
        self.frozen = false;
        Ok(pid)
    }

    /// The pid of a process that has not been waited for: it cannot be another's.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its late pid and how it ended, once, when it has ended by itself.
    pub(super) fn ended(&mut self) -> Option<(u32, ExitStatus)> {
        let child = self.child.as_mut()?;
        let status = child.try_wait().ok().flatten()?;
        let pid = child.id();
        self.child = None;
        self.frozen = false;
        Some((pid, status))
    }

    /// SIGKILL, and waits for the end: that of a killed process comes within milliseconds.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_file(self.folder.join("pid"));
        }
        self.frozen = false;
    }

    /// STOP or CONT.
    pub(super) fn signal(&self, signal: &str) -> Result<(), String> {
        let Some(pid) = self.pid() else { return Err("it does not run".into()) };
        let output = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal]).arg(pid.to_string()).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The end of its log, or of what it printed before it had one, on one line.
    pub(super) fn last_words(&self) -> String {
        let tail = |name: &str| {
            let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join(" / ")
        };
        let words: Vec<String> = ["log", "out"].into_iter().map(tail).filter(|text| !text.is_empty()).collect();
        if words.is_empty() { "(none)".into() } else { words.join(" / ") }
    }

    /// Leaves the process running when this value goes.
    pub(super) fn let_go(&mut self) {
        self.child = None;
    }
}
