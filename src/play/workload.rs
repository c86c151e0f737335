//! PURE. The table the players sit at: decides what is sent next to whom, a batch at a time and shard by shard.
//!
//! ```text
//! room:   Wanted → Making → Open ⇄ (moves) → Full → read back → Open (next game)
//! shard:  calm → disturbed (failure, promotion, MOVED) → acknowledges again → a second of calm → every game read back → calm
//! ```

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::PlaySpec;
use super::account::{PlayAccount, Tally};
use super::gap::Gap;
use super::places::{Places, ShardAt};
use super::rng::Rng;
use super::room::{GameStage, PlayedRoom};
use crate::cluster::Address;
use crate::link::Command;

/// A shard that has acknowledged for this long without trouble has its final owner.
pub(super) const CALM: Duration = Duration::from_secs(1);
/// How often the way is asked for while something is wrong, and otherwise.
const ASK_IN_TROUBLE: Duration = Duration::from_millis(100);
const ASK_IN_CALM: Duration = Duration::from_secs(1);
/// Whom to ask at once, at most.
const ASKED: usize = 12;
/// Bounds of one batch, so that a move never waits long behind others.
const MOVES_A_BATCH: usize = 500;
const MADE_A_BATCH: usize = 25;
const READ_A_BATCH: usize = 50;
/// Players do not make up for more than this much of lost time.
const ARREARS: Duration = Duration::from_millis(50);

/// One command under way, and what its reply means.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) command: Command,
    pub(super) room: usize,
    /// The game it belongs to; when the room has another by now, the reply counts but changes nothing there.
    pub(super) book: u64,
    pub(super) what: PlayStep,
    /// Redirections so far.
    pub(super) hops: u8,
    pub(super) asking: bool,
}

#[derive(Clone, Debug)]
pub(super) enum PlayStep {
    /// The write that is counted.
    Move(u16),
    Turn,
    Make,
    /// Nobody waits for the reply.
    Note,
    ReadBack {
        /// What must be there.
        snapshot: Vec<u8>,
        /// The shard whose audit this is part of.
        audit: Option<ShardAt>,
    },
    /// INFO server: is it the process that it was?
    Identity,
}

/// Something to send.
#[derive(Debug)]
pub(super) enum PlayerJob {
    Batch(Batch),
    View(Address),
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) shard: ShardAt,
    pub(super) address: Address,
    pub(super) pieces: Vec<Piece>,
    /// The shard's one ordinary batch, not a redirected piece of one.
    pub(super) regular: bool,
}

/// What is known of one shard.
#[derive(Clone, Debug, Default)]
pub(super) struct ShardState {
    pub(super) gap: Gap,
    pub(super) disturbed: bool,
    /// Since when it acknowledges without trouble.
    pub(super) calm_since: Option<Duration>,
    pub(super) audit: Option<Audit>,
    /// Rooms that have vanished, until it is known who is to blame.
    pub(super) doubtful: Vec<usize>,
    pub(super) extra: Vec<Piece>,
    rooms: Vec<usize>,
    next: usize,
    due: f64,
}

/// Every game of a shard is being read back.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    /// Rooms still to be read.
    pub(super) unread: VecDeque<usize>,
    pub(super) pending: usize,
    /// Nothing has gone wrong since it began: then it counts.
    pub(super) valid: bool,
}

#[derive(Debug)]
pub(super) struct Workload {
    pub(super) rooms: Vec<PlayedRoom>,
    pub(super) places: Places,
    pub(super) shards: Vec<ShardState>,
    pub(super) tally: Tally,
    pub(super) jobs: Vec<PlayerJob>,
    /// Addresses with a regular batch under way, and those that are asked for the way.
    pub(super) busy: HashSet<Address>,
    pub(super) asked: HashSet<Address>,
    /// The run id of each owner.
    pub(super) identities: HashMap<Address, String>,
    /// A room has come, gone or moved to another shard.
    pub(super) stale: bool,
    pub(super) ask_at: Duration,
    pub(super) rng: Rng,
    /// The batch whose replies are being read has errors in it.
    pub(super) mixed: bool,
    codes: HashSet<String>,
    rate: f64,
    books: u64,
    last_step: Duration,
}

