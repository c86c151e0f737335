//! IO. A command arrives: may it run now, on this node, for this client? Then it runs.

use rgc_tui::cluster::key_slot;

use super::bus::Message;
use super::keys::text;
use super::node::Id;
use super::resp::Value;
use super::world::World;

pub const LOADING: &str = "LOADING Redis is loading the dataset in memory";
pub const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
pub const NOAUTH: &str = "NOAUTH Authentication required.";
const NOAUTH_HELLO: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> \
                            option can be used to authenticate the client and select the RESP protocol version at the same time";
pub const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
pub const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                           configuration is correct?";

/// What comes of a command.
pub enum Outcome {
    Reply(Value),
    /// The reply comes after so many milliseconds.
    Later(u64, Value),
    /// It cannot run yet (writes are paused, the server is busy with MIGRATE): try again.
    Wait,
    /// Reply, and close.
    Close(Value),
}

/// One connection, as its server knows it.
#[derive(Debug, Default)]
pub struct Client {
    pub id: u64,
    pub name: String,
    pub authenticated: bool,
    pub resp3: bool,
    pub asking: bool,
    pub database: u32,
    pub readonly: bool,
    /// Between MULTI and EXEC: what is queued, and whether a command was refused on the way.
    pub queued: Option<(Vec<Vec<Vec<u8>>>, bool)>,
    /// What was queued is being carried out.
    pub executing: bool,
}

/// Name, arity as the servers write it (negative: at least), first key (0: none), last key (negative: from the end), flags:
/// `w` writes, `p` waits like writes while those are paused, `l` while loading, `b` while busy, `a` without authentication.
type Row = (&'static str, i32, usize, i32, &'static str);

const TABLE: &[Row] = &[
    ("ACL", -2, 0, 0, "l"),
    ("APPEND", 3, 1, 1, "w"),
    ("ASKING", 1, 0, 0, ""),
    ("AUTH", -2, 0, 0, "lba"),
    ("CLIENT", -2, 0, 0, "l"),
    ("CLUSTER", -2, 0, 0, ""),
    ("COMMAND", -1, 0, 0, "l"),
    ("CONFIG", -2, 0, 0, "l"),
    ("DBSIZE", 1, 0, 0, ""),
    ("DEL", -2, 1, -1, "w"),
    ("DISCARD", 1, 0, 0, "lb"),
    ("DUMP", 2, 1, 1, ""),
    ("ECHO", 2, 0, 0, ""),
    ("EXEC", 1, 0, 0, "lb"),
    ("EXISTS", -2, 1, -1, ""),
    ("EXPIRE", -3, 1, 1, "w"),
    ("FUNCTION", -2, 0, 0, ""),
    ("GET", 2, 1, 1, ""),
    ("HDEL", -3, 1, 1, "w"),
    ("HELLO", -1, 0, 0, "lba"),
    ("HGET", 3, 1, 1, ""),
    ("HGETALL", 2, 1, 1, ""),
    ("HINCRBY", 4, 1, 1, "w"),
    ("HLEN", 2, 1, 1, ""),
    ("HMGET", -3, 1, 1, ""),
    ("HSET", -4, 1, 1, "w"),
    ("INCR", 2, 1, 1, "w"),
    ("INFO", -1, 0, 0, "l"),
    ("LATENCY", -2, 0, 0, "l"),
    ("LLEN", 2, 1, 1, ""),
    ("LRANGE", 4, 1, 1, ""),
    ("MEMORY", -2, 2, 2, ""),
    ("MGET", -2, 1, -1, ""),
    ("MIGRATE", -6, 3, 3, "w"),
    ("MULTI", 1, 0, 0, "lb"),
    ("OBJECT", -2, 2, 2, ""),
    ("PEXPIRE", -3, 1, 1, "w"),
    ("PING", -1, 0, 0, ""),
    ("PTTL", 2, 1, 1, ""),
    ("PUBLISH", 3, 0, 0, "lp"),
    ("PUBSUB", -2, 0, 0, "l"),
    ("QUIT", -1, 0, 0, "lba"),
    ("READONLY", 1, 0, 0, "l"),
    ("READWRITE", 1, 0, 0, "l"),
    ("RESET", 1, 0, 0, "lba"),
    ("ROLE", 1, 0, 0, "l"),
    ("RPUSH", -3, 1, 1, "w"),
    ("SADD", -3, 1, 1, "w"),
    ("SCAN", -2, 0, 0, ""),
    ("SCARD", 2, 1, 1, ""),
    ("SELECT", 2, 0, 0, "l"),
    ("SET", -3, 1, 1, "w"),
    ("SLOWLOG", -2, 0, 0, "l"),
    ("SMEMBERS", 2, 1, 1, ""),
    ("STRLEN", 2, 1, 1, ""),
    ("SUBSCRIBE", -2, 0, 0, "l"),
    ("TIME", 1, 0, 0, "l"),
    ("TTL", 2, 1, 1, ""),
    ("TYPE", 2, 1, 1, ""),
    ("UNLINK", -2, 1, -1, "w"),
    ("UNSUBSCRIBE", -1, 0, 0, "l"),
    ("WAIT", 3, 0, 0, ""),
];

