//! The field of the bench: a new cluster, what is filled into it, who owns what, and the tools that move it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rgc_tui::cluster::key_slot;
use rgc_tui::local::{LocalCluster, LocalServer, LocalSpec};

const BINARY: &str = env!("CARGO_BIN_EXE_rgc-tui");
const MASTERS: u16 = 3;
const SLOTS: u32 = 16384;
const AGREE_WITHIN: Duration = Duration::from_secs(30);

/// Three masters and, later, an empty one. Gone when dropped.
pub struct Field {
    runtime: tokio::runtime::Runtime,
    cluster: LocalCluster,
    extra: std::cell::OnceCell<LocalServer>,
    server: Option<std::path::PathBuf>,
}

impl Field {
    pub fn start(server: Option<&Path>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let args = ["--maxmemory", "1gb", "--save", ""].map(str::to_owned).to_vec();
        let server = server.map(Path::to_path_buf);
        let spec = LocalSpec { masters: MASTERS, replicas: 0, server_bin: server.clone(), args, ..LocalSpec::default() };
        let cluster = runtime.block_on(LocalCluster::start(spec)).expect("a local cluster");
        Self { runtime, cluster, extra: std::cell::OnceCell::new(), server }
    }

    pub fn ports(&self) -> Vec<u16> {
        let extra = self.extra.get().map(|server| server.address().port);
        self.cluster.addresses().iter().map(|address| address.port).chain(extra).collect()
    }

    pub fn seed(&self) -> u16 {
        self.ports()[0]
    }

