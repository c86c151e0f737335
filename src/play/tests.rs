//! PURE. The table against servers that exist in memory only: failovers that lose writes, rooms that vanish, full games.

use std::collections::HashMap;
use std::time::Duration;

use super::PlaySpec;
use super::account::PlayAccount;
use super::workload::{PlayerJob, Workload};
use super::write_log::MOVES;
use crate::cluster::{Address, Health, Trouble, key_slot, parse};
use crate::link::{Command, Failure, Reply, ServerError};

const TICK: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Serves,
    /// Answers with MOVED to the other one.
    Moved,
    Refuses,
    Down,
    Silent,
}

/// One shard: a master and its replica, of which one serves.
struct FakeServer {
    table: Workload,
    now: Duration,
    mood: [Mood; 2],
    master: usize,
    epoch: u64,
    bits: HashMap<String, Vec<u8>>,
    hashes: HashMap<String, u64>,
    run_id: u64,
    unlinked: Vec<String>,
}

fn address(at: usize) -> Address {
    Address::new("10.0.0.1", if at == 0 { 7000 } else { 7001 })
}

impl FakeServer {
    fn new(rooms: u32, rate: u32) -> Self {
        let table = Workload::new(PlaySpec { rooms, rate }, &[address(0)], 99);
        let mood = [Mood::Serves, Mood::Moved];
        let (bits, hashes) = (HashMap::new(), HashMap::new());
        Self { table, now: TICK, mood, master: 0, epoch: 1, bits, hashes, run_id: 1, unlinked: Vec::new() }
    }

    fn view(&self) -> String {
        let id = |at: usize| format!("{:040x}", at + 1);
        let (epoch, master) = (self.epoch, self.master);
        let line = |at: usize, me: bool| {
            let (me, port) = (if me { "myself," } else { "" }, address(at).port);
            let place = format!("10.0.0.1:{port}@1{port}");
            if at == master {
                format!("{} {place} {me}master - 0 0 {epoch} connected 0-16383\n", id(at))
            } else {
                format!("{} {place} {me}slave {} 0 0 {epoch} connected\n", id(at), id(master))
            }
        };
        line(master, true) + &line(1 - master, false)
    }

    fn execute(&mut self, at: usize, command: &Command) -> Reply {
        let words: Vec<String> = command.0.iter().map(|word| String::from_utf8(word.clone()).unwrap()).collect();
        let error = |code: &str, detail: String| Reply::Error(ServerError { code: code.into(), detail });
        if words[0] == "INFO" {
            return Reply::Bytes(format!("run_id:{}\r\n", self.run_id).into_bytes());
        }
        let key = &words[1];
        match self.mood[at] {
            Mood::Serves => {}
            Mood::Moved => return error("MOVED", format!("{} {}", key_slot(key.as_bytes()), address(1 - at))),
            _ => return error("CLUSTERDOWN", "The cluster is down".into()),
        }
        match words[0].as_str() {
            "SETBIT" => {
                let seq: usize = words[2].parse().unwrap();
                let bits = self.bits.entry(key.clone()).or_default();
                bits.resize(bits.len().max(seq / 8 + 1), 0);
                bits[seq / 8] |= 0x80 >> (seq % 8);
                Reply::Int(0)
            }
            "GET" => self.bits.get(key).map_or(Reply::Nil, |bits| Reply::Bytes(bits.clone())),
            "HSET" => {
                let fresh = !self.hashes.contains_key(key);
                *self.hashes.entry(key.clone()).or_default() += 1;
                Reply::Int(i64::from(fresh))
            }
            "UNLINK" => {
                self.unlinked.push(key.clone());
                self.bits.remove(key);
                self.hashes.remove(key);
                Reply::Int(1)
            }
            _ => Reply::Bytes(b"OK".to_vec()),
        }
    }

    /// Steps and answers everything at once, `silent` batches excepted: those fail.
    fn tick(&mut self) {
        self.table.step(self.now, 0);
        while let Some(job) = self.table.jobs.pop() {
            match job {
                PlayerJob::View(whom) => {
                    let view = parse::nodes(&self.view(), &address(self.master)).unwrap();
                    let speaks = self.mood[self.master] != Mood::Down && self.mood[self.master] != Mood::Silent;
                    self.table.view_done(&whom, speaks.then_some(&view), self.now);
                }
                PlayerJob::Batch(batch) => {
                    let at = usize::from(batch.address == address(1));
                    let trouble = Trouble::new(Health::Refused, "as ordered");
                    let result = match self.mood[at] {
                        Mood::Down => Err(Failure::NotSent(trouble)),
                        Mood::Silent => Err(Failure::Unknown(trouble)),
                        _ => Ok(batch.pieces.iter().map(|piece| self.execute(at, &piece.command)).collect()),
                    };
                    self.table.batch_done(batch, result, self.now);
                }
            }
        }
        self.now += TICK;
    }

    fn run(&mut self, time: Duration) -> PlayAccount {
        let until = self.now + time;
        while self.now < until {
            self.tick();
        }
        self.table.account(self.now).clone()
    }

    fn settled(&mut self) -> PlayAccount {
        for _ in 0..2000 {
            self.tick();
            if self.table.account(self.now).settled {
                break;
            }
        }
        self.table.account(self.now).clone()
    }