/// Subcommands of `CLUSTER` with their arity; the others of this version answer as unknown.
const CLUSTER: &[(&str, i32)] = &[
    ("ADDSLOTS", -3),
    ("ADDSLOTSRANGE", -4),
    ("BUMPEPOCH", 2),
    ("COUNT-FAILURE-REPORTS", 3),
    ("COUNTKEYSINSLOT", 3),
    ("DELSLOTS", -3),
    ("DELSLOTSRANGE", -4),
    ("FAILOVER", -2),
    ("FORGET", 3),
    ("GETKEYSINSLOT", 4),
    ("INFO", 2),
    ("KEYSLOT", 3),
    ("LINKS", 2),
    ("MEET", -4),
    ("MYID", 2),
    ("NODES", 2),
    ("REPLICAS", 3),
    ("REPLICATE", 3),
    ("RESET", -2),
    ("SAVECONFIG", 2),
    ("SETSLOT", -4),
    ("SHARDS", 2),
    ("SLOTS", 2),
];

/// Where servers move slots by themselves.
const MIGRATIONS: &[(&str, i32)] = &[("CANCELSLOTMIGRATIONS", 2), ("GETSLOTMIGRATIONS", 2), ("MIGRATESLOTS", -5)];

fn fits(arity: i32, words: usize) -> bool {
    let words = words as i32;
    if arity < 0 { words >= -arity } else { words == arity }
}

fn wrong_arity(name: &str) -> Value {
    Value::Error(format!("ERR wrong number of arguments for '{}' command", name.to_lowercase()))
}

impl World {
    /// Runs a command and keeps the books: journal, commandstats, errorstats.
    pub fn receive(&mut self, me: Id, client: &mut Client, words: &[Vec<u8>]) -> Outcome {
        let unsaid = std::mem::take(&mut self.nodes[me].claims_unsaid);
        let outcome = self.admit(me, client, words);
        if unsaid {
            self.broadcast(me, &Message::Pong);
            self.pump();
        }
        if let Outcome::Reply(reply) | Outcome::Later(_, reply) | Outcome::Close(reply) = &outcome {
            let mut line: Vec<String> = words.iter().map(|word| if word.is_empty() { "\"\"".into() } else { text(word) }).collect();
            if line.first().is_some_and(|name| name.eq_ignore_ascii_case("AUTH")) {
                line.truncate(1);
            }
            let name = match line.first().map(|name| name.to_lowercase()).unwrap_or_default() {
                name if ["cluster", "client", "config", "memory", "object"].contains(&&*name) => {
                    format!("{name}|{}", line.get(1).map(|word| word.to_lowercase()).unwrap_or_default())
                }
                name => name,
            };
            let stats = &mut self.nodes[me].stats;
            if let Value::Error(error) = reply {
                let code = error.split(' ').next().unwrap_or_default();
                *stats.errors.entry(code.into()).or_default() += 1;
            }
            let (calls, usec) = stats.commands.entry(name).or_default();
            *calls += 1;
            *usec += 10;
            self.record(me, line.join(" "), reply.brief());
        }
        outcome
    }

