//! PURE. What the servers answered to the players, and what follows from it.

use std::time::Duration;

use super::places::ShardAt;
use super::room::GameStage;
use super::workload::{Batch, Piece, PlayStep, PlayerJob, ShardState, Workload, piece};
use crate::cluster::{Address, View, parse};
use crate::link::{Failure, Reply, ServerError};

/// A command that is sent on more often than this is going in circles.
const HOPS: u8 = 5;

impl Workload {
    /// The way, as a node told it; None when it did not.
    pub(super) fn view_done(&mut self, address: &Address, view: Option<&View>, now: Duration) {
        self.asked.remove(address);
        let Some(view) = view else { return };
        let known = self.places.shards();
        let learnt = self.places.learn(view);
        self.shards.resize_with(self.places.shards(), ShardState::default);
        self.stale |= !learnt.gained.is_empty() || self.places.shards() > known;
        learnt.promoted.into_iter().for_each(|at| self.disturb(at, true));
        learnt.gained.into_iter().for_each(|at| self.doubt(at, now));
    }

    pub(super) fn batch_done(&mut self, batch: Batch, result: Result<Vec<Reply>, Failure>, now: Duration) {
        if batch.regular {
            self.busy.remove(&batch.address);
        }
        match result {
            Ok(replies) => {
                // Replies come together: what was acknowledged before the trouble began does not end the gap it makes.
                self.mixed = replies.iter().any(|reply| matches!(reply, Reply::Error(_)));
                let mut replies = replies.into_iter();
                for piece in batch.pieces {
                    if piece.asking {
                        replies.next();
                    }
                    match replies.next() {
                        Some(reply) => self.answer(batch.shard, &batch.address, piece, reply, now),
                        None => self.fail(batch.shard, &batch.address, &piece, true, "NOREPLY"),
                    }
                }
            }
            Err(failure) => {
                let sent = matches!(failure, Failure::Unknown(_));
                let code = failure.server().map_or("NOTSENT", |error| &error.code).to_owned();
                self.ask_at = now;
                for piece in batch.pieces {
                    self.fail(batch.shard, &batch.address, &piece, sent, &code);
                }
            }
        }
    }

    fn answer(&mut self, shard: ShardAt, address: &Address, piece: Piece, reply: Reply, now: Duration) {
        let error = match reply {
            Reply::Error(error) => error,
            reply => return self.done(shard, address, &piece, &reply, now),
        };
        match redirection(&error, address) {
            Some((slot, to, asking)) if piece.hops < HOPS => {
                let mut at = self.places.shard_of(slot).unwrap_or(shard);
                if !asking {
                    let promoted = self.places.moved(slot, &to).is_some();
                    self.stale = true;
                    self.ask_at = self.ask_at.min(now + Duration::from_millis(20));
                    at = self.places.shard_of(slot).unwrap_or(shard);
                    self.shards.resize_with(self.places.shards(), ShardState::default);
                    if promoted { self.disturb(at, true) } else { self.doubt(at, now) }
                }
                let again = Piece { hops: piece.hops + 1, asking, ..piece };
                let waiting = self.jobs.iter_mut().find_map(|job| match job {
                    PlayerJob::Batch(batch) if !batch.regular && batch.address == to && batch.shard == at => Some(batch),
                    _ => None,
                });
                match waiting {
                    Some(batch) => batch.pieces.push(again),
                    None => self.jobs.push(PlayerJob::Batch(Batch { shard: at, address: to, pieces: vec![again], regular: false })),
                }
            }
            _ if matches!(piece.what, PlayStep::Identity) => self.identify(shard, address, &Reply::Nil),
            _ => {
                self.ask_at = self.ask_at.min(now + Duration::from_millis(20));
                self.fail(shard, address, &piece, false, &error.code);
            }
        }
    }

    fn done(&mut self, shard: ShardAt, address: &Address, piece: &Piece, reply: &Reply, now: Duration) {
        if matches!(piece.what, PlayStep::Identity) {
            return self.identify(shard, address, reply);
        }
        if let Some(shard_state) = self.shards.get_mut(shard).filter(|_| self.places.owner(shard) == Some(address)) {
            shard_state.calm_since.get_or_insert(now);
        }
        let Some(room) = self.rooms.get_mut(piece.room) else { return };
        let is_current = room.book.id == piece.book;
        match &piece.what {
            PlayStep::Move(seq) => {
                if is_current {
                    room.book.acknowledge(*seq);
                }
                let at = self.places.shard_of(room.slot).unwrap_or(shard);
                self.acknowledge(at, now);
            }
            PlayStep::Make => {
                if is_current && let GameStage::Making(left) = room.stage {
                    room.stage = if left > 1 { GameStage::Making(left - 1) } else { GameStage::Open };
                }
            }
            PlayStep::Turn => {
                let vanished = is_current && room.stage == GameStage::Open && reply.int().is_some_and(|created| created > 0);
                if vanished {
                    self.vanish(shard, piece.room);
                }
            }
            PlayStep::ReadBack { snapshot, audit } => {
                let found: &[u8] = if let Reply::Bytes(bytes) = reply { bytes } else { &[] };
                let is_reading = room.stage == GameStage::Reading;
                if is_current {
                    let lost = room.book.audit(snapshot, found);
                    self.tally.lose(lost);
                }
                if is_current && is_reading {
                    self.next_game(shard, piece.room);
                }
                self.read(*audit);
            }
            PlayStep::Identity | PlayStep::Note => {}
        }
    }

