//! Whole-program figures of the console, measured from outside: first frame, detection of a killed and of a frozen
//! master, bytes to the terminal, CPU and memory at idle with `htop` and `btop` beside it, and what watching costs the
//! servers. Run with `cargo bench --bench console`; needs `redis-server`, and shows `-` for a peer that is not installed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, NativePtySystem, PtySize, PtySystem};

const BINARY: &str = env!("CARGO_BIN_EXE_rgc-tui");
const COLUMNS: u16 = 120;
const LINES: u16 = 40;
/// How long idle programs are watched, after a time to settle.
const SETTLE: Duration = Duration::from_secs(8);
const WATCHED: Duration = Duration::from_secs(25);

/// A program in a terminal of 120×40.
struct Terminal {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    input: Box<dyn Write + Send>,
    seen: Arc<Mutex<(vt100::Parser, u64)>>,
    started: Instant,
    _pty: Box<dyn portable_pty::MasterPty + Send>,
}

impl Terminal {
    fn run(program: &str, args: &[&str]) -> Terminal {
        let size = PtySize { rows: LINES, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pty = NativePtySystem::default().openpty(size).expect("a pseudo terminal");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        let mut output = pty.master.try_clone_reader().expect("the terminal's output");
        let input = pty.master.take_writer().expect("the terminal's input");
        let parser = vt100::Parser::new(LINES.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new((parser, 0)));
        let started = Instant::now();
        let child = pty.slave.spawn_command(command).expect("the program");
        drop(pty.slave);
        let sink = seen.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 65536];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                let mut seen = sink.lock().unwrap();
                seen.0.process(&chunk[..count]);
                seen.1 += count as u64;
            }
        });
        Terminal { child, input, seen, started, _pty: pty.master }
    }

    fn bytes(&self) -> u64 {
        self.seen.lock().unwrap().1
    }

    fn screen(&self) -> String {
        self.seen.lock().unwrap().0.screen().contents()
    }

    /// Time from `since` until the screen satisfies the condition.
    fn wait(&self, what: &str, since: Instant, good: impl Fn(&str) -> bool) -> Duration {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !good(&self.screen()) {
            assert!(Instant::now() < deadline, "{what} never came; the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(2));
        }
        since.elapsed()
    }

    fn pid(&self) -> u32 {
        self.child.process_id().expect("a process id")
    }

    fn end(mut self) {
        let _ = self.input.write_all(b"q");
        std::thread::sleep(Duration::from_millis(300));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of a process and its resident bytes.
fn usage(pid: u32) -> (f64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok());
    ((ticks(11) + ticks(12)) / 100.0, resident.unwrap_or(0) * 1024)
}

/// The demo without a screen: six servers that are ours for the time of the bench.
struct Demo {
    child: Child,
    ports: Vec<u16>,
}

impl Demo {
    fn start(extra: &[&str]) -> Demo {
        let mut command = Command::new(BINARY);
        command.args(["demo", "--headless"]).args(extra).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut demo = Demo { child: command.spawn().expect("the demo starts"), ports: Vec::new() };
        let mut lines = BufReader::new(demo.child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port_of = |word: &str| word.strip_prefix("127.0.0.1:")?.trim_end_matches([',', '.']).parse::<u16>().ok();
        let seed = lines.by_ref().find_map(|line| line.split([' ', ',']).find_map(port_of)).expect("the demo names an address");
        std::thread::spawn(move || lines.for_each(drop));
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let nodes = ask(seed, "CLUSTER NODES").unwrap_or_default();
            let port = |line: &str| line.split_once("127.0.0.1:")?.1.split('@').next()?.parse().ok();
            demo.ports = nodes.lines().filter_map(port).collect();
            if demo.ports.len() == 6 {
                return demo;
            }
            assert!(Instant::now() < deadline, "six nodes never met");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// For each node, the microseconds it has spent in commands, its own replication's aside.
    fn spent(&self) -> HashMap<u16, f64> {
        let of = |port: u16| {
            let stats = ask(port, "INFO commandstats").unwrap_or_default();
            let usec = |line: &str| line.split_once("usec=")?.1.split(',').next()?.parse::<f64>().ok();
            stats.lines().filter(|line| !line.contains("replconf")).filter_map(usec).sum()
        };
        self.ports.iter().map(|&port| (port, of(port))).collect()
    }

    fn server_pid(port: u16) -> u32 {
        let info = ask(port, "INFO server").expect("the server answers");
        info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok()).expect("a process id")
    }

    fn a_master(&self) -> u16 {
        let is_master = |port: &&u16| ask(**port, "ROLE").is_some_and(|role| role.contains("master"));
        *self.ports.iter().find(is_master).expect("a master")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        signal("TERM", self.child.id());
        let _ = self.child.wait();
    }
}

fn signal(name: &str, pid: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
}

/// One inline command, the whole raw answer.
fn ask(port: u16, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

fn whole(screen: &str, ports: &[u16]) -> bool {
    ports.iter().all(|port| screen.contains(&port.to_string())) && screen.contains("16384")
}

/// Milliseconds, sorted; prints the median and the worst beside the budget.
fn report(what: &str, mut times: Vec<f64>, budget: u32) {
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what:<40} median {median:.0} ms, worst {worst:.0} ms of {} (budget {budget} ms)", times.len());
}

fn first_frame(demo: &Demo) {
    let node = format!("127.0.0.1:{}", demo.ports[0]);
    let start = |_| {
        let console = Terminal::run(BINARY, &["--node", &node]);
        let time = console.wait("the first full frame", console.started, |screen| whole(screen, &demo.ports));
        console.end();
        time.as_secs_f64() * 1000.0
    };
    report("first full frame of 6 nodes", (0..9).map(start).collect(), 150);
}

fn detection(fault: &str, name: &str, word: &str) {
    let once = |_| {
        let demo = Demo::start(&["--rooms", "20", "--rate", "50"]);
        let node = format!("127.0.0.1:{}", demo.ports[0]);
        let victim = demo.a_master();
        let pid = Demo::server_pid(victim);
        let console = Terminal::run(BINARY, &["--node", &node]);
        console.wait("the first full frame", console.started, |screen| whole(screen, &demo.ports));
        std::thread::sleep(Duration::from_secs(2));
        let at = Instant::now();
        signal(name, pid);
        let named = |screen: &str| screen.lines().any(|line| line.contains(&victim.to_string()) && line.contains(word));
        let time = console.wait("the fault", at, named);
        console.end();
        time.as_secs_f64() * 1000.0
    };
    report(&format!("a {fault} master named on the screen"), (0..5).map(once).collect(), 1000);
}

fn idle(label: &str, program: &str, args: &[&str]) {
    let installed = |dir: &&str| Path::new(dir).join(program).exists();
    if !["/usr/bin", "/usr/local/bin", "/bin", "/"].iter().any(installed) {
        return println!("{label:<34}  -  (not installed)");
    }
    let terminal = Terminal::run(program, args);
    std::thread::sleep(SETTLE);
    let (cpu, bytes, at) = (usage(terminal.pid()).0, terminal.bytes(), Instant::now());
    std::thread::sleep(WATCHED);
    let (later, resident) = usage(terminal.pid());
    let seconds = at.elapsed().as_secs_f64();
    let kilobytes = (terminal.bytes() - bytes) as f64 / seconds / 1000.0;
    let percent = (later - cpu) * 100.0 / seconds;
    println!("{label:<34}  {kilobytes:>7.2} KB/s  {percent:>5.2} % of a core  {:>5.1} MB resident", resident as f64 / 1e6);
    terminal.end();
}

fn cost(demo: &Demo, label: &str, rooms: &str, budget: f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bench.toml");
    let text = format!("[cluster]\nname = \"bench\"\nnodes = [\"127.0.0.1:{}\"]\n{rooms}", demo.ports[0]);
    std::fs::write(&file, text).expect("a config file");
    let console = Terminal::run(BINARY, &["--config", file.to_str().unwrap()]);
    console.wait("the first full frame", console.started, |screen| whole(screen, &demo.ports));
    std::thread::sleep(SETTLE);
    let (before, at) = (demo.spent(), Instant::now());
    std::thread::sleep(WATCHED);
    let (after, seconds) = (demo.spent(), at.elapsed().as_secs_f64());
    let worst = demo.ports.iter().map(|port| (after[port] - before[port]) / seconds / 1e4).fold(0.0, f64::max);
    println!("cost to the busiest server, {label:<14} {worst:.4} % of a core (budget {budget} %)");
    console.end();
}

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return; // `cargo test` builds benches and runs them without the flag
    }
    let demo = Demo::start(&["--rooms", "0", "--rate", "0"]);
    let node = format!("127.0.0.1:{}", demo.ports[0]);
    first_frame(&demo);
    println!("idle at {COLUMNS}×{LINES}, {} s after {} s:", WATCHED.as_secs(), SETTLE.as_secs());
    idle("rgc-tui, 6 nodes, 1 s polling", BINARY, &["--node", &node]);
    idle("htop, 1 s", "htop", &["-d", "10"]);
    idle("btop as shipped, 2 s", "btop", &[]);
    drop(demo);

    let demo = Demo::start(&["--rooms", "200", "--rate", "0"]);
    // The demo's own watcher stands still meanwhile, or two consoles would be counted.
    signal("STOP", demo.child.id());
    cost(&demo, "without rooms", "[rooms]\nkey = \"\"\n", 0.02);
    cost(&demo, "with rooms", "", 0.1);
    signal("CONT", demo.child.id());
    drop(demo);

    detection("killed", "KILL", "refused");
    detection("frozen", "STOP", "frozen");
}
