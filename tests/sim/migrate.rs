//! IO. MIGRATE: keys go from one server to another in one blocking step, or the target says why not.

use rgc_tui::cluster::key_slot;

use super::commands::Outcome;
use super::keys::{Entry, text};
use super::node::{Id, Process};
use super::resp::Value;
use super::world::World;

struct Order {
    port: u16,
    keys: Vec<Vec<u8>>,
    db: String,
    timeout: u64,
    copy: bool,
    replace: bool,
    password: Option<String>,
}

impl Order {
    /// Where the target puts the keys.
    fn database(&self) -> u32 {
        self.db.parse().unwrap_or(0)
    }
}

fn parse(words: &[Vec<u8>]) -> Result<Order, Value> {
    let syntax = || Value::error("ERR syntax error");
    let timeout: i64 = text(&words[5]).parse().map_err(|_| Value::error("ERR value is not an integer or out of range"))?;
    let mut order = Order {
        port: text(&words[2]).parse().unwrap_or(0),
        keys: vec![words[3].clone()],
        db: text(&words[4]),
        timeout: if timeout <= 0 { 1000 } else { timeout as u64 },
        copy: false,
        replace: false,
        password: None,
    };
    let mut rest = words[6..].iter();
    while let Some(word) = rest.next() {
        match text(word).to_ascii_uppercase().as_str() {
            "COPY" => order.copy = true,
            "REPLACE" => order.replace = true,
            "AUTH" => order.password = Some(text(rest.next().ok_or_else(syntax)?)),
            "AUTH2" => {
                rest.next().ok_or_else(syntax)?;
                order.password = Some(text(rest.next().ok_or_else(syntax)?));
            }
            "KEYS" => {
                if !words[3].is_empty() {
                    return Err(Value::error(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                order.keys = rest.by_ref().cloned().collect();
            }
            _ => return Err(syntax()),
        }
    }
    Ok(order)
}

impl World {
    pub fn migrate(&mut self, me: Id, database: u32, words: &[Vec<u8>]) -> Outcome {
        let order = match parse(words) {
            Ok(order) => order,
            Err(error) => return Outcome::Reply(error),
        };
        let keys: Vec<(Vec<u8>, Entry)> = order
            .keys
            .iter()
            .filter_map(|key| Some((key.clone(), self.nodes[me].keys.database(database)?.get(key)?.clone())))
            .collect();
        if keys.is_empty() {
            return Outcome::Reply(Value::Simple("NOKEY".into()));
        }
        let target = self.by_port(order.port).filter(|id| {
            text(&words[1]) == self.host && self.nodes[*id].process != Process::Dead && !self.nodes[*id].faults.refuse
        });
        let Some(target) = target else {
            return Outcome::Reply(Value::error("IOERR error or timeout writing to target instance"));
        };
        if self.nodes[target].process == Process::Hung || self.nodes[me].faults.side != self.nodes[target].faults.side {
            // The target will find the keys in its socket when it wakes up: they are on both sides then.
            if self.nodes[target].process == Process::Hung {
                let into = order.database();
                self.in_flight.entry(target).or_default().extend(keys.into_iter().map(|(key, entry)| (into, key, entry)));
            }
            self.nodes[me].blocked_until = self.now() + order.timeout;
            return Outcome::Later(order.timeout, Value::error("IOERR error or timeout reading to target instance"));
        }
        let greeting = self.greeting_error(target, &order);
        let mut problem = None;
        for (key, entry) in keys {
            let error = self.accept_key(target, &key, &order);
            let cost = 40 + key.len() as u64;
            if error.is_none() {
                if let Some(room) = &mut self.nodes[target].faults.room_for_keys {
                    *room -= 1;
                }
                self.mutate(target, cost, |keyspace| keyspace.database_mut(order.database()).put(&key, entry.clone()));
            }
            // The target goes on after a greeting that it did not like; the source keeps its key then: there are two of it.
            match greeting.clone().or(error) {
                Some(error) => problem = problem.or(Some(error)),
                None if order.copy => {}
                None => drop(self.mutate(me, cost, |keyspace| keyspace.database_mut(database).remove(&key))),
            }
        }
        let prefix = "ERR Target instance replied with error: ";
        Outcome::Reply(problem.map_or_else(Value::ok, |error| Value::Error(format!("{prefix}{error}"))))
    }

    /// What the target says to AUTH and SELECT, when it does not like them.
    fn greeting_error(&self, target: Id, order: &Order) -> Option<String> {
        match (&self.nodes[target].password, &order.password) {
            (None, Some(_)) => return Some(super::commands::NO_PASSWORD.into()),
            (Some(right), Some(given)) if right != given => return Some(super::commands::WRONGPASS.into()),
            _ => {}
        }
        match order.db.parse::<u32>() {
            Ok(number) if number == 0 || self.has_database(number) => None,
            Ok(_) if self.settings.kind.has_databases() => Some("ERR DB index is out of range".into()),
            _ => Some("ERR SELECT is not allowed in cluster mode".into()),
        }
    }

    /// Why the target would not restore this key; None when it does.
    fn accept_key(&self, target: Id, key: &[u8], order: &Order) -> Option<String> {
        let node = &self.nodes[target];
        if node.password.is_some() && node.password != order.password {
            return Some(super::commands::NOAUTH.into());
        }
        let slot = key_slot(key);
        let present = node.keys.database(order.database()).is_some_and(|keys| keys.get(key).is_some());
        if let Some(error) = self.redirect(target, slot, present, true, false) {
            return Some(error);
        }
        if node.faults.busy {
            return Some(super::commands::BUSY.into());
        }
        if node.faults.loading {
            return Some(super::commands::LOADING.into());
        }
        if node.faults.room_for_keys == Some(0) {
            return Some("OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        (present && !order.replace).then(|| "BUSYKEY Target key name already exists.".into())
    }

    /// A hung node goes on: what waited in its sockets is carried out.
    pub fn land(&mut self, target: Id) {
        for (database, key, entry) in self.in_flight.remove(&target).unwrap_or_default() {
            let slot = key_slot(&key);
            let present = self.nodes[target].keys.database(database).is_some_and(|keys| keys.get(&key).is_some());
            if !present && self.redirect(target, slot, present, true, false).is_none() {
                self.mutate(target, 40, |keyspace| keyspace.database_mut(database).put(&key, entry.clone()));
            }
        }
    }

    /// The error that sends a client elsewhere; None when this node serves the slot.
    /// `present`: all keys of the command are here (of several: none missing).
    pub fn redirect(&self, me: Id, slot: u16, present: bool, asking: bool, migrating: bool) -> Option<String> {
        let mind = &self.nodes[me].mind;
        let Some(owner) = mind.owner(slot) else { return Some("CLUSTERDOWN Hash slot not served".into()) };
        if !mind.ok {
            return Some("CLUSTERDOWN The cluster is down".into());
        }
        let address = |id: Id| format!("{}:{}", self.host, self.nodes[id].port);
        if owner == me {
            return match mind.migrating.get(&slot) {
                Some(peer) if !present && !migrating => Some(format!("ASK {slot} {}", address(*peer))),
                _ => None,
            };
        }
        if (asking || migrating) && mind.importing.contains_key(&slot) {
            return None;
        }
        Some(format!("MOVED {slot} {}", address(owner)))
    }
}
