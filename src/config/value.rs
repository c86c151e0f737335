//! PURE. From TOML values to typed ones, with what was expected and what was found.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Mapping, TlsFiles};
use crate::cluster::Address;
use crate::nearest::nearest;

/// A value that stands elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "PATH" }`, relative to the configuration file.
    File(String),
}

/// Looks a reference up; the error is the rest of a sentence: "is not set".
pub type Outside<'a> = &'a dyn Fn(&Reference) -> Result<String, String>;

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Text,
    Secret,
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// From, to.
    Span(Duration, Duration),
    /// Above 0, up to this.
    Number(f64),
    /// From, to.
    Count(u32, u32),
    Addresses,
    /// A key with `{CODE}` in it, or nothing.
    RoomKey,
    Tls,
    AddressMap,
    /// The name of a built-in theme, or a theme file.
    Theme,
}

impl Shape {
    /// "expected {this}".
    pub fn expects(self) -> String {
        let seconds = |span: Duration| humantime::format_duration(span).to_string();
        match self {
            Self::Text => "a string".into(),
            Self::Secret => r#"a string, { env = "NAME" } or { file = "PATH" }"#.into(),
            Self::Flag => "true or false".into(),
            Self::Word(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "),
            Self::Span(least, most) => format!("a duration from \"{}\" to \"{}\"", seconds(least), seconds(most)),
            Self::Number(f64::MAX) => "a number above 0".into(),
            Self::Number(most) => format!("a number above 0 and up to {most}"),
            Self::Count(least, most) => format!("an integer from {least} to {most}"),
            Self::Addresses => r#"a list of addresses such as ["10.0.0.1:7000"]"#.into(),
            Self::RoomKey => r#"a key with {CODE} in it, such as "room:{CODE}:state", or "" for none"#.into(),
            Self::Tls => {
                r#"false, true or { ca = "ca.pem", cert = "client.pem", key = "client.key", server_name = "redis.internal" }"#
                    .into()
            }
            Self::Theme => "the name of a theme, or the path of a theme file ending in .toml".into(),
            Self::AddressMap => r#"a table such as { "10.1.0.0/16" = "127.0.0.1" }"#.into(),
        }
    }
}

/// A value that fits its setting.
#[derive(Clone, Debug)]
pub(super) enum SettingValue {
    Text(String),
    Secret(SecretString),
    Flag(bool),
    Span(Duration),
    Number(f64),
    Count(u32),
    Addresses(Vec<Address>),
    Tls(Option<TlsFiles>),
    AddressMap(Vec<Mapping>),
}

/// Reads values and collects what is wrong, each with the byte where it is.
pub(super) struct ValueReader<'a> {
    pub(super) outside: Outside<'a>,
    pub(super) problems: Vec<(usize, String)>,
}