impl Workload {
    pub(super) fn new(spec: PlaySpec, seeds: &[Address], seed: u64) -> Self {
        let mut table = Self {
            rooms: Vec::new(),
            places: Places::new(seeds),
            shards: Vec::new(),
            tally: Tally::default(),
            jobs: Vec::new(),
            busy: HashSet::new(),
            asked: HashSet::new(),
            identities: HashMap::new(),
            stale: true,
            ask_at: Duration::ZERO,
            rng: Rng::new(seed),
            mixed: false,
            codes: HashSet::new(),
            rate: f64::from(spec.rate),
            books: 0,
            last_step: Duration::ZERO,
        };
        for _ in 0..spec.rooms {
            let room = table.new_room();
            table.rooms.push(room);
        }
        table
    }

    /// A room whose code no other has had.
    pub(super) fn new_room(&mut self) -> PlayedRoom {
        let mut code = self.rng.code();
        while !self.codes.insert(code.clone()) {
            code = self.rng.code();
        }
        let book = self.new_book();
        PlayedRoom::new(code, book, &mut self.rng)
    }

    pub(super) fn new_book(&mut self) -> u64 {
        self.books += 1;
        self.books
    }

    /// What is due by now goes into `jobs`.
    pub(super) fn step(&mut self, now: Duration, unix: i64) {
        let passed = now.saturating_sub(self.last_step).min(ARREARS);
        self.last_step = now;
        self.regroup();
        self.ask_the_way(now);
        let total = self.rooms.len().max(1);
        for at in 0..self.shards.len() {
            let Some(address) = self.places.owner(at).cloned() else { continue };
            let is_busy = self.busy.contains(&address);
            let Some(shard_state) = self.shards.get_mut(at) else { continue };
            let share = self.rate * as_float(shard_state.rooms.len()) / as_float(total);
            shard_state.due = (shard_state.due + share * passed.as_secs_f64()).min((share * ARREARS.as_secs_f64()).max(1.0));
            if is_busy {
                continue;
            }
            let pieces = self.batch(at, &address, now, unix);
            if !pieces.is_empty() {
                self.busy.insert(address.clone());
                self.jobs.push(PlayerJob::Batch(Batch { shard: at, address, pieces, regular: true }));
            }
        }
    }

    /// Sorts the rooms by shard when that may have changed.
    fn regroup(&mut self) {
        self.shards.resize_with(self.places.shards(), ShardState::default);
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.shards.iter_mut().for_each(|shard_state| shard_state.rooms.clear());
        for (i, room) in self.rooms.iter().enumerate() {
            if let Some(shard_state) = self.places.shard_of(room.slot).and_then(|at| self.shards.get_mut(at)) {
                shard_state.rooms.push(i);
            }
        }
        for shard_state in self.shards.iter_mut().filter(|shard_state| shard_state.rooms.is_empty()) {
            // Nobody plays there any more: nothing is missed.
            *shard_state = ShardState { extra: std::mem::take(&mut shard_state.extra), ..ShardState::default() };
        }
    }

    fn ask_the_way(&mut self, now: Duration) {
        if now < self.ask_at {
            return;
        }
        let lost = self.places.shards() == 0
            || self.shards.iter().any(|shard_state| shard_state.disturbed && shard_state.calm_since.is_none());
        self.ask_at = now + if lost { ASK_IN_TROUBLE } else { ASK_IN_CALM };
        let known = self.places.known();
        let start = usize::try_from(self.rng.roll() % 1_000_000).unwrap_or_default();
        let whom = known.iter().cycle().skip(start % known.len().max(1)).take(known.len()).filter(|a| !self.asked.contains(*a));
        let whom: Vec<Address> = whom.take(if lost { ASKED } else { 1 }).cloned().collect();
        for address in whom {
            self.asked.insert(address.clone());
            self.jobs.push(PlayerJob::View(address));
        }
    }