    /// A command that is refused while a transaction is put together spoils the transaction.
    fn admit(&mut self, me: Id, client: &mut Client, words: &[Vec<u8>]) -> Outcome {
        let outcome = self.admitted(me, client, words);
        if let (Some((_, spoilt)), Outcome::Reply(Value::Error(error))) = (&mut client.queued, &outcome) {
            *spoilt |= !error.starts_with("ERR MULTI calls");
        }
        outcome
    }

    fn admitted(&mut self, me: Id, client: &mut Client, words: &[Vec<u8>]) -> Outcome {
        let name = text(&words[0]).to_ascii_uppercase();
        let now = self.now();
        if self.nodes[me].blocked_until > now {
            return Outcome::Wait;
        }
        let Some(&(_, arity, first, last, flags)) = TABLE.iter().find(|row| row.0 == name) else {
            let rest: String = words[1..].iter().map(|word| format!("'{}' ", text(word))).collect();
            let error = format!("ERR unknown command '{}', with args beginning with: {rest}", text(&words[0]));
            return Outcome::Reply(Value::Error(error));
        };
        if !fits(arity, words.len()) {
            return Outcome::Reply(wrong_arity(&name));
        }
        let has = |flag| flags.contains(flag);
        let node = &self.nodes[me];
        if node.password.is_some() && !client.authenticated && !has('a') {
            return Outcome::Reply(Value::error(NOAUTH));
        }
        if let Some(error) = self.denied(me, words) {
            return Outcome::Reply(Value::Error(error));
        }
        let keys = command_keys(&name, words, first, last);
        let asking = std::mem::take(&mut client.asking);
        if let Some(error) = self.route(me, client, &name, &keys, asking, has('w')) {
            return Outcome::Reply(Value::Error(error));
        }
        if let Some(error) = self.only_listens(client, &name, words) {
            return Outcome::Reply(Value::Error(error));
        }
        let node = &self.nodes[me];
        if node.faults.loading && !has('l') {
            return Outcome::Reply(Value::error(LOADING));
        }
        if node.faults.busy && !has('b') {
            return Outcome::Reply(Value::error(BUSY));
        }
        if node.paused_until > now && (has('w') || has('p')) {
            return Outcome::Wait;
        }
        if !["MULTI", "EXEC", "DISCARD", "QUIT", "RESET"].contains(&&*name)
            && let Some((queued, _)) = &mut client.queued
        {
            queued.push(words.to_vec());
            return Outcome::Reply(Value::Simple("QUEUED".into()));
        }
        self.run(me, client, &name, words)
    }

    /// Carries a transaction out; nothing comes in between.
    fn exec(&mut self, me: Id, client: &mut Client) -> Value {
        let Some((queued, spoilt)) = client.queued.take() else { return Value::error("ERR EXEC without MULTI") };
        if spoilt {
            return Value::error("EXECABORT Transaction discarded because of previous errors.");
        }
        client.executing = true;
        let replies: Vec<Value> = queued
            .iter()
            .map(|words| {
                let name = text(&words[0]).to_ascii_uppercase();
                match self.run(me, client, &name, words) {
                    Outcome::Reply(reply) | Outcome::Later(_, reply) | Outcome::Close(reply) => reply,
                    Outcome::Wait => unreachable!("nothing waits inside a transaction"),
                }
            })
            .collect();
        client.executing = false;
        Value::Array(replies)
    }

