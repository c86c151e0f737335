//! IO. The wire format, both ways: commands in, values out (RESP2, and RESP3 once a client says HELLO 3).

/// A reply before it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Simple(String),
    /// The whole text after the `-`.
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    /// Text for people (INFO, CLUSTER NODES): verbatim under RESP3, a bulk string before.
    Text(String),
    Nil,
    Array(Vec<Value>),
    /// What comes unasked: out of band under RESP3, an array before.
    Push(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    pub fn ok() -> Self {
        Self::Simple("OK".into())
    }

    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    pub fn bulks<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Array(items.into_iter().map(Self::bulk).collect())
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// The text of a string or an error, `None` for other shapes.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Text(text) => Some(text.clone()),
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    pub fn items(&self) -> &[Value] {
        match self {
            Self::Array(items) | Self::Push(items) => items,
            _ => &[],
        }
    }

    /// One line for the journal.
    pub fn brief(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Nil => "(nil)".into(),
            Self::Array(items) | Self::Push(items) => format!("({} items)", items.len()),
            Self::Map(items) => format!("({} pairs)", items.len()),
            _ => self.text().unwrap_or_default().lines().next().unwrap_or_default().chars().take(80).collect(),
        }
    }

    /// The whole reply, readable, with its shape.
    pub fn show(&self) -> String {
        let list = |items: &[Value]| items.iter().map(Value::show).collect::<Vec<_>>().join(", ");
        match self {
            Self::Simple(text) => format!("+{text}"),
            Self::Error(text) => format!("-{text}"),
            Self::Int(number) => format!(":{number}"),
            Self::Nil => "nil".into(),
            Self::Bulk(_) | Self::Text(_) => format!("{:?}", self.text().unwrap_or_default()),
            Self::Array(items) | Self::Push(items) => format!("[{}]", list(items)),
            Self::Map(pairs) => format!("[{}]", list(&pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect::<Vec<_>>())),
        }
    }

    pub fn write(&self, resp3: bool, out: &mut Vec<u8>) {
        let mut line = |text: String| out.extend_from_slice(text.as_bytes());
        match self {
            Self::Simple(text) => line(format!("+{text}\r\n")),
            Self::Error(text) => line(format!("-{text}\r\n")),
            Self::Int(number) => line(format!(":{number}\r\n")),
            Self::Nil => line(if resp3 { "_\r\n".into() } else { "$-1\r\n".into() }),
            Self::Text(text) if resp3 => line(format!("={}\r\ntxt:{text}\r\n", text.len() + 4)),
            Self::Text(text) => line(format!("${}\r\n{text}\r\n", text.len())),
            Self::Bulk(bytes) => {
                line(format!("${}\r\n", bytes.len()));
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Array(items) | Self::Push(items) => {
                let kind = if resp3 && matches!(self, Self::Push(_)) { '>' } else { '*' };
                line(format!("{kind}{}\r\n", items.len()));
                items.iter().for_each(|item| item.write(resp3, out));
            }
            Self::Map(pairs) => {
                line(if resp3 { format!("%{}\r\n", pairs.len()) } else { format!("*{}\r\n", pairs.len() * 2) });
                for (key, value) in pairs {
                    key.write(resp3, out);
                    value.write(resp3, out);
                }
            }
        }
    }
}

fn line(buffer: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = buffer.get(from..)?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let text = &rest[..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), from + end + 1))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Takes one whole command off the front of the buffer: an array of bulk strings, or an inline line.
pub fn take_command(buffer: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let (head, mut at) = line(buffer, 0)?;
    let words = if let Some(count) = head.strip_prefix(b"*") {
        let mut words = Vec::new();
        for _ in 0..number(count)?.max(0) {
            let (head, start) = line(buffer, at)?;
            let length = usize::try_from(number(head.strip_prefix(b"$")?)?).ok()?;
            words.push(buffer.get(start..start + length)?.to_vec());
            buffer.get(start + length..start + length + 2)?;
            at = start + length + 2;
        }
        words
    } else {
        head.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
    };
    buffer.drain(..at);
    Some(words)
}

/// Takes one whole reply off the front of the buffer; for the raw client of the contract checks.
pub fn take_reply(buffer: &mut Vec<u8>) -> Option<Value> {
    let (value, used) = reply_at(buffer, 0)?;
    buffer.drain(..used);
    Some(value)
}

fn reply_at(buffer: &[u8], from: usize) -> Option<(Value, usize)> {
    let (head, at) = line(buffer, from)?;
    let (kind, rest) = head.split_first()?;
    let text = || String::from_utf8_lossy(rest).into_owned();
    match kind {
        b'+' => Some((Value::Simple(text()), at)),
        b'-' => Some((Value::Error(text()), at)),
        b':' => Some((Value::Int(number(rest)?), at)),
        b'_' => Some((Value::Nil, at)),
        b'$' | b'=' => {
            let Ok(length) = usize::try_from(number(rest)?) else { return Some((Value::Nil, at)) };
            let bytes = buffer.get(at..at + length)?.to_vec();
            buffer.get(at + length..at + length + 2)?;
            Some((Value::Bulk(bytes), at + length + 2))
        }
        b'*' | b'>' | b'%' => {
            let count = number(rest)? * if *kind == b'%' { 2 } else { 1 };
            if count < 0 {
                return Some((Value::Nil, at));
            }
            let (mut items, mut at) = (Vec::new(), at);
            for _ in 0..count {
                let (item, next) = reply_at(buffer, at)?;
                items.push(item);
                at = next;
            }
            Some((Value::Array(items), at))
        }
        _ => None,
    }
}
