//! PURE. A room of the demo: its keys, its life, and the commands that make both.

use std::time::Duration;

use super::rng::Rng;
use super::write_log::WriteLog;
use crate::cluster::key_slot;
use crate::link::Command;

const PHASES: [&str; 5] = ["waiting_for_players", "team_pick", "dealing", "playing", "scoring"];
const NAMES: [&str; 12] = ["ada", "ben", "cleo", "dan", "eva", "finn", "gus", "hana", "ivo", "jo", "kim", "lea"];
/// Seconds that an abandoned room and a player's session live on.
const TTL: &str = "7200";
/// A room that is played in has its time to live renewed this often.
const RENEW: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GameStage {
    /// Not on the servers yet, or to be written again.
    Wanted,
    /// This many of its commands have not been answered.
    Making(usize),
    Open,
    /// Its game is full: the next one starts when this one has been read back.
    Full,
    Reading,
    /// Its state has vanished, and who is to blame is being found out.
    Doubtful,
}

#[derive(Clone, Debug)]
pub(super) struct PlayedRoom {
    pub(super) code: String,
    pub(super) slot: u16,
    pub(super) stage: GameStage,
    pub(super) book: WriteLog,
    game: u32,
    phase: usize,
    players: Vec<&'static str>,
    turn: u64,
    renewed: Duration,
}

impl PlayedRoom {
    pub(super) fn new(code: String, book: u64, rng: &mut Rng) -> Self {
        let count = usize::try_from(1 + rng.below(6)).unwrap_or(1);
        let first = usize::try_from(rng.below(12)).unwrap_or_default();
        let players = NAMES.iter().cycle().skip(first).take(count).copied().collect();
        let phase = usize::try_from(rng.below(5)).unwrap_or_default();
        let slot = key_slot(format!("{{{code}}}").as_bytes());
        Self {
            code,
            slot,
            stage: GameStage::Wanted,
            book: WriteLog::new(book),
            game: 1,
            phase,
            players,
            turn: 0,
            renewed: Duration::ZERO,
        }
    }

    fn key(&self, name: &str) -> String {
        format!("room:{{{}}}:{name}", self.code)
    }

    /// A bit a move. Every game has a key of its own: what an old one held never looks like a move of the new one.
    pub(super) fn moves_key(&self) -> String {
        self.key(&format!("moves:{}", self.game))
    }

    fn phase(&self) -> &'static str {
        PHASES.get(self.phase % PHASES.len()).copied().unwrap_or_default()
    }

    /// Everything that makes the room, again if need be.
    pub(super) fn make(&mut self, now: Duration, unix: i64) -> Vec<Command> {
        self.renewed = now;
        let (unix, turn, players) = (unix.to_string(), self.turn.to_string(), self.players.len().to_string());
        let state = self.key("state");
        let fields =
            ["phase", self.phase(), "players", &players, "turn", &turn, "round", "1", "created_at", &unix, "updated_at", &unix];
        let mut commands = vec![
            Command::new(["HSET", &state]).with(&fields),
            Command::new(["EXPIRE", &state, TTL]),
            Command::new(["SADD", &self.key("players")]).with(&self.players),
        ];
        commands.extend(self.players.iter().map(|player| self.session(player)));
        commands
    }

    fn session(&self, player: &str) -> Command {
        Command::new(["SET", &self.key(&format!("session:{player}")), player, "EX", TTL])
    }

    /// The counted half of a move.
    pub(super) fn play(&self, seq: u16) -> Command {
        Command::new(["SETBIT", &self.moves_key(), &seq.to_string(), "1"])
    }

    /// The visible half of a move. The server answers 0 unless the room has vanished under us.
    pub(super) fn turn(&mut self, unix: i64) -> Command {
        self.turn += 1;
        let (turn, unix) = (self.turn.to_string(), unix.to_string());
        Command::new(["HSET", &self.key("state"), "turn", &turn, "updated_at", &unix])
    }

    /// Now and then something happens besides moves.
    pub(super) fn live(&mut self, now: Duration, rng: &mut Rng) -> Vec<Command> {
        let state = self.key("state");
        let mut commands = Vec::new();
        if now.saturating_sub(self.renewed) > RENEW {
            self.renewed = now;
            commands.push(Command::new(["EXPIRE", &state, TTL]));
        }
        if rng.below(40) > 0 {
            return commands;
        }
        let waiting = self.phase == 0;
        let player = NAMES.iter().find(|name| !self.players.contains(name)).copied();
        match (rng.below(3), player) {
            (0, Some(name)) if waiting && self.players.len() < 6 => {
                self.players.push(name);
                commands.push(Command::new(["SADD", &self.key("players"), name]));
                commands.push(self.session(name));
            }
            (1, _) if waiting && self.players.len() > 1 => {
                if let Some(name) = self.players.pop() {
                    commands.push(Command::new(["SREM", &self.key("players"), name]));
                    commands.push(Command::new(["DEL", &self.key(&format!("session:{name}"))]));
                }
            }
            _ => self.phase = (self.phase + 1) % PHASES.len(),
        }
        let players = self.players.len().to_string();
        commands.push(Command::new(["HSET", &state, "phase", self.phase(), "players", &players]));
        commands
    }

    /// Reads back all moves of the game.
    pub(super) fn read_back(&self) -> Command {
        Command::new(["GET", &self.moves_key()])
    }

    /// Ends a full game that has been read back, and starts the next.
    pub(super) fn next_game(&mut self, book: u64) -> Command {
        let end = Command::new(["UNLINK", &self.moves_key()]);
        self.game += 1;
        self.book = WriteLog::new(book);
        self.stage = GameStage::Open;
        end
    }

    /// Takes away what our last moves have written of a room that somebody else has deleted.
    pub(super) fn clear(&self) -> Vec<Command> {
        [self.key("state"), self.moves_key()].into_iter().map(|key| Command::new(["UNLINK", &key])).collect()
    }
}

/// More words for a command.
trait With {
    fn with(self, words: &[&str]) -> Self;
}

impl With for Command {
    fn with(self, words: &[&str]) -> Self {
        words.iter().fold(self, |command, word| command.arg(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_room_share_its_slot() {
        let mut rng = Rng::new(7);
        let mut room = PlayedRoom::new(rng.code(), 1, &mut rng);
        let mut commands = room.make(Duration::ZERO, 0);
        commands.push(room.turn(0));
        commands.extend([room.play(0), room.read_back(), room.next_game(2), room.play(0)]);
        for _ in 0..2000 {
            commands.extend(room.live(Duration::ZERO, &mut rng));
        }
        assert!(commands.len() > 50);
        assert!(commands.iter().all(|command| key_slot(&command.0[1]) == room.slot));
        assert!((1..=6).contains(&room.players.len()));
    }

    #[test]
    fn codes_have_five_characters_and_differ() {
        let mut rng = Rng::new(42);
        let codes: std::collections::HashSet<String> = (0..1000).map(|_| rng.code()).collect();
        assert!(codes.len() > 995 && codes.iter().all(|code| code.len() == 5));
    }
}