    /// Moved, ask, try again, cluster down; None when the command may run here.
    fn route(&self, me: Id, client: &Client, name: &str, keys: &[Vec<u8>], asking: bool, writes: bool) -> Option<String> {
        let slot = key_slot(keys.first()?);
        if keys.iter().any(|key| key_slot(key) != slot) {
            return Some("CROSSSLOT Keys in request don't hash to the same slot".into());
        }
        let node = &self.nodes[me];
        let here = node.keys.database(client.database);
        let missing = keys.iter().filter(|key| here.is_none_or(|here| here.get(key).is_none())).count();
        let mind = &node.mind;
        let moving = mind.migrating.contains_key(&slot) || (asking && mind.importing.contains_key(&slot));
        if moving && name != "MIGRATE" && keys.len() > 1 && missing > 0 && (missing < keys.len() || asking) && mind.ok {
            return Some("TRYAGAIN Multiple keys request during rehashing of slot".into());
        }
        let master = self.me(me).master.filter(|_| self.me(me).is_replica);
        if client.readonly && !writes && mind.ok && master.is_some() && mind.owner(slot) == master {
            return None;
        }
        self.redirect(me, slot, missing == 0, asking, name == "MIGRATE")
    }

    fn run(&mut self, me: Id, client: &mut Client, name: &str, words: &[Vec<u8>]) -> Outcome {
        let now = self.now();
        Outcome::Reply(match name {
            "PING" => match words.get(1) {
                Some(word) => Value::bulk(word),
                None => Value::Simple("PONG".into()),
            },
            "ECHO" => Value::bulk(&words[1]),
            "AUTH" => self.authenticate(me, client, &words[1..]),
            "HELLO" => self.hello(me, client, words),
            "QUIT" => return Outcome::Close(Value::ok()),
            "RESET" => {
                self.channels.retain(|(_, of, _)| *of != client.id);
                *client = Client { id: client.id, ..Client::default() };
                Value::Simple("RESET".into())
            }
            "ASKING" => {
                client.asking = true;
                Value::ok()
            }
            "READONLY" | "READWRITE" => {
                client.readonly = name == "READONLY";
                Value::ok()
            }
            "SELECT" => match text(&words[1]).parse::<u32>() {
                Ok(number) if number == 0 || self.has_database(number) => {
                    client.database = number;
                    Value::ok()
                }
                Ok(_) if self.settings.kind.has_databases() => Value::error("ERR DB index is out of range"),
                _ => Value::error("ERR SELECT is not allowed in cluster mode"),
            },
            "MULTI" if client.queued.is_some() => Value::error("ERR MULTI calls can not be nested"),
            "MULTI" => {
                client.queued = Some(Default::default());
                Value::ok()
            }
            "EXEC" => self.exec(me, client),
            "DISCARD" if client.queued.take().is_some() => Value::ok(),
            "DISCARD" => Value::error("ERR DISCARD without MULTI"),
            "ACL" => acl(words),
            "PUBSUB" => self.pubsub(me, words),
            "PUBLISH" => self.publish(me, &words[1], &words[2]),
            "SUBSCRIBE" | "UNSUBSCRIBE" => self.subscribe(me, client, name, &words[1..]),
            "COMMAND" if words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"INFO")) => {
                Value::Array(words[2..].iter().map(|name| command_info(&text(name))).collect())
            }
            "CLIENT" => self.client(me, client, words),
            "CONFIG" => self.config(me, words),
            "COMMAND" | "FUNCTION" | "LATENCY" | "SLOWLOG" => Value::Array(Vec::new()),
            "INFO" => self.info(me, words),
            "ROLE" => self.role(me),
            "TIME" => Value::bulks([(self.unix_ms() / 1000).to_string(), (self.unix_ms() % 1000 * 1000).to_string()]),
            "WAIT" => Value::Int(self.followers(me).len() as i64),
            "CLUSTER" => return self.cluster(me, client, words),
            "MIGRATE" => return self.migrate(me, client.database, words),
            "DBSIZE" => Value::Int(self.keys_of(me, client).len() as i64),
            "SCAN" => self.keys_of(me, client).scan(words),
            "MEMORY" | "OBJECT" => {
                let subcommand = words.get(1).map(|word| text(word).to_ascii_uppercase()).unwrap_or_default();
                match subcommand.as_str() {
                    "USAGE" | "ENCODING" => self.keys_of(me, client).read(&format!("{name} {subcommand}"), words, now),
                    _ => unknown_subcommand(name, &words[1]),
                }
            }
            _ if TABLE.iter().any(|row| row.0 == name && row.4.contains('w')) => {
                let cost = words.iter().map(|word| word.len() as u64 + 8).sum();
                let reply = self.keys_of(me, client).into_owned().write(name, words, now);
                if !reply.is_error() && reply != Value::Int(0) && reply != Value::Nil {
                    self.mutate(me, cost, |keys| keys.database_mut(client.database).write(name, words, now))
                } else {
                    reply
                }
            }
            _ => {
                let found = words.get(1).is_some_and(|key| self.keys_of(me, client).get(key).is_some());
                let stats = &mut self.nodes[me].stats;
                if found {
                    stats.hits += 1
                } else {
                    stats.misses += 1
                }
                self.keys_of(me, client).read(name, words, now)
            }
        })
    }

    pub(super) fn has_database(&self, number: u32) -> bool {
        self.settings.kind.has_databases() && number < self.settings.databases
    }

    /// The database that a client has chosen.
    fn keys_of(&self, me: Id, client: &Client) -> std::borrow::Cow<'_, super::keys::Keyspace> {
        match self.nodes[me].keys.database(client.database) {
            Some(keys) => std::borrow::Cow::Borrowed(keys),
            None => std::borrow::Cow::Owned(super::keys::Keyspace::default()),
        }
    }

    fn authenticate(&self, me: Id, client: &mut Client, words: &[Vec<u8>]) -> Value {
        let (user, password) = match words {
            [password] => ("default".to_string(), text(password)),
            [user, password] => (text(user), text(password)),
            _ => return Value::error("ERR syntax error"),
        };
        match &self.nodes[me].password {
            None if words.len() == 1 => Value::error(NO_PASSWORD),
            Some(right) if user == "default" && *right == password => {
                client.authenticated = true;
                Value::ok()
            }
            None if user == "default" => Value::ok(),
            _ => Value::error(WRONGPASS),
        }
    }

    fn hello(&self, me: Id, client: &mut Client, words: &[Vec<u8>]) -> Value {
        let mut options = words.get(1..).unwrap_or_default().iter();
        let version = options.next().map(|word| text(word));
        if version.as_ref().is_some_and(|version| version != "2" && version != "3") {
            return Value::error("NOPROTO unsupported protocol version");
        }
        let (mut client_name, mut auth) = (None, None);
        while let Some(option) = options.next() {
            match text(option).to_ascii_uppercase().as_str() {
                "AUTH" => auth = Some([options.next().cloned().unwrap_or_default(), options.next().cloned().unwrap_or_default()]),
                "SETNAME" => client_name = options.next().map(|word| text(word)),
                other => return Value::Error(format!("ERR Syntax error in HELLO option '{}'", other.to_lowercase())),
            }
        }
        if let Some(auth) = auth {
            let reply = self.authenticate(me, client, &auth);
            if reply.is_error() {
                return reply;
            }
        }
        if self.nodes[me].password.is_some() && !client.authenticated {
            return Value::error(NOAUTH_HELLO);
        }
        client.name = client_name.unwrap_or(std::mem::take(&mut client.name));
        if let Some(version) = version {
            client.resp3 = version == "3";
        }
        let word = |text: &str| Value::bulk(text);
        let says = |field: &str| self.settings.kind.version().iter().find(|(key, _)| *key == field).map(|(_, value)| *value);
        Value::Map(vec![
            (word("server"), word(says("server_name").unwrap_or("redis"))),
            (word("version"), word(says("valkey_version").unwrap_or("7.0.15"))),
            (word("proto"), Value::Int(if client.resp3 { 3 } else { 2 })),
            (word("id"), Value::Int(client.id as i64)),
            (word("mode"), word("cluster")),
            (word("role"), word(if self.me(me).is_replica { "replica" } else { "master" })),
            (word("modules"), Value::Array(Vec::new())),
        ])
    }

    fn client(&mut self, me: Id, client: &mut Client, words: &[Vec<u8>]) -> Value {
        let subcommand = text(&words[1]).to_ascii_uppercase();
        match (subcommand.as_str(), words.len()) {
            ("SETNAME", 3) => {
                client.name = text(&words[2]);
                Value::ok()
            }
            ("SETNAME", _) => wrong_arity("client|setname"),
            ("GETNAME", 2) if client.name.is_empty() => Value::Nil,
            ("GETNAME", 2) => Value::bulk(&client.name),
            ("ID", 2) => Value::Int(client.id as i64),
            ("NO-EVICT" | "REPLY" | "UNPAUSE" | "KILL", _) => {
                if subcommand == "UNPAUSE" {
                    self.nodes[me].paused_until = 0;
                }
                Value::ok()
            }
            ("PAUSE", _) => {
                let time = words.get(2).and_then(|word| text(word).parse::<u64>().ok()).unwrap_or(0);
                self.nodes[me].paused_until = self.now() + time;
                Value::ok()
            }
            ("LIST", _) => Value::Text(format!(
                "id={} addr=127.0.0.1:50000 laddr={} fd=8 name={} age=0 idle=0 flags=N db=0 cmd=client|list user=default redir=-1 \
                 resp={}\n",
                client.id,
                self.address(me),
                client.name,
                if client.resp3 { 3 } else { 2 }
            )),
            _ => unknown_subcommand("CLIENT", &words[1]),
        }
    }

    fn config(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let subcommand = text(&words[1]).to_ascii_uppercase();
        let timeout = self.settings.node_timeout_ms.to_string();
        let port = self.nodes[me].port.to_string();
        match subcommand.as_str() {
            "GET" if words.len() > 2 => {
                let known = [
                    ("appendonly", "no"),
                    ("busy-reply-threshold", "5000"),
                    ("cluster-allow-replica-migration", "yes"),
                    ("cluster-migration-barrier", "1"),
                    ("cluster-node-timeout", &timeout),
                    ("cluster-replica-validity-factor", "10"),
                    ("cluster-require-full-coverage", if self.settings.full_coverage { "yes" } else { "no" }),
                    ("maxclients", "10000"),
                    ("maxmemory", "0"),
                    ("maxmemory-policy", "noeviction"),
                    ("min-replicas-to-write", "0"),
                    ("port", &port),
                    ("repl-backlog-size", "1048576"),
                    ("repl-ping-replica-period", "10"),
                    ("save", ""),
                ];
                let asked = |name: &str| {
                    words[2..].iter().any(|pattern| super::keys::glob(text(pattern).to_lowercase().as_bytes(), name.as_bytes()))
                };
                let found = known.iter().filter(|(name, _)| asked(name));
                Value::Map(found.map(|(name, value)| (Value::bulk(name), Value::bulk(value))).collect())
            }
            "SET" if words.len() > 3 => Value::ok(),
            "RESETSTAT" | "REWRITE" => Value::ok(),
            "GET" | "SET" => wrong_arity(&format!("config|{subcommand}")),
            _ => unknown_subcommand("CONFIG", &words[1]),
        }
    }

    fn cluster(&mut self, me: Id, client: &Client, words: &[Vec<u8>]) -> Outcome {
        let subcommand = text(&words[1]).to_ascii_uppercase();
        if subcommand == "SETSLOT" && words.len() >= 4 {
            return self.setslot(me, client.executing, words);
        }
        Outcome::Reply(self.cluster_reply(me, client, words))
    }

    fn cluster_reply(&mut self, me: Id, client: &Client, words: &[Vec<u8>]) -> Value {
        let subcommand = text(&words[1]).to_ascii_uppercase();
        let more = if self.settings.kind.moves_by_itself() { MIGRATIONS } else { &[] };
        let Some((_, arity)) = CLUSTER.iter().chain(more).find(|(name, _)| *name == subcommand) else {
            return unknown_subcommand("CLUSTER", &words[1]);
        };
        if !fits(*arity, words.len()) {
            return wrong_arity(&format!("cluster|{subcommand}"));
        }
        let word = |at: usize| words.get(at).map(|word| text(word)).unwrap_or_default();
        let slot = || word(2).parse::<u16>().ok().filter(|slot| *slot < 16384);
        let node = |world: &Self| world.by_id(&words[2]).filter(|id| world.nodes[me].mind.members.contains_key(id));
        match subcommand.as_str() {
            "NODES" => self.cluster_nodes(me),
            "INFO" => self.cluster_info(me),
            "SLOTS" => self.cluster_slots(me),
            "SHARDS" => self.cluster_shards(me),
            "LINKS" => Value::Array(Vec::new()),
            "MYID" => Value::bulk(&self.nodes[me].id),
            "KEYSLOT" => Value::Int(key_slot(&words[2]).into()),
            "COUNTKEYSINSLOT" => match slot() {
                Some(slot) => Value::Int(self.keys_of(me, client).count(slot) as i64),
                None => Value::error("ERR Invalid slot"),
            },
            "GETKEYSINSLOT" => match (slot(), word(3).parse::<i64>()) {
                (Some(slot), Ok(count)) if count >= 0 => Value::bulks(self.keys_of(me, client).in_slot(slot).take(count as usize)),
                _ => Value::error("ERR Invalid slot or number of keys"),
            },
            "MIGRATESLOTS" => self.migrate_slots(me, words),
            "GETSLOTMIGRATIONS" => self.slot_migrations(me),
            "CANCELSLOTMIGRATIONS" => self.cancel_slot_migrations(me),
            "ADDSLOTS" | "ADDSLOTSRANGE" => self.change_slots(me, words, true, subcommand.ends_with("RANGE")),
            "DELSLOTS" | "DELSLOTSRANGE" => self.change_slots(me, words, false, subcommand.ends_with("RANGE")),
            "MEET" => self.meet(me, words),
            "FORGET" => self.forget(me, words),
            "REPLICATE" => self.replicate_node(me, words),
            "RESET" => self.reset(me, words),
            "SAVECONFIG" => Value::ok(),
            "BUMPEPOCH" => match self.bump_epoch(me) {
                Some(epoch) => Value::Simple(format!("BUMPED {epoch}")),
                None => Value::Simple(format!("STILL {}", self.me(me).epoch)),
            },
            "REPLICAS" => match node(self) {
                Some(id) if self.nodes[me].mind.members[&id].is_replica => Value::error("ERR The specified node is not a master"),
                Some(id) => self.cluster_replicas(me, id),
                None => Value::Error(format!("ERR Unknown node {}", word(2))),
            },
            "COUNT-FAILURE-REPORTS" => match node(self) {
                Some(id) => Value::Int(self.nodes[me].mind.members[&id].reports.len() as i64),
                None => Value::Error(format!("ERR Unknown node {}", word(2))),
            },
            "FAILOVER" if words.len() > 3 => {
                Value::error("ERR unknown subcommand or wrong number of arguments for 'FAILOVER'. Try CLUSTER HELP.")
            }
            "FAILOVER" => {
                let option = word(2).to_ascii_uppercase();
                if !["", "FORCE", "TAKEOVER"].contains(&option.as_str()) {
                    return Value::error("ERR syntax error");
                }
                match self.start_manual(me, option == "FORCE", option == "TAKEOVER") {
                    Ok(()) => Value::ok(),
                    Err(error) => Value::error(error),
                }
            }
            _ => unknown_subcommand("CLUSTER", &words[1]),
        }
    }
}