impl ValueReader<'_> {
    pub(super) fn wrong(&mut self, at: usize, message: impl Into<String>) {
        self.problems.push((at, message.into()));
    }

    /// The value in the shape of its setting; None when it does not fit, which has then been noted.
    pub(super) fn read(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>) -> Option<SettingValue> {
        match shape {
            Shape::Text => self.text(name, shape, value).map(SettingValue::Text),
            Shape::Secret => self.text(name, shape, value).map(|text| SettingValue::Secret(text.into())),
            Shape::Flag => self.fit(name, shape, value, value.get_ref().as_bool()).map(SettingValue::Flag),
            Shape::Word(words) => {
                let text = self.text(name, shape, value)?;
                if words.contains(&text.as_str()) {
                    return Some(SettingValue::Text(text));
                }
                let meant = nearest(&text, words.iter().copied()).map(|word| format!("; did you mean \"{word}\"?"));
                let message = format!("`{name}`: expected {}, found \"{text}\"{}", shape.expects(), meant.unwrap_or_default());
                self.wrong(value.span().start, message);
                None
            }
            Shape::Span(least, most) => {
                let text = self.text(name, shape, value)?;
                let span = humantime::parse_duration(&text).ok().filter(|span| (least..=most).contains(span));
                self.fit_text(name, shape, value, &text, span).map(SettingValue::Span)
            }
            Shape::Number(most) => {
                let number = number(value.get_ref()).filter(|number| *number > 0.0 && *number <= most);
                self.fit(name, shape, value, number).map(SettingValue::Number)
            }
            Shape::Count(least, most) => {
                let count =
                    value.get_ref().as_integer().and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
                self.fit(name, shape, value, count.filter(|count| (least..=most).contains(count))).map(SettingValue::Count)
            }
            Shape::Addresses => self.addresses(name, shape, value).map(SettingValue::Addresses),
            Shape::RoomKey => {
                let text = self.text(name, shape, value)?;
                let fits = text.is_empty() || text.matches("{CODE}").count() == 1 && text.matches(['{', '}']).count() == 2;
                self.fit_text(name, shape, value, &text, fits.then(|| text.clone())).map(SettingValue::Text)
            }
            Shape::Tls => self.tls(name, shape, value).map(SettingValue::Tls),
            Shape::AddressMap => self.address_map(name, shape, value).map(SettingValue::AddressMap),
            // Whether there is such a theme is looked at where themes are: with the console.
            Shape::Theme => self.text(name, shape, value).map(SettingValue::Text),
        }
    }

    fn fit<T>(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>, read: Option<T>) -> Option<T> {
        if read.is_none() {
            let message = format!("`{name}`: expected {}, found {}", shape.expects(), found(value.get_ref()));
            self.wrong(value.span().start, message);
        }
        read
    }

    fn fit_text<T>(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>, text: &str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.wrong(value.span().start, format!("`{name}`: expected {}, found \"{text}\"", shape.expects()));
        }
        read
    }

    /// A string, written here or standing elsewhere.
    fn text(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let at = value.span().start;
        if let Some(text) = value.get_ref().as_str() {
            return Some(text.to_owned());
        }
        let Some(table) = value.get_ref().as_table() else { return self.fit(name, shape, value, None) };
        let (reference, says) = match one(table) {
            Some(("env", Some(var))) => (Reference::Env(var.into()), format!("the environment variable {var}")),
            Some(("file", Some(path))) => (Reference::File(path.into()), format!("the file {path}")),
            _ => {
                self.wrong(
                    at,
                    format!(r#"`{name}`: expected a string, {{ env = "NAME" }} or {{ file = "PATH" }}, found another table"#),
                );
                return None;
            }
        };
        match (self.outside)(&reference) {
            Ok(text) => Some(text),
            Err(why) => {
                self.wrong(at, format!("`{name}` is read from {says}, which {why}"));
                None
            }
        }
    }

    fn addresses(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>) -> Option<Vec<Address>> {
        let items = self.fit(name, shape, value, value.get_ref().as_array())?;
        let mut addresses = Some(Vec::new());
        for item in items {
            let text = self.text(name, Shape::Text, item);
            let address = text.and_then(|text| match text.parse::<Address>() {
                Ok(address) => Some(address),
                Err(why) => {
                    self.wrong(item.span().start, format!("`{name}`: {why}"));
                    None
                }
            });
            addresses = addresses.zip(address).map(|(mut list, address)| {
                list.push(address);
                list
            });
        }
        addresses
    }

    fn tls(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>) -> Option<Option<TlsFiles>> {
        if let Some(flag) = value.get_ref().as_bool() {
            return Some(flag.then(TlsFiles::default));
        }
        let table = self.fit(name, shape, value, value.get_ref().as_table())?;
        let mut tls = TlsFiles::default();
        let before = self.problems.len();
        for (key, item) in table {
            let known = ["ca", "cert", "key", "server_name"];
            let place = match key.get_ref().as_ref() {
                "server_name" => {
                    tls.server_name = self.server_name(&format!("{name}.server_name"), item);
                    continue;
                }
                "ca" => &mut tls.ca,
                "cert" => &mut tls.cert,
                "key" => &mut tls.key,
                other => {
                    let message = unknown(&format!("unknown key `{other}` in `{name}`"), other, known);
                    self.wrong(key.span().start, message);
                    continue;
                }
            };
            *place = self.text(&format!("{name}.{}", key.get_ref()), Shape::Text, item).map(PathBuf::from);
        }
        if tls.cert.is_some() != tls.key.is_some() && self.problems.len() == before {
            self.wrong(value.span().start, format!("`{name}`: `cert` and `key` belong together, and one of them is missing"));
        }
        (self.problems.len() == before).then_some(Some(tls))
    }

    /// A host's name or address, as a certificate has it.
    fn server_name(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = self.text(name, Shape::Text, value)?;
        let fits = text.parse::<std::net::IpAddr>().is_ok()
            || !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        if !fits {
            self.wrong(value.span().start, format!("`{name}`: expected the name or address of a host, found \"{text}\""));
        }
        fits.then_some(text)
    }

    fn address_map(&mut self, name: &str, shape: Shape, value: &Spanned<DeValue<'_>>) -> Option<Vec<Mapping>> {
        let table = self.fit(name, shape, value, value.get_ref().as_table())?;
        let before = self.problems.len();
        let mut mappings = Vec::new();
        for (key, item) in table {
            let from = key.get_ref().parse().map_err(|why| self.wrong(key.span().start, format!("`{name}`: {why}")));
            let Some(text) = self.text(name, Shape::Text, item) else { continue };
            let to = text.parse().map_err(|why| self.wrong(item.span().start, format!("`{name}`: {why}")));
            if let (Ok(from), Ok(to)) = (from, to) {
                mappings.push(Mapping { from, to });
            }
        }
        (self.problems.len() == before).then_some(mappings)
    }
}

/// Where in the text a value of this table stands.
pub(super) fn spanned(table: &DeTable<'_>, key: &str) -> Option<usize> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value): (_, &Spanned<DeValue<'_>>)| value.span().start)
}

/// "unknown key …; did you mean …?", or the valid names when none is near.
pub(super) fn unknown(says: &str, word: &str, known: impl IntoIterator<Item = &'static str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(meant) => format!("{says}; did you mean `{meant}`?"),
        None => format!("{says}; it knows {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The only entry of a table, with its value when that is a string.
fn one<'a>(table: &'a DeTable<'_>) -> Option<(&'a str, Option<&'a str>)> {
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) => Some((key.get_ref(), value.get_ref().as_str())),
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let text = value.as_integer().map(|integer| integer.as_str()).or_else(|| value.as_float().map(|float| float.as_str()))?;
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// "found {this}": the value itself where it is short and no secret can hide in it.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::String(_) => "a string".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
        DeValue::Datetime(_) => "a date".into(),
    }
}
