//! PURE. What only the console needs of the file: its keys, and the theme that it names.

use toml::de::DeTable;

use super::value::{ValueReader, spanned};
use super::{Config, Outside, Reference};
use crate::keys::Keymap;
use crate::nearest::nearest;
use crate::theme::Theme;

/// Makes the keymap and the theme from what the file says, and reports what is wrong with either.
pub(super) fn complete(reader: &mut ValueReader<'_>, document: &DeTable<'_>, config: &mut Config) {
    let section = |name: &str| document.get(name).and_then(|section| section.get_ref().as_table());
    match Keymap::with(config.keys.iter().map(|(action, chord)| (action.as_str(), chord.as_str()))) {
        Ok(keymap) => config.keymap = keymap,
        Err(errors) => {
            for error in errors {
                let entry = section("keys").and_then(|keys| keys.iter().find(|(action, _)| action.get_ref() == &*error.id));
                reader.wrong(entry.map_or(0, |(action, _)| action.span().start), error.message);
            }
        }
    }
    if let Some(at) =
        section("ui").and_then(|ui| spanned(ui, "theme")).filter(|at| reader.problems.iter().all(|(problem, _)| problem != at))
    {
        match theme(&config.ui.theme, reader.outside) {
            Ok(look) => config.ui.look = look,
            Err(why) => reader.wrong(at, format!("`theme`: {why}")),
        }
    }
}

/// A theme by name or by path; the error says what there is.
pub fn theme(name: &str, outside: Outside<'_>) -> Result<Theme, String> {
    if name.ends_with(".toml") {
        let text = outside(&Reference::File(name.to_owned())).map_err(|why| format!("the theme file {name} {why}"))?;
        return Theme::parse(&text, name).map_err(|error| error.to_string());
    }
    Theme::builtin(name).ok_or_else(|| {
        let says = format!("there is no theme \"{name}\"");
        match nearest(name, Theme::names()) {
            Some(meant) => format!("{says}; did you mean \"{meant}\"?"),
            None => format!("{says}; there are {}", Theme::names().collect::<Vec<_>>().join(", ")),
        }
    })
}