impl World {
    /// The fault that refuses a command, when it is its turn.
    fn denied(&mut self, me: Id, words: &[Vec<u8>]) -> Option<String> {
        let line = words.iter().map(|word| text(word).to_ascii_uppercase()).collect::<Vec<_>>().join(" ");
        let (start, after) = self.nodes[me].faults.deny.as_mut().filter(|(start, _)| line.starts_with(start.as_str()))?;
        if *after > 0 {
            *after -= 1;
            return None;
        }
        Some(format!("NOPERM User default has no permissions to run the '{}' command", start.to_lowercase().replace(' ', "|")))
    }
}

/// Servers have these, and here nobody sends them: MIGRATE speaks to its target by itself.
const OTHERS: &[Row] = &[("RESTORE", -4, 1, 1, "w"), ("RESTORE-ASKING", -4, 1, 1, "w"), ("EVAL", -3, 0, 0, "")];

/// The only user may do everything.
fn acl(words: &[Vec<u8>]) -> Value {
    match (text(&words[1]).to_ascii_uppercase().as_str(), words.len()) {
        ("WHOAMI", 2) => Value::bulk("default"),
        ("DRYRUN", 4..) if words[2] != b"default" => Value::Error(format!("ERR User '{}' not found", text(&words[2]))),
        ("DRYRUN", 4..) => match TABLE.iter().chain(OTHERS).find(|row| row.0.eq_ignore_ascii_case(&text(&words[3]))) {
            None => Value::Error(format!("ERR Command '{}' not found", text(&words[3]))),
            Some(row) if !fits(row.1, words.len() - 3) => wrong_arity(row.0),
            Some(_) => Value::ok(),
        },
        ("DRYRUN", _) => wrong_arity("acl|dryrun"),
        _ => unknown_subcommand("ACL", &words[1]),
    }
}