    fn held(&self) -> u64 {
        self.bits.values().flatten().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// The other one takes over, with what it has.
    fn promote(&mut self, bits: HashMap<String, Vec<u8>>) {
        (self.master, self.epoch, self.bits) = (1 - self.master, self.epoch + 3, bits);
        self.mood = [Mood::Down; 2];
        self.mood[self.master] = Mood::Serves;
    }
}

#[test]
fn the_account_of_a_failover_that_forgets_writes_is_exact() {
    let mut fake = FakeServer::new(40, 500);
    let before = fake.settled();
    assert!(before.settled && fake.table.rooms.len() == 40);
    fake.run(Duration::from_secs(2));
    // What the replica has; the master goes on for a while, then dies.
    let replicated = fake.bits.clone();
    let had = fake.held();
    fake.run(Duration::from_millis(300));
    let forgotten = fake.held() - had;
    fake.mood[0] = Mood::Down;
    let during = fake.run(Duration::from_secs(3));
    assert!(during.stats.gap > Some(Duration::from_millis(2900)) && !during.settled, "{during:?}");
    fake.promote(replicated);
    let after = fake.settled();
    assert_eq!((after.stats.lost, forgotten > 100), (forgotten, true), "{after:?}");
    assert_eq!(after.stats.acknowledged - after.stats.lost, fake.held());
    assert!(after.stats.last_gap > Some(Duration::from_secs(3)) && after.refusals["NOTSENT"] > 1000, "{after:?}");
    // Disturbed again: read back again, counted once.
    fake.mood[1] = Mood::Refuses;
    fake.run(Duration::from_millis(200));
    fake.mood[1] = Mood::Serves;
    let again = fake.settled();
    assert_eq!(again.stats.lost, forgotten);
    assert!(again.refusals["CLUSTERDOWN"] > 50);
}

#[test]
fn moves_that_nobody_answered_are_unknown_and_never_lost() {
    let mut fake = FakeServer::new(10, 500);
    fake.settled();
    let replicated = fake.bits.clone();
    let before = fake.table.account(fake.now).stats;
    fake.mood[0] = Mood::Silent;
    let after = fake.run(Duration::from_millis(500)).stats;
    assert_eq!((after.acknowledged, after.refused), (before.acknowledged, 0));
    assert!(after.unknown > 100);
    fake.promote(replicated);
    assert_eq!(fake.settled().stats.lost, 0);
}

#[test]
fn a_planned_failover_is_a_gap_of_its_own_length_and_no_loss() {
    let mut fake = FakeServer::new(10, 500);
    fake.settled();
    let sent = fake.now;
    fake.table.step(sent, 0);
    // The batch waits for 45 ms, then its first half is acknowledged and its second half sent on.
    let jobs = std::mem::take(&mut fake.table.jobs);
    fake.now += Duration::from_millis(45);
    for job in jobs {
        let PlayerJob::Batch(batch) = job else { continue };
        let half = batch.pieces.len() / 2;
        let (first, second) = batch.pieces.split_at(half);
        let mut replies: Vec<Reply> = first.iter().map(|piece| fake.execute(0, &piece.command)).collect();
        (fake.master, fake.epoch, fake.mood) = (1, 2, [Mood::Moved, Mood::Serves]);
        replies.extend(second.iter().map(|piece| fake.execute(0, &piece.command)));
        fake.table.batch_done(batch, Ok(replies), fake.now);
    }
    fake.tick();
    let account = fake.settled();
    assert_eq!(account.stats.last_gap, Some(Duration::from_millis(45)));
    assert_eq!((account.stats.lost, account.stats.refused, account.stats.acknowledged), (0, 0, fake.held()));
}

#[test]
fn a_room_that_somebody_deletes_is_replaced_and_its_moves_are_no_loss() {
    let mut fake = FakeServer::new(10, 200);
    fake.settled();
    let code = fake.table.rooms[3].code.clone();
    let of_room = |key: &String| key.contains(&code);
    fake.bits.retain(|key, _| !of_room(key));
    fake.hashes.retain(|key, _| !of_room(key));
    fake.run(Duration::from_secs(2));
    let account = fake.settled();
    assert_eq!(account.stats.lost, 0);
    assert!(fake.table.rooms.iter().all(|room| room.code != code) && fake.table.rooms.len() == 10);
    assert!(!fake.hashes.keys().any(of_room) && !fake.bits.keys().any(of_room), "our last moves are collected");
}

#[test]
fn a_server_that_came_back_empty_without_our_noticing_has_lost_everything() {
    let mut fake = FakeServer::new(10, 200);
    let before = fake.settled().stats.acknowledged;
    (fake.bits, fake.hashes, fake.run_id) = (HashMap::new(), HashMap::new(), 2);
    fake.run(Duration::from_secs(2));
    let account = fake.settled();
    assert_eq!((account.stats.lost, account.settled), (before, true));
    assert_eq!(fake.table.rooms.len(), fake.hashes.len(), "the same rooms are there again");
}

#[test]
fn a_full_game_is_read_back_before_the_next_one_starts() {
    let mut fake = FakeServer::new(1, 2000);
    fake.settled();
    let needed = Duration::from_millis(u64::from(MOVES) / 2 * 3 / 2);
    fake.run(needed);
    assert!(fake.unlinked.iter().any(|key| key.ends_with(":moves:1")), "{:?}", fake.unlinked);
    assert!(fake.bits.keys().all(|key| key.ends_with(":moves:2")));
    let account = fake.settled();
    assert_eq!((account.stats.lost, account.stats.acknowledged), (0, u64::from(MOVES) + fake.held()));
}

#[test]
fn the_rate_is_kept_and_lost_time_is_not_made_up_for() {
    let mut fake = FakeServer::new(50, 500);
    let start = fake.settled().stats.acknowledged;
    let end = fake.run(Duration::from_secs(10)).stats.acknowledged;
    assert!((4950..=5050).contains(&(end - start)), "{}", end - start);
    fake.now += Duration::from_secs(30);
    let account = fake.run(Duration::from_secs(1));
    assert!(account.stats.acknowledged - end < 600);
}