    /// The next batch for a shard: rooms to be made, games to be read back, and the moves that are due.
    fn batch(&mut self, at: ShardAt, address: &Address, now: Duration, unix: i64) -> Vec<Piece> {
        let Some(shard_state) = self.shards.get_mut(at) else { return Vec::new() };
        let mut pieces = std::mem::take(&mut shard_state.extra);
        if !shard_state.doubtful.is_empty() || !self.identities.contains_key(address) {
            pieces.push(piece(Command::words("INFO server"), 0, 0, PlayStep::Identity));
        }
        let is_calm = shard_state.calm_since.is_some_and(|since| now.saturating_sub(since) >= CALM);
        if shard_state.disturbed && is_calm && shard_state.audit.is_none() {
            shard_state.audit = Some(Audit { unread: shard_state.rooms.iter().copied().collect(), pending: 0, valid: true });
        }
        if let Some(audit) = &mut shard_state.audit {
            for i in audit.unread.drain(..audit.unread.len().min(READ_A_BATCH)) {
                let Some(room) = self.rooms.get(i).filter(|room| !room.book.is_blank()) else { continue };
                let what = PlayStep::ReadBack { snapshot: room.book.snapshot(), audit: Some(at) };
                audit.pending += 1;
                pieces.push(piece(room.read_back(), i, room.book.id, what));
            }
        }
        shard_state.finish_audit();
        let mut making = 0;
        for &i in &shard_state.rooms {
            let Some(room) = self.rooms.get_mut(i) else { continue };
            match room.stage {
                GameStage::Wanted if making < MADE_A_BATCH => {
                    making += 1;
                    let commands = room.make(now, unix);
                    room.stage = GameStage::Making(commands.len());
                    pieces.extend(commands.into_iter().map(|command| piece(command, i, room.book.id, PlayStep::Make)));
                }
                GameStage::Full if !shard_state.disturbed => {
                    room.stage = GameStage::Reading;
                    let what = PlayStep::ReadBack { snapshot: room.book.snapshot(), audit: None };
                    pieces.push(piece(room.read_back(), i, room.book.id, what));
                }
                _ => {}
            }
        }
        let mut moves = 0;
        // Every room is tried once, a few rooms are moved in more than once.
        for _ in 0..shard_state.rooms.len().max(MOVES_A_BATCH) {
            if shard_state.due < 1.0 || moves >= MOVES_A_BATCH || shard_state.rooms.is_empty() {
                break;
            }
            shard_state.next = (shard_state.next + 1) % shard_state.rooms.len();
            let Some(&i) = shard_state.rooms.get(shard_state.next) else { break };
            let Some(room) = self.rooms.get_mut(i).filter(|room| room.stage == GameStage::Open) else { continue };
            let Some(seq) = room.book.take() else { continue };
            if room.book.is_full() {
                room.stage = GameStage::Full;
            }
            let book = room.book.id;
            shard_state.due -= 1.0;
            moves += 1;
            shard_state.gap.attempt(now);
            pieces.push(piece(room.play(seq), i, book, PlayStep::Move(seq)));
            pieces.push(piece(room.turn(unix), i, book, PlayStep::Turn));
            let notes = room.live(now, &mut self.rng);
            pieces.extend(notes.into_iter().map(|command| piece(command, i, book, PlayStep::Note)));
        }
        if pieces.is_empty()
            && shard_state.disturbed
            && let Some((&i, room)) = shard_state.rooms.first().and_then(|i| Some((i, self.rooms.get(*i)?)))
        {
            // Nothing to send, and still to learn when it is calm again.
            pieces.push(piece(room.read_back(), i, room.book.id, PlayStep::Note));
        }
        pieces
    }

    /// The longest gap that is open.
    pub(super) fn gap(&self, now: Duration) -> Option<Duration> {
        self.shards.iter().filter_map(|shard_state| shard_state.gap.so_far(now)).max()
    }

    pub(super) fn account(&mut self, now: Duration) -> &PlayAccount {
        let gap = self.gap(now);
        let there = |room: &PlayedRoom| matches!(room.stage, GameStage::Open | GameStage::Full | GameStage::Reading);
        let settled = gap.is_none() && !self.shards.iter().any(|shard_state| shard_state.disturbed) && self.rooms.iter().all(there);
        self.tally.close(now, gap, settled)
    }
}

impl ShardState {
    /// Whatever was being read back does not count; it has to be read again.
    pub(super) fn unsettle(&mut self) {
        self.disturbed = true;
        if let Some(audit) = &mut self.audit {
            audit.unread.clear();
            audit.valid = false;
        }
        self.finish_audit();
    }

    /// After the last reply of an audit in which nothing went wrong the shard is as it was.
    pub(super) fn finish_audit(&mut self) {
        let Some(audit) = &self.audit else { return };
        if audit.unread.is_empty() && audit.pending == 0 {
            self.disturbed &= !audit.valid;
            self.audit = None;
        }
    }
}

pub(super) fn piece(command: Command, room: usize, book: u64, what: PlayStep) -> Piece {
    Piece { command, room, book, what, hops: 0, asking: false }
}

fn as_float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