/// What callers look at: that there is such a command, its name, how many words it takes.
fn command_info(name: &str) -> Value {
    let full = name.to_lowercase();
    let (name, sub) = name.split_once('|').unwrap_or((name, ""));
    let known = sub.is_empty()
        || !name.eq_ignore_ascii_case("CLUSTER")
        || CLUSTER.iter().chain(MIGRATIONS).any(|row| row.0.eq_ignore_ascii_case(sub));
    match TABLE.iter().chain(OTHERS).find(|row| known && row.0.eq_ignore_ascii_case(name)) {
        None => Value::Nil,
        Some((_, arity, first, last, flags)) => {
            let kind = if flags.contains('w') { "write" } else { "readonly" };
            let step = i64::from(*first > 0);
            let mut row = vec![Value::bulk(full), Value::Int((*arity).into())];
            row.push(Value::Array(vec![Value::Simple(kind.into())]));
            row.extend([Value::Int(*first as i64), Value::Int((*last).into()), Value::Int(step)]);
            row.extend((0..4).map(|_| Value::Array(Vec::new())));
            Value::Array(row)
        }
    }
}

pub(super) fn unknown_subcommand(command: &str, subcommand: &[u8]) -> Value {
    Value::Error(format!("ERR unknown subcommand '{}'. Try {command} HELP.", text(subcommand)))
}

fn command_keys(name: &str, words: &[Vec<u8>], first: usize, last: i32) -> Vec<Vec<u8>> {
    if first == 0 || words.len() <= first {
        return Vec::new();
    }
    if name == "MIGRATE" && words[3].is_empty() {
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(b"KEYS"));
        return at.map(|at| words[at + 1..].to_vec()).unwrap_or_default();
    }
    let end = if last < 0 { words.len() } else { (last as usize + 1).min(words.len()) };
    words[first..end].to_vec()
}
