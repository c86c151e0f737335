//! IO. The task that scans one master: SCAN, sizes, states, and the rooms they make.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::budget::ScanCost;
use super::describe::{ValueKind, told};
use super::index::ScanIndex;
use super::memory::ScanMemory;
use super::template::Template;
use crate::cluster::{Fact, Health, Observation, Room, RoomScan, SlotRange, Time, Trouble, key_slot};
use crate::link::{Clock, Command, Failure, Link, Reply};

/// Keys asked for at a time: a call stays well below a millisecond.
const COUNT: usize = 200;
/// For the replies to one batch; SCAN may wait behind a long command of somebody else.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between the end of one scan and the next, at least.
const REST: Duration = Duration::from_secs(1);
/// After a failure, and after being told that this user may not.
const AGAIN: Duration = Duration::from_secs(1);
const FORBIDDEN: Duration = Duration::from_secs(60);
/// While the lane is at work for somebody else.
const GIVE_WAY: Duration = Duration::from_millis(20);

/// What the scan is told about its master.
#[derive(Debug)]
pub(crate) struct ScanPlace {
    pub(crate) link: Link,
    pub(crate) clock: Clock,
    pub(crate) to: mpsc::Sender<Observation>,
    /// Slots it owns now; None for a server without cluster mode.
    pub(crate) owned: Arc<Mutex<Option<Vec<SlotRange>>>>,
    /// The server can be asked not to count these reads as use of the keys.
    pub(crate) no_touch: bool,
}

/// Scans for ever.
pub(crate) async fn scan(place: ScanPlace, template: Template, memory: ScanMemory) {
    let mut scanner = Scanner {
        no_sizes: false,
        no_touch: place.no_touch,
        place,
        index: ScanIndex::new(template, memory),
        number: 0,
        closed: false,
        crowded: false,
    };
    while !scanner.closed {
        let ended = scanner.once().await;
        scanner.index.let_go();
        match ended {
            Ok(()) => sleep(REST).await,
            Err(failure) if failure.trouble().health == Health::NoPerm => {
                scanner.say(Fact::Rooms(RoomScan { scan: scanner.number, denied: true, ..RoomScan::default() })).await;
                sleep(FORBIDDEN).await;
            }
            Err(_) => sleep(AGAIN).await,
        }
    }
}

struct Scanner {
    place: ScanPlace,
    index: ScanIndex,
    number: u64,
    /// MEMORY USAGE is refused: rooms have no size, and the refusals are not repeated.
    no_sizes: bool,
    no_touch: bool,
    closed: bool,
    /// It has been said that there is not enough memory for all keys or rooms.
    crowded: bool,
}

impl Scanner {
    /// One scan through every key.
    async fn once(&mut self) -> Result<(), Failure> {
        let first = self.index.is_first();
        let began = self.place.clock.now();
        // Numbers grow over restarts of this task too.
        let millis = u64::try_from(began.timestamp_millis()).unwrap_or(0);
        self.number = millis.max(self.number + 1);
        self.index.begin();
        let owned = self.owned();
        if self.no_touch {
            self.no_touch = self.place.link.call(&Command::words("CLIENT NO-TOUCH ON")).await.is_ok();
        }
        let mut cursor = b"0".to_vec();
        loop {
            while !self.place.link.is_idle() {
                sleep(GIVE_WAY).await;
            }
            let asked = Instant::now();
            let (next, keys) = self.scan(&cursor).await?;
            let mut cost = ScanCost::scan(COUNT.max(keys.len()));
            let wanted = self.index.take(keys);
            cost.add(self.measure(wanted.sizes).await?);
            let (batch, read) = self.describe(wanted.rooms).await?;
            cost.add(read);
            self.tell(batch).await;
            cursor = next;
            let pause = cost.pause(asked.elapsed(), first);
            if cursor == b"0" {
                self.end(owned, began).await?;
                sleep(pause).await;
                return Ok(());
            }
            sleep(pause).await;
        }
    }

    async fn scan(&self, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), Failure> {
        let command = Command::new([b"SCAN".as_slice(), cursor, b"COUNT", COUNT.to_string().as_bytes()]);
        let reply = self.place.link.call_within(&command, PATIENCE).await?;
        let unreadable = || Failure::Unknown(Trouble::new(Health::Garbage, "SCAN's reply is not a cursor and keys"));
        let Reply::Array(parts) = reply else { return Err(unreadable()) };
        let Ok([Reply::Bytes(next), Reply::Array(keys)]) = <[Reply; 2]>::try_from(parts) else { return Err(unreadable()) };
        let keys = keys.into_iter().filter_map(|key| if let Reply::Bytes(key) = key { Some(key) } else { None });
        Ok((next, keys.collect()))
    }

