//! IO. The data of a simulated server: keys by slot, and the commands on them.

use std::collections::BTreeMap;

use rgc_tui::cluster::key_slot;

use super::resp::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Text(Vec<u8>),
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
}

impl Data {
    fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::List(_) => "list",
            Self::Set(_) => "set",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Hash(fields) => fields.iter().map(|(field, value)| field.len() + value.len() + 16).sum(),
            Self::List(items) | Self::Set(items) => items.iter().map(|item| item.len() + 16).sum(),
        }
    }
}

/// A key's value and when it goes, in simulated milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub data: Data,
    pub expires: Option<u64>,
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// All keys of one server: those of database 0, and of the others that have any.
#[derive(Clone, Debug, Default)]
pub struct Keyspace {
    by_slot: BTreeMap<u16, BTreeMap<Vec<u8>, Entry>>,
    more: BTreeMap<u32, Keyspace>,
}

impl Keyspace {
    pub fn database(&self, number: u32) -> Option<&Self> {
        if number == 0 { Some(self) } else { self.more.get(&number) }
    }

    pub fn database_mut(&mut self, number: u32) -> &mut Self {
        if number == 0 { self } else { self.more.entry(number).or_default() }
    }

    /// Every database that has been used, with its number.
    pub fn databases(&self) -> impl Iterator<Item = (u32, &Self)> {
        std::iter::once((0, self)).chain(self.more.iter().map(|(number, keys)| (*number, keys)))
    }

    pub fn count_everywhere(&self, slot: u16) -> usize {
        self.databases().map(|(_, keys)| keys.count(slot)).sum()
    }

    pub fn len_everywhere(&self) -> usize {
        self.databases().map(|(_, keys)| keys.len()).sum()
    }