    fn acknowledge(&mut self, at: ShardAt, now: Duration) {
        self.tally.acknowledge();
        if self.mixed {
            return;
        }
        if let Some(length) = self.shards.get_mut(at).and_then(|shard_state| shard_state.gap.acknowledged(now)) {
            let others = self.shards.iter().any(|shard_state| shard_state.gap.is_open(now));
            self.tally.end_gap(length, others);
        }
    }

    /// No good answer: refused when the server said so or nothing was sent, otherwise nobody knows.
    fn fail(&mut self, shard: ShardAt, address: &Address, piece: &Piece, sent: bool, code: &str) {
        // An old owner's late failure is none of the new one.
        let is_owner = self.places.owner(shard) == Some(address);
        if !matches!(piece.what, PlayStep::Turn | PlayStep::Note | PlayStep::Identity) {
            self.disturb(shard, is_owner);
        }
        let Some(room) = self.rooms.get_mut(piece.room) else { return };
        match &piece.what {
            PlayStep::Move(_) if sent => self.tally.forget(),
            PlayStep::Move(_) => self.tally.refuse(code),
            PlayStep::Make => room.stage = GameStage::Wanted,
            PlayStep::ReadBack { audit, .. } => {
                if room.stage == GameStage::Reading {
                    room.stage = GameStage::Full;
                }
                self.read(*audit);
            }
            PlayStep::Turn | PlayStep::Note | PlayStep::Identity => {}
        }
    }

    /// Trouble: what was acknowledged in this shard has to be read back, and from the beginning.
    fn disturb(&mut self, at: ShardAt, is_owner: bool) {
        let Some(shard_state) = self.shards.get_mut(at) else { return };
        if is_owner {
            shard_state.gap.trouble();
            shard_state.calm_since = None;
        }
        shard_state.unsettle();
    }

    /// Slots that have come from elsewhere: no trouble, but worth reading back.
    fn doubt(&mut self, at: ShardAt, now: Duration) {
        let Some(shard_state) = self.shards.get_mut(at) else { return };
        shard_state.calm_since = Some(now);
        shard_state.unsettle();
    }

    fn read(&mut self, audit: Option<ShardAt>) {
        let Some(shard_state) = audit.and_then(|at| self.shards.get_mut(at)) else { return };
        if let Some(audit) = &mut shard_state.audit {
            audit.pending = audit.pending.saturating_sub(1);
        }
        shard_state.finish_audit();
    }

    fn next_game(&mut self, shard: ShardAt, i: usize) {
        let book = self.new_book();
        let (Some(room), Some(shard_state)) = (self.rooms.get_mut(i), self.shards.get_mut(shard)) else { return };
        let command = room.next_game(book);
        shard_state.extra.push(piece(command, i, book, PlayStep::Note));
    }

    /// The room's state was not there. After a disturbance that is the disturbance's work and the audit will tell;
    /// in calm it is either somebody's wish or a server that was restarted without our noticing.
    fn vanish(&mut self, shard: ShardAt, i: usize) {
        let (Some(room), Some(shard_state)) = (self.rooms.get_mut(i), self.shards.get_mut(shard)) else { return };
        room.stage = GameStage::Wanted;
        if !shard_state.disturbed && !shard_state.doubtful.contains(&i) {
            room.stage = GameStage::Doubtful;
            shard_state.doubtful.push(i);
        }
    }

    fn identify(&mut self, shard: ShardAt, address: &Address, reply: &Reply) {
        let text = reply.text().unwrap_or_default();
        let run_id = parse::info(&text).ok().and_then(|info| info.run_id).map(|id| id.to_string()).unwrap_or_default();
        let before = self.identities.insert(address.clone(), run_id.clone());
        let Some(shard_state) = self.shards.get_mut(shard) else { return };
        let doubtful = std::mem::take(&mut shard_state.doubtful);
        if before.as_ref().is_some_and(|before| *before != run_id) {
            self.disturb(shard, true);
            for i in doubtful {
                if let Some(room) = self.rooms.get_mut(i) {
                    room.stage = GameStage::Wanted;
                }
            }
            return;
        }
        for i in doubtful {
            let new = self.new_room();
            let Some(room) = self.rooms.get_mut(i) else { continue };
            let (gone, book) = (std::mem::replace(room, new), room.book.id);
            self.stale = true;
            let Some(shard_state) = self.shards.get_mut(shard) else { continue };
            let notes = gone.clear().into_iter();
            shard_state.extra.extend(notes.map(|command| piece(command, i, book, PlayStep::Note)));
        }
    }
}

/// `MOVED slot host:port` or `ASK slot host:port`; an empty host means the one that was asked.
fn redirection(error: &ServerError, asked: &Address) -> Option<(u16, Address, bool)> {
    let asking = match error.code.as_str() {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    let (slot, place) = error.detail.split_once(' ')?;
    let (host, port) = place.trim().rsplit_once(':')?;
    let host = if host.is_empty() || host == "?" { &*asked.host } else { host };
    Some((slot.parse().ok()?, Address::new(host, port.parse().ok()?), asking))
}
