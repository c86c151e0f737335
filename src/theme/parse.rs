//! PURE. From TOML to a theme; every error has its line, its column and what was expected.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::{BUILTIN, ColorDepth, Role, SHARD_COLOURS, Theme};

/// A theme that cannot be used: `file:line:column: why`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}:{column}: {why}")]
pub struct ThemeError {
    pub origin: String,
    pub line: usize,
    pub column: usize,
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    says: String,
    /// The theme that says how roles look that this one does not name.
    base: Option<String>,
    #[serde(default)]
    styles: BTreeMap<RoleName, StyleText>,
    shards: Option<Vec<Shade>>,
}

pub(super) fn theme(text: &str, origin: &str) -> Result<Theme, ThemeError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        ThemeError { origin: origin.into(), line, column, why: error.message().into() }
    })?;
    let wrong = |key: &str, why: String| {
        let at = text.lines().position(|line| line.trim_start().starts_with(key)).unwrap_or(0);
        ThemeError { origin: origin.into(), line: at + 1, column: 1, why }
    };
    let builtin = BUILTIN.iter().any(|(name, _)| *name == origin);
    let mut styles = match file.base.as_deref() {
        None if builtin => BTreeMap::new(),
        None => Theme::default().styles,
        Some(base) => match Theme::builtin(base) {
            Some(theme) => theme.styles,
            None => {
                let names: Vec<&str> = Theme::names().collect();
                return Err(wrong("base", format!("there is no theme `{base}`: expected one of {}", names.join(", "))));
            }
        },
    };
    styles.extend(file.styles.into_iter().map(|(role, look)| (role.0, look.0)));
    if let Some(shards) = file.shards {
        if shards.is_empty() {
            return Err(wrong("shards", format!("`shards` is empty: expected 1 to {SHARD_COLOURS} colours")));
        }
        styles.extend((0..SHARD_COLOURS).zip(shards.iter().cycle()).map(|(n, shade)| (Role::Shard(n), Style::new().fg(shade.0))));
    }
    let ground = styles.get(&Role::Text).and_then(|style| style.bg);
    for n in 0..SHARD_COLOURS {
        let shard = styles.get(&Role::Shard(n)).copied().unwrap_or_default();
        styles.insert(Role::Fill(n), Style { bg: shard.fg.zip(ground).and_then(|(shard, ground)| thin(shard, ground)), ..shard });
    }
    Ok(Theme { name: file.name, says: file.says, styles, depth: ColorDepth::True })
}

/// A little of a colour on a ground; nothing where colours have no parts to mix.
fn thin(color: Color, ground: Color) -> Option<Color> {
    let (Color::Rgb(r, g, b), Color::Rgb(x, y, z)) = (color, ground) else { return None };
    let mix = |part: u8, ground: u8| u8::try_from((u16::from(part) * 4 + u16::from(ground) * 6) / 10).unwrap_or(ground);
    Some(Color::Rgb(mix(r, x), mix(g, y), mix(b, z)))
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).map_or(0, |line| line.chars().count()) + 1)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct RoleName(Role);

impl<'de> Deserialize<'de> for RoleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Role::from_name(&name).map(RoleName).ok_or_else(|| {
            let nearest = Role::names().min_by_key(|known| edits(known, &name));
            let near = nearest.filter(|known| 3 * edits(known, &name) <= known.len().max(name.len()));
            let hint = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            de::Error::custom(format!("there is no role `{name}`{hint}"))
        })
    }
}

/// How many letters must change to make one word the other.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, above) in b.chars().zip(row.iter_mut().skip(1)) {
            let cost = (diagonal + usize::from(x != y)).min(left + 1).min(*above + 1);
            diagonal = std::mem::replace(above, cost);
            left = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}

struct Shade(Color);

impl<'de> Deserialize<'de> for Shade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        shade(&text).map(Shade)
    }
}

fn shade<E: de::Error>(text: &str) -> Result<Color, E> {
    let wrong = || E::custom(format!("`{text}` is not a colour: expected `#rrggbb`, a name such as `light red`, or 0 to 255"));
    Color::from_str(text).ok().ok_or_else(wrong)
}

/// A style: only a colour, or a table of `fg`, `bg` and attributes.
struct StyleText(Style);

impl<'de> Deserialize<'de> for StyleText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StyleVisitor)
    }
}

struct StyleVisitor;

impl<'de> Visitor<'de> for StyleVisitor {
    type Value = StyleText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a colour, or a table such as { fg = \"#aabbcc\", bold = true }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StyleText, E> {
        shade(text).map(|color| StyleText(Style::new().fg(color)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StyleText, A::Error> {
        let mut style = Style::new();
        while let Some(key) = map.next_key::<LookKey>()? {
            match key {
                LookKey::Fg => style = style.fg(map.next_value::<Shade>()?.0),
                LookKey::Bg => style = style.bg(map.next_value::<Shade>()?.0),
                LookKey::Attribute(modifier) => {
                    if map.next_value::<bool>()? {
                        style = style.add_modifier(modifier);
                    }
                }
            }
        }
        Ok(StyleText(style))
    }
}

enum LookKey {
    Fg,
    Bg,
    Attribute(Modifier),
}

impl<'de> Deserialize<'de> for LookKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Ok(match key.as_str() {
            "fg" => Self::Fg,
            "bg" => Self::Bg,
            "bold" => Self::Attribute(Modifier::BOLD),
            "dim" => Self::Attribute(Modifier::DIM),
            "italic" => Self::Attribute(Modifier::ITALIC),
            "underline" => Self::Attribute(Modifier::UNDERLINED),
            "reverse" => Self::Attribute(Modifier::REVERSED),
            _ => {
                let why = format!("`{key}` is not part of a style: expected fg, bg, bold, dim, italic, underline or reverse");
                return Err(de::Error::custom(why));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        theme(&format!("name = \"mine\"\nsays = \"x\"\n{body}"), "mine.toml").unwrap_err().to_string()
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        assert_eq!(
            error("[styles]\nok = \"greenish\"\n"),
            "mine.toml:4:6: `greenish` is not a colour: expected `#rrggbb`, a name such as `light red`, or 0 to 255"
        );
        assert_eq!(error("[styles]\ncritcal = \"red\"\n"), "mine.toml:4:1: there is no role `critcal`, did you mean `critical`?");
        let attribute = error("[styles]\nok = { fg = \"red\", blink = true }\n");
        assert!(attribute.starts_with("mine.toml:4:20: `blink` is not part of a style"), "{attribute}");
        let unknown = error("colour = 1\n");
        assert!(unknown.starts_with("mine.toml:3:1: unknown field `colour`"), "{unknown}");
        assert!(error("base = \"dust\"\n").starts_with("mine.toml:3:1: there is no theme `dust`: expected one of dusk,"));
        assert!(error("shards = []\n").contains("expected 1 to 12 colours"));
        let kind = error("[styles]\nok = 3\n");
        assert!(kind.starts_with("mine.toml:4:6: invalid type: integer `3`, expected a colour"), "{kind}");
    }

    #[test]
    fn a_theme_changes_only_what_it_names() {
        let mine = theme("name = \"mine\"\nsays = \"x\"\nbase = \"dawn\"\n[styles]\nok = \"green\"\n", "mine.toml").unwrap();
        let dawn = Theme::builtin("dawn").unwrap();
        assert_eq!(mine.style(Role::Ok), Style::new().fg(Color::Green));
        assert_eq!(mine.style(Role::Critical), dawn.style(Role::Critical));
        assert_eq!(mine.style(Role::Shard(3)), dawn.style(Role::Shard(3)));
    }
}