    pub fn len(&self) -> usize {
        self.by_slot.values().map(BTreeMap::len).sum()
    }

    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.by_slot.get(&key_slot(key))?.get(key)
    }

    pub fn put(&mut self, key: &[u8], entry: Entry) {
        self.by_slot.entry(key_slot(key)).or_default().insert(key.to_vec(), entry);
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let slot = key_slot(key);
        let keys = self.by_slot.get_mut(&slot)?;
        let entry = keys.remove(key);
        if keys.is_empty() {
            self.by_slot.remove(&slot);
        }
        entry
    }

    pub fn in_slot(&self, slot: u16) -> impl Iterator<Item = &Vec<u8>> {
        self.by_slot.get(&slot).into_iter().flat_map(BTreeMap::keys)
    }

    pub fn count(&self, slot: u16) -> usize {
        self.by_slot.get(&slot).map_or(0, BTreeMap::len)
    }

    /// In every database.
    pub fn drop_slot(&mut self, slot: u16) {
        self.by_slot.remove(&slot);
        self.more.values_mut().for_each(|keys| keys.drop_slot(slot));
    }

    pub fn clear(&mut self) {
        self.by_slot.clear();
        self.more.clear();
    }

    pub fn slots(&self) -> impl Iterator<Item = u16> + '_ {
        self.by_slot.keys().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Entry)> {
        self.by_slot.values().flatten()
    }

    pub fn expiring(&self) -> usize {
        self.iter().filter(|(_, entry)| entry.expires.is_some()).count()
    }

    /// Removes what has expired; true when something went.
    pub fn expire(&mut self, now: u64) -> bool {
        let before = self.len();
        for keys in self.by_slot.values_mut() {
            keys.retain(|_, entry| entry.expires.is_none_or(|at| at > now));
        }
        self.by_slot.retain(|_, keys| !keys.is_empty());
        let gone = self.more.values_mut().filter_map(|keys| keys.expire(now).then_some(())).count();
        gone > 0 || self.len() != before
    }

    /// SCAN: the cursor counts keys in slot order, which stays true while nothing is added or removed before it.
    pub fn scan(&self, words: &[Vec<u8>]) -> Value {
        let Some(cursor) = words.get(1).and_then(|word| text(word).parse::<usize>().ok()) else {
            return Value::error("ERR invalid cursor");
        };
        let (mut count, mut pattern, mut kind) = (10, None, None);
        for pair in words[2..].chunks(2) {
            let (option, value) = (text(&pair[0]).to_ascii_uppercase(), pair.get(1).map(|word| text(word)));
            match (option.as_str(), value) {
                ("COUNT", Some(value)) => match value.parse::<usize>() {
                    Ok(number) if number > 0 => count = number,
                    Ok(_) => return Value::error("ERR syntax error"),
                    Err(_) => return Value::error("ERR value is not an integer or out of range"),
                },
                ("MATCH", Some(value)) => pattern = Some(value),
                ("TYPE", Some(value)) => kind = Some(value),
                _ => return Value::error("ERR syntax error"),
            }
        }
        let batch: Vec<_> = self.iter().skip(cursor).take(count).collect();
        let next = if cursor + batch.len() < self.len() { cursor + batch.len() } else { 0 };
        let found = batch.into_iter().filter(|(key, entry)| {
            pattern.as_deref().is_none_or(|pattern| glob(pattern.as_bytes(), key))
                && kind.as_deref().is_none_or(|kind| kind == entry.data.word())
        });
        Value::Array(vec![Value::bulk(next.to_string()), Value::bulks(found.map(|(key, _)| key))])
    }

    /// Reads one key's command; the caller has checked arity, slot and role.
    pub fn read(&self, name: &str, words: &[Vec<u8>], now: u64) -> Value {
        let entry = words.get(1).and_then(|key| self.get(key));
        let hash = || match entry.map(|entry| &entry.data) {
            None => Ok(&[][..]),
            Some(Data::Hash(fields)) => Ok(&fields[..]),
            Some(_) => Err(Value::error(WRONG_TYPE)),
        };
        let field = |fields: &[(Vec<u8>, Vec<u8>)], name: &[u8]| {
            fields.iter().find(|(field, _)| field == name).map_or(Value::Nil, |(_, value)| Value::bulk(value))
        };
        match name {
            "GET" => match entry.map(|entry| &entry.data) {
                None => Value::Nil,
                Some(Data::Text(text)) => Value::bulk(text),
                Some(_) => Value::error(WRONG_TYPE),
            },
            "MGET" => Value::Array(
                words[1..]
                    .iter()
                    .map(|key| match self.get(key).map(|entry| &entry.data) {
                        Some(Data::Text(text)) => Value::bulk(text),
                        _ => Value::Nil,
                    })
                    .collect(),
            ),
            "EXISTS" => Value::Int(words[1..].iter().filter(|key| self.get(key).is_some()).count() as i64),
            "TYPE" => Value::Simple(entry.map_or("none", |entry| entry.data.word()).into()),
            "PTTL" | "TTL" => Value::Int(match entry {
                None => -2,
                Some(Entry { expires: None, .. }) => -1,
                Some(Entry { expires: Some(at), .. }) if name == "TTL" => (at.saturating_sub(now) as i64 + 500) / 1000,
                Some(Entry { expires: Some(at), .. }) => at.saturating_sub(now) as i64,
            }),
            "HGETALL" => hash().map_or_else(
                |error| error,
                |fields| Value::Map(fields.iter().map(|(field, value)| (Value::bulk(field), Value::bulk(value))).collect()),
            ),
            "HGET" => hash().map_or_else(|error| error, |fields| field(fields, &words[2])),
            "HMGET" => hash()
                .map_or_else(|error| error, |fields| Value::Array(words[2..].iter().map(|name| field(fields, name)).collect())),
            "HLEN" => hash().map_or_else(|error| error, |fields| Value::Int(fields.len() as i64)),
            "LLEN" | "SCARD" => match entry.map(|entry| &entry.data) {
                None => Value::Int(0),
                Some(Data::List(items) | Data::Set(items)) => Value::Int(items.len() as i64),
                Some(_) => Value::error(WRONG_TYPE),
            },
            "STRLEN" => Value::Int(entry.map_or(0, |entry| entry.data.bytes() as i64)),
            "SMEMBERS" | "LRANGE" => match entry.map(|entry| &entry.data) {
                None => Value::Array(Vec::new()),
                Some(Data::List(items) | Data::Set(items)) => Value::bulks(items),
                Some(_) => Value::error(WRONG_TYPE),
            },
            "MEMORY USAGE" => words
                .get(2)
                .and_then(|key| self.get(key).map(|entry| (key, entry)))
                .map_or(Value::Nil, |(key, entry)| Value::Int((56 + key.len() + entry.data.bytes()) as i64)),
            "OBJECT ENCODING" => words.get(2).and_then(|key| self.get(key)).map_or(Value::Nil, |entry| {
                Value::bulk(match &entry.data {
                    Data::Text(_) => "embstr",
                    _ => "listpack",
                })
            }),
            "DUMP" => entry.map_or(Value::Nil, |entry| Value::bulk(format!("dump:{entry:?}"))),
            _ => Value::error(format!("ERR unknown command '{name}', with args beginning with: ")),
        }
    }

    /// Changes one key's data; the caller has checked arity, slot and role.
    pub fn write(&mut self, name: &str, words: &[Vec<u8>], now: u64) -> Value {
        let key = words.get(1).cloned().unwrap_or_default();
        let after = |word: Option<&Vec<u8>>, unit: u64| {
            word.and_then(|word| text(word).parse::<u64>().ok()).map(|count| now + count * unit)
        };
        match name {
            "SET" => {
                let (mut expires, mut only) = (None, None);
                let mut options = words[3..].iter();
                while let Some(option) = options.next() {
                    match text(option).to_ascii_uppercase().as_str() {
                        "PX" => expires = after(options.next(), 1),
                        "EX" => expires = after(options.next(), 1000),
                        "NX" => only = Some(false),
                        "XX" => only = Some(true),
                        _ => return Value::error("ERR syntax error"),
                    }
                }
                if only.is_some_and(|present| self.get(&key).is_some() != present) {
                    return Value::Nil;
                }
                self.put(&key, Entry { data: Data::Text(words[2].clone()), expires });
                Value::ok()
            }
            "DEL" | "UNLINK" => Value::Int(words[1..].iter().filter(|key| self.remove(key).is_some()).count() as i64),
            "EXPIRE" | "PEXPIRE" => {
                let expires = after(words.get(2), if name == "EXPIRE" { 1000 } else { 1 });
                match self.by_slot.get_mut(&key_slot(&key)).and_then(|keys| keys.get_mut(&key)) {
                    Some(entry) => {
                        entry.expires = expires;
                        Value::Int(1)
                    }
                    None => Value::Int(0),
                }
            }
            "INCR" => {
                let old = match self.get(&key).map(|entry| &entry.data) {
                    None => Some(0),
                    Some(Data::Text(number)) => text(number).parse::<i64>().ok(),
                    Some(_) => return Value::error(WRONG_TYPE),
                };
                let Some(old) = old else { return Value::error("ERR value is not an integer or out of range") };
                let expires = self.get(&key).and_then(|entry| entry.expires);
                self.put(&key, Entry { data: Data::Text((old + 1).to_string().into_bytes()), expires });
                Value::Int(old + 1)
            }
            "HSET" | "HINCRBY" | "HDEL" => self.write_hash(name, &key, words),
            "RPUSH" | "SADD" => {
                let expires = self.get(&key).and_then(|entry| entry.expires);
                let mut items = match self.remove(&key).map(|entry| entry.data) {
                    None => Vec::new(),
                    Some(Data::List(items)) if name == "RPUSH" => items,
                    Some(Data::Set(items)) if name == "SADD" => items,
                    Some(other) => {
                        self.put(&key, Entry { data: other, expires });
                        return Value::error(WRONG_TYPE);
                    }
                };
                let before = items.len();
                for item in &words[2..] {
                    if name == "RPUSH" || !items.contains(item) {
                        items.push(item.clone());
                    }
                }
                let count = if name == "RPUSH" { items.len() } else { items.len() - before };
                self.put(&key, Entry { data: if name == "RPUSH" { Data::List(items) } else { Data::Set(items) }, expires });
                Value::Int(count as i64)
            }
            _ => Value::error(format!("ERR unknown command '{name}', with args beginning with: ")),
        }
    }

    fn write_hash(&mut self, name: &str, key: &[u8], words: &[Vec<u8>]) -> Value {
        if name == "HSET" && words.len() % 2 == 1 {
            return Value::error("ERR wrong number of arguments for 'hset' command");
        }
        let expires = self.get(key).and_then(|entry| entry.expires);
        let mut fields = match self.get(key).map(|entry| &entry.data) {
            None => Vec::new(),
            Some(Data::Hash(fields)) => fields.clone(),
            Some(_) => return Value::error(WRONG_TYPE),
        };
        let mut count = 0;
        match name {
            "HSET" => {
                for pair in words[2..].chunks(2) {
                    match fields.iter_mut().find(|(field, _)| *field == pair[0]) {
                        Some((_, value)) => value.clone_from(&pair[1]),
                        None => {
                            fields.push((pair[0].clone(), pair[1].clone()));
                            count += 1;
                        }
                    }
                }
            }
            "HINCRBY" => {
                let by = text(&words[3]).parse::<i64>().unwrap_or(0);
                let old =
                    fields.iter().find(|(field, _)| *field == words[2]).and_then(|(_, value)| text(value).parse::<i64>().ok());
                count = old.unwrap_or(0) + by;
                fields.retain(|(field, _)| *field != words[2]);
                fields.push((words[2].clone(), count.to_string().into_bytes()));
            }
            _ => {
                let before = fields.len();
                fields.retain(|(field, _)| !words[2..].contains(field));
                count = (before - fields.len()) as i64;
            }
        }
        if fields.is_empty() {
            self.remove(key);
        } else {
            self.put(key, Entry { data: Data::Hash(fields), expires });
        }
        Value::Int(count)
    }
}

pub fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// `*`, `?` and literal bytes, which is what the program asks for.
pub fn glob(pattern: &[u8], subject: &[u8]) -> bool {
    match pattern.split_first() {
        None => subject.is_empty(),
        Some((b'*', rest)) => (0..=subject.len()).any(|skip| glob(rest, &subject[skip..])),
        Some((b'?', rest)) => !subject.is_empty() && glob(rest, &subject[1..]),
        Some((b'\\', rest)) if !rest.is_empty() => subject.first() == rest.first() && glob(&rest[1..], &subject[1..]),
        Some((byte, rest)) => subject.first() == Some(byte) && glob(rest, &subject[1..]),
    }
}
