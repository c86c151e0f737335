//! A player of the bench: writes everywhere, one write after the other, and remembers how long each took.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rgc_tui::cluster::key_slot;

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(1);

/// What the player felt.
#[derive(Default)]
pub struct Feelings {
    waits: Vec<Duration>,
    pub ask: u32,
    pub try_again: u32,
}

impl Feelings {
    /// In milliseconds; 100 is the maximum.
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort();
        let at = ((waits.len() as f64 * percent / 100.0).ceil() as usize).clamp(1, waits.len());
        waits[at - 1].as_secs_f64() * 1000.0
    }
}

pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Feelings>,
}

impl Writer {
    /// Overwrites keys of `key:0` … `key:{keys-1}`. One write in four touches two keys of a slot, as a room's moves do: only
    /// those can meet TRYAGAIN. It knows who owns what from the start, as clients of clusters do.
    pub fn start(owners: BTreeMap<u16, u16>, keys: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut by_slot: HashMap<u16, Vec<String>> = HashMap::new();
        for key in (0..keys).map(|number| format!("key:{number}")) {
            by_slot.entry(key_slot(key.as_bytes())).or_default().push(key);
        }
        let slots: Vec<u16> = by_slot.keys().copied().collect();
        let thread = std::thread::spawn(move || {
            let mut player = Player { wires: HashMap::new(), owners, felt: Feelings::default() };
            let mut dice = 0x2545_f491_4f6c_dd1d_u64;
            while !stopped.load(Ordering::Relaxed) {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let slot = slots[(dice >> 33) as usize % slots.len()];
                let keys = &by_slot[&slot];
                let (one, other) = (&keys[(dice >> 20) as usize % keys.len()], &keys[(dice >> 40) as usize % keys.len()]);
                let words = if dice >> 12 & 3 == 0 { vec!["MSET", one, "x", other, "y"] } else { vec!["SET", one, "y"] };
                let began = Instant::now();
                player.write(slot, &words);
                player.felt.waits.push(began.elapsed());
                std::thread::sleep(PAUSE);
            }
            player.felt
        });
        Self { stop, thread }
    }

    pub fn stop(self) -> Feelings {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer lives")
    }
}

struct Player {
    wires: HashMap<u16, BufReader<TcpStream>>,
    owners: BTreeMap<u16, u16>,
    felt: Feelings,
}

impl Player {
    /// One write, until it is acknowledged.
    fn write(&mut self, slot: u16, words: &[&str]) {
        let (mut port, mut asking) = (self.owners[&slot], false);
        loop {
            let reply = self.call(port, words, asking);
            asking = false;
            let target = |reply: &str| reply.trim_end().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
            if reply.starts_with('+') {
                return;
            } else if reply.starts_with("-MOVED") {
                port = target(&reply);
                self.owners.insert(slot, port);
            } else if reply.starts_with("-ASK") {
                self.felt.ask += 1;
                port = target(&reply);
                asking = true;
            } else if reply.starts_with("-TRYAGAIN") {
                self.felt.try_again += 1;
                std::thread::sleep(Duration::from_millis(1));
                port = self.owners[&slot];
            } else {
                panic!("a write to {port} was answered {reply}");
            }
        }
    }

    fn call(&mut self, port: u16, words: &[&str], asking: bool) -> String {
        let wire = self.wires.entry(port).or_insert_with(|| {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
            stream.set_nodelay(true).expect("a socket");
            BufReader::new(stream)
        });
        let mut text = if asking { "*1\r\n$6\r\nASKING\r\n".to_owned() } else { String::new() };
        text += &format!("*{}\r\n", words.len());
        text.extend(words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())));
        wire.get_mut().write_all(text.as_bytes()).expect("the server reads");
        let mut reply = String::new();
        for _ in 0..=usize::from(asking) {
            reply.clear();
            wire.read_line(&mut reply).expect("the server answers");
        }
        reply
    }
}
