//! A program in a real pseudo-terminal, and what a person would see of it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long anything may take before a test fails; generous, since machines can be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    bytes: Arc<Mutex<Vec<u8>>>,
    /// The terminal's own end and the way of keys into it; None when it has gone away.
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    gone: Arc<AtomicBool>,
    child: Box<dyn Child + Send + Sync>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

impl Screen {
    pub(crate) fn start(program: &str, arguments: &[&str], (columns, rows): (u16, u16), variables: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(std::env::temp_dir());
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("RUST_BACKTRACE", "0"), ("TZ", "UTC")] {
            command.env(name, value);
        }
        command.env_remove("NO_COLOR");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let (to_parser, to_bytes, is_gone) = (parser.clone(), bytes.clone(), gone.clone());
        // Reading ends with an error when the program does.
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                to_parser.lock().unwrap().process(&buffer[..count]);
                to_bytes.lock().unwrap().extend_from_slice(&buffer[..count]);
                if is_gone.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let writer = Some(pair.master.take_writer().unwrap());
        Self { parser, bytes, master: Some(pair.master), writer, gone, child }
    }

    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(crate) fn look<T>(&self, see: impl FnOnce(&vt100::Screen) -> T) -> T {
        see(self.parser.lock().unwrap().screen())
    }

    pub(crate) fn send(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(cells(rows), cells(columns));
        self.master.as_ref().unwrap().resize(size(columns, rows)).unwrap();
    }

    /// Waits until the screen is as it should be.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.text()) {
            assert!(Instant::now() < deadline, "never came: {what}\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.process_id().unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The terminal's settings, read or changed from outside, as a shell does.
    pub(crate) fn stty(&self, setting: &str) -> String {
        let output = std::process::Command::new("stty")
            .arg(if cfg!(target_os = "linux") { "-F" } else { "-f" })
            .arg(self.tty())
            .arg(setting)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Somebody else writes to the terminal.
    pub(crate) fn scribble(&self, text: &str) {
        std::fs::OpenOptions::new().write(true).open(self.tty()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn tty(&self) -> std::path::PathBuf {
        self.master.as_ref().unwrap().tty_name().unwrap()
    }

    /// Whoever holds this reads nothing more from the terminal, as a connection that stalls.
    pub(crate) fn reading(&self) -> Arc<Mutex<vt100::Parser>> {
        self.parser.clone()
    }

    /// The terminal goes away, at the next word of the program.
    pub(crate) fn take_away(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        self.writer = None;
        self.master = None;
    }

    /// The program is stopped (not ended).
    pub(crate) fn is_stopped(&self) -> bool {
        let output = std::process::Command::new("ps").args(["-o", "stat=", "-p", &self.pid().to_string()]).output().unwrap();
        output.stdout.first() == Some(&b'T')
    }

    /// Waits for the end of the program.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The terminal is as it was before the program took it.
    pub(crate) fn assert_restored(&self) {
        let deadline = Instant::now() + PATIENCE;
        let left = || self.bytes().windows(8).filter(|part| *part == b"\x1b[?1049l").count();
        let restored = |screen: &vt100::Screen| {
            left() > 0
                && !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        };
        while !self.look(restored) {
            assert!(Instant::now() < deadline, "the terminal was left taken:\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(left(), 1, "the alternate screen is left exactly once");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program until it has shown this text, then takes its terminal away, and waits for its end.
pub(crate) fn hang_up(program: &str, arguments: &[&str], text: &str) -> ExitStatus {
    let pair = native_pty_system().openpty(size(80, 24)).unwrap();
    let mut command = CommandBuilder::new(program);
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&seen).contains(text) {
        let count = reader.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..count]);
    }
    drop(reader);
    drop(pair.master);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("it outlived its terminal");
        }
        thread::sleep(Duration::from_millis(5));
    }
}