    /// A fourth master without slots, known to all.
    pub fn add_empty_master(&self) -> u16 {
        let args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--maxmemory", "1gb", "--save", ""];
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let server = self.runtime.block_on(LocalServer::start(self.server.clone(), &args)).expect("a server");
        let port = server.address().port;
        self.extra.set(server).expect("one empty master");
        ask(self.seed(), &format!("CLUSTER MEET 127.0.0.1 {port}"));
        let knows_all = |port: &u16| {
            let info = ask(*port, "CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
        };
        until("the empty master is known", || self.ports().iter().all(knows_all));
        port
    }

    /// `key:0` … `key:{keys-1}`, each a few bytes.
    pub fn fill(&self, keys: u32) {
        self.set((0..keys).map(|number| (format!("key:{number}"), 8)));
    }

    /// A room of so many keys in slot 0: its code.
    pub fn room(&self, keys: u32) -> String {
        let code = (0..).map(|number| format!("R{number}")).find(|code| key_slot(code.as_bytes()) == 0).unwrap();
        let rest = (1..keys).map(|number| (format!("room:{{{code}}}:{number}"), 100));
        self.set(rest.chain([(format!("room:{{{code}}}:state"), 100)]));
        code
    }

    /// So many slots of the first master, each with one key of so many bytes.
    pub fn big_slots(&self, slots: usize, bytes: usize) {
        let mut seen = std::collections::BTreeSet::new();
        let first = |key: &String| u32::from(key_slot(key.as_bytes())) < SLOTS / u32::from(MASTERS) - 1;
        let names = (0..).map(|number| format!("big:{number}")).filter(first);
        let names = names.filter(move |key| seen.insert(key_slot(key.as_bytes()))).take(slots);
        self.set(names.map(|name| (name, bytes)));
    }

    fn set(&self, keys: impl Iterator<Item = (String, usize)>) {
        let owners = self.owners();
        let mut queues: BTreeMap<u16, (Vec<u8>, usize)> = BTreeMap::new();
        for (key, bytes) in keys {
            let port = owners[&key_slot(key.as_bytes())];
            let (queue, count) = queues.entry(port).or_default();
            queue.extend(format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${bytes}\r\n{}\r\n", key.len(), "v".repeat(bytes)).bytes());
            *count += 1;
            if queue.len() > 256 * 1024 {
                flush(port, &std::mem::take(queue), std::mem::take(count));
            }
        }
        queues.into_iter().for_each(|(port, (queue, count))| flush(port, &queue, count));
    }

    /// Who owns each slot, by every master's own word.
    pub fn owners(&self) -> BTreeMap<u16, u16> {
        let mut owners = BTreeMap::new();
        for port in self.ports() {
            let nodes = ask(port, "CLUSTER NODES");
            let myself = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
            for range in myself.split(' ').skip(8).filter(|word| !word.starts_with('[')) {
                let mut ends = range.trim().split('-').filter_map(|end| end.parse::<u16>().ok());
                let Some(start) = ends.next() else { continue };
                owners.extend((start..=ends.next().unwrap_or(start)).map(|slot| (slot, port)));
            }
        }
        owners
    }

    pub fn owner(&self, slot: u16) -> u16 {
        self.owners()[&slot]
    }

    pub fn another_than(&self, port: u16) -> u16 {
        self.ports().into_iter().find(|&other| other != port).unwrap()
    }

    pub fn slots_of(&self, port: u16) -> u16 {
        self.owners().values().filter(|&&owner| owner == port).count().try_into().unwrap()
    }

    pub fn keys(&self) -> u64 {
        let size = |port: &u16| ask(*port, "DBSIZE").trim().trim_start_matches(':').parse::<u64>().expect("a number");
        self.ports().iter().map(size).sum()
    }

    /// The fullest master's dataset as a multiple of the mean.
    pub fn memory_spread(&self) -> f64 {
        let dataset = |port: &u16| {
            let info = ask(*port, "INFO memory");
            info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")?.trim().parse::<f64>().ok()).expect("a dataset")
        };
        let sizes: Vec<f64> = self.ports().iter().map(dataset).collect();
        sizes.iter().copied().fold(0.0, f64::max) * sizes.len() as f64 / sizes.iter().sum::<f64>()
    }

    fn id(port: u16) -> String {
        ask(port, "CLUSTER MYID").lines().find(|line| line.len() >= 40).expect("an id").trim().to_owned()
    }
}

/// A program that moves slots.
pub struct Tool {
    program: OsString,
    extra: Vec<&'static str>,
    ours: bool,
}

impl Tool {
    pub fn cli(program: impl Into<OsString>, extra: &[&'static str]) -> Self {
        Self { program: program.into(), extra: extra.to_vec(), ours: false }
    }

    pub fn ours(extra: &[&'static str]) -> Self {
        Self { program: BINARY.into(), extra: extra.to_vec(), ours: true }
    }

    /// Rebalances to the end, with each tool's way to say more.
    pub fn rebalance(&self, seed: u16, ours: &[&str], theirs: &str) {
        let node = format!("127.0.0.1:{seed}");
        let mut command = Command::new(&self.program);
        if self.ours {
            command.args(["--node", &node, "rebalance", "--yes"]).args(ours);
        } else {
            command.args(["--cluster", "rebalance", &node]).args((!theirs.is_empty()).then_some(theirs));
        }
        run(command.args(&self.extra));
    }

    /// The whole program's time and the move's own.
    pub fn migrate(&self, seed: u16, code: &str, to: u16) -> (Duration, Duration) {
        let (node, to) = (format!("127.0.0.1:{seed}"), format!("127.0.0.1:{to}"));
        let mut command = Command::new(&self.program);
        let began = Instant::now();
        let text = run(command.args(["--node", &node, "migrate-room", code, "--to", &to, "--yes", "--format", "json"]));
        let took = began.elapsed();
        let report = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find_map(|line| line["seconds"].as_f64());
        (took, Duration::from_secs_f64(report.expect("a report with seconds")))
    }

    /// `reshard` takes the source's first slot: the room is in slot 0, which comes first wherever it is.
    pub fn reshard_first(&self, from: u16, to: u16) -> Duration {
        let node = format!("127.0.0.1:{from}");
        let (from, to) = (Field::id(from), Field::id(to));
        let mut command = Command::new(&self.program);
        let began = Instant::now();
        run(command.args([
            "--cluster",
            "reshard",
            &node,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
            "--cluster-slots",
            "1",
            "--cluster-yes",
        ]));
        began.elapsed()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().expect("the tool starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?} failed:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn flush(port: u16, queue: &[u8], count: usize) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let sent = queue.to_vec();
    let mut stream = stream;
    let writing = std::thread::spawn(move || stream.write_all(&sent));
    let mut line = String::new();
    for _ in 0..count {
        line.clear();
        reader.read_line(&mut line).expect("the server answers");
        assert!(line.starts_with('+'), "a key was not set: {line}");
    }
    writing.join().unwrap().expect("the server reads");
}

/// One inline command, the whole raw answer.
fn ask(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).expect("the server reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the server answers");
    text.trim_end_matches("+OK\r\n").to_owned()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + AGREE_WITHIN;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
