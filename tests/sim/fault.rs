//! IO. What can be done to a node, in the words of scenario files.

use super::keys::Keyspace;
use super::node::{Election, Faults, Id, Link, Manual, Process};
use super::world::World;

/// One fault, or the end of one.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// SIGSTOP: connections are accepted, nothing answers, the bus is silent.
    Hang,
    /// SIGCONT.
    Resume,
    /// SIGKILL: refused from now on.
    Crash,
    /// The process comes back with its `nodes.conf` and no data.
    Restart,
    /// The client port refuses; the bus goes on (a firewall).
    Refuse,
    Accept,
    /// Every reply comes so many milliseconds later; 0 ends it.
    Slow(u64),
    /// Replies are cut in the middle and the connection is reset.
    Reset,
    Loading,
    Busy,
    /// maxclients is reached.
    Full,
    /// Something else answers on the port.
    Garbage,
    /// The password is another one from now on.
    Password(String),
    /// Answers about the cluster are those of this moment, for ever.
    Lie,
    /// Nodes of different sides do not hear each other; 0 is where everybody is at first.
    Side(u8),
    /// The replica's stream is cut and cannot be made again.
    BreakLink,
    /// The replica stays so many bytes behind.
    Behind(u64),
    /// Commands that begin with these words are refused, after so many more that are not.
    Deny(String, u64),
    /// The next command that begins so is carried out, and the connection ends before the reply.
    LoseReply(String),
    /// It takes so many more keys from MIGRATE, then it has no memory.
    RoomForKeys(u64),
    /// What it says and hears on the bus is late by so many milliseconds.
    SlowBus(u64),
    /// Percent of maxmemory used.
    Memory(u64),
    /// Everything but the process, its role and its data is well again.
    Well,
}

impl World {
    pub fn inflict(&mut self, id: Id, fault: &Fault) {
        let now = self.now();
        match fault {
            Fault::Hang if self.nodes[id].is_up() => self.nodes[id].process = Process::Hung,
            Fault::Resume if self.nodes[id].process == Process::Hung => {
                self.nodes[id].process = Process::Running;
                self.land(id);
            }
            Fault::Crash => self.nodes[id].process = Process::Dead,
            Fault::Restart if self.nodes[id].process == Process::Dead => self.restart(id),
            Fault::Hang | Fault::Resume | Fault::Restart => {}
            other => {
                let lie = matches!(other, Fault::Lie).then(|| Box::new(self.nodes[id].mind.clone()));
                let node = &mut self.nodes[id];
                let faults = &mut node.faults;
                match other {
                    Fault::Refuse => faults.refuse = true,
                    Fault::Accept => faults.refuse = false,
                    Fault::Slow(by) => faults.slow_ms = *by,
                    Fault::Reset => faults.reset = true,
                    Fault::Loading => faults.loading = true,
                    Fault::Busy => faults.busy = true,
                    Fault::Full => faults.full = true,
                    Fault::Garbage => faults.garbage = true,
                    Fault::Password(password) => node.password = Some(password.clone()),
                    Fault::Lie => faults.lie = lie,
                    Fault::Side(side) => faults.side = *side,
                    Fault::BreakLink => {
                        faults.link_broken = true;
                        node.link = Link::Down { since: now };
                    }
                    Fault::Behind(bytes) => faults.behind = *bytes,
                    Fault::Deny(start, after) => faults.deny = Some((start.to_uppercase(), *after)),
                    Fault::LoseReply(start) => faults.lose_reply = Some(start.to_uppercase()),
                    Fault::RoomForKeys(count) => faults.room_for_keys = Some(*count),
                    Fault::SlowBus(late) => faults.slow_bus_ms = *late,
                    Fault::Memory(percent) => faults.memory_percent = Some(*percent),
                    Fault::Well => {
                        node.password.clone_from(&self.settings.password);
                        node.faults = Faults::default();
                    }
                    _ => {}
                }
            }
        }
    }

    fn restart(&mut self, id: Id) {
        self.forget_migrations(id);
        let (now, run_id, replid) = (self.now(), self.rng.hex(), self.rng.hex());
        let is_replica = self.me(id).is_replica;
        let node = &mut self.nodes[id];
        node.process = Process::Running;
        node.started = now;
        node.run_id = run_id;
        node.replid = replid;
        node.replid2 = None;
        node.keys = Keyspace::default();
        node.offset = 0;
        node.stats = super::node::Stats::default();
        node.link = Link::Down { since: now };
        node.election = Election::default();
        node.manual = Manual::default();
        node.paused_until = 0;
        node.blocked_until = 0;
        node.mind.ok = is_replica;
        node.mind.ok_from = now + 2000;
        node.mind.version += 1;
        for (other, member) in &mut node.mind.members {
            if *other != id {
                member.ping_sent = now;
                member.pong_received = now;
                member.reports.clear();
            }
        }
    }
}
