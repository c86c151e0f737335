//! The program killed in the middle of moving slots, at twenty points that chance chose, with a client writing all the
//! time: whatever a kill leaves, `fix` puts it right, and nothing is lost.
//!
//! The points follow from a seed, which is printed: `RGC_KILL_SEED=7 cargo test --test killed` tries the same ones again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that fails loudly and says what it saw"
)]

mod common;
mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use common::{Cluster, wait_until};
use desk::{Desk, Played, Players, assert_calm, assert_same};
use rgc_tui::cluster::{Address, key_slot};
use rgc_tui::exec;
use rgc_tui::link::{Command, Lane};
use rgc_tui::plan::Unfinished;

/// Kills of an operation that was under way.
const KILLS: u32 = 20;
const NAME: &str = "killed";
/// Counters that the client writes.
const COUNTERS: u32 = 3000;
/// A slot with many keys, so that a kill can fall between two batches of one slot.
const FAT: &str = "KX9Q2";

/// xorshift64*.
struct Dice(u64);

impl Dice {
    /// From the environment, to repeat a failure, or from the clock.
    fn new() -> Self {
        let clock = || u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
        let seed = std::env::var("RGC_KILL_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap());
        println!("RGC_KILL_SEED={seed}");
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}

/// Where a run of the program is to be killed: so many lines of its progress, and then so long.
#[derive(Clone, Copy, Debug)]
struct Point {
    lines: u64,
    after: Duration,
}

struct Ran {
    /// None: killed.
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The program on this cluster, with a state directory of its own.
struct Program {
    state: tempfile::TempDir,
    seeds: String,
}

impl Program {
    fn journals(&self) -> PathBuf {
        self.state.path().join("rgc-tui").join(NAME)
    }

    fn unfinished(&self) -> Vec<Unfinished> {
        exec::unfinished(&self.journals(), NAME)
    }

    async fn run(&self, words: &str, kill: Option<Point>) -> Ran {
        let mut command = Process::new(env!("CARGO_BIN_EXE_rgc-tui"));
        command.args(["--node", &self.seeds, "--cluster", NAME, "--format", "json"]).args(words.split(' '));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(self.state.path());
        command.env("XDG_STATE_HOME", self.state.path()).env_remove("REDISCLI_AUTH").env_remove("RGC_TUI_PASSWORD");
        tokio::task::spawn_blocking(move || watched(command, kill)).await.unwrap()
    }
}

fn watched(mut command: Process, kill: Option<Point>) -> Ran {
    let mut child = command.spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut stdout = String::new();
    if let Some(Point { lines, after }) = kill {
        let mut seen = 0;
        while seen < lines && reader.read_line(&mut stdout).unwrap() > 0 {
            seen += 1;
        }
        // Not a wait for anything: this is the point of time that chance has chosen.
        std::thread::sleep(after);
        // It may have ended meanwhile.
        drop(child.kill());
    }
    reader.read_to_string(&mut stdout).unwrap();
    let code = child.wait().unwrap().code();
    Ran { code, stdout, stderr: said.join().unwrap() }
}

/// What the servers must hold, whatever happens to the program.
struct Kept {
    digest: BTreeMap<Vec<u8>, Vec<u8>>,
    counters: BTreeSet<String>,
    acked: BTreeMap<String, u64>,
}

impl Kept {
    fn add(&mut self, played: &Played) {
        self.acked.extend(played.acked.clone());
        self.counters.extend(played.acked.keys().chain(played.unknown.keys()).cloned());
    }

    /// Every key that nobody touches is as it was, on one master; every acknowledged write is there, or a later one.
    async fn check(&self, desk: &mut Desk, cluster: &Cluster) {
        let mut now = desk.digest(cluster).await;
        let counted = |key: &[u8]| key.starts_with(b"play:");
        let counters: BTreeSet<String> =
            now.keys().filter(|key| counted(key)).map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        assert!(self.acked.keys().all(|key| counters.contains(key)), "counters are gone");
        assert!(counters.iter().all(|key| self.counters.contains(key)), "there are counters that nobody wrote");
        now.retain(|key, _| !counted(key));
        assert_eq!(now.len(), self.digest.len());
        assert_same(&self.digest, &now);
        desk.look().await;
        let mut by_owner: BTreeMap<Address, Vec<(&String, u64)>> = BTreeMap::new();
        for (key, seq) in &self.acked {
            let owner = desk.model.topology().owner(key_slot(key.as_bytes())).unwrap();
            by_owner.entry(desk.model.node(owner).unwrap().address.clone()).or_default().push((key, *seq));
        }
        for (owner, keys) in by_owner {
            let gets: Vec<Command> = keys.iter().map(|(key, _)| Command::words(&format!("GET {key}"))).collect();
            let values = desk.links.get(&owner, Lane::Work).pipeline(&gets, Duration::from_secs(10)).await.unwrap();
            for ((key, seq), value) in keys.into_iter().zip(values) {
                assert!(
                    value.int().is_some_and(|value| value >= seq as i64),
                    "{key} at {owner}: {seq} was acknowledged, {value:?}"
                );
            }
        }
    }
}

/// Every node names the same owner for each slot. Gossip takes a moment.
async fn everybody_agrees(cluster: &Cluster) {
    wait_until("all views are the same, and no slot is open in any", async || {
        let mut views = BTreeSet::new();
        for address in cluster.addresses() {
            let view = cluster.view(&address).await;
            let mut owners: Vec<_> = view.members.iter().map(|member| (member.id, member.slots.clone())).collect();
            owners.sort();
            views.insert((owners, view.myself().is_none_or(|me| !me.open.is_empty())));
        }
        views.len() == 1
    })
    .await;
}

/// Runs `fix` until it says that all is well, and checks that it said what had happened.
async fn fixed(program: &Program, dice: &mut Dice, operation: &str) {
    let back = if dice.below(2) == 0 { " --roll-back" } else { "" };
    let fix = format!("fix{back} --yes");
    for attempt in 0..5 {
        // Anew each time: a repair that was killed may have ended what stood here before.
        let before = program.unfinished();
        // Now and then the repair is killed too.
        let lines = 1 + dice.below(12);
        let kill = (attempt == 0 && dice.below(3) == 0).then(|| Point { lines, after: Duration::from_micros(dice.below(3000)) });
        let ran = program.run(&fix, kill).await;
        println!("    {fix}: {:?} {}", ran.code, ran.stderr.trim());
        if kill.is_none() {
            for unfinished in &before {
                let says = format!("`{}`, begun {}, did not end: ", unfinished.intent, unfinished.began);
                assert!(ran.stderr.contains(&says), "{operation}: {}", ran.stderr);
            }
        }
        match ran.code {
            Some(0) => return assert_eq!(program.unfinished(), [], "{operation}: put right, and offered again"),
            None => {}
            _ => println!("{}", ran.stdout),
        }
        assert!(attempt < 4, "{operation}: `{fix}` does not get there");
    }
}

/// The next operation, always with thousands of keys to move: a range with the fat slot in it, or a new balance.
fn operation(dice: &mut Dice, cluster: &Cluster, fat_at: &Address) -> String {
    let others: Vec<Address> = (0..3).map(|n| cluster.at(n)).filter(|at| at != fat_at).collect();
    let to = &others[dice.below(2) as usize];
    match dice.below(8) {
        // Hundreds of slots at a time: what is left open takes a while to be put right.
        0 => format!("rebalance --by slots --weight {to}=2 --pace fast --yes"),
        1..=3 => format!("rebalance --by keys --weight {to}=2 --yes"),
        _ => {
            let fat = u64::from(key_slot(FAT.as_bytes()));
            format!("move-slots {}-{} --to {to} --yes", fat - 30 - dice.below(100), fat + 30 + dice.below(400))
        }
    }
}

fn ledger_lines(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join(exec::LEDGER)).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_at_random_points_under_a_writing_client_lose_nothing() {
    let began = Instant::now();
    let cluster = Cluster::start(3, 1).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(600).await;
    desk.fill((0..500).map(|n| Command::words(&format!("HSET room:{{{FAT}}}:k{n} a {n} b 2"))).collect()).await;
    let program = Program {
        state: tempfile::tempdir().unwrap(),
        seeds: (0..3).map(|n| cluster.at(n).to_string()).collect::<Vec<_>>().join(","),
    };
    let mut kept = Kept { digest: desk.digest(&cluster).await, counters: BTreeSet::new(), acked: BTreeMap::new() };
    let mut dice = Dice::new();
    let (mut kills, mut rounds, mut left_open, mut writes, mut last, mut longest) = (0, 0, 0, 0, 0, Duration::ZERO);
    while kills < KILLS {
        rounds += 1;
        assert!(rounds < 3 * KILLS, "only {kills} kills met an operation under way");
        let players = Players::resume(&desk.links, cluster.at(0), COUNTERS, last);
        let fat_at = cluster.owner(key_slot(FAT.as_bytes())).await.unwrap();
        let operation = operation(&mut dice, &cluster, &fat_at);
        let point = Point { lines: 1 + dice.below(90), after: Duration::from_micros(dice.below(4000)) };
        let ran = program.run(&operation, Some(point)).await;
        let unfinished = program.unfinished();
        println!("{rounds:>3} {operation}: {point:?}, {:?} {}", ran.code, ran.stderr.trim());
        assert!(matches!(ran.code, None | Some(0)), "{operation}\n{}\n{}", ran.stdout, ran.stderr);
        if let [one] = unfinished.as_slice() {
            assert!(operation.starts_with(&one.intent) && one.total > 0, "{one:?}");
            kills += 1;
        }
        let mut open = 0;
        for address in cluster.addresses() {
            open += cluster.view(&address).await.myself().unwrap().open.len();
        }
        left_open += u32::from(open > 0);
        fixed(&program, &mut dice, &operation).await;
        everybody_agrees(&cluster).await;
        assert_calm(&cluster).await;
        let played = players.stop().await;
        assert!(played.writes > 0, "{played:?}");
        (writes, last, longest) = (writes + played.writes, played.last, longest.max(played.longest));
        kept.add(&played);
        kept.check(&mut desk, &cluster).await;
    }
    assert!(ledger_lines(&program.journals()) > 0);
    println!(
        "{kills} kills in {rounds} rounds, {left_open} left slots open; {writes} writes, none lost, the longest took {longest:?}; {:?}",
        began.elapsed()
    );
}
