//! PURE. Roles to styles: what a thing means decides how it looks, and a theme says how, in TOML.

mod depth;
mod parse;
mod role;

use std::collections::BTreeMap;

use ratatui::style::{Modifier, Style};

pub use depth::ColorDepth;
pub use parse::ThemeError;
pub use role::{Role, SHARD_COLOURS};

/// The themes that come with the program, the default first.
const BUILTIN: [(&str, &str); 6] = [
    ("dusk", include_str!("../../themes/dusk.toml")),
    ("dawn", include_str!("../../themes/dawn.toml")),
    ("contrast", include_str!("../../themes/contrast.toml")),
    ("okabe", include_str!("../../themes/okabe.toml")),
    ("ansi16", include_str!("../../themes/ansi16.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

/// How every role looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    pub name: String,
    /// One line for `:theme` and the documentation.
    pub says: String,
    styles: BTreeMap<Role, Style>,
    depth: ColorDepth,
}

impl Default for Theme {
    fn default() -> Self {
        Self::builtin("dusk").unwrap_or_else(|| Self::of("plain", |_| Style::new()))
    }
}

impl Theme {
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    pub fn builtin(name: &str) -> Option<Self> {
        let (_, text) = BUILTIN.iter().find(|(known, _)| *known == name)?;
        Self::parse(text, name).ok()
    }

    /// A theme from its TOML text. Roles that it does not name look as in its `base` (`dusk` when it names none).
    /// `origin` is what errors call the text: the path of its file.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ThemeError> {
        parse::theme(text, origin)
    }

    /// A theme whose styles are computed: tests draw with one whose colours are the roles themselves.
    pub fn of(name: &str, style: impl Fn(Role) -> Style) -> Self {
        Self {
            name: name.into(),
            says: String::new(),
            styles: Role::all().map(|role| (role, style(role))).collect(),
            depth: ColorDepth::True,
        }
    }

    pub fn style(&self, role: Role) -> Style {
        self.styles.get(&role).copied().unwrap_or_default()
    }

    /// Shards can be told apart by the ground of their cells; without that, letters must do it.
    pub fn fills(&self) -> bool {
        self.depth > ColorDepth::Ansi16 && self.style(Role::Fill(0)).bg.is_some()
    }

    /// The same theme for a terminal that shows fewer colours. What is selected stays visible: where its background would
    /// be lost it is shown in reverse.
    #[must_use]
    pub fn limit(mut self, depth: ColorDepth) -> Self {
        let ground = depth::style(self.style(Role::Text), depth);
        for (role, style) in &mut self.styles {
            let limited = depth::style(*style, depth);
            let filled_before = style.bg.is_some() && !matches!(role, Role::Text | Role::Fill(_));
            let filled_now = limited.bg.is_some() && limited.bg != ground.bg && limited.bg != limited.fg;
            *style =
                if filled_before && !filled_now { Style { bg: None, ..limited }.add_modifier(Modifier::REVERSED) } else { limited };
        }
        self.depth = self.depth.min(depth);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const STATES: [Role; 4] = [Role::Ok, Role::Warning, Role::Critical, Role::Text];

    #[test]
    fn every_theme_loads_and_names_every_role() {
        for (name, text) in BUILTIN {
            let theme = Theme::parse(text, name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(theme.name, name);
            assert!(!theme.says.is_empty(), "{name} says what it is");
            let given = text.parse::<toml::Table>().unwrap();
            let given = given["styles"].as_table().unwrap();
            for role in Role::all().filter(|role| !matches!(role, Role::Shard(_) | Role::Fill(_))) {
                assert!(given.contains_key(role.name()), "{name} does not name {}", role.name());
            }
        }
    }

    #[test]
    fn what_differs_in_meaning_differs_in_looks() {
        for name in Theme::names() {
            let theme = Theme::builtin(name).unwrap();
            for depth in [ColorDepth::True, ColorDepth::Ansi256, ColorDepth::Ansi16] {
                let theme = theme.clone().limit(depth);
                let looks: HashSet<Style> = STATES.iter().map(|role| theme.style(*role)).collect();
                assert_eq!(looks.len(), STATES.len(), "{name} at {depth:?}");
                assert_ne!(theme.style(Role::Stale), theme.style(Role::Text), "{name} at {depth:?}");
                assert_ne!(theme.style(Role::Focus), theme.style(Role::Border), "{name} at {depth:?}");
                assert_ne!(theme.style(Role::Protected), theme.style(Role::Border), "{name} at {depth:?}");
            }
            if name != "mono" {
                let shards: HashSet<_> = (0..6).map(|n| theme.style(Role::Shard(n)).fg).collect();
                assert_eq!(shards.len(), 6, "{name}: neighbouring shards must not look alike");
            }
        }
    }

    #[test]
    fn the_selection_is_visible_without_colour() {
        let strong = Modifier::REVERSED | Modifier::BOLD;
        for name in Theme::names() {
            for depth in [ColorDepth::True, ColorDepth::Ansi256, ColorDepth::Ansi16, ColorDepth::None] {
                let theme = Theme::builtin(name).unwrap().limit(depth);
                let style = theme.style(Role::Selection);
                assert!(style.add_modifier.intersects(strong), "{name} at {depth:?}: {style:?}");
                if depth == ColorDepth::None {
                    assert!(style.add_modifier.contains(Modifier::REVERSED), "{name}: {style:?}");
                    assert_eq!((style.fg, style.bg), (None, None), "{name} still has colours");
                }
            }
        }
    }
}