    async fn measure(&mut self, keys: Vec<Vec<u8>>) -> Result<ScanCost, Failure> {
        if self.no_sizes || keys.is_empty() {
            return Ok(ScanCost::default());
        }
        let commands: Vec<Command> = keys.iter().map(|key| Command::new([b"MEMORY".as_slice(), b"USAGE", key])).collect();
        let replies = self.place.link.pipeline(&commands, PATIENCE).await?;
        for (key, reply) in keys.iter().zip(&replies) {
            match reply {
                Reply::Int(bytes) => self.index.measured(key, u64::try_from(*bytes).unwrap_or(0)),
                // A slot that is on the move answers for itself; everything else will be refused next time too.
                Reply::Error(error) if !matches!(&*error.code, "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN") => {
                    self.no_sizes = true
                }
                _ => {}
            }
        }
        Ok(ScanCost::measure(keys.len()))
    }

    /// Reads what the rooms say of themselves now. Rooms whose key is gone are told as gone.
    async fn describe(&mut self, codes: Vec<Arc<str>>) -> Result<(RoomScan, ScanCost), Failure> {
        let mut batch = RoomScan { scan: self.number, keys_seen: self.index.keys_seen(), ..RoomScan::default() };
        let mut asked = 0;
        let mut kinds = Vec::with_capacity(codes.len());
        for code in &codes {
            kinds.push(self.index.tag_mut(code).and_then(|tag| tag.state));
        }
        // Types are asked once a room: the wrong question would be an error on the server's account.
        let unknown: Vec<&Arc<str>> = codes.iter().zip(&kinds).filter(|(_, kind)| kind.is_none()).map(|(code, _)| code).collect();
        let types = unknown.iter().map(|code| Command::new([b"TYPE".as_slice(), &self.index.template().state(code)])).collect();
        for (code, reply) in unknown.into_iter().zip(self.ask(types, &mut asked).await?) {
            // A refusal, as while the cluster is down, says nothing of the type: it is asked again in the next scan.
            if let (Some(tag), Some(_)) = (self.index.tag_mut(code), reply.text()) {
                tag.state = Some(ValueKind::read(&reply));
            }
        }
        let mut questions = Vec::new();
        for code in &codes {
            let state = self.index.template().state(code);
            let players = self.index.template().players(code);
            let Some(tag) = self.index.tag_mut(code) else { continue };
            questions.push(Command::new([b"PTTL".as_slice(), &state]));
            questions.extend(tag.state.and_then(|kind| kind.ask_state(&state)));
            questions.extend(tag.companion.and_then(|kind| kind.ask_count(&players)));
        }
        let mut replies = self.ask(questions, &mut asked).await?.into_iter();
        let mut silent = Vec::new();
        for code in codes {
            let Some(tag) = self.index.tag_mut(&code) else { continue };
            let ttl = replies.next().unwrap_or(Reply::Nil);
            let state = tag.state.filter(|kind| kind.ask_state(b"").is_some());
            let reply = state.and_then(|_| replies.next()).unwrap_or(Reply::Nil);
            if matches!(&reply, Reply::Error(error) if error.code == "WRONGTYPE") {
                tag.state = None;
            }
            let refused = matches!(&reply, Reply::Error(error) if error.code != "WRONGTYPE");
            // The whole cluster refuses: what was known of its rooms stays, until they can be read again.
            if let Reply::Error(error) = &ttl
                && matches!(&*error.code, "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "BUSY")
            {
                return Err(Failure::Unknown(Trouble::new(Health::from_error_code(&error.code), error.to_string())));
            }
            let told = state.map(|kind| told(kind, &reply)).unwrap_or_default();
            let companion = tag.companion.filter(|kind| kind.ask_count(b"").is_some());
            let counted = companion.and_then(|_| replies.next().and_then(|reply| reply.int()));
            let millis = match ttl {
                Reply::Int(-2) => {
                    self.index.gone(&code);
                    batch.gone.push(code);
                    continue;
                }
                // Its state is refused at the moment: what it was is still the best that is known.
                Reply::Int(_) if refused => continue,
                Reply::Int(millis) => millis,
                // The slot is elsewhere or on its way.
                _ => continue,
            };
            if told.players.is_none() && tag.companion.is_none() {
                silent.push(batch.rooms.len());
            }
            let (keys, size_bytes) = tag.size();
            tag.said = Some((keys, size_bytes));
            batch.rooms.push(Room {
                slot: key_slot(&self.index.template().state(&code)),
                code,
                phase: told.phase,
                players: told.players.or_else(|| u32::try_from(counted?).ok()).unwrap_or(0),
                keys,
                size_bytes,
                ttl: u64::try_from(millis).ok().map(Duration::from_millis),
                seen: self.place.clock.now(),
            });
        }
        self.count_players(&mut batch.rooms, &silent, &mut asked).await?;
        Ok((batch, ScanCost::read(asked)))
    }

    /// Players of rooms whose state does not tell them: how many the key beside it holds.
    async fn count_players(&mut self, rooms: &mut [Room], silent: &[usize], asked: &mut usize) -> Result<(), Failure> {
        let key = |index: &ScanIndex, room: &Room| index.template().players(&room.code);
        let of = |rooms: &[Room], at: usize| rooms.get(at).cloned();
        let waiting: Vec<(usize, Room)> = silent.iter().filter_map(|&at| Some((at, of(rooms, at)?))).collect();
        let types = waiting.iter().map(|(_, room)| Command::new([b"TYPE".as_slice(), &key(&self.index, room)])).collect();
        let kinds: Vec<ValueKind> = self.ask(types, asked).await?.iter().map(ValueKind::read).collect();
        let mut counts = Vec::new();
        let mut places = Vec::new();
        for ((at, room), kind) in waiting.iter().zip(kinds) {
            // A key that is not there yet may come: only what is there is remembered.
            if let Some(tag) = self.index.tag_mut(&room.code).filter(|_| kind != ValueKind::Other) {
                tag.companion = Some(kind);
            }
            if let Some(command) = kind.ask_count(&key(&self.index, room)) {
                counts.push(command);
                places.push(*at);
            }
        }
        for (at, reply) in places.into_iter().zip(self.ask(counts, asked).await?) {
            if let (Some(room), Some(count)) = (rooms.get_mut(at), reply.int().and_then(|count| u32::try_from(count).ok())) {
                room.players = count;
            }
        }
        Ok(())
    }

    async fn ask(&self, commands: Vec<Command>, asked: &mut usize) -> Result<Vec<Reply>, Failure> {
        *asked += commands.len();
        self.place.link.pipeline(&commands, PATIENCE).await
    }

    fn owned(&self) -> Option<Vec<SlotRange>> {
        self.place.owned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn end(&mut self, owned_then: Option<Vec<SlotRange>>, began: Time) -> Result<(), Failure> {
        let wrong = self.index.end();
        for codes in wrong.chunks(COUNT) {
            let (batch, _) = self.describe(codes.to_vec()).await?;
            self.tell(batch).await;
        }
        let keys_seen = self.index.keys_seen();
        let partial = self.index.is_partial();
        self.warn(partial);
        let done = RoomScan { scan: self.number, done: true, partial, keys_seen, began: Some(began), ..RoomScan::default() };
        self.say(Fact::Rooms(done)).await;
        if let Some(owned) = self.owned() {
            let counts = self.index.slot_keys(&owned);
            if !counts.is_empty() {
                self.say(Fact::SlotKeys(Arc::new(counts))).await;
            }
            if let Some(strays) = owned_then.and_then(|then| self.index.strays(&then, &owned)) {
                self.say(Fact::Strays(Arc::new(strays))).await;
            }
        }
        Ok(())
    }

    /// Once, until there is enough again: the log is for what changes.
    fn warn(&mut self, partial: bool) {
        let crowded = partial || self.index.is_crowded();
        if crowded && !std::mem::replace(&mut self.crowded, crowded) {
            let what = if partial {
                "rooms than fit in memory: not all are shown"
            } else {
                "keys than fit in memory: some may count twice"
            };
            log::warn!("{}: the cluster has more {what}", self.place.link.address());
        }
        self.crowded = crowded;
    }

    async fn tell(&mut self, batch: RoomScan) {
        if !batch.rooms.is_empty() || !batch.gone.is_empty() {
            self.say(Fact::Rooms(batch)).await;
        }
    }

    /// Pieces of a scan add up: they wait for their reader, and the scan with them.
    async fn say(&mut self, fact: Fact) {
        let observation = Observation { source: self.place.link.address().clone(), at: self.place.clock.now(), fact };
        self.closed |= self.place.to.send(observation).await.is_err();
    }
}
